//! What follows by itself: needs that ended, fan-outs that join, steps that start, the end of the run.
#![expect(clippy::wildcard_enum_match_arm, reason = "what the oracle does not name it does not know")]

use std::cmp::Reverse;

use super::{At, Model, Oracle};
use crate::engine::script::World;
use crate::engine::state::{GateKind, RunOutcome, RunPhase, RunState, Seat, SeatState};
use crate::engine::step::{CancelCause, StepOutcome};
use crate::workflow::plan::{Join, OnFailure};

impl Oracle {
    /// Lets everything follow that follows by itself: needs, joins, the end, starts.
    pub(super) fn settle(&mut self, world: &World) {
        for ix in 0..self.steps.len() {
            if self.steps[ix].at == At::Gate && self.seat_of(ix, &world.state) != Some(SeatState::Asked) {
                self.steps[ix].at = At::Ready;
            }
        }
        while self.open() && (0..self.steps.len()).any(|ix| self.decide(ix)) {}
        let state = &world.state;
        let live = self.steps.iter().any(Model::is_live);
        let done = self.steps.iter().all(|step| step.retired || matches!(step.at, At::Done(_)));
        match self.run {
            RunPhase::Stopping(outcome) if !live => self.run = RunPhase::Ended(outcome),
            RunPhase::Asking | RunPhase::Running if done => self.run = RunPhase::Ended(self.verdict()),
            RunPhase::Asking | RunPhase::Running => {
                let has = |seat: &Seat| seat.kind == GateKind::Environment || seat.state == SeatState::Held;
                if !state.is_held() && state.seats.iter().all(has) {
                    self.run = RunPhase::Running;
                    self.start_all(world);
                }
            }
            RunPhase::Stopping(_) | RunPhase::Ended(_) => {}
        }
    }

    /// Decides about one step whose time has come; whether there was something to decide.
    pub(super) fn decide(&mut self, ix: usize) -> bool {
        let planned = &self.plan.steps[self.steps[ix].plan];
        let outcome = |ix: u32| match self.steps[ix as usize].at {
            At::Done(outcome) => Some(outcome),
            _ => None,
        };
        if self.steps[ix].at == At::FannedOut {
            let outcomes: Vec<Option<StepOutcome>> = self.instances(ix).map(|ix| outcome(ix as u32)).collect();
            if outcomes.contains(&None) {
                return false;
            }
            let worst = [StepOutcome::Failure, StepOutcome::TimedOut, StepOutcome::Neutral];
            let cancelled = outcomes.iter().flatten().find(|outcome| matches!(outcome, StepOutcome::Cancelled(_)));
            let worst = worst[..2]
                .iter()
                .chain(cancelled.copied().as_ref())
                .chain(&worst[2..])
                .find(|o| outcomes.contains(&Some(**o)))
                .copied();
            self.end(ix, worst.unwrap_or(StepOutcome::Success));
            return true;
        }
        let good = |need: u32| matches!(outcome(need), Some(StepOutcome::Success | StepOutcome::Neutral));
        let one = planned.join == Join::Any && planned.needs.iter().any(|&need| good(need));
        let all = || planned.needs.iter().all(|&need| outcome(need).is_some());
        if self.steps[ix].at != At::Needs || !(one || all()) {
            return false;
        }
        if let Some(undone) = planned.rollback_of {
            let failed = matches!(outcome(undone), Some(StepOutcome::Failure | StepOutcome::TimedOut));
            match failed && self.steps[undone as usize].started {
                true => self.ready(ix),
                false => self.end(ix, StepOutcome::SkippedByIf),
            }
            return true;
        }
        // Whether a failure stands behind this step, and whether a critical one; whether something was cancelled.
        let (mut failures, mut cancelled) = (Vec::new(), false);
        for &need in planned.needs.iter().filter(|_| !one) {
            let critical = self.plan.steps[need as usize].critical;
            match outcome(need).unwrap() {
                StepOutcome::Failure | StepOutcome::TimedOut
                    if !critical && self.plan.parallel == OnFailure::Continue => {}
                StepOutcome::Failure | StepOutcome::TimedOut => failures.push(critical),
                StepOutcome::Cancelled(CancelCause::Refused | CancelCause::FailFast) => failures.push(critical),
                StepOutcome::Cancelled(CancelCause::NeedFailed { critical: before }) => {
                    failures.push(before && critical);
                }
                StepOutcome::Cancelled(_) => cancelled = true,
                _ => {}
            }
        }
        let failed = !failures.is_empty();
        let condition = planned.condition.clone().map_or_else(|| "success()".to_owned(), String::from);
        let says = match condition.as_str() {
            "always()" => Ok(true),
            "failure()" => Ok(failed),
            _ if failed => Err(CancelCause::NeedFailed { critical: failures.contains(&true) }),
            _ if cancelled => Err(CancelCause::NeedCancelled),
            // Asked of each instance.
            "item == 1" if planned.for_each.is_some() => Ok(true),
            condition => Ok(condition == "success()"),
        };
        match says {
            Err(cause) => self.end(ix, StepOutcome::Cancelled(cause)),
            Ok(false) => self.end(ix, StepOutcome::SkippedByIf),
            Ok(true) if planned.approval.is_some() => self.steps[ix].at = At::Approval,
            Ok(true) => self.ready(ix),
        }
        true
    }

    pub(super) fn ready(&mut self, ix: usize) {
        let planned = self.step_of(ix).clone();
        let list = match planned.for_each.map(String::from).as_deref() {
            None if planned.matrix.is_empty() => return self.steps[ix].at = At::Ready,
            None => planned.matrix.iter().map(|one| serde_json::json!(one.values)).collect(),
            Some("fromJSON('[1,2]')") => serde_json::json!([1, 2]),
            Some(_) => self.steps[planned.needs[0] as usize].items.clone(),
        };
        let asked = planned.condition.is_some_and(|condition| condition.source() == "item == 1");
        match list.as_array() {
            Some(items) if items.is_empty() => self.end(ix, StepOutcome::Success),
            Some(items) if items.len() <= self.fan_out_max => {
                for item in items {
                    let key = format!("{}[{}]", planned.key, self.steps[ix].made).parse().unwrap();
                    self.steps[ix].made += 1;
                    let skipped = asked && *item != 1;
                    let at = if skipped { At::Done(StepOutcome::SkippedByIf) } else { At::Ready };
                    self.steps.push(Model::new(key, self.steps[ix].plan, Some(ix), at));
                }
                (self.steps[ix].started, self.steps[ix].at) = (true, At::FannedOut);
            }
            _ => self.end(ix, StepOutcome::Failure),
        }
    }

    pub(super) fn instances(&self, ix: usize) -> impl Iterator<Item = usize> {
        (0..self.steps.len()).filter(move |&at| self.steps[at].parent == Some(ix) && !self.steps[at].retired)
    }

    pub(super) fn start_all(&mut self, world: &World) {
        let mut ready: Vec<usize> = (0..self.steps.len()).collect();
        ready.retain(|&ix| self.steps[ix].at == At::Ready && !self.steps[ix].retired);
        ready.sort_by_key(|&ix| {
            let (planned, place) = (self.step_of(ix), world.state.find(&self.steps[ix].key));
            (Reverse((planned.path, planned.priority)), place)
        });
        for ix in ready {
            let planned = self.step_of(ix).clone();
            let live: Vec<usize> = (0..self.steps.len()).filter(|&ix| self.steps[ix].is_live()).collect();
            let alone = !planned.parallel || live.iter().any(|&ix| !self.step_of(ix).parallel);
            if alone && !live.is_empty() || live.len() >= self.plan.limits.steps as usize {
                return;
            }
            let memory: u64 = live.iter().map(|&ix| self.step_of(ix).resources.memory_bytes).sum();
            let limit = self.plan.limits.resources.memory_bytes;
            let fits = limit == 0 || memory + planned.resources.memory_bytes <= limit || live.is_empty();
            let group = |&ix: &usize| {
                planned.exclusion_group.is_some() && self.step_of(ix).exclusion_group == planned.exclusion_group
            };
            let siblings = live
                .iter()
                .filter(|&&at| self.steps[at].parent.is_some() && self.steps[at].parent == self.steps[ix].parent);
            let crowded = planned.max_parallel.is_some_and(|max| siblings.count() >= max as usize);
            if !fits || live.iter().any(group) || crowded {
                continue;
            }
            if self.seat_of(ix, &world.state).is_some_and(|seat| seat != SeatState::Held) {
                self.steps[ix].at = At::Gate;
                continue;
            }
            let agent = self.steps[ix].agent.checked_sub(1).map_or(&planned.agent, |at| &planned.fallback_agents[at]);
            self.steps[ix].attempts += 1;
            match world.eager.contains(agent) {
                true => self.start(ix),
                false => {
                    self.steps[ix].at = At::Queued(planned.queue_timeout.map(|wait| self.run_time(self.now) + wait))
                }
            }
        }
    }

    /// How the run stands at the gate of a step's environment.
    pub(super) fn seat_of(&self, ix: usize, state: &RunState) -> Option<SeatState> {
        let gate = format!("environment:{}", self.step_of(ix).environment.as_ref()?);
        state.seats.iter().find(|seat| seat.gate.0 == gate).map(|seat| seat.state)
    }

    pub(super) fn verdict(&self) -> RunOutcome {
        let own = self.steps.iter().filter(|step| step.parent.is_none() && self.plan.steps[step.plan].critical);
        let outcomes: Vec<At> = own.map(|step| step.at).collect();
        let fails = |at: &At| match at {
            At::Done(StepOutcome::Failure | StepOutcome::TimedOut) => true,
            At::Done(StepOutcome::Cancelled(CancelCause::NeedFailed { critical })) => *critical,
            At::Done(StepOutcome::Cancelled(cause)) => *cause != CancelCause::Run,
            _ => false,
        };
        if outcomes.iter().any(fails) {
            RunOutcome::Failure
        } else if outcomes.contains(&At::Done(StepOutcome::Cancelled(CancelCause::Run))) {
            RunOutcome::Cancelled
        } else {
            RunOutcome::Success
        }
    }
}

//! Which steps start now: those whose needs are satisfied, whose gates grant, whose exclusion group is free and which
//! the run has room for; by critical path, then priority, then declaration.

use serde_json::{Value, json};

use super::apply::{Draft, Rejected};
use super::change::Change;
use super::effect::{Effect, Notice};
use super::scope::StepScope;
use super::state::{RunPhase, RunState};
use super::step::{CancelCause, Due, Fault, FaultClass, StepIx, StepOutcome, StepPhase, StepState, WaitFor};
use crate::ids::{Login, StepKey};
use crate::workflow::expr::Status;
use crate::workflow::plan::{self, FanOut, Join, OnFailure, Resources};

/// How many steps that must wait longer are looked at, at most, before those behind them; it bounds the cost of an
/// event. Those behind get their turn when one of these has started.
const LOOK_AHEAD_MAX: usize = 256;

/// What may happen to a step that waits for its turn.
enum Turn {
    /// It starts.
    Start,
    /// It waits, and those behind it may start.
    Pass,
    /// It waits, and so does everything behind it.
    Stop,
}

impl Draft<'_> {
    /// Decides what becomes of a step whose needs have all ended, or that one of them is enough for.
    pub(super) fn needs_ended(&mut self, ix: StepIx) {
        let step = &self.state.steps[ix as usize];
        if step.phase != StepPhase::Waiting(WaitFor::Needs) {
            return;
        }
        let planned = self.state.plan_of(step);
        if let Some(undoes) = planned.rollback_of {
            return self.rollback(ix, undoes);
        }
        let (status, cause) = self.needs_of(planned);
        let tolerant = planned.condition.as_ref().is_some_and(plan_tolerates);
        if status != Status::Success && !tolerant {
            return self.end_step(ix, StepOutcome::Cancelled(cause));
        }
        let asked_once = planned.condition.as_ref().filter(|_| planned.condition_of_instances().is_none());
        let says = asked_once
            .map(|condition| condition.truthy(&StepScope::new(self.state, ix, status, condition.steps_named())));
        match says {
            None | Some(Ok(true)) => self.ask_for_approval(ix),
            Some(Ok(false)) => self.end_step(ix, StepOutcome::SkippedByIf),
            Some(Err(error)) => self.fail_step(ix, fault(format!("`if`: {error}"))),
        }
    }

    /// How the needs of a step ended, and how it is cancelled if that is not well enough.
    fn needs_of(&self, planned: &plan::Step) -> (Status, CancelCause) {
        if planned.join == Join::Any && self.state.one_succeeded(planned) {
            return (Status::Success, CancelCause::NeedCancelled);
        }
        let mut failed = None;
        let mut cancelled = false;
        for &need in &planned.needs {
            let step = &self.state.steps[need as usize];
            let critical = self.state.plan_of(step).critical;
            match step.outcome() {
                Some(StepOutcome::Failure | StepOutcome::TimedOut) => {
                    if critical || self.state.plan.parallel != OnFailure::Continue {
                        failed = Some(failed.unwrap_or(false) || critical);
                    }
                }
                Some(StepOutcome::Cancelled(CancelCause::NeedFailed { critical: first })) => {
                    failed = Some(failed.unwrap_or(false) || first && critical);
                }
                Some(StepOutcome::Cancelled(CancelCause::Refused | CancelCause::FailFast)) => {
                    failed = Some(failed.unwrap_or(false) || critical);
                }
                Some(StepOutcome::Cancelled(
                    CancelCause::Run | CancelCause::RunTimeout | CancelCause::NeedCancelled,
                )) => cancelled = true,
                Some(
                    StepOutcome::Success
                    | StepOutcome::Neutral
                    | StepOutcome::SkippedByIf
                    | StepOutcome::SkippedByCommand,
                )
                | None => {}
            }
        }
        match (failed, cancelled) {
            (Some(critical), _) => (Status::Failure, CancelCause::NeedFailed { critical }),
            (None, true) => (Status::Cancelled, CancelCause::NeedCancelled),
            (None, false) => (Status::Success, CancelCause::NeedCancelled),
        }
    }

    /// A rollback starts only when its step started and then failed.
    fn rollback(&mut self, ix: StepIx, undoes: StepIx) {
        let undone = &self.state.steps[undoes as usize];
        let failed = matches!(undone.outcome(), Some(StepOutcome::Failure | StepOutcome::TimedOut));
        if failed && undone.started.is_some() {
            self.ready(ix);
        } else {
            self.end_step(ix, StepOutcome::SkippedByIf);
        }
    }

    fn ask_for_approval(&mut self, ix: StepIx) {
        let step = &self.state.steps[ix as usize];
        if self.state.plan_of(step).approval.is_some() && step.approved.is_none() {
            self.set_step(ix, StepPhase::Waiting(WaitFor::Approval));
            self.effects.push(Effect::Notify(Notice::ApprovalWanted(ix)));
        } else {
            self.ready(ix);
        }
    }

    pub(super) fn approved(&mut self, key: &StepKey, by: &Login) -> Result<(), Rejected> {
        self.must_be_open()?;
        let ix = self.find(key)?;
        if self.state.steps[ix as usize].phase != StepPhase::Waiting(WaitFor::Approval) {
            return Err(self.wrong_phase(ix));
        }
        self.change(Change::Approved { step: ix, by: by.clone() });
        self.ready(ix);
        Ok(())
    }

    /// Nothing but its turn stands before this step any more.
    fn ready(&mut self, ix: StepIx) {
        let step = &self.state.steps[ix as usize];
        match self.state.plan_of(step).fan_out() {
            Some(of) if step.parent.is_none() => {
                let (list, what) = match of {
                    FanOut::Each(list) => {
                        let scope = StepScope::new(self.state, ix, Status::Success, list.steps_named());
                        (list.eval(&scope), "`for_each`")
                    }
                    FanOut::Matrix(combinations) => {
                        (Ok(combinations.iter().map(|one| json!(one.values)).collect()), "`matrix`")
                    }
                };
                self.fan_out(ix, list, what);
            }
            Some(_) | None => self.set_step(ix, StepPhase::Waiting(WaitFor::Turn)),
        }
    }

    fn fan_out(&mut self, ix: StepIx, list: Result<Value, crate::workflow::expr::Error>, what: &str) {
        let max = self.state.birth.as_ref().map(|birth| birth.limits).unwrap_or_default().fan_out_max as usize;
        match list {
            Ok(Value::Array(items)) if items.is_empty() => self.end_step(ix, StepOutcome::Success),
            Ok(Value::Array(items)) if items.len() > max => {
                self.fail_step(ix, fault(format!("{what} gives {} items; at most {max} may be", items.len())));
            }
            Ok(Value::Array(items)) if !self.has_key_for(ix, items.len()) => {
                self.fail_step(ix, fault("the step's id is too long to number its instances".to_owned()));
            }
            Ok(Value::Array(items)) => {
                let items = items.iter().map(Value::to_string).collect();
                self.change(Change::FannedOut { step: ix, items });
                self.ask_instances(ix);
            }
            Ok(_) => self.fail_step(ix, fault(format!("{what} gives no list"))),
            Err(error) => self.fail_step(ix, fault(format!("{what}: {error}"))),
        }
    }

    /// Skips the new instances of which an `if:` that looks at their items says no.
    fn ask_instances(&mut self, parent: StepIx) {
        let planned = &self.state.plan.steps[self.state.steps[parent as usize].plan as usize];
        let Some(condition) = planned.condition_of_instances().cloned() else { return };
        let (status, _) = self.needs_of(planned);
        for ix in self.state.index.instances.get(&parent).cloned().unwrap_or_default() {
            // One that failed here may have cancelled those behind it.
            if self.state.steps[ix as usize].phase != StepPhase::Waiting(WaitFor::Turn) {
                continue;
            }
            match condition.truthy(&StepScope::new(self.state, ix, status, condition.steps_named())) {
                Ok(true) => {}
                Ok(false) => self.end_step(ix, StepOutcome::SkippedByIf),
                Err(error) => self.fail_step(ix, fault(format!("`if`: {error}"))),
            }
        }
    }

    /// Whether the last of so many instances has room for its number in its key.
    fn has_key_for(&self, ix: StepIx, items: usize) -> bool {
        let step = &self.state.steps[ix as usize];
        let last = u64::from(step.instances) + items as u64;
        last <= u64::from(u32::MAX) && format!("{}[{last}]", step.key).parse::<StepKey>().is_ok()
    }

    /// Starts every step that may start now.
    pub(super) fn start_steps(&mut self) {
        if self.state.is_held() || !self.has_seats() {
            return;
        }
        if self.state.phase == RunPhase::Asking {
            self.change(Change::Run(RunPhase::Running));
            self.effects.push(Effect::Notify(Notice::Started));
        }
        let mut passed = 0;
        let mut next = self.state.index.turn.first().copied();
        while let Some(rank) = next {
            let ix = rank.2;
            match self.turn_of(ix) {
                Turn::Start => self.start_step(ix),
                Turn::Pass => passed += usize::from(self.state.index.turn.contains(&rank)),
                Turn::Stop => return,
            }
            if passed == LOOK_AHEAD_MAX {
                return;
            }
            let behind = (std::ops::Bound::Excluded(rank), std::ops::Bound::Unbounded);
            next = self.state.index.turn.range(behind).next().copied();
        }
    }

    fn turn_of(&mut self, ix: StepIx) -> Turn {
        let limits = &self.state.plan.limits;
        let index = &self.state.index;
        let step = &self.state.steps[ix as usize];
        let planned = self.state.plan_of(step);
        if index.live_alone > 0 || index.live.len() >= limits.steps.max(1) as usize {
            return Turn::Stop;
        }
        if !planned.parallel && !index.live.is_empty() {
            return Turn::Stop;
        }
        if planned.exclusion_group.as_ref().is_some_and(|group| index.exclusions.contains_key(group)) {
            return Turn::Pass;
        }
        if !fits(index.used, planned.resources, limits.resources) && !index.live.is_empty() {
            return Turn::Pass;
        }
        if let (Some(parent), Some(max)) = (step.parent, planned.max_parallel)
            && index.live_instances.get(&parent).is_some_and(|&live| live >= max.max(1))
        {
            return Turn::Pass;
        }
        if let Some(environment) = planned.environment.clone()
            && !self.has_environment(&environment)
        {
            self.set_step(ix, StepPhase::Waiting(WaitFor::Gate));
            return Turn::Pass;
        }
        Turn::Start
    }

    fn start_step(&mut self, ix: StepIx) {
        let step = &self.state.steps[ix as usize];
        let planned = self.state.plan_of(step);
        let agent = agent_of(planned, step).clone();
        let number = step.attempts + 1;
        let due = planned.queue_timeout.map(|wait| Due::run(self.state.run_time(self.at).saturating_add(wait)));
        let started = self.ctx.eager.contains(&agent);
        self.change(Change::AttemptOpened { step: ix, number, agent: agent.clone(), due });
        if started {
            self.change(Change::AttemptStarted { step: ix, due: self.attempt_due(ix) });
        }
        self.effects.push(Effect::Dispatch { step: ix, number, agent, started });
    }
}

impl RunState {
    /// Whether what a step of the plan waits for has come, so that [`Draft::needs_ended`] has something to decide.
    pub(super) fn is_joined(&self, ix: StepIx) -> bool {
        let planned = &self.plan.steps[ix as usize];
        self.index.open_needs[ix as usize] == 0 || planned.join == Join::Any && self.one_succeeded(planned)
    }

    fn one_succeeded(&self, planned: &plan::Step) -> bool {
        let good = |need: &u32| {
            let outcome = self.steps[*need as usize].outcome();
            matches!(outcome, Some(StepOutcome::Success | StepOutcome::Neutral))
        };
        planned.needs.iter().any(good)
    }
}

/// The agent whose turn it is: the step's own, then its fallback agents.
#[must_use]
pub fn agent_of<'a>(planned: &'a plan::Step, step: &StepState) -> &'a crate::ids::AgentName {
    let fallback = (step.tries.agent as usize).checked_sub(1).and_then(|at| planned.fallback_agents.get(at));
    fallback.unwrap_or(&planned.agent)
}

fn plan_tolerates(condition: &crate::workflow::expr::Expr) -> bool {
    condition.tolerates_failure()
}

fn fault(message: String) -> Fault {
    Fault { class: FaultClass::Config, message }
}

/// Whether what a step asks for fits beside what is used. A limit of zero is no limit.
fn fits(used: Resources, wants: Resources, limit: Resources) -> bool {
    let within = |used: u64, wants: u64, limit: u64| limit == 0 || used.saturating_add(wants) <= limit;
    within(used.memory_bytes, wants.memory_bytes, limit.memory_bytes)
        && within(used.cpu_millis.into(), wants.cpu_millis.into(), limit.cpu_millis.into())
        && within(used.disk_bytes, wants.disk_bytes, limit.disk_bytes)
}

//! `evolve` assigns and never chooses. Folding it over the journal is how a run is loaded; there is no other way.

use super::change::Change;
use super::index::Index;
use super::state::{Birth, RunClock, RunState, Seat, SeatState};
use super::step::{CancelCause, Fault, Live, StepIx, StepOutcome, StepPhase, StepState, Tries, WaitFor};
use crate::ids::{AgentName, StepKey};
use crate::time::Timestamp;

impl RunState {
    /// Begins a journal row: everything that `evolve` assigns until the next one happened at `at`.
    pub fn begin_row(&mut self, at: Timestamp) {
        self.data.seq += 1;
        self.data.at = at;
    }

    /// Folds one whole journal row.
    pub fn fold(&mut self, at: Timestamp, changes: &[Change]) {
        self.begin_row(at);
        for change in changes {
            evolve(self, change);
        }
    }

    /// Alters one step, and the index with it. A step that does not exist is left alone.
    fn step(&mut self, ix: StepIx, alter: impl FnOnce(&mut StepState)) {
        if let Some(step) = self.data.steps.get_mut(ix as usize) {
            self.index.leave(&self.plan, ix, step);
            alter(step);
            self.index.enter(&self.plan, ix, step);
        }
    }
}

/// Makes one change so.
pub fn evolve(state: &mut RunState, change: &Change) {
    let at = state.data.at;
    match change {
        Change::Born(birth) => born(state, birth),
        Change::Run(phase) => state.data.phase = *phase,
        Change::HoldPut(hold) => {
            state.data.holds.insert(hold.kind, hold.clone());
        }
        Change::HoldTaken(kind) => {
            state.data.holds.remove(kind);
        }
        Change::Clock(clock) => state.data.clock = *clock,
        Change::Seat { seat, state: now } => {
            if let Some(seat) = state.data.seats.get_mut(*seat as usize) {
                seat.state = *now;
            }
        }
        Change::Step { step, phase, due } => state.step(*step, |s| s.enter_phase(*phase, at, *due)),
        Change::AttemptOpened { step, number, agent, due } => state.step(*step, |s| {
            s.attempts = *number;
            s.live = Some(Live { number: *number, agent: agent.clone(), started: None });
            s.enter_phase(StepPhase::Queued, at, *due);
        }),
        Change::AttemptStarted { step, due } => state.step(*step, |s| s.start_attempt(at, *due)),
        Change::AttemptClosed { step, cost_micros, fault, tries } => {
            state.data.cost_micros = state.data.cost_micros.saturating_add(*cost_micros);
            state.step(*step, |s| s.close_attempt(*cost_micros, fault.as_ref(), *tries));
        }
        Change::Approved { step, by } => state.step(*step, |s| s.approved = Some(by.clone())),
        Change::FannedOut { step, items } => fanned_out(state, *step, items),
        Change::OutputsKept { step, outputs } => state.step(*step, |s| s.outputs = Some(outputs.clone())),
        Change::AllCancelled(cause) => all_cancelled(state, *cause),
        Change::RoundOpened { steps, reopened } => round_opened(state, steps, reopened),
        Change::Faulted { step, fault } => state.step(*step, |s| s.fault = Some(fault.clone())),
    }
}

fn born(state: &mut RunState, birth: &Birth) {
    let at = state.data.at;
    let seat = |(kind, gate): &(_, _)| Seat { kind: *kind, gate: Clone::clone(gate), state: SeatState::Idle };
    state.data.seats = birth.gates.iter().map(seat).collect();
    state.data.holds = birth.holds.iter().map(|hold| (hold.kind, hold.clone())).collect();
    let stopped_since = (!birth.holds.is_empty()).then_some(at);
    state.data.clock = RunClock { origin: at, stopped_since, stopped_micros: 0 };
    state.data.steps =
        (0..).zip(&state.plan.steps).map(|(ix, s)| StepState::fresh(s.key.clone(), ix, None, None)).collect();
    for step in &mut state.data.steps {
        step.since = at;
    }
    state.data.birth = Some(birth.clone());
    state.index = Index::build(&state.plan, &state.data);
}

fn fanned_out(state: &mut RunState, parent: StepIx, items: &[String]) {
    let at = state.data.at;
    let Some(step) = state.data.steps.get(parent as usize) else { return };
    let (plan, first, key) = (step.plan, step.instances, step.key.clone());
    state.step(parent, |s| {
        s.instances += u32::try_from(items.len()).unwrap_or(0);
        s.started.get_or_insert(at);
        s.enter_phase(StepPhase::Running, at, None);
    });
    for (number, item) in (first..).zip(items) {
        let Ok(key) = format!("{key}[{number}]").parse::<StepKey>() else { continue };
        let mut instance = StepState::fresh(key, plan, Some(parent), Some(item.clone()));
        instance.since = at;
        instance.phase = StepPhase::Waiting(WaitFor::Turn);
        let Ok(ix) = StepIx::try_from(state.data.steps.len()) else { return };
        state.index.append(&state.plan, ix, &instance);
        state.index.enter(&state.plan, ix, &instance);
        state.data.steps.push(instance);
    }
}

fn all_cancelled(state: &mut RunState, cause: CancelCause) {
    let at = state.data.at;
    for ix in 0..StepIx::try_from(state.data.steps.len()).unwrap_or(StepIx::MAX) {
        state.step(ix, |s| match s.phase {
            StepPhase::Ended(_) | StepPhase::Stopping(_) => {}
            StepPhase::Running | StepPhase::AwaitingInput if s.live.is_some() => {
                s.enter_phase(StepPhase::Stopping(super::step::StopCause::Cancelled(cause)), at, None);
            }
            StepPhase::Running
            | StepPhase::AwaitingInput
            | StepPhase::Waiting(_)
            | StepPhase::Queued
            | StepPhase::BackOff => {
                s.live = None;
                s.enter_phase(StepPhase::Ended(StepOutcome::Cancelled(cause)), at, None);
            }
        });
    }
}

fn round_opened(state: &mut RunState, steps: &[StepIx], reopened: &[StepIx]) {
    let at = state.data.at;
    state.data.round += 1;
    for &ix in steps {
        let retired = state.index.instances.get(&ix).cloned().unwrap_or_default();
        for instance in retired {
            state.step(instance, |s| s.retired = true);
        }
        state.step(ix, |s| s.start_over(at));
    }
    for &ix in reopened {
        state.step(ix, |s| s.enter_phase(StepPhase::Running, at, None));
    }
}

impl StepState {
    fn enter_phase(&mut self, phase: StepPhase, at: Timestamp, due: Option<super::step::Due>) {
        self.phase = phase;
        self.since = at;
        self.due = due;
    }

    fn start_attempt(&mut self, at: Timestamp, due: super::step::Due) {
        if let Some(live) = &mut self.live {
            live.started = Some(at);
        }
        self.started.get_or_insert(at);
        self.enter_phase(StepPhase::Running, at, Some(due));
    }

    fn close_attempt(&mut self, cost_micros: u64, fault: Option<&Fault>, tries: Tries) {
        self.live = None;
        self.due = None;
        self.cost_micros = self.cost_micros.saturating_add(cost_micros);
        self.fault = fault.cloned();
        self.tries = tries;
    }

    /// As on the first day, but for what only grows.
    fn start_over(&mut self, at: Timestamp) {
        let kept = (self.attempts, self.instances, self.cost_micros);
        let wait = if self.parent.is_some() { WaitFor::Turn } else { WaitFor::Needs };
        *self = Self::fresh(self.key.clone(), self.plan, self.parent, self.item.clone());
        (self.attempts, self.instances, self.cost_micros) = kept;
        self.enter_phase(StepPhase::Waiting(wait), at, None);
    }

    /// The agent of the attempt that is live.
    #[must_use]
    pub fn live_agent(&self) -> Option<&AgentName> {
        self.live.as_ref().map(|live| &live.agent)
    }
}

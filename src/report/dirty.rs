//! Which names a transition made differ from what GitHub shows: computed from its changes, so that an event costs what
//! it changed.

use std::collections::BTreeSet;

use super::step::step_check_name;
use crate::engine::change::Change;
use crate::engine::state::{HoldKind, RunPhase, RunState};
use crate::engine::step::{StepIx, StepPhase, WaitFor};

/// What a transition made dirty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dirty {
    /// Names to be looked at now.
    pub now: BTreeSet<String>,
    /// The workflow check's table changed, and nothing else of it: within the minute is soon enough.
    pub table: bool,
}

/// The names that these changes touched, in the state after them.
#[must_use]
pub fn dirty(state: &RunState, changes: &[Change]) -> Dirty {
    let mut dirty = Dirty::default();
    let workflow = || state.plan.workflow.to_string();
    for change in changes {
        match change {
            Change::Born(_) | Change::Run(RunPhase::Running | RunPhase::Ended(_)) => {
                dirty.now.insert(workflow());
            }
            Change::Run(RunPhase::Asking | RunPhase::Stopping(_)) => dirty.table = true,
            Change::HoldPut(hold) if hold.kind != HoldKind::Queue => dirty.everything_open(state),
            Change::HoldTaken(kind) if *kind != HoldKind::Queue => dirty.everything_open(state),
            Change::HoldPut(_) | Change::HoldTaken(_) => dirty.table = true,
            Change::Step { step, phase, .. } => {
                dirty.step(state, *step);
                if *phase == StepPhase::Waiting(WaitFor::Approval) || *phase == StepPhase::AwaitingInput {
                    dirty.now.insert(workflow());
                }
            }
            Change::AttemptOpened { step, .. } => dirty.table |= state.steps.get(*step as usize).is_some(),
            Change::AttemptStarted { step, .. } | Change::FannedOut { step, .. } => dirty.step(state, *step),
            Change::AllCancelled(_) => dirty.all_steps(state),
            Change::RoundOpened { steps, reopened } => {
                steps.iter().chain(reopened).for_each(|step| dirty.step(state, *step));
                dirty.now.insert(workflow());
            }
            Change::Clock(_)
            | Change::Seat { .. }
            | Change::AttemptClosed { .. }
            | Change::Approved { .. }
            | Change::OutputsKept { .. }
            | Change::Faulted { .. } => {}
        }
    }
    dirty
}

impl Dirty {
    fn step(&mut self, state: &RunState, ix: StepIx) {
        self.table = true;
        let Some(step) = state.steps.get(ix as usize) else { return };
        // An instance is a row in the table of its fan-out; that table, too, is fresh enough within the minute.
        let begun =
            step.started.is_some() || step.outcome().is_some() || step.phase == StepPhase::Waiting(WaitFor::Approval);
        if step.parent.is_none() && begun {
            self.now.insert(step_check_name(&state.plan.workflow, &step.key));
        }
    }

    fn all_steps(&mut self, state: &RunState) {
        (0..StepIx::try_from(state.steps.len()).unwrap_or(StepIx::MAX)).for_each(|ix| self.step(state, ix));
    }

    /// A hold shows in the titles of the workflow check and of the steps that wait.
    fn everything_open(&mut self, state: &RunState) {
        self.now.insert(state.plan.workflow.to_string());
        for (ix, step) in (0..).zip(&state.steps) {
            if step.outcome().is_none() {
                self.step(state, ix);
            }
        }
    }
}

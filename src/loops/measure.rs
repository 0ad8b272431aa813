//! Figures for the operator: counted where runs move, and read from the database where all replicas share them.

use std::time::Duration;

use super::driver::Next;
use crate::engine::change::Change;
use crate::engine::state::RunPhase;
use crate::engine::step::StepPhase;
use crate::engine::{RunState, RunView};
use crate::metrics::Metrics;
use crate::store::Store;
use crate::time::Clock;

/// A check that differs for longer than this is overdue.
const OVERDUE: Duration = Duration::from_secs(60);

/// The loop that reads what all replicas share.
pub struct Measure {
    /// Where runs and deliveries are.
    pub store: Store,
    /// What is shown.
    pub metrics: Metrics,
    /// The time.
    pub clock: Clock,
}

impl Measure {
    /// Reads the gauges once.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tick(&self) -> anyhow::Result<Next> {
        let now = self.clock.now();
        self.metrics.runs_active(self.store.count_live().await?);
        let oldest = self.store.oldest_pending().await?;
        self.metrics.inbox_age(oldest.map_or(Duration::ZERO, |since| now.since(since)));
        let overdue = self.store.oldest_head().await?.is_some_and(|due| now.since(due) > OVERDUE);
        self.metrics.checks_overdue(overdue.into());
        Ok(Next::Period)
    }
}

/// Counts what these changes mean, in the state after them.
pub(super) fn count(metrics: &Metrics, state: &RunState, changes: &[Change]) {
    for change in changes {
        match change {
            Change::Born(_) => metrics.run_began(),
            Change::Run(RunPhase::Ended(outcome)) => {
                metrics.run_ended(&state.plan.workflow, *outcome, RunView::new(state, state.at).took());
            }
            // An attempt that starts in the transition that queued it has not waited.
            Change::AttemptOpened { step, .. } if starts(changes, *step) => metrics.queue_waited(Duration::ZERO),
            Change::Step { step, phase, .. } => step_moved(metrics, state, *step, *phase),
            Change::AttemptClosed { tries, .. } if tries.agent > 0 && tries.with_agent == 0 => metrics.fell_back(),
            Change::AttemptClosed { .. }
            | Change::Run(_)
            | Change::HoldPut(_)
            | Change::HoldTaken(_)
            | Change::Clock(_)
            | Change::Seat { .. }
            | Change::AttemptOpened { .. }
            | Change::AttemptStarted { .. }
            | Change::Approved { .. }
            | Change::FannedOut { .. }
            | Change::OutputsKept { .. }
            | Change::AllCancelled(_)
            | Change::RoundOpened { .. }
            | Change::Faulted { .. } => {}
        }
    }
}

fn starts(changes: &[Change], opened: u32) -> bool {
    changes.iter().any(|change| matches!(change, Change::AttemptStarted { step, .. } if *step == opened))
}

fn step_moved(metrics: &Metrics, state: &RunState, step: u32, phase: StepPhase) {
    let Some(step) = RunView::new(state, state.at).step(step) else { return };
    match phase {
        StepPhase::Ended(_) => {
            if let Some(took) = step.took() {
                metrics.step_ended(step.plan().kind, step.agent(), took);
            }
        }
        StepPhase::BackOff => {
            if let Some(fault) = &step.step().fault {
                metrics.retried(fault.class);
            }
        }
        StepPhase::Waiting(_)
        | StepPhase::Queued
        | StepPhase::Running
        | StepPhase::AwaitingInput
        | StepPhase::Stopping(_) => {}
    }
}

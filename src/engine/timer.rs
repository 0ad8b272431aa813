//! Timers: derived from the state, never scheduled. [`next_timer`] says when the run has to be looked at next and why.

use std::time::Duration;

use super::apply::Draft;
use super::state::{RunOutcome, RunPhase, RunState};
use super::step::{CancelCause, StepIx, StepPhase, StopCause, WaitFor};
use crate::time::Timestamp;

/// Why a run is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// The run's time is up.
    RunTimeout,
    /// The time of a step's attempt is up.
    AttemptTimeout(StepIx),
    /// A step has waited long enough for an agent.
    QueueTimeout(StepIx),
    /// A step is to be tried again.
    Retry(StepIx),
}

/// When the run has to be looked at next, and why. Nothing when only somebody else can move it.
#[must_use]
pub fn next_timer(state: &RunState) -> Option<(Timestamp, Timer)> {
    let running = match state.phase {
        RunPhase::Ended(_) => return None,
        RunPhase::Stopping(_) => false,
        RunPhase::Asking | RunPhase::Running => true,
    };
    let wall = state.index.wall_dues.first().map(|&(at, ix)| (at, timer_of(state, ix)));
    if !running || state.clock.stopped_since.is_some() {
        return wall;
    }
    let waits = state.index.run_dues.first();
    let waits = waits.map(|&(at, ix)| (state.wall_time(Duration::from_micros(at)), timer_of(state, ix)));
    let whole = Some((state.wall_time(state.plan.timeout), Timer::RunTimeout));
    [wall, waits, whole].into_iter().flatten().min_by_key(|&(at, _)| at)
}

fn timer_of(state: &RunState, ix: StepIx) -> Timer {
    match state.steps[ix as usize].phase {
        StepPhase::BackOff => Timer::Retry(ix),
        StepPhase::Queued => Timer::QueueTimeout(ix),
        StepPhase::Running
        | StepPhase::Waiting(_)
        | StepPhase::AwaitingInput
        | StepPhase::Stopping(_)
        | StepPhase::Ended(_) => Timer::AttemptTimeout(ix),
    }
}

impl Draft<'_> {
    /// Lets everything happen that is due.
    pub(super) fn ticked(&mut self) {
        while let Some((due, timer)) = next_timer(self.state)
            && due <= self.at
        {
            match timer {
                Timer::RunTimeout => self.cancel_all(CancelCause::RunTimeout, RunOutcome::TimedOut),
                Timer::AttemptTimeout(ix) => self.stop_attempt(ix, StopCause::TimedOut),
                Timer::QueueTimeout(ix) => self.queue_timed_out(ix),
                Timer::Retry(ix) => self.set_step(ix, StepPhase::Waiting(WaitFor::Turn)),
            }
        }
    }
}

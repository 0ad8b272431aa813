//! Changes and effects in words, one line each, so that a trace reads as a story.

use crate::engine::change::Change;
use crate::engine::effect::{Effect, Notice};
use crate::engine::phase_in_words;
use crate::engine::state::{RunOutcome, RunPhase, RunState};
use crate::engine::step::{CancelCause, Due, Fault, StepIx, StepOutcome, StepPhase, StopCause};
use crate::time::human;

pub(super) fn change(state: &RunState, change: &Change) -> String {
    let key = |ix: &StepIx| state.steps[*ix as usize].key.clone();
    match change {
        Change::Born(_) => "born".to_owned(),
        Change::Run(phase) => format!("run {}", run(*phase)),
        Change::HoldPut(hold) => format!("held: {:?}", hold.kind).to_lowercase(),
        Change::HoldTaken(kind) => format!("no longer held: {kind:?}").to_lowercase(),
        Change::Clock(clock) if clock.stopped_since.is_some() => "the clock stands still".to_owned(),
        Change::Clock(_) => "the clock runs".to_owned(),
        Change::Seat { seat, state: now } => format!("{}: {now:?}", state.seats[*seat as usize].gate.0).to_lowercase(),
        Change::Step { step, phase: phase @ StepPhase::BackOff, due } => {
            format!("{} {}{}", key(step), of_step(*phase), until(state, *due).replace(" at most", ""))
        }
        Change::Step { step, phase, due } => format!("{} {}{}", key(step), of_step(*phase), until(state, *due)),
        Change::AttemptOpened { step, number, agent, due } => {
            format!("{}.a{number} queued at {agent}{}", key(step), until(state, *due))
        }
        Change::AttemptStarted { step, due } => format!("{} runs{}", key(step), until(state, Some(*due))),
        Change::AttemptClosed { step, cost_micros, fault, .. } => {
            let cost = if *cost_micros > 0 { format!(", cost {cost_micros}") } else { String::new() };
            format!("{} has no attempt{}{cost}", key(step), fault.as_ref().map(because).unwrap_or_default())
        }
        Change::Approved { step, by } => format!("{} approved by {by}", key(step)),
        Change::FannedOut { step, items } => format!("{} is {} instances: {}", key(step), items.len(), items.join(" ")),
        Change::OutputsKept { step, outputs } => format!("{} says {outputs}", key(step)),
        Change::AllCancelled(why) => format!("all cancelled: {}", cause(*why)),
        Change::RoundOpened { steps, reopened } => {
            let keys = |steps: &[StepIx]| steps.iter().map(|ix| format!(" {}", key(ix))).collect::<String>();
            let within = if reopened.is_empty() { String::new() } else { format!(" within{}", keys(reopened)) };
            format!("round {}:{}{within}", state.round, keys(steps))
        }
        Change::Faulted { step, fault } => format!("{}{}", key(step), because(fault)),
    }
}

pub(super) fn effect(state: &RunState, effect: &Effect) -> String {
    let key = |ix: &StepIx| state.steps[*ix as usize].key.clone();
    let gate = |seat: &u32| state.seats[*seat as usize].gate.0.clone();
    match effect {
        Effect::Dispatch { step, number, agent, started } => {
            format!("→ {} {}.a{number} to {agent}", if *started { "start" } else { "dispatch" }, key(step))
        }
        Effect::Stop { step, number } => format!("→ stop {}.a{number}", key(step)),
        Effect::Forget { step, number } => format!("→ forget {}.a{number}", key(step)),
        Effect::Answer { step, number, text } => format!("→ answer {}.a{number}: {text}", key(step)),
        Effect::Hold(true) => "→ hold queued attempts".to_owned(),
        Effect::Hold(false) => "→ free queued attempts".to_owned(),
        Effect::Ask { seat } => format!("→ ask {}", gate(seat)),
        Effect::Give { seat } => format!("→ give {}", gate(seat)),
        Effect::Notify(notice) => match notice {
            Notice::Started => "→ tell: started".to_owned(),
            Notice::Completed => "→ tell: completed".to_owned(),
            Notice::Failed => "→ tell: failed".to_owned(),
            Notice::Escalated(step) => format!("→ tell: {} needs somebody", key(step)),
            Notice::ApprovalWanted(step) => format!("→ tell: {} wants approval", key(step)),
            Notice::InputWanted(step) => format!("→ tell: {} asks", key(step)),
            Notice::BudgetSpent => "→ tell: the budget is spent".to_owned(),
        },
    }
}

pub(super) fn run(phase: RunPhase) -> String {
    match phase {
        RunPhase::Asking => "asks".to_owned(),
        RunPhase::Running => "runs".to_owned(),
        RunPhase::Stopping(outcome) => format!("stops: {}", of_run(outcome)),
        RunPhase::Ended(outcome) => format!("is over: {}", of_run(outcome)),
    }
}

fn of_run(outcome: RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Success => "success",
        RunOutcome::Failure => "failure",
        RunOutcome::TimedOut => "timed out",
        RunOutcome::Cancelled => "cancelled",
        RunOutcome::Superseded => "superseded",
        RunOutcome::Dropped => "dropped",
        RunOutcome::HandedOver => "handed over",
    }
}

fn of_step(phase: StepPhase) -> String {
    match phase {
        StepPhase::Ended(StepOutcome::Cancelled(why)) => format!("is cancelled: {}", cause(why)),
        StepPhase::Ended(StepOutcome::SkippedByIf) => "is skipped by its if".to_owned(),
        StepPhase::Ended(StepOutcome::SkippedByCommand) => "is skipped by command".to_owned(),
        StepPhase::Stopping(StopCause::TimedOut) => "is being stopped: out of time".to_owned(),
        StepPhase::Stopping(StopCause::Stalled) => "is being stopped: no sign of life".to_owned(),
        StepPhase::Stopping(StopCause::Skipped) => "is being stopped: skipped".to_owned(),
        StepPhase::Stopping(StopCause::Cancelled(why)) => format!("is being stopped: {}", cause(why)),
        StepPhase::Waiting(_)
        | StepPhase::Queued
        | StepPhase::Running
        | StepPhase::AwaitingInput
        | StepPhase::BackOff
        | StepPhase::Ended(_) => format!("is {}", phase_in_words(phase)),
    }
}

fn cause(cause: CancelCause) -> &'static str {
    match cause {
        CancelCause::Run => "with the run",
        CancelCause::NeedFailed { critical: true } => "a critical step failed",
        CancelCause::NeedFailed { critical: false } => "a step failed that is not critical",
        CancelCause::FailFast => "fail fast",
        CancelCause::RunTimeout => "the run's time is up",
        CancelCause::Refused => "refused",
        CancelCause::NeedCancelled => "a step before it was cancelled",
    }
}

fn because(fault: &Fault) -> String {
    format!(" ({:?}: {})", fault.class, fault.message)
}

fn until(state: &RunState, due: Option<Due>) -> String {
    match due {
        None => String::new(),
        Some(Due::Wall(at)) => format!(", {} at most", human(at.since(state.at))),
        Some(Due::Run(at)) => {
            let left = std::time::Duration::from_micros(at).saturating_sub(state.run_time(state.at));
            format!(", {} of run time at most", human(left))
        }
    }
}

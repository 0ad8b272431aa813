//! The check of one step.

use std::fmt::Write as _;

use super::check::{Button, Check, Conclusion, Status, StepReport};
use super::markdown::{cut, escape, fence, quote, tail};
use super::run::superseded;
use crate::engine::state::HoldKind;
use crate::engine::step::{CancelCause, FaultClass, StepOutcome, StepPhase, StopCause, WaitFor};
use crate::engine::view::{HeldBackBy, StepView};
use crate::engine::{RunView, state::RunPhase};
use crate::ids::{StepKey, WorkflowId};
use crate::time::human;

/// How much of a log a check shows, in bytes.
const LOG_BYTES_MAX: usize = 20_000;

/// What branch protection knows a step's check by.
#[must_use]
pub fn step_check_name(workflow: &WorkflowId, step: &StepKey) -> String {
    format!("{workflow} / {step}")
}

/// The check of a step, once it has one: from its first start on, or when it ended unstarted, or waits for approval.
#[must_use]
pub fn step_check(run: &RunView<'_>, step: StepView<'_>, report: Option<&StepReport>) -> Option<Check> {
    let approval = step.step().phase == StepPhase::Waiting(WaitFor::Approval);
    let idle_rollback = step.plan().rollback_of.is_some() && step.step().started.is_none();
    if !step.has_begun() && !approval || idle_rollback {
        return None;
    }
    let state = step.step();
    let status = status(state.phase);
    let completed = matches!(status, Status::Completed(_));
    let retry = matches!(status, Status::Completed(Conclusion::Failure | Conclusion::TimedOut | Conclusion::Cancelled))
        && !superseded(run.state.phase);
    let buttons = match (approval, retry) {
        (true, _) => vec![Button::ApproveStep],
        (_, true) => vec![Button::Retry],
        _ => Vec::new(),
    };
    let report = report.filter(|report| report.attempt == state.attempts && state.attempts > 0);
    Some(Check {
        name: step_check_name(&run.state.plan.workflow, &state.key),
        status,
        title: step_title(run, step),
        summary: cut(summary(run, step, report)),
        text: report.filter(|r| !r.log_tail.is_empty()).map(|r| cut(log(&r.log_tail))),
        annotations: report.map(|r| r.annotations.clone()).unwrap_or_default(),
        buttons,
        started: state.started,
        ended: completed.then_some(state.since),
    })
}

fn status(phase: StepPhase) -> Status {
    match phase {
        StepPhase::Waiting(WaitFor::Approval) => Status::Completed(Conclusion::ActionRequired),
        StepPhase::Waiting(_)
        | StepPhase::Queued
        | StepPhase::Running
        | StepPhase::AwaitingInput
        | StepPhase::BackOff
        | StepPhase::Stopping(_) => Status::InProgress,
        StepPhase::Ended(outcome) => Status::Completed(conclusion(outcome)),
    }
}

fn conclusion(outcome: StepOutcome) -> Conclusion {
    match outcome {
        StepOutcome::Success => Conclusion::Success,
        StepOutcome::Neutral => Conclusion::Neutral,
        StepOutcome::Failure => Conclusion::Failure,
        StepOutcome::TimedOut => Conclusion::TimedOut,
        StepOutcome::Cancelled(_) => Conclusion::Cancelled,
        StepOutcome::SkippedByIf | StepOutcome::SkippedByCommand => Conclusion::Skipped,
    }
}

/// One line on where a step stands: `Running, attempt 2 with goose`.
#[must_use]
pub fn step_title(run: &RunView<'_>, step: StepView<'_>) -> String {
    let state = step.step();
    let agent = step.agent();
    let attempt = if state.attempts > 1 { format!(", attempt {} with {agent}", state.attempts) } else { String::new() };
    let took = step.took().map(|took| format!(" in {}", human(took))).unwrap_or_default();
    if let Some(hold) = run.hold()
        && hold.kind == HoldKind::Pause
        && matches!(state.phase, StepPhase::BackOff | StepPhase::Queued | StepPhase::Waiting(_))
    {
        return held(&hold.by.as_ref().map(|by| format!("@{by}")).unwrap_or_default(), &hold.why);
    }
    match state.phase {
        StepPhase::Waiting(WaitFor::Needs) => "Waits for the steps that it needs".to_owned(),
        StepPhase::Waiting(WaitFor::Approval) => "Waits for approval".to_owned(),
        StepPhase::Waiting(WaitFor::Gate) => "Waits for its environment".to_owned(),
        StepPhase::Waiting(WaitFor::Turn) => waits_for_turn(step),
        StepPhase::Queued if state.attempts > 1 => format!("Waits for {agent}, attempt {}", state.attempts),
        StepPhase::Queued => format!("Waits for {agent}"),
        StepPhase::Running if step.instances().next().is_some() => instances(step),
        StepPhase::Running => format!("Running{attempt}"),
        StepPhase::AwaitingInput => format!("{agent} asks a question"),
        StepPhase::BackOff => {
            let fault = state.fault.as_ref().map(|fault| class_words(fault.class)).unwrap_or("a fault");
            format!("Will be tried again after {fault}")
        }
        StepPhase::Stopping(StopCause::TimedOut) => {
            format!("Took longer than {}; stopping", human(step.plan().timeout))
        }
        StepPhase::Stopping(StopCause::Stalled) => "Showed no sign of life; stopping".to_owned(),
        StepPhase::Stopping(StopCause::Cancelled(_) | StopCause::Skipped) => "Stopping".to_owned(),
        StepPhase::Ended(StepOutcome::Success) => format!("Done{took}{attempt}"),
        StepPhase::Ended(StepOutcome::Neutral) => format!("Done{took}, without an opinion"),
        StepPhase::Ended(StepOutcome::Failure) => format!("Failed{took}{attempt}"),
        StepPhase::Ended(StepOutcome::TimedOut) => format!("Timed out{took}{attempt}"),
        StepPhase::Ended(StepOutcome::Cancelled(cause)) => cancelled(cause).to_owned(),
        StepPhase::Ended(StepOutcome::SkippedByIf) => "Skipped: its condition says no".to_owned(),
        StepPhase::Ended(StepOutcome::SkippedByCommand) => "Skipped by a maintainer".to_owned(),
    }
}

pub(super) fn held(by: &str, why: &str) -> String {
    let by = if by.is_empty() { String::new() } else { format!(" by {by}") };
    if why.is_empty() { format!("Paused{by}") } else { format!("Paused{by}: {why}") }
}

fn waits_for_turn(step: StepView<'_>) -> String {
    let why = match step.held_back_by() {
        Some(HeldBackBy::Hold(HoldKind::Queue)) => return "Waits until the run may begin".to_owned(),
        Some(HeldBackBy::Hold(HoldKind::Trust)) => return "Waits until this commit is approved".to_owned(),
        Some(HeldBackBy::Hold(_)) => "the run is held",
        Some(HeldBackBy::Alone) => "steps that must run alone",
        Some(HeldBackBy::Exclusion) => "another step of its exclusion group runs",
        Some(HeldBackBy::Resources) | None => "the run's steps at once are in use",
    };
    format!("Waits for its turn: {why}")
}

fn instances(step: StepView<'_>) -> String {
    let all = step.instances().count();
    let done = step.instances().filter(|instance| instance.step().outcome().is_some()).count();
    format!("{done} of {all} done")
}

/// Why a step never ran, or not to its end.
#[must_use]
pub fn cancelled(cause: CancelCause) -> &'static str {
    match cause {
        CancelCause::Run => "Cancelled with its run",
        CancelCause::NeedFailed { .. } => "Never ran: a step that it needs failed",
        CancelCause::FailFast => "Cancelled: another step failed",
        CancelCause::RunTimeout => "Cancelled: the run took too long",
        CancelCause::Refused => "Not approved",
        CancelCause::NeedCancelled => "Never ran: a step that it needs was cancelled",
    }
}

/// A class of faults in words: "after …".
pub(super) fn class_words(class: FaultClass) -> &'static str {
    match class {
        FaultClass::Transient => "a passing fault",
        FaultClass::Overloaded => "the agent was busy",
        FaultClass::RateLimit => "a rate limit",
        FaultClass::Timeout => "a timeout",
        FaultClass::Crash => "the agent crashed",
        FaultClass::BadOutput => "an answer that could not be read",
        FaultClass::Auth => "the agent's credentials were refused",
        FaultClass::Config => "a wrong setting",
        FaultClass::Policy => "a policy forbade it",
        FaultClass::Validation => "wrong input",
        FaultClass::Budget => "the budget was spent",
        FaultClass::Verdict => "it failed",
    }
}

fn summary(run: &RunView<'_>, step: StepView<'_>, report: Option<&StepReport>) -> String {
    let (state, plan) = (step.step(), step.plan());
    let mut body = String::new();
    if let Some(report) = report.filter(|report| !report.summary.is_empty()) {
        let _ = writeln!(body, "{}\n", quote(&report.summary));
    }
    if let Some(fault) = &state.fault
        && state.outcome().is_some_and(|outcome| !outcome.satisfies())
        && report.is_none_or(|report| !report.summary.contains(&fault.message))
    {
        let _ = writeln!(body, "**What went wrong:** {}\n", escape(&fault.message));
    }
    if step.instances().next().is_some() {
        body.push_str(&table(step.instances().map(|instance| row(run, instance))));
        body.push('\n');
    }
    let mut facts = Vec::new();
    if plan.fan_out().is_none() {
        facts.push(format!("agent **{}**", step.agent()));
    }
    if state.attempts > 0 {
        facts.push(format!("attempt {}", state.attempts));
    }
    facts.extend(step.took().map(|took| format!("took {}", human(took))));
    if state.cost_micros > 0 {
        facts.push(format!("cost ${}.{:02}", state.cost_micros / 1_000_000, state.cost_micros % 1_000_000 / 10_000));
    }
    if !facts.is_empty() {
        let _ = writeln!(body, "{}\n", facts.join(" · "));
    }
    if let Some(advice) = advice(run, step) {
        let _ = writeln!(body, "{advice}");
    }
    if body.is_empty() { step_title(run, step) } else { body.trim_end().to_owned() }
}

/// What to do next, as lines to copy.
fn advice(run: &RunView<'_>, step: StepView<'_>) -> Option<String> {
    let (workflow, key) = (&run.state.plan.workflow, &step.step().key);
    match step.step().phase {
        StepPhase::Ended(StepOutcome::Failure | StepOutcome::TimedOut) => match run.state.phase {
            RunPhase::Ended(_) | RunPhase::Running | RunPhase::Asking => Some(format!(
                "**Next:** push a fix, or comment `/retry {workflow}/{key}` to run this step once more, `/retry` for \
                 everything that failed."
            )),
            RunPhase::Stopping(_) => None,
        },
        StepPhase::Waiting(WaitFor::Approval) => {
            let from = step.plan().approval.as_ref().map_or("write", |approval| approval.from.as_str());
            Some(format!(
                "**Next:** somebody with *{}* presses **Approve**, or comments `/approve {workflow}/{key}`.",
                escape(from)
            ))
        }
        StepPhase::AwaitingInput => Some(format!("**Next:** answer with `/answer {workflow}/{key} …`.")),
        StepPhase::Waiting(_)
        | StepPhase::Queued
        | StepPhase::Running
        | StepPhase::BackOff
        | StepPhase::Stopping(_)
        | StepPhase::Ended(_) => None,
    }
}

/// The end of a log, as much as is shown of it, and whether more stood before.
#[must_use]
pub fn log_tail(log: &str) -> (&str, bool) {
    let shown = tail(log, LOG_BYTES_MAX);
    (shown, shown.len() < log.len())
}

fn log(log: &str) -> String {
    let (shown, cut) = log_tail(log);
    let cut = if cut { " (its end)" } else { "" };
    format!("### Log{cut}\n\n{}", fence(shown))
}

/// A row of a table of steps.
pub(super) fn row(run: &RunView<'_>, step: StepView<'_>) -> String {
    let took = step.took().map(human).unwrap_or_default();
    let agent =
        if step.plan().fan_out().is_some() && step.step().parent.is_none() { "" } else { step.agent().as_str() };
    let icon = icon(step.step().phase);
    let key = &step.step().key;
    let name = step.label().map_or_else(|| key.to_string(), |label| format!("{key} ({label})"));
    format!("| {icon} | {} | {} | {agent} | {took} |", escape(&name), escape(&step_title(run, step)))
}

/// A table of steps; at most 100 rows.
pub(super) fn table(rows: impl Iterator<Item = String>) -> String {
    let mut body = "| | step | | agent | time |\n|---|---|---|---|---|\n".to_owned();
    let mut left = 0;
    for (at, row) in rows.enumerate() {
        match at {
            0..TABLE_ROWS_MAX => {
                body.push_str(&row);
                body.push('\n');
            }
            _ => left += 1,
        }
    }
    if left > 0 {
        let _ = writeln!(body, "\n… and {left} more.");
    }
    body
}

const TABLE_ROWS_MAX: usize = 100;

fn icon(phase: StepPhase) -> &'static str {
    match phase {
        StepPhase::Waiting(WaitFor::Approval) | StepPhase::AwaitingInput => "✋",
        StepPhase::Waiting(_) | StepPhase::Queued => "⏳",
        StepPhase::Running | StepPhase::Stopping(_) => "🔵",
        StepPhase::BackOff => "🔁",
        StepPhase::Ended(StepOutcome::Success) => "✅",
        StepPhase::Ended(StepOutcome::Neutral) => "⚪",
        StepPhase::Ended(StepOutcome::Failure | StepOutcome::TimedOut) => "❌",
        StepPhase::Ended(StepOutcome::Cancelled(_)) => "🚫",
        StepPhase::Ended(StepOutcome::SkippedByIf | StepOutcome::SkippedByCommand) => "⏭️",
    }
}

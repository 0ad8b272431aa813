//! The checks of a run: the workflow check that stands for all of it, and those of its steps.

use std::fmt::Write as _;
use std::time::Duration;

use super::check::{Button, Check, Conclusion, Status, StepReport};
use super::markdown::{cut, escape};
use super::step::{held, row, step_check, step_check_name, table};
use crate::engine::state::{GateKind, HoldKind, RunOutcome, RunPhase, SeatState};
use crate::engine::step::{CancelCause, StepOutcome, StepPhase, WaitFor};
use crate::engine::view::RunView;
use crate::time::human;
use crate::workflow::plan::Checks;

/// At most so many steps of a workflow get a check of their own; the others are rows of the workflow check.
const STEP_CHECKS_MAX: usize = 50;

/// The gate of all runs of the service.
const SERVICE_RUNS: &str = "service:runs";
/// The original design's words for it.
const RUNS_MAX_REACHED: &str = "Maximum concurrent workflows reached";
/// Asking takes a moment; only a run that waits for longer waits for a place.
const QUEUED_AFTER: Duration = Duration::from_secs(2);

/// What a workflow check says beside what the run itself tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// Where the definition came from and what to know about it, in Markdown of ours.
    pub definition: Option<String>,
    /// The whole commit, for lines to copy.
    pub sha: String,
    /// How many runs the whole service lets run at once, where that is known.
    pub runs_max: Option<u32>,
}

/// The names of all checks that a run shows now, the workflow check first.
#[must_use]
pub fn names(run: &RunView<'_>) -> Vec<String> {
    let workflow = &run.state.plan.workflow;
    let mut names = vec![workflow.to_string()];
    let shown = run.steps().filter(|step| shows(run, step.ix) && step_check(run, *step, None).is_some());
    names.extend(shown.map(|step| step_check_name(workflow, &step.step().key)));
    names
}

/// What one name of a run should show; nothing when the name has no check, or not yet.
#[must_use]
pub fn run_check(run: &RunView<'_>, name: &str, report: Option<&StepReport>, notes: &Notes) -> Option<Check> {
    let workflow = run.state.plan.workflow.as_str();
    if name == workflow {
        return Some(workflow_check(run, notes));
    }
    let key = name.strip_prefix(workflow)?.strip_prefix(" / ")?;
    let ix = run.state.find(&key.parse().ok()?)?;
    let step = run.step(ix).filter(|_| shows(run, ix))?;
    step_check(run, step, report)
}

/// Whether a step gets a check of its own.
fn shows(run: &RunView<'_>, ix: u32) -> bool {
    let state = run.state;
    let Some(step) = state.steps.get(ix as usize) else { return false };
    let failed = matches!(step.phase, StepPhase::Ended(StepOutcome::Failure | StepOutcome::TimedOut))
        || step.phase == StepPhase::Waiting(WaitFor::Approval);
    step.parent.is_none()
        && (ix as usize) < STEP_CHECKS_MAX
        && match state.plan.checks {
            Checks::EachStep => true,
            Checks::Failed => failed,
            Checks::Workflow => false,
        }
}

/// The check that stands for the whole workflow.
#[must_use]
pub fn workflow_check(run: &RunView<'_>, notes: &Notes) -> Check {
    let state = run.state;
    let status = status(run);
    let retry = matches!(status, Status::Completed(Conclusion::Failure | Conclusion::TimedOut | Conclusion::Cancelled))
        && !superseded(state.phase);
    let buttons = match status {
        Status::Completed(Conclusion::ActionRequired) => vec![Button::ApproveCommit],
        _ if retry => vec![Button::Retry],
        _ => Vec::new(),
    };
    let started = state.steps.iter().filter_map(|step| step.started).min();
    Check {
        name: state.plan.workflow.to_string(),
        status,
        title: title(run, notes),
        summary: cut(summary(run, notes)),
        text: None,
        annotations: Vec::new(),
        buttons,
        started,
        ended: matches!(status, Status::Completed(_)).then_some(state.at),
    }
}

/// The run's own line, with the limit that it waits for.
fn title(run: &RunView<'_>, notes: &Notes) -> String {
    let title = run_title(run);
    match notes.runs_max {
        Some(most) if title == RUNS_MAX_REACHED => format!("{title}: {most}"),
        Some(_) | None => title,
    }
}

/// Somebody else goes on in its place: it is never taken up again.
pub(super) fn superseded(phase: RunPhase) -> bool {
    matches!(phase, RunPhase::Ended(RunOutcome::Superseded | RunOutcome::Dropped | RunOutcome::HandedOver))
}

fn status(run: &RunView<'_>) -> Status {
    match run.state.phase {
        RunPhase::Asking | RunPhase::Running if run.state.holds.contains_key(&HoldKind::Trust) => {
            Status::Completed(Conclusion::ActionRequired)
        }
        RunPhase::Asking => Status::Queued,
        RunPhase::Running | RunPhase::Stopping(_) => Status::InProgress,
        RunPhase::Ended(outcome) => Status::Completed(match outcome {
            RunOutcome::Success if only_neutral(run) => Conclusion::Neutral,
            RunOutcome::Success => Conclusion::Success,
            RunOutcome::Failure => Conclusion::Failure,
            RunOutcome::TimedOut => Conclusion::TimedOut,
            RunOutcome::Cancelled | RunOutcome::Superseded | RunOutcome::Dropped | RunOutcome::HandedOver => {
                Conclusion::Cancelled
            }
        }),
    }
}

/// Steps ran, and none of them had an opinion: neither has the workflow.
fn only_neutral(run: &RunView<'_>) -> bool {
    let outcomes = || run.state.steps.iter().filter(|step| !step.retired).filter_map(|step| step.outcome());
    outcomes().any(|outcome| outcome == StepOutcome::Neutral)
        && !outcomes().any(|outcome| outcome == StepOutcome::Success)
}

/// One line on where a run stands: `2 of 4 steps done`.
#[must_use]
pub fn run_title(run: &RunView<'_>) -> String {
    let state = run.state;
    let counts = run.progress().counts;
    let (done, all) = (counts.ended(), counts.all());
    let finished = counts.passed + counts.failed;
    let took = human(run.took());
    match state.phase {
        RunPhase::Asking | RunPhase::Running => match run.hold() {
            Some(hold) => match hold.kind {
                HoldKind::Trust => "Somebody with write must approve this commit".to_owned(),
                HoldKind::Pause => held(&hold.by.as_ref().map(|by| format!("@{by}")).unwrap_or_default(), &hold.why),
                HoldKind::Queue => queued(run).unwrap_or("Waits in a queue").to_owned(),
                HoldKind::Budget => "The budget is spent".to_owned(),
                HoldKind::Recovery => "Recovery is off: /resume goes on".to_owned(),
                HoldKind::Approval => "Waits for approval".to_owned(),
            },
            None => waiting(run).unwrap_or_else(|| format!("{done} of {all} steps done")),
        },
        RunPhase::Stopping(_) => format!("Stopping; {finished} of {all} steps had finished"),
        RunPhase::Ended(RunOutcome::Success) if only_neutral(run) => "Nothing had an opinion".to_owned(),
        RunPhase::Ended(RunOutcome::Success) => format!("All done in {took}"),
        RunPhase::Ended(RunOutcome::Failure) => failed(run, &took),
        RunPhase::Ended(RunOutcome::TimedOut) => format!("Took longer than {}", human(state.plan.timeout)),
        RunPhase::Ended(RunOutcome::Cancelled) => format!("Cancelled; {finished} of {all} steps had finished"),
        RunPhase::Ended(RunOutcome::Superseded) => "A newer run took its place".to_owned(),
        RunPhase::Ended(RunOutcome::Dropped) => "Another run of its group was there first".to_owned(),
        RunPhase::Ended(RunOutcome::HandedOver) => "Goes on with a commit that one of its steps made".to_owned(),
    }
}

/// What a run waits for that has waited too long for this to be the moment in which it asks.
fn queued(run: &RunView<'_>) -> Option<&'static str> {
    let state = run.state;
    let since = state.holds.get(&HoldKind::Queue)?.since;
    let asked = state.seats.iter().find(|seat| seat.state == SeatState::Asked)?;
    if run.at.since(since) < QUEUED_AFTER {
        return None;
    }
    Some(match (asked.kind, asked.gate.0.as_str()) {
        (GateKind::Limit, SERVICE_RUNS) => RUNS_MAX_REACHED,
        (GateKind::Limit, _) => "Maximum concurrent workflows of this installation reached",
        (GateKind::Group, _) => "Waits for another run of its concurrency group",
        (GateKind::Environment, _) => return None,
    })
}

/// For a run in which nothing works: whom it waits for.
fn waiting(run: &RunView<'_>) -> Option<String> {
    let works =
        |phase| matches!(phase, StepPhase::Queued | StepPhase::Running | StepPhase::BackOff | StepPhase::Stopping(_));
    if run.steps().any(|step| works(step.step().phase)) {
        return None;
    }
    let waits = |step: &crate::engine::view::StepView<'_>| {
        matches!(step.step().phase, StepPhase::Waiting(WaitFor::Approval) | StepPhase::AwaitingInput)
    };
    let step = run.steps().find(waits)?;
    let what = if step.step().phase == StepPhase::AwaitingInput { "an answer" } else { "approval" };
    Some(format!("{} waits for {what}", step.step().key))
}

fn failed(run: &RunView<'_>, took: &str) -> String {
    let bad = |step: &crate::engine::view::StepView<'_>| {
        let own = matches!(step.step().outcome(), Some(StepOutcome::Failure | StepOutcome::TimedOut));
        own && step.plan().critical && step.step().parent.is_none()
    };
    let bad: Vec<String> = run.steps().filter(bad).map(|step| step.step().key.to_string()).collect();
    match bad.as_slice() {
        [] => refused(run).unwrap_or_else(|| format!("Failed in {took}")),
        [one] => format!("{one} failed, in {took}"),
        [one, more @ ..] => format!("{one} and {} more failed, in {took}", more.len()),
    }
}

/// Nothing failed, but a person said no.
fn refused(run: &RunView<'_>) -> Option<String> {
    let no = StepPhase::Ended(StepOutcome::Cancelled(CancelCause::Refused));
    let step = run.steps().find(|step| step.step().phase == no)?;
    Some(format!("{} was not approved", step.step().key))
}

fn summary(run: &RunView<'_>, notes: &Notes) -> String {
    let state = run.state;
    let mut body = String::new();
    if state.holds.contains_key(&HoldKind::Trust) {
        let _ = writeln!(
            body,
            "The author or pusher of this commit has no write access, so nothing has run. **Next:** read the change; then \
             somebody with write presses **Approve this commit**, or comments\n\n```\n/approve {}\n```\n\nIt counts for this \
             commit alone: a push takes it back.\n",
            escape(&notes.sha)
        );
    }
    if queued(run).is_some() {
        body.push_str("This run has its place in the queue and starts by itself.\n\n");
    }
    body.push_str(&table(run.steps().map(|step| row(run, step))));
    if let Some(fact) = facts(run) {
        let _ = writeln!(body, "\n{fact}");
    }
    if let Some(definition) = &notes.definition {
        let _ = writeln!(body, "\n{definition}");
    }
    if let Some(advice) = advice(run) {
        let _ = writeln!(body, "\n{advice}");
    }
    body
}

fn facts(run: &RunView<'_>) -> Option<String> {
    let progress = run.progress();
    let mut facts = Vec::new();
    if progress.percent > 0 && !matches!(run.state.phase, RunPhase::Ended(_)) {
        facts.push(format!("{} %", progress.percent));
    }
    // Nobody knows how long a person takes.
    if let Some(end) = progress.estimated_end.filter(|_| waiting(run).is_none()) {
        facts.push(format!("about {} left", human(end.since(run.at))));
    }
    if run.state.round > 0 {
        facts.push(format!("round {}", run.state.round + 1));
    }
    if run.state.cost_micros > 0 {
        let cents = run.state.cost_micros / 10_000;
        facts.push(format!("cost ${}.{:02}", cents / 100, cents % 100));
    }
    (!facts.is_empty()).then(|| facts.join(" · "))
}

fn advice(run: &RunView<'_>) -> Option<String> {
    match run.state.phase {
        RunPhase::Ended(RunOutcome::Failure | RunOutcome::TimedOut | RunOutcome::Cancelled) => {
            Some("**Next:** push a fix, or comment `/retry` to run what failed or never ran once more.".to_owned())
        }
        RunPhase::Asking | RunPhase::Running if run.hold().is_some_and(|hold| hold.kind == HoldKind::Pause) => {
            Some("**Next:** `/resume` goes on.".to_owned())
        }
        RunPhase::Asking | RunPhase::Running | RunPhase::Stopping(_) | RunPhase::Ended(_) => None,
    }
}

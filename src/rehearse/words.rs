//! The sentences of a story.

use std::collections::BTreeSet;
use std::time::Duration;

use super::script::{Script, What};
use super::story::{Bar, Said, Tone};
use crate::engine::event::Event;
use crate::engine::state::{Hold, HoldKind, RunOutcome, RunPhase, RunState};
use crate::engine::step::{
    CancelCause, Due, Fault, FaultClass, StepIx, StepOutcome, StepPhase, StepState, StopCause, Tries, WaitFor,
};
use crate::engine::{RunView, agent_of};
use crate::ids::AgentName;
use crate::report;
use crate::time::human;
use crate::workflow::plan::{Plan, Step, Strategy};

/// The longest message of somebody's that a line shows.
const MESSAGE_CHARS_MAX: usize = 160;
/// Items of a fan-out that are named.
const ITEMS_MAX: usize = 6;

/// `a, b and 7 more`.
pub(super) fn listed(names: &[String], most: usize) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., last] if names.len() <= most => format!("{} and {last}", all.join(", ")),
        names => format!("{} and {} more", names[..most].join(", "), names.len() - most),
    }
}

/// With a small letter in front, for the middle of a line.
pub(super) fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// The first line of it, and not too much of that.
pub(super) fn one_line(text: &str) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    match line.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line.to_owned(),
    }
}

/// What happened to one step.
pub(super) fn step(
    view: &RunView<'_>,
    ix: StepIx,
    said: &Said,
    agent_before: Option<&AgentName>,
    bar: Option<&Bar>,
) -> Vec<(Tone, String)> {
    let state = view.state;
    let Some(step) = state.steps.get(ix as usize) else { return Vec::new() };
    let (key, planned) = (&step.key, state.plan_of(step));
    let mut lines = Vec::new();
    if let Some(by) = &said.approved {
        lines.push((Tone::Plain, format!("{key} was approved by @{by}")));
    }
    if let Some((fault, tries, cost)) = &said.closed {
        let took = bar.filter(|bar| bar.step == *key).map(|bar| bar.to.saturating_sub(bar.from)).unwrap_or_default();
        let cost = if *cost > 0 { format!(", for {}", dollars(*cost)) } else { String::new() };
        lines.push(match (fault, said.phase) {
            (_, Some(StepPhase::Ended(StepOutcome::Cancelled(_) | StepOutcome::SkippedByCommand))) => {
                (Tone::Quiet, format!("{key} has stopped after {}{cost}", human(took)))
            }
            (Some(fault), phase) => {
                let how = failed(fault, took, planned);
                let then = match phase {
                    Some(StepPhase::BackOff) => again(state, step, *tries),
                    Some(_) | None => follows(fault, *tries, phase, planned, agent_before),
                };
                (Tone::Bad, format!("{key} {how}{cost}; {then}"))
            }
            (None, Some(StepPhase::Ended(StepOutcome::Neutral))) => {
                (Tone::Good, format!("{key} is done after {}, without an opinion{cost}", human(took)))
            }
            (None, _) => (Tone::Good, format!("{key} is done after {}{cost}", human(took))),
        });
    }
    if said.outputs
        && let Some(outputs) = &step.outputs
    {
        lines.push((Tone::Quiet, format!("{key} says {}", one_line(outputs))));
    }
    if let Some(fault) = &said.fault {
        lines.push((Tone::Bad, format!("{key} failed: {}", one_line(&fault.message))));
    }
    if let Some(items) = &said.items {
        lines.push((Tone::Plain, format!("{key} becomes {} instances: {}", items.len(), listed(items, ITEMS_MAX))));
    }
    match &said.opened {
        Some((number, agent)) => lines.push((Tone::Plain, begins(key.as_str(), *number, agent, agent_before))),
        None => lines.extend(said.phase.and_then(|phase| stands(view, ix, phase, said))),
    }
    lines
}

fn begins(key: &str, number: u32, agent: &AgentName, before: Option<&AgentName>) -> String {
    match before {
        Some(before) if before != agent => format!("fallback: {agent} takes over {key} from {before}"),
        Some(_) | None if number > 1 => format!("{key} starts again with {agent}, attempt {number}"),
        Some(_) | None => format!("{key} starts with {agent}"),
    }
}

fn failed(fault: &Fault, took: Duration, planned: &Step) -> String {
    let (none, took) = (took.is_zero(), human(took));
    let message = one_line(&fault.message);
    match fault.class {
        FaultClass::Timeout if message.starts_with("took longer") => {
            format!("timed out after {}", human(planned.timeout))
        }
        FaultClass::Verdict if message == "the step failed" => format!("failed after {took}"),
        FaultClass::Verdict => format!("failed after {took}: {message}"),
        _ if none => format!("could not begin: {message}"),
        FaultClass::Timeout
        | FaultClass::Transient
        | FaultClass::Overloaded
        | FaultClass::RateLimit
        | FaultClass::Crash
        | FaultClass::BadOutput
        | FaultClass::Auth
        | FaultClass::Config
        | FaultClass::Policy
        | FaultClass::Validation
        | FaultClass::Budget => format!("could not finish after {took}: {message}"),
    }
}

/// When it is tried again, and which try with that agent that will be.
fn again(state: &RunState, step: &StepState, tries: Tries) -> String {
    let wait = match step.due {
        Some(Due::Run(at)) => Duration::from_micros(at).saturating_sub(state.run_time(state.at)),
        Some(Due::Wall(at)) => at.since(state.at),
        None => Duration::ZERO,
    };
    let most = state.plan_of(step).retry.retries + 1;
    format!("tries again in {} ({} of {most})", human(wait), tries.with_agent + 1)
}

/// What the engine decided after a fault, and why.
fn follows(
    fault: &Fault,
    tries: Tries,
    phase: Option<StepPhase>,
    planned: &Step,
    before: Option<&AgentName>,
) -> String {
    let name = before.map(AgentName::as_str).unwrap_or("its agent");
    match phase {
        Some(StepPhase::Waiting(WaitFor::Turn)) if fault.class == FaultClass::Budget => "the run is held".to_owned(),
        Some(StepPhase::Waiting(WaitFor::Turn)) if tries.asked_again => {
            format!("{name} is asked once more for an answer that can be read")
        }
        Some(StepPhase::Waiting(WaitFor::Turn)) => match fault.class {
            FaultClass::Auth | FaultClass::Config => format!("{name} is not tried again"),
            FaultClass::Transient
            | FaultClass::Overloaded
            | FaultClass::RateLimit
            | FaultClass::Timeout
            | FaultClass::Crash
            | FaultClass::BadOutput
            | FaultClass::Policy
            | FaultClass::Validation
            | FaultClass::Budget
            | FaultClass::Verdict => format!("no try is left with {name}"),
        },
        Some(_) | None => no_more(fault, planned),
    }
}

/// Why a step is not tried again.
fn no_more(fault: &Fault, planned: &Step) -> String {
    let why = match fault.class {
        _ if planned.retry.strategy == Strategy::ImmediateEscalation => "people are told, nothing is tried again",
        FaultClass::Verdict if planned.retry.verdicts => "no try is left",
        FaultClass::Verdict => "a verdict is not tried again",
        FaultClass::Policy | FaultClass::Validation => "no agent could do better",
        FaultClass::Transient
        | FaultClass::Overloaded
        | FaultClass::RateLimit
        | FaultClass::Timeout
        | FaultClass::Crash
        | FaultClass::BadOutput
        | FaultClass::Auth
        | FaultClass::Config
        | FaultClass::Budget => "no try is left",
    };
    if planned.critical { why.to_owned() } else { format!("{why}; it is not critical") }
}

/// Where a step stands now that nothing works on it, or no longer the same.
fn stands(view: &RunView<'_>, ix: StepIx, phase: StepPhase, said: &Said) -> Option<(Tone, String)> {
    let state = view.state;
    let step = state.steps.get(ix as usize)?;
    let (key, planned) = (&step.key, state.plan_of(step));
    let name = agent_of(planned, step);
    Some(match phase {
        StepPhase::Waiting(WaitFor::Approval) => {
            let from = planned.approval.as_ref().map_or("write", |approval| approval.from.as_str());
            (Tone::Quiet, format!("{key} waits for the approval of somebody with {from}: /approve {key}"))
        }
        StepPhase::Waiting(WaitFor::Gate) => {
            let environment = planned.environment.as_deref().unwrap_or_default();
            (Tone::Quiet, format!("{key} waits for the environment {environment}"))
        }
        StepPhase::Waiting(WaitFor::Turn) if !state.is_held() && said.closed.is_none() => {
            let title = view.step(ix).map(|step| report::step_title(view, step))?;
            (Tone::Quiet, format!("{key} {}", lower(&title)))
        }
        StepPhase::AwaitingInput => (Tone::Quiet, format!("{name} asks a question: /answer {key} …")),
        StepPhase::Running if said.items.is_none() => (Tone::Plain, format!("{name} works on with the answer")),
        StepPhase::Stopping(StopCause::TimedOut) => {
            (Tone::Quiet, format!("{key} has used up its {}; {name} is told to stop", human(planned.timeout)))
        }
        StepPhase::Stopping(StopCause::Stalled) => {
            let silent = human(planned.stall_timeout);
            (Tone::Quiet, format!("{key} has shown no sign of life for {silent}; {name} is told to stop"))
        }
        StepPhase::Stopping(StopCause::Skipped) => (Tone::Quiet, format!("{name} is told to stop")),
        StepPhase::Ended(StepOutcome::SkippedByIf) if planned.rollback_of.is_some() => return None,
        StepPhase::Ended(StepOutcome::SkippedByIf) => (Tone::Quiet, format!("{key} is skipped: its condition says no")),
        StepPhase::Ended(StepOutcome::SkippedByCommand) => (Tone::Quiet, format!("{key} is skipped")),
        StepPhase::Ended(outcome) if said.closed.is_none() && planned.for_each.is_some() => match outcome {
            StepOutcome::Success | StepOutcome::Neutral => (Tone::Good, format!("{key} is done")),
            StepOutcome::Failure | StepOutcome::TimedOut | StepOutcome::Cancelled(_) => {
                (Tone::Bad, format!("{key} failed with one of its instances"))
            }
            StepOutcome::SkippedByIf | StepOutcome::SkippedByCommand => return None,
        },
        StepPhase::Waiting(WaitFor::Needs | WaitFor::Turn)
        | StepPhase::Queued
        | StepPhase::Running
        | StepPhase::BackOff
        | StepPhase::Stopping(StopCause::Cancelled(_))
        | StepPhase::Ended(_) => return None,
    })
}

pub(super) fn held(hold: &Hold, plan: &Plan) -> String {
    match hold.kind {
        HoldKind::Pause => "paused: nothing starts, what runs goes on".to_owned(),
        HoldKind::Trust => "nothing runs until somebody with write trusts the commit".to_owned(),
        HoldKind::Budget => {
            let max = plan.max_cost_micros.map(|max| format!(" of {}", dollars(max))).unwrap_or_default();
            format!("the budget{max} is spent: nothing starts until somebody raises it")
        }
        HoldKind::Queue => "the run waits in the queue of its group".to_owned(),
        HoldKind::Recovery => "the service was restarted with recovery switched off".to_owned(),
        HoldKind::Approval => "the run waits for approval".to_owned(),
    }
}

pub(super) fn released(kind: HoldKind, still_held: bool) -> String {
    let text = match kind {
        HoldKind::Pause | HoldKind::Recovery => "resumed",
        HoldKind::Trust => "the commit is trusted",
        HoldKind::Budget => "the budget was raised",
        HoldKind::Queue => "it is this run's turn",
        HoldKind::Approval => "the run was approved",
    };
    if still_held { format!("{text}, but the run is still held") } else { text.to_owned() }
}

/// Why everything is cancelled.
pub(super) fn stopping(state: &RunState, event: &Event) -> String {
    let outcome = match state.phase {
        RunPhase::Stopping(outcome) | RunPhase::Ended(outcome) => outcome,
        RunPhase::Asking | RunPhase::Running => RunOutcome::Cancelled,
    };
    match (outcome, event) {
        (RunOutcome::TimedOut, _) => {
            format!("the run has used up its {}: whatever has not ended is cancelled", human(state.plan.timeout))
        }
        (RunOutcome::Failure, _) => "fail fast: whatever has not ended is cancelled".to_owned(),
        (RunOutcome::Superseded, _) => "a newer run of its group takes its place".to_owned(),
        (_, Event::CancelRequested { by: None, why }) => format!("{why}: whatever has not ended is cancelled"),
        _ => "whatever has not ended is cancelled".to_owned(),
    }
}

pub(super) fn run_ends(phase: RunPhase) -> Option<String> {
    match phase {
        RunPhase::Ended(outcome) => Some(
            match outcome {
                RunOutcome::Success => "the run is over: all is well",
                RunOutcome::Failure => "the run is over: it failed",
                RunOutcome::TimedOut => "the run is over: its time was up",
                RunOutcome::Cancelled => "the run is over: it was cancelled",
                RunOutcome::Superseded => "the run is over: a newer one goes on",
                RunOutcome::Dropped => "the run is over: its group was full",
                RunOutcome::HandedOver => "the run is over: another one goes on",
            }
            .to_owned(),
        ),
        RunPhase::Asking | RunPhase::Running | RunPhase::Stopping(_) => None,
    }
}

/// Why nothing more happens to a run that is not over.
pub(super) fn stuck(state: &RunState) -> String {
    let way = match state.holds.keys().next() {
        Some(HoldKind::Pause) => "it is paused; add `at 5m: /resume`".to_owned(),
        Some(HoldKind::Trust) => {
            let sha = state.birth.as_ref().map(|birth| birth.sha.to_string()).unwrap_or_default();
            format!("its commit is not trusted; add `at 5m: /approve {sha}`")
        }
        Some(HoldKind::Budget) => "its budget is spent".to_owned(),
        Some(HoldKind::Queue) => "it waits in the queue of its group".to_owned(),
        Some(HoldKind::Recovery | HoldKind::Approval) => "it is held".to_owned(),
        None => "nobody acts; add an answer or a command to the script".to_owned(),
    };
    format!("The run has not ended, and nothing more happens: {way}.")
}

/// What the reader should know beside the story.
pub(super) fn notes(state: &RunState, script: &Script) -> Vec<String> {
    let mut notes = Vec::new();
    let given = |step: &Step| {
        script.outputs.iter().any(|(key, _)| *key == step.key)
            || script.rules.iter().any(|rule| {
                rule.step.as_ref() == Some(&step.key) && rule.answers.iter().any(|answer| answer.outputs.is_some())
            })
    };
    for step in state.plan.steps.iter().filter(|step| step.outputs_used && !given(step)) {
        notes.push(format!(
            "{key} says nothing here, but later expressions name its outputs: add `{key} outputs: {{…}}` to the script.",
            key = step.key
        ));
    }
    let later = script.acts.iter().filter_map(|act| match &act.what {
        What::Comment(text, command) if !command.released() => Some(text),
        What::Comment(..) | What::Crash(_) | What::Push | What::Close => None,
    });
    let later: BTreeSet<&String> = later.collect();
    notes
        .extend(later.into_iter().map(|text| format!("`{text}` is obeyed in rehearsals, but not yet by the service.")));
    let waited = |step: &&StepState| {
        step.approved.is_none()
            && state.plan_of(step).approval.is_some()
            && step.outcome() == Some(StepOutcome::Cancelled(CancelCause::RunTimeout))
    };
    if let Some(step) = state.steps.iter().find(waited) {
        notes.push(format!("Nobody approved {key}: add `at 5m: /approve {key}` to the script.", key = step.key));
    }
    notes
}

/// `$1.05`; small amounts with more digits.
pub(super) fn dollars(micros: u64) -> String {
    let cents = micros / 10_000;
    if micros.is_multiple_of(10_000) {
        return format!("${}.{:02}", cents / 100, cents % 100);
    }
    let text = format!("${}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').to_owned()
}

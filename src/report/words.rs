//! What happened to a run, in words: one sentence for the cause, then what followed from it. Pages and comments say the
//! same because both ask here.
//!
//! *Invariant:* plain text. Words of strangers stand in it as they are, so whoever shows it escapes it.

use std::collections::BTreeMap;

use super::step::{cancelled, class_words};
use crate::engine::event::{Again, AttemptResult, Verdict};
use crate::engine::state::{Birth, GateKey, Hold, HoldKind, RunOutcome, RunPhase, RunState, Trigger};
use crate::engine::step::{CancelCause, StepIx, StepOutcome, StepPhase, StopCause, WaitFor};
use crate::engine::{Change, Event};
use crate::ids::{Login, StepKey};

/// More steps of one kind are counted, not named.
const NAMES_MAX: usize = 4;

/// An event of a run's journal with what it changed. `state` is any state of the run after it; only names are taken
/// from it.
#[must_use]
pub fn in_words(state: &RunState, event: &Event, changes: &[Change]) -> String {
    let mut sentences = vec![cause(event, changes)];
    sentences.extend(effects(state, event, changes));
    sentences.retain(|sentence| !sentence.is_empty());
    if sentences.is_empty() {
        return "Nothing was due.".to_owned();
    }
    sentences.into_iter().map(|sentence| sentence_of(&sentence)).collect::<Vec<_>>().join(" ")
}

/// With a capital, unless it begins with a name of somebody's, and a full stop.
fn sentence_of(text: &str) -> String {
    let end = if text.ends_with(['.', '!', '?', '…']) { "" } else { "." };
    format!("{text}{end}")
}

/// `: why`, when there is a why.
fn because(why: &str) -> String {
    if why.trim().is_empty() { String::new() } else { format!(": {}", why.trim()) }
}

fn person(by: Option<&Login>) -> String {
    by.map_or_else(|| "The service".to_owned(), |by| format!("@{by}"))
}

fn cause(event: &Event, changes: &[Change]) -> String {
    match event {
        Event::Created(birth) => created(birth),
        Event::Granted(gate) => format!("There is a place for it {}", gate_words(gate)),
        Event::Superseded => "A newer run of its group took its place".to_owned(),
        Event::Dropped => "Its group was full and takes no newcomers".to_owned(),
        Event::Held(hold) => held(hold),
        Event::Released { kind, by } => released(*kind, by.as_ref()),
        Event::CancelRequested { by, why } => format!("{} cancelled the run{}", person(by.as_ref()), because(why)),
        Event::AttemptStarted { step, number } => format!("{step} started{}", nth(*number)),
        Event::AttemptEnded { step, number, result, .. } => attempt_ended(step, *number, result),
        Event::Stalled { step, number } => format!("{step} showed no sign of life{}", nth(*number)),
        Event::InputAsked { step, .. } => format!("The agent of {step} asked a question"),
        Event::Answered { step, by, .. } => format!("@{by} answered the agent of {step}"),
        Event::Approved { step, by } => format!("@{by} approved {step}"),
        Event::Refused { step, by } => format!("@{by} refused to approve {step}"),
        Event::SkipRequested { step, by } => format!("@{by} skipped {step}"),
        Event::RetryRequested { what, by } => format!("{} wanted {}", person(by.as_ref()), again(what)),
        Event::HandedOver(sha) => format!("A step made commit {}; a new run goes on there", sha.short()),
        Event::Ticked if changes.contains(&Change::AllCancelled(CancelCause::RunTimeout)) => {
            "The run took too long".to_owned()
        }
        Event::Ticked => String::new(),
    }
}

fn created(birth: &Birth) -> String {
    let commit = birth.sha.short();
    match &birth.trigger {
        Trigger::PullRequest(number) => format!("Pull request #{number} asked for this run of commit {commit}"),
        Trigger::Push(git_ref) => {
            let name = git_ref.strip_prefix("refs/heads/").or_else(|| git_ref.strip_prefix("refs/tags/"));
            format!("A push of commit {commit} to {} asked for this run", name.unwrap_or(git_ref))
        }
        Trigger::MergeGroup(_) => format!("The merge queue asked for this run of commit {commit}"),
        Trigger::Manual(by) => format!("@{by} asked for this run of commit {commit}"),
        Trigger::Schedule(cron) => format!("The schedule {cron} asked for this run of commit {commit}"),
    }
}

fn gate_words(gate: &GateKey) -> String {
    match gate.0.split_once(':') {
        Some(("group", _)) => "in its concurrency group".to_owned(),
        Some(("environment", rest)) => {
            format!("in the environment {}", rest.rsplit(':').next().unwrap_or_default())
        }
        Some(_) | None => "among the runs at once".to_owned(),
    }
}

fn held(hold: &Hold) -> String {
    let why = because(&hold.why);
    match hold.kind {
        HoldKind::Pause => format!("{} paused the run{why}", person(hold.by.as_ref())),
        HoldKind::Trust => "Nothing runs until somebody with write approves this commit".to_owned(),
        HoldKind::Budget => "The budget is spent, so the run is held".to_owned(),
        HoldKind::Queue => "The run waits in a queue".to_owned(),
        HoldKind::Recovery => "The service was restarted with recovery switched off, so the run is held".to_owned(),
        HoldKind::Approval => format!("The run waits for approval{why}"),
    }
}

fn released(kind: HoldKind, by: Option<&Login>) -> String {
    let who = person(by);
    match kind {
        HoldKind::Pause | HoldKind::Recovery => format!("{who} resumed the run"),
        HoldKind::Trust => format!("{who} approved this commit"),
        HoldKind::Budget => format!("{who} raised the budget"),
        HoldKind::Queue => "The run left the queue".to_owned(),
        HoldKind::Approval => format!("{who} approved the run"),
    }
}

fn nth(number: u32) -> String {
    if number > 1 { format!(" (attempt {number})") } else { String::new() }
}

fn attempt_ended(step: &StepKey, number: u32, result: &AttemptResult) -> String {
    let nth = nth(number);
    match result {
        AttemptResult::Done { verdict: Verdict::Success, .. } => format!("{step} is done{nth}"),
        AttemptResult::Done { verdict: Verdict::Neutral, .. } => format!("{step} is done, without an opinion{nth}"),
        AttemptResult::Done { verdict: Verdict::Failure, message, .. } => {
            format!("{step} failed{nth}{}", because(message.as_deref().unwrap_or_default()))
        }
        AttemptResult::Failed { class, message, .. } => {
            format!("{step} could not finish{nth}: {} ({})", message.trim().trim_end_matches('.'), class_words(*class))
        }
        AttemptResult::Declined { message } => format!("The agent would not take {step}{nth}{}", because(message)),
        AttemptResult::Fenced => format!("Nobody knows how {step} ended{nth}; what it says later does not count"),
        AttemptResult::Stopped => format!("{step} has stopped{nth}"),
    }
}

fn again(what: &Again) -> String {
    match what {
        Again::Failed => "what failed or never ran once more".to_owned(),
        Again::Steps(steps) => {
            let names: Vec<String> = steps.iter().map(ToString::to_string).collect();
            format!("{} once more", listed(&names))
        }
        Again::From(step) => format!("{step} and everything behind it once more"),
        Again::All => "everything once more".to_owned(),
    }
}

/// `a`, `a and b`, `a, b and c`, `a, b, c, d and 7 more`.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] if names.len() <= NAMES_MAX => format!("{} and {last}", most.join(", ")),
        names => format!("{} and {} more", names[..NAMES_MAX].join(", "), names.len() - NAMES_MAX),
    }
}

/// What the changes say beside the event, in groups, in the order in which people ask.
#[derive(Default)]
struct Followed {
    /// Where each step came to stand last.
    steps: BTreeMap<StepIx, StepPhase>,
    /// Who got it.
    opened: BTreeMap<StepIx, (String, u32)>,
    started: Vec<StepIx>,
    fanned_out: Vec<String>,
    run: Vec<String>,
    again: Vec<StepIx>,
}

fn effects(state: &RunState, event: &Event, changes: &[Change]) -> Vec<String> {
    let mut followed = Followed::default();
    for change in changes {
        followed.note(state, event, change);
    }
    let own = own_step(state, event);
    let mut sentences = Vec::new();
    let names = |steps: &[StepIx]| listed(&steps.iter().map(|ix| name(state, *ix)).collect::<Vec<_>>());
    if !followed.again.is_empty() {
        sentences.push(format!("Starts over: {}", names(&followed.again)));
    }
    sentences.append(&mut followed.fanned_out);
    let mut phases: BTreeMap<String, Vec<StepIx>> = BTreeMap::new();
    for (ix, phase) in &followed.steps {
        let own = Some(*ix) == own;
        if let Some(words) = own.then(|| own_words(*phase)).flatten() {
            sentences.push(words.to_owned());
        } else if let Some(words) = phase_words(*phase).filter(|_| !own) {
            phases.entry(words.to_owned()).or_default().push(*ix);
        }
    }
    sentences.extend(phases.iter().map(|(words, steps)| format!("{words}: {}", names(steps))));
    let mut given: BTreeMap<(String, bool), Vec<String>> = BTreeMap::new();
    for (ix, (agent, number)) in &followed.opened {
        let key = (agent.clone(), followed.started.contains(ix));
        given.entry(key).or_default().push(format!("{}{}", name(state, *ix), nth(*number)));
    }
    sentences.extend(given.iter().map(|((agent, started), steps)| {
        let verb = if *started { "Started with" } else { "Queued for" };
        format!("{verb} {agent}: {}", listed(steps))
    }));
    sentences.append(&mut followed.run);
    sentences
}

fn name(state: &RunState, ix: StepIx) -> String {
    state.steps.get(ix as usize).map_or_else(|| format!("step {ix}"), |step| step.key.to_string())
}

/// The step whose end or start the event itself tells.
fn own_step(state: &RunState, event: &Event) -> Option<StepIx> {
    match event {
        Event::AttemptStarted { step, .. } | Event::AttemptEnded { step, .. } | Event::InputAsked { step, .. } => {
            state.find(step)
        }
        Event::SkipRequested { step, .. } | Event::Answered { step, .. } | Event::Refused { step, .. } => {
            state.find(step)
        }
        Event::Created(_)
        | Event::Granted(_)
        | Event::Superseded
        | Event::Dropped
        | Event::Held(_)
        | Event::Released { .. }
        | Event::CancelRequested { .. }
        | Event::Stalled { .. }
        | Event::Approved { .. }
        | Event::RetryRequested { .. }
        | Event::HandedOver(_)
        | Event::Ticked => None,
    }
}

impl Followed {
    fn note(&mut self, state: &RunState, event: &Event, change: &Change) {
        match change {
            Change::Step { step, phase, .. } => {
                self.steps.insert(*step, *phase);
            }
            Change::AttemptOpened { step, number, agent, .. } => {
                self.steps.remove(step);
                self.opened.insert(*step, (agent.to_string(), *number));
            }
            Change::AttemptStarted { step, .. } => self.started.push(*step),
            Change::FannedOut { step, items } => {
                self.steps.remove(step);
                self.fanned_out.push(format!("{} has {} parts", name(state, *step), items.len()));
            }
            Change::AllCancelled(_) => self.run.push("Whatever had not ended is cancelled".to_owned()),
            Change::RoundOpened { steps, .. } => self.again.extend(steps),
            Change::Run(RunPhase::Ended(outcome)) => self.run.push(ended(*outcome).to_owned()),
            Change::HoldPut(hold) if !matches!(event, Event::Held(_)) => self.run.push(held(hold)),
            Change::HoldPut(_)
            | Change::HoldTaken(_)
            | Change::Run(RunPhase::Asking | RunPhase::Running | RunPhase::Stopping(_))
            | Change::Born(_)
            | Change::Clock(_)
            | Change::Seat { .. }
            | Change::AttemptClosed { .. }
            | Change::Approved { .. }
            | Change::OutputsKept { .. }
            | Change::Faulted { .. } => {}
        }
    }
}

/// What follows for the step that the event itself is about.
fn own_words(phase: StepPhase) -> Option<&'static str> {
    match phase {
        StepPhase::BackOff => Some("It will be tried again"),
        StepPhase::Ended(StepOutcome::Failure | StepOutcome::TimedOut) => Some("It is not tried again"),
        StepPhase::Waiting(WaitFor::Turn) => Some("It is tried again when its turn comes"),
        StepPhase::Stopping(_) => Some("It is being stopped"),
        StepPhase::Waiting(_)
        | StepPhase::Queued
        | StepPhase::Running
        | StepPhase::AwaitingInput
        | StepPhase::Ended(_) => None,
    }
}

/// What is to be said of any other step that stands there now.
fn phase_words(phase: StepPhase) -> Option<&'static str> {
    match phase {
        StepPhase::Waiting(WaitFor::Approval) => Some("Waits for approval"),
        StepPhase::Waiting(WaitFor::Gate) => Some("Waits for its environment"),
        StepPhase::Waiting(WaitFor::Turn) => Some("May start when its turn comes"),
        StepPhase::Waiting(WaitFor::Needs) | StepPhase::Queued | StepPhase::Running | StepPhase::AwaitingInput => None,
        StepPhase::BackOff => Some("Will be tried again"),
        StepPhase::Stopping(StopCause::TimedOut) => Some("Took too long and is being stopped"),
        StepPhase::Stopping(StopCause::Stalled | StopCause::Cancelled(_) | StopCause::Skipped) => {
            Some("Is being stopped")
        }
        StepPhase::Ended(StepOutcome::Success | StepOutcome::Neutral) => Some("Done"),
        StepPhase::Ended(StepOutcome::Failure) => Some("Failed"),
        StepPhase::Ended(StepOutcome::TimedOut) => Some("Timed out"),
        StepPhase::Ended(StepOutcome::Cancelled(cause)) => Some(cancelled(cause)),
        StepPhase::Ended(StepOutcome::SkippedByIf) => Some("Skipped by its condition"),
        StepPhase::Ended(StepOutcome::SkippedByCommand) => None,
    }
}

fn ended(outcome: RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Success => "The run is over: all is well",
        RunOutcome::Failure => "The run is over: it failed",
        RunOutcome::TimedOut => "The run is over: its time was up",
        RunOutcome::Cancelled => "The run is over: it was cancelled",
        RunOutcome::Superseded | RunOutcome::Dropped | RunOutcome::HandedOver => "The run is over",
    }
}

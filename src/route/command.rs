//! What an authorized command does: events for runs, a hold of the pull request, or words.

use std::collections::BTreeMap;

use crate::command::reply::{self, Voice};
use crate::command::{Approved, Command, Scope, StepName, split_first};
use crate::engine::Event;
use crate::engine::event::Again;
use crate::engine::state::{Hold, HoldKind, RunOutcome, RunPhase};
use crate::ids::{CommitSha, Login, RunId, StepKey, WorkflowId};
use crate::time::Timestamp;

/// A run that a command may act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The run.
    pub run: RunId,
    /// Its workflow.
    pub workflow: WorkflowId,
    /// Its commit.
    pub sha: CommitSha,
    /// Where it stands.
    pub phase: RunPhase,
    /// Whether it waits for trust.
    pub untrusted: bool,
    /// Whether it is paused.
    pub paused: bool,
    /// Whether it was left over at a start with recovery off.
    pub left_over: bool,
    /// Its steps, instances too.
    pub steps: Vec<StepKey>,
}

impl Target {
    fn live(&self) -> bool {
        matches!(self.phase, RunPhase::Asking | RunPhase::Running)
    }

    fn superseded(&self) -> bool {
        matches!(self.phase, RunPhase::Ended(RunOutcome::Superseded | RunOutcome::Dropped | RunOutcome::HandedOver))
    }
}

/// What a command does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obeyed {
    /// It does this, together.
    Acts {
        /// Events, at most one for each run.
        events: Vec<(RunId, Event)>,
        /// A hold of the pull request: of this workflow or all, on or off, and why.
        hold: Option<(Option<WorkflowId>, bool, String)>,
    },
    /// It found nothing to do, or cannot: why, as a reply.
    Cannot(String),
}

/// Who gives a command, where and when.
#[derive(Debug, Clone, Copy)]
pub struct Giver<'a> {
    /// Who; authorized already.
    pub by: &'a Login,
    /// The head of the pull request.
    pub head: &'a CommitSha,
    /// When.
    pub at: Timestamp,
    /// How the repository is spoken to.
    pub voice: Voice,
}

/// Decides what a command does. `targets` are the runs that speak on the pull request's head and whatever else of it is
/// live.
#[must_use]
pub fn obey(command: &Command, giver: &Giver<'_>, targets: &[Target]) -> Obeyed {
    let Giver { by, head, at, voice } = *giver;
    match command {
        Command::Retry { steps, scope } => {
            let here: Vec<&Target> =
                targets.iter().filter(|target| target.sha == *head && !target.superseded()).collect();
            match here.iter().any(|target| target.untrusted) {
                true => Obeyed::Cannot(voice.untrusted(command, head)),
                false => retry(steps, *scope, by, &here)
                    .unwrap_or_else(|words| Obeyed::Cannot(words.unwrap_or_else(|| voice.nothing_runs(command)))),
            }
        }
        Command::Pause { words } => pause(words, by, targets, at),
        Command::Resume { workflow } => {
            let held = |target: &Target| match (target.paused, target.left_over) {
                (true, _) => Some(HoldKind::Pause),
                (false, true) => Some(HoldKind::Recovery),
                (false, false) => None,
            };
            let live = of_workflow(targets, workflow.as_ref()).filter(|target| target.live());
            let released = live.filter_map(|target| Some((target.run, held(target)?)));
            let event = |(run, kind)| (run, Event::Released { kind, by: Some(by.clone()) });
            Obeyed::Acts { events: released.map(event).collect(), hold: Some((workflow.clone(), false, String::new())) }
        }
        Command::Cancel { workflow } => {
            let live = of_workflow(targets, workflow.as_ref()).filter(|target| target.live());
            let event = Event::CancelRequested { by: Some(by.clone()), why: "a command".to_owned() };
            let events: Vec<_> = live.map(|target| (target.run, event.clone())).collect();
            or_nothing_runs(voice, command, events)
        }
        Command::Approve(Approved::Commit(sha)) => trust(sha, giver, targets),
        Command::Approve(Approved::Nothing) => {
            let waits = targets.iter().any(|target| target.sha == *head && target.untrusted && target.live());
            Obeyed::Cannot(voice.approve_which(waits.then_some(head), &[]))
        }
        Command::Approve(Approved::Step(_))
        | Command::Reject { .. }
        | Command::Skip { .. }
        | Command::Run { .. }
        | Command::Plan { .. }
        | Command::Why { .. }
        | Command::Answer { .. } => Obeyed::Cannot(voice.not_released(command)),
        Command::Status | Command::Help => Obeyed::Acts { events: Vec::new(), hold: None },
    }
}

fn of_workflow<'a>(targets: &'a [Target], workflow: Option<&WorkflowId>) -> impl Iterator<Item = &'a Target> {
    let workflow = workflow.cloned();
    targets.iter().filter(move |target| workflow.as_ref().is_none_or(|wanted| *wanted == target.workflow))
}

fn or_nothing_runs(voice: Voice, command: &Command, events: Vec<(RunId, Event)>) -> Obeyed {
    if events.is_empty() { Obeyed::Cannot(voice.nothing_runs(command)) } else { Obeyed::Acts { events, hold: None } }
}

/// The events of a retry, or why there are none, if that has words of its own.
fn retry(steps: &[StepName], scope: Scope, by: &Login, targets: &[&Target]) -> Result<Obeyed, Option<String>> {
    let chosen = choose(steps, targets)?;
    let by = Some(by.clone());
    let what = |target: &&Target| match (scope, chosen.get(&target.run)) {
        (Scope::All, _) => Some(Again::All),
        (Scope::From, Some(keys)) => keys.first().cloned().map(Again::From),
        (Scope::Chosen, Some(keys)) => Some(Again::Steps(keys.clone())),
        (Scope::Chosen | Scope::From, None) => steps.is_empty().then_some(Again::Failed),
    };
    let event =
        |target: &&Target| what(target).map(|what| (target.run, Event::RetryRequested { what, by: by.clone() }));
    let events: Vec<_> = targets.iter().filter_map(event).collect();
    if events.is_empty() { Err(None) } else { Ok(Obeyed::Acts { events, hold: None }) }
}

/// The steps that are named, by run; or why that cannot be told.
fn choose(names: &[StepName], targets: &[&Target]) -> Result<BTreeMap<RunId, Vec<StepKey>>, String> {
    let all = || targets.iter().flat_map(|target| target.steps.iter().map(move |step| (*target, step)));
    let full =
        |(target, step): (&Target, &StepKey)| StepName { workflow: Some(target.workflow.clone()), step: step.clone() };
    let mut chosen: BTreeMap<RunId, Vec<StepKey>> = BTreeMap::new();
    for name in names {
        let meant: Vec<_> = all().filter(|(target, step)| name.names(&target.workflow, step)).collect();
        match meant.as_slice() {
            [] => return Err(reply::unknown_step(name, &all().map(full).collect::<Vec<_>>())),
            [(target, step)] => chosen.entry(target.run).or_default().push((*step).clone()),
            several => return Err(reply::ambiguous(name, &several.iter().copied().map(full).collect::<Vec<_>>())),
        }
    }
    Ok(chosen)
}

fn pause(words: &str, by: &Login, targets: &[Target], at: Timestamp) -> Obeyed {
    let known = |word: &str| targets.iter().any(|target| target.workflow.as_str() == word);
    let (workflow, why) = split_first(words, known);
    let workflow: Option<WorkflowId> = workflow.and_then(|word| word.parse().ok());
    let hold = Hold { kind: HoldKind::Pause, by: Some(by.clone()), why: why.to_owned(), since: at };
    let live = of_workflow(targets, workflow.as_ref()).filter(|target| target.live() && !target.paused);
    let events = live.map(|target| (target.run, Event::Held(hold.clone()))).collect();
    Obeyed::Acts { events, hold: Some((workflow, true, why.to_owned())) }
}

fn trust(sha: &CommitSha, giver: &Giver<'_>, targets: &[Target]) -> Obeyed {
    let Giver { by, head, voice, .. } = *giver;
    if sha != head {
        return Obeyed::Cannot(voice.head_moved(sha, head));
    }
    let waiting = targets.iter().filter(|target| target.sha == *sha && target.untrusted && target.live());
    let event = Event::Released { kind: HoldKind::Trust, by: Some(by.clone()) };
    let events: Vec<_> = waiting.map(|target| (target.run, event.clone())).collect();
    if events.is_empty() {
        return Obeyed::Cannot(reply::already_trusted(sha));
    }
    Obeyed::Acts { events, hold: None }
}

#[cfg(test)]
mod tests;

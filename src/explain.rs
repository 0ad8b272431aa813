//! Which workflows would run for a webhook, which not, and why: what the service would decide, by its own parser and
//! its own route.
//!
//! *Invariant:* there is no second opinion: whether a workflow runs is read from the route's intents.
//! *Invariant:* what the payload alone does not say is told as unknown, never assumed in silence.

mod guess;
mod show;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::command::{self, reply::Voice};
use crate::ids::WorkflowId;
use crate::inbound::envelope::{Envelope, Refused};
use crate::inbound::event::{Commented, Event, PullRequestChanged, Pushed};
use crate::inbound::{self, Unfit};
use crate::report::{Conclusion, Reason, Status, reason_check};
use crate::route::{self, Definition, Definitions, Facts, Intent, OperatorFacts, Start};
use crate::workflow::policy::{DefinitionRef, SkipMarkers};
use crate::workflow::trigger::{Filter, Triggers};

pub use guess::{KNOWN_EVENTS, guess};
pub use show::text;

/// GitHub's id of a delivery that never was.
const NO_DELIVERY: &str = "00000000-0000-0000-0000-000000000000";

/// What would come of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The event with its action: `pull_request.opened`.
    pub event: String,
    /// What happened, in a sentence.
    pub happened: String,
    /// What each workflow would do; in the order of their ids.
    pub workflows: Vec<Answer>,
    /// What else would happen, a sentence each.
    pub besides: Vec<String>,
    /// What the payload does not say, and how the answer may depend on it.
    pub unknown: Vec<String>,
}

/// What one workflow would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The workflow's id.
    pub workflow: WorkflowId,
    /// Whether it would run.
    pub runs: Runs,
    /// Why, or on what it depends.
    pub why: String,
    /// What its check would show where no run speaks; nothing: no check at all.
    pub check: Option<&'static str>,
}

/// Whether a workflow would run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Runs {
    /// It would.
    Yes,
    /// It depends on what is not known.
    Depends,
    /// It would wait for something first.
    Waits,
    /// It would not.
    No,
    /// Its file is wrong.
    Broken,
}

/// Why nothing can be explained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The service would not take it.
    #[error("the service would refuse this payload: {0}")]
    Refused(#[from] Refused),
    /// It is not what its name says.
    #[error(transparent)]
    Unfit(#[from] Unfit),
}

/// What the caller knows.
#[derive(Debug, Clone)]
pub struct Known {
    /// The workflows, taken as those that count.
    pub definitions: Definitions,
    /// Which files changed.
    pub changed: Changed,
}

/// Which files changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// Nobody said it.
    Unknown,
    /// More than GitHub lists: every filter of paths passes.
    TooMany,
    /// These.
    Files(Vec<String>),
}

/// Explains a payload under the name of its event.
///
/// # Errors
/// When the service would not take it, or it does not fit its name.
pub fn explain(name: &str, body: &[u8], known: &Known) -> Result<Explanation, Wrong> {
    let envelope = Envelope::read(name, NO_DELIVERY, body)?;
    let event = inbound::parse(name, body)?;
    let action = envelope.action.map(|action| format!(".{action}")).unwrap_or_default();
    let mut told = Explanation {
        event: format!("{name}{action}"),
        happened: String::new(),
        workflows: Vec::new(),
        besides: Vec::new(),
        unknown: Vec::new(),
    };
    match &event {
        Event::PullRequestChanged(change) => pull_request(&mut told, change, known),
        Event::Pushed(push) => pushed(&mut told, push, known),
        Event::Commented(comment) => commented(&mut told, comment, known),
        Event::CheckRerequested(asked) => {
            told.happened = format!("{} is asked for once more", asked.check.name);
            told.besides.push("If it is a check of ours, what it stands for is run once more.".to_owned());
        }
        Event::CheckActionRequested(asked) => {
            told.happened = format!("somebody pressed {} on {}", asked.identifier, asked.check.name);
            told.besides.push("If it is a check of ours, the button does what its command does.".to_owned());
        }
        Event::SuiteRerequested(asked) => {
            told.happened = format!("all checks of {} are asked for once more", asked.head_sha.short());
            told.besides.push("If they are ours, what failed or never ran is run once more.".to_owned());
        }
        Event::MergeGroupRequested(asked) => {
            told.happened = format!("the merge queue wants checks for {}", asked.group.head_sha.short());
            told.besides.push("Merge groups are not in this release: no workflow starts.".to_owned());
        }
        Event::MergeGroupDestroyed(gone) => told.happened = format!("the merge queue dropped a group: {}", gone.reason),
        Event::InstallationChanged(changed) => told.happened = format!("the App's installation: {}", changed.action),
        Event::RepositoriesChanged(changed) => {
            let (added, removed) = (changed.added.len(), changed.removed.len());
            told.happened = format!("repositories of the installation: {added} added, {removed} removed");
        }
        Event::RepositoryRenamed(renamed) => {
            told.happened = format!("the repository is {} now", renamed.repository.name)
        }
        Event::Ping(_) => told.happened = "GitHub tried whether the webhook works".to_owned(),
        Event::Ignored(ignored) => told.happened = ignored.why.to_owned(),
    }
    if !matches!(event, Event::PullRequestChanged(_) | Event::Pushed(_)) && told.besides.is_empty() {
        told.besides.push("No workflow starts.".to_owned());
    }
    Ok(told)
}

fn facts(known: &Known, changed: Option<Vec<String>>, message: Option<String>) -> Facts {
    Facts {
        definitions: known.definitions.clone(),
        changed,
        trusted: true,
        paused: Vec::new(),
        speakers: BTreeMap::new(),
        operator: OperatorFacts::default(),
        touched: None,
        pulls: Vec::new(),
        message,
    }
}

fn pull_request(told: &mut Explanation, change: &PullRequestChanged, known: &Known) {
    let by = change.author.as_ref().map(|author| format!(" by @{}", author.login)).unwrap_or_default();
    let draft = if change.draft { ", a draft" } else { "" };
    let fork = if change.fork { " of a fork" } else { "" };
    told.happened = format!(
        "#{} of {}{by}, from {}{fork} into {}{draft}",
        change.number, change.repository.name, change.head_ref, change.base_ref
    );
    let decide = |changed| route::pull_request(change, &facts(known, changed, None));
    let kind = |triggers: &Triggers| {
        let wanted = triggers.pull_request.as_ref();
        let why = match wanted {
            None => "it has no `on: pull_request`".to_owned(),
            Some(wanted) => format!("{} is not among its types: {}", change.action, wanted.types.join(", ")),
        };
        (wanted.map(|wanted| wanted.paths.clone()), why)
    };
    told.answers(&decide, known, kind);
    if told.starts() {
        let policy = &known.definitions.policy;
        let default = change.repository.default_branch.as_deref().unwrap_or("the default branch");
        let counts = match policy.definition_ref {
            DefinitionRef::Base => change.base_ref.as_str(),
            DefinitionRef::Default => default,
        };
        told.unknown.push(format!("Whether {counts} has these very files: the service takes those that stand there."));
        told.unknown.push(
            "Who has write: if the author or pusher lacks it, the run waits until somebody approves the commit."
                .to_owned(),
        );
        if marks_count(known) {
            told.unknown.push(
                "The head commit's message: with a marker such as [skip ci] the workflow would be held.".to_owned(),
            );
        }
        told.unknown.push("What runs on this commit already: each workflow runs once on a commit.".to_owned());
        let diff = format!("git diff --name-only {:.12}...{:.12}", change.base_sha.as_str(), change.head_sha.as_str());
        told.paths_unknown(&diff);
    }
}

/// Whether a marker in a commit's message would keep any of the workflows from running.
fn marks_count(known: &Known) -> bool {
    let of = |definition: &Definition| match &definition.workflow {
        Ok(workflow) => workflow.skip_markers.unwrap_or(known.definitions.policy.skip_markers) != SkipMarkers::Off,
        Err(_) => false,
    };
    known.definitions.workflows.values().any(of)
}

fn pushed(told: &mut Explanation, push: &Pushed, known: &Known) {
    let named = format!("{} of {} is", push.git_ref, push.repository.name);
    let Some(after) = &push.after else {
        told.happened = format!("{named} gone");
        told.besides.push("A ref that is gone starts nothing.".to_owned());
        return;
    };
    told.happened = format!("{named} at {} now", after.short());
    let decide = |changed| route::push(push, &facts(known, changed, Some(push.message.clone())));
    let kind = |triggers: &Triggers| {
        let wanted = triggers.push.as_ref();
        let why = match wanted {
            None => "it has no `on: push`".to_owned(),
            Some(wanted) if wanted.tags == Filter::None => "its `on: push` names branches only".to_owned(),
            Some(_) => "its `on: push` names tags only".to_owned(),
        };
        (wanted.map(|wanted| wanted.paths.clone()), why)
    };
    told.answers(&decide, known, kind);
    if told.starts() {
        told.unknown.push("Whether the commit has these very files: a push takes its own.".to_owned());
        told.unknown.push(
            "Open pull requests of this commit: a workflow that runs for one of them does not run for the push too."
                .to_owned(),
        );
        told.unknown.push(
            "Who has write: if the pusher lacks it, the run waits until somebody approves the commit.".to_owned(),
        );
        let default = push.repository.default_branch.as_deref().unwrap_or("main");
        let before = push.before.as_ref().map_or(default, |sha| sha.as_str());
        told.paths_unknown(&format!("git diff --name-only {before:.12}...{:.12}", after.as_str()));
    }
}

fn commented(told: &mut Explanation, comment: &Commented, known: &Known) {
    let by = comment.author.as_ref().map_or_else(|| "somebody".to_owned(), |author| format!("@{}", author.login));
    told.happened = format!("{by} commented on pull request #{} of {}", comment.number, comment.repository.name);
    let bare = known.definitions.policy.bare_commands;
    for given in command::parse(&comment.body, bare) {
        told.besides.push(match given.command {
            Ok(command) => {
                let needs = known.definitions.policy.commands.get(command.verb().spec().name);
                let needs =
                    needs.map_or(command.verb().spec().needs.to_string(), |needs| format!("{needs:?}").to_lowercase());
                let later = if command.released() { "" } else { "; it is not in this release" };
                format!("Line {}: /{} would be obeyed for whoever has {needs}{later}.", given.line, command.verb())
            }
            Err(mistake) => Voice { bare }.mistake(given.line, &mistake),
        });
    }
    if told.besides.is_empty() {
        told.besides.push("It holds no command of ours, so nothing is said or done.".to_owned());
    } else {
        told.unknown.push(format!("What {by} may do there: the service asks GitHub at that moment."));
    }
}

impl Explanation {
    /// Whether any workflow would run, perhaps.
    fn starts(&self) -> bool {
        self.workflows.iter().any(|answer| matches!(answer.runs, Runs::Yes | Runs::Depends))
    }

    fn paths_unknown(&mut self, diff: &str) {
        if self.workflows.iter().any(|answer| answer.runs == Runs::Depends) {
            self.unknown.push(format!(
                "Which files changed: run `{diff} > changed` in a clone, and give --changed-files changed."
            ));
        }
    }

    /// Reads what each workflow would do from what is decided. `kind` gives the path filter of its trigger of that kind,
    /// and why it has no trigger.
    fn answers(
        &mut self,
        decide: &impl Fn(Option<Vec<String>>) -> Vec<Intent>,
        known: &Known,
        kind: impl Fn(&Triggers) -> (Option<Filter>, String),
    ) {
        let (intents, otherwise) = match &known.changed {
            Changed::Files(files) => (decide(Some(files.clone())), None),
            Changed::TooMany => (decide(None), None),
            // What nothing passes and everything passes is open: no changed file passes a filter, an unknown one does.
            Changed::Unknown => (decide(None), Some(decide(Some(Vec::new())))),
        };
        for intent in &intents {
            if let Intent::CancelRuns { why } = intent {
                self.besides.push(format!("Live runs of the pull request are cancelled: {why}."));
                return;
            }
        }
        for (id, definition) in &known.definitions.workflows {
            let mine = intent_of(&intents, id);
            let (wanted, no_trigger) = match &definition.workflow {
                Ok(workflow) => kind(&workflow.triggers),
                Err(problems) => (None, problems.join("; ")),
            };
            let open = otherwise.as_ref().is_some_and(|other| !starts(intent_of(other, id)));
            let (runs, why, check) = match mine {
                Some(Intent::Start(_)) if open => (Runs::Depends, format!("if {}", passes(wanted.as_ref())), None),
                Some(Intent::Start(start)) => (Runs::Yes, steps(start), None),
                Some(Intent::Say { workflow, reason }) => said(workflow, reason),
                Some(Intent::CancelRuns { .. }) | None => (Runs::No, no_trigger, None),
            };
            self.workflows.push(Answer { workflow: id.clone(), runs, why, check });
        }
    }
}

fn intent_of<'a>(intents: &'a [Intent], id: &WorkflowId) -> Option<&'a Intent> {
    intents.iter().find(|intent| match intent {
        Intent::Start(start) => start.plan.workflow == *id,
        Intent::Say { workflow, .. } => workflow == id,
        Intent::CancelRuns { .. } => false,
    })
}

fn starts(intent: Option<&Intent>) -> bool {
    matches!(intent, Some(Intent::Start(_)))
}

fn steps(start: &Start) -> String {
    match start.plan.steps.iter().filter(|step| step.rollback_of.is_none()).count() {
        1 => "1 step".to_owned(),
        many => format!("{many} steps"),
    }
}

fn passes(paths: Option<&Filter>) -> String {
    match paths {
        Some(Filter::Only(patterns)) => format!("a changed file is among paths: {patterns}"),
        Some(Filter::Ignore(patterns)) => format!("a changed file is not among paths-ignore: {patterns}"),
        Some(Filter::None) | None => "the changed files let it".to_owned(),
    }
}

/// What the workflow check says where no run speaks.
fn said(workflow: &WorkflowId, reason: &Reason) -> (Runs, String, Option<&'static str>) {
    let check = reason_check(workflow, reason);
    let runs = match check.status {
        Status::Completed(Conclusion::Failure) => Runs::Broken,
        Status::Queued | Status::InProgress | Status::Completed(Conclusion::ActionRequired) => Runs::Waits,
        Status::Completed(_) => Runs::No,
    };
    let why = match reason {
        Reason::Filtered(why) => why.clone(),
        Reason::BadFile(problems) => problems.join("; "),
        Reason::HeldByMarker(marker) => format!("the commit's message says {marker}"),
        Reason::PassedByMarker(marker) => format!("the commit's message says {marker}, and the policy lets that pass"),
        Reason::Draft => "it wants no drafts; it starts when the pull request is ready for review".to_owned(),
        Reason::Config { .. } => check.title,
    };
    (runs, why, Some(show::status_word(check.status)))
}

#[cfg(test)]
mod tests;

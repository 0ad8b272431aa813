//! What a pull request or a push starts.

use serde_json::{Value, json};

use super::{Class, Definition, Facts, Intent, Paused, Speaks, Start, gates, hold};
use crate::engine::state::{Birth, Definition as Source, Hold, HoldKind, RunOutcome, RunPhase, Trigger};
use crate::ids::{CommitSha, WorkflowId};
use crate::inbound::event::{PullRequestChanged, Pushed, Repository};
use crate::inbound::skip;
use crate::report::Reason;
use crate::time::Timestamp;
use crate::workflow::Workflow;
use crate::workflow::expr::{Scope, Status};
use crate::workflow::policy::SkipMarkers;
use crate::workflow::trigger::{Subject, Triggers, Verdict, matches};

/// The name under which the check of changed workflow files speaks; no workflow can be called so, because
/// `.workflows/config.yml` is the policy.
const CONFIG: &str = "config";

/// The longest value of a concurrency group.
const GROUP_BYTES_MAX: usize = 100;

/// What happened to a commit, as far as starting is concerned.
struct Happened<'a> {
    repository: &'a Repository,
    sha: &'a CommitSha,
    trigger: Trigger,
    /// The default group: pull requests by number.
    group: Option<String>,
    source_time: Timestamp,
    draft: bool,
    scope: Value,
}

/// What a change of a pull request starts and ends.
#[must_use]
pub fn pull_request(change: &PullRequestChanged, facts: &Facts) -> Vec<Intent> {
    if change.action == "closed" {
        let why = if change.merged { "the pull request was merged" } else { "the pull request was closed" };
        return vec![Intent::CancelRuns { why: why.to_owned() }];
    }
    let happened = Happened {
        repository: &change.repository,
        sha: &change.head_sha,
        trigger: Trigger::PullRequest(change.number),
        group: Some(change.number.to_string()),
        source_time: change.updated_at,
        draft: change.draft,
        scope: pull_request_scope(change),
    };
    // A draft that became ready starts what waited for it, whatever its types say.
    let ready = change.action == "ready_for_review";
    let subject = |action| Subject::PullRequest {
        action,
        base: &change.base_ref,
        paths: facts.changed.as_deref(),
        labels: Some(&change.labels),
    };
    let verdict = |workflow: &Workflow| match matches(&workflow.triggers, &subject(&change.action)) {
        Verdict::NoTrigger if ready && !workflow.drafts => matches(&workflow.triggers, &subject("opened")),
        verdict => verdict,
    };
    let mut intents = decide(&happened, facts, verdict);
    if let Some(files) = &facts.touched
        && let Ok(workflow) = CONFIG.parse()
    {
        let branch = facts.definitions.branch.clone();
        intents.push(Intent::Say { workflow, reason: Reason::Config { files: files.clone(), branch } });
    }
    intents
}

/// What a push starts. It gives way, for each workflow, to a pull request of the same commit.
#[must_use]
pub fn push(push: &Pushed, facts: &Facts) -> Vec<Intent> {
    let Some(after) = &push.after else { return Vec::new() };
    let reference = push.git_ref.to_string();
    let happened = Happened {
        repository: &push.repository,
        sha: after,
        trigger: Trigger::Push(reference.clone()),
        group: None,
        source_time: push.pushed_at,
        draft: false,
        scope: push_scope(push, after),
    };
    let subject = Subject::Push { reference: &reference, paths: facts.changed.as_deref() };
    decide(&happened, facts, |workflow| {
        let wanted = |triggers: &Triggers, base: &str| {
            matches(triggers, &Subject::PullRequest { action: "synchronize", base, paths: None, labels: None })
                == Verdict::Run
        };
        // It gives way by the definitions that count there, not by its own: a pull request that brings a workflow does
        // not know it yet.
        let gives_way = facts.pulls.iter().any(|pull| {
            let counts = pull.definitions.workflows.get(&workflow.plan.workflow);
            let counts = counts.and_then(|definition| definition.workflow.as_ref().ok());
            counts.is_some_and(|counts| wanted(&counts.triggers, &pull.base))
        });
        let for_pulls = || facts.pulls.iter().any(|pull| wanted(&workflow.triggers, &pull.base));
        match matches(&workflow.triggers, &subject) {
            _ if gives_way => Verdict::NoTrigger,
            // It is for the pull request, once it is merged: nothing has to say that it is not for the push.
            Verdict::Filtered(_) if for_pulls() => Verdict::NoTrigger,
            verdict => verdict,
        }
    })
}

fn decide(happened: &Happened<'_>, facts: &Facts, verdict: impl Fn(&Workflow) -> Verdict) -> Vec<Intent> {
    let mut intents = Vec::new();
    for (id, definition) in &facts.definitions.workflows {
        let speaks = facts.speakers.get(id);
        let intent = match &definition.workflow {
            Ok(workflow) => match verdict(workflow) {
                Verdict::NoTrigger => None,
                Verdict::Filtered(why) => Some(say(id, Reason::Filtered(why))),
                Verdict::Run => start(happened, facts, definition, workflow, speaks),
            },
            Err(problems) => Some(say(id, Reason::BadFile(problems.clone()))),
        };
        intents.extend(intent.filter(|intent| displaces(intent, speaks, happened.source_time)));
    }
    intents
}

fn say(workflow: &WorkflowId, reason: Reason) -> Intent {
    Intent::Say { workflow: workflow.clone(), reason }
}

/// Whether an intent may speak in place of who speaks now.
fn displaces(intent: &Intent, speaks: Option<&Speaks>, source_time: Timestamp) -> bool {
    let class = match intent {
        Intent::Start(_) => Class::Run,
        Intent::Say { reason, .. } => Class::of(reason),
        Intent::CancelRuns { .. } => return true,
    };
    speaks.is_none_or(|now| (class, source_time) >= (now.class, now.source_time))
}

fn start(
    happened: &Happened<'_>,
    facts: &Facts,
    definition: &Definition,
    workflow: &Workflow,
    speaks: Option<&Speaks>,
) -> Option<Intent> {
    let id = &workflow.plan.workflow;
    // One run for each (commit, workflow): a second delivery, or a second pull request, finds it here.
    if speaks.and_then(|now| now.run).is_some_and(|(_, phase)| !may_start_anew(phase)) {
        return None;
    }
    if happened.draft && !workflow.drafts {
        return Some(say(id, Reason::Draft));
    }
    let marker = facts.message.as_deref().and_then(skip::marker);
    match (marker, workflow.skip_markers.unwrap_or(facts.definitions.policy.skip_markers)) {
        (Some(marker), SkipMarkers::Hold) => return Some(say(id, Reason::HeldByMarker(marker.to_owned()))),
        (Some(marker), SkipMarkers::Pass) => return Some(say(id, Reason::PassedByMarker(marker.to_owned()))),
        (Some(_), SkipMarkers::Off) | (None, _) => {}
    }
    // An event gives no inputs, so they are what their declarations say.
    let mut scope = happened.scope.clone();
    if !workflow.inputs.is_empty() {
        scope["inputs"] = json!(workflow.inputs.defaults());
    }
    let group = match group(happened, &scope, workflow) {
        Ok(group) => group,
        Err(problem) => return Some(say(id, Reason::BadFile(vec![problem]))),
    };
    let mut plan = workflow.plan.clone();
    facts.definitions.policy.bound(&mut plan);
    let birth = Birth {
        repository: happened.repository.id,
        repository_name: happened.repository.name.clone(),
        sha: happened.sha.clone(),
        trigger: happened.trigger.clone(),
        source_time: happened.source_time,
        definition: Source {
            sha: Some(facts.definitions.sha.clone()),
            path: definition.path.clone(),
            blob: definition.blob.clone(),
        },
        gates: gates(group, happened.repository.id, &plan, &facts.operator),
        holds: holds(happened, facts, id),
        limits: facts.operator.limits,
        scope: scope.to_string(),
    };
    Some(Intent::Start(Box::new(Start { plan, birth })))
}

/// Whether a run in this phase makes room for a new one on the same commit: it was cancelled, as by closing a pull
/// request that is open again, or is about to be.
fn may_start_anew(phase: RunPhase) -> bool {
    match phase {
        RunPhase::Stopping(outcome) | RunPhase::Ended(outcome) => {
            matches!(outcome, RunOutcome::Cancelled | RunOutcome::Superseded | RunOutcome::Dropped)
        }
        RunPhase::Asking | RunPhase::Running => false,
    }
}

fn holds(happened: &Happened<'_>, facts: &Facts, workflow: &WorkflowId) -> Vec<Hold> {
    let mut holds = Vec::new();
    if !facts.trusted {
        let why = "author or pusher has no write access";
        holds.push(hold(HoldKind::Trust, None, why, happened.source_time));
    }
    let applies = |paused: &&Paused| paused.workflow.as_ref().is_none_or(|of| of == workflow);
    if let Some(paused) = facts.paused.iter().find(applies) {
        holds.push(hold(HoldKind::Pause, paused.by.clone(), &paused.why, paused.since));
    }
    holds
}

/// The value of a run's concurrency group.
fn group(happened: &Happened<'_>, scope: &Value, workflow: &Workflow) -> Result<Option<String>, String> {
    let Some(concurrency) = &workflow.plan.concurrency else { return Ok(happened.group.clone()) };
    let source = concurrency.group.source();
    let value = concurrency.group.eval(&Born(scope)).map_err(|error| format!("concurrency.group: {error}"))?;
    let value = match value {
        Value::String(text) if !text.is_empty() => text,
        Value::Number(number) => number.to_string(),
        Value::Bool(yes) => yes.to_string(),
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            return Err(format!("concurrency.group: `{source}` gives no value for this event"));
        }
    };
    if value.len() > GROUP_BYTES_MAX {
        return Err(format!("concurrency.group: `{source}` is longer than {GROUP_BYTES_MAX} bytes"));
    }
    Ok(Some(value))
}

/// What a group's expression sees: the facts of the run's birth.
struct Born<'a>(&'a Value);

impl Scope for Born<'_> {
    fn value(&self, root: &str) -> Option<Value> {
        self.0.get(root).cloned()
    }

    fn status(&self) -> Status {
        Status::Success
    }
}

fn pull_request_scope(change: &PullRequestChanged) -> Value {
    json!({
        "event": "pull_request",
        "pr": {
            "number": change.number,
            "title": change.title,
            "author": change.author.as_ref().map(|author| &author.login),
            "draft": change.draft,
            "labels": change.labels,
            "head": { "ref": change.head_ref, "sha": change.head_sha, "fork": change.fork },
            "base": { "ref": change.base_ref, "sha": change.base_sha },
        },
        "repo": change.repository.name,
        "actor": change.sender.as_ref().map(|sender| &sender.login),
        "sha": change.head_sha,
        "ref": format!("refs/pull/{}/head", change.number),
    })
}

fn push_scope(push: &Pushed, after: &CommitSha) -> Value {
    json!({
        "event": "push",
        "pr": null,
        "repo": push.repository.name,
        "actor": push.sender.as_ref().map(|sender| &sender.login),
        "sha": after,
        "ref": push.git_ref.to_string(),
    })
}

#[cfg(test)]
mod tests;

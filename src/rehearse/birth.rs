//! The run's birth: the payload that GitHub would send, through the real parser and the real route.

use std::collections::BTreeMap;

use serde_json::json;

use super::script::{Happened, Script};
use crate::ids::{Login, WorkflowId};
use crate::inbound::{self, event::Account, event::Event};
use crate::route::{self, Definition, Definitions, Facts, Intent, OperatorFacts, Start};
use crate::time::Timestamp;
use crate::workflow::Workflow;
use crate::workflow::policy::Policy;
use crate::workflow::trigger::{Filter, Labels, PullRequest, Push, Triggers};

/// When every rehearsal begins: 2026-01-01 00:00 UTC.
pub(super) const START: Timestamp = Timestamp(1_767_225_600_000_000);
/// Who opens the pull request, and gives the commands.
const PERSON: &str = "you";
/// What the rehearsed commit is called, and the one before it.
const SHA: &str = "0123456789012345678901234567890123456789";
const BEFORE: &str = "9876543210987654321098765432109876543210";

/// Makes the run that the event of the script starts, whatever the filters of its triggers would say of it.
pub(super) fn born(workflow: &Workflow, script: &Script) -> Result<(Start, Login), String> {
    let at = START.rfc3339();
    let repository = json!({
        "id": 1, "full_name": "octo/rehearsal", "default_branch": "main", "private": false, "pushed_at": at,
    });
    let person = json!({ "login": PERSON, "id": 1, "type": "User" });
    let (name, payload) = match &script.event {
        Happened::PullRequest(pull) => {
            let author = pull.author.as_ref().map_or(PERSON, Login::as_str);
            let head_repository = if pull.fork {
                json!({ "id": 2, "full_name": format!("{author}/rehearsal"), "private": false })
            } else {
                repository.clone()
            };
            let payload = json!({
                "action": "opened",
                "pull_request": {
                    "number": pull.number,
                    "title": pull.title,
                    "draft": pull.draft,
                    "state": "open",
                    "labels": pull.labels.iter().map(|label| json!({ "name": label })).collect::<Vec<_>>(),
                    "user": { "login": author, "id": 2, "type": "User" },
                    "head": { "ref": pull.branch, "sha": SHA, "repo": head_repository },
                    "base": { "ref": pull.base, "sha": BEFORE, "repo": repository },
                    "updated_at": at,
                },
                "repository": repository,
                "sender": person,
            });
            ("pull_request", payload)
        }
        Happened::Push(branch) => {
            let payload = json!({
                "ref": branch.reference, "before": BEFORE, "after": SHA,
                "repository": repository, "sender": person,
            });
            ("push", payload)
        }
    };
    let event = inbound::parse(name, payload.to_string().as_bytes()).map_err(|unfit| unfit.to_string())?;
    started(workflow, &event, script.trusted)
}

fn started(workflow: &Workflow, event: &Event, trusted: bool) -> Result<(Start, Login), String> {
    let (intents, sender) = match event {
        Event::PullRequestChanged(change) => {
            let facts = facts(workflow, change.head_sha.clone(), trusted);
            (route::pull_request(change, &facts), change.sender.as_ref())
        }
        Event::Pushed(push) => match &push.after {
            Some(after) => (route::push(push, &facts(workflow, after.clone(), trusted)), push.sender.as_ref()),
            None => (Vec::new(), None),
        },
        Event::Commented(_)
        | Event::CheckRerequested(_)
        | Event::CheckActionRequested(_)
        | Event::SuiteRerequested(_)
        | Event::MergeGroupRequested(_)
        | Event::MergeGroupDestroyed(_)
        | Event::InstallationChanged(_)
        | Event::RepositoriesChanged(_)
        | Event::RepositoryRenamed(_)
        | Event::Ping(_)
        | Event::Ignored(_) => (Vec::new(), None),
    };
    let why = || "nothing starts this workflow".to_owned();
    let Account { login, .. } = sender.ok_or_else(why)?;
    match intents.into_iter().next() {
        Some(Intent::Start(start)) => Ok((*start, login.clone())),
        Some(Intent::Say { reason: crate::report::Reason::BadFile(problems), .. }) => Err(problems.join("; ")),
        Some(Intent::Say { .. } | Intent::CancelRuns { .. }) | None => Err(why()),
    }
}

/// Nothing is known but this workflow, and it takes the event whatever its triggers say.
fn facts(workflow: &Workflow, sha: crate::ids::CommitSha, trusted: bool) -> Facts {
    let id: WorkflowId = workflow.plan.workflow.clone();
    let no = Filter::None;
    let pull_request =
        PullRequest { types: vec!["opened"], branches: no.clone(), paths: no, labels: Labels::default() };
    let triggers = Triggers { pull_request: Some(pull_request), push: Some(Push::default()), ..Triggers::default() };
    let workflow = Workflow { triggers, drafts: true, ..workflow.clone() };
    let path = format!(".workflows/{id}.yml");
    let definition = Definition { path, blob: String::new(), workflow: Ok(workflow) };
    Facts {
        definitions: Definitions {
            sha,
            branch: "main".to_owned(),
            workflows: BTreeMap::from([(id, definition)]),
            policy: Policy::default(),
        },
        changed: None,
        trusted,
        paused: Vec::new(),
        speakers: BTreeMap::new(),
        operator: OperatorFacts::default(),
        touched: None,
        pulls: Vec::new(),
        message: None,
    }
}

//! Facts: what GitHub and the database say about a commit, loaded before anything is decided.
//!
//! *Invariant:* any doubt about a person is no trust, and any error of GitHub is an error here, never a fact.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::command::Permission;
use crate::engine::state::{HoldKind, RunPhase, RunState};
use crate::github::{Changed, Content, Files, Installation};
use crate::ids::{CommitSha, InstallationId, Login, RepoId, RepoName, WorkflowId};
use crate::inbound::event::{Account, PullRequestChanged};
use crate::report::{Annotation, FileProblems, Level};
use crate::route::{Class, Definition, Definitions, Paused, Speaks};
use crate::store::{HeadKey, PrHold, Speaker, SpeakerRow, Store};
use crate::workflow::defaults::Operator;
use crate::workflow::parse::{FileKind, kind_of};
use crate::workflow::policy::{self, DefinitionRef, Policy};
use crate::workflow::problem::{Problem, Severity};
use crate::workflow::trigger::Filter;
use crate::workflow::uses::is_library;
use crate::workflow::{Library, parse_with};

use super::runs::{Broken, Runs};

/// The definitions that count, and the head's workflow files beside them.
pub(super) struct Sources {
    pub(super) definitions: Definitions,
    /// The directory that counts.
    pub(super) counts: Arc<Files>,
    /// The head's.
    pub(super) head: Arc<Files>,
}

/// Loads the definitions for a pull request, a comment or a button: those of the default branch, or of the base branch
/// where the policy says so; never the head's.
pub(super) async fn sources(
    github: &Installation,
    repo: &RepoName,
    base: &str,
    head: &CommitSha,
    operator: &Operator,
) -> anyhow::Result<Sources> {
    let default = github.repository(repo).await?.default_branch;
    let sources = on_branch(github, repo, &default, head, operator).await?;
    // A base branch that is gone, as that of a stack whose lower part was merged, counts no more.
    if sources.definitions.policy.definition_ref == DefinitionRef::Base
        && base != default
        && github.branch_head(repo, base).await?.is_some()
    {
        let policy = sources.definitions.policy;
        let mut on_base = on_branch(github, repo, base, head, operator).await?;
        on_base.definitions.policy = policy;
        return Ok(on_base);
    }
    Ok(sources)
}

/// The definitions of a branch, and the head's files beside them. A branch that is not there has no definitions.
async fn on_branch(
    github: &Installation,
    repo: &RepoName,
    branch: &str,
    head: &CommitSha,
    operator: &Operator,
) -> anyhow::Result<Sources> {
    let found = github.branch_head(repo, branch).await?;
    let commits: Vec<CommitSha> = found.iter().cloned().chain([head.clone()]).collect();
    let mut files = github.workflow_files_of(repo, &commits).await?;
    let head_files = files.pop().unwrap_or_default();
    let counts = files.pop().unwrap_or_default();
    let sha = found.unwrap_or_else(|| head.clone());
    Ok(Sources { definitions: definitions(&counts, sha, branch.to_owned(), operator), counts, head: head_files })
}

/// Loads the definitions of a commit itself: what counts for a push.
pub(super) async fn of_commit(
    github: &Installation,
    repo: &RepoName,
    sha: &CommitSha,
    branch: &str,
    operator: &Operator,
) -> anyhow::Result<Definitions> {
    let files = github.workflow_files(repo, sha).await?;
    Ok(definitions(&files, sha.clone(), branch.to_owned(), operator))
}

fn definitions(files: &Files, sha: CommitSha, branch: String, operator: &Operator) -> Definitions {
    let mut workflows = BTreeMap::new();
    let mut policy = Policy::default();
    let library = library(files);
    for file in &files.files {
        match kind_of(&file.path) {
            FileKind::Workflow(id) => {
                let parsed = text(&file.content).map_err(|why| vec![why.to_owned()]).and_then(|text| {
                    let lines = |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect();
                    parse_with(&id, text, operator, &library).map_err(lines)
                });
                workflows.insert(id, Definition { path: file.path.clone(), blob: file.oid.clone(), workflow: parsed });
            }
            // A policy that cannot be read is the strictest one, which the default is: nobody gets more than GitHub gives.
            FileKind::Policy => {
                policy = text(&file.content).ok().and_then(|t| policy::parse(t).ok()).unwrap_or_default()
            }
            FileKind::Other => {}
        }
    }
    Definitions { sha, branch, workflows, policy }
}

/// The texts that the steps of these workflows may use.
fn library(files: &Files) -> Library {
    let used = files.files.iter().filter(|file| is_library(&file.path));
    used.filter_map(|file| Some((file.path.clone(), text(&file.content).ok()?.to_owned()))).collect()
}

fn text(content: &Content) -> Result<&str, &'static str> {
    match content {
        Content::Text(text) => Ok(text),
        Content::TooBig => Err("the file is too large for a workflow"),
        Content::Binary => Err("the file is not text"),
        Content::NotAFile => Err("it is no file: a directory, a submodule or a symbolic link"),
    }
}

/// What is wrong with the workflow files of a head, for those of them that a pull request touches.
pub(super) fn problems(head: &Files, touched: &[String], operator: &Operator) -> Vec<FileProblems> {
    let mut all: Vec<FileProblems> = Vec::new();
    let library = library(head);
    for path in touched {
        let Some(file) = head.files.iter().find(|file| file.path == *path) else { continue };
        if is_library(path) {
            all.push(FileProblems { path: path.clone(), problems: problems_of_used(path, head, &library, operator) });
            continue;
        }
        let parsed = match (kind_of(path), text(&file.content)) {
            (FileKind::Other, _) => continue,
            (_, Err(why)) => Err(vec![note(path, 1, Level::Failure, why.to_owned())]),
            (FileKind::Workflow(id), Ok(text)) => match parse_with(&id, text, operator, &library) {
                Ok(workflow) => Ok(workflow.warnings),
                Err(problems) => Err(annotations(path, &problems)),
            },
            (FileKind::Policy, Ok(text)) => {
                policy::parse(text).map(|policy| policy.warnings).map_err(|p| annotations(path, &p))
            }
        };
        let problems = parsed.map_or_else(|notes| notes, |warnings| annotations(path, &warnings));
        all.push(FileProblems { path: path.clone(), problems });
    }
    all
}

/// What is wrong with a file that steps use, seen from the workflows that use it.
fn problems_of_used(path: &str, head: &Files, library: &Library, operator: &Operator) -> Vec<Annotation> {
    let mut found: Vec<Problem> = Vec::new();
    for file in &head.files {
        let (FileKind::Workflow(id), Ok(text)) = (kind_of(&file.path), text(&file.content)) else { continue };
        let problems = parse_with(&id, text, operator, library).map_or_else(|p| p, |workflow| workflow.warnings);
        let of_it = problems.into_iter().filter(|problem| problem.file.as_deref() == Some(path));
        found.extend(of_it.filter(|problem| !found.contains(problem)).collect::<Vec<_>>());
    }
    annotations(path, &found)
}

fn annotations(path: &str, problems: &[Problem]) -> Vec<Annotation> {
    let one = |problem: &Problem| {
        let level = if problem.severity == Severity::Error { Level::Failure } else { Level::Warning };
        let help = problem.help.as_ref().map(|help| format!("\n{help}")).unwrap_or_default();
        // One in a used file is shown there.
        note(problem.file.as_deref().unwrap_or(path), problem.line, level, format!("{}{help}", problem.message))
    };
    problems.iter().map(one).collect()
}

fn note(path: &str, line: u32, level: Level, message: String) -> Annotation {
    Annotation { path: path.to_owned(), start_line: line, end_line: line, level, title: None, message }
}

/// The paths of a change; nothing when there are too many to know.
pub(super) fn paths(changed: Changed) -> Option<Vec<String>> {
    match changed {
        Changed::Files(files) => {
            let both = files.into_iter().flat_map(|file| [Some(file.path), file.previous]);
            Some(both.flatten().collect())
        }
        Changed::Truncated => None,
    }
}

/// Whether any workflow asks which files changed.
pub(super) fn ask_for_paths(definitions: &Definitions) -> bool {
    let workflows = definitions.workflows.values().filter_map(|definition| definition.workflow.as_ref().ok());
    workflows.into_iter().any(|workflow| {
        let of_pulls = workflow.triggers.pull_request.as_ref().is_some_and(|on| on.paths != Filter::None);
        let of_pushes = workflow.triggers.push.as_ref().is_some_and(|on| on.paths != Filter::None);
        of_pulls || of_pushes
    })
}

/// What somebody may do, at this moment. Nothing is known of bots and of deleted accounts.
pub(super) async fn permission(
    github: &Installation,
    repo: &RepoName,
    account: Option<&Account>,
) -> anyhow::Result<Option<Permission>> {
    match account {
        Some(account) if !account.is_bot() => of_login(github, repo, &account.login).await,
        Some(_) | None => Ok(None),
    }
}

async fn of_login(github: &Installation, repo: &RepoName, login: &Login) -> anyhow::Result<Option<Permission>> {
    let found = github.permission(repo, login).await?;
    Ok(Permission::from_github(&found.permission, Some(&found.role_name)))
}

/// Whether everybody of these may push.
pub(super) async fn all_write(
    github: &Installation,
    repo: &RepoName,
    accounts: [Option<&Account>; 2],
) -> anyhow::Result<bool> {
    let [first, second] = accounts;
    let may = |permission: Option<Permission>| permission.is_some_and(|has| has >= Permission::Write);
    if !may(permission(github, repo, first).await?) {
        return Ok(false);
    }
    let same = first.map(|account| account.id) == second.map(|account| account.id);
    Ok(same || may(permission(github, repo, second).await?))
}

/// Whether the branch is in a fork of the author's own.
pub(super) fn is_own_fork(change: &PullRequestChanged) -> bool {
    let owner = change.head_repository.as_ref().map(|repository| repository.name.owner());
    let author = change.author.as_ref().map(|author| author.login.as_str());
    owner.zip(author).is_some_and(|(owner, author)| owner.eq_ignore_ascii_case(author))
}

/// Who speaks on a head, as the database knows it and as decisions look at it.
pub(super) struct Speakers {
    pub(super) rows: BTreeMap<WorkflowId, SpeakerRow>,
    pub(super) speaks: BTreeMap<WorkflowId, Speaks>,
    /// A run of this very commit was trusted before.
    pub(super) trusted: bool,
}

pub(super) async fn speakers(store: &Store, runs: &Runs, head: &HeadKey) -> anyhow::Result<Speakers> {
    let mut found = Speakers { rows: BTreeMap::new(), speaks: BTreeMap::new(), trusted: false };
    for row in store.speakers(head.clone()).await? {
        let run = match row.speaker {
            Speaker::Run(run) => {
                let seen = match runs.read_newest(run, |state| (state.phase, is_trusted(state))).await {
                    // Nobody can go on with it, so it stands in nobody's way.
                    Err(error) if error.is::<Broken>() => None,
                    seen => seen?,
                };
                found.trusted |= seen.is_some_and(|(_, trusted)| trusted);
                seen.map(|(phase, _)| (run, phase))
            }
            Speaker::Reason(_) => None,
        };
        let speaks = Speaks { run, class: class(row.class), source_time: row.source_at };
        found.speaks.insert(row.workflow.clone(), speaks);
        found.rows.insert(row.workflow.clone(), row);
    }
    Ok(found)
}

/// A run was trusted from its birth, or somebody lifted its hold.
pub(super) fn is_trusted(state: &RunState) -> bool {
    !state.holds.contains_key(&HoldKind::Trust)
}

fn class(stored: i64) -> Class {
    match stored {
        0 => Class::Passes,
        1 => Class::Holds,
        _ => Class::Run,
    }
}

/// The standing pauses among a pull request's holds.
pub(super) fn paused(holds: &[PrHold]) -> Vec<Paused> {
    let one = |hold: &PrHold| Paused {
        workflow: hold.workflow.clone(),
        by: hold.actor.parse().ok(),
        why: hold.why.clone(),
        since: hold.at,
    };
    holds.iter().filter(|hold| hold.held).map(one).collect()
}

/// The head of an event.
pub(super) fn head(installation: InstallationId, repo: RepoId, sha: &CommitSha) -> HeadKey {
    HeadKey { installation, repo, sha: sha.clone() }
}

/// Whether a run may still do something.
pub(super) fn is_live(phase: RunPhase) -> bool {
    matches!(phase, RunPhase::Asking | RunPhase::Running)
}

#[cfg(test)]
mod tests;

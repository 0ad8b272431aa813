//! Check runs and suites, with the rules that surprise people.
//!
//! *Invariant:* a completed run never goes back. *Invariant:* a suite belongs to one App and one commit.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::ids::RepoName;
use crate::time::Timestamp;

use super::check_rules::Wanted;
use super::reply::{Answer, Call, Reply};
use super::shapes::{self, extend, node_id};
use super::state::State;
use super::tokens::Caller;

/// How many runs of one name a suite keeps: the oldest goes.
const RUNS_PER_NAME_MAX: usize = 1_000;
/// How long a run may stay incomplete before GitHub marks it `stale`.
const STALE_AFTER: Duration = Duration::from_secs(14 * 86_400);

/// A check run.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) id: i64,
    pub(crate) suite: i64,
    pub(crate) app: i64,
    pub(crate) repo: RepoName,
    pub(crate) sha: String,
    pub(crate) name: String,
    pub(crate) status: String,
    pub(crate) conclusion: Option<String>,
    pub(crate) external_id: String,
    pub(crate) details_url: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) summary: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) annotations: Vec<Value>,
    pub(crate) actions: Vec<Value>,
    pub(crate) created_at: Timestamp,
    pub(crate) started_at: String,
    pub(crate) completed_at: Option<String>,
}

/// All runs of one App on one commit.
#[derive(Debug, Clone)]
pub(crate) struct Suite {
    pub(crate) id: i64,
    pub(crate) app: i64,
    pub(crate) repo: RepoName,
    pub(crate) sha: String,
    /// The branch of the push that made it; none for a fork's commit.
    pub(crate) branch: Option<String>,
    pub(crate) before: Option<String>,
    /// `head_commit`, read once.
    pub(crate) head: Value,
    /// Asked to run again and nothing has reported since.
    pub(crate) asked_again: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// All check runs and suites.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    pub(crate) runs: BTreeMap<i64, Run>,
    pub(crate) suites: BTreeMap<i64, Suite>,
}

impl Checks {
    /// The runs of a suite, newest first; with `latest` only the newest of each name.
    pub(crate) fn of_suite(&self, suite: i64, latest: bool) -> Vec<&Run> {
        let mut seen = Vec::new();
        let mut keep = |run: &&Run| {
            !latest
                || !seen.contains(&run.name) && {
                    seen.push(run.name.clone());
                    true
                }
        };
        self.runs.values().rev().filter(|run| run.suite == suite).filter(|run| keep(run)).collect()
    }

    /// A suite's status and conclusion follow from the newest run of each name.
    pub(crate) fn verdict(&self, suite: &Suite) -> (&'static str, Option<&'static str>) {
        let runs = self.of_suite(suite.id, true);
        if runs.is_empty() || suite.asked_again {
            return ("queued", None);
        }
        if runs.iter().any(|run| run.status != "completed") {
            let started = runs.iter().any(|run| run.status != "queued");
            return (if started { "in_progress" } else { "queued" }, None);
        }
        let worst = ["action_required", "timed_out", "cancelled", "failure", "stale", "neutral", "skipped", "success"];
        let has = |conclusion: &&str| runs.iter().any(|run| run.conclusion.as_deref() == Some(*conclusion));
        // A neutral or skipped run does not spoil a success.
        let ranked = worst.into_iter().find(has).unwrap_or("neutral");
        let soft = matches!(ranked, "neutral" | "skipped") && has(&"success");
        ("completed", Some(if soft { "success" } else { ranked }))
    }

    /// GitHub gives up on what has been incomplete for two weeks.
    pub(crate) fn grow_stale(&mut self, now: Timestamp) {
        for run in self.runs.values_mut().filter(|run| run.status != "completed") {
            if now.since(run.created_at) > STALE_AFTER {
                run.status = "completed".to_owned();
                run.conclusion = Some("stale".to_owned());
                run.completed_at = Some(now.rfc3339());
            }
        }
    }
}

impl State {
    /// The suite of an App on a commit, made if there is none.
    pub(crate) fn suite_of(&mut self, app: i64, repo: &RepoName, sha: &str, branch: Option<(&str, &str)>) -> i64 {
        let same = |suite: &&Suite| suite.app == app && suite.repo == *repo && suite.sha == sha;
        if let Some(found) = self.checks.suites.values().find(same) {
            return found.id;
        }
        let (id, now, head) = (self.id(), self.now(), self.head_commit(repo, sha));
        let (branch, before) = (branch.map(|(name, _)| name.to_owned()), branch.map(|(_, before)| before.to_owned()));
        let (repo, sha) = (repo.clone(), sha.to_owned());
        let suite =
            Suite { id, app, repo, sha, branch, before, head, asked_again: false, created_at: now, updated_at: now };
        self.checks.suites.insert(id, suite);
        id
    }

    fn head_commit(&self, repo: &RepoName, sha: &str) -> Value {
        let found = self.repos.get(repo).and_then(|repo| repo.git.log(sha, 1).ok()?.pop());
        let person = |one: &super::git::Signature| json!({ "name": one.name, "email": one.email });
        found.map_or(Value::Null, |commit| {
            json!({
                "id": commit.sha, "tree_id": commit.tree, "message": commit.message, "timestamp": commit.committer.at,
                "author": person(&commit.author), "committer": person(&commit.committer),
            })
        })
    }

    /// `pull_requests` of a run or suite: open ones of this repository's own branches; none for forks.
    pub(crate) fn check_pulls(&self, repo: &RepoName, sha: &str) -> Value {
        let own = self.pulls.values().filter(|pull| {
            pull.open() && pull.repo == *repo && pull.head_sha == sha && pull.head_repo.as_ref() == Some(repo)
        });
        own.map(|pull| self.pull_brief(pull)).collect()
    }

    /// As webhooks about one of its runs name it.
    fn suite_brief(&self, suite: &Suite) -> Value {
        let url = format!("{}/repos/{}/check-suites/{}", self.api(), suite.repo, suite.id);
        let (status, conclusion) = self.checks.verdict(suite);
        json!({
            "id": suite.id, "node_id": node_id("CheckSuite", suite.id), "head_branch": suite.branch,
            "head_sha": suite.sha, "status": status, "conclusion": conclusion, "url": url,
            "before": suite.before, "after": suite.sha, "pull_requests": self.check_pulls(&suite.repo, &suite.sha),
            "app": shapes::app(self, self.app(suite.app)),
            "created_at": suite.created_at.rfc3339(), "updated_at": suite.updated_at.rfc3339(),
        })
    }

    pub(crate) fn suite_json(&self, suite: &Suite) -> Value {
        let mut shape = self.suite_brief(suite);
        let runs_url = format!("{}/repos/{}/check-suites/{}/check-runs", self.api(), suite.repo, suite.id);
        extend(
            &mut shape,
            json!({
                "rerequestable": true, "runs_rerequestable": true,
                "latest_check_runs_count": self.checks.of_suite(suite.id, true).len(),
                "check_runs_url": runs_url, "head_commit": suite.head,
            }),
        );
        shape
    }

    /// A run; inside a webhook its suite says something of itself, in an answer it is only an id.
    pub(crate) fn run_json(&self, run: &Run, in_webhook: bool) -> Value {
        let url = format!("{}/repos/{}/check-runs/{}", self.api(), run.repo, run.id);
        let suite = match self.checks.suites.get(&run.suite).filter(|_| in_webhook) {
            Some(suite) => self.suite_brief(suite),
            None => json!({ "id": run.suite }),
        };
        let app = self.app(run.app);
        let homepage = format!("{}/apps/{}", self.base, app.slug);
        let web = format!("{}/{}/runs/{}", self.base, run.repo, run.id);
        json!({
            "id": run.id, "node_id": node_id("CheckRun", run.id), "name": run.name, "head_sha": run.sha,
            "external_id": run.external_id, "url": url, "html_url": web,
            "details_url": run.details_url.as_ref().unwrap_or(&homepage), "status": run.status,
            "conclusion": run.conclusion, "started_at": run.started_at, "completed_at": run.completed_at,
            "output": {
                "title": run.title, "summary": run.summary, "text": run.text,
                "annotations_count": run.annotations.len(), "annotations_url": format!("{url}/annotations"),
            },
            "check_suite": suite, "app": shapes::app(self, app),
            "pull_requests": self.check_pulls(&run.repo, &run.sha),
        })
    }

    /// Tells the Apps that a run appeared or ended, and that a suite ended with it.
    fn announce_run(&mut self, id: i64, action: &str) {
        let Some(run) = self.checks.runs.get(&id) else { return };
        let (repo, bot, suite) = (run.repo.clone(), self.app(run.app).bot(), run.suite);
        let payload = json!({ "action": action, "check_run": self.run_json(run, true) });
        self.emit("check_run", Some(&repo), &bot, payload);
        let Some(suite) = self.checks.suites.get(&suite) else { return };
        if action == "completed" && suite.app == self.ours.id && self.checks.verdict(suite).0 == "completed" {
            let payload = json!({ "action": "completed", "check_suite": self.suite_json(suite) });
            self.emit("check_suite", Some(&repo), &bot, payload);
        }
    }
}

/// Only an App may write checks; everyone else is told so.
fn writer(call: &Call) -> Result<i64, Reply> {
    match &call.caller {
        Caller::Installation(grant) => Ok(grant.app),
        Caller::App(_) | Caller::Person(_) | Caller::Nobody => {
            Err(Reply::error(403, "You must authenticate via a GitHub App."))
        }
    }
}

/// `POST /repos/{o}/{r}/check-runs`
pub(crate) fn create(state: &mut State, call: &Call, owner: &str, name: &str) -> Answer {
    let app = writer(call)?;
    let repo = call.repo(state, owner, name, ("checks", "write"))?;
    let wanted = Wanted::parse(call, true)?;
    let (title, sha) = (call.required("name")?, call.required("head_sha")?);
    let reported = state.checks.suites.values().any(|suite| suite.repo == repo && suite.sha == sha);
    let whole = matches!(sha.len(), 40 | 64);
    let known = reported || whole && state.repo(repo.as_str())?.git.kind(sha).as_deref() == Some("commit");
    if !known {
        return Err(Reply::error(422, &format!("No commit found for SHA: {sha}")));
    }
    let suite = state.suite_of(app, &repo, sha, None);
    let (id, now) = (state.id(), state.now());
    let mut run = Run {
        id,
        suite,
        app,
        repo,
        sha: sha.to_owned(),
        name: title.to_owned(),
        status: "queued".to_owned(),
        conclusion: None,
        external_id: String::new(),
        details_url: None,
        title: None,
        summary: None,
        text: None,
        annotations: Vec::new(),
        actions: Vec::new(),
        created_at: now,
        started_at: now.rfc3339(),
        completed_at: None,
    };
    wanted.write(&mut run, now);
    let completed = run.status == "completed";
    state.checks.runs.insert(id, run);
    forget_oldest(state, suite, title);
    touch(state, suite, now);
    state.announce_run(id, "created");
    if completed {
        state.announce_run(id, "completed");
    }
    let run = state.checks.runs.get(&id).ok_or_else(Reply::not_found)?;
    Ok(Reply::created(state.run_json(run, false)))
}

fn forget_oldest(state: &mut State, suite: i64, name: &str) {
    let same = state.checks.runs.values().filter(|run| run.suite == suite && run.name == name);
    let ids: Vec<i64> = same.map(|run| run.id).collect();
    for id in ids.iter().take(ids.len().saturating_sub(RUNS_PER_NAME_MAX)) {
        state.checks.runs.remove(id);
    }
}

fn touch(state: &mut State, suite: i64, now: Timestamp) {
    if let Some(suite) = state.checks.suites.get_mut(&suite) {
        suite.asked_again = false;
        suite.updated_at = now;
    }
}

fn find(state: &State, call: &Call, path: (&str, &str, &str), level: &str) -> Result<Run, Reply> {
    let repo = call.repo(state, path.0, path.1, ("checks", level))?;
    let run = path.2.parse().ok().and_then(|id| state.checks.runs.get(&id));
    run.filter(|run| run.repo == repo).cloned().ok_or_else(Reply::not_found)
}

/// `PATCH /repos/{o}/{r}/check-runs/{id}`
pub(crate) fn update(state: &mut State, call: &Call, path: (&str, &str, &str)) -> Answer {
    let app = writer(call)?;
    let mut run = find(state, call, path, "write")?;
    if run.app != app {
        let said =
            format!("Invalid app_id `{app}` - check run can only be modified by the GitHub App that created it.");
        return Err(Reply::error(403, &said));
    }
    let wanted = Wanted::parse(call, false)?;
    let was_completed = run.status == "completed";
    if was_completed && wanted.reopens() {
        let said =
            format!("The check run is completed and cannot be set back to {}.", wanted.status.unwrap_or_default());
        return Err(Reply::unprocessable("CheckRun", "status", &said));
    }
    let now = state.now();
    wanted.write(&mut run, now);
    let (id, suite, completed) = (run.id, run.suite, run.status == "completed");
    let shown = state.run_json(&run, false);
    state.checks.runs.insert(id, run);
    touch(state, suite, now);
    if completed && !was_completed {
        state.announce_run(id, "completed");
    }
    Ok(Reply::ok(shown))
}

/// `GET /repos/{o}/{r}/check-runs/{id}`
pub(crate) fn show(state: &mut State, call: &Call, path: (&str, &str, &str)) -> Answer {
    let run = find(state, call, path, "read")?;
    Ok(Reply::ok(state.run_json(&run, false)))
}

/// `GET /repos/{o}/{r}/check-runs/{id}/annotations`
pub(crate) fn annotations(state: &mut State, call: &Call, path: (&str, &str, &str)) -> Answer {
    let run = find(state, call, path, "read")?;
    Ok(call.page(&run.annotations, |items| json!(items)))
}

/// `POST /repos/{o}/{r}/check-runs/{id}/rerequest`: GitHub changes nothing but tells the App, even when the App asked.
pub(crate) fn rerequest(state: &mut State, call: &Call, path: (&str, &str, &str)) -> Answer {
    let run = find(state, call, path, "write")?;
    let (_, login) = call.actor(state);
    state.rerequest_run(run.id, &login)?;
    Ok(Reply::created(json!({})))
}

//! Pull requests: from branches of the repository itself and from forks.

use serde_json::{Value, json};

use crate::ids::RepoName;
use crate::time::Timestamp;

use super::error::Error;
use super::reply::{Answer, Call, Reply};
use super::shapes::{self, extend, node_id, time};
use super::state::{Permission, State};

/// How many files `GET /pulls/{n}/files` lists at most.
const FILES_MAX: usize = 3_000;
/// How many commits are listed at most.
const COMMITS_MAX: usize = 250;

/// A pull request.
#[derive(Debug, Clone)]
pub(crate) struct Pull {
    pub(crate) number: u64,
    pub(crate) id: i64,
    pub(crate) repo: RepoName,
    /// Where the branch lives; none once the fork is deleted.
    pub(crate) head_repo: Option<RepoName>,
    pub(crate) head_owner: String,
    pub(crate) head_ref: String,
    pub(crate) head_sha: String,
    pub(crate) base_ref: String,
    pub(crate) base_sha: String,
    pub(crate) title: String,
    pub(crate) body: Option<String>,
    pub(crate) author: String,
    pub(crate) draft: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) closed_at: Option<Timestamp>,
    pub(crate) merged: Option<Merged>,
    pub(crate) size: Size,
}

/// How a pull request was merged.
#[derive(Debug, Clone)]
pub(crate) struct Merged {
    pub(crate) by: String,
    pub(crate) sha: String,
}

/// How much a pull request changes; counted when its head moves.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size {
    commits: u64,
    additions: u64,
    deletions: u64,
    files: usize,
}

impl Pull {
    pub(crate) fn open(&self) -> bool {
        self.closed_at.is_none()
    }

    pub(crate) fn state(&self) -> &'static str {
        if self.open() { "open" } else { "closed" }
    }

    /// From a fork, or from a fork that is gone.
    pub(crate) fn fork(&self) -> bool {
        self.head_repo.as_ref() != Some(&self.repo)
    }
}

impl State {
    /// Counts what lies between base and head.
    pub(crate) fn size_of(&self, repo: &RepoName, base: &str, head: &str) -> Result<Size, Error> {
        let git = &self.repo(repo.as_str())?.git;
        let start = git.merge_base(base, head);
        let changes = git.diff(start.as_deref(), head)?;
        Ok(Size {
            commits: git.count(&format!("{base}..{head}")),
            additions: changes.iter().map(|change| change.additions).sum(),
            deletions: changes.iter().map(|change| change.deletions).sum(),
            files: changes.len(),
        })
    }

    /// As `pull_requests[]` of checks name one.
    pub(crate) fn pull_brief(&self, pull: &Pull) -> Value {
        let side = |reference: &str, sha: &str| {
            let repo = self.repos.get(&pull.repo).map(|repo| {
                json!({ "id": repo.id.0, "url": format!("{}/repos/{}", self.api(), repo.name), "name": repo.name.name() })
            });
            json!({ "ref": reference, "sha": sha, "repo": repo })
        };
        json!({
            "url": format!("{}/repos/{}/pulls/{}", self.api(), pull.repo, pull.number), "id": pull.id,
            "number": pull.number, "head": side(&pull.head_ref, &pull.head_sha), "base": side(&pull.base_ref, &pull.base_sha),
        })
    }

    fn pull_links(&self, pull: &Pull) -> Value {
        let (number, api) = (pull.number, format!("{}/repos/{}", self.api(), pull.repo));
        let web = format!("{}/{}/pull/{number}", self.base, pull.repo);
        let url = format!("{api}/pulls/{number}");
        json!({
            "url": url, "html_url": web, "diff_url": format!("{web}.diff"), "patch_url": format!("{web}.patch"),
            "issue_url": format!("{api}/issues/{number}"), "commits_url": format!("{url}/commits"),
            "review_comments_url": format!("{url}/comments"),
            "review_comment_url": format!("{api}/pulls/comments{{/number}}"),
            "comments_url": format!("{api}/issues/{number}/comments"),
            "statuses_url": format!("{api}/statuses/{}", pull.head_sha),
            "_links": {
                "self": { "href": url }, "html": { "href": web }, "issue": { "href": format!("{api}/issues/{number}") },
                "comments": { "href": format!("{api}/issues/{number}/comments") },
                "review_comments": { "href": format!("{url}/comments") },
                "review_comment": { "href": format!("{api}/pulls/comments{{/number}}") },
                "commits": { "href": format!("{url}/commits") },
                "statuses": { "href": format!("{api}/statuses/{}", pull.head_sha) },
            },
        })
    }

    /// As lists show one.
    fn pull_listed(&self, pull: &Pull) -> Value {
        let side = |owner: &str, reference: &str, sha: &str, repo: Option<&RepoName>| {
            let repo = repo.and_then(|name| self.repos.get(name));
            json!({
                "label": format!("{owner}:{reference}"), "ref": reference, "sha": sha, "user": shapes::user(self, owner),
                "repo": repo.map(|repo| shapes::repo(self, repo)),
            })
        };
        let merge_sha = pull.merged.as_ref().map(|merged| merged.sha.as_str());
        let mut shape = self.pull_links(pull);
        extend(
            &mut shape,
            json!({
                "id": pull.id, "node_id": node_id("PullRequest", pull.id), "number": pull.number, "state": pull.state(),
                "locked": false, "title": pull.title, "user": shapes::user(self, &pull.author), "body": pull.body,
                "created_at": pull.created_at.rfc3339(), "updated_at": pull.updated_at.rfc3339(),
                "closed_at": time(pull.closed_at), "merged_at": time(pull.closed_at.filter(|_| pull.merged.is_some())),
                "merge_commit_sha": merge_sha, "assignee": null, "assignees": [], "requested_reviewers": [],
                "requested_teams": [], "labels": [], "milestone": null, "draft": pull.draft,
                "head": side(&pull.head_owner, &pull.head_ref, &pull.head_sha, pull.head_repo.as_ref()),
                "base": side(pull.repo.owner(), &pull.base_ref, &pull.base_sha, Some(&pull.repo)),
                "author_association": self.association(pull), "auto_merge": null, "active_lock_reason": null,
            }),
        );
        shape
    }

    pub(crate) fn pull_json(&self, pull: &Pull) -> Value {
        let comments = self.comments.values().filter(|comment| comment.number == pull.number).count();
        let mut shape = self.pull_listed(pull);
        extend(
            &mut shape,
            json!({
                "merged": pull.merged.is_some(), "mergeable": null, "rebaseable": null, "mergeable_state": "unknown",
                "merged_by": pull.merged.as_ref().map(|merged| shapes::user(self, &merged.by)), "comments": comments,
                "review_comments": 0, "maintainer_can_modify": false, "commits": pull.size.commits,
                "additions": pull.size.additions, "deletions": pull.size.deletions, "changed_files": pull.size.files,
            }),
        );
        shape
    }

    /// `author_association`. As on GitHub it is no proof of anything: members look like contributors in webhooks.
    fn association(&self, pull: &Pull) -> &'static str {
        self.association_of(&pull.repo, &pull.author)
    }

    pub(crate) fn association_of(&self, repo: &RepoName, login: &str) -> &'static str {
        let level = self.repos.get(repo).and_then(|repo| repo.permissions.get(login).copied());
        match level.unwrap_or(Permission::None) {
            Permission::None => "NONE",
            Permission::Read | Permission::Triage => "CONTRIBUTOR",
            Permission::Write | Permission::Maintain | Permission::Admin => "COLLABORATOR",
        }
    }

    /// Sends a `pull_request` event.
    pub(crate) fn announce_pull(&mut self, number: u64, action: &str, by: &str, more: Value) -> Result<(), Error> {
        let pull = self.pull(number)?;
        let repo = pull.repo.clone();
        let mut payload = json!({ "action": action, "number": number, "pull_request": self.pull_json(pull) });
        extend(&mut payload, more);
        self.emit("pull_request", Some(&repo), by, payload);
        Ok(())
    }
}

fn find<'a>(state: &'a State, call: &Call, path: (&str, &str, &str)) -> Result<&'a Pull, Reply> {
    let repo = call.repo(state, path.0, path.1, ("pull_requests", "read"))?;
    let pull = path.2.parse().ok().and_then(|number: u64| state.pulls.get(&number));
    pull.filter(|pull| pull.repo == repo).ok_or_else(Reply::not_found)
}

/// `GET /repos/{o}/{r}/pulls/{n}`
pub(crate) fn show(state: &mut State, call: &Call, path: (&str, &str, &str)) -> Answer {
    let pull = find(state, call, path)?;
    Ok(Reply::ok(state.pull_json(pull)))
}

/// `GET /repos/{o}/{r}/pulls?head=owner:branch&state=&base=`
pub(crate) fn list(state: &mut State, call: &Call, owner: &str, name: &str) -> Answer {
    let repo = call.repo(state, owner, name, ("pull_requests", "read"))?;
    let wanted = call.query("state").unwrap_or("open");
    let keep = |pull: &&Pull| {
        pull.repo == repo
            && (wanted == "all" || wanted == pull.state())
            && call.query("base").is_none_or(|base| base == pull.base_ref)
            && call.query("head").is_none_or(|head| head == format!("{}:{}", pull.head_owner, pull.head_ref))
    };
    let mut pulls: Vec<&Pull> = state.pulls.values().filter(keep).collect();
    if call.query("direction") != Some("asc") {
        pulls.reverse();
    }
    Ok(call.page(&pulls, |page| page.into_iter().map(|pull| state.pull_listed(pull)).collect()))
}

/// `GET /repos/{o}/{r}/pulls/{n}/files`
pub(crate) fn files(state: &mut State, call: &Call, path: (&str, &str, &str)) -> Answer {
    let pull = find(state, call, path)?;
    let repo = state.repo(pull.repo.as_str())?;
    let start = repo.git.merge_base(&pull.base_sha, &pull.head_sha);
    let mut changes = repo.git.diff(start.as_deref(), &pull.head_sha)?;
    changes.truncate(FILES_MAX);
    let (head, api, web) =
        (&pull.head_sha, format!("{}/repos/{}", state.api(), repo.name), format!("{}/{}", state.base, repo.name));
    Ok(call.page(&changes, |page| page.into_iter().map(|change| change_json(change, (&api, &web), head)).collect()))
}

/// One entry of a list of changed files. Without `patch`, as GitHub leaves it out for large and binary files.
pub(crate) fn change_json(change: &super::git::Change, (api, web): (&str, &str), head: &str) -> Value {
    let path = &change.path;
    let mut shape = json!({
        "sha": change.sha, "filename": path, "status": change.status, "additions": change.additions,
        "deletions": change.deletions, "changes": change.additions + change.deletions,
        "blob_url": format!("{web}/blob/{head}/{path}"), "raw_url": format!("{web}/raw/{head}/{path}"),
        "contents_url": format!("{api}/contents/{path}?ref={head}"),
    });
    if let Some(previous) = &change.previous {
        shape["previous_filename"] = previous.as_str().into();
    }
    shape
}

/// `GET /repos/{o}/{r}/pulls/{n}/commits`
pub(crate) fn commits(state: &mut State, call: &Call, path: (&str, &str, &str)) -> Answer {
    let pull = find(state, call, path)?;
    let repo = state.repo(pull.repo.as_str())?;
    let mut commits = repo.git.log(&format!("{}..{}", pull.base_sha, pull.head_sha), COMMITS_MAX)?;
    commits.reverse();
    Ok(call.page(&commits, |page| page.into_iter().map(|commit| shapes::commit(state, repo, commit)).collect()))
}

/// `GET /repos/{o}/{r}/commits/{sha}/pulls`: pull requests that hold the commit. A fork's commit is not found from the
/// base repository, as on GitHub.
pub(crate) fn of_commit(state: &mut State, call: &Call, path: (&str, &str, &str)) -> Answer {
    let repo = call.repo(state, path.0, path.1, ("pull_requests", "read"))?;
    let git = &state.repo(repo.as_str())?.git;
    let sha =
        git.commit_of(path.2).ok_or_else(|| Reply::error(422, &format!("No commit found for SHA: {}", path.2)))?;
    let holds = |pull: &&Pull| {
        let of_fork = |fork: &RepoName| *fork == repo && pull.repo != repo;
        let here = pull.repo == repo && !pull.fork() || pull.head_repo.as_ref().is_some_and(of_fork);
        let inside = || git.log(&format!("{}..{}", pull.base_sha, pull.head_sha), COMMITS_MAX);
        here && (pull.head_sha == sha || inside().is_ok_and(|commits| commits.iter().any(|commit| commit.sha == sha)))
    };
    let pulls: Vec<&Pull> = state.pulls.values().filter(holds).collect();
    Ok(call.page(&pulls, |page| page.into_iter().map(|pull| state.pull_listed(pull)).collect()))
}

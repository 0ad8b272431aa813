//! What people do, as changes of the state with the events that GitHub sends for them.

use serde_json::json;

use crate::ids::RepoName;

use super::error::Error;
use super::pulls::{Merged, Pull};
use super::shapes;
use super::state::{Permission, Repo, State, Work};

/// The `before` or `after` of a branch that did not exist.
const NOTHING: &str = "0000000000000000000000000000000000000000";
/// How many commits a push event lists.
const PUSHED_COMMITS_MAX: usize = 2_048;

impl State {
    fn demand(&self, repo: &str, by: &str, level: Permission, to: &str) -> Result<(), Error> {
        let repo = self.repo(repo)?;
        if self.reach(repo, by)? >= level {
            return Ok(());
        }
        Err(Error::Refused(format!("@{by} may not {to} in {}: that needs {}", repo.name, level.role())))
    }

    /// What somebody can do in practice: an App's bot pushes by its installation, though it is no collaborator.
    pub(crate) fn reach(&self, repo: &Repo, by: &str) -> Result<Permission, Error> {
        let account = self.account(by)?;
        let level = repo.permission(&account.login);
        Ok(if account.kind == "Bot" { level.max(Permission::Write) } else { level })
    }

    /// A commit on a branch, which is made from the default branch if it is new, and the events of its push.
    pub(crate) fn push(&mut self, repo: &str, by: &str, work: &Work) -> Result<String, Error> {
        self.demand(repo, by, Permission::Write, "push")?;
        let found = self.repo(repo)?;
        let (name, default) = (found.name.clone(), format!("refs/heads/{}", found.default_branch));
        let before = found.git.commit_of(&format!("refs/heads/{}", work.branch));
        let parent = before.clone().or_else(|| found.git.commit_of(&default));
        let sha = self.commit(repo, by, work, parent.as_deref())?;
        self.after_push(&name, &work.branch, (before.as_deref(), &sha), by)?;
        Ok(sha)
    }

    /// What GitHub does once a branch has moved: `push`, suites and `synchronize`.
    fn after_push(
        &mut self,
        name: &RepoName,
        branch: &str,
        moved: (Option<&str>, &str),
        by: &str,
    ) -> Result<(), Error> {
        let (now, (before, sha)) = (self.now(), moved);
        self.repo_mut(name.as_str())?.pushed_at = now;
        let pulls: Vec<u64> = self
            .pulls
            .values()
            .filter(|pull| pull.open() && pull.head_repo.as_ref() == Some(name) && pull.head_ref == branch)
            .map(|pull| pull.number)
            .collect();
        for number in &pulls {
            self.move_head(*number, sha)?;
        }
        // What happens in a fork is told to nobody but through the pull request.
        if self.installed.contains(name) {
            self.announce_push(name, branch, moved, by)?;
            let suite = self.suite_of(self.ours.id, name, sha, Some((branch, before.unwrap_or(NOTHING))));
            if let Some(suite) = self.checks.suites.get(&suite) {
                let payload = json!({ "action": "requested", "check_suite": self.suite_json(suite) });
                self.emit("check_suite", Some(name), by, payload);
            }
        }
        for number in pulls {
            self.announce_pull(number, "synchronize", by, json!({ "before": before, "after": sha }))?;
        }
        Ok(())
    }

    fn move_head(&mut self, number: u64, sha: &str) -> Result<(), Error> {
        let pull = self.pull(number)?.clone();
        self.borrow_commit(&pull, sha)?;
        let size = self.size_of(&pull.repo, &pull.base_sha, sha)?;
        let now = self.now();
        let pull = self.pull_mut(number)?;
        (pull.head_sha, pull.size, pull.updated_at) = (sha.to_owned(), size, now);
        Ok(())
    }

    /// Makes a head known to the base repository: `refs/pull/<n>/head`.
    fn borrow_commit(&self, pull: &Pull, sha: &str) -> Result<(), Error> {
        let (base, reference) = (&self.repo(pull.repo.as_str())?.git, format!("refs/pull/{}/head", pull.number));
        match pull.head_repo.as_ref().filter(|_| pull.fork()) {
            Some(fork) => {
                base.fetch(&self.repo(fork.as_str())?.git, &format!("refs/heads/{}", pull.head_ref), &reference)
            }
            None => base.set_ref(&reference, sha),
        }
    }

    fn announce_push(
        &mut self,
        name: &RepoName,
        branch: &str,
        moved: (Option<&str>, &str),
        by: &str,
    ) -> Result<(), Error> {
        let (before, sha) = moved;
        let repo = self.repo(name.as_str())?;
        let range =
            before.map_or_else(|| format!("{}..{sha}", repo.default_branch), |before| format!("{before}..{sha}"));
        let mut commits = repo.git.log(&range, PUSHED_COMMITS_MAX)?;
        commits.reverse();
        let head = repo.git.log(sha, 1)?.pop();
        let email = self.account(by)?.email();
        let from = before.unwrap_or(NOTHING);
        let web = format!("{}/{}", self.base, repo.name);
        let payload = json!({
            "ref": format!("refs/heads/{branch}"), "before": from, "after": sha, "base_ref": null,
            "created": before.is_none(), "deleted": false, "forced": false,
            "compare": format!("{web}/compare/{from}...{sha}"),
            "commits": commits.iter().map(|commit| shapes::pushed_commit(self, repo, commit)).collect::<Vec<_>>(),
            "head_commit": head.map(|commit| shapes::pushed_commit(self, repo, &commit)),
            "pusher": { "name": by, "email": email },
        });
        self.emit("push", Some(name), by, payload);
        Ok(())
    }

    /// Opens a pull request against the default branch. `head` is `branch`, or `owner:branch` of a fork.
    pub(crate) fn open_pull(
        &mut self,
        repo: &str,
        by: &str,
        head: &str,
        (title, draft): (&str, bool),
    ) -> Result<u64, Error> {
        self.demand(repo, by, Permission::Read, "open a pull request")?;
        let base = self.repo(repo)?;
        let (name, base_ref) = (base.name.clone(), base.default_branch.clone());
        let (owner, branch) = head.split_once(':').unwrap_or((name.owner(), head));
        let of_fork = |one: &&Repo| one.fork_of.as_ref() == Some(&name) && one.name.owner() == owner;
        let source = match head.contains(':') {
            true => self.repos.values().find(of_fork).ok_or_else(|| Error::missing("fork of", head))?,
            false => base,
        };
        let missing = |what: &str| Error::missing("branch", what);
        let head_sha = source.git.commit_of(&format!("refs/heads/{branch}")).ok_or_else(|| missing(head))?;
        let base_sha = base.git.commit_of(&format!("refs/heads/{base_ref}")).ok_or_else(|| missing(&base_ref))?;
        let (head_repo, head_owner) = (Some(source.name.clone()), owner.to_owned());
        let (now, id) = (self.now(), self.id());
        self.last_number += 1;
        let number = self.last_number;
        let mut pull = Pull {
            number,
            id,
            repo: name,
            head_repo,
            head_owner,
            head_ref: branch.to_owned(),
            head_sha,
            base_ref,
            base_sha,
            title: title.to_owned(),
            body: None,
            author: self.account(by)?.login.clone(),
            draft,
            created_at: now,
            updated_at: now,
            closed_at: None,
            merged: None,
            size: super::pulls::Size::default(),
        };
        self.borrow_commit(&pull, &pull.head_sha)?;
        pull.size = self.size_of(&pull.repo, &pull.base_sha, &pull.head_sha)?;
        self.pulls.insert(number, pull);
        self.announce_pull(number, "opened", by, json!({}))?;
        Ok(number)
    }

    /// Opens, closes or turns a pull request, if that changes anything.
    pub(crate) fn turn(&mut self, number: u64, by: &str, action: &'static str) -> Result<(), Error> {
        let pull = self.pull(number)?;
        let (repo, own) = (pull.repo.clone(), pull.author == by);
        if !own {
            self.demand(repo.as_str(), by, Permission::Triage, "change a pull request")?;
        }
        let now = self.now();
        let pull = self.pull_mut(number)?;
        match action {
            "closed" if pull.open() => pull.closed_at = Some(now),
            "reopened" if !pull.open() && pull.merged.is_none() => pull.closed_at = None,
            "ready_for_review" if pull.draft => pull.draft = false,
            "converted_to_draft" if !pull.draft => pull.draft = true,
            _ => return Err(Error::Refused(format!("pull request {number} cannot be {action} now"))),
        }
        pull.updated_at = now;
        self.announce_pull(number, action, by, json!({}))
    }

    /// Changes the title, or the branch that a pull request goes into.
    pub(crate) fn edit_pull(&mut self, number: u64, by: &str, title: &str) -> Result<(), Error> {
        let now = self.now();
        let pull = self.pull_mut(number)?;
        let before = std::mem::replace(&mut pull.title, title.to_owned());
        pull.updated_at = now;
        self.announce_pull(number, "edited", by, json!({ "changes": { "title": { "from": before } } }))
    }

    /// Merges a pull request: a merge commit on the base branch, its push, and `closed`.
    pub(crate) fn merge(&mut self, number: u64, by: &str) -> Result<String, Error> {
        let pull = self.pull(number)?.clone();
        self.demand(pull.repo.as_str(), by, Permission::Write, "merge")?;
        if !pull.open() || pull.draft {
            return Err(Error::Refused(format!("pull request {number} is closed or a draft")));
        }
        let reference = format!("refs/heads/{}", pull.base_ref);
        let git = self.repo(pull.repo.as_str())?.git.clone();
        let base = git.commit_of(&reference).ok_or_else(|| Error::missing("branch", &pull.base_ref))?;
        let message = format!("Merge pull request #{number} from {}/{}", pull.head_owner, pull.head_ref);
        let sha = self.merge_commit(pull.repo.as_str(), by, (&base, &pull.head_sha), &message)?;
        git.set_ref(&reference, &sha)?;
        let now = self.now();
        let merged = self.pull_mut(number)?;
        (merged.closed_at, merged.updated_at) = (Some(now), now);
        merged.merged = Some(Merged { by: by.to_owned(), sha: sha.clone() });
        self.announce_pull(number, "closed", by, json!({}))?;
        self.after_push(&pull.repo, &pull.base_ref, (Some(&base), &sha), by)?;
        Ok(sha)
    }

    /// A copy of a repository under a person's name; the App is not installed on it.
    pub(crate) fn fork(&mut self, repo: &str, by: &str) -> Result<RepoName, Error> {
        let source = self.repo(repo)?.clone();
        let name = format!("{by}/{}", source.name.name());
        if let Ok(there) = self.repo(&name) {
            return Ok(there.name.clone());
        }
        let name: RepoName = name.parse().map_err(|bad| Error::Refused(format!("{bad}")))?;
        let git = super::git::Git::clone_of(source.git.dir(), self.place(&name))?;
        self.take_in(name.clone(), git, &source.default_branch);
        let fork = self.repo_mut(name.as_str())?;
        fork.fork_of = Some(source.name);
        fork.private = source.private;
        Ok(name)
    }

    /// The fork is gone: its pull requests stay, with `head.repo` null.
    pub(crate) fn delete_fork(&mut self, repo: &str) -> Result<(), Error> {
        let name = self.repo(repo)?.name.clone();
        self.repos.remove(&name);
        for pull in self.pulls.values_mut().filter(|pull| pull.head_repo.as_ref() == Some(&name)) {
            pull.head_repo = None;
        }
        Ok(())
    }

    /// Deletes a branch and sends the push that says so.
    pub(crate) fn delete_branch(&mut self, repo: &str, by: &str, branch: &str) -> Result<(), Error> {
        self.demand(repo, by, Permission::Write, "delete a branch")?;
        let (name, git) = (self.repo(repo)?.name.clone(), self.repo(repo)?.git.clone());
        let reference = format!("refs/heads/{branch}");
        let before = git.commit_of(&reference).ok_or_else(|| Error::missing("branch", branch))?;
        git.delete_ref(&reference)?;
        let email = self.account(by)?.email();
        let payload = json!({
            "ref": reference, "before": before, "after": NOTHING, "base_ref": null, "created": false, "deleted": true,
            "forced": false, "compare": "", "commits": [], "head_commit": null, "pusher": { "name": by, "email": email },
        });
        self.emit("push", Some(&name), by, payload);
        Ok(())
    }

    /// A click on *Re-run*. The run itself is not changed: its App decides.
    pub(crate) fn rerequest_run(&mut self, id: i64, by: &str) -> Result<(), Error> {
        let run = self.checks.runs.get(&id).ok_or_else(|| Error::missing("check run", id))?;
        self.demand(run.repo.as_str(), by, Permission::Write, "re-run a check")?;
        let (ours, repo) = (run.app == self.ours.id, run.repo.clone());
        let payload = json!({ "action": "rerequested", "check_run": self.run_json(run, true) });
        if ours {
            self.emit("check_run", Some(&repo), by, payload);
        }
        Ok(())
    }

    /// A click on *Re-run all checks*: the suite is queued again, its runs are not changed.
    pub(crate) fn rerequest_suite(&mut self, id: i64, by: &str) -> Result<(), Error> {
        let suite = self.checks.suites.get(&id).ok_or_else(|| Error::missing("check suite", id))?;
        let (ours, repo) = (suite.app == self.ours.id, suite.repo.clone());
        self.demand(repo.as_str(), by, Permission::Write, "re-run checks")?;
        if let Some(suite) = self.checks.suites.get_mut(&id) {
            suite.asked_again = true;
        }
        let Some(suite) = self.checks.suites.get(&id).filter(|_| ours) else { return Ok(()) };
        let payload = json!({ "action": "rerequested", "check_suite": self.suite_json(suite) });
        self.emit("check_suite", Some(&repo), by, payload);
        Ok(())
    }

    /// A click on one of a check's own buttons, which show once it is completed.
    pub(crate) fn click(&mut self, id: i64, by: &str, identifier: &str) -> Result<(), Error> {
        let run = self.checks.runs.get(&id).ok_or_else(|| Error::missing("check run", id))?;
        self.demand(run.repo.as_str(), by, Permission::Write, "press a check's button")?;
        if run.status != "completed" {
            return Err(Error::Refused(format!("the buttons of {:?} show only once it is completed", run.name)));
        }
        if !run.actions.iter().any(|action| action["identifier"] == identifier) {
            return Err(Error::Refused(format!("{:?} has no button {identifier:?}", run.name)));
        }
        let repo = run.repo.clone();
        let payload = json!({
            "action": "requested_action", "check_run": self.run_json(run, true),
            "requested_action": { "identifier": identifier },
        });
        self.emit("check_run", Some(&repo), by, payload);
        Ok(())
    }
}

//! Repositories and people: what is where, and who may do what.

use serde::Deserialize;

use super::error::Error;
use super::installation::Installation;
use crate::ids::{CommitSha, Login, RepoId, RepoName};

/// Whoever has a login: a person, an organization, an App.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Account {
    #[serde(default)]
    login: String,
}

impl Account {
    /// The login; none for what GitHub shows without one.
    pub(super) fn login(self) -> Option<Login> {
        self.login.parse().ok()
    }
}

/// What a person may do in a repository, in GitHub's words.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Permission {
    /// `admin`, `write`, `read` or `none`: maintain counts as write, triage as read.
    pub permission: String,
    /// The real role: `admin`, `maintain`, `write`, `triage`, `read`, `none`, or a custom one.
    #[serde(default)]
    pub role_name: String,
}

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Repository {
    /// Its number, which stays.
    pub id: RepoId,
    /// Its name today.
    #[serde(rename = "full_name")]
    pub name: RepoName,
    /// The branch that holds the definitions.
    pub default_branch: String,
    /// Where git gets it by https.
    pub clone_url: String,
    /// Whether strangers cannot see it.
    pub private: bool,
    /// Nobody can push to it.
    #[serde(default)]
    pub archived: bool,
}

/// A commit, as far as trust asks about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its id.
    pub sha: CommitSha,
    /// Who wrote it; none where the mail address belongs to nobody. The committer can forge it.
    pub author: Option<Login>,
    /// Who committed it; `web-flow` for GitHub's own pages.
    pub committer: Option<Login>,
    /// Its message.
    pub message: String,
    /// What it comes after.
    pub parents: Vec<CommitSha>,
}

/// A check that a branch wants before a merge.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequiredCheck {
    /// The check's name.
    pub name: String,
    /// The only App that may give it; none means any.
    pub app: Option<i64>,
}

impl Installation {
    /// What a person may do at this moment. Whoever is no collaborator has `none`; every error means: deny.
    ///
    /// # Errors
    /// As of every call.
    #[tracing::instrument(skip_all, fields(github.repo = %repo))]
    pub async fn permission(&self, repo: &RepoName, login: &Login) -> Result<Permission, Error> {
        // Asked each time; only unchanged ones come from memory, and GitHub says whether they are.
        match self.read_news(self.url(repo, &["collaborators", login.as_str(), "permission"])).await {
            Err(Error::NotFound(_)) => Ok(Permission { permission: "none".into(), role_name: "none".into() }),
            result => result,
        }
    }

    /// A repository by its name; it follows a rename.
    ///
    /// # Errors
    /// As of every call.
    #[tracing::instrument(skip_all, fields(github.repo = %repo))]
    pub async fn repository(&self, repo: &RepoName) -> Result<Repository, Error> {
        self.read_news(self.url(repo, &[])).await
    }

    /// A repository by its number: how it is called today.
    ///
    /// # Errors
    /// As of every call.
    pub async fn repository_by_id(&self, id: RepoId) -> Result<Repository, Error> {
        self.read_news(self.app().0.wire.url(&["repositories", &id.to_string()])).await
    }

    /// A commit.
    ///
    /// # Errors
    /// As of every call.
    #[tracing::instrument(skip_all, fields(github.repo = %repo))]
    pub async fn commit(&self, repo: &RepoName, sha: &CommitSha) -> Result<Commit, Error> {
        #[derive(Deserialize)]
        struct Read {
            sha: CommitSha,
            author: Option<Account>,
            committer: Option<Account>,
            commit: Message,
            #[serde(default)]
            parents: Vec<Parent>,
        }
        #[derive(Deserialize)]
        struct Message {
            message: String,
        }
        #[derive(Deserialize)]
        struct Parent {
            sha: CommitSha,
        }
        // One file of its list is enough: they are of no use here, and there can be three hundred.
        let read: Read = self.read(self.url_with(repo, &["commits", sha.as_str()], &[("per_page", "1")])).await?;
        Ok(Commit {
            sha: read.sha,
            author: read.author.and_then(Account::login),
            committer: read.committer.and_then(Account::login),
            message: read.commit.message,
            parents: read.parents.into_iter().map(|parent| parent.sha).collect(),
        })
    }

    /// The checks that a branch wants before a merge, by rulesets and by branch protection, in order of name.
    ///
    /// # Errors
    /// As of every call. A branch without rules has none; that is no error.
    #[tracing::instrument(skip_all, fields(github.repo = %repo))]
    pub async fn required_checks(&self, repo: &RepoName, branch: &str) -> Result<Vec<RequiredCheck>, Error> {
        let rules = self.read_news(self.url_with(repo, &["rules", "branches", branch], &[("per_page", "100")])).await;
        let rules: Vec<Rule> = none_if_absent(rules)?.unwrap_or_default();
        let protected = self.read_news(self.url(repo, &["branches", branch])).await;
        let protected: Option<Branch> = none_if_absent(protected)?;
        let by_rules = rules.into_iter().filter_map(|rule| rule.parameters).flat_map(|it| it.required_status_checks);
        let by_protection =
            protected.and_then(|branch| branch.protection?.required_status_checks).into_iter().flat_map(Protected::all);
        let mut checks: Vec<RequiredCheck> = by_rules.chain(by_protection).map(RequiredCheck::from).collect();
        checks.sort();
        checks.dedup();
        Ok(checks)
    }
}

fn none_if_absent<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Err(Error::NotFound(_)) => Ok(None),
        result => result.map(Some),
    }
}

#[derive(Deserialize)]
struct Rule {
    /// Each kind of rule has its own; only one kind names checks.
    parameters: Option<Parameters>,
}

#[derive(Deserialize)]
struct Parameters {
    #[serde(default)]
    required_status_checks: Vec<Required>,
}

#[derive(Deserialize)]
struct Branch {
    protection: Option<Protection>,
}

#[derive(Deserialize)]
struct Protection {
    required_status_checks: Option<Protected>,
}

#[derive(Deserialize)]
struct Protected {
    #[serde(default)]
    contexts: Vec<String>,
    #[serde(default)]
    checks: Vec<Required>,
}

impl Protected {
    /// `checks` says more than `contexts`; old servers have only the latter.
    fn all(self) -> Vec<Required> {
        if self.checks.is_empty() {
            return self.contexts.into_iter().map(|context| Required { context, app: None }).collect();
        }
        self.checks
    }
}

#[derive(Deserialize)]
struct Required {
    context: String,
    /// As rulesets call it, and as branch protection does.
    #[serde(rename = "integration_id", alias = "app_id")]
    app: Option<i64>,
}

impl From<Required> for RequiredCheck {
    fn from(required: Required) -> Self {
        // Branch protection writes "any App" as -1.
        Self { name: required.context, app: required.app.filter(|app| *app > 0) }
    }
}

#[cfg(test)]
mod tests;

//! Pull requests, and which files a change touches.

use serde::Deserialize;

use super::error::Error;
use super::installation::Installation;
use super::people::Account;
use crate::ids::{CommitSha, Login, RepoId, RepoName};
use crate::time::Timestamp;

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// Its number.
    pub number: i64,
    /// Whether it is open.
    pub open: bool,
    /// Whether its author calls it unfinished.
    pub draft: bool,
    /// Its title.
    pub title: String,
    /// Who opened it.
    pub author: Option<Login>,
    /// What it brings.
    pub head: Side,
    /// Where it is to go.
    pub base: Side,
    /// When anything about it last changed: its source time.
    pub updated_at: Option<Timestamp>,
}

/// One end of a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// The branch.
    pub branch: String,
    /// The commit.
    pub sha: CommitSha,
    /// The repository; none once a fork is deleted, which is to be treated as a fork.
    pub repo: Option<(RepoId, RepoName)>,
}

impl PullRequest {
    /// Whether it comes from elsewhere. In doubt it does.
    #[must_use]
    pub fn from_fork(&self) -> bool {
        match (&self.head.repo, &self.base.repo) {
            (Some((head, _)), Some((base, _))) => head != base,
            (None, _) | (_, None) => true,
        }
    }
}

/// The files that a change touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// All of them.
    Files(Vec<ChangedFile>),
    /// More than GitHub lists: a filter on paths must take it that its files are among them.
    Truncated,
}

/// A file that a change touches.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ChangedFile {
    /// Where it is now, or was when it was removed.
    #[serde(rename = "filename")]
    pub path: String,
    /// Where it was before a rename.
    #[serde(rename = "previous_filename")]
    pub previous: Option<String>,
    /// `added`, `removed`, `modified`, `renamed` …
    #[serde(default)]
    pub status: String,
}

/// GitHub lists so many files of a comparison.
const COMPARED_FILES_MAX: usize = 300;
/// GitHub lists so many files of a pull request.
const PULL_REQUEST_FILES_MAX: usize = 3_000;
/// Pages of a hundred.
const FILE_PAGES_MAX: usize = PULL_REQUEST_FILES_MAX / 100;
/// Pages of a hundred pull requests of one commit.
const PULL_REQUEST_PAGES_MAX: usize = 5;

impl Installation {
    /// A pull request as it is now: what a comment's payload does not tell.
    ///
    /// # Errors
    /// As of every call.
    #[tracing::instrument(skip_all, fields(github.repo = %repo))]
    pub async fn pull_request(&self, repo: &RepoName, number: i64) -> Result<PullRequest, Error> {
        let read: Read = self.read_news(self.url(repo, &["pulls", &number.to_string()])).await?;
        Ok(read.into())
    }

    /// The pull requests that a commit is part of, at most five hundred. Those of forks are not always among them.
    ///
    /// # Errors
    /// As of every call.
    #[tracing::instrument(skip_all, fields(github.repo = %repo))]
    pub async fn pull_requests_of(&self, repo: &RepoName, sha: &CommitSha) -> Result<Vec<PullRequest>, Error> {
        let url = self.url_with(repo, &["commits", sha.as_str(), "pulls"], &[("per_page", "100")]);
        let (read, _) = self.list(url, PULL_REQUEST_PAGES_MAX, |page: Vec<Read>| page).await?;
        Ok(read.into_iter().map(PullRequest::from).collect())
    }

    /// The files that differ between where `head` left `base` and `head`.
    ///
    /// # Errors
    /// As of every call.
    #[tracing::instrument(skip_all, fields(github.repo = %repo))]
    pub async fn changed_files(&self, repo: &RepoName, base: &CommitSha, head: &CommitSha) -> Result<Changed, Error> {
        #[derive(Deserialize)]
        struct Comparison {
            files: Option<Vec<ChangedFile>>,
        }
        let range = format!("{base}...{head}");
        // Files come with the first page whole; of the commits one is enough.
        let read: Comparison = self.read(self.url_with(repo, &["compare", &range], &[("per_page", "1")])).await?;
        Ok(match read.files {
            Some(files) if files.len() < COMPARED_FILES_MAX => Changed::Files(files),
            _ => Changed::Truncated,
        })
    }

    /// The files that a pull request touches.
    ///
    /// # Errors
    /// As of every call.
    #[tracing::instrument(skip_all, fields(github.repo = %repo))]
    pub async fn pull_request_files(&self, repo: &RepoName, number: i64) -> Result<Changed, Error> {
        let url = self.url_with(repo, &["pulls", &number.to_string(), "files"], &[("per_page", "100")]);
        let (files, complete) = self.list(url, FILE_PAGES_MAX, |page: Vec<ChangedFile>| page).await?;
        let all = complete && files.len() < PULL_REQUEST_FILES_MAX;
        Ok(if all { Changed::Files(files) } else { Changed::Truncated })
    }
}

#[derive(Deserialize)]
struct Read {
    number: i64,
    state: String,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    title: String,
    user: Option<Account>,
    head: ReadSide,
    base: ReadSide,
    updated_at: Option<String>,
}

#[derive(Deserialize)]
struct ReadSide {
    #[serde(rename = "ref")]
    branch: String,
    sha: CommitSha,
    repo: Option<ReadRepo>,
}

#[derive(Deserialize)]
struct ReadRepo {
    id: RepoId,
    full_name: RepoName,
}

impl From<Read> for PullRequest {
    fn from(read: Read) -> Self {
        Self {
            number: read.number,
            open: read.state == "open",
            draft: read.draft,
            title: read.title,
            author: read.user.and_then(Account::login),
            head: read.head.into(),
            base: read.base.into(),
            updated_at: read.updated_at.and_then(|at| Timestamp::parse_rfc3339(&at).ok()),
        }
    }
}

impl From<ReadSide> for Side {
    fn from(read: ReadSide) -> Self {
        Self { branch: read.branch, sha: read.sha, repo: read.repo.map(|repo| (repo.id, repo.full_name)) }
    }
}

#[cfg(test)]
mod tests;

//! Everything that this GitHub knows, behind one lock.
//!
//! *Invariant:* all times come from the clock that was passed in, all ids from one counter: two playgrounds that are
//! told the same things show the same things.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::ids::{RepoId, RepoName};
use crate::time::{Clock, Timestamp};

use super::checks::Checks;
use super::comments::Comment;
use super::error::Error;
use super::git::{self, Git};
use super::hooks::Hooks;
use super::key::AppKey;
use super::ledger::Ledger;
use super::pulls::Pull;
use super::reply::Reply;
use super::server::Hour;
use super::tokens::Tokens;
use super::weather::Forecast;

/// When the first commit of a playground was made, in seconds since 1970; each further one is a minute younger.
const FIRST_COMMIT_AT: i64 = 1_767_225_600;

/// What someone may do in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Nothing; on a public repository GitHub still says `read`.
    None,
    /// Look.
    Read,
    /// Sort issues and pull requests.
    Triage,
    /// Push.
    Write,
    /// Push and run the repository.
    Maintain,
    /// Everything.
    Admin,
}

impl Permission {
    /// The role's name: `role_name`.
    pub(crate) fn role(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Triage => "triage",
            Self::Write => "write",
            Self::Maintain => "maintain",
            Self::Admin => "admin",
        }
    }

    /// The older, coarser word: `permission`.
    pub(crate) fn legacy(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read | Self::Triage => "read",
            Self::Write | Self::Maintain => "write",
            Self::Admin => "admin",
        }
    }
}

/// Somebody with a login.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) id: i64,
    pub(crate) login: String,
    /// `User`, `Bot` or `Organization`.
    pub(crate) kind: &'static str,
}

impl Account {
    pub(crate) fn email(&self) -> String {
        format!("{}+{}@users.noreply.github.com", self.id, self.login)
    }
}

/// A GitHub App: ours, or another one that works on the same repositories.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) id: i64,
    pub(crate) client_id: String,
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) installation: i64,
    pub(crate) permissions: BTreeMap<String, String>,
    pub(crate) events: Vec<String>,
}

impl App {
    pub(crate) fn bot(&self) -> String {
        format!("{}[bot]", self.slug)
    }
}

/// A check that must pass on a branch.
#[derive(Debug, Clone)]
pub(crate) struct Required {
    pub(crate) branch: String,
    pub(crate) name: String,
    pub(crate) app: Option<i64>,
}

/// A repository.
#[derive(Debug, Clone)]
pub(crate) struct Repo {
    pub(crate) id: RepoId,
    pub(crate) name: RepoName,
    pub(crate) git: Git,
    pub(crate) default_branch: String,
    pub(crate) private: bool,
    pub(crate) fork_of: Option<RepoName>,
    pub(crate) permissions: BTreeMap<String, Permission>,
    pub(crate) required: Vec<Required>,
    pub(crate) created_at: Timestamp,
    pub(crate) pushed_at: Timestamp,
}

impl Repo {
    /// What a person may do here, as GitHub answers it: everybody may read what is public.
    pub(crate) fn permission(&self, login: &str) -> Permission {
        let given = self.permissions.get(login).copied().unwrap_or(Permission::None);
        if self.private { given } else { given.max(Permission::Read) }
    }
}

/// All that this GitHub knows. Tests read it inside [`super::GitHub::wait_until`].
pub struct State {
    pub(crate) clock: Clock,
    pub(crate) base: String,
    pub(crate) enterprise: bool,
    pub(crate) folder: PathBuf,
    pub(crate) key: AppKey,
    pub(crate) rate_limit: u32,
    /// The hour's requests by resource.
    pub(crate) hours: BTreeMap<&'static str, Hour>,
    pub(crate) ours: App,
    pub(crate) other: App,
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) repos: BTreeMap<RepoName, Repo>,
    /// The repositories that the App is installed on.
    pub(crate) installed: BTreeSet<RepoName>,
    pub(crate) suspended: bool,
    pub(crate) pulls: BTreeMap<u64, Pull>,
    pub(crate) comments: BTreeMap<i64, Comment>,
    pub(crate) checks: Checks,
    pub(crate) tokens: Tokens,
    pub(crate) hooks: Hooks,
    pub(crate) ledger: Ledger,
    pub(crate) forecast: Forecast,
    pub(crate) last_id: i64,
    pub(crate) last_number: u64,
    pub(crate) commits: i64,
}

impl State {
    pub(crate) fn id(&mut self) -> i64 {
        self.last_id += 1;
        self.last_id
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn api(&self) -> String {
        if self.enterprise { format!("{}/api/v3", self.base) } else { self.base.clone() }
    }

    /// The account of a login; GitHub does not care about the case of letters.
    pub(crate) fn account(&self, login: &str) -> Result<&Account, Error> {
        let found = self.accounts.get(login);
        let found = found.or_else(|| self.accounts.values().find(|one| one.login.eq_ignore_ascii_case(login)));
        found.ok_or_else(|| Error::missing("person", login))
    }

    pub(crate) fn add_account(&mut self, login: &str, kind: &'static str) {
        let id = self.id();
        self.accounts.insert(login.to_owned(), Account { id, login: login.to_owned(), kind });
    }

    pub(crate) fn repo(&self, name: &str) -> Result<&Repo, Error> {
        let found = name.parse::<RepoName>().ok().and_then(|name| self.repos.get(&name));
        let found = found.or_else(|| self.repos.values().find(|one| one.name.as_str().eq_ignore_ascii_case(name)));
        found.ok_or_else(|| Error::missing("repository", name))
    }

    pub(crate) fn repo_mut(&mut self, name: &str) -> Result<&mut Repo, Error> {
        let name = self.repo(name)?.name.clone();
        self.repos.get_mut(&name).ok_or_else(|| Error::missing("repository", name))
    }

    pub(crate) fn pull(&self, number: u64) -> Result<&Pull, Error> {
        self.pulls.get(&number).ok_or_else(|| Error::missing("pull request", number))
    }

    pub(crate) fn pull_mut(&mut self, number: u64) -> Result<&mut Pull, Error> {
        self.pulls.get_mut(&number).ok_or_else(|| Error::missing("pull request", number))
    }

    pub(crate) fn app(&self, id: i64) -> &App {
        if id == self.other.id { &self.other } else { &self.ours }
    }

    /// The time of the next commit. Not the clock's: commit ids are the same in every run of a test.
    fn next_commit_at(&mut self) -> i64 {
        self.commits += 1;
        FIRST_COMMIT_AT + 60 * (self.commits - 1)
    }

    /// Makes a commit in a repository. `parent` is a commit.
    pub(crate) fn commit(&mut self, repo: &str, by: &str, work: &Work, parent: Option<&str>) -> Result<String, Error> {
        let at = self.next_commit_at();
        let author = self.account(by)?;
        let email = author.email();
        self.repo(repo)?.git.commit(&git::NewCommit {
            branch: &work.branch,
            parent,
            author: (&author.login, &email),
            at,
            message: &work.message,
            files: &work.files,
            deleted: &work.deleted,
        })
    }

    /// Merges two commits without moving a ref.
    pub(crate) fn merge_commit(
        &mut self,
        repo: &str,
        by: &str,
        pair: (&str, &str),
        message: &str,
    ) -> Result<String, Error> {
        let at = self.next_commit_at();
        let author = self.account(by)?;
        let email = author.email();
        let author = (author.login.as_str(), email.as_str());
        let new = git::NewCommit { branch: "", parent: None, author, at, message, files: &[], deleted: &[] };
        self.repo(repo)?.git.merge(pair.0, pair.1, &new)
    }
}

/// What goes into a commit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Work {
    pub(crate) branch: String,
    pub(crate) message: String,
    pub(crate) files: Vec<git::File>,
    pub(crate) deleted: Vec<String>,
}

impl From<Error> for Reply {
    /// What the API says when the state does not have a thing: 404, without saying more. A failed git is our own fault.
    fn from(error: Error) -> Self {
        match error {
            Error::Missing { .. } => Self::not_found(),
            Error::Refused(message) => Self::error(403, &message),
            Error::NoGit | Error::Git { .. } | Error::Io(_) | Error::Key | Error::NeverHappened { .. } => {
                Self::error(500, &format!("Server Error: {error}"))
            }
        }
    }
}

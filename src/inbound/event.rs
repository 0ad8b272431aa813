//! What happened on GitHub, in our words: one struct for each kind of event that a decision depends on.
//!
//! Everything that people write (titles, bodies, labels, refs, commit messages, names of checks) is untrusted text.
//! GitHub's own words (`action`, `association`) stay strings: it adds new ones without notice.
//!
//! *Invariant:* what may never be obeyed has no event. An edited or deleted comment, a comment on an issue and a check
//! that merely changed are [`Ignored`], so no later decision can forget to ask.

use std::collections::BTreeMap;

use crate::ids::{CommitSha, InstallationId, Login, RepoId, RepoName};
use crate::time::Timestamp;

/// What one delivery says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A pull request was opened, pushed to, edited, labelled, closed …
    PullRequestChanged(Box<PullRequestChanged>),
    /// A branch or tag moved, appeared or vanished.
    Pushed(Box<Pushed>),
    /// Somebody wrote a new comment on a pull request.
    Commented(Box<Commented>),
    /// Somebody asked to run one check again.
    CheckRerequested(CheckRerequested),
    /// Somebody pressed a button of a check.
    CheckActionRequested(CheckActionRequested),
    /// Somebody asked to run all checks of a commit again.
    SuiteRerequested(SuiteRerequested),
    /// The merge queue wants checks for a group.
    MergeGroupRequested(MergeGroupRequested),
    /// The merge queue dropped a group: merged, invalidated or dequeued.
    MergeGroupDestroyed(MergeGroupDestroyed),
    /// The App was installed, removed, suspended, or granted other permissions.
    InstallationChanged(InstallationChanged),
    /// Repositories were added to or removed from an installation.
    RepositoriesChanged(RepositoriesChanged),
    /// A repository has another name or owner.
    RepositoryRenamed(RepositoryRenamed),
    /// GitHub tried whether the webhook works.
    Ping(Ping),
    /// Nothing that any decision of ours depends on.
    Ignored(Ignored),
}

/// A repository as every payload describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Its number, which survives renames.
    pub id: RepoId,
    /// Its name at that time.
    pub name: RepoName,
    /// The branch whose workflow files count. Absent in lists of repositories.
    pub default_branch: Option<String>,
    /// Whether only members see it.
    pub private: bool,
}

/// A user, bot or organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its login at that time.
    pub login: Login,
    /// Its number, which survives renames.
    pub id: i64,
    /// What it is.
    pub kind: AccountKind,
}

/// What an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountKind {
    /// A person, or somebody's machine account.
    User,
    /// A GitHub App or another bot: never trusted by its name.
    Bot,
    /// An organization.
    Organization,
    /// Anything that GitHub adds later.
    Other,
}

/// A pull request changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequestChanged {
    /// What happened, in GitHub's word: `opened`, `synchronize`, `closed`, `labeled` …
    pub action: String,
    /// The repository that it wants to be merged into.
    pub repository: Repository,
    /// Its number.
    pub number: u64,
    /// The commit that it proposes.
    pub head_sha: CommitSha,
    /// The branch with that commit, without `refs/heads/`.
    pub head_ref: String,
    /// The repository of that branch. Absent when the fork is deleted.
    pub head_repository: Option<Repository>,
    /// Whether the branch is in another repository. True as well when that repository is deleted.
    pub fork: bool,
    /// The commit of the base branch.
    pub base_sha: CommitSha,
    /// The base branch, without `refs/heads/`.
    pub base_ref: String,
    /// The base branch before this event, where it was changed.
    pub base_ref_before: Option<String>,
    /// Who opened it. Absent when the account is deleted.
    pub author: Option<Account>,
    /// How GitHub relates the author to the repository. Never a permission: it is wrong for private members.
    pub association: String,
    /// Whether it is a draft.
    pub draft: bool,
    /// Whether it is open.
    pub open: bool,
    /// Whether it was merged.
    pub merged: bool,
    /// Its title.
    pub title: String,
    /// Its description.
    pub body: String,
    /// Its labels.
    pub labels: Vec<String>,
    /// The label that was just added or removed.
    pub label: Option<String>,
    /// The source time: which of two deliveries is the later one.
    pub updated_at: Timestamp,
    /// Who did it.
    pub sender: Option<Account>,
}

/// A ref moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The repository.
    pub repository: Repository,
    /// What moved.
    pub git_ref: GitRef,
    /// The commit before. Absent when the ref is new.
    pub before: Option<CommitSha>,
    /// The commit now. Absent when the ref is gone.
    pub after: Option<CommitSha>,
    /// Whether the ref is new.
    pub created: bool,
    /// Whether the ref is gone.
    pub deleted: bool,
    /// Whether commits were dropped.
    pub forced: bool,
    /// The message of the newest commit; may hold a skip marker.
    pub message: String,
    /// Who pushed, by name; for a deploy key it is no login.
    pub pusher: String,
    /// The source time.
    pub pushed_at: Timestamp,
    /// Who pushed.
    pub sender: Option<Account>,
}

/// A ref by kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GitRef {
    /// `refs/heads/…`
    Branch(String),
    /// `refs/tags/…`
    Tag(String),
    /// Anything else, in full.
    Other(String),
}

/// A new comment on a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commented {
    /// The repository.
    pub repository: Repository,
    /// The pull request. The payload does not say which commit its writer saw.
    pub number: u64,
    /// Whether the pull request is open.
    pub open: bool,
    /// Who opened the pull request.
    pub pull_request_author: Option<Account>,
    /// The comment's number.
    pub comment_id: i64,
    /// What was written.
    pub body: String,
    /// The source time.
    pub created_at: Timestamp,
    /// Who wrote it. Absent when the account is deleted.
    pub author: Option<Account>,
    /// How GitHub relates the writer to the repository. Never a permission.
    pub association: String,
    /// The App through which it was written, if any.
    pub app_id: Option<i64>,
    /// Who caused the delivery; for a new comment, its writer.
    pub sender: Option<Account>,
}

/// A check, as both of its events describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The repository.
    pub repository: Repository,
    /// GitHub's number of the check run.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// What its App wrote into it.
    pub external_id: Option<String>,
    /// Its commit.
    pub head_sha: CommitSha,
    /// The App that it belongs to.
    pub app_id: Option<i64>,
    /// When it completed.
    pub completed_at: Option<Timestamp>,
    /// When its suite changed last; asking again changes it.
    pub suite_updated_at: Option<Timestamp>,
}

/// Somebody asked to run one check again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRerequested {
    /// The check.
    pub check: Check,
    /// Who asked.
    pub sender: Option<Account>,
}

/// Somebody pressed a button of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckActionRequested {
    /// The check.
    pub check: Check,
    /// Which button: at most 20 characters of ours.
    pub identifier: String,
    /// Who pressed it.
    pub sender: Option<Account>,
}

/// Somebody asked to run all checks of a commit again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuiteRerequested {
    /// The repository.
    pub repository: Repository,
    /// GitHub's number of the check suite.
    pub id: i64,
    /// The commit.
    pub head_sha: CommitSha,
    /// The App that the suite belongs to.
    pub app_id: Option<i64>,
    /// When the suite changed last; asking again changes it.
    pub updated_at: Option<Timestamp>,
    /// Who asked.
    pub sender: Option<Account>,
}

/// A merge group, as both of its events describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeGroup {
    /// The repository.
    pub repository: Repository,
    /// The commit to be checked.
    pub head_sha: CommitSha,
    /// The ref of that commit, in full.
    pub head_ref: String,
    /// The commit that it is merged into.
    pub base_sha: CommitSha,
    /// The branch that it is merged into, in full.
    pub base_ref: String,
    /// The message of the head commit.
    pub message: String,
    /// Who caused it.
    pub sender: Option<Account>,
}

/// The merge queue wants checks for a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeGroupRequested {
    /// The group.
    pub group: MergeGroup,
}

/// The merge queue dropped a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeGroupDestroyed {
    /// The group.
    pub group: MergeGroup,
    /// Why, in GitHub's word: `merged`, `invalidated`, `dequeued`.
    pub reason: String,
}

/// The App was installed, removed, suspended, or granted other permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallationChanged {
    /// What happened, in GitHub's word: `created`, `deleted`, `suspend`, `unsuspend`, `new_permissions_accepted`.
    pub action: String,
    /// The installation.
    pub installation: InstallationId,
    /// Where the App is installed.
    pub account: Option<Account>,
    /// What the App may do there: `checks` → `write`.
    pub permissions: BTreeMap<String, String>,
    /// The repositories that came or went with it.
    pub repositories: Vec<Repository>,
    /// Whether it covers all repositories of the account.
    pub all_repositories: bool,
    /// The source time.
    pub updated_at: Option<Timestamp>,
    /// Who did it.
    pub sender: Option<Account>,
}

/// Repositories were added to or removed from an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoriesChanged {
    /// The installation.
    pub installation: InstallationId,
    /// These are covered from now on.
    pub added: Vec<Repository>,
    /// These are no longer covered.
    pub removed: Vec<Repository>,
    /// Whether it covers all repositories of the account.
    pub all_repositories: bool,
    /// Who did it.
    pub sender: Option<Account>,
}

/// A repository has another name or owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryRenamed {
    /// The repository, by its new name.
    pub repository: Repository,
    /// Who did it.
    pub sender: Option<Account>,
}

/// GitHub tried whether the webhook works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ping {
    /// The webhook's number.
    pub hook_id: Option<i64>,
}

/// Nothing that any decision of ours depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// The event with its action: `check_run.created`.
    pub what: String,
    /// Why nothing follows, for people.
    pub why: &'static str,
}

impl Account {
    /// Whether it is anything but a person. In doubt it is.
    #[must_use]
    pub fn is_bot(&self) -> bool {
        self.kind != AccountKind::User || self.login.as_str().ends_with("[bot]")
    }
}

impl GitRef {
    /// Reads a full ref.
    #[must_use]
    pub fn read(full: &str) -> Self {
        match (full.strip_prefix("refs/heads/"), full.strip_prefix("refs/tags/")) {
            (Some(branch), _) => Self::Branch(branch.to_owned()),
            (None, Some(tag)) => Self::Tag(tag.to_owned()),
            (None, None) => Self::Other(full.to_owned()),
        }
    }
}

impl std::fmt::Display for GitRef {
    /// The ref in full.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Branch(branch) => write!(f, "refs/heads/{branch}"),
            Self::Tag(tag) => write!(f, "refs/tags/{tag}"),
            Self::Other(full) => f.write_str(full),
        }
    }
}

//! The shapes of GitHub's payloads, as far as we read them.
//!
//! Real captures lack fields that GitHub's own schemas call required, so a field is required here only if nothing can
//! be decided without it. Unknown fields are skipped without being built.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::Deserializer;

use crate::ids::{CommitSha, Login, RepoId, RepoName};
use crate::time::Timestamp;

#[derive(Deserialize)]
pub(super) struct PullRequestPayload {
    pub(super) action: String,
    pub(super) pull_request: PullRequest,
    pub(super) repository: Repository,
    pub(super) label: Option<Label>,
    pub(super) changes: Option<Changes>,
    pub(super) sender: Option<Account>,
}

#[derive(Deserialize)]
pub(super) struct PullRequest {
    pub(super) number: u64,
    pub(super) head: Side,
    pub(super) base: Side,
    pub(super) user: Option<Account>,
    pub(super) author_association: Option<String>,
    pub(super) draft: Option<bool>,
    pub(super) state: Option<String>,
    pub(super) merged: Option<bool>,
    pub(super) title: Option<String>,
    pub(super) body: Option<String>,
    #[serde(default, deserialize_with = "list")]
    pub(super) labels: Vec<Label>,
    #[serde(deserialize_with = "moment")]
    pub(super) updated_at: Timestamp,
}

#[derive(Deserialize)]
pub(super) struct Side {
    pub(super) sha: CommitSha,
    #[serde(rename = "ref")]
    pub(super) name: String,
    pub(super) repo: Option<Repository>,
}

#[derive(Deserialize)]
pub(super) struct Label {
    pub(super) name: String,
}

#[derive(Deserialize)]
pub(super) struct Changes {
    pub(super) base: Option<BaseChange>,
}

#[derive(Deserialize)]
pub(super) struct BaseChange {
    #[serde(rename = "ref")]
    pub(super) name: Option<From>,
}

#[derive(Deserialize)]
pub(super) struct From {
    pub(super) from: String,
}

#[derive(Deserialize)]
pub(super) struct PushPayload {
    #[serde(rename = "ref")]
    pub(super) git_ref: String,
    pub(super) before: String,
    pub(super) after: String,
    #[serde(default)]
    pub(super) created: bool,
    #[serde(default)]
    pub(super) deleted: bool,
    #[serde(default)]
    pub(super) forced: bool,
    pub(super) head_commit: Option<Commit>,
    pub(super) pusher: Option<Pusher>,
    pub(super) repository: Repository,
    pub(super) sender: Option<Account>,
}

#[derive(Deserialize)]
pub(super) struct Commit {
    pub(super) message: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Pusher {
    pub(super) name: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct CommentPayload {
    pub(super) issue: Issue,
    pub(super) comment: Comment,
    pub(super) repository: Repository,
    pub(super) sender: Option<Account>,
}

#[derive(Deserialize)]
pub(super) struct Issue {
    pub(super) number: u64,
    pub(super) state: Option<String>,
    pub(super) user: Option<Account>,
    /// There for pull requests alone; what is in it does not matter.
    pub(super) pull_request: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
pub(super) struct Comment {
    pub(super) id: i64,
    pub(super) body: Option<String>,
    #[serde(deserialize_with = "moment")]
    pub(super) created_at: Timestamp,
    pub(super) user: Option<Account>,
    pub(super) author_association: Option<String>,
    pub(super) performed_via_github_app: Option<App>,
}

#[derive(Deserialize)]
pub(super) struct App {
    pub(super) id: i64,
}

#[derive(Deserialize)]
pub(super) struct CheckPayload {
    pub(super) check_run: CheckRun,
    pub(super) requested_action: Option<RequestedAction>,
    pub(super) repository: Repository,
    pub(super) sender: Option<Account>,
}

#[derive(Deserialize)]
pub(super) struct CheckRun {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) external_id: Option<String>,
    pub(super) head_sha: CommitSha,
    pub(super) app: Option<App>,
    #[serde(default, deserialize_with = "moment_if_any")]
    pub(super) completed_at: Option<Timestamp>,
    pub(super) check_suite: Option<SuiteOfRun>,
}

#[derive(Deserialize)]
pub(super) struct SuiteOfRun {
    #[serde(default, deserialize_with = "moment_if_any")]
    pub(super) updated_at: Option<Timestamp>,
}

#[derive(Deserialize)]
pub(super) struct RequestedAction {
    pub(super) identifier: String,
}

#[derive(Deserialize)]
pub(super) struct SuitePayload {
    pub(super) check_suite: Suite,
    pub(super) repository: Repository,
    pub(super) sender: Option<Account>,
}

#[derive(Deserialize)]
pub(super) struct Suite {
    pub(super) id: i64,
    pub(super) head_sha: CommitSha,
    pub(super) app: Option<App>,
    #[serde(default, deserialize_with = "moment_if_any")]
    pub(super) updated_at: Option<Timestamp>,
}

#[derive(Deserialize)]
pub(super) struct MergeGroupPayload {
    pub(super) merge_group: Group,
    pub(super) reason: Option<String>,
    pub(super) repository: Repository,
    pub(super) sender: Option<Account>,
}

#[derive(Deserialize)]
pub(super) struct Group {
    pub(super) head_sha: CommitSha,
    pub(super) head_ref: String,
    pub(super) base_sha: CommitSha,
    pub(super) base_ref: String,
    pub(super) head_commit: Option<Commit>,
}

#[derive(Deserialize)]
pub(super) struct InstallationPayload {
    pub(super) action: String,
    pub(super) installation: Installation,
    #[serde(default, deserialize_with = "list")]
    pub(super) repositories: Vec<Repository>,
    #[serde(default, deserialize_with = "list")]
    pub(super) repositories_added: Vec<Repository>,
    #[serde(default, deserialize_with = "list")]
    pub(super) repositories_removed: Vec<Repository>,
    pub(super) sender: Option<Account>,
}

#[derive(Deserialize)]
pub(super) struct Installation {
    pub(super) id: i64,
    /// Every payload names its installation by number, but only those about installations describe it. Required, so
    /// that a deleted comment sent again as `installation` does not delete one.
    pub(super) account: Account,
    pub(super) repository_selection: Option<String>,
    #[serde(default)]
    pub(super) permissions: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "moment_if_any")]
    pub(super) updated_at: Option<Timestamp>,
}

#[derive(Deserialize)]
pub(super) struct RepositoryPayload {
    pub(super) repository: Repository,
    pub(super) sender: Option<Account>,
}

#[derive(Deserialize)]
pub(super) struct PingPayload {
    pub(super) hook_id: Option<i64>,
}

/// The one field that tells an ignored payload from one that must fit.
#[derive(Deserialize)]
pub(super) struct ActionPayload {
    pub(super) action: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Repository {
    pub(super) id: RepoId,
    pub(super) full_name: RepoName,
    pub(super) default_branch: Option<String>,
    #[serde(default)]
    pub(super) private: bool,
    #[serde(default, deserialize_with = "moment_if_any")]
    pub(super) pushed_at: Option<Timestamp>,
}

/// An enterprise's account has a slug in place of a login, so both may be absent.
#[derive(Deserialize)]
pub(super) struct Account {
    pub(super) login: Option<Login>,
    pub(super) id: i64,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Moment<'a> {
    Seconds(i64),
    Text(#[serde(borrow)] std::borrow::Cow<'a, str>),
}

/// A time, as seconds or as text: GitHub uses both, for one field even.
fn moment<'de, D: Deserializer<'de>>(json: D) -> Result<Timestamp, D::Error> {
    match Moment::deserialize(json)? {
        Moment::Seconds(seconds) => Ok(Timestamp(seconds.saturating_mul(1_000_000))),
        Moment::Text(text) => Timestamp::parse_rfc3339(&text).map_err(|_| serde::de::Error::custom("not a time")),
    }
}

/// A time that nothing depends on: what cannot be read is absent.
fn moment_if_any<'de, D: Deserializer<'de>>(json: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(match Option::<Moment<'de>>::deserialize(json)? {
        Some(Moment::Seconds(seconds)) => Some(Timestamp(seconds.saturating_mul(1_000_000))),
        Some(Moment::Text(text)) => Timestamp::parse_rfc3339(&text).ok(),
        None => None,
    })
}

/// A list that may also be `null`.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(json: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(json)?.unwrap_or_default())
}

//! From a stored body to an [`Event`].

use serde::de::DeserializeOwned;

use super::event::{
    Account, AccountKind, Check, CheckActionRequested, CheckRerequested, Commented, Event, GitRef, Ignored,
    InstallationChanged, MergeGroup, MergeGroupDestroyed, MergeGroupRequested, Ping, PullRequestChanged, Pushed,
    RepositoriesChanged, Repository, RepositoryRenamed, SuiteRerequested,
};
use super::payload;
use crate::ids::{CommitSha, InstallationId};

/// A body whose shape does not fit its event's name. Headers are not signed, so this is what a replay under another
/// name looks like. The delivery is marked rejected, with this as its reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the body does not fit the event {event}: {why}; see whether the event's name is right, else report this")]
pub struct Unfit {
    /// The event that its header named.
    pub event: String,
    /// What does not fit, without a word of the body.
    pub why: String,
}

/// Reads the body of a delivery as the event that its header named.
///
/// # Errors
/// When the body lacks what this event must have.
pub fn parse(event: &str, body: &[u8]) -> Result<Event, Unfit> {
    let reader = Reader { event, body };
    let action = reader.read::<payload::ActionPayload>()?.action.unwrap_or_default();
    let ignored = |why| {
        let what = if action.is_empty() { event.to_owned() } else { format!("{event}.{action}") };
        Ok(Event::Ignored(Ignored { what, why }))
    };
    match (event, action.as_str()) {
        ("pull_request", _) => reader.pull_request(),
        ("push", _) => reader.push(),
        ("issue_comment", "created") => match reader.comment()? {
            Some(comment) => Ok(comment),
            None => ignored("it is on an issue; only comments on pull requests are read"),
        },
        ("issue_comment", _) => ignored("only new comments are obeyed, never edited or deleted ones"),
        ("check_run", "rerequested" | "requested_action") => reader.check(&action),
        ("check_suite", "rerequested") => reader.suite(),
        ("merge_group", "checks_requested" | "destroyed") => reader.merge_group(&action),
        ("installation", _) => reader.installation(),
        ("installation_repositories", _) => reader.repositories(),
        ("repository", "renamed" | "transferred") => reader.renamed(),
        ("ping", _) => Ok(Event::Ping(Ping { hook_id: reader.read::<payload::PingPayload>()?.hook_id })),
        ("check_run" | "check_suite" | "merge_group" | "repository", _) => ignored("nothing depends on this action"),
        _ => ignored("nothing depends on this event; the App need not subscribe to it"),
    }
}

struct Reader<'a> {
    event: &'a str,
    body: &'a [u8],
}

impl Reader<'_> {
    fn read<T: DeserializeOwned>(&self) -> Result<T, Unfit> {
        serde_json::from_slice(self.body).map_err(|error| {
            let text = error.to_string();
            // Other messages of serde quote the body, which is never logged.
            let named = text.starts_with("missing field") || text.starts_with("duplicate field");
            let place = format!("a field of another type at line {}, column {}", error.line(), error.column());
            self.unfit(if named { text } else { place })
        })
    }

    fn unfit(&self, why: impl Into<String>) -> Unfit {
        Unfit { event: self.event.to_owned(), why: why.into() }
    }

    fn sha(&self, text: &str) -> Result<Option<CommitSha>, Unfit> {
        if !text.is_empty() && text.bytes().all(|digit| digit == b'0') {
            return Ok(None);
        }
        CommitSha::full(text).map(Some).map_err(|_| self.unfit("a commit is not 40 or 64 digits"))
    }

    fn whole(&self, sha: CommitSha) -> Result<CommitSha, Unfit> {
        self.sha(sha.as_str())?.ok_or_else(|| self.unfit("a commit is all zeros"))
    }

    fn pull_request(&self) -> Result<Event, Unfit> {
        let payload: payload::PullRequestPayload = self.read()?;
        let request = payload.pull_request;
        let repository = Repository::from(payload.repository);
        let head_repository = request.head.repo.map(Repository::from);
        Ok(Event::PullRequestChanged(Box::new(PullRequestChanged {
            action: payload.action,
            number: request.number,
            head_sha: self.whole(request.head.sha)?,
            head_ref: request.head.name,
            fork: head_repository.as_ref().is_none_or(|head| head.id != repository.id),
            head_repository,
            base_sha: self.whole(request.base.sha)?,
            base_ref: request.base.name,
            base_ref_before: payload.changes.and_then(|changes| changes.base?.name).map(|name| name.from),
            author: account(request.user),
            association: request.author_association.unwrap_or_default(),
            draft: request.draft.unwrap_or_default(),
            open: request.state.as_deref() == Some("open"),
            merged: request.merged.unwrap_or_default(),
            title: request.title.unwrap_or_default(),
            body: request.body.unwrap_or_default(),
            labels: request.labels.into_iter().map(|label| label.name).collect(),
            label: payload.label.map(|label| label.name),
            updated_at: request.updated_at,
            sender: account(payload.sender),
            repository,
        })))
    }

    fn push(&self) -> Result<Event, Unfit> {
        let payload: payload::PushPayload = self.read()?;
        let pushed_at = payload.repository.pushed_at;
        Ok(Event::Pushed(Box::new(Pushed {
            repository: payload.repository.into(),
            git_ref: GitRef::read(&payload.git_ref),
            before: self.sha(&payload.before)?,
            after: self.sha(&payload.after)?,
            created: payload.created,
            deleted: payload.deleted,
            forced: payload.forced,
            message: message(payload.head_commit),
            pusher: payload.pusher.and_then(|pusher| pusher.name).unwrap_or_default(),
            pushed_at: pushed_at.ok_or_else(|| self.unfit("missing field `pushed_at`"))?,
            sender: account(payload.sender),
        })))
    }

    fn comment(&self) -> Result<Option<Event>, Unfit> {
        let payload: payload::CommentPayload = self.read()?;
        if payload.issue.pull_request.is_none() {
            return Ok(None);
        }
        let comment = payload.comment;
        Ok(Some(Event::Commented(Box::new(Commented {
            repository: payload.repository.into(),
            number: payload.issue.number,
            open: payload.issue.state.as_deref() == Some("open"),
            pull_request_author: account(payload.issue.user),
            comment_id: comment.id,
            body: comment.body.unwrap_or_default(),
            created_at: comment.created_at,
            author: account(comment.user),
            association: comment.author_association.unwrap_or_default(),
            app_id: comment.performed_via_github_app.map(|app| app.id),
            sender: account(payload.sender),
        }))))
    }

    fn check(&self, action: &str) -> Result<Event, Unfit> {
        let payload: payload::CheckPayload = self.read()?;
        let run = payload.check_run;
        let check = Check {
            repository: payload.repository.into(),
            id: run.id,
            name: run.name,
            external_id: run.external_id.filter(|id| !id.is_empty()),
            head_sha: self.whole(run.head_sha)?,
            app_id: run.app.map(|app| app.id),
            completed_at: run.completed_at,
            suite_updated_at: run.check_suite.and_then(|suite| suite.updated_at),
        };
        let sender = account(payload.sender);
        match (action, payload.requested_action) {
            ("rerequested", _) => Ok(Event::CheckRerequested(CheckRerequested { check, sender })),
            (_, Some(pressed)) => {
                let identifier = pressed.identifier;
                Ok(Event::CheckActionRequested(CheckActionRequested { check, identifier, sender }))
            }
            (_, None) => Err(self.unfit("missing field `requested_action`")),
        }
    }

    fn suite(&self) -> Result<Event, Unfit> {
        let payload: payload::SuitePayload = self.read()?;
        Ok(Event::SuiteRerequested(SuiteRerequested {
            repository: payload.repository.into(),
            id: payload.check_suite.id,
            head_sha: self.whole(payload.check_suite.head_sha)?,
            app_id: payload.check_suite.app.map(|app| app.id),
            updated_at: payload.check_suite.updated_at,
            sender: account(payload.sender),
        }))
    }

    fn merge_group(&self, action: &str) -> Result<Event, Unfit> {
        let payload: payload::MergeGroupPayload = self.read()?;
        let group = MergeGroup {
            repository: payload.repository.into(),
            head_sha: self.whole(payload.merge_group.head_sha)?,
            head_ref: payload.merge_group.head_ref,
            base_sha: self.whole(payload.merge_group.base_sha)?,
            base_ref: payload.merge_group.base_ref,
            message: message(payload.merge_group.head_commit),
            sender: account(payload.sender),
        };
        Ok(match action {
            "destroyed" => {
                let reason = payload.reason.unwrap_or_default();
                Event::MergeGroupDestroyed(MergeGroupDestroyed { group, reason })
            }
            _ => Event::MergeGroupRequested(MergeGroupRequested { group }),
        })
    }

    fn installation(&self) -> Result<Event, Unfit> {
        let payload: payload::InstallationPayload = self.read()?;
        let all_repositories = covers_all(&payload.installation);
        Ok(Event::InstallationChanged(InstallationChanged {
            action: payload.action,
            installation: InstallationId(payload.installation.id),
            account: account(Some(payload.installation.account)),
            permissions: payload.installation.permissions,
            repositories: payload.repositories.into_iter().map(Repository::from).collect(),
            all_repositories,
            updated_at: payload.installation.updated_at,
            sender: account(payload.sender),
        }))
    }

    fn repositories(&self) -> Result<Event, Unfit> {
        let payload: payload::InstallationPayload = self.read()?;
        Ok(Event::RepositoriesChanged(RepositoriesChanged {
            installation: InstallationId(payload.installation.id),
            added: payload.repositories_added.into_iter().map(Repository::from).collect(),
            removed: payload.repositories_removed.into_iter().map(Repository::from).collect(),
            all_repositories: covers_all(&payload.installation),
            sender: account(payload.sender),
        }))
    }

    fn renamed(&self) -> Result<Event, Unfit> {
        let payload: payload::RepositoryPayload = self.read()?;
        let (repository, sender) = (payload.repository.into(), account(payload.sender));
        Ok(Event::RepositoryRenamed(RepositoryRenamed { repository, sender }))
    }
}

fn covers_all(installation: &payload::Installation) -> bool {
    installation.repository_selection.as_deref() == Some("all")
}

fn message(commit: Option<payload::Commit>) -> String {
    commit.and_then(|commit| commit.message).unwrap_or_default()
}

fn account(account: Option<payload::Account>) -> Option<Account> {
    let account = account?;
    let kind = match account.kind.as_deref() {
        Some("User") => AccountKind::User,
        Some("Bot") => AccountKind::Bot,
        Some("Organization") => AccountKind::Organization,
        _ => AccountKind::Other,
    };
    Some(Account { login: account.login?, id: account.id, kind })
}

impl From<payload::Repository> for Repository {
    fn from(repository: payload::Repository) -> Self {
        Self {
            id: repository.id,
            name: repository.full_name,
            default_branch: repository.default_branch,
            private: repository.private,
        }
    }
}

//! What makes two deliveries say the same thing.
//!
//! A delivery is known by its id and by its body. Two webhooks that send one event differ in both, so an event also has
//! a key of meaning. It holds the payload's own time or attempt, so that a second click is no duplicate of the first.

use std::fmt::Write;

use super::event::{Account, Check, Event};
use crate::time::Timestamp;

impl Event {
    /// The key of what this event says, within its installation: equal keys are one event. Store a digest, for refs
    /// have no bound. `None`: to act twice on it does no harm, and to miss one does.
    #[must_use]
    pub fn meaning(&self) -> Option<String> {
        Some(match self {
            Self::PullRequestChanged(event) => format!(
                "pull_request:{}:{}:{}:{}:{}:{}:{}",
                event.repository.id,
                event.number,
                event.action,
                event.head_sha,
                event.updated_at.0,
                quoted(event.label.as_deref()),
                quoted(event.base_ref_before.as_deref()),
            ),
            Self::Pushed(event) => {
                let ends = [&event.before, &event.after].map(|sha| sha.as_ref().map_or("", |sha| sha.as_str()));
                let [before, after] = ends;
                let git_ref = quoted(Some(&event.git_ref.to_string()));
                format!("push:{}:{git_ref}:{before}:{after}:{}", event.repository.id, event.pushed_at.0)
            }
            Self::Commented(event) => format!("issue_comment:{}:{}", event.repository.id, event.comment_id),
            Self::CheckRerequested(event) => asked("check_run.rerequested", &event.check, event.sender.as_ref()),
            Self::CheckActionRequested(event) => {
                let mut key = asked("check_run.requested_action", &event.check, event.sender.as_ref());
                // Writing to a String cannot fail.
                let _ = write!(key, ":{}", quoted(Some(&event.identifier)));
                key
            }
            Self::SuiteRerequested(event) => format!(
                "check_suite:{}:{}:{}:{}",
                event.repository.id,
                event.id,
                instant(event.updated_at),
                event.sender.as_ref().map_or(0, |sender| sender.id),
            ),
            Self::MergeGroupRequested(event) => {
                format!("merge_group.checks_requested:{}:{}", event.group.repository.id, event.group.head_sha)
            }
            Self::MergeGroupDestroyed(event) => {
                format!("merge_group.destroyed:{}:{}", event.group.repository.id, event.group.head_sha)
            }
            Self::InstallationChanged(_)
            | Self::RepositoriesChanged(_)
            | Self::RepositoryRenamed(_)
            | Self::Ping(_)
            | Self::Ignored(_) => return None,
        })
    }

    /// When it happened, by the payload's own word: of two events the later one counts, whichever arrives first.
    /// `None` where the payload does not say: then the time of its receipt stands for it.
    #[must_use]
    pub fn source_time(&self) -> Option<Timestamp> {
        match self {
            Self::PullRequestChanged(event) => Some(event.updated_at),
            Self::Pushed(event) => Some(event.pushed_at),
            Self::Commented(event) => Some(event.created_at),
            Self::InstallationChanged(event) => event.updated_at,
            Self::CheckRerequested(_)
            | Self::CheckActionRequested(_)
            | Self::SuiteRerequested(_)
            | Self::MergeGroupRequested(_)
            | Self::MergeGroupDestroyed(_)
            | Self::RepositoriesChanged(_)
            | Self::RepositoryRenamed(_)
            | Self::Ping(_)
            | Self::Ignored(_) => None,
        }
    }
}

/// A click on a check. Asking again changes the suite's time, and so does every new check run in it.
fn asked(what: &str, check: &Check, sender: Option<&Account>) -> String {
    let times = [check.completed_at, check.suite_updated_at].map(instant);
    let [completed, suite] = times;
    let sender = sender.map_or(0, |sender| sender.id);
    format!("{what}:{}:{}:{completed}:{suite}:{sender}", check.repository.id, check.id)
}

fn instant(at: Option<Timestamp>) -> String {
    at.map(|at| at.0.to_string()).unwrap_or_default()
}

/// Text that people chose, so quoted: a colon in it cannot imitate another field.
fn quoted(text: Option<&str>) -> String {
    text.map(|text| format!("{text:?}")).unwrap_or_default()
}

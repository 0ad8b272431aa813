//! The name of an event, which GitHub sends in a header that a saved payload has lost.

use serde_json::{Map, Value};

/// The events that something depends on.
pub const KNOWN_EVENTS: [&str; 10] = [
    "pull_request",
    "push",
    "issue_comment",
    "check_run",
    "check_suite",
    "merge_group",
    "installation",
    "installation_repositories",
    "repository",
    "ping",
];

/// Fields that only one event has, or that tell it from those below.
const MARKS: [(&str, &[&str]); 12] = [
    ("ping", &["zen", "hook"]),
    ("push", &["ref", "before", "after"]),
    ("pull_request_review_comment", &["pull_request", "comment"]),
    ("pull_request_review", &["pull_request", "review"]),
    ("pull_request", &["pull_request", "number"]),
    ("issue_comment", &["issue", "comment"]),
    ("check_run", &["check_run"]),
    ("check_suite", &["check_suite"]),
    ("merge_group", &["merge_group"]),
    ("installation_repositories", &["repositories_added", "repositories_removed"]),
    ("issues", &["issue"]),
    ("workflow_run", &["workflow_run"]),
];

/// The event that a payload is of, as far as its fields tell.
#[must_use]
pub fn guess(payload: &Map<String, Value>) -> Option<&'static str> {
    let has = |name: &&str| payload.contains_key(*name);
    let marked = MARKS.iter().find(|(_, fields)| fields.iter().all(has)).map(|(event, _)| *event);
    marked.or_else(|| {
        // These two have nothing but what all others have too.
        let action = payload.get("action").and_then(Value::as_str);
        match (payload.contains_key("repository"), action) {
            (
                true,
                Some("renamed" | "transferred" | "created" | "deleted" | "edited" | "publicized" | "privatized"),
            ) => Some("repository"),
            (false, Some(_)) if payload.contains_key("installation") => Some("installation"),
            _ => None,
        }
    })
}

//! Expressions: `${{ … }}` and `if:`, with the grammar and semantics of GitHub Actions.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A parsed expression; serializes as its source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Expr {
    source: String,
}

/// Why an expression cannot be read or evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What is wrong, for people.
    pub message: String,
    /// Where in the source, in bytes.
    pub offset: usize,
}

/// What an expression can see.
pub trait Scope {
    /// The value of a name such as `steps`, `pr`, `inputs`; `None` when there is no such name.
    fn value(&self, root: &str) -> Option<Value>;
    /// What `success()`, `failure()`, `cancelled()` are about: how the needs ended.
    fn status(&self) -> Status;
}

/// How the needs of a step ended, taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Each is satisfied.
    Success,
    /// At least one failed, timed out, or was cancelled by a failure.
    Failure,
    /// At least one was cancelled by a person or with its run, and none failed.
    Cancelled,
}

impl Expr {
    /// Its text, without `${{ }}`.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }
}

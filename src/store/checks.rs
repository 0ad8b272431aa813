//! Check runs as GitHub has them: one row per name and generation. A row stands before the check is made, so that one
//! that was made without an answer is found again by what it says of itself.

use super::Error;
use super::heads::HeadKey;
use super::open::Store;
use crate::time::Timestamp;

/// A check run of a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRow {
    /// The name.
    pub name: String,
    /// Counts from 1: a completed check is never opened again, a retry is the next generation.
    pub generation: u32,
    /// GitHub's number of it, once known.
    pub github_id: Option<i64>,
    /// The version that GitHub has; 0 when it has none.
    pub sent_version: u64,
    /// The hash of what GitHub has.
    pub sent_hash: Option<[u8; 32]>,
    /// GitHub has it as completed.
    pub completed: bool,
    /// When it was sent.
    pub sent_at: Timestamp,
}

impl Store {
    /// Every check of a head, by name and generation.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn checks(&self, head: HeadKey) -> Result<Vec<CheckRow>, Error> {
        on!(self, checks::of_head(&head))
    }

    /// Records what GitHub has now. An older version never replaces a newer one: false then.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn check_sent(&self, head: HeadKey, check: CheckRow) -> Result<bool, Error> {
        on!(self, checks::sent(&head, &check))
    }
}

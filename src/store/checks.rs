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
    /// The claim of the head under which it was sent, or is being sent.
    pub sent_version: u64,
    /// The hash of what GitHub has; none while the outcome of a write is unknown.
    pub sent_hash: Option<[u8; 32]>,
    /// The conclusion that GitHub has, in its own word; none while it is open.
    pub conclusion: Option<String>,
    /// The annotations that GitHub has: it appends, so these are not sent again.
    pub annotations: u32,
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

    /// Records that this is about to be sent, before it is: from now on its outcome is unknown. False: the same or a
    /// newer version was begun already, and nothing may be sent.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn check_sending(&self, head: HeadKey, check: CheckRow) -> Result<bool, Error> {
        on!(self, checks::sending(&head, &check))
    }

    /// Records what GitHub has now, of the version that was being sent. False: a newer one was begun meanwhile.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn check_sent(&self, head: HeadKey, check: CheckRow) -> Result<bool, Error> {
        on!(self, checks::sent(&head, &check))
    }
}

//! What agents say while they work: the end of a log, a question. Kept in memory for the pages, and for nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ids::AttemptId;

/// Attempts whose words are kept; a page of another shows none until it ends.
const ATTEMPTS_MAX: usize = 2_000;

/// The last words of the attempts that this replica watches. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Live(Arc<Mutex<BTreeMap<AttemptId, Arc<str>>>>);

impl Live {
    /// What an agent said last about an attempt. Untrusted.
    #[must_use]
    pub fn words(&self, attempt: &AttemptId) -> Option<Arc<str>> {
        self.lock().get(attempt).cloned()
    }

    pub(super) fn put(&self, attempt: &AttemptId, words: &str) {
        let mut all = self.lock();
        if words.is_empty() || all.len() >= ATTEMPTS_MAX && !all.contains_key(attempt) {
            return;
        }
        all.insert(attempt.clone(), words.into());
    }

    pub(super) fn remove(&self, attempt: &AttemptId) {
        self.lock().remove(attempt);
    }

    /// A map of words is right whatever a panicking holder did.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<AttemptId, Arc<str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

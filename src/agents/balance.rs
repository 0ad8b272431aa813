//! Which endpoint gets the next attempt, and when a failing one is left alone.
//!
//! Least outstanding, by weight: an endpoint of weight 50 counts as twice as busy as one of weight 100. A breaker
//! keeps calls away from an endpoint that failed three times in a row; after a back-off one call may try it.

use std::time::Duration;

use crate::time::Timestamp;

/// Failures in a row that open a breaker.
const FAILURES_TO_OPEN: u32 = 3;
/// The first back-off; it doubles with each failed trial.
const BACKOFF_FIRST: Duration = Duration::from_secs(5);
/// The longest back-off.
const BACKOFF_MAX: Duration = Duration::from_secs(300);
/// A trial that told nothing for so long is forgotten.
const TRIAL_TIMEOUT: Duration = Duration::from_secs(30);

/// Counts failures in a row of one endpoint.
#[derive(Debug, Clone, Default)]
pub struct Breaker {
    failures: u32,
    /// When it may be tried again; set while it is open.
    retry_at: Timestamp,
    /// When the one trial of a half-open breaker began.
    trial_at: Option<Timestamp>,
}

/// What a breaker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Calls may go through.
    Closed,
    /// One call may try.
    HalfOpen,
    /// No call before this moment.
    Open {
        /// When one may try.
        retry_at: Timestamp,
    },
}

impl Breaker {
    /// What it says at this moment.
    #[must_use]
    pub fn gate(&self, at: Timestamp) -> Gate {
        if self.failures < FAILURES_TO_OPEN {
            return Gate::Closed;
        }
        let trial_ends = self.trial_at.map(|trial| trial.plus(TRIAL_TIMEOUT));
        match trial_ends.max(Some(self.retry_at)) {
            Some(retry_at) if at < retry_at => Gate::Open { retry_at },
            Some(_) | None => Gate::HalfOpen,
        }
    }

    /// A call goes out: through a half-open breaker it is the only one.
    pub fn begin(&mut self, at: Timestamp) {
        if self.gate(at) == Gate::HalfOpen {
            self.trial_at = Some(at);
        }
    }

    /// The endpoint answered, whatever it said.
    pub fn answered(&mut self) {
        *self = Self::default();
    }

    /// The endpoint did not answer, or not as an agent does.
    pub fn failed(&mut self, at: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        self.trial_at = None;
        if let Some(doublings) = self.failures.checked_sub(FAILURES_TO_OPEN) {
            let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
            self.retry_at = at.plus(BACKOFF_FIRST.saturating_mul(factor).min(BACKOFF_MAX));
        }
    }
}

/// The place of the candidate that is least busy for its weight; the earliest of equals.
pub(super) fn least_busy(candidates: impl Iterator<Item = (u32, u32)>) -> Option<usize> {
    let load = |(outstanding, weight): (u32, u32)| (u64::from(outstanding) + 1) * 1_000_000 / u64::from(weight.max(1));
    candidates.map(load).enumerate().min_by_key(|(_, load)| *load).map(|(place, _)| place)
}

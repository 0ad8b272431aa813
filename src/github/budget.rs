//! How much may be written, and when: the pure half of "one writer per installation".
//!
//! GitHub counts writes over any minute and any hour. A bucket of tokens would allow twice the limit across a border,
//! so this counts in slots of a twelfth of the window and admits while the current slot and the twelve before it hold
//! less than the limit: any window lies within thirteen slots, so no window ever holds more. It costs at most a
//! twelfth of the limit, and a few small numbers in the installation's row.
//!
//! *Invariant:* pure: told the time, never asking for it. A clock that goes back frees nothing.

use std::time::Duration;

use minicbor::{CborLen, Decode, Encode};
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::installation::Rate;
use crate::time::{Timestamp, micros};

/// What a request costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// A read.
    Read,
    /// A write that no person sees: it makes no content.
    Write,
    /// A check run, a comment, a reaction: whatever GitHub may call content.
    Content,
}

/// GitHub's limits, of which an operator may take less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Content in any minute.
    pub content_per_minute: u32,
    /// Content in any hour.
    pub content_per_hour: u32,
    /// Points in any minute: a read is one, a write five.
    pub points_per_minute: u32,
    /// Between two writes of content; GitHub advises a second.
    pub content_gap: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            content_per_minute: 80,
            content_per_hour: 500,
            points_per_minute: 900,
            content_gap: Duration::from_millis(100),
        }
    }
}

/// Not yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("wait until {}", until.rfc3339())]
pub struct Wait {
    /// The first moment at which it is worth asking again.
    pub until: Timestamp,
}

/// What an installation has written lately. The store keeps it in the installation's row.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Encode, Decode, CborLen)]
pub struct Budget {
    #[n(0)]
    content_minute: Window,
    #[n(1)]
    content_hour: Window,
    #[n(2)]
    points_minute: Window,
    #[n(3)]
    content_at: Timestamp,
    #[n(4)]
    blocked_until: Timestamp,
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

impl Budget {
    /// Pays for a request, or says from when on it can be paid.
    ///
    /// # Errors
    /// [`Wait`]: nothing was paid.
    pub fn admit(&mut self, cost: Cost, pace: &Pace, at: Timestamp) -> Result<(), Wait> {
        let content = u32::from(cost == Cost::Content);
        let points = if cost == Cost::Read { 1 } else { 5 };
        let mut until = self.blocked_until;
        if content > 0 {
            if self.content_at > Timestamp(0) {
                until = until.max(self.content_at.plus(pace.content_gap));
            }
            until = until.max(self.content_minute.free_at(content, pace.content_per_minute, MINUTE, at));
            until = until.max(self.content_hour.free_at(content, pace.content_per_hour, HOUR, at));
        }
        until = until.max(self.points_minute.free_at(points, pace.points_per_minute, MINUTE, at));
        if at < until {
            return Err(Wait { until });
        }
        if content > 0 {
            self.content_minute.add(content, MINUTE, at);
            self.content_hour.add(content, HOUR, at);
            self.content_at = at;
        }
        self.points_minute.add(points, MINUTE, at);
        Ok(())
    }

    /// Obeys a limit that a call met; any other error says nothing about limits.
    pub fn learned(&mut self, error: &Error) {
        if let Error::RateLimited { until, .. } = error {
            self.blocked_until = self.blocked_until.max(*until);
        }
    }

    /// Obeys what GitHub says in each reply: with nothing left, nothing is sent before the limit starts anew.
    pub fn learned_rate(&mut self, rate: Rate) {
        if rate.remaining <= 0 {
            self.blocked_until = self.blocked_until.max(rate.reset);
        }
    }

    /// Nothing is sent before that moment, if it is to come.
    #[must_use]
    pub fn blocked_until(&self, at: Timestamp) -> Option<Timestamp> {
        Some(self.blocked_until).filter(|until| *until > at)
    }
}

/// Slots of a window; with the current one, thirteen cover it wherever it begins.
const SLOTS: i64 = 12;
const SLOTS_KEPT: usize = 13;

/// Counts over the last slots.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Encode, Decode, CborLen)]
struct Window {
    /// The number of the newest slot since 1970.
    #[n(0)]
    newest: i64,
    /// What each slot holds, newest first.
    #[n(1)]
    counts: [u32; SLOTS_KEPT],
}

impl Window {
    /// The first moment at which `more` fits below `max`; not after `at` when it fits now.
    fn free_at(&self, more: u32, max: u32, length: Duration, at: Timestamp) -> Timestamp {
        let slot = slot_micros(length);
        let now = at.0.div_euclid(slot).max(self.newest);
        // What costs more than the whole limit is admitted after an empty window, or it would wait for ever.
        let room = max.saturating_sub(more);
        let passed = (0..=SLOTS + 1).find(|passed| self.held(now + passed) <= room).unwrap_or(SLOTS + 1);
        match passed {
            0 => Timestamp(at.0.min(now * slot)),
            passed => Timestamp((now + passed).saturating_mul(slot)),
        }
    }

    /// What the thirteen slots up to `slot` hold.
    fn held(&self, slot: i64) -> u32 {
        let passed = usize::try_from(slot - self.newest).unwrap_or(0);
        let kept = self.counts.get(..SLOTS_KEPT.saturating_sub(passed)).unwrap_or_default();
        kept.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    fn add(&mut self, more: u32, length: Duration, at: Timestamp) {
        let now = at.0.div_euclid(slot_micros(length)).max(self.newest);
        let passed = usize::try_from(now - self.newest).unwrap_or(SLOTS_KEPT).min(SLOTS_KEPT);
        self.counts.rotate_right(passed % SLOTS_KEPT);
        for count in self.counts.iter_mut().take(passed) {
            *count = 0;
        }
        self.newest = now;
        let [newest, ..] = &mut self.counts;
        *newest = newest.saturating_add(more);
    }
}

fn slot_micros(length: Duration) -> i64 {
    (micros(length) / SLOTS).max(1)
}

#[cfg(test)]
mod tests;

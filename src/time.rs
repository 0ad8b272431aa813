//! Time: moments in microseconds, durations that people write, and the only clock of the crate.
//!
//! The service does not trust its machine's wall clock. A [`Clock`] is monotonic time plus an offset that each
//! replica's beat measures against the database, so every replica agrees with the database within a round trip.
//!
//! *Invariant:* no other module asks what time it is.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A moment: microseconds since 1970-01-01 UTC.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    minicbor::Encode,
    minicbor::Decode,
    minicbor::CborLen,
)]
#[serde(transparent)]
#[cbor(transparent)]
pub struct Timestamp(#[n(0)] pub i64);

impl Timestamp {
    /// This moment and then `duration`; stops at the end of time in place of overflowing.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }

    /// This moment less `duration`; stops at the beginning of time in place of overflowing.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(micros(duration)))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// As GitHub writes it: `2026-11-22T07:00:00Z`. Out of range: the nearest end of the range.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let clamp = if self.0 < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(clamp).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// Reads what GitHub writes.
    ///
    /// # Errors
    /// When the text is no RFC 3339 time.
    pub fn parse_rfc3339(text: &str) -> Result<Self, jiff::Error> {
        text.parse::<jiff::Timestamp>().map(|at| Self(at.as_microsecond()))
    }
}

/// A duration as whole microseconds, as the database keeps it; stops at the largest.
#[must_use]
pub fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// A duration for people, at most two units: `340 ms`, `12 s`, `4 m 10 s`, `2 h 5 m`, `3 d 4 h`.
#[must_use]
pub fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let pair = |big: u64, unit: &str, small: u64, sub: &str| match small {
        0 => format!("{big} {unit}"),
        _ => format!("{big} {unit} {small} {sub}"),
    };
    match seconds {
        0 if duration.is_zero() => "0 s".to_owned(),
        0 => format!("{} ms", duration.as_millis().max(1)),
        1..=59 => format!("{seconds} s"),
        60..=3_599 => pair(seconds / 60, "m", seconds % 60, "s"),
        3_600..=86_399 => pair(seconds / 3_600, "h", seconds % 3_600 / 60, "m"),
        _ => pair(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// Where the service gets its time from. Cheap to clone; clones share the offset.
#[derive(Clone)]
pub struct Clock {
    source: Source,
    /// What to add to the source, in microseconds: the database's clock less ours.
    offset: Arc<AtomicI64>,
}

#[derive(Clone)]
enum Source {
    /// The monotonic clock of the machine, anchored once to its wall clock.
    Machine { start: Instant, wall: i64 },
    /// Tests: it moves only when told.
    Manual,
}

impl Clock {
    /// The machine's monotonic clock. Until the first beat the machine's wall clock is its anchor.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the only now()")]
    pub fn machine() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, micros);
        Self { source: Source::Machine { start: Instant::now(), wall }, offset: Arc::default() }
    }

    /// A clock that moves only by [`Clock::jump`].
    #[must_use]
    pub fn manual(at: Timestamp) -> Self {
        Self { source: Source::Manual, offset: Arc::new(AtomicI64::new(at.0)) }
    }

    /// The moment it is now, by the database's clock as far as it is known.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp(self.local().saturating_add(self.offset.load(Ordering::Relaxed)))
    }

    /// Learns the offset: the database said `database` for a moment at which our own clock, without any offset,
    /// showed `local` (the middle of the round trip).
    pub fn measured(&self, database: Timestamp, local: i64) {
        if let Source::Machine { .. } = self.source {
            self.offset.store(database.0.saturating_sub(local), Ordering::Relaxed);
        }
    }

    /// Our own clock without the offset, in microseconds; only for [`Clock::measured`].
    #[must_use]
    pub fn local(&self) -> i64 {
        match self.source {
            Source::Machine { start, wall } => wall.saturating_add(micros(start.elapsed())),
            Source::Manual => 0,
        }
    }

    /// Moves the clock forward. A machine's clock moves too: the tests of timers use it.
    pub fn jump(&self, by: Duration) {
        self.offset.fetch_add(micros(by), Ordering::Relaxed);
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now().rfc3339())
    }
}

#[cfg(test)]
mod tests;

//! What is common to all loops: when they run, how they fail, what is known of them.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, error, info_span, warn};

use crate::time::{Clock, Timestamp};
use crate::wake::{Loop, Wakes};

/// The longest pause after a loop failed, and never longer than its period: a replica that is cut off from its database
/// looks for it as often as it beats. The pause doubles from [`FAILED_PAUSE`].
const FAILED_PAUSE_MAX: Duration = Duration::from_secs(30);
const FAILED_PAUSE: Duration = Duration::from_millis(200);

/// When a loop wants to be called again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Now: there is more.
    Again,
    /// After its period, or when woken.
    Period,
    /// At this moment at the latest, or when woken.
    At(Timestamp),
}

/// What is known of the loops: for `/ready`, for the beat and for the metrics. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Status(Arc<Mutex<BTreeMap<Loop, Ticks>>>);

/// What is known of one loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ticks {
    /// When it was last done with a piece of work, well or badly.
    pub last: Timestamp,
    /// How many pieces of work it did.
    pub count: u64,
    /// How many failed in a row.
    pub failures: u32,
}

impl Status {
    fn ticked(&self, which: Loop, at: Timestamp, ok: bool) -> u32 {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ticks = all.entry(which).or_default();
        ticks.last = at;
        ticks.count += 1;
        ticks.failures = if ok { 0 } else { ticks.failures + 1 };
        ticks.failures
    }

    /// What is known of each loop that has begun.
    #[must_use]
    pub fn all(&self) -> BTreeMap<Loop, Ticks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// How a loop is driven.
#[derive(Debug, Clone)]
pub struct Driver {
    /// The service's time.
    pub clock: Clock,
    /// Wakes for all loops.
    pub wakes: Wakes,
    /// What is known of the loops.
    pub status: Status,
    /// Ends all loops, each after the piece of work it is at.
    pub stop: CancellationToken,
}

impl Driver {
    /// Drives one loop until the service stops. `work` does a bounded piece of work; an error is logged here, once, and
    /// the loop goes on after a pause.
    pub async fn drive<F, W>(self, which: Loop, period: Duration, mut work: W)
    where
        W: FnMut() -> F + Send,
        F: Future<Output = anyhow::Result<Next>> + Send,
    {
        while !self.stop.is_cancelled() {
            // Registered before looking: a wake that comes while we look is not lost.
            let woken = self.wakes.woken(which);
            let next = work().instrument(info_span!("loop", loop.name = which.name())).await;
            let failures = self.status.ticked(which, self.clock.now(), next.is_ok());
            let pause = match next {
                Ok(Next::Again) => continue,
                Ok(Next::Period) => period,
                Ok(Next::At(at)) => at.since(self.clock.now()).min(period),
                Err(error) => {
                    report(which, failures, &error);
                    FAILED_PAUSE.saturating_mul(1 << failures.min(8)).min(FAILED_PAUSE_MAX).min(period)
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = woken, if failures == 0 => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}

/// The first failure may be a hiccup; somebody has to act when it goes on.
fn report(which: Loop, failures: u32, error: &anyhow::Error) {
    let name = which.name();
    if failures < 3 {
        warn!(loop.name = name, loop.failures = failures, error = format!("{error:#}"), "a loop failed and goes on");
    } else {
        error!(loop.name = name, loop.failures = failures, error = format!("{error:#}"), "a loop keeps failing");
    }
}

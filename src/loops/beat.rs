//! Says that this replica lives, fences it when it cannot say so, and takes over from those that fell silent.
//!
//! Leases are the replica's, not the attempt's: one row a beat, however much work there is. Whoever was silent for three
//! beats has lost its attempts; so that two never work on one, a replica that could not beat for *two* of them sends
//! nothing more, and knows it by its own monotonic clock, without asking anybody.
//!
//! *Invariant:* a replica whose beat is late starts nothing, cancels nothing and sends nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tracing::{error, info, warn};

use super::driver::{Next, Status};
use super::runs::Runs;
use super::send::Sender;
use super::tickets;
use crate::crash::crashpoint;
use crate::store::{AttemptRow, Incarnation, Store};
use crate::time::{Clock, micros};
use crate::wake::{Loop, Wakes};

/// Beats that may be missed before others take over.
pub const LEASE_BEATS: u32 = 3;
/// Beats that may be missed before we stop by ourselves.
const FENCE_BEATS: u32 = 2;
/// A loop that did not come back for so long beyond its period hangs.
const HANGING: Duration = Duration::from_secs(120);
/// Attempts that are taken over at once.
const AT_ONCE_MAX: usize = 16;

/// Whether this replica may act. Cheap to clone; clones tell the same.
#[derive(Debug, Clone)]
pub struct Fence(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    /// Our own clock at the last good beat, in microseconds.
    heard: AtomicI64,
    limit: Duration,
}

impl Fence {
    /// Fenced until the first beat.
    #[must_use]
    pub fn new(clock: Clock, interval: Duration) -> Self {
        Self(Arc::new(Inner { clock, heard: AtomicI64::new(i64::MIN), limit: interval * FENCE_BEATS }))
    }

    /// Whether the last good beat is too long ago.
    #[must_use]
    pub fn is_up(&self) -> bool {
        let heard = self.0.heard.load(Ordering::Acquire);
        self.0.clock.local().saturating_sub(heard) > micros(self.0.limit)
    }

    fn heard(&self, local: i64) {
        self.0.heard.store(local, Ordering::Release);
    }
}

/// The loop.
pub struct Beat {
    /// Keeps the list of replicas.
    pub store: Store,
    /// Read to tell whether tickets are held.
    pub runs: Runs,
    /// Learns the database's clock.
    pub clock: Clock,
    /// Who we are.
    pub me: Incarnation,
    /// Our name for people.
    pub name: String,
    /// How often we beat; the driver's period.
    pub interval: Duration,
    /// Falls when we beat.
    pub fence: Fence,
    /// Goes on with attempts that were claimed and perhaps sent.
    pub sender: Sender,
    /// Wakes the watcher for attempts that agents have.
    pub wakes: Wakes,
    /// What is known of the loops.
    pub status: Status,
    /// The loops that must come back, with their periods: those that wait for nobody outside.
    pub periods: BTreeMap<Loop, Duration>,
}

impl Beat {
    /// One beat; then whatever fell to us is taken over, as far as that goes.
    ///
    /// # Errors
    /// When the database does not take the beat, or a loop hangs: then others shall have our work.
    pub async fn tick(&self) -> anyhow::Result<Next> {
        if let Some(which) = self.hanging() {
            error!(loop.name = which.name(), "a loop hangs; without a beat the other replicas take over");
            bail!("the loop {} hangs", which.name());
        }
        let before = self.clock.local();
        if !self.store.beat(self.me, &self.clock).await.context("no beat")? {
            info!(replica.name = self.name, "enters the list of replicas");
            self.store.join(self.me, &self.name, &self.clock).await.context("cannot join")?;
        }
        self.fence.heard(before);
        crashpoint!("beat_shown_nothing_taken_over");
        // We live, and that is said: what others left behind can wait for the next beat.
        if let Err(error) = self.take_over().await {
            error!(error = format!("{error:#}"), "what fell to us could not be taken over; it is tried again");
        }
        if let Err(error) = self.sweep().await {
            error!(error = format!("{error:#}"), "old tickets could not be looked through; it is tried again");
        }
        Ok(Next::Period)
    }

    async fn sweep(&self) -> anyhow::Result<()> {
        let now = self.store.now().await?;
        tickets::sweep(&self.store, &self.runs, now, now.minus(self.interval * LEASE_BEATS)).await
    }

    /// Leaves the list, at the end: nobody waits a lease for us.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn leave(&self) -> anyhow::Result<()> {
        self.fence.heard(i64::MIN);
        self.store.leave(self.me).await.context("cannot leave the list of replicas")
    }

    fn hanging(&self) -> Option<Loop> {
        let (now, all) = (self.clock.now(), self.status.all());
        let hangs = |(which, period): (&Loop, &Duration)| {
            let last = all.get(which)?.last;
            (now.since(last) > *period + HANGING).then_some(*which)
        };
        self.periods.iter().find_map(hangs)
    }

    /// Takes over what belongs to replicas that fell silent, by the database's own clock.
    async fn take_over(&self) -> anyhow::Result<()> {
        let now = self.store.now().await?;
        let lease = self.interval * LEASE_BEATS;
        // Whoever else is on the list of a file that we hold has died: nobody waits for him.
        let silent_since = if self.store.is_alone() { now } else { now.minus(lease) };
        let gone = self.store.remove_silent(self.me, silent_since).await?;
        if gone > 0 {
            warn!(replicas = gone, "a replica fell silent; what it had claimed is free");
            [Loop::Intake, Loop::Reconcile, Loop::Deliver].into_iter().for_each(|which| self.wakes.wake(which));
        }
        let orphans = self.store.orphans(now.minus(lease)).await?;
        let taken = stream::iter(orphans).map(|row| self.take(row)).buffer_unordered(AT_ONCE_MAX);
        let taken: Vec<bool> = taken.try_collect().await?;
        let count = taken.iter().filter(|taken| **taken).count();
        if count > 0 {
            warn!(attempts = count, "took over the attempts of a replica that fell silent");
            self.wakes.wake(Loop::Watch);
        }
        Ok(())
    }

    async fn take(&self, row: AttemptRow) -> anyhow::Result<bool> {
        let Some(epoch) = self.store.take_over(row.id.clone(), row.epoch, self.me).await? else { return Ok(false) };
        crashpoint!("attempt_taken_over_not_resumed");
        let row = AttemptRow { epoch, owner: Some(self.me), ..row };
        self.sender.take_over(row, self.interval * LEASE_BEATS);
        Ok(true)
    }
}

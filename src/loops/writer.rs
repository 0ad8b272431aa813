//! Turns at writing to GitHub: GitHub counts what an installation writes, whoever of us sends it, so one of us writes
//! at a time and pays from one budget.
//!
//! The budget lies in the installation's row and is saved before each write, so a process that dies spends nothing
//! twice. Within a process a lock stands before the lease of the row, since both loops that write are one incarnation.
//!
//! *Invariant:* nothing is sent before the moment that GitHub named, by this replica or another.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::github::{Budget, Cost, Error, Installation, Pace, Wait};
use crate::ids::InstallationId;
use crate::store::{self, Incarnation, Store};
use crate::time::{Clock, Timestamp};

/// How long a turn lasts that is never given back. Longer than a write may take.
const LEASE: Duration = Duration::from_secs(60);
/// When to ask again while another replica writes.
const TAKEN_PAUSE: Duration = Duration::from_millis(300);
/// A gap between two writes is waited for; a limit is not, that is for the caller's queue.
const GAP_MAX: Duration = Duration::from_secs(1);
const GAPS_MAX: u32 = 3;
/// Installations whose lock is kept.
const LOCKS_MAX: u64 = 10_000;

/// Hands out turns. Cheap to clone; the loops of a process share one.
#[derive(Clone)]
pub struct Writers(Arc<Inner>);

struct Inner {
    store: Store,
    me: Incarnation,
    clock: Clock,
    pace: Pace,
    locks: Cache<InstallationId, Arc<Mutex<()>>>,
}

/// How much of the limits a writer may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// All: checks, for which a merge may wait.
    Whole,
    /// Three quarters: comments. Whatever they write, the last quarter is left for checks.
    Part,
}

/// Why nothing may be written now.
#[derive(Debug, thiserror::Error)]
pub enum NotNow {
    /// A limit, or another writer.
    #[error(transparent)]
    Wait(#[from] Wait),
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// The right to write to one installation, until it is given back.
pub struct Turn {
    writers: Writers,
    installation: Installation,
    pace: Pace,
    budget: Budget,
    _alone: OwnedMutexGuard<()>,
}

impl Writers {
    /// Writers of this process, which keep this pace.
    #[must_use]
    pub fn new(store: Store, me: Incarnation, clock: Clock, pace: Pace) -> Self {
        Self(Arc::new(Inner { store, me, clock, pace, locks: Cache::new(LOCKS_MAX) }))
    }

    /// Waits for the other writers of this process, then takes the turn.
    ///
    /// # Errors
    /// [`NotNow`].
    pub async fn turn(&self, installation: &Installation, share: Share) -> Result<Turn, NotNow> {
        let Inner { store, me, clock, pace, locks } = &*self.0;
        let id = installation.id();
        let alone = locks.get_with(id, async { Arc::default() }).await.lock_owned().await;
        let at = clock.now();
        let Some(stored) = store.lease_writer(id, *me, at, LEASE).await? else {
            return Err(Wait { until: at.plus(TAKEN_PAUSE) }.into());
        };
        // What cannot be read was written by another release; to begin anew is to wait for GitHub's own word.
        let budget: Budget = minicbor::decode(&stored.0).unwrap_or_default();
        let turn = Turn {
            writers: self.clone(),
            installation: installation.clone(),
            pace: share.of(pace),
            budget,
            _alone: alone,
        };
        match turn.budget.blocked_until(at) {
            Some(until) => {
                // Readers of this process obey it as well.
                installation.block(until);
                turn.end().await?;
                Err(Wait { until }.into())
            }
            None => Ok(turn),
        }
    }
}

impl Share {
    fn of(self, pace: &Pace) -> Pace {
        let part = |max: u32| if self == Self::Whole { max } else { max - max / 4 };
        Pace {
            content_per_minute: part(pace.content_per_minute),
            content_per_hour: part(pace.content_per_hour),
            points_per_minute: part(pace.points_per_minute),
            content_gap: pace.content_gap,
        }
    }
}

impl Turn {
    /// Pays for so many writes of content, all or none. A short gap is waited for.
    ///
    /// # Errors
    /// [`NotNow`]; then nothing may be sent.
    pub async fn pay(&mut self, writes: usize) -> Result<(), NotNow> {
        let mut gaps = 0;
        loop {
            let at = self.writers.0.clock.now();
            match self.admitted(writes, at) {
                Ok(budget) => {
                    self.budget = budget;
                    return self.save(at).await;
                }
                Err(wait) if gaps < GAPS_MAX && wait.until.since(at) <= GAP_MAX => {
                    tokio::time::sleep(wait.until.since(at)).await;
                    gaps += 1;
                }
                Err(wait) => return Err(wait.into()),
            }
        }
    }

    /// Learns from an answer: a limit is obeyed by everybody from now on.
    ///
    /// # Errors
    /// [`NotNow`], when the turn was lost meanwhile.
    pub async fn learned(&mut self, error: &Error) -> Result<(), NotNow> {
        self.budget.learned(error);
        self.save(self.writers.0.clock.now()).await
    }

    /// Gives the turn back.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end(self) -> Result<(), store::Error> {
        let Inner { store, me, .. } = &*self.writers.0;
        store.release_writer(self.installation.id(), *me).await
    }

    fn admitted(&self, writes: usize, at: Timestamp) -> Result<Budget, Wait> {
        let mut budget = self.budget.clone();
        if let Some(rate) = self.installation.rate() {
            budget.learned_rate(rate);
        }
        budget.admit(Cost::Content, &self.pace, at)?;
        // The pages of one body follow each other at once.
        let pages = Pace { content_gap: Duration::ZERO, ..self.pace };
        (1..writes).try_for_each(|_| budget.admit(Cost::Content, &pages, at))?;
        Ok(budget)
    }

    async fn save(&self, at: Timestamp) -> Result<(), NotNow> {
        let Inner { store, me, .. } = &*self.writers.0;
        let encoded = minicbor::to_vec(&self.budget).unwrap_or_default();
        let saved = store.set_budget(self.installation.id(), *me, store::Budget(encoded)).await?;
        if saved { Ok(()) } else { Err(Wait { until: at.plus(TAKEN_PAUSE) }.into()) }
    }
}

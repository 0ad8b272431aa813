//! Wakes: one `Notify` for each loop, so that work that was just written is picked up at once.
//!
//! A wake is a hint. Each loop also looks by itself every so often, so losing one costs a moment and nothing else.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// The loops, by what they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Loop {
    /// Reads deliveries and decides.
    Intake,
    /// Lets what is due happen.
    Advance,
    /// Decides at gates.
    Admit,
    /// Hands attempts to agents.
    Dispatch,
    /// Looks after attempts that agents have.
    Watch,
    /// Makes GitHub show what it should.
    Reconcile,
    /// Sends replies and notifications.
    Deliver,
    /// Asks agents how they are.
    Health,
    /// Asks GitHub for deliveries that were missed.
    Redeliver,
    /// Deletes what is old.
    Prune,
    /// Says that this replica lives, and takes over from those that do not.
    Beat,
    /// Reads the figures that all replicas share.
    Measure,
    /// Compares live runs with what GitHub shows of them, whole.
    Sweep,
}

impl Loop {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Intake,
        Self::Advance,
        Self::Admit,
        Self::Dispatch,
        Self::Watch,
        Self::Reconcile,
        Self::Deliver,
        Self::Health,
        Self::Redeliver,
        Self::Prune,
        Self::Beat,
        Self::Measure,
        Self::Sweep,
    ];

    /// Its name in logs and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::Advance => "advance",
            Self::Admit => "admit",
            Self::Dispatch => "dispatch",
            Self::Watch => "watch",
            Self::Reconcile => "reconcile",
            Self::Deliver => "deliver",
            Self::Health => "health",
            Self::Redeliver => "redeliver",
            Self::Prune => "prune",
            Self::Beat => "beat",
            Self::Measure => "measure",
            Self::Sweep => "sweep",
        }
    }
}

/// A `Notify` for each loop. Cheap to clone; clones wake the same loops.
#[derive(Debug, Clone, Default)]
pub struct Wakes(Arc<[Notify; Loop::ALL.len()]>);

impl Wakes {
    /// Wakes a loop. If it is busy, it looks once more when it is done.
    pub fn wake(&self, which: Loop) {
        self.0[which as usize].notify_one();
    }

    /// Waits for a wake. Make it before you look for work: a wake in between is not lost then.
    pub fn woken(&self, which: Loop) -> Notified<'_> {
        self.0[which as usize].notified()
    }
}

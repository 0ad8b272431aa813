//! The service on a simulated machine: replicas, a weak database, agents and people over a virtual clock.
//!
//! One seed is one life: a few minutes in which pull requests come and go while replicas are killed and frozen, the
//! database forgets to answer and agents misbehave; then calm, in which everything must come to an end. What runs here
//! is what ships: the engine, the committer, the rows of a transition, the rules of gates. What is played is what they
//! act on. Each call may fail before it was done and after, and the laws are held after every write.
//!
//! *Invariant:* a life depends on its seed alone: no clock, no thread, no order of a hash.

mod agents;
mod database;
mod dice;
mod gates;
mod laws;
mod loops;
mod people;
mod replica;
mod send;
mod world;

use std::ops::{AddAssign, Range};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What happened in one life, or in many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Transitions that were written.
    pub transitions: u64,
    /// Calls that failed, before or after they were done.
    pub faults: u64,
    /// Replicas that were killed.
    pub kills: u64,
    /// Replicas that were frozen for a while.
    pub freezes: u64,
    /// Attempts that agents took.
    pub sends: u64,
    /// What came too late to count: results, records of what was sent, claims.
    pub fenced: u64,
    /// What happened, idle looks included.
    pub events: u64,
    /// Attempts that were taken over from a silent replica.
    pub takeovers: u64,
    /// Runs; every one ended, or the life is a violation.
    pub runs: u64,
}

impl AddAssign for Figures {
    fn add_assign(&mut self, more: Self) {
        self.transitions += more.transitions;
        self.faults += more.faults;
        self.kills += more.kills;
        self.freezes += more.freezes;
        self.sends += more.sends;
        self.fenced += more.fenced;
        self.events += more.events;
        self.takeovers += more.takeovers;
        self.runs += more.runs;
    }
}

/// Lives one seed; `tell` hears each thing that happens.
///
/// # Errors
/// The law that was broken, in words.
pub fn live(seed: u64, tell: Option<fn(&str)>) -> Result<Figures, String> {
    world::World::new(seed, tell).live()
}

/// Lives many seeds, on all cores, up to the first that breaks a law; `told` hears how many were lived so far.
///
/// # Errors
/// The law that was broken, in words, and the line that plays that life again.
pub fn many(seeds: Range<u64>, told: impl Fn(u64) + Sync) -> Result<Figures, String> {
    let next = AtomicU64::new(seeds.start);
    let lived: Mutex<Result<Figures, String>> = Mutex::new(Ok(Figures::default()));
    let worker = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let one = live(seed, None);
            let mut all = lived.lock().unwrap_or_else(PoisonError::into_inner);
            match (&mut *all, one) {
                (Ok(all), Ok(figures)) => *all += figures,
                (Ok(_), Err(why)) => {
                    next.store(seeds.end, Ordering::Relaxed);
                    *all = Err(format!("seed {seed}: {why}\n\ncargo run --bin soak -- sim --seed {seed}"));
                }
                // Somebody else's broke first.
                (Err(_), _) => return,
            }
            drop(all);
            told(seed + 1 - seeds.start);
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        (0..threads).for_each(|_| drop(scope.spawn(worker)));
    });
    lived.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

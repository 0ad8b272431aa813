//! The loops of a replica that live by time: the beat with its takeovers, and timers.

use std::time::Duration;

use super::replica::{BEAT, LEASE, Said};
use super::world::{Call, Who, World};
use crate::engine::Event;
use crate::ids::RunId;
use crate::loops::runs::{Act, wake_at};
use crate::store::AttemptRow;
use crate::wake::Loop;

/// The loops that are played, beside the beat.
const LOOPS: [Loop; 4] = [Loop::Advance, Loop::Admit, Loop::Dispatch, Loop::Watch];
/// They look by themselves so often.
const PERIOD: Duration = Duration::from_secs(10);
/// A wake is obeyed after so long at most.
const WAKE: Duration = Duration::from_millis(20);

impl World {
    /// Starts the loops of a process.
    pub(super) fn loops(&mut self, who: Who) {
        self.after(Some(who), Duration::ZERO, move |world| world.beats(who));
        for which in LOOPS {
            let first = self.dice.between(Duration::ZERO, PERIOD);
            self.after(Some(who), first, move |world| world.every(who, which));
        }
    }

    fn every(&mut self, who: Who, which: Loop) {
        self.tick(who, which);
        let wait = self.dice.between(PERIOD / 2, PERIOD * 3 / 2);
        self.after(Some(who), wait, move |world| world.every(who, which));
    }

    /// A loop has something to do; several wakes are one.
    pub(super) fn wake(&mut self, who: Who, which: Loop) {
        if self.replica(who).woken.insert(which) {
            let wait = self.dice.between(Duration::ZERO, WAKE);
            self.after(Some(who), wait, move |world| {
                world.replica(who).woken.remove(&which);
                world.tick(who, which);
            });
        }
    }

    /// A loop will have something to do; the earliest of such times is kept.
    pub(super) fn wake_later(&mut self, who: Who, which: Loop, wait: Duration) {
        let (now, at) = (self.now, self.now.plus(wait));
        let planned = &mut self.replica(who).planned;
        if planned.get(&which).is_some_and(|before| (now..=at).contains(before)) {
            return;
        }
        planned.insert(which, at);
        self.after(Some(who), wait, move |world| {
            if world.replica(who).planned.get(&which) == Some(&at) {
                world.replica(who).planned.remove(&which);
                world.wake(who, which);
            }
        });
    }

    fn tick(&mut self, who: Who, which: Loop) {
        if !self.reads() {
            return;
        }
        match which {
            Loop::Advance => self.advance(who),
            Loop::Admit => self.admits(who),
            Loop::Dispatch => self.dispatches(who),
            Loop::Watch => self.watches(who),
            _ => {}
        }
    }

    fn advance(&mut self, who: Who) {
        let now = self.clock(who);
        let wakes = |(run, record): (&RunId, &super::database::Record)| record.row.wake_at.map(|at| (at, *run));
        let mut wakes: Vec<_> = self.db.runs.iter().filter_map(wakes).collect();
        wakes.sort_unstable();
        for (_, run) in wakes.iter().filter(|(at, _)| *at <= now).copied() {
            self.soon(Some(who), move |world| world.ticks(who, run));
        }
        if let Some((next, _)) = wakes.iter().find(|(at, _)| *at > now) {
            self.wake_later(who, Loop::Advance, next.since(now).min(PERIOD));
        }
    }

    fn ticks(&mut self, who: Who, run: RunId) {
        self.commit(who, vec![Act::new(run, Event::Ticked)], Vec::new(), move |world, said| {
            let Said::Committed(decided) = said else { return };
            let idle = decided.get(&run).is_none_or(|said| said.as_ref().is_ok_and(|said| said.changes.is_empty()));
            if idle && world.reads() {
                // Nothing was due: the column learns the true time.
                let Some(state) = world.laws.truth.get(&run) else { return };
                if let Some(record) = world.db.runs.get_mut(&run) {
                    record.row.wake_at = wake_at(state);
                }
            }
        });
    }

    fn beats(&mut self, who: Who) {
        let before = self.now;
        self.soon(Some(who), move |world| {
            let call = world.query();
            if call != Call::Failed {
                let (me, now) = (world.replica(who).me, world.now);
                world.db.replicas.insert(me, now);
            }
            if call == Call::Fine {
                world.replica(who).heard = Some(before);
                world.soon(Some(who), move |world| world.takes_over(who));
                world.soon(Some(who), move |world| world.sweeps(who));
            }
            world.after(Some(who), BEAT, move |world| world.beats(who));
        });
    }

    fn takes_over(&mut self, who: Who) {
        if !self.reads() {
            return;
        }
        let (me, silent) = (self.replica(who).me, self.now.minus(LEASE));
        self.db.replicas.retain(|replica, beat| *replica == me || *beat >= silent);
        let alive = &self.db.replicas;
        let orphan = |row: &&AttemptRow| row.owner.is_some_and(|owner| alive.get(&owner).is_none_or(|at| *at < silent));
        let orphans: Vec<AttemptRow> = self.db.attempts.values().filter(orphan).cloned().collect();
        for row in orphans {
            self.soon(Some(who), move |world| world.takes(who, row));
        }
    }

    fn takes(&mut self, who: Who, row: AttemptRow) {
        let (call, me) = (self.query(), self.replica(who).me);
        let owner = self.db.owner(&row.id);
        if call == Call::Failed || !self.db.take_over(&row.id, row.epoch, me) {
            return;
        }
        self.laws.touched(&row.id, row.owner, owner);
        self.figures.takeovers += 1;
        self.tell(|| format!("replica {} takes {} over", who.replica, row.id));
        if call == Call::FailedDone {
            return;
        }
        if row.state == "claimed" {
            self.send(who, row.id.clone(), true);
            self.after(Some(who), LEASE, move |world| world.cancels_strays(who, &row.id));
        }
        self.wake(who, Loop::Watch);
    }
}

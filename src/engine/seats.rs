//! Holds and places at gates: why a run may not start steps, and what it asks for so that it may.
//!
//! *Invariant:* the run's clock stands still exactly while a hold stands.
//! *Invariant:* gates are asked in the order group, limits, environments, and a later one is never held while an
//! earlier one is asked for; so no circle can form between runs.

use super::apply::{Draft, Rejected};
use super::change::Change;
use super::effect::Effect;
use super::state::{GateKey, GateKind, Hold, HoldKind, RunClock, SeatState};
use super::step::{StepPhase, WaitFor};
use crate::time::micros;

impl Draft<'_> {
    pub(super) fn held(&mut self, hold: &Hold) -> Result<(), Rejected> {
        self.must_be_open()?;
        if self.state.holds.contains_key(&hold.kind) {
            return Err(Rejected::HeldAlready);
        }
        self.put_hold(hold.clone());
        Ok(())
    }

    pub(super) fn released(&mut self, kind: HoldKind) -> Result<(), Rejected> {
        self.must_be_open()?;
        if kind == HoldKind::Queue || !self.state.holds.contains_key(&kind) {
            return Err(Rejected::NotHeld);
        }
        self.take_hold(kind);
        Ok(())
    }

    pub(super) fn put_hold(&mut self, hold: Hold) {
        let first = !self.state.is_held();
        self.change(Change::HoldPut(hold));
        if first {
            self.change(Change::Clock(RunClock { stopped_since: Some(self.at), ..self.state.clock }));
            self.hold_queued(true);
        }
    }

    pub(super) fn take_hold(&mut self, kind: HoldKind) {
        self.change(Change::HoldTaken(kind));
        if self.state.is_held() {
            return;
        }
        let clock = self.state.clock;
        let stood = clock.stopped_since.map_or(0, |since| u64::try_from(micros(self.at.since(since))).unwrap_or(0));
        let stopped_micros = clock.stopped_micros.saturating_add(stood);
        self.change(Change::Clock(RunClock { stopped_since: None, stopped_micros, ..clock }));
        self.hold_queued(false);
    }

    /// Marks the rows of queued attempts, so that a claim that races with the hold loses.
    fn hold_queued(&mut self, held: bool) {
        if self.state.index.counts.queued > 0 {
            self.effects.push(Effect::Hold(held));
        }
    }

    pub(super) fn granted(&mut self, gate: &GateKey) -> Result<(), Rejected> {
        self.must_be_open()?;
        let asked = |seat: &super::state::Seat| seat.gate == *gate && seat.state == SeatState::Asked;
        let Some(at) = self.state.seats.iter().position(asked) else { return Err(Rejected::NotAsked) };
        let kind = self.state.seats[at].kind;
        self.set_seat(at, SeatState::Held);
        if kind == GateKind::Environment {
            self.environment_turns(at);
        }
        Ok(())
    }

    fn set_seat(&mut self, at: usize, state: SeatState) {
        self.change(Change::Seat { seat: number(at), state });
    }

    fn ask(&mut self, at: usize) {
        self.effects.push(Effect::Ask { seat: number(at) });
        self.set_seat(at, SeatState::Asked);
    }

    fn give(&mut self, at: usize) {
        if self.state.seats[at].state != SeatState::Idle {
            self.effects.push(Effect::Give { seat: number(at) });
            self.set_seat(at, SeatState::Idle);
        }
    }

    pub(super) fn give_all(&mut self) {
        for at in (0..self.state.seats.len()).rev() {
            self.give(at);
        }
    }

    pub(super) fn give_group(&mut self) {
        for at in 0..self.state.seats.len() {
            if self.state.seats[at].kind == GateKind::Group {
                self.give(at);
            }
        }
    }

    /// Asks for the group and the limits as far as the run has use for them, gives limits back while it only waits
    /// for people, and holds the run while it waits in a queue.
    pub(super) fn take_seats(&mut self) {
        let blocked = self.state.holds.keys().any(|kind| *kind != HoldKind::Queue);
        let index = &self.state.index;
        let works = !index.live.is_empty()
            || self.state.seats.iter().any(|s| s.kind == GateKind::Environment && s.state == SeatState::Held);
        let wants = works
            || !blocked && (!index.turn.is_empty() || index.backing_off > 0 || !index.environment_wanted.is_empty());
        let mut queued = false;
        for at in 0..self.state.seats.len() {
            let seat = &self.state.seats[at];
            match (seat.kind, seat.state) {
                (GateKind::Environment, _) => {}
                (_, SeatState::Held) if wants || seat.kind == GateKind::Group => {}
                (GateKind::Group, SeatState::Idle) => self.ask(at),
                (GateKind::Limit, SeatState::Idle) if wants && !queued => self.ask(at),
                (GateKind::Limit, _) if !wants => self.give(at),
                (GateKind::Group | GateKind::Limit, _) => {}
            }
            let seat = &self.state.seats[at];
            let needed = seat.kind == GateKind::Group || seat.kind == GateKind::Limit && wants;
            queued |= needed && seat.state != SeatState::Held;
        }
        let queued = queued && !blocked;
        match (queued, self.state.holds.contains_key(&HoldKind::Queue)) {
            (true, false) => {
                let why = "waits in a queue".to_owned();
                self.put_hold(Hold { kind: HoldKind::Queue, by: None, why, since: self.at });
            }
            (false, true) => self.take_hold(HoldKind::Queue),
            (true, true) | (false, false) => {}
        }
    }

    /// Whether the run has a place at each run-level gate.
    pub(super) fn has_seats(&self) -> bool {
        self.state.seats.iter().all(|s| s.kind == GateKind::Environment || s.state == SeatState::Held)
    }

    /// Whether a step may work on this environment now. If not, it has been asked for.
    pub(super) fn has_environment(&mut self, environment: &str) -> bool {
        let Some(&seat) = self.state.index.environment_seats.get(environment) else { return true };
        match self.state.seats[seat as usize].state {
            SeatState::Held => true,
            SeatState::Asked => false,
            SeatState::Idle => {
                self.ask(seat as usize);
                false
            }
        }
    }

    /// Steps that waited for an environment wait for their turn now.
    fn environment_turns(&mut self, at: usize) {
        let name = super::index::environment_of(&self.state.seats[at].gate.0).to_owned();
        let wanted = self.state.index.environment_wanted.get(&name).cloned().unwrap_or_default();
        for ix in wanted {
            if self.state.steps[ix as usize].phase == StepPhase::Waiting(WaitFor::Gate) {
                self.set_step(ix, StepPhase::Waiting(WaitFor::Turn));
            }
        }
    }

    /// Gives environments back on which nothing works: nobody wants them, or the run is held.
    pub(super) fn give_environments(&mut self) {
        for at in 0..self.state.seats.len() {
            let seat = &self.state.seats[at];
            if seat.kind != GateKind::Environment || seat.state == SeatState::Idle {
                continue;
            }
            let name = super::index::environment_of(&seat.gate.0);
            let busy = self.state.index.environments.contains_key(name);
            let wanted = self.state.index.environment_wanted.contains_key(name);
            if !busy && (!wanted || self.state.is_held()) {
                self.give(at);
                self.environment_turns(at);
            }
        }
    }
}

fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

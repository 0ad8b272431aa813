//! Gates and slots: who gets in. The counterpart of `loops::{admit, dispatch, tickets}`, over the same rule.

use std::collections::BTreeSet;

use super::database::{is_free, stands};
use super::replica::{LEASE, Said};
use super::world::{Call, Who, World};
use crate::engine::Event;
use crate::engine::gate::{Claim, Gate, Verdict, admit};
use crate::engine::state::SeatState;
use crate::ids::{AgentName, AttemptId, RunId};
use crate::loops::admit::{act, group_rule, waiting};
use crate::loops::rows::SERVICE_GATE;
use crate::loops::runs::Act;
use crate::loops::tickets::{slots, used};
use crate::store::{AttemptRow, Consumed, GateId, TicketRow, WaitRow};
use crate::time::Timestamp;
use crate::wake::Loop;
use crate::workflow::plan::OnConflict;

/// Runs of the whole service at once.
pub(super) const RUNS_MAX: u32 = 4;
/// Attempts of one agent at once, where there is a limit.
pub(super) const SLOTS_MAX: u32 = 2;

impl World {
    pub(super) fn admits(&mut self, who: Who) {
        let gates: BTreeSet<GateId> = self.db.waits.keys().map(|(gate, _)| gate.clone()).collect();
        for gate in gates {
            self.soon(Some(who), move |world| world.looks_at_gate(who, &gate));
        }
    }

    fn looks_at_gate(&mut self, who: Who, gate: &GateId) {
        if !self.reads() {
            return;
        }
        let version = self.db.gates.get(gate).copied().unwrap_or(0);
        let holders: BTreeSet<RunId> = self.tickets_of(gate).map(|ticket| ticket.run).collect();
        let waits: Vec<WaitRow> =
            self.db.waits.iter().filter(|((g, _), _)| g == gate).map(|(_, row)| row.clone()).collect();
        let waits: Vec<WaitRow> = waits.into_iter().filter(|wait| !holders.contains(&wait.run)).collect();
        let service = gate.name.starts_with(SERVICE_GATE);
        let rule = if service {
            Gate { limit: RUNS_MAX, on_conflict: OnConflict::Queue }
        } else {
            let newest = waits.iter().max_by_key(|wait| (wait.source_at, wait.run));
            let Some(state) = newest.and_then(|wait| self.laws.truth.get(&wait.run)) else { return };
            group_rule(state)
        };
        let held = |run: &RunId| {
            let source = self.db.runs.get(run).map(|record| (record.row.repo.0, record.row.source_at));
            let (repository, since) = source.unwrap_or_default();
            Claim { holder: *run, installation: run.installation, repository, priority: 0, since }
        };
        let held: Vec<_> = holders.iter().map(held).collect();
        let asked: Vec<_> = waits.iter().map(waiting).collect();
        let verdicts = admit(&rule, &held, &asked);
        let gate = gate.clone();
        if service {
            return self.soon(Some(who), move |world| world.grants(who, gate, version, &verdicts));
        }
        let acts: Vec<Act> = verdicts.iter().filter_map(|verdict| act(&gate, verdict, true)).collect();
        if !acts.is_empty() {
            let consumed = vec![Consumed::Gate { gate, version }];
            self.commit(who, acts, consumed, move |world, said| {
                if matches!(said, Said::Lost(_)) {
                    world.wake(who, Loop::Admit);
                }
            });
        }
    }

    /// Places of the whole service: the tickets together, then each run its event.
    fn grants(&mut self, who: Who, gate: GateId, version: u64, granted: &[Verdict<RunId>]) {
        let granted_at = self.clock(who);
        let granted = granted.iter().filter_map(|verdict| match verdict {
            Verdict::Grant(run) => Some((*run, act(&gate, verdict, false)?)),
            _ => None,
        });
        let ticket = |run: RunId| TicketRow { gate: gate.clone(), holder: run.to_string(), run, granted_at };
        let granted: Vec<(TicketRow, Act)> = granted.map(|(run, act)| (ticket(run), act)).collect();
        if granted.is_empty() {
            return;
        }
        if !self.takes_tickets(who, &gate, version, granted.iter().map(|(ticket, _)| ticket.clone()).collect()) {
            return;
        }
        for (ticket, act) in granted {
            let consumed = vec![used(&ticket)];
            self.soon(Some(who), move |world| {
                world.commit(who, vec![act], consumed, move |world, said| match said {
                    Said::Committed(decided) if decided.get(&ticket.run).is_some_and(Result::is_ok) => {}
                    Said::Committed(_) | Said::Lost(_) => world.drops_ticket(&ticket),
                    Said::Error => {}
                });
            });
        }
    }

    /// True when the tickets are taken, and it is known.
    fn takes_tickets(&mut self, who: Who, gate: &GateId, version: u64, tickets: Vec<TicketRow>) -> bool {
        let holders: Vec<String> = tickets.iter().map(|ticket| ticket.holder.clone()).collect();
        let call = self.query();
        if call == Call::Failed || !self.db.take_tickets(gate, tickets, version) {
            return false;
        }
        self.tell(|| format!("replica {} takes tickets {version} of {holders:?} at {}", who.replica, gate.name));
        self.laws.limits(&self.db);
        call != Call::FailedDone
    }

    fn drops_ticket(&mut self, ticket: &TicketRow) {
        if self.query() != Call::Failed && stands(&self.db, ticket) {
            self.tell(|| format!("the ticket of {} at {} is dropped", ticket.holder, ticket.gate.name));
            self.db.tickets.remove(&(ticket.gate.clone(), ticket.holder.clone()));
        }
    }

    fn tickets_of<'a>(&'a self, gate: &'a GateId) -> impl Iterator<Item = &'a TicketRow> {
        self.db.tickets.values().filter(move |ticket| ticket.gate == *gate)
    }

    /// Claims for every agent what it has room for.
    pub(super) fn dispatches(&mut self, who: Who) {
        let now = self.clock(who);
        let due = |row: &&AttemptRow| is_free(row) && row.due_at <= now;
        let agents: BTreeSet<AgentName> = self.db.attempts.values().filter(due).map(|row| row.agent.clone()).collect();
        if self.is_fenced(who) {
            return;
        }
        for agent in agents {
            let queued: Vec<AttemptRow> =
                self.db.attempts.values().filter(due).filter(|row| row.agent == agent).cloned().collect();
            let gate = slots(&agent);
            let version = self.db.gates.get(&gate).copied().unwrap_or(0);
            let slot = |holder: String, run: RunId, since: Timestamp| Claim {
                holder,
                installation: run.installation,
                repository: 0,
                priority: 0,
                since,
            };
            let held: Vec<_> = self.tickets_of(&gate).map(|t| slot(t.holder.clone(), t.run, t.granted_at)).collect();
            let has: BTreeSet<&str> = held.iter().map(|claim| claim.holder.as_str()).collect();
            let asked = queued.iter().map(|row| slot(row.id.to_string(), row.id.run, row.due_at));
            let asked: Vec<_> = asked.filter(|claim| !has.contains(claim.holder.as_str())).collect();
            let verdicts = admit(&Gate { limit: SLOTS_MAX, on_conflict: OnConflict::Queue }, &held, &asked);
            let granted = |verdict: Verdict<String>| match verdict {
                Verdict::Grant(holder) => queued.iter().find(|row| row.id.to_string() == holder).cloned(),
                _ => None,
            };
            let granted = verdicts.into_iter().filter_map(granted).collect();
            self.soon(Some(who), move |world| world.claims(who, &gate, version, granted));
        }
    }

    /// The tickets together, then each attempt its claim.
    fn claims(&mut self, who: Who, gate: &GateId, version: u64, granted: Vec<AttemptRow>) {
        let granted_at = self.clock(who);
        let ticket = |row: &AttemptRow| TicketRow {
            gate: gate.clone(),
            holder: row.id.to_string(),
            run: row.id.run,
            granted_at,
        };
        let granted: Vec<(TicketRow, AttemptRow)> = granted.into_iter().map(|row| (ticket(&row), row)).collect();
        if granted.is_empty() {
            return;
        }
        if !self.takes_tickets(who, gate, version, granted.iter().map(|(ticket, _)| ticket.clone()).collect()) {
            return self.wake(who, Loop::Dispatch);
        }
        for (ticket, row) in granted {
            self.soon(Some(who), move |world| {
                let AttemptId { run, step, number } = row.id.clone();
                let mut act = Act::new(run, Event::AttemptStarted { step, number });
                act.claim = Some((row.id.clone(), [0; 32]));
                let consumed = vec![Consumed::Attempt { id: row.id, epoch: row.epoch }, used(&ticket)];
                world.commit(who, vec![act], consumed, move |world, said| match said {
                    Said::Committed(decided) if decided.get(&run).is_some_and(Result::is_ok) => {}
                    Said::Committed(_) | Said::Lost(_) => world.drops_ticket(&ticket),
                    Said::Error => {}
                });
            });
        }
    }

    /// Looks through the old tickets of the whole service.
    pub(super) fn sweeps(&mut self, who: Who) {
        if !self.reads() {
            return;
        }
        let before = self.now.minus(LEASE);
        let old = |ticket: &&TicketRow| ticket.gate.scope.0 == 0 && ticket.granted_at < before;
        let old: Vec<TicketRow> = self.db.tickets.values().filter(old).cloned().collect();
        for ticket in old {
            self.soon(Some(who), move |world| world.sweeps_one(who, ticket));
        }
    }

    fn sweeps_one(&mut self, who: Who, mut ticket: TicketRow) {
        let call = self.query();
        if call == Call::Failed || !stands(&self.db, &ticket) {
            return;
        }
        ticket.granted_at = self.now;
        self.db.tickets.insert((ticket.gate.clone(), ticket.holder.clone()), ticket.clone());
        if call == Call::FailedDone {
            return;
        }
        self.soon(Some(who), move |world| {
            let held = match ticket.gate.name.starts_with(SERVICE_GATE) {
                true => world.laws.truth.get(&ticket.run).is_some_and(|state| {
                    state.seats.iter().any(|seat| seat.gate.0 == ticket.gate.name && seat.state == SeatState::Held)
                }),
                false => {
                    let works = |row: &AttemptRow| row.owner.is_some() && row.id.to_string() == ticket.holder;
                    world.db.attempts.values().any(works)
                }
            };
            if !held {
                world.soon(Some(who), move |world| world.drops_ticket(&ticket));
            }
        });
    }
}

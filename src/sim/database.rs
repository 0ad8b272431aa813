//! A small database with weak rules: READ COMMITTED, and transactions whose fate is open until somebody meets them.
//!
//! It does what `store::queries::{guard, door, attempts, gates}` say in SQL; the tests of the store hold those two
//! together. A transaction that lost its connection *lingers*: its locks stand, readers do not see it, and whoever
//! wants the same rows waits until it has ended, one way or the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ids::{AttemptId, InstallationId, RunId};
use crate::store::{
    AttemptRow, AttemptWrite, Batch, Bundle, Claim, Consumed, GateId, GateWrite, Incarnation, Readback, RunWrite, Seen,
    Ticket, TicketRow, Transition, WaitRow,
};
use crate::time::Timestamp;
use crate::workflow::plan::Plan;

/// A row of a journal.
pub(super) struct Line {
    pub(super) ticket: Ticket,
    pub(super) at: Timestamp,
    pub(super) body: Vec<u8>,
}

/// A run with its journal and its newest checkpoint.
pub(super) struct Record {
    pub(super) row: RunWrite,
    pub(super) journal: Vec<Line>,
    pub(super) saved: Option<(u64, Vec<u8>)>,
}

/// Bundles with the tickets under which they were written.
pub(super) type Written = Vec<(Ticket, Arc<Bundle>)>;

/// What a transaction came to.
pub(super) enum Wrote {
    /// All of it but the losers.
    Done { losers: Vec<(Ticket, Vec<Claim>)>, written: Written },
    /// A key exists already.
    Duplicate,
}

#[derive(Default)]
pub(super) struct Database {
    pub(super) plans: BTreeMap<RunId, Arc<Plan>>,
    pub(super) runs: BTreeMap<RunId, Record>,
    pub(super) attempts: BTreeMap<AttemptId, AttemptRow>,
    pub(super) gates: BTreeMap<GateId, u64>,
    pub(super) tickets: BTreeMap<(GateId, String), TicketRow>,
    pub(super) waits: BTreeMap<(GateId, String), WaitRow>,
    pub(super) keys: BTreeSet<(InstallationId, String)>,
    pub(super) replicas: BTreeMap<Incarnation, Timestamp>,
    lingering: Vec<Batch>,
}

impl Database {
    /// A transaction of the door: guard, write, commit.
    pub(super) fn write(&mut self, batch: &Batch) -> Wrote {
        let seen = self.guard(batch);
        let lost = |bundle: &Bundle| seen.lost(&bundle.claims());
        let (winners, losers): (Written, Written) =
            batch.bundles.iter().cloned().partition(|(_, bundle)| lost(bundle).is_empty());
        if winners.iter().any(|(_, bundle)| self.collides(bundle)) {
            return Wrote::Duplicate;
        }
        for (ticket, bundle) in &winners {
            self.put(*ticket, bundle);
        }
        let losers = losers.into_iter().map(|(ticket, bundle)| (ticket, lost(&bundle))).collect();
        Wrote::Done { losers, written: winners }
    }

    /// Its connection is gone; how it ends is open.
    pub(super) fn linger(&mut self, batch: Batch) {
        self.lingering.push(batch);
    }

    /// Transactions that stand in the way of a batch end now, and so do others in their time.
    pub(super) fn end_lingering(&mut self, before: Option<&Batch>, mut lands: impl FnMut() -> bool) -> Written {
        let wanted: BTreeSet<Claim> = before.map(claims).unwrap_or_default();
        let meets = |batch: &Batch| before.is_none() || claims(batch).iter().any(|claim| wanted.contains(claim));
        let (ending, left): (Vec<Batch>, Vec<Batch>) =
            std::mem::take(&mut self.lingering).into_iter().partition(|batch| meets(batch));
        self.lingering = left;
        let mut landed = Written::new();
        for batch in ending.into_iter().filter(|_| lands()) {
            if let Wrote::Done { written, .. } = self.write(&batch) {
                landed.extend(written);
            }
        }
        landed
    }

    pub(super) fn read_back(&self, batch: &Batch) -> Vec<(Ticket, Readback)> {
        let seen = self.guard(batch);
        let one = |(ticket, bundle): &(Ticket, Arc<Bundle>)| {
            let Some(first) = bundle.transitions.first() else {
                let same = seen.lost(&bundle.claims()).is_empty();
                return (*ticket, if same { Readback::Nothing } else { Readback::Anothers });
            };
            let place = usize::try_from(first.expect_seq).unwrap_or(usize::MAX);
            let stands = self.runs.get(&first.run).and_then(|record| record.journal.get(place));
            let answer = match stands {
                Some(line) if line.ticket == *ticket => Readback::Ours,
                Some(_) => Readback::Anothers,
                None => Readback::Nothing,
            };
            (*ticket, answer)
        };
        batch.bundles.iter().map(one).collect()
    }

    fn guard(&self, batch: &Batch) -> Seen {
        let mut seen = Seen::default();
        for claim in claims(batch) {
            let version = match &claim {
                Claim::Gate(gate) => self.gates.get(gate).copied(),
                Claim::Run(run) => self.runs.get(run).map(|record| record.journal.len() as u64),
                Claim::Attempt(id) => self.attempts.get(id).filter(|row| is_free(row)).map(|row| row.epoch),
                Claim::Ticket(gate, holder) => {
                    let ticket = self.tickets.get(&(gate.clone(), holder.clone()));
                    ticket.and_then(|ticket| u64::try_from(ticket.granted_at.0).ok())
                }
                Claim::Key(installation, name) => self.keys.contains(&(*installation, name.clone())).then_some(1),
                // Nobody here writes these.
                Claim::Delivery(..) | Claim::Head(..) | Claim::Hold(..) => None,
            };
            if let Some(version) = version {
                seen.versions.insert(claim, version);
            }
        }
        seen
    }

    /// Whether a unique key stands in the way.
    fn collides(&self, bundle: &Bundle) -> bool {
        bundle.transitions.iter().any(|transition| {
            let gives = |gate: &GateId, holder: &String| {
                transition.gates.iter().any(
                    |write| matches!(write, GateWrite::TicketDelete { gate: g, holder: h } if g == gate && h == holder),
                )
            };
            let ticket = transition.gates.iter().any(|write| match write {
                GateWrite::TicketInsert { gate, holder, .. } => {
                    self.tickets.contains_key(&(gate.clone(), holder.clone())) && !gives(gate, holder)
                }
                _ => false,
            });
            let attempt = transition.attempts.iter().any(|write| match write {
                AttemptWrite::Insert(insert) => self.attempts.contains_key(&AttemptId {
                    run: transition.run,
                    step: insert.step.clone(),
                    number: insert.number,
                }),
                _ => false,
            });
            ticket || attempt
        })
    }

    fn put(&mut self, ticket: Ticket, bundle: &Bundle) {
        for consumed in &bundle.consumed {
            match consumed {
                Consumed::Gate { gate, .. } => *self.gates.entry(gate.clone()).or_default() += 1,
                Consumed::Key { installation, name, .. } => drop(self.keys.insert((*installation, name.clone()))),
                Consumed::Attempt { .. }
                | Consumed::Ticket { .. }
                | Consumed::Delivery { .. }
                | Consumed::Hold { .. } => {}
            }
        }
        for transition in &bundle.transitions {
            let line = Line { ticket, at: transition.event.at, body: transition.event.body.clone() };
            let row = transition.row.clone();
            match self.runs.get_mut(&transition.run) {
                Some(record) => {
                    record.journal.push(line);
                    record.row = row;
                }
                None => drop(self.runs.insert(transition.run, Record { row, journal: vec![line], saved: None })),
            }
            self.put_gates(transition);
            self.put_attempts(transition);
        }
    }

    fn put_gates(&mut self, transition: &Transition) {
        let run = transition.run;
        let at = transition.event.at;
        let gives = |write: &&GateWrite| !matches!(write, GateWrite::TicketInsert { .. } | GateWrite::Wait { .. });
        let (gives, takes): (Vec<_>, Vec<_>) = transition.gates.iter().partition(gives);
        for write in gives.into_iter().chain(takes) {
            match write.clone() {
                GateWrite::Leave => {
                    self.waits.retain(|_, wait| wait.run != run);
                    self.tickets.retain(|_, ticket| ticket.run != run);
                }
                GateWrite::DropWait { gate, holder } => drop(self.waits.remove(&(gate, holder))),
                GateWrite::TicketDelete { gate, holder } => drop(self.tickets.remove(&(gate, holder))),
                GateWrite::TicketInsert { gate, holder, .. } => {
                    let row = TicketRow { gate: gate.clone(), holder: holder.clone(), run, granted_at: at };
                    self.tickets.insert((gate, holder), row);
                }
                GateWrite::Wait { gate, holder, priority, source_at } => {
                    let repo = transition.row.repo;
                    let row = WaitRow { run, holder: holder.clone(), repo, priority, asked_at: at, source_at };
                    self.waits.insert((gate, holder), row);
                }
            }
        }
    }

    fn put_attempts(&mut self, transition: &Transition) {
        let run = transition.run;
        let id = |step: &crate::ids::StepKey, number: u32| AttemptId { run, step: step.clone(), number };
        for write in &transition.attempts {
            match write {
                AttemptWrite::StopAll => {
                    self.attempts.retain(|id, row| id.run != run || row.state != "queued");
                    self.of_run_mut(run).for_each(|row| row.stop = true);
                }
                AttemptWrite::Claim { step, number, owner, .. } => {
                    if let Some(row) = self.attempts.get_mut(&id(step, *number)) {
                        (row.state, row.epoch, row.owner) = ("claimed".to_owned(), row.epoch + 1, Some(*owner));
                    }
                }
                AttemptWrite::Stop { step, number } => {
                    self.attempts.entry(id(step, *number)).and_modify(|row| row.stop = true);
                }
                AttemptWrite::Delete { step, number } => drop(self.attempts.remove(&id(step, *number))),
                AttemptWrite::Insert(insert) => {
                    let id = id(&insert.step, insert.number);
                    let owner = insert.claimed.map(|(owner, _)| owner);
                    let state = if owner.is_some() { "claimed" } else { "queued" }.to_owned();
                    let row = AttemptRow {
                        id: id.clone(),
                        agent: insert.agent.clone(),
                        state,
                        epoch: 1,
                        owner,
                        due_at: insert.due_at,
                        held: insert.held,
                        stop: false,
                        task: None,
                        endpoint: None,
                        created_at: transition.event.at,
                    };
                    self.attempts.insert(id, row);
                }
            }
        }
        if let Some(held) = transition.hold_attempts {
            self.of_run_mut(run).filter(|row| row.state == "queued").for_each(|row| row.held = held);
        }
    }

    pub(super) fn of_run(&self, run: RunId) -> impl Iterator<Item = &AttemptRow> {
        self.attempts.values().filter(move |row| row.id.run == run)
    }

    fn of_run_mut(&mut self, run: RunId) -> impl Iterator<Item = &mut AttemptRow> {
        self.attempts.values_mut().filter(move |row| row.id.run == run)
    }

    /// Whose attempt it is now.
    pub(super) fn owner(&self, id: &AttemptId) -> Option<Incarnation> {
        self.attempts.get(id)?.owner
    }

    /// Records that an agent took an attempt; false: fenced.
    pub(super) fn sent(&mut self, id: &AttemptId, epoch: u64, task: &str) -> bool {
        let Some(row) = self.attempts.get_mut(id).filter(|row| row.epoch == epoch) else { return false };
        (row.state, row.task) = ("sent".to_owned(), Some(task.to_owned()));
        true
    }

    /// Takes an attempt over; false: another was faster.
    pub(super) fn take_over(&mut self, id: &AttemptId, epoch: u64, owner: Incarnation) -> bool {
        let Some(row) = self.attempts.get_mut(id).filter(|row| row.epoch == epoch) else { return false };
        (row.epoch, row.owner) = (epoch + 1, Some(owner));
        true
    }

    /// Takes a ticket of the whole service, if the gate is as it was read.
    pub(super) fn take_tickets(&mut self, gate: &GateId, tickets: Vec<TicketRow>, version: u64) -> bool {
        let key = |ticket: &TicketRow| (ticket.gate.clone(), ticket.holder.clone());
        let stands = self.gates.get(gate).copied().unwrap_or(0);
        if stands != version || tickets.iter().any(|ticket| self.tickets.contains_key(&key(ticket))) {
            return false;
        }
        self.gates.insert(gate.clone(), version + 1);
        self.tickets.extend(tickets.into_iter().map(|ticket| (key(&ticket), ticket)));
        true
    }
}

/// Whether a ticket stands as it was read.
pub(super) fn stands(db: &Database, ticket: &TicketRow) -> bool {
    db.tickets.get(&(ticket.gate.clone(), ticket.holder.clone())) == Some(ticket)
}

/// A queued attempt that may be claimed.
pub(super) fn is_free(row: &AttemptRow) -> bool {
    row.state == "queued" && !row.held && !row.stop
}

fn claims(batch: &Batch) -> BTreeSet<Claim> {
    batch.bundles.iter().flat_map(|(_, bundle)| bundle.claims().into_keys()).collect()
}

//! What must hold, whatever happens. Told of every write, it keeps each run folded from what was written, and of what
//! was said to whom.

use std::collections::{BTreeMap, BTreeSet};

use super::database::Database;
use super::gates::{RUNS_MAX, SLOTS_MAX};
use crate::engine::state::{RunOutcome, RunPhase, SeatState};
use crate::engine::step::StepPhase;
use crate::engine::{Event, RunState, encode, next_timer};
use crate::ids::{AttemptId, Login, RunId};
use crate::loops::rows::{SERVICE_GATE, gate_id, phase_word};
use crate::store::{AttemptRow, Bundle, Consumed, GateId, Incarnation, Ticket, Transition, Verdict};

#[derive(Default)]
pub(super) struct Laws {
    /// Every run as its journal has it.
    pub(super) truth: BTreeMap<RunId, RunState>,
    /// The first law that was broken.
    pub(super) broken: Option<String>,
    /// What was written; and whether a journal names it.
    written: BTreeMap<Ticket, bool>,
    ended: BTreeSet<AttemptId>,
    keys: BTreeSet<String>,
    deeds: BTreeSet<(RunId, Login)>,
}

impl Laws {
    pub(super) fn blame(&mut self, why: impl FnOnce() -> String) {
        self.broken.get_or_insert_with(why);
    }

    fn law(&mut self, holds: bool, why: impl FnOnce() -> String) {
        if !holds {
            self.blame(why);
        }
    }

    /// A bundle was written.
    pub(super) fn wrote(&mut self, db: &Database, ticket: Ticket, bundle: &Bundle) {
        let fresh = self.written.insert(ticket, !bundle.transitions.is_empty()).is_none();
        // One that only compares may do it as often as it likes.
        let compares = |consumed: &Consumed| matches!(consumed, Consumed::Ticket { .. } | Consumed::Attempt { .. });
        let writes = !bundle.transitions.is_empty() || !bundle.consumed.iter().all(compares);
        self.law(fresh || !writes, || format!("a bundle was written twice: {ticket:?}"));
        for consumed in &bundle.consumed {
            if let Consumed::Key { name, .. } = consumed {
                let fresh = self.keys.insert(name.clone());
                self.law(fresh, || format!("{name} was obeyed twice"));
            }
        }
        for transition in &bundle.transitions {
            self.moved(db, transition);
        }
    }

    /// A replica wrote into the row of an attempt, or took it over: it was whose the replica thought it was.
    pub(super) fn touched(&mut self, attempt: &AttemptId, thought: Option<Incarnation>, was: Option<Incarnation>) {
        self.law(thought == was, || format!("{attempt} was touched for {thought:?} when it was {was:?}'s"));
    }

    /// A run moved: by the rules, and as the journal says.
    fn moved(&mut self, db: &Database, transition: &Transition) {
        let id = transition.run;
        let row = match encode::read_row(&transition.event.body) {
            Ok(row) => row,
            Err(error) => return self.blame(|| format!("{id}: a row that cannot be read: {error}")),
        };
        let Some(plan) = db.plans.get(&id) else { return self.blame(|| format!("{id} has no plan")) };
        let before = self.truth.remove(&id).unwrap_or_else(|| RunState::unborn(id, plan.clone()));
        self.law(before.seq == transition.expect_seq, || format!("{id}: written over another's transition"));
        self.law(before.phase != RunPhase::Ended(RunOutcome::Superseded), || {
            format!("{id} moved after it was superseded")
        });
        if let Event::AttemptEnded { step, number, .. } = &row.event {
            let attempt = AttemptId { run: id, step: step.clone(), number: *number };
            let fresh = self.ended.insert(attempt.clone());
            self.law(fresh, || format!("{attempt} ended twice"));
        }
        if let Some(by) = row.event.actor() {
            let fresh = self.deeds.insert((id, by.clone()));
            self.law(fresh, || format!("{id}: the command of {by} acted twice"));
        }
        let started = |state: &RunState| -> BTreeSet<AttemptId> {
            let live = |step: &crate::engine::step::StepState| {
                let live = step.live.as_ref().filter(|live| live.started.is_some())?;
                Some(state.attempt_id(step, live.number))
            };
            state.steps.iter().filter_map(live).collect()
        };
        let had = started(&before);
        let mut after = before;
        after.fold(transition.event.at, &row.changes);
        let new: Vec<_> = started(&after).into_iter().filter(|attempt| !had.contains(attempt)).collect();
        self.law(!after.is_held() || new.is_empty(), || format!("{new:?} started in a held run"));
        self.truth.insert(id, after);
    }

    /// The rows of a run are what its state says.
    pub(super) fn rows(&mut self, db: &Database, run: RunId) {
        if let Some(broken) = self.truth.get(&run).and_then(|state| of_rows(db, state)) {
            self.blame(|| broken);
        }
    }

    /// No limit is exceeded.
    pub(super) fn limits(&mut self, db: &Database) {
        if let Some(broken) = self.of_limits(db) {
            self.blame(|| broken);
        }
    }

    /// What a committer said is what is so.
    pub(super) fn verdict(&mut self, ticket: Ticket, verdict: &Verdict) {
        let written = self.written.get(&ticket).copied();
        let agrees = match verdict {
            Verdict::Committed => written.is_some(),
            // Without a journal row nobody can tell his own writing from another's: it counts as lost, being done.
            Verdict::Lost(_) => written != Some(true),
            Verdict::Failed(_) => written.is_none(),
            Verdict::Unknown => true,
        };
        self.law(agrees, || format!("a committer said {verdict:?}; written: {written:?}"));
    }

    /// A replica sends an attempt to an agent now.
    pub(super) fn sends(&mut self, db: &Database, attempt: &AttemptId, by: Incarnation) {
        let over = self.ended.contains(attempt);
        self.law(!over, || format!("{attempt} had ended and was sent again"));
        let owner = db.attempts.get(attempt).and_then(|row| row.owner);
        self.law(owner == Some(by), || format!("{attempt} was sent by a replica that does not own it"));
    }

    pub(super) fn all_ended(&self, db: &Database) -> bool {
        db.attempts.is_empty() && self.truth.values().all(|state| matches!(state.phase, RunPhase::Ended(_)))
    }

    /// What keeps a life from ending, in words.
    pub(super) fn unfinished(&self, db: &Database) -> String {
        let open = self.truth.values().filter(|state| !matches!(state.phase, RunPhase::Ended(_)));
        let runs: Vec<String> = open
            .map(|state| {
                let steps: Vec<_> = state.steps.iter().map(|step| format!("{} {:?}", step.key, step.phase)).collect();
                format!(
                    "{} {:?} holds {:?} seats {:?} {steps:?}",
                    state.id,
                    state.phase,
                    state.holds.keys(),
                    state.seats
                )
            })
            .collect();
        format!("{runs:#?} {:#?} {:#?}", db.attempts.values(), db.tickets.keys())
    }

    /// A long time after everything ended.
    pub(super) fn nothing_is_left(&self, db: &Database) -> Result<(), String> {
        let tickets: Vec<_> = db.tickets.keys().chain(db.waits.keys()).collect();
        if tickets.is_empty() { Ok(()) } else { Err(format!("left behind: {tickets:?}")) }
    }

    fn of_limits(&self, db: &Database) -> Option<String> {
        let mut holders: BTreeMap<&GateId, u32> = BTreeMap::new();
        for ((gate, _), ticket) in &db.tickets {
            // Whoever was superseded keeps its place while its agents stop; the newer run has its own by then.
            let stops = |state: &RunState| matches!(state.phase, RunPhase::Stopping(_));
            let leaves = gate.name.starts_with("group:") && self.truth.get(&ticket.run).is_some_and(stops);
            *holders.entry(gate).or_default() += u32::from(!leaves);
        }
        let limit = |gate: &GateId| match gate.name.split(':').next() {
            Some("group") => 1,
            Some("slot") => SLOTS_MAX,
            _ => RUNS_MAX,
        };
        let over = holders.into_iter().find(|(gate, held)| *held > limit(gate));
        over.map(|(gate, held)| format!("{held} tickets of {}", gate.name)).or_else(|| too_busy(db))
    }
}

/// Tickets are bookkeeping: what counts is who works.
fn too_busy(db: &Database) -> Option<String> {
    let works = |row: &&AttemptRow| row.owner.is_some() && row.agent.as_str() != "shell";
    let mut at_work: BTreeMap<&str, u32> = BTreeMap::new();
    for row in db.attempts.values().filter(works) {
        *at_work.entry(row.agent.as_str()).or_default() += 1;
    }
    let over = at_work.into_iter().find(|(_, count)| *count > SLOTS_MAX);
    over.map(|(agent, count)| format!("{agent} works on {count} attempts at once"))
}

fn of_rows(db: &Database, state: &RunState) -> Option<String> {
    let id = state.id;
    let row = &db.runs.get(&id)?.row;
    if row.phase != phase_word(state.phase) {
        return Some(format!("{id} is {:?}, its row says {}", state.phase, row.phase));
    }
    let timer = next_timer(state).map(|(at, _)| at);
    if timer.is_some_and(|timer| row.wake_at.is_none_or(|wake| wake > timer)) {
        return Some(format!("{id} is woken at {:?}, too late for {timer:?}", row.wake_at));
    }
    let mut rows: BTreeMap<&AttemptId, &AttemptRow> = db.of_run(id).map(|row| (&row.id, row)).collect();
    for step in &state.steps {
        let Some(attempt) = step.live.as_ref().map(|live| state.attempt_id(step, live.number)) else { continue };
        let Some(row) = rows.remove(&attempt) else { return Some(format!("{attempt} is live and has no row")) };
        let stopping = matches!(step.phase, StepPhase::Stopping(_));
        if row.stop != stopping || row.state == "queued" && row.held != state.is_held() {
            return Some(format!("{attempt} is {:?}, its row says {row:?}", step.phase));
        }
    }
    if let Some((attempt, _)) = rows.pop_first() {
        return Some(format!("{attempt} has a row and is not live"));
    }
    let wrong = state.seats.iter().find_map(|seat| {
        let gate = gate_id(id.installation, &seat.gate);
        let ticket = db.tickets.contains_key(&(gate.clone(), id.to_string()));
        // A ticket of the whole service is taken before its grant.
        let early = ticket && gate.name.starts_with(SERVICE_GATE);
        ((seat.state == SeatState::Held) != ticket && !early).then_some((seat, ticket))
    });
    wrong.map(|(seat, ticket)| format!("{id} has {:?} at {}, a ticket: {ticket}", seat.state, seat.gate.0))
}

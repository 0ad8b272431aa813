//! A run's journal, folded: what it says, whether it may say so, and whether the tables say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use pointsman::engine::state::{HoldKind, RunPhase};
use pointsman::engine::step::{StepOutcome, StepPhase, StopCause};
use pointsman::engine::{Event, RunState, encode};
use pointsman::ids::{AttemptId, RunId};
use pointsman::loops::rows::phase_word;
use pointsman::store::{EventRow, RunRow, Store};
use pointsman::time::Timestamp;

use super::world::{TIMEOUT, TRIES};

/// Rows that are read at once.
const PAGE: u32 = 200;
/// How much earlier than by the database's clock a timeout may come.
const EARLY_MAX: Duration = Duration::from_secs(1);

/// What a journal says.
pub struct Told {
    pub row: RunRow,
    /// When each attempt was started, and when its end was committed.
    pub started: BTreeMap<String, Timestamp>,
    pub ended: BTreeMap<String, Timestamp>,
    /// How late each timeout came.
    pub timeouts: Vec<Duration>,
    /// Commands that acted.
    pub obeyed: BTreeMap<&'static str, usize>,
    pub rows: usize,
    /// The promise that was broken, and how.
    pub wrong: Vec<(&'static str, String)>,
}

/// Reads it, and judges it by itself. No row may be of another time than `span`.
pub async fn read(store: &Store, id: RunId, span: (Timestamp, Timestamp)) -> Told {
    let row = store.run(id).await.unwrap().unwrap();
    let plan = store.plan(id.installation, row.plan).await.unwrap().unwrap();
    let plan = Arc::new(serde_json::from_slice(&plan).unwrap());
    let mut told = Told {
        row,
        started: BTreeMap::new(),
        ended: BTreeMap::new(),
        timeouts: Vec::new(),
        obeyed: BTreeMap::new(),
        rows: 0,
        wrong: Vec::new(),
    };
    let mut fold = Fold { state: RunState::unborn(id, plan), succeeded: BTreeSet::new(), rounds: 1, span };
    let mut after = 0;
    loop {
        let page = store.events(id, after, PAGE).await.unwrap();
        for event in &page {
            fold.step(event, &mut told);
        }
        told.rows += page.len();
        let Some(last) = page.last() else { break };
        after = last.seq;
    }
    if let Err(error) = store.verify_run(id).await {
        told.blame("P20", format!("{id}: {error}"));
    }
    fold.tables(&mut told);
    told
}

struct Fold {
    state: RunState,
    /// Steps that ended well.
    succeeded: BTreeSet<String>,
    rounds: usize,
    span: (Timestamp, Timestamp),
}

impl Fold {
    fn step(&mut self, event: &EventRow, told: &mut Told) {
        let row = encode::read_row(&event.body).unwrap();
        let (before, had) = (self.state.at, live(&self.state));
        let stopping = stopping(&self.state);
        self.state.fold(event.at, &row.changes);
        self.obeyed(&row.event, told);
        let (state, id) = (&self.state, self.state.id);
        if event.at < before || event.at < self.span.0 || event.at > self.span.1 {
            told.blame("P13", format!("{id}: row {} is of another time", event.seq));
        }
        if let Event::AttemptEnded { step, number, .. } = &row.event {
            let attempt = AttemptId { run: id, step: step.clone(), number: *number }.to_string();
            if told.ended.insert(attempt.clone(), event.at).is_some() {
                told.blame("P5", format!("{attempt} ended twice"));
            }
        }
        let now = live(state);
        for (attempt, step) in now.iter().filter(|(attempt, _)| !had.contains_key(*attempt)) {
            told.started.insert(attempt.clone(), event.at);
            if state.is_held() {
                told.blame("P9", format!("{attempt} started in a paused run"));
            }
            if matches!(state.phase, RunPhase::Stopping(_) | RunPhase::Ended(_)) {
                told.blame("P10", format!("{attempt} started in a run that stops"));
            }
            if self.succeeded.contains(step) {
                told.blame("P12", format!("{attempt} started although its step had succeeded"));
            }
        }
        for step in &state.steps {
            if step.phase == StepPhase::Ended(StepOutcome::Success) {
                self.succeeded.insert(step.key.to_string());
            }
            let started = step.live.as_ref().and_then(|live| live.started);
            if step.phase == StepPhase::Stopping(StopCause::TimedOut)
                && let Some(started) = started
                && !stopping.contains(&step.key.to_string())
            {
                let took = event.at.since(started);
                told.timeouts.push(took.saturating_sub(TIMEOUT));
                if took + EARLY_MAX < TIMEOUT {
                    told.blame("P13", format!("{id} {} timed out after {took:?}", step.key));
                }
            }
            if step.attempts as usize > TRIES * self.rounds {
                told.blame("P13", format!("{id} {} had {} attempts", step.key, step.attempts));
            }
        }
    }

    fn obeyed(&mut self, event: &Event, told: &mut Told) {
        let verb = match event {
            Event::Held(hold) if hold.kind == HoldKind::Pause && hold.by.is_some() => "/pause",
            Event::CancelRequested { by: Some(_), .. } => "/cancel",
            Event::RetryRequested { .. } => {
                self.rounds += 1;
                "/retry"
            }
            _ => return,
        };
        *told.obeyed.entry(verb).or_default() += 1;
    }

    /// The tables say what the journal says.
    fn tables(&self, told: &mut Told) {
        let (row, state) = (&told.row, &self.state);
        let phase = phase_word(state.phase);
        let ended = matches!(state.phase, RunPhase::Ended(_));
        let same = row.seq == state.seq && row.phase == phase && row.finished_at.is_some() == ended;
        if !same || row.broken.is_some() {
            let why = format!("{}: the journal says {} {phase}, its row {row:?}", state.id, state.seq);
            told.blame("P20", why);
        }
    }
}

impl Told {
    fn blame(&mut self, promise: &'static str, why: String) {
        self.wrong.push((promise, why));
    }
}

/// The attempts that agents have, with their steps.
fn live(state: &RunState) -> BTreeMap<String, String> {
    let started = state.steps.iter().filter_map(|step| {
        let live = step.live.as_ref().filter(|live| live.started.is_some())?;
        Some((state.attempt_id(step, live.number).to_string(), step.key.to_string()))
    });
    started.collect()
}

fn stopping(state: &RunState) -> BTreeSet<String> {
    let stops = state.steps.iter().filter(|step| matches!(step.phase, StepPhase::Stopping(_)));
    stops.map(|step| step.key.to_string()).collect()
}

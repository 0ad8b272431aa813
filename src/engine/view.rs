//! What people see of a run: a view that borrows the state and counts nothing twice. Pages, checks, comments and the
//! API are made from it.

use std::time::Duration;

use serde_json::Value;

use super::index::Counts;
use super::state::{Hold, HoldKind, RunPhase, RunState};
use super::step::{StepIx, StepPhase, StepState, WaitFor};
use crate::time::Timestamp;

/// A run as people see it at a moment.
#[derive(Debug, Clone, Copy)]
pub struct RunView<'a> {
    /// The run.
    pub state: &'a RunState,
    /// The moment.
    pub at: Timestamp,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Steps that are over, in hundredths of all.
    pub percent: u32,
    /// How many steps stand where.
    pub counts: Counts,
    /// When it will probably be over: what is left at the pace of what is done. Unknown before a step has ended,
    /// while the run is held and when it is over.
    pub estimated_end: Option<Timestamp>,
}

/// Which of the things that make up a step's turn holds it back now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldBackBy {
    /// The run is held, or waits in a queue.
    Hold(HoldKind),
    /// A step that must run alone runs, or this one must.
    Alone,
    /// Another step of its exclusion group runs.
    Exclusion,
    /// The run's steps, memory, CPU or disk are in use.
    Resources,
}

impl<'a> RunView<'a> {
    /// A view of a run at a moment.
    #[must_use]
    pub fn new(state: &'a RunState, at: Timestamp) -> Self {
        Self { state, at }
    }

    /// How far the run is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let counts = self.state.index.counts;
        let percent = (u64::from(counts.ended()) * 100).checked_div(counts.all().into()).unwrap_or(100);
        Progress { percent: u32::try_from(percent).unwrap_or(100), counts, estimated_end: self.estimated_end(counts) }
    }

    fn estimated_end(&self, counts: Counts) -> Option<Timestamp> {
        let open = counts.all() - counts.ended();
        if open == 0 || counts.ended() == 0 || self.state.is_held() || self.state.phase != RunPhase::Running {
            return None;
        }
        let left = self.state.run_time(self.at).checked_div(counts.ended())?.saturating_mul(open);
        Some(self.at.plus(left))
    }

    /// The steps of the plan, in declaration order, and behind each fan-out its instances of this round.
    pub fn steps(&self) -> impl Iterator<Item = StepView<'a>> + use<'a> {
        let (state, at) = (self.state, self.at);
        let planned = 0..StepIx::try_from(state.plan.steps.len()).unwrap_or(StepIx::MAX);
        planned.filter(move |&ix| (ix as usize) < state.steps.len()).flat_map(move |ix| {
            let instances = state.index.instances.get(&ix).into_iter().flatten().copied();
            std::iter::once(ix).chain(instances).map(move |ix| StepView { state, at, ix })
        })
    }

    /// One step.
    #[must_use]
    pub fn step(&self, ix: StepIx) -> Option<StepView<'a>> {
        ((ix as usize) < self.state.steps.len()).then_some(StepView { state: self.state, at: self.at, ix })
    }

    /// The hold that people should hear of first: a person's before the service's own.
    #[must_use]
    pub fn hold(&self) -> Option<&'a Hold> {
        self.state.data.holds.values().find(|hold| hold.kind != HoldKind::Queue).or(self
            .state
            .data
            .holds
            .values()
            .next())
    }

    /// How long the run has taken, holds left out.
    #[must_use]
    pub fn took(&self) -> Duration {
        let end = if let RunPhase::Ended(_) = self.state.phase { self.state.at } else { self.at };
        self.state.run_time(end)
    }
}

/// A step as people see it at a moment.
#[derive(Debug, Clone, Copy)]
pub struct StepView<'a> {
    state: &'a RunState,
    at: Timestamp,
    /// The step.
    pub ix: StepIx,
}

impl<'a> StepView<'a> {
    /// Its state.
    #[must_use]
    pub fn step(&self) -> &'a StepState {
        &self.state.data.steps[self.ix as usize]
    }

    /// Its definition.
    #[must_use]
    pub fn plan(&self) -> &'a crate::workflow::plan::Step {
        &self.state.plan.steps[self.step().plan as usize]
    }

    /// The agent that has it, had it last, or gets it first.
    #[must_use]
    pub fn agent(&self) -> &'a crate::ids::AgentName {
        let step = self.step();
        step.live_agent().unwrap_or_else(|| super::schedule::agent_of(self.plan(), step))
    }

    /// What tells an instance from its sisters, for people: `ubuntu, 18`, or its item.
    #[must_use]
    pub fn label(&self) -> Option<String> {
        let step = self.step();
        step.parent?;
        let matrix = &self.plan().matrix;
        if matrix.is_empty() {
            return step.item.as_deref().and_then(label_of);
        }
        // Each round makes all combinations in their order, and numbers go on where the last round ended.
        let (_, number) = step.key.as_str().strip_suffix(']')?.rsplit_once('[')?;
        let number: usize = number.parse().ok()?;
        matrix.get(number % matrix.len()).map(|combination| combination.title.clone())
    }

    /// Its instances of this round.
    pub fn instances(&self) -> impl Iterator<Item = StepView<'a>> + use<'a> {
        let (state, at) = (self.state, self.at);
        state.index.instances.get(&self.ix).into_iter().flatten().map(move |&ix| StepView { state, at, ix })
    }

    /// Whether it has started in this round, or ended without starting: then it has a check of its own.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        let step = self.step();
        step.started.is_some() || step.outcome().is_some()
    }

    /// How long it has been worked on, from the first start of the round, back-offs included.
    #[must_use]
    pub fn took(&self) -> Option<Duration> {
        let step = self.step();
        let end = if step.outcome().is_some() { step.since } else { self.at };
        step.started.map(|started| end.since(started))
    }

    /// For a step that waits for its turn: what holds it back.
    #[must_use]
    pub fn held_back_by(&self) -> Option<HeldBackBy> {
        if self.step().phase != StepPhase::Waiting(WaitFor::Turn) {
            return None;
        }
        let (index, plan) = (&self.state.index, self.plan());
        if let Some(hold) = self.state.data.holds.keys().next() {
            return Some(HeldBackBy::Hold(*hold));
        }
        if index.live_alone > 0 || !plan.parallel {
            return Some(HeldBackBy::Alone);
        }
        if plan.exclusion_group.as_ref().is_some_and(|group| index.exclusions.contains_key(group)) {
            return Some(HeldBackBy::Exclusion);
        }
        Some(HeldBackBy::Resources)
    }
}

/// The longest label that comes from an item.
const LABEL_CHARS_MAX: usize = 60;

/// An item in a few words: itself, or what names it.
fn label_of(item: &str) -> Option<String> {
    const NAMES: [&str; 5] = ["name", "title", "id", "path", "file"];
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    let item: Value = serde_json::from_str(item).ok()?;
    let label = text(&item).or_else(|| NAMES.iter().find_map(|name| item.get(name).and_then(text)))?;
    let line = label.lines().next().unwrap_or_default();
    let cut = line.char_indices().nth(LABEL_CHARS_MAX).map(|(at, _)| format!("{}…", &line[..at]));
    Some(cut.unwrap_or_else(|| line.to_owned())).filter(|label| !label.is_empty())
}

//! What can be looked up beside the state: derived from it, rebuilt on load, never saved.
//!
//! Every step *contributes* to the index as a function of its own state alone. A change takes the step's old
//! contribution out and puts the new one in, so an event costs what it changes and not what the run is.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::state::{GateKind, RunData};
use super::step::{Due, StepIx, StepPhase, StepState, WaitFor};
use crate::ids::StepKey;
use crate::time::{Timestamp, micros};
use crate::workflow::plan::{self, Plan, Resources};

/// The order in which steps start: the longest path first, then priority, then declaration.
pub(super) type Rank = (Reverse<i64>, Reverse<i32>, StepIx);

/// Look-ups over one run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Index {
    pub(super) by_key: BTreeMap<StepKey, StepIx>,
    /// For each step: how many of its needs have not ended.
    pub(super) open_needs: Vec<u32>,
    /// For each fan-out that has any: its instances of this round.
    pub(super) instances: BTreeMap<StepIx, BTreeSet<StepIx>>,
    /// For each fan-out: how many of those have not ended.
    pub(super) open_instances: BTreeMap<StepIx, u32>,
    /// Steps that wait for their turn.
    pub(super) turn: BTreeSet<Rank>,
    /// Phases that end by themselves, in run time.
    pub(super) run_dues: BTreeSet<(u64, StepIx)>,
    /// Phases that end by themselves, at a moment.
    pub(super) wall_dues: BTreeSet<(Timestamp, StepIx)>,
    /// Steps with a live attempt.
    pub(super) live: BTreeSet<StepIx>,
    /// Those of them that must run alone.
    pub(super) live_alone: u32,
    /// For each fan-out: its instances with a live attempt.
    pub(super) live_instances: BTreeMap<StepIx, u32>,
    /// Exclusion groups in use.
    pub(super) exclusions: BTreeMap<String, u32>,
    /// What the live steps use, as written in the file.
    pub(super) used: Resources,
    /// Steps that have not ended.
    pub(super) open: u32,
    /// Steps that will be tried again.
    pub(super) backing_off: u32,
    /// For each environment: steps that work on it or will go on to.
    pub(super) environments: BTreeMap<String, u32>,
    /// For each environment: steps that wait for it, or have it and wait for their turn.
    pub(super) environment_wanted: BTreeMap<String, BTreeSet<StepIx>>,
    /// The seat of each environment.
    pub(super) environment_seats: BTreeMap<String, u32>,
    /// Bytes of kept outputs.
    pub(super) outputs_bytes: usize,
    /// How many steps stand where.
    pub(super) counts: Counts,
}

/// How many steps stand where; instances count, fan-outs themselves do not once they have instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Waiting for needs, approval, a gate, or their turn.
    pub waiting: u32,
    /// Queued at an agent.
    pub queued: u32,
    /// Running, asking, or being stopped.
    pub running: u32,
    /// In back-off.
    pub backing_off: u32,
    /// Ended with success, neutral, or skipped.
    pub passed: u32,
    /// Ended with failure or a timeout.
    pub failed: u32,
    /// Cancelled.
    pub cancelled: u32,
}

impl Index {
    pub(super) fn build(plan: &Plan, data: &RunData) -> Self {
        let mut index = Self::default();
        index.seats(data);
        for (ix, step) in (0..).zip(&data.steps) {
            index.append(plan, ix, step);
        }
        for (ix, step) in (0..).zip(&data.steps) {
            index.enter(plan, ix, step);
        }
        index
    }

    pub(super) fn seats(&mut self, data: &RunData) {
        let environments = (0..).zip(&data.seats).filter(|(_, seat)| seat.kind == GateKind::Environment);
        self.environment_seats = environments.map(|(ix, seat)| (environment_of(&seat.gate.0).to_owned(), ix)).collect();
    }

    /// Makes room for a step that the index has not seen.
    pub(super) fn append(&mut self, plan: &Plan, ix: StepIx, step: &StepState) {
        let needs = if step.parent.is_some() { 0 } else { plan.steps[step.plan as usize].needs.len() };
        self.open_needs.push(u32::try_from(needs).unwrap_or(u32::MAX));
        self.by_key.insert(step.key.clone(), ix);
    }

    /// Puts a step's contribution in.
    pub(super) fn enter(&mut self, plan: &Plan, ix: StepIx, step: &StepState) {
        self.contribute(plan, ix, step, true);
    }

    /// Takes a step's contribution out.
    pub(super) fn leave(&mut self, plan: &Plan, ix: StepIx, step: &StepState) {
        self.contribute(plan, ix, step, false);
    }

    fn contribute(&mut self, plan: &Plan, ix: StepIx, step: &StepState, add: bool) {
        if step.retired {
            return;
        }
        let planned = &plan.steps[step.plan as usize];
        let ended = step.outcome().is_some();
        if ended && step.parent.is_none() {
            for &dependant in &planned.dependants {
                count(&mut self.open_needs[dependant as usize], !add);
            }
        }
        if let Some(parent) = step.parent {
            put(self.instances.entry(parent).or_default(), ix, add);
            if self.instances.get(&parent).is_some_and(BTreeSet::is_empty) {
                self.instances.remove(&parent);
            }
            if !ended {
                count_in(&mut self.open_instances, parent, add);
            }
        }
        if !ended {
            count(&mut self.open, add);
        }
        match step.due {
            Some(Due::Run(at)) => put(&mut self.run_dues, (at, ix), add),
            Some(Due::Wall(at)) => put(&mut self.wall_dues, (at, ix), add),
            None => {}
        }
        if step.phase == StepPhase::Waiting(WaitFor::Turn) {
            put(&mut self.turn, rank(planned, ix), add);
        }
        if step.phase == StepPhase::BackOff {
            count(&mut self.backing_off, add);
        }
        if step.live.is_some() {
            self.contribute_live(planned, ix, step, add);
        }
        // A fan-out works by its instances: it is none of those that use its environment, and is not counted twice.
        let fan_out = planned.fan_out().is_some() && step.parent.is_none();
        if let (Some(environment), false) = (&planned.environment, fan_out && step.phase == StepPhase::Running) {
            self.contribute_environment(environment, ix, step, add);
        }
        let kept = step.outputs.as_ref().map_or(0, String::len);
        self.outputs_bytes = if add { self.outputs_bytes + kept } else { self.outputs_bytes.saturating_sub(kept) };
        let has_instances = fan_out && step.started.is_some();
        if !has_instances {
            count(self.counts.of(step.phase), add);
        }
    }

    fn contribute_live(&mut self, planned: &plan::Step, ix: StepIx, step: &StepState, add: bool) {
        put(&mut self.live, ix, add);
        if !planned.parallel {
            count(&mut self.live_alone, add);
        }
        if let Some(parent) = step.parent {
            count_in(&mut self.live_instances, parent, add);
        }
        if let Some(group) = &planned.exclusion_group {
            count_in(&mut self.exclusions, group.clone(), add);
        }
        let wants = planned.resources;
        let used = &mut self.used;
        if add {
            used.memory_bytes = used.memory_bytes.saturating_add(wants.memory_bytes);
            used.cpu_millis = used.cpu_millis.saturating_add(wants.cpu_millis);
            used.disk_bytes = used.disk_bytes.saturating_add(wants.disk_bytes);
        } else {
            used.memory_bytes = used.memory_bytes.saturating_sub(wants.memory_bytes);
            used.cpu_millis = used.cpu_millis.saturating_sub(wants.cpu_millis);
            used.disk_bytes = used.disk_bytes.saturating_sub(wants.disk_bytes);
        }
    }

    fn contribute_environment(&mut self, environment: &str, ix: StepIx, step: &StepState, add: bool) {
        match step.phase {
            StepPhase::Queued
            | StepPhase::Running
            | StepPhase::AwaitingInput
            | StepPhase::BackOff
            | StepPhase::Stopping(_) => count_in(&mut self.environments, environment.to_owned(), add),
            StepPhase::Waiting(WaitFor::Gate | WaitFor::Turn) => {
                put(self.environment_wanted.entry(environment.to_owned()).or_default(), ix, add);
                if self.environment_wanted.get(environment).is_some_and(BTreeSet::is_empty) {
                    self.environment_wanted.remove(environment);
                }
            }
            StepPhase::Waiting(WaitFor::Needs | WaitFor::Approval) | StepPhase::Ended(_) => {}
        }
    }
}

impl Counts {
    fn of(&mut self, phase: StepPhase) -> &mut u32 {
        use super::step::StepOutcome as Outcome;
        match phase {
            StepPhase::Waiting(_) => &mut self.waiting,
            StepPhase::Queued => &mut self.queued,
            StepPhase::Running | StepPhase::AwaitingInput | StepPhase::Stopping(_) => &mut self.running,
            StepPhase::BackOff => &mut self.backing_off,
            StepPhase::Ended(
                Outcome::Success | Outcome::Neutral | Outcome::SkippedByIf | Outcome::SkippedByCommand,
            ) => &mut self.passed,
            StepPhase::Ended(Outcome::Failure | Outcome::TimedOut) => &mut self.failed,
            StepPhase::Ended(Outcome::Cancelled(_)) => &mut self.cancelled,
        }
    }

    /// Steps that are over.
    #[must_use]
    pub fn ended(&self) -> u32 {
        self.passed + self.failed + self.cancelled
    }

    /// All steps.
    #[must_use]
    pub fn all(&self) -> u32 {
        self.ended() + self.waiting + self.queued + self.running + self.backing_off
    }
}

/// The name of the environment in a gate's key `environment:<repository>:<name>`.
pub(super) fn environment_of(gate: &str) -> &str {
    gate.splitn(3, ':').last().unwrap_or(gate)
}

pub(super) fn rank(planned: &plan::Step, ix: StepIx) -> Rank {
    (Reverse(micros(planned.path)), Reverse(planned.priority), ix)
}

fn count(counter: &mut u32, add: bool) {
    *counter = if add { *counter + 1 } else { counter.saturating_sub(1) };
}

fn count_in<K: Ord>(counters: &mut BTreeMap<K, u32>, key: K, add: bool) {
    let counter = counters.entry(key);
    if let std::collections::btree_map::Entry::Occupied(mut at) = counter {
        count(at.get_mut(), add);
        if *at.get() == 0 {
            at.remove();
        }
    } else if add {
        counter.or_insert(1);
    }
}

fn put<T: Ord>(set: &mut BTreeSet<T>, item: T, add: bool) {
    if add {
        set.insert(item);
    } else {
        set.remove(&item);
    }
}

//! How a run of a plan goes when nothing fails: its waves, its critical path, how much room each step has, what running
//! side by side saves, what holds it up, and what it wants at once.
//!
//! *Invariant:* the same plan and the same times give the same forecast, on every machine.
//!
//! Waiting for people, agents, groups and environments counts nothing: a plan does not know of it. A fan-out counts once,
//! since how many items it has is known when it starts.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::graph::Graph;
use super::plan::{Plan, PlanIx, Resources, Step};
use super::planner;
use crate::ids::StepKey;

/// Dependants from which on a step is a bottleneck, and a high one.
const DEPENDANTS: (usize, usize) = (2, 5);
/// Timeouts above which a step is a bottleneck, and a high one.
const TIMEOUTS: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(600));
/// How many steps that must wait longer are looked at before those behind them, as in a run.
const LOOK_AHEAD_MAX: usize = 256;

/// How a run goes when nothing fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// When each step may run, by its number. Nothing for rollbacks.
    pub timings: Vec<Option<Timing>>,
    /// Each step stands in the first wave behind all its needs. Rollbacks stand in none.
    pub waves: Vec<Wave>,
    /// The longest way through the graph, in order.
    pub critical_path: Vec<PlanIx>,
    /// How long that takes: no run is faster, whatever its limits.
    pub longest: Duration,
    /// How long a run takes within its limits: steps and resources at once, exclusion groups, steps that run alone.
    pub within_limits: Duration,
    /// How long it would take one step after the other.
    pub one_by_one: Duration,
    /// The steps that hold up others, in declaration order.
    pub bottlenecks: Vec<Bottleneck>,
}

/// When a step may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long it takes.
    pub takes: Duration,
    /// When its needs have ended at the earliest.
    pub earliest: Duration,
    /// How much later it may end without making the run longer. None at all on a critical path.
    pub slack: Duration,
}

/// Steps that may run side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wave {
    /// The steps, in declaration order.
    pub steps: Vec<PlanIx>,
    /// What it saves to run them all at once, against one after the other.
    pub saves: Duration,
    /// What they want together.
    pub wants: Resources,
}

/// A step that holds up others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bottleneck {
    /// The step.
    pub step: PlanIx,
    /// How much.
    pub weight: Weight,
    /// How many steps wait for it, when these are many.
    pub dependants: Option<usize>,
    /// Its timeout, when this is long.
    pub timeout: Option<Duration>,
}

/// How much a bottleneck holds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// More than two steps wait for it, or its timeout is above five minutes.
    Medium,
    /// More than five steps wait for it, or its timeout is above ten minutes.
    High,
}

impl Plan {
    /// How a run goes when nothing fails. `medians` are what steps took in earlier runs; one that is not among them is
    /// taken to use its whole timeout.
    #[must_use]
    pub fn forecast(&self, medians: &BTreeMap<StepKey, Duration>) -> Forecast {
        let graph = planner::forward(&self.steps);
        let order = graph.order().unwrap_or_default();
        let takes: Vec<Duration> = self.steps.iter().map(|step| takes(step, medians)).collect();
        let of = |ix: PlanIx| takes[ix as usize];
        let ahead = graph.ahead(&order, of, Duration::saturating_add);
        let before = graph.before(&order, of, Duration::saturating_add);
        let critical_path = graph.longest(&ahead);
        let longest = ahead.iter().max().copied().unwrap_or_default();
        let timing = |(ix, step): (usize, &Step)| {
            let slack = longest.saturating_sub(before[ix].saturating_add(ahead[ix]));
            step.rollback_of.is_none().then_some(Timing { takes: takes[ix], earliest: before[ix], slack })
        };
        Forecast {
            timings: self.steps.iter().enumerate().map(timing).collect(),
            waves: waves(&self.steps, &graph.waves(&order), &takes),
            critical_path,
            longest,
            within_limits: Course::new(self, &graph, &takes).run(),
            one_by_one: sum(takes.iter().copied()),
            bottlenecks: bottlenecks(&self.steps, &graph),
        }
    }
}

impl Forecast {
    /// What running side by side saves, within the limits of the run.
    #[must_use]
    pub fn saved(&self) -> Duration {
        self.one_by_one.saturating_sub(self.within_limits)
    }
}

/// A rollback takes no time where nothing fails.
fn takes(step: &Step, medians: &BTreeMap<StepKey, Duration>) -> Duration {
    match step.rollback_of {
        Some(_) => Duration::ZERO,
        None => medians.get(&step.key).copied().unwrap_or(step.timeout),
    }
}

fn sum(durations: impl Iterator<Item = Duration>) -> Duration {
    durations.fold(Duration::ZERO, Duration::saturating_add)
}

fn waves(steps: &[Step], all: &[Vec<PlanIx>], takes: &[Duration]) -> Vec<Wave> {
    let forward = |ix: &PlanIx| steps[*ix as usize].rollback_of.is_none();
    let wave = |wave: &Vec<PlanIx>| {
        let going: Vec<PlanIx> = wave.iter().copied().filter(forward).collect();
        let times = || going.iter().map(|ix| takes[*ix as usize]);
        let wants = going.iter().fold(Resources::default(), |all, ix| plus(all, steps[*ix as usize].resources));
        let saves = sum(times()).saturating_sub(times().max().unwrap_or_default());
        Wave { steps: going, saves, wants }
    };
    all.iter().map(wave).collect()
}

fn bottlenecks(steps: &[Step], graph: &Graph) -> Vec<Bottleneck> {
    let forward = (0..).zip(steps).filter(|(_, step)| step.rollback_of.is_none());
    forward
        .filter_map(|(ix, step)| {
            let waiting = graph.dependants(ix).len();
            let dependants = (waiting > DEPENDANTS.0).then_some(waiting);
            let timeout = (step.timeout > TIMEOUTS.0).then_some(step.timeout);
            let high = waiting > DEPENDANTS.1 || step.timeout > TIMEOUTS.1;
            let weight = if high { Weight::High } else { Weight::Medium };
            let found = dependants.is_some() || timeout.is_some();
            found.then_some(Bottleneck { step: ix, weight, dependants, timeout })
        })
        .collect()
}

fn plus(a: Resources, b: Resources) -> Resources {
    Resources {
        memory_bytes: a.memory_bytes.saturating_add(b.memory_bytes),
        cpu_millis: a.cpu_millis.saturating_add(b.cpu_millis),
        disk_bytes: a.disk_bytes.saturating_add(b.disk_bytes),
    }
}

/// A run in which each step takes its time: the engine's rules of who starts when, and no others.
struct Course<'a> {
    plan: &'a Plan,
    graph: &'a Graph,
    takes: &'a [Duration],
    /// How many needs of each step have not ended.
    open: Vec<usize>,
    /// Steps that wait for nothing but their turn: the longest path first, then priority, then declaration.
    turn: BTreeSet<(Reverse<Duration>, Reverse<i32>, PlanIx)>,
    /// What runs, by its end.
    live: BTreeSet<(Duration, PlanIx)>,
}

impl<'a> Course<'a> {
    fn new(plan: &'a Plan, graph: &'a Graph, takes: &'a [Duration]) -> Self {
        let open = (0..).zip(&plan.steps).map(|(ix, _)| graph.needs(ix).len()).collect();
        let mut course = Self { plan, graph, takes, open, turn: BTreeSet::new(), live: BTreeSet::new() };
        for (ix, step) in (0..).zip(&plan.steps) {
            if step.rollback_of.is_none() && course.open[ix as usize] == 0 {
                course.ready(ix);
            }
        }
        course
    }

    fn ready(&mut self, ix: PlanIx) {
        let step = &self.plan.steps[ix as usize];
        self.turn.insert((Reverse(step.path), Reverse(step.priority), ix));
    }

    fn run(mut self) -> Duration {
        let mut at = Duration::ZERO;
        loop {
            self.start(at);
            match self.live.first() {
                Some((end, _)) => at = *end,
                None => return at,
            }
            while let Some((_, ended)) = self.live.first().copied().filter(|(end, _)| *end == at) {
                self.live.pop_first();
                for &next in self.graph.dependants(ended) {
                    self.open[next as usize] -= 1;
                    if self.open[next as usize] == 0 {
                        self.ready(next);
                    }
                }
            }
        }
    }

    /// Starts every step that may start now.
    fn start(&mut self, at: Duration) {
        let waiting: Vec<_> = self.turn.iter().copied().take(LOOK_AHEAD_MAX).collect();
        for rank in waiting {
            let step = &self.plan.steps[rank.2 as usize];
            let alone = |ix: PlanIx| !self.plan.steps[ix as usize].parallel;
            let full = self.live.len() >= self.plan.limits.steps.max(1) as usize;
            if full || !self.live.is_empty() && (alone(rank.2) || self.live.iter().any(|(_, ix)| alone(*ix))) {
                return;
            }
            if self.has_room(step) {
                self.turn.remove(&rank);
                self.live.insert((at.saturating_add(self.takes[rank.2 as usize]), rank.2));
            }
        }
    }

    /// Whether its exclusion group is free, and what it wants fits beside what runs. A limit of zero is no limit.
    fn has_room(&self, step: &Step) -> bool {
        let live = || self.live.iter().map(|(_, ix)| &self.plan.steps[*ix as usize]);
        let free = step.exclusion_group.is_none() || live().all(|other| other.exclusion_group != step.exclusion_group);
        let together = live().fold(step.resources, |all, other| plus(all, other.resources));
        let most = self.plan.limits.resources;
        let within = |wanted: u64, limit: u64| limit == 0 || wanted <= limit;
        let fits = within(together.memory_bytes, most.memory_bytes)
            && within(together.cpu_millis.into(), most.cpu_millis.into())
            && within(together.disk_bytes, most.disk_bytes);
        free && (fits || self.live.is_empty())
    }
}

#[cfg(test)]
mod tests;

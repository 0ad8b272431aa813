//! The graph of a plan: who needs whom, circles, the longest way, waves, bottlenecks.
//!
//! Everything here is linear in steps and needs, and walks with lists of its own in place of recursion: a chain of
//! 10,000 steps must neither be slow nor exhaust the stack.

use std::collections::BTreeMap;
use std::time::Duration;

use super::plan::{Plan, PlanIx, Step};
use super::problem::{Code, Place, Problems};
use super::steps::NO_ID;

/// More steps than this of a circle are not named; its ends are.
const CIRCLE_NAMES_MAX: usize = 12;
/// Dependants from which on a step is a bottleneck, and a high one.
const DEPENDANTS: (usize, usize) = (2, 5);
/// Timeouts above which a step is a bottleneck, and a high one.
const TIMEOUTS: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(600));

/// The needs of one step by name, each with its place.
pub(crate) struct Needs<'a> {
    pub(crate) key: &'a str,
    pub(crate) place: Place,
    pub(crate) names: &'a [(String, Place)],
}

/// Turns names into numbers. Unknown and doubled names are problems; what is known is given all the same.
pub(crate) fn resolve(steps: &[Needs<'_>], problems: &mut Problems) -> Vec<Vec<PlanIx>> {
    let mut numbers: BTreeMap<String, PlanIx> = BTreeMap::new();
    for (ix, step) in (0..).zip(steps) {
        // Names in expressions do not regard case, so two ids must differ in more.
        let first = *numbers.entry(step.key.to_ascii_lowercase()).or_insert(ix);
        if first != ix && !step.key.contains(NO_ID) {
            let line = steps.get(first as usize).map_or(0, |step| step.place.line);
            let message = format!("there is already a step {}, on line {line}", step.key);
            problems.error(Code::DuplicateId, step.place, message);
        }
    }
    let number = |name: &str| {
        let ix = *numbers.get(&name.to_ascii_lowercase())?;
        steps.get(ix as usize).filter(|step| step.key == name).map(|_| ix)
    };
    let mut all = Vec::with_capacity(steps.len());
    for step in steps {
        let mut needs = Vec::with_capacity(step.names.len());
        for (name, place) in step.names {
            match number(name) {
                Some(ix) => needs.push(ix),
                None => {
                    let message = format!("{} needs {name}, but there is no such step", step.key);
                    problems.error(Code::UnknownNeed, *place, message).did_you_mean(
                        name,
                        steps.iter().map(|step| step.key),
                        || None,
                    );
                }
            }
        }
        needs.sort_unstable();
        needs.dedup();
        all.push(needs);
    }
    all
}

/// Where a walk stands with a step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    /// On the way that the walk is on.
    Open(usize),
    Done,
}

/// Circles in `needs`, each as the steps along it; at most one for each step that a walk begins with.
pub(crate) fn circles(needs: &[Vec<PlanIx>]) -> Vec<Vec<PlanIx>> {
    let mut marks = vec![Mark::New; needs.len()];
    let mut found = Vec::new();
    for start in 0..needs.len() {
        if marks[start] != Mark::New {
            continue;
        }
        // The way from the start to where we stand: the step, and how many of its needs have been looked at.
        let mut way: Vec<(usize, usize)> = vec![(start, 0)];
        marks[start] = Mark::Open(0);
        while let Some((step, seen)) = way.last_mut() {
            let Some(&next) = needs[*step].get(*seen) else {
                marks[*step] = Mark::Done;
                way.pop();
                continue;
            };
            *seen += 1;
            let next = next as usize;
            match marks[next] {
                Mark::New => {
                    marks[next] = Mark::Open(way.len());
                    way.push((next, 0));
                }
                Mark::Open(depth) => {
                    found.push(way[depth..].iter().map(|(step, _)| number(*step)).collect());
                    way.drain(..).for_each(|(step, _)| marks[step] = Mark::Done);
                }
                Mark::Done => {}
            }
        }
    }
    found
}

/// `Circular dependency detected: a -> b -> a`.
pub(crate) fn circle_message(circle: &[PlanIx], name: impl Fn(PlanIx) -> String) -> String {
    let mut names: Vec<String> = circle.iter().take(CIRCLE_NAMES_MAX).map(|ix| name(*ix)).collect();
    if circle.len() > CIRCLE_NAMES_MAX {
        names.push(format!("({} more)", circle.len() - CIRCLE_NAMES_MAX));
    }
    names.extend(circle.first().map(|ix| name(*ix)));
    format!("Circular dependency detected: {}", names.join(" -> "))
}

/// Fills in dependants and paths, and gives the critical path. The needs hold no circle.
pub(crate) fn link(steps: &mut [Step]) -> Vec<PlanIx> {
    for ix in 0..steps.len() {
        for need in steps[ix].needs.clone() {
            steps[need as usize].dependants.push(number(ix));
        }
    }
    for ix in order(steps).into_iter().rev() {
        let step = &steps[ix as usize];
        let behind = onward(steps, step).map(|next| steps[next as usize].path).max().unwrap_or_default();
        steps[ix as usize].path = step.timeout.saturating_add(behind);
    }
    let longest = |candidates: &mut dyn Iterator<Item = PlanIx>| {
        // Of equally long ones the first declared.
        candidates.max_by_key(|ix| (steps[*ix as usize].path, std::cmp::Reverse(*ix)))
    };
    let mut path = Vec::new();
    let mut next = longest(&mut (0..number(steps.len())).filter(|ix| steps[*ix as usize].needs.is_empty()));
    while let Some(ix) = next {
        path.push(ix);
        next = longest(&mut onward(steps, &steps[ix as usize]));
    }
    path
}

/// The dependants that a run of which nothing fails goes through: rollbacks are not among them.
fn onward<'a>(steps: &'a [Step], step: &'a Step) -> impl Iterator<Item = PlanIx> + 'a {
    step.dependants.iter().copied().filter(|next| steps[*next as usize].rollback_of.is_none())
}

/// The steps so that each stands behind its needs; among equals in declaration order of what frees them.
fn order(steps: &[Step]) -> Vec<PlanIx> {
    let mut open: Vec<usize> = steps.iter().map(|step| step.needs.len()).collect();
    let mut order: Vec<PlanIx> = (0..number(steps.len())).filter(|ix| open[*ix as usize] == 0).collect();
    let mut at = 0;
    while let Some(&ix) = order.get(at) {
        at += 1;
        for &next in &steps[ix as usize].dependants {
            open[next as usize] -= 1;
            if open[next as usize] == 0 {
                order.push(next);
            }
        }
    }
    order
}

fn number(ix: usize) -> PlanIx {
    PlanIx::try_from(ix).unwrap_or(PlanIx::MAX)
}

/// All steps that must have ended before `step` starts, as marks by number.
pub(crate) fn upstream(needs: &[Vec<PlanIx>], step: usize) -> Vec<bool> {
    let mut seen = vec![false; needs.len()];
    let mut left = vec![step];
    while let Some(ix) = left.pop() {
        for &need in &needs[ix] {
            if !std::mem::replace(&mut seen[need as usize], true) {
                left.push(need as usize);
            }
        }
    }
    seen
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
    /// The steps in waves: each step stands in the first wave behind all its needs. Rollbacks stand in none.
    #[must_use]
    pub fn waves(&self) -> Vec<Vec<PlanIx>> {
        let mut waves: Vec<Vec<PlanIx>> = Vec::new();
        let mut wave_of = vec![0_usize; self.steps.len()];
        for ix in order(&self.steps) {
            let step = &self.steps[ix as usize];
            if step.rollback_of.is_some() {
                continue;
            }
            let wave = step.needs.iter().map(|need| wave_of[*need as usize] + 1).max().unwrap_or(0);
            wave_of[ix as usize] = wave;
            if waves.len() <= wave {
                waves.resize_with(wave + 1, Vec::new);
            }
            waves[wave].push(ix);
        }
        waves.iter_mut().for_each(|wave| wave.sort_unstable());
        waves
    }

    /// How long the run may take when steps run side by side: the length of the critical path.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.critical_path.first().and_then(|ix| self.steps.get(*ix as usize)).map_or(Duration::ZERO, |step| step.path)
    }

    /// What running side by side saves at most, against one step after the other.
    #[must_use]
    pub fn saved(&self) -> Duration {
        let forward = self.steps.iter().filter(|step| step.rollback_of.is_none());
        let sum = forward.fold(Duration::ZERO, |sum, step| sum.saturating_add(step.timeout));
        sum.saturating_sub(self.longest())
    }

    /// The steps that hold up others, in declaration order.
    #[must_use]
    pub fn bottlenecks(&self) -> Vec<Bottleneck> {
        let forward = (0..).zip(&self.steps).filter(|(_, step)| step.rollback_of.is_none());
        forward
            .filter_map(|(ix, step)| {
                let waiting = onward(&self.steps, step).count();
                let dependants = (waiting > DEPENDANTS.0).then_some(waiting);
                let timeout = (step.timeout > TIMEOUTS.0).then_some(step.timeout);
                let high = waiting > DEPENDANTS.1 || step.timeout > TIMEOUTS.1;
                let weight = if high { Weight::High } else { Weight::Medium };
                let found = dependants.is_some() || timeout.is_some();
                found.then_some(Bottleneck { step: ix, weight, dependants, timeout })
            })
            .collect()
    }

    /// The plan as JSON, always the same for the same plan: what its hash is taken over.
    ///
    /// # Errors
    /// Never for a plan that came from a file; the type is serde's.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

#[cfg(test)]
mod tests;

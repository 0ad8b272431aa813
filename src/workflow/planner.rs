//! From names to a checked plan: who needs whom, circles by name, the order of importance of the steps.

use std::collections::BTreeMap;
use std::time::Duration;

use super::graph::Graph;
use super::plan::{Plan, PlanIx, Step};
use super::problem::{Code, Place, Problems};
use super::steps::NO_ID;

/// More steps than this of a circle are not named; its ends are.
const CIRCLE_NAMES_MAX: usize = 12;
/// Where there are more steps than this, they are not listed to whoever names none of them.
const NAMES_MAX: usize = 12;

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
            problems.error(Code::DuplicateId, step.place, message).help("give one of them another id");
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
                    let others = |key: &&str| *key != step.key && !key.contains(NO_ID);
                    let known = || steps.iter().map(|step| step.key).filter(others);
                    let all = || (steps.len() <= NAMES_MAX).then(|| known().collect::<Vec<_>>().join(", "));
                    let all = || all().filter(|all| !all.is_empty()).map(|all| format!("there are {all}"));
                    problems.error(Code::UnknownNeed, *place, message).did_you_mean(name, known(), all);
                }
            }
        }
        needs.sort_unstable();
        needs.dedup();
        all.push(needs);
    }
    all
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

/// The graph of lists of needs, each of which names only steps that are there.
pub(crate) fn graph_of<'a>(needs: impl ExactSizeIterator<Item = &'a [PlanIx]> + Clone) -> Graph {
    let pairs = (0..).zip(needs.clone()).flat_map(|(step, needs)| needs.iter().map(move |need| (step, *need)));
    Graph::known(needs.len(), pairs)
}

/// The graph that a run goes through when nothing fails. Rollbacks stand in it alone; who waits for one waits for the
/// step that it would undo.
pub(crate) fn forward(steps: &[Step]) -> Graph {
    let done = |step: PlanIx| steps[step as usize].rollback_of.unwrap_or(step);
    let going = (0..).zip(steps).filter(|(_, step)| step.rollback_of.is_none());
    Graph::known(steps.len(), going.flat_map(move |(ix, step)| step.needs.iter().map(move |need| (ix, done(*need)))))
}

/// Fills in dependants and paths, and gives the critical path. The needs hold no circle.
pub(crate) fn link(steps: &mut [Step]) -> Vec<PlanIx> {
    let graph = graph_of(steps.iter().map(|step| step.needs.as_slice()));
    for (ix, step) in (0..).zip(steps.iter_mut()) {
        step.dependants = graph.dependants(ix).to_vec();
    }
    let forward = forward(steps);
    let order = forward.order().unwrap_or_default();
    let takes = |ix: PlanIx| Some(&steps[ix as usize]).filter(|step| step.rollback_of.is_none());
    let takes = |ix: PlanIx| takes(ix).map_or(Duration::ZERO, |step| step.timeout);
    let ahead = forward.ahead(&order, takes, Duration::saturating_add);
    let path = forward.longest(&ahead);
    for (step, ahead) in steps.iter_mut().zip(ahead) {
        step.path = ahead.max(step.timeout);
    }
    path
}

impl Plan {
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

//! Rounds: what `/retry` opens on the same run. Chosen steps, and what follows from them, start over.

use std::collections::BTreeSet;

use super::apply::{Draft, Rejected};
use super::change::Change;
use super::event::Again;
use super::state::{RunClock, RunOutcome, RunPhase, RunState};
use super::step::{StepIx, StepOutcome, StepPhase, WaitFor};
use crate::ids::StepKey;

/// What starts over.
#[derive(Default)]
struct Chosen {
    steps: BTreeSet<StepIx>,
    /// Fan-outs that stay as they are but for some of their instances.
    reopened: BTreeSet<StepIx>,
}

impl Draft<'_> {
    pub(super) fn retry_requested(&mut self, what: &Again) -> Result<(), Rejected> {
        let over = match self.state.phase {
            RunPhase::Stopping(_) => return Err(Rejected::Stopping),
            RunPhase::Ended(RunOutcome::Superseded | RunOutcome::Dropped | RunOutcome::HandedOver) => {
                return Err(Rejected::Superseded);
            }
            RunPhase::Ended(_) => true,
            RunPhase::Asking | RunPhase::Running => false,
        };
        let chosen = choose(self.state, what)?;
        let open = chosen.steps.iter().find(|&&ix| !self.may_start_over(ix));
        if let Some(&ix) = open {
            return Err(Rejected::StillRunning(self.state.steps[ix as usize].key.clone()));
        }
        if let Some(need) = self.open_need_of_an_instance(&chosen) {
            return Err(Rejected::StillRunning(self.state.steps[need as usize].key.clone()));
        }
        let steps: Vec<StepIx> = chosen.steps.into_iter().collect();
        let reopened = chosen.reopened.into_iter().collect();
        self.change(Change::RoundOpened { steps: steps.clone(), reopened });
        if over {
            let stopped_since = self.state.is_held().then_some(self.at);
            self.change(Change::Clock(RunClock { origin: self.at, stopped_since, stopped_micros: 0 }));
            self.change(Change::Run(RunPhase::Asking));
        }
        let plan_steps = plan_steps(self.state);
        let settled: Vec<StepIx> =
            steps.into_iter().rev().filter(|&ix| ix < plan_steps && self.state.is_joined(ix)).collect();
        self.unsettled.extend(settled);
        Ok(())
    }

    /// An instance does not wait for needs, so it may not start over while one of its fan-out's is open.
    fn open_need_of_an_instance(&self, chosen: &Chosen) -> Option<StepIx> {
        let open = |need: &StepIx| self.state.steps[*need as usize].outcome().is_none();
        let fan_outs = chosen.steps.iter().filter_map(|&ix| self.state.steps[ix as usize].parent);
        fan_outs.flat_map(|fan_out| &self.state.plan.steps[fan_out as usize].needs).copied().find(open)
    }

    /// A step may start over when it has ended, or has not begun.
    fn may_start_over(&self, ix: StepIx) -> bool {
        let step = &self.state.steps[ix as usize];
        let instances = self.state.index.instances.get(&ix);
        let idle = |ix: &StepIx| self.state.steps[*ix as usize].live.is_none();
        step.live.is_none() && instances.is_none_or(|instances| instances.iter().all(idle))
    }
}

fn choose(state: &RunState, what: &Again) -> Result<Chosen, Rejected> {
    let mut chosen = Chosen::default();
    match what {
        Again::All => chosen.steps = (0..plan_steps(state)).collect(),
        Again::From(key) => {
            let first = find(state, key)?;
            chosen.take(state, first);
            chosen.follow(state, |_| true);
        }
        Again::Steps(keys) => {
            for key in keys {
                let ix = find(state, key)?;
                chosen.take(state, ix);
            }
            chosen.follow(state, |outcome| !outcome.satisfies() || outcome == StepOutcome::SkippedByIf);
        }
        Again::Failed => {
            let bad = |ix: &StepIx| state.steps[*ix as usize].outcome().is_some_and(|outcome| !outcome.satisfies());
            for ix in (0..plan_steps(state)).filter(bad) {
                let instances = state.index.instances.get(&ix).into_iter().flatten().copied();
                let failed: Vec<StepIx> = instances.filter(bad).collect();
                match failed.is_empty() {
                    true => chosen.take(state, ix),
                    false => failed.into_iter().for_each(|instance| chosen.take(state, instance)),
                }
            }
            chosen.follow(state, |_| true);
        }
    }
    if chosen.steps.is_empty() { Err(Rejected::NothingToRetry) } else { Ok(chosen) }
}

impl Chosen {
    fn take(&mut self, state: &RunState, ix: StepIx) {
        self.steps.insert(ix);
        self.reopened.extend(state.steps[ix as usize].parent);
    }

    /// Takes in the steps behind those that are chosen: what ended in a way that `also` names, what undoes a chosen
    /// step, a fan-out with chosen instances, and what was on its way: nothing goes on while a step that it needs
    /// starts over.
    fn follow(&mut self, state: &RunState, also: impl Fn(StepOutcome) -> bool) {
        let roots = self.steps.iter().filter(|&&ix| state.steps[ix as usize].parent.is_none());
        let mut open: Vec<StepIx> = roots.chain(&self.reopened).copied().collect();
        while let Some(ix) = open.pop() {
            for &dependant in &state.plan.steps[ix as usize].dependants {
                let again = match state.steps[dependant as usize].phase {
                    StepPhase::Ended(outcome) => {
                        let undoes = state.plan.steps[dependant as usize].rollback_of == Some(ix);
                        undoes || also(outcome) || self.reopened.contains(&dependant)
                    }
                    StepPhase::Waiting(WaitFor::Needs) => false,
                    StepPhase::Waiting(WaitFor::Approval | WaitFor::Gate | WaitFor::Turn)
                    | StepPhase::Queued
                    | StepPhase::Running
                    | StepPhase::AwaitingInput
                    | StepPhase::BackOff
                    | StepPhase::Stopping(_) => true,
                };
                if again && self.steps.insert(dependant) {
                    open.push(dependant);
                }
            }
        }
        let covered = |ix: &StepIx| self.steps.contains(ix);
        self.reopened.retain(|ix| !covered(ix));
        let steps = std::mem::take(&mut self.steps);
        let redundant = |ix: &StepIx| state.steps[*ix as usize].parent.is_some_and(|parent| steps.contains(&parent));
        self.steps = steps.iter().copied().filter(|ix| !redundant(ix)).collect();
    }
}

fn plan_steps(state: &RunState) -> StepIx {
    StepIx::try_from(state.plan.steps.len()).unwrap_or(StepIx::MAX)
}

fn find(state: &RunState, key: &StepKey) -> Result<StepIx, Rejected> {
    let ix = state.find(key).ok_or_else(|| Rejected::UnknownStep(key.clone()))?;
    let step = &state.steps[ix as usize];
    match step.outcome() {
        _ if step.retired => Err(Rejected::UnknownStep(key.clone())),
        Some(_) => Ok(ix),
        None => Err(Rejected::StillRunning(key.clone())),
    }
}

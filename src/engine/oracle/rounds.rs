//! What `/retry` takes up.
#![expect(clippy::wildcard_enum_match_arm, reason = "what the oracle does not name it does not know")]

use std::collections::BTreeSet;

use super::{At, Model, Oracle};
use crate::engine::event::Again;
use crate::engine::state::{RunOutcome, RunPhase};
use crate::engine::step::StepOutcome;
use crate::ids::StepKey;

impl Oracle {
    /// Which steps `/retry` takes up; none when it must be refused.
    pub(super) fn chosen(&self, what: &Again) -> Option<BTreeSet<usize>> {
        use RunOutcome as O;
        if let RunPhase::Stopping(_) | RunPhase::Ended(O::Superseded | O::Dropped | O::HandedOver) = self.run {
            return None;
        }
        let own = 0..self.plan.steps.len();
        let bad = |ix: &usize| matches!(self.steps[*ix].at, At::Done(outcome) if !outcome.satisfies());
        let done = |key: &StepKey| self.find(key).filter(|&ix| matches!(self.steps[ix].at, At::Done(_)));
        let mut chosen = match what {
            Again::All => own.clone().collect(),
            Again::From(key) => BTreeSet::from([done(key)?]),
            Again::Steps(keys) => keys.iter().map(done).collect::<Option<BTreeSet<usize>>>()?,
            Again::Failed => own
                .clone()
                .filter(bad)
                .flat_map(|ix| {
                    let failed: Vec<usize> = self.instances(ix).filter(bad).collect();
                    if failed.is_empty() { vec![ix] } else { failed }
                })
                .collect(),
        };
        let again = |ix: usize, need: usize| match self.steps[ix].at {
            At::Done(_) if self.plan.steps[ix].rollback_of == Some(need as u32) => true,
            At::Done(outcome) if matches!(what, Again::Steps(_)) => {
                !outcome.satisfies() || outcome == StepOutcome::SkippedByIf
            }
            At::Needs => false,
            _ => true,
        };
        loop {
            let within = |ix: usize| self.instances(ix).any(|ix| chosen.contains(&ix));
            let touched = |need: usize| chosen.contains(&need) || within(need);
            let behind = |&ix: &usize| {
                let mut needs = self.plan.steps[ix].needs.iter().map(|&need| need as usize);
                !chosen.contains(&ix) && needs.any(|need| touched(need) && (within(ix) || again(ix, need)))
            };
            let Some(next) = own.clone().find(behind) else { break };
            chosen.insert(next);
        }
        let all = chosen.clone();
        chosen.retain(|&ix| self.steps[ix].parent.is_none_or(|parent| !all.contains(&parent)));
        let busy = |&ix: &usize| self.steps[ix].is_live() || self.instances(ix).any(|ix| self.steps[ix].is_live());
        let open = |&need: &u32| !matches!(self.steps[need as usize].at, At::Done(_));
        let early = |&ix: &usize| self.steps[ix].parent.is_some_and(|at| self.plan.steps[at].needs.iter().any(open));
        (!chosen.is_empty() && !chosen.iter().any(busy) && !chosen.iter().any(early)).then_some(chosen)
    }

    pub(super) fn again(&mut self, what: &Again, held: bool) {
        for ix in self.chosen(what).unwrap() {
            for instance in self.instances(ix).collect::<Vec<_>>() {
                self.steps[instance].retired = true;
            }
            let old = self.steps[ix].clone();
            let at = if old.parent.is_some() { At::Ready } else { At::Needs };
            self.steps[ix] =
                Model { attempts: old.attempts, made: old.made, ..Model::new(old.key, old.plan, old.parent, at) };
            if let Some(parent) = old.parent {
                self.steps[parent].at = At::FannedOut;
            }
        }
        if let RunPhase::Ended(_) = self.run {
            (self.clock, self.run) = (vec![(self.now, held)], RunPhase::Asking);
        }
    }
}

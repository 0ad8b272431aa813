//! `apply` decides: what an event means for a run, as changes and effects.
//!
//! *Invariant:* pure, total and deterministic: time and chance come in with [`Ctx`].
//! *Invariant:* a [`Rejected`] event has changed nothing.

use std::collections::BTreeSet;

use super::change::Change;
use super::effect::{Effect, Notice};
use super::event::Event;
use super::evolve::evolve;
use super::state::{HoldKind, RunOutcome, RunPhase, RunState};
use super::step::{CancelCause, Fault, StepIx, StepOutcome, StepPhase, WaitFor};
use crate::ids::{AgentName, StepKey};
use crate::time::Timestamp;
use crate::workflow::plan::{OnFailure, Strategy};

/// What comes in with an event.
#[derive(Debug, Clone, Copy)]
pub struct Ctx<'a> {
    /// When it happened, by the database's clock.
    pub at: Timestamp,
    /// Chance, for the jitter of back-offs.
    pub jitter: u64,
    /// Agents before which no gate stands: their attempts start in the transition that frees the step.
    pub eager: &'a BTreeSet<AgentName>,
}

/// What an event does to a run.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// When: never before the run's last event.
    pub at: Timestamp,
    /// What `evolve` was given, in order.
    pub changes: Vec<Change>,
    /// What is to be done outside.
    pub effects: Vec<Effect>,
}

/// Why an event does nothing. Late and confused events are a normal day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The first event of a run makes it, and only the first does.
    #[error("this run has not been created, or was created before")]
    NotBorn,
    /// The run is over.
    #[error("the run has ended")]
    Ended,
    /// The run is being stopped.
    #[error("the run is being stopped")]
    Stopping,
    /// A newer run took its place, so it never starts again.
    #[error("the run was superseded by a newer one")]
    Superseded,
    /// There is no such step.
    #[error("there is no step {0}")]
    UnknownStep(StepKey),
    /// The attempt is not the one that is live.
    #[error("attempt {number} of {step} is over")]
    StaleAttempt {
        /// The step.
        step: StepKey,
        /// The attempt's number.
        number: u32,
    },
    /// The step is not in a phase in which this can happen.
    #[error("{step} is {phase}")]
    WrongPhase {
        /// The step.
        step: StepKey,
        /// Its phase, in words.
        phase: &'static str,
    },
    /// The run is held, so nothing starts.
    #[error("the run is held")]
    Held,
    /// A hold of that kind stands already.
    #[error("the run is held already")]
    HeldAlready,
    /// There is no hold of that kind.
    #[error("the run is not held")]
    NotHeld,
    /// No seat of this run waits at that gate.
    #[error("the run does not wait for this gate")]
    NotAsked,
    /// Nothing failed and everything ran.
    #[error("nothing failed and everything ran")]
    NothingToRetry,
    /// A step that would start over has not ended.
    #[error("{0} has not ended")]
    StillRunning(StepKey),
}

/// Says what an event means for a run and makes it so in `state`; storing changes and effects is the caller's.
///
/// # Errors
/// When the event is late or confused; the state is untouched then.
pub fn apply(state: &mut RunState, event: &Event, ctx: &Ctx<'_>) -> Result<Transition, Rejected> {
    let mut draft = Draft::new(state, ctx);
    let decided = draft.decide(event);
    debug_assert!(decided.is_ok() || draft.changes.is_empty(), "rejected after a change: {event:?}");
    decided?;
    draft.settle();
    Ok(Transition { at: draft.at, changes: draft.changes, effects: draft.effects })
}

/// A transition in the making.
pub(super) struct Draft<'a> {
    pub(super) state: &'a mut RunState,
    pub(super) at: Timestamp,
    pub(super) ctx: &'a Ctx<'a>,
    pub(super) effects: Vec<Effect>,
    changes: Vec<Change>,
    /// Steps whose needs have all ended; what that means for them is to be decided.
    pub(super) unsettled: Vec<StepIx>,
}

impl<'a> Draft<'a> {
    fn new(state: &'a mut RunState, ctx: &'a Ctx<'a>) -> Self {
        let at = ctx.at.max(state.at);
        Self { state, at, ctx, effects: Vec::new(), changes: Vec::new(), unsettled: Vec::new() }
    }

    /// The machine of a run: what each event means.
    fn decide(&mut self, event: &Event) -> Result<(), Rejected> {
        if (self.state.birth.is_none()) != matches!(event, Event::Created(_)) {
            return Err(Rejected::NotBorn);
        }
        match event {
            Event::Created(birth) => self.created(birth),
            Event::Granted(gate) => self.granted(gate),
            Event::Superseded => self.stop_run(RunOutcome::Superseded),
            Event::Dropped => self.stop_run(RunOutcome::Dropped),
            Event::HandedOver(_) => self.stop_run(RunOutcome::HandedOver),
            Event::CancelRequested { .. } => self.stop_run(RunOutcome::Cancelled),
            Event::Held(hold) => self.held(hold),
            Event::Released { kind, .. } => self.released(*kind),
            Event::AttemptStarted { step, number } => self.attempt_started(step, *number),
            Event::AttemptEnded { step, number, result, cost_micros } => {
                self.attempt_ended(step, *number, result, *cost_micros)
            }
            Event::Stalled { step, number } => self.stalled(step, *number),
            Event::InputAsked { step, number } => self.input_asked(step, *number),
            Event::Answered { step, text, .. } => self.answered(step, text),
            Event::Approved { step, by } => self.approved(step, by),
            Event::Refused { step, .. } => self.refused(step),
            Event::SkipRequested { step, .. } => self.skip_requested(step),
            Event::RetryRequested { what, .. } => self.retry_requested(what),
            Event::Ticked => {
                self.ticked();
                Ok(())
            }
        }
    }

    /// Lets everything follow that follows from the event by itself, up to the end of the run.
    fn settle(&mut self) {
        while let Some(step) = self.unsettled.pop() {
            self.needs_ended(step);
        }
        match self.state.phase {
            RunPhase::Asking | RunPhase::Running if self.state.index.open == 0 => self.end_run(self.verdict()),
            RunPhase::Asking | RunPhase::Running => {
                self.give_environments();
                self.take_seats();
                self.start_steps();
                self.give_environments();
            }
            RunPhase::Stopping(outcome) if self.state.index.live.is_empty() => self.end_run(outcome),
            RunPhase::Stopping(_) => self.give_environments(),
            RunPhase::Ended(_) => {}
        }
    }

    /// Makes one change so and keeps it for the journal.
    pub(super) fn change(&mut self, change: Change) {
        if self.changes.is_empty() {
            self.state.begin_row(self.at);
        }
        evolve(self.state, &change);
        self.changes.push(change);
    }

    pub(super) fn set_step(&mut self, step: StepIx, phase: StepPhase) {
        self.change(Change::Step { step, phase, due: None });
    }

    fn created(&mut self, birth: &super::state::Birth) -> Result<(), Rejected> {
        self.change(Change::Born(Box::new(birth.clone())));
        let steps = StepIx::try_from(self.state.steps.len()).unwrap_or(StepIx::MAX);
        self.unsettled.extend((0..steps).rev().filter(|&ix| self.state.is_joined(ix)));
        Ok(())
    }

    /// The run may do something still: it is neither stopping nor over.
    pub(super) fn must_be_open(&self) -> Result<(), Rejected> {
        match self.state.phase {
            RunPhase::Asking | RunPhase::Running => Ok(()),
            RunPhase::Stopping(_) => Err(Rejected::Stopping),
            RunPhase::Ended(RunOutcome::Superseded) => Err(Rejected::Superseded),
            RunPhase::Ended(_) => Err(Rejected::Ended),
        }
    }

    fn stop_run(&mut self, outcome: RunOutcome) -> Result<(), Rejected> {
        self.must_be_open()?;
        self.cancel_all(CancelCause::Run, outcome);
        Ok(())
    }

    /// Cancels everything that has not ended; the run ends with `outcome` when its last live attempt has.
    pub(super) fn cancel_all(&mut self, cause: CancelCause, outcome: RunOutcome) {
        for ix in self.state.index.live.clone() {
            let step = &self.state.steps[ix as usize];
            let Some(number) = step.live.as_ref().map(|live| live.number) else { continue };
            match step.phase {
                StepPhase::Queued => self.effects.push(Effect::Forget { step: ix, number }),
                StepPhase::Running | StepPhase::AwaitingInput => self.effects.push(Effect::Stop { step: ix, number }),
                StepPhase::Stopping(_) | StepPhase::Waiting(_) | StepPhase::BackOff | StepPhase::Ended(_) => {}
            }
        }
        self.change(Change::AllCancelled(cause));
        self.change(Change::Run(RunPhase::Stopping(outcome)));
        self.unsettled.clear();
        if outcome == RunOutcome::Superseded {
            self.give_group();
        }
    }

    /// How a run ends whose steps have all ended.
    fn verdict(&self) -> RunOutcome {
        let fails = |step: &super::step::StepState| match step.outcome() {
            _ if step.parent.is_some() => false,
            Some(StepOutcome::Failure | StepOutcome::TimedOut) => self.state.plan_of(step).critical,
            Some(StepOutcome::Cancelled(CancelCause::NeedFailed { critical })) => {
                critical && self.state.plan_of(step).critical
            }
            Some(StepOutcome::Cancelled(
                CancelCause::Refused | CancelCause::FailFast | CancelCause::NeedCancelled | CancelCause::RunTimeout,
            )) => self.state.plan_of(step).critical,
            Some(
                StepOutcome::Cancelled(CancelCause::Run)
                | StepOutcome::Success
                | StepOutcome::Neutral
                | StepOutcome::SkippedByIf
                | StepOutcome::SkippedByCommand,
            )
            | None => false,
        };
        // A round may take up some steps of a cancelled run and leave others as they are: those never ran.
        let never_ran = |step: &super::step::StepState| {
            step.outcome() == Some(StepOutcome::Cancelled(CancelCause::Run))
                && step.parent.is_none()
                && self.state.plan_of(step).critical
        };
        if self.state.steps.iter().any(fails) {
            RunOutcome::Failure
        } else if self.state.steps.iter().any(never_ran) {
            RunOutcome::Cancelled
        } else {
            RunOutcome::Success
        }
    }

    fn end_run(&mut self, outcome: RunOutcome) {
        self.give_all();
        if self.state.holds.contains_key(&HoldKind::Queue) {
            self.take_hold(HoldKind::Queue);
        }
        self.change(Change::Run(RunPhase::Ended(outcome)));
        match outcome {
            RunOutcome::Success => self.effects.push(Effect::Notify(Notice::Completed)),
            RunOutcome::Failure | RunOutcome::TimedOut => self.effects.push(Effect::Notify(Notice::Failed)),
            RunOutcome::Cancelled | RunOutcome::Superseded | RunOutcome::Dropped | RunOutcome::HandedOver => {}
        }
    }

    /// Ends a step and looks at what waited for it. A fan-out ends with its last instance.
    pub(super) fn end_step(&mut self, ix: StepIx, outcome: StepOutcome) {
        self.set_step(ix, StepPhase::Ended(outcome));
        let step = &self.state.steps[ix as usize];
        let planned = self.state.plan_of(step);
        let failed = matches!(outcome, StepOutcome::Failure | StepOutcome::TimedOut);
        let dooms = failed && planned.critical && self.state.plan.parallel == OnFailure::FailFast;
        let escalates = planned.retry.strategy == Strategy::ImmediateEscalation
            || self.state.plan.notifications.escalation.is_some();
        let parent = step.parent;
        if failed && escalates && (parent.is_none() || dooms) {
            self.effects.push(Effect::Notify(Notice::Escalated(ix)));
        }
        if dooms {
            return self.cancel_all(CancelCause::FailFast, RunOutcome::Failure);
        }
        if let Some(parent) = parent {
            if failed && planned.fail_fast {
                self.cancel_instances(parent);
            }
            if !self.state.index.open_instances.contains_key(&parent)
                && self.state.steps[parent as usize].phase == StepPhase::Running
            {
                self.end_step(parent, self.joined(parent));
            }
            return;
        }
        let planned = &self.state.plan.steps[ix as usize];
        let ready = |dependant: &&StepIx| self.state.is_joined(**dependant);
        self.unsettled.extend(planned.dependants.iter().rev().filter(ready));
    }

    /// How a fan-out ends: as the worst of its instances.
    fn joined(&self, parent: StepIx) -> StepOutcome {
        let badness = |outcome: &StepOutcome| match outcome {
            StepOutcome::Success | StepOutcome::SkippedByIf | StepOutcome::SkippedByCommand => 0,
            StepOutcome::Neutral => 1,
            StepOutcome::Cancelled(_) => 2,
            StepOutcome::TimedOut => 3,
            StepOutcome::Failure => 4,
        };
        let instances = self.state.index.instances.get(&parent).into_iter().flatten();
        let outcomes = instances.filter_map(|&ix| self.state.steps[ix as usize].outcome());
        match outcomes.max_by_key(badness) {
            None | Some(StepOutcome::SkippedByIf | StepOutcome::SkippedByCommand) => StepOutcome::Success,
            Some(worst) => worst,
        }
    }

    /// Ends a step that failed outside any attempt.
    pub(super) fn fail_step(&mut self, ix: StepIx, fault: Fault) {
        self.change(Change::Faulted { step: ix, fault });
        self.end_step(ix, StepOutcome::Failure);
    }

    /// The step with this key; an instance of an earlier round is none any more.
    pub(super) fn find(&self, key: &StepKey) -> Result<StepIx, Rejected> {
        let current = |ix: &StepIx| !self.state.steps[*ix as usize].retired;
        self.state.find(key).filter(current).ok_or_else(|| Rejected::UnknownStep(key.clone()))
    }

    pub(super) fn wrong_phase(&self, ix: StepIx) -> Rejected {
        let step = &self.state.steps[ix as usize];
        Rejected::WrongPhase { step: step.key.clone(), phase: phase_in_words(step.phase) }
    }
}

/// A phase as a sentence says it: "lint is …".
#[must_use]
pub fn phase_in_words(phase: StepPhase) -> &'static str {
    match phase {
        StepPhase::Waiting(WaitFor::Needs) => "waiting for the steps that it needs",
        StepPhase::Waiting(WaitFor::Approval) => "waiting for approval",
        StepPhase::Waiting(WaitFor::Gate) => "waiting for its environment",
        StepPhase::Waiting(WaitFor::Turn) => "waiting for its turn",
        StepPhase::Queued => "queued",
        StepPhase::Running => "running",
        StepPhase::AwaitingInput => "waiting for an answer",
        StepPhase::BackOff => "waiting to be tried again",
        StepPhase::Stopping(_) => "being stopped",
        StepPhase::Ended(StepOutcome::Success) => "done",
        StepPhase::Ended(StepOutcome::Neutral) => "done, without an opinion",
        StepPhase::Ended(StepOutcome::Failure) => "failed",
        StepPhase::Ended(StepOutcome::TimedOut) => "timed out",
        StepPhase::Ended(StepOutcome::Cancelled(_)) => "cancelled",
        StepPhase::Ended(StepOutcome::SkippedByIf | StepOutcome::SkippedByCommand) => "skipped",
    }
}

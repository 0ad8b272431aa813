//! What happens to attempts: started, ended, stalled, asking. The machine of an attempt.

use std::time::Duration;

use super::apply::{Draft, Rejected};
use super::change::Change;
use super::effect::{Effect, Notice};
use super::event::{AttemptResult, Verdict};
use super::retry::{self, Next};
use super::state::{Hold, HoldKind, RunOutcome, RunPhase};
use super::step::{
    CancelCause, Due, FAULT_BYTES_MAX, Fault, FaultClass, StepIx, StepOutcome, StepPhase, StopCause, Tries, WaitFor,
};
use crate::ids::StepKey;

/// How an attempt ended, as far as what follows is concerned.
struct Failed {
    fault: Fault,
    retry_after: Option<Duration>,
    /// The agent would not have it, so it was no try.
    declined: bool,
}

impl Failed {
    fn new(class: FaultClass, message: &str) -> Self {
        Self { fault: Fault { class, message: cut(message).to_owned() }, retry_after: None, declined: false }
    }
}

impl Draft<'_> {
    /// The step whose live attempt has this number.
    fn live(&self, key: &StepKey, number: u32) -> Result<StepIx, Rejected> {
        let ix = self.find(key)?;
        let live = self.state.steps[ix as usize].live.as_ref();
        if live.is_some_and(|live| live.number == number) {
            Ok(ix)
        } else {
            Err(Rejected::StaleAttempt { step: key.clone(), number })
        }
    }

    pub(super) fn attempt_started(&mut self, key: &StepKey, number: u32) -> Result<(), Rejected> {
        let ix = self.live(key, number)?;
        match self.state.steps[ix as usize].phase {
            StepPhase::Queued if self.state.is_held() => Err(Rejected::Held),
            StepPhase::Queued => {
                self.change(Change::AttemptStarted { step: ix, due: self.attempt_due(ix) });
                Ok(())
            }
            StepPhase::Waiting(_)
            | StepPhase::Running
            | StepPhase::AwaitingInput
            | StepPhase::BackOff
            | StepPhase::Stopping(_)
            | StepPhase::Ended(_) => Err(self.wrong_phase(ix)),
        }
    }

    /// When the time of an attempt is up that starts now.
    pub(super) fn attempt_due(&self, ix: StepIx) -> Due {
        Due::Wall(self.at.plus(self.state.plan_of(&self.state.steps[ix as usize]).timeout))
    }

    pub(super) fn stalled(&mut self, key: &StepKey, number: u32) -> Result<(), Rejected> {
        let ix = self.live(key, number)?;
        match self.state.steps[ix as usize].phase {
            StepPhase::Running => {
                self.stop_attempt(ix, StopCause::Stalled);
                Ok(())
            }
            StepPhase::Waiting(_)
            | StepPhase::Queued
            | StepPhase::AwaitingInput
            | StepPhase::BackOff
            | StepPhase::Stopping(_)
            | StepPhase::Ended(_) => Err(self.wrong_phase(ix)),
        }
    }

    /// Tells the agent to stop; what follows, follows when it has, or is fenced off.
    pub(super) fn stop_attempt(&mut self, ix: StepIx, cause: StopCause) {
        if let Some(live) = &self.state.steps[ix as usize].live {
            self.effects.push(Effect::Stop { step: ix, number: live.number });
        }
        self.set_step(ix, StepPhase::Stopping(cause));
    }

    pub(super) fn input_asked(&mut self, key: &StepKey, number: u32) -> Result<(), Rejected> {
        let ix = self.live(key, number)?;
        match self.state.steps[ix as usize].phase {
            StepPhase::Running => {
                self.set_step(ix, StepPhase::AwaitingInput);
                self.effects.push(Effect::Notify(Notice::InputWanted(ix)));
                Ok(())
            }
            StepPhase::Waiting(_)
            | StepPhase::Queued
            | StepPhase::AwaitingInput
            | StepPhase::BackOff
            | StepPhase::Stopping(_)
            | StepPhase::Ended(_) => Err(self.wrong_phase(ix)),
        }
    }

    pub(super) fn answered(&mut self, key: &StepKey, text: &str) -> Result<(), Rejected> {
        let ix = self.find(key)?;
        let step = &self.state.steps[ix as usize];
        match (step.phase, &step.live) {
            (StepPhase::AwaitingInput, Some(live)) => {
                self.effects.push(Effect::Answer { step: ix, number: live.number, text: text.to_owned() });
                let due = Some(self.attempt_due(ix));
                self.change(Change::Step { step: ix, phase: StepPhase::Running, due });
                Ok(())
            }
            _ => Err(self.wrong_phase(ix)),
        }
    }

    pub(super) fn attempt_ended(
        &mut self,
        key: &StepKey,
        number: u32,
        result: &AttemptResult,
        cost_micros: u64,
    ) -> Result<(), Rejected> {
        let ix = self.live(key, number)?;
        self.effects.push(Effect::Forget { step: ix, number });
        match self.state.steps[ix as usize].phase {
            StepPhase::Stopping(cause) => self.stopped(ix, cause, result, cost_micros),
            StepPhase::Queued
            | StepPhase::Running
            | StepPhase::AwaitingInput
            | StepPhase::Waiting(_)
            | StepPhase::BackOff
            | StepPhase::Ended(_) => self.finished(ix, result, cost_micros),
        }
        self.watch_budget();
        Ok(())
    }

    /// An attempt ended by itself.
    fn finished(&mut self, ix: StepIx, result: &AttemptResult, cost_micros: u64) {
        let unfit = match result {
            AttemptResult::Done { verdict: Verdict::Success | Verdict::Neutral, outputs, .. } => {
                self.state.plan_of(&self.state.steps[ix as usize]).unfit(outputs.as_deref())
            }
            AttemptResult::Done { verdict: Verdict::Failure, .. }
            | AttemptResult::Failed { .. }
            | AttemptResult::Declined { .. }
            | AttemptResult::Fenced
            | AttemptResult::Stopped => None,
        };
        if let Some(why) = unfit {
            return self.fail_attempt(ix, &Failed::new(FaultClass::BadOutput, &why), cost_micros);
        }
        let failed = match result {
            AttemptResult::Done { verdict: Verdict::Success, outputs, .. } => {
                return self.succeed(ix, StepOutcome::Success, outputs.as_deref(), cost_micros);
            }
            AttemptResult::Done { verdict: Verdict::Neutral, outputs, .. } => {
                return self.succeed(ix, StepOutcome::Neutral, outputs.as_deref(), cost_micros);
            }
            AttemptResult::Done { verdict: Verdict::Failure, message, .. } => {
                Failed::new(FaultClass::Verdict, message.as_deref().unwrap_or("the step failed"))
            }
            AttemptResult::Failed { class, message, retry_after_ms } => {
                let retry_after = retry_after_ms.map(Duration::from_millis);
                Failed { retry_after, ..Failed::new(*class, message) }
            }
            AttemptResult::Declined { message } => {
                Failed { declined: true, ..Failed::new(FaultClass::Overloaded, message) }
            }
            AttemptResult::Fenced => Failed::new(FaultClass::Crash, "nobody knows how the attempt ended"),
            AttemptResult::Stopped => Failed::new(FaultClass::Crash, "the agent stopped without being asked to"),
        };
        self.fail_attempt(ix, &failed, cost_micros);
    }

    /// An attempt ended that was being stopped. A result that came in the last moment counts where only time was up.
    fn stopped(&mut self, ix: StepIx, cause: StopCause, result: &AttemptResult, cost_micros: u64) {
        let took = self.state.plan_of(&self.state.steps[ix as usize]).timeout;
        let with_run = match self.state.phase {
            RunPhase::Asking | RunPhase::Running | RunPhase::Ended(_) => None,
            RunPhase::Stopping(RunOutcome::Failure) => Some(CancelCause::FailFast),
            RunPhase::Stopping(RunOutcome::TimedOut) => Some(CancelCause::RunTimeout),
            RunPhase::Stopping(_) => Some(CancelCause::Run),
        };
        if let (StopCause::TimedOut | StopCause::Stalled, Some(cause)) = (cause, with_run) {
            return self.close(ix, StepOutcome::Cancelled(cause), cost_micros);
        }
        match cause {
            StopCause::TimedOut | StopCause::Stalled if passed(result) => self.finished(ix, result, cost_micros),
            StopCause::TimedOut => {
                let message = format!("took longer than {}", crate::time::human(took));
                self.fail_attempt(ix, &Failed::new(FaultClass::Timeout, &message), cost_micros);
            }
            StopCause::Stalled => {
                self.fail_attempt(ix, &Failed::new(FaultClass::Timeout, "showed no sign of life"), cost_micros);
            }
            StopCause::Cancelled(cause) => self.close(ix, StepOutcome::Cancelled(cause), cost_micros),
            StopCause::Skipped => self.close(ix, StepOutcome::SkippedByCommand, cost_micros),
        }
    }

    pub(super) fn close(&mut self, ix: StepIx, outcome: StepOutcome, cost_micros: u64) {
        let step = &self.state.steps[ix as usize];
        let (fault, tries) = (step.fault.clone(), step.tries);
        self.change(Change::AttemptClosed { step: ix, cost_micros, fault, tries });
        self.end_step(ix, outcome);
    }

    fn succeed(&mut self, ix: StepIx, outcome: StepOutcome, outputs: Option<&str>, cost_micros: u64) {
        let tries = self.state.steps[ix as usize].tries;
        self.change(Change::AttemptClosed { step: ix, cost_micros, fault: None, tries });
        match outputs.map(|outputs| self.room_for(ix, outputs)) {
            Some(Err(message)) => return self.fail_step(ix, Fault { class: FaultClass::BadOutput, message }),
            Some(Ok(true)) => {
                let outputs = outputs.unwrap_or_default().to_owned();
                self.change(Change::OutputsKept { step: ix, outputs });
            }
            Some(Ok(false)) | None => {}
        }
        self.end_step(ix, outcome);
    }

    /// Whether outputs are to be kept: only those that a later expression names, and only so many bytes.
    fn room_for(&self, ix: StepIx, outputs: &str) -> Result<bool, String> {
        let step = &self.state.steps[ix as usize];
        if !self.state.plan_of(step).outputs_used {
            return Ok(false);
        }
        let limits = self.state.birth.as_ref().map(|birth| birth.limits).unwrap_or_default();
        let of_run = self.state.index.outputs_bytes - step.outputs.as_ref().map_or(0, String::len);
        let too_large = |what: &str, limit| Err(format!("{what} are larger than {limit} bytes"));
        if outputs.len() > limits.step_outputs_bytes_max as usize {
            return too_large("the step's outputs", limits.step_outputs_bytes_max);
        }
        if of_run + outputs.len() > limits.run_outputs_bytes_max as usize {
            return too_large("the run's outputs", limits.run_outputs_bytes_max);
        }
        Ok(true)
    }

    /// Closes an attempt that failed, and decides what follows.
    fn fail_attempt(&mut self, ix: StepIx, failed: &Failed, cost_micros: u64) {
        let step = &self.state.steps[ix as usize];
        let mut tries = step.tries;
        let class = failed.fault.class;
        let jitter = retry::spread(self.ctx.jitter, ix);
        let planned = self.state.plan_of(step);
        let next = if failed.declined {
            let tried = Tries { with_agent: planned.retry.retries.saturating_add(1), ..tries };
            retry::next(planned, tried, class, None, jitter)
        } else {
            tries.with_agent += u32::from(class != FaultClass::BadOutput && class != FaultClass::Budget);
            retry::next(planned, tries, class, failed.retry_after, jitter)
        };
        let outcome = if class == FaultClass::Timeout { StepOutcome::TimedOut } else { StepOutcome::Failure };
        match next {
            Next::AskAgain => tries.asked_again = true,
            Next::Fallback => tries = Tries { agent: tries.agent + 1, ..Tries::default() },
            Next::Again(_) | Next::Hold | Next::Fail => {}
        }
        self.change(Change::AttemptClosed { step: ix, cost_micros, fault: Some(failed.fault.clone()), tries });
        match next {
            Next::Again(delay) => {
                let due = Some(Due::run(self.state.run_time(self.at).saturating_add(delay)));
                self.change(Change::Step { step: ix, phase: StepPhase::BackOff, due });
            }
            Next::AskAgain | Next::Fallback => self.set_step(ix, StepPhase::Waiting(WaitFor::Turn)),
            Next::Hold => {
                self.set_step(ix, StepPhase::Waiting(WaitFor::Turn));
                self.hold_for_budget();
            }
            Next::Fail => self.end_step(ix, outcome),
        }
    }

    /// A queued attempt that no agent took in time.
    pub(super) fn queue_timed_out(&mut self, ix: StepIx) {
        let Some(live) = self.state.steps[ix as usize].live.clone() else { return };
        self.effects.push(Effect::Forget { step: ix, number: live.number });
        let message = format!("Agent not available: {}: it had no place in time", live.agent);
        let failed = Failed { declined: true, ..Failed::new(FaultClass::Timeout, &message) };
        self.fail_attempt(ix, &failed, 0);
    }

    fn watch_budget(&mut self) {
        let open = self.must_be_open().is_ok() && self.state.index.open > 0;
        if open && self.state.plan.max_cost_micros.is_some_and(|max| self.state.cost_micros > max) {
            self.hold_for_budget();
        }
    }

    fn hold_for_budget(&mut self) {
        if self.must_be_open().is_err() || self.state.holds.contains_key(&HoldKind::Budget) {
            return;
        }
        let why = "the budget is spent".to_owned();
        self.put_hold(Hold { kind: HoldKind::Budget, by: None, why, since: self.at });
        self.effects.push(Effect::Notify(Notice::BudgetSpent));
    }

    pub(super) fn skip_requested(&mut self, key: &StepKey) -> Result<(), Rejected> {
        self.must_be_open()?;
        let ix = self.find(key)?;
        match self.state.steps[ix as usize].phase {
            StepPhase::Waiting(_) | StepPhase::BackOff => self.end_step(ix, StepOutcome::SkippedByCommand),
            StepPhase::Queued => {
                let number = self.state.steps[ix as usize].attempts;
                self.effects.push(Effect::Forget { step: ix, number });
                self.close(ix, StepOutcome::SkippedByCommand, 0);
            }
            StepPhase::Running | StepPhase::AwaitingInput if self.state.steps[ix as usize].live.is_some() => {
                self.stop_attempt(ix, StopCause::Skipped);
            }
            StepPhase::Running | StepPhase::AwaitingInput | StepPhase::Stopping(_) | StepPhase::Ended(_) => {
                return Err(self.wrong_phase(ix));
            }
        }
        Ok(())
    }

    /// Cancels the instances of a fan-out that have not ended: one of them failed, and the step says `fail_fast`.
    pub(super) fn cancel_instances(&mut self, parent: StepIx) {
        const CAUSE: CancelCause = CancelCause::FailFast;
        for ix in self.state.index.instances.get(&parent).cloned().unwrap_or_default() {
            let number = self.state.steps[ix as usize].attempts;
            match self.state.steps[ix as usize].phase {
                StepPhase::Waiting(_) | StepPhase::BackOff => self.end_step(ix, StepOutcome::Cancelled(CAUSE)),
                StepPhase::Queued => {
                    self.effects.push(Effect::Forget { step: ix, number });
                    self.close(ix, StepOutcome::Cancelled(CAUSE), 0);
                }
                StepPhase::Running | StepPhase::AwaitingInput => self.stop_attempt(ix, StopCause::Cancelled(CAUSE)),
                // It is being told to stop already; what follows is that it is cancelled, and not tried again.
                StepPhase::Stopping(StopCause::TimedOut | StopCause::Stalled) => {
                    self.set_step(ix, StepPhase::Stopping(StopCause::Cancelled(CAUSE)));
                }
                StepPhase::Stopping(StopCause::Cancelled(_) | StopCause::Skipped) | StepPhase::Ended(_) => {}
            }
        }
    }

    pub(super) fn refused(&mut self, key: &StepKey) -> Result<(), Rejected> {
        self.must_be_open()?;
        let ix = self.find(key)?;
        if self.state.steps[ix as usize].phase != StepPhase::Waiting(WaitFor::Approval) {
            return Err(self.wrong_phase(ix));
        }
        self.end_step(ix, StepOutcome::Cancelled(CancelCause::Refused));
        Ok(())
    }
}

fn passed(result: &AttemptResult) -> bool {
    matches!(result, AttemptResult::Done { verdict: Verdict::Success | Verdict::Neutral, .. })
}

/// A message at its longest, cut where a character ends.
fn cut(message: &str) -> &str {
    message.get(..message.floor_char_boundary(FAULT_BYTES_MAX)).unwrap_or(message)
}

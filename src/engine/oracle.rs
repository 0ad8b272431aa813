//! A naive runner of the rules of a run, written from their description and not from the engine: plain loops over all
//! steps, everything computed again each time. It is told what only gates and chance can know: which places the run
//! has, whether it is held, and how long a back-off is (within its bounds).
#![expect(clippy::wildcard_enum_match_arm, reason = "what the oracle does not name it does not know")]

mod follow;
mod rounds;

use std::sync::Arc;
use std::time::Duration;

use super::event::{AttemptResult, Event, Verdict};
use super::script::World;
use super::state::{HoldKind, RunOutcome, RunPhase, RunState};
use super::step::{CancelCause, Due, FaultClass, StepOutcome, StepPhase, StopCause, WaitFor};
use crate::ids::StepKey;
use crate::time::Timestamp;
use crate::workflow::plan::{OnFailure, Plan, Step, Strategy};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Needs,
    Approval,
    Gate,
    Ready,
    Queued(Option<Duration>),
    Running(Timestamp),
    Asking,
    BackOff(Duration),
    Stopping(StopCause),
    FannedOut,
    Done(StepOutcome),
}

#[derive(Debug, Clone)]
struct Model {
    key: StepKey,
    plan: usize,
    parent: Option<usize>,
    at: At,
    attempts: u32,
    agent: usize,
    tried: u32,
    asked_again: bool,
    started: bool,
    made: usize,
    retired: bool,
    items: serde_json::Value,
}

pub(super) struct Oracle {
    plan: Arc<Plan>,
    steps: Vec<Model>,
    run: RunPhase,
    /// Since when the run was held or not, from the beginning of the round.
    clock: Vec<(Timestamp, bool)>,
    now: Timestamp,
    fan_out_max: usize,
}

impl Oracle {
    pub(super) fn new(plan: Arc<Plan>, fan_out_max: usize) -> Self {
        let model = |(ix, step): (usize, &Step)| Model::new(step.key.clone(), ix, None, At::Needs);
        let steps = plan.steps.iter().enumerate().map(model).collect();
        Self { plan, steps, run: RunPhase::Asking, clock: Vec::new(), now: Timestamp(0), fan_out_max }
    }

    fn open(&self) -> bool {
        matches!(self.run, RunPhase::Asking | RunPhase::Running)
    }

    fn find(&self, key: &StepKey) -> Option<usize> {
        self.steps.iter().position(|step| step.key == *key && !step.retired)
    }

    fn step_of(&self, ix: usize) -> &Step {
        &self.plan.steps[self.steps[ix].plan]
    }

    fn run_time(&self, at: Timestamp) -> Duration {
        let ends = self.clock.iter().skip(1).map(|&(end, _)| end).chain([at]);
        self.clock.iter().zip(ends).filter(|((_, held), _)| !held).map(|(&(begin, _), end)| end.since(begin)).sum()
    }

    fn live(&self, key: &StepKey, number: u32) -> Option<usize> {
        self.find(key).filter(|&ix| self.steps[ix].is_live() && self.steps[ix].attempts == number)
    }

    /// Whether the engine must take this event. Grants are its own business.
    pub(super) fn accepts(&self, event: &Event, holds: &[HoldKind]) -> Option<bool> {
        let at = |key| self.find(key).map(|ix| self.steps[ix].at);
        let running =
            |key, number| self.live(key, number).is_some_and(|ix| matches!(self.steps[ix].at, At::Running(_)));
        Some(match event {
            Event::Created(_) => self.clock.is_empty(),
            Event::Granted(_) => return None,
            Event::Superseded | Event::Dropped | Event::HandedOver(_) | Event::CancelRequested { .. } => self.open(),
            Event::Held(hold) => self.open() && !holds.contains(&hold.kind),
            Event::Released { kind, .. } => self.open() && holds.contains(kind) && *kind != HoldKind::Queue,
            Event::AttemptStarted { step, number } => {
                let queued = self.live(step, *number).is_some_and(|ix| matches!(self.steps[ix].at, At::Queued(_)));
                queued && holds.is_empty()
            }
            Event::AttemptEnded { step, number, .. } => self.live(step, *number).is_some(),
            Event::Stalled { step, number } | Event::InputAsked { step, number } => running(step, *number),
            Event::Answered { step, .. } => at(step) == Some(At::Asking),
            Event::Approved { step, .. } | Event::Refused { step, .. } => self.open() && at(step) == Some(At::Approval),
            Event::SkipRequested { step, .. } => {
                self.open() && at(step).is_some_and(|at| !matches!(at, At::Stopping(_) | At::FannedOut | At::Done(_)))
            }
            Event::RetryRequested { what, .. } => self.chosen(what).is_some(),
            Event::Ticked => true,
        })
    }

    /// What happened, and what the engine made of it: the two must agree.
    pub(super) fn happen(&mut self, event: &Event, at: Timestamp, world: &World) {
        self.now = at;
        let state = &world.state;
        match event {
            Event::Created(_) => self.clock = vec![(self.now, state.is_held())],
            Event::Superseded => self.stop_all(CancelCause::Run, RunOutcome::Superseded),
            Event::Dropped => self.stop_all(CancelCause::Run, RunOutcome::Dropped),
            Event::HandedOver(_) => self.stop_all(CancelCause::Run, RunOutcome::HandedOver),
            Event::CancelRequested { .. } => self.stop_all(CancelCause::Run, RunOutcome::Cancelled),
            Event::Granted(_) | Event::Held(_) | Event::Released { .. } => {}
            Event::AttemptStarted { step, .. } | Event::Answered { step, .. } => self.start(self.find(step).unwrap()),
            Event::AttemptEnded { step, result, .. } => self.attempt_ended(self.find(step).unwrap(), result, state),
            Event::Stalled { step, .. } => self.set(step, At::Stopping(StopCause::Stalled)),
            Event::InputAsked { step, .. } => self.set(step, At::Asking),
            Event::Approved { step, .. } => self.ready(self.find(step).unwrap()),
            Event::Refused { step, .. } => {
                self.end(self.find(step).unwrap(), StepOutcome::Cancelled(CancelCause::Refused));
            }
            Event::SkipRequested { step, .. } => {
                let ix = self.find(step).unwrap();
                match self.steps[ix].at {
                    At::Running(_) | At::Asking => self.steps[ix].at = At::Stopping(StopCause::Skipped),
                    _ => self.end(ix, StepOutcome::SkippedByCommand),
                }
            }
            Event::RetryRequested { what, .. } => self.again(what, state.is_held()),
            Event::Ticked => self.tick(),
        }
        self.settle(world);
        if self.clock.last().is_some_and(|&(_, held)| held != state.is_held()) {
            self.clock.push((self.now, state.is_held()));
        }
        self.compare(state);
    }

    fn set(&mut self, key: &StepKey, at: At) {
        let ix = self.find(key).unwrap();
        self.steps[ix].at = at;
    }

    fn start(&mut self, ix: usize) {
        self.steps[ix].at = At::Running(self.now.plus(self.step_of(ix).timeout));
        self.steps[ix].started = true;
    }

    fn stop_all(&mut self, cause: CancelCause, outcome: RunOutcome) {
        for step in &mut self.steps {
            match step.at {
                At::Done(_) | At::Stopping(_) => {}
                At::Running(_) | At::Asking => step.at = At::Stopping(StopCause::Cancelled(cause)),
                _ => step.at = At::Done(StepOutcome::Cancelled(cause)),
            }
        }
        self.run = RunPhase::Stopping(outcome);
    }

    fn end(&mut self, ix: usize, outcome: StepOutcome) {
        self.steps[ix].at = At::Done(outcome);
        let failed = matches!(outcome, StepOutcome::Failure | StepOutcome::TimedOut);
        if failed && self.open() && self.step_of(ix).critical && self.plan.parallel == OnFailure::FailFast {
            self.stop_all(CancelCause::FailFast, RunOutcome::Failure);
        } else if let Some(parent) = self.steps[ix].parent
            && failed
            && self.step_of(ix).fail_fast
        {
            let cancelled = CancelCause::FailFast;
            for sister in self.instances(parent).collect::<Vec<_>>() {
                match self.steps[sister].at {
                    At::Done(_) | At::Stopping(StopCause::Cancelled(_) | StopCause::Skipped) => {}
                    At::Running(_) | At::Asking | At::Stopping(_) => {
                        self.steps[sister].at = At::Stopping(StopCause::Cancelled(cancelled));
                    }
                    _ => self.steps[sister].at = At::Done(StepOutcome::Cancelled(cancelled)),
                }
            }
        }
    }

    fn attempt_ended(&mut self, ix: usize, result: &AttemptResult, state: &RunState) {
        let mut result = result.clone();
        let good = matches!(&result, AttemptResult::Done { verdict: Verdict::Success | Verdict::Neutral, .. });
        if let At::Stopping(cause) = self.steps[ix].at {
            let stopped = match self.run {
                RunPhase::Stopping(RunOutcome::Failure) => CancelCause::FailFast,
                RunPhase::Stopping(RunOutcome::TimedOut) => CancelCause::RunTimeout,
                _ => CancelCause::Run,
            };
            match cause {
                StopCause::Skipped => return self.end(ix, StepOutcome::SkippedByCommand),
                StopCause::Cancelled(cause) => return self.end(ix, StepOutcome::Cancelled(cause)),
                _ if !self.open() => return self.end(ix, StepOutcome::Cancelled(stopped)),
                _ if good => {}
                _ => {
                    let class = FaultClass::Timeout;
                    result = AttemptResult::Failed { class, message: String::new(), retry_after_ms: None };
                }
            }
        }
        let (class, wait) = match result {
            AttemptResult::Done { verdict: Verdict::Failure, .. } => (FaultClass::Verdict, None),
            AttemptResult::Done { verdict, outputs, .. } => {
                let outputs: Option<serde_json::Value> = outputs.and_then(|text| serde_json::from_str(&text).ok());
                self.steps[ix].items = outputs.map(|outputs| outputs["items"].clone()).unwrap_or_default();
                let neutral = verdict == Verdict::Neutral;
                return self.end(ix, if neutral { StepOutcome::Neutral } else { StepOutcome::Success });
            }
            AttemptResult::Failed { class, retry_after_ms, .. } => (class, retry_after_ms.map(Duration::from_millis)),
            AttemptResult::Declined { .. } => return self.next_agent(ix, StepOutcome::Failure),
            AttemptResult::Fenced | AttemptResult::Stopped => (FaultClass::Crash, None),
        };
        self.failed(ix, class, wait, state);
    }

    fn failed(&mut self, ix: usize, class: FaultClass, wait: Option<Duration>, state: &RunState) {
        use FaultClass as C;
        let retry = self.step_of(ix).retry.clone();
        let outcome = if class == C::Timeout { StepOutcome::TimedOut } else { StepOutcome::Failure };
        let step = &mut self.steps[ix];
        step.tried += u32::from(!matches!(class, C::BadOutput | C::Budget));
        let escalate = retry.strategy == Strategy::ImmediateEscalation;
        let again = step.tried <= retry.retries && !escalate;
        match class {
            C::Budget => step.at = At::Ready,
            C::BadOutput if !step.asked_again && !escalate => (step.asked_again, step.at) = (true, At::Ready),
            C::Verdict if !(again && retry.verdicts) => self.end(ix, outcome),
            C::Policy | C::Validation => self.end(ix, outcome),
            C::Auth | C::Config | C::BadOutput => self.next_agent(ix, outcome),
            _ if !again => self.next_agent(ix, outcome),
            _ => {
                let found = state.find(&step.key).unwrap() as usize;
                let Some(Due::Run(due)) = state.steps[found].due else { panic!("{} has no back-off", step.key) };
                let factor = f64::from(retry.factor_percent) / 100.0;
                let whole = retry.backoff.mul_f64(factor.powi(step.tried as i32 - 1)).min(retry.backoff_max);
                step.at = At::BackOff(Duration::from_micros(due));
                let delay = Duration::from_micros(due).saturating_sub(self.run_time(self.now));
                let (least, most) = (wait.unwrap_or_default().max(whole / 2), wait.unwrap_or_default().max(whole));
                assert!(least <= delay && delay <= most, "a back-off of {delay:?}, not of {least:?} to {most:?}");
            }
        }
    }

    fn next_agent(&mut self, ix: usize, outcome: StepOutcome) {
        let planned = self.step_of(ix);
        let falls = matches!(planned.retry.strategy, Strategy::RetryWithFallback | Strategy::RetryWithAnalysis);
        if falls && self.steps[ix].agent < planned.fallback_agents.len() {
            let step = &mut self.steps[ix];
            (step.agent, step.tried, step.asked_again, step.at) = (step.agent + 1, 0, false, At::Ready);
        } else {
            self.end(ix, outcome);
        }
    }

    /// Fires what is due, the earliest first.
    fn tick(&mut self) {
        while self.open() {
            // A fan-out ends with its last instance, before the time of the whole run is looked at.
            while (0..self.steps.len()).any(|ix| self.steps[ix].at == At::FannedOut && self.decide(ix)) {}
            let time = self.run_time(self.now);
            let held = self.clock.last().is_some_and(|&(_, held)| held);
            let waits =
                |due: Duration| (due <= time && !held).then(|| Timestamp(self.now.0 - crate::time::micros(time - due)));
            let due = |(ix, step): (usize, &Model)| match step.at {
                _ if step.retired => None,
                At::Running(due) => (due <= self.now).then_some((due, 0, ix)),
                At::BackOff(due) | At::Queued(Some(due)) => waits(due).map(|at| (at, 1, ix)),
                _ => None,
            };
            let whole = waits(self.plan.timeout).map(|at| (at, 2, 0));
            match self.steps.iter().enumerate().filter_map(due).chain(whole).min() {
                None => return,
                Some((_, 2, _)) => self.stop_all(CancelCause::RunTimeout, RunOutcome::TimedOut),
                Some((_, 0, ix)) => self.steps[ix].at = At::Stopping(StopCause::TimedOut),
                Some((_, _, ix)) if matches!(self.steps[ix].at, At::Queued(_)) => {
                    self.next_agent(ix, StepOutcome::TimedOut);
                }
                Some((_, _, ix)) => self.steps[ix].at = At::Ready,
            }
        }
    }

    fn compare(&self, state: &RunState) {
        assert_eq!(self.run, state.phase, "the run");
        assert_eq!(self.steps.len(), state.steps.len());
        for model in &self.steps {
            let step = &state.steps[state.find(&model.key).unwrap() as usize];
            assert_eq!((&model.key, model.retired, model.attempts), (&step.key, step.retired, step.attempts));
            let same = model.retired
                || match (model.at, step.phase) {
                    (At::Needs, StepPhase::Waiting(WaitFor::Needs))
                    | (At::Approval, StepPhase::Waiting(WaitFor::Approval))
                    | (At::Gate, StepPhase::Waiting(WaitFor::Gate))
                    | (At::Ready, StepPhase::Waiting(WaitFor::Turn))
                    | (At::Queued(_), StepPhase::Queued)
                    | (At::Asking, StepPhase::AwaitingInput)
                    | (At::BackOff(_), StepPhase::BackOff) => true,
                    (At::Running(_), StepPhase::Running) => step.live.is_some(),
                    (At::FannedOut, StepPhase::Running) => step.live.is_none(),
                    (At::Stopping(ours), StepPhase::Stopping(theirs)) => ours == theirs,
                    (At::Done(ours), StepPhase::Ended(theirs)) => ours == theirs,
                    _ => false,
                };
            assert!(same, "{}: the oracle says {:?}, the engine {:?}", model.key, model.at, step.phase);
        }
    }
}

impl Model {
    fn new(key: StepKey, plan: usize, parent: Option<usize>, at: At) -> Self {
        let (attempts, agent, tried, made, asked_again, started, retired) = (0, 0, 0, 0, false, false, false);
        let items = serde_json::Value::Null;
        Self { key, plan, parent, at, attempts, agent, tried, asked_again, started, made, retired, items }
    }

    fn is_live(&self) -> bool {
        matches!(self.at, At::Queued(_) | At::Running(_) | At::Asking | At::Stopping(_))
    }
}

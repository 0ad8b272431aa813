//! From an agent's answer to the event that ends an attempt, with what is written beside it: the report for people,
//! and the slot that the attempt gives back.

use anyhow::Context as _;
use tracing::{debug, info};

use super::runs::{Act, Runs};
use super::tickets;
use crate::agents::a2a::{TaskSnapshot, TaskState};
use crate::agents::{self, Class, Conclusion, Failure, Kind, Outcome, StepResult, head};
use crate::crash::crashpoint;
use crate::engine::Event;
use crate::engine::event::{AttemptResult, Verdict};
use crate::engine::step::{FAULT_BYTES_MAX, FaultClass};
use crate::ids::{AgentName, AttemptId};
use crate::report::{Annotation, Level, StepReport};
use crate::store::{BlobKey, BlobWrite, Store};

/// Ends attempts. Cheap to clone.
#[derive(Clone)]
pub(super) struct Endings {
    store: Store,
    runs: Runs,
}

/// What an attempt left behind.
pub(super) struct Ending {
    result: AttemptResult,
    report: Option<StepReport>,
    cost_micros: u64,
}

impl Ending {
    /// Nothing but how it ended.
    pub(super) fn bare(result: AttemptResult) -> Self {
        Self { result, report: None, cost_micros: 0 }
    }

    /// A fault, whose class says what follows.
    pub(super) fn failed(failure: Failure) -> Self {
        Self::bare(failed(failure))
    }

    /// What a task means that has ended; `Err` when it has not. `stopped` says that we asked for its end.
    pub(super) fn of(task: &TaskSnapshot, kind: Kind, attempt: u32, stopped: bool) -> Result<Self, Outcome> {
        match Outcome::of(task, kind) {
            Outcome::Ended(result) => {
                let failure = result.error.clone().filter(|failure| failure.class == Class::Policy);
                let ending = Self::given(attempt, *result);
                Ok(match failure {
                    // It never took the attempt, so the next agent gets it at once.
                    Some(failure) if task.status.state == TaskState::Rejected => {
                        ending.but(AttemptResult::Declined { message: failure.message })
                    }
                    Some(_) | None => ending,
                })
            }
            Outcome::Canceled(result) => {
                let ending = Self::given(attempt, *result);
                Ok(if stopped { ending.but(AttemptResult::Stopped) } else { ending })
            }
            open @ (Outcome::Working { .. } | Outcome::InputRequired { .. }) => Err(open),
        }
    }

    /// What the agent gave.
    fn given(attempt: u32, result: StepResult) -> Self {
        let report = StepReport {
            attempt,
            summary: result.summary.clone(),
            log_tail: result.log_tail.clone(),
            annotations: result.annotations.iter().map(annotation).collect(),
        };
        let cost_micros = result.usage.cost_micros.unwrap_or(0);
        Self { result: judged(result), report: Some(report), cost_micros }
    }

    /// The same, with another result: the agent was stopped, or would not take it.
    fn but(self, result: AttemptResult) -> Self {
        Self { result, ..self }
    }
}

/// The name of the report of an attempt.
pub(super) fn report_key(store: &Store, attempt: &AttemptId) -> anyhow::Result<BlobKey> {
    let name = StepReport::name(attempt);
    store.blob_key(attempt.run, name.as_bytes()).context("the name of a report")
}

impl Endings {
    pub(super) fn new(store: Store, runs: Runs) -> Self {
        Self { store, runs }
    }

    /// Writes the end of an attempt, once. Late is a normal day: another replica, or a cancel, was faster.
    pub(super) async fn end(&self, agent: &AgentName, attempt: &AttemptId, ending: Ending) -> anyhow::Result<()> {
        let AttemptId { run, step, number } = attempt.clone();
        let (result, cost_micros) = (ending.result, ending.cost_micros);
        let mut act = Act::new(run, Event::AttemptEnded { step, number, result, cost_micros });
        if !self.runs.is_eager(agent) {
            act.gates.push(tickets::give_slot(agent, attempt));
        }
        if let Some(report) = &ending.report {
            let body = serde_json::to_vec(report).context("a report")?;
            act.blobs.push(BlobWrite { key: report_key(&self.store, attempt)?, body });
        }
        crashpoint!("result_seen_not_committed");
        match self.runs.note(act).await? {
            Some(Ok(_)) => {
                crashpoint!("result_committed_not_followed");
                info!(attempt.id = %attempt, "an attempt ended");
            }
            Some(Err(why)) => debug!(attempt.id = %attempt, %why, "the end of an attempt came late"),
            None => debug!(attempt.id = %attempt, "the run of an attempt is gone"),
        }
        Ok(())
    }
}

fn judged(result: StepResult) -> AttemptResult {
    if let Some(failure) = result.error {
        return failed(failure);
    }
    let verdict = match result.conclusion {
        Conclusion::Success => Verdict::Success,
        Conclusion::Neutral => Verdict::Neutral,
        Conclusion::Failure => Verdict::Failure,
    };
    let words = result.summary.lines().map(str::trim).find(|line| !line.is_empty());
    let message = words.filter(|_| verdict == Verdict::Failure).map(|line| head(line, FAULT_BYTES_MAX).to_owned());
    let outputs = (!result.outputs.is_empty()).then(|| serde_json::to_string(&result.outputs).ok()).flatten();
    AttemptResult::Done { verdict, outputs, message }
}

fn failed(failure: Failure) -> AttemptResult {
    AttemptResult::Failed {
        class: class(failure.class),
        message: failure.message,
        retry_after_ms: failure.retry_after_s.map(|seconds| seconds.saturating_mul(1_000)),
    }
}

fn class(class: Class) -> FaultClass {
    match class {
        Class::Transient => FaultClass::Transient,
        Class::Overloaded => FaultClass::Overloaded,
        Class::RateLimit => FaultClass::RateLimit,
        Class::Timeout => FaultClass::Timeout,
        Class::Crash => FaultClass::Crash,
        Class::BadOutput => FaultClass::BadOutput,
        Class::Auth => FaultClass::Auth,
        Class::Config => FaultClass::Config,
        Class::Policy => FaultClass::Policy,
        Class::Validation => FaultClass::Validation,
        Class::Budget => FaultClass::Budget,
    }
}

fn annotation(annotation: &agents::Annotation) -> Annotation {
    let agents::Annotation { path, start_line, end_line, level, title, message } = annotation.clone();
    let level = match level {
        agents::Level::Notice => Level::Notice,
        agents::Level::Warning => Level::Warning,
        agents::Level::Failure => Level::Failure,
    };
    Annotation { path, start_line, end_line, level, title, message }
}

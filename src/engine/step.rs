//! What a step is at one moment: its phase, its attempts, how it ended and what went wrong.

use std::time::Duration;

use minicbor::{CborLen, Decode, Encode};

use crate::ids::{AgentName, Login, StepKey};
use crate::time::{Timestamp, micros};
use crate::workflow::plan::PlanIx;

/// The place of a step in a run's steps: the plan's steps first, then the instances of fan-outs.
pub type StepIx = u32;

/// One step, or one instance of a fan-out, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct StepState {
    /// Its key: `lint`, `review_each[3]`.
    #[n(0)]
    pub key: StepKey,
    /// Its definition in the plan.
    #[n(1)]
    pub plan: PlanIx,
    /// The fan-out that it is an instance of.
    #[n(2)]
    pub parent: Option<StepIx>,
    /// The instance's item, as JSON text.
    #[n(3)]
    pub item: Option<String>,
    /// Where it stands.
    #[n(4)]
    pub phase: StepPhase,
    /// Since when.
    #[n(5)]
    pub since: Timestamp,
    /// When this phase ends by itself.
    #[n(6)]
    pub due: Option<Due>,
    /// Attempt numbers used so far; they only grow, over rounds too.
    #[n(7)]
    pub attempts: u32,
    /// The attempt that is queued, running or being stopped.
    #[n(8)]
    pub live: Option<Live>,
    /// How it was tried in this round.
    #[n(9)]
    pub tries: Tries,
    /// Whether it was approved in this round, and by whom.
    #[n(10)]
    pub approved: Option<Login>,
    /// Instances made so far; their numbers are never used again.
    #[n(11)]
    pub instances: u32,
    /// An instance of an earlier round: it counts for nothing any more.
    #[n(12)]
    pub retired: bool,
    /// Its outputs, one JSON object as text; kept only when a later expression names them.
    #[n(13)]
    pub outputs: Option<String>,
    /// What went wrong last.
    #[n(14)]
    pub fault: Option<Fault>,
    /// When its first attempt of this round started at an agent.
    #[n(15)]
    pub started: Option<Timestamp>,
    /// What its attempts cost, in millionths of a US dollar.
    #[n(16)]
    pub cost_micros: u64,
}

/// The attempt of a step that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Live {
    /// Its number.
    #[n(0)]
    pub number: u32,
    /// Its agent.
    #[n(1)]
    pub agent: AgentName,
    /// When it started at the agent.
    #[n(2)]
    pub started: Option<Timestamp>,
}

/// How a step was tried in this round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode, CborLen)]
pub struct Tries {
    /// 0 is the step's agent; then its fallback agents in order.
    #[n(0)]
    pub agent: u32,
    /// Attempts with that agent that count as tries.
    #[n(1)]
    pub with_agent: u32,
    /// That agent was asked again for an answer that can be read.
    #[n(2)]
    pub asked_again: bool,
}

/// When a phase ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, CborLen)]
pub enum Due {
    /// At this run time, in microseconds: holds push it out.
    #[n(0)]
    Run(#[n(0)] u64),
    /// At this moment.
    #[n(1)]
    Wall(#[n(0)] Timestamp),
}

impl Due {
    /// In run time.
    #[must_use]
    pub fn run(run_time: Duration) -> Self {
        Self::Run(u64::try_from(micros(run_time)).unwrap_or(0))
    }
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, CborLen)]
pub enum StepPhase {
    /// It waits, and no agent has it.
    #[n(0)]
    Waiting(#[n(0)] WaitFor),
    /// An attempt waits for its agent.
    #[n(1)]
    Queued,
    /// An agent works on it; or, for a fan-out, its instances are not all over.
    #[n(2)]
    Running,
    /// The agent asked a question.
    #[n(3)]
    AwaitingInput,
    /// It will be tried again.
    #[n(4)]
    BackOff,
    /// The agent was told to stop and has not confirmed it.
    #[n(5)]
    Stopping(#[n(0)] StopCause),
    /// It is over.
    #[n(6)]
    Ended(#[n(0)] StepOutcome),
}

/// What a waiting step waits for.
///
/// Exclusion groups, resources and the limit on steps at once are all [`WaitFor::Turn`]: which of them holds a step
/// back changes with every other step, so it is derived when somebody asks (`view::turn`) and never written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, CborLen)]
pub enum WaitFor {
    /// Its needs.
    #[n(0)]
    Needs,
    /// A person's approval.
    #[n(1)]
    Approval,
    /// Its environment.
    #[n(2)]
    Gate,
    /// Its turn among the steps of this run.
    #[n(3)]
    Turn,
}

/// Why an attempt is being stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, CborLen)]
pub enum StopCause {
    /// It took longer than the step's timeout.
    #[n(0)]
    TimedOut,
    /// It showed no sign of life.
    #[n(1)]
    Stalled,
    /// The step is cancelled.
    #[n(2)]
    Cancelled(#[n(0)] CancelCause),
    /// A person skips the step.
    #[n(3)]
    Skipped,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, CborLen)]
pub enum StepOutcome {
    /// It did what it should.
    #[n(0)]
    Success,
    /// It ran and has no opinion.
    #[n(1)]
    Neutral,
    /// It failed.
    #[n(2)]
    Failure,
    /// Its last attempt took too long.
    #[n(3)]
    TimedOut,
    /// It never ran, or was stopped.
    #[n(4)]
    Cancelled(#[n(0)] CancelCause),
    /// Its own `if` said no.
    #[n(5)]
    SkippedByIf,
    /// A person skipped it.
    #[n(6)]
    SkippedByCommand,
}

/// Why a step was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, CborLen)]
pub enum CancelCause {
    /// The run was cancelled, superseded or handed over.
    #[n(0)]
    Run,
    /// A step that it needs failed. Not critical: that failure does not fail the run.
    #[n(1)]
    NeedFailed {
        /// Whether the failure that started it was a critical step's.
        #[n(0)]
        critical: bool,
    },
    /// Another step failed, and `fail_fast` cancels everything.
    #[n(2)]
    FailFast,
    /// The run's timeout.
    #[n(3)]
    RunTimeout,
    /// A person refused to approve it.
    #[n(4)]
    Refused,
    /// A step that it needs was cancelled, not by a failure.
    #[n(5)]
    NeedCancelled,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Fault {
    /// Its class, which decides what happens next.
    #[n(0)]
    pub class: FaultClass,
    /// In words, at most [`FAULT_BYTES_MAX`].
    #[n(1)]
    pub message: String,
}

/// The longest message of a fault that the state keeps.
pub const FAULT_BYTES_MAX: usize = 1_000;

/// The classes of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, CborLen)]
pub enum FaultClass {
    /// A hiccup: it may well go the next time.
    #[n(0)]
    Transient,
    /// The agent is too busy.
    #[n(1)]
    Overloaded,
    /// The agent, or its model, limits the rate.
    #[n(2)]
    RateLimit,
    /// It took too long, or stalled.
    #[n(3)]
    Timeout,
    /// The agent died, or forgot the attempt.
    #[n(4)]
    Crash,
    /// An answer that cannot be read.
    #[n(5)]
    BadOutput,
    /// The agent's credentials.
    #[n(6)]
    Auth,
    /// The agent, or the step, is set up wrongly.
    #[n(7)]
    Config,
    /// It may not do that.
    #[n(8)]
    Policy,
    /// What it was given is wrong.
    #[n(9)]
    Validation,
    /// The money is spent.
    #[n(10)]
    Budget,
    /// A verdict: the step ran and says no, such as a red test.
    #[n(11)]
    Verdict,
}

impl StepOutcome {
    /// Whether a step that needs this one may start, as far as this one goes.
    #[must_use]
    pub fn satisfies(self) -> bool {
        match self {
            Self::Success | Self::Neutral | Self::SkippedByIf | Self::SkippedByCommand => true,
            Self::Failure | Self::TimedOut | Self::Cancelled(_) => false,
        }
    }
}

impl StepState {
    /// How it ended, if it did.
    #[must_use]
    pub fn outcome(&self) -> Option<StepOutcome> {
        match self.phase {
            StepPhase::Ended(outcome) => Some(outcome),
            StepPhase::Waiting(_)
            | StepPhase::Queued
            | StepPhase::Running
            | StepPhase::AwaitingInput
            | StepPhase::BackOff
            | StepPhase::Stopping(_) => None,
        }
    }

    /// A step before anything happened to it.
    #[must_use]
    pub(super) fn fresh(key: StepKey, plan: PlanIx, parent: Option<StepIx>, item: Option<String>) -> Self {
        Self {
            key,
            plan,
            parent,
            item,
            phase: StepPhase::Waiting(WaitFor::Needs),
            since: Timestamp::default(),
            due: None,
            attempts: 0,
            live: None,
            tries: Tries::default(),
            approved: None,
            instances: 0,
            retired: false,
            outputs: None,
            fault: None,
            started: None,
            cost_micros: 0,
        }
    }
}

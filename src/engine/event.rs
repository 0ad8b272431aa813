//! What can happen to a run. Past tense: each has happened, and the engine says what it means.

use minicbor::{CborLen, Decode, Encode};

use super::state::{Birth, GateKey, Hold, HoldKind};
use super::step::FaultClass;
use crate::ids::{CommitSha, Login, StepKey};

/// What happened to a run.
///
/// Step keys and attempt numbers come from outside; the engine checks them.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub enum Event {
    /// The run was made. The first event, and only the first.
    #[n(0)]
    Created(#[n(0)] Box<Birth>),
    /// A gate let the run in.
    #[n(1)]
    Granted(#[n(0)] GateKey),
    /// A gate gave the run's place to a newer one.
    #[n(2)]
    Superseded,
    /// A gate was full and drops newcomers.
    #[n(3)]
    Dropped,
    /// A hold was put on the run.
    #[n(4)]
    Held(#[n(0)] Hold),
    /// A hold was taken off.
    #[n(5)]
    Released {
        /// Which.
        #[n(0)]
        kind: HoldKind,
        /// By whom.
        #[n(1)]
        by: Option<Login>,
    },
    /// Somebody, or the end of the pull request, cancelled the run.
    #[n(6)]
    CancelRequested {
        /// By whom; absent: the service.
        #[n(0)]
        by: Option<Login>,
        /// Why, in words.
        #[n(1)]
        why: String,
    },
    /// An agent's claim on a queued attempt was committed.
    #[n(7)]
    AttemptStarted {
        /// The step.
        #[n(0)]
        step: StepKey,
        /// The attempt.
        #[n(1)]
        number: u32,
    },
    /// An attempt is over: its task is terminal, or it is fenced off.
    #[n(8)]
    AttemptEnded {
        /// The step.
        #[n(0)]
        step: StepKey,
        /// The attempt.
        #[n(1)]
        number: u32,
        /// With what.
        #[n(2)]
        result: AttemptResult,
        /// What it cost, in millionths of a US dollar.
        #[n(3)]
        cost_micros: u64,
    },
    /// An attempt shows no sign of life.
    #[n(9)]
    Stalled {
        /// The step.
        #[n(0)]
        step: StepKey,
        /// The attempt.
        #[n(1)]
        number: u32,
    },
    /// The agent asks a question.
    #[n(10)]
    InputAsked {
        /// The step.
        #[n(0)]
        step: StepKey,
        /// The attempt.
        #[n(1)]
        number: u32,
    },
    /// A person answered it.
    #[n(11)]
    Answered {
        /// The step.
        #[n(0)]
        step: StepKey,
        /// By whom.
        #[n(1)]
        by: Login,
        /// With what.
        #[n(2)]
        text: String,
    },
    /// A person approved a step.
    #[n(12)]
    Approved {
        /// The step.
        #[n(0)]
        step: StepKey,
        /// By whom.
        #[n(1)]
        by: Login,
    },
    /// A person refused to approve a step.
    #[n(13)]
    Refused {
        /// The step.
        #[n(0)]
        step: StepKey,
        /// By whom.
        #[n(1)]
        by: Login,
    },
    /// A person skips a step.
    #[n(14)]
    SkipRequested {
        /// The step.
        #[n(0)]
        step: StepKey,
        /// By whom.
        #[n(1)]
        by: Login,
    },
    /// A person wants steps again: a new round.
    #[n(15)]
    RetryRequested {
        /// Which.
        #[n(0)]
        what: Again,
        /// By whom.
        #[n(1)]
        by: Option<Login>,
    },
    /// A step made a new commit; a successor runs there.
    #[n(16)]
    HandedOver(#[n(0)] CommitSha),
    /// Time passed: what is due happens.
    #[n(17)]
    Ticked,
}

/// Which steps a new round takes up.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub enum Again {
    /// What failed or never ran.
    #[n(0)]
    Failed,
    /// These, and what behind them failed or never ran.
    #[n(1)]
    Steps(#[n(0)] Vec<StepKey>),
    /// This one and everything behind it.
    #[n(2)]
    From(#[n(0)] StepKey),
    /// Everything.
    #[n(3)]
    All,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub enum AttemptResult {
    /// The agent finished and judged.
    #[n(0)]
    Done {
        /// Its verdict.
        #[n(0)]
        verdict: Verdict,
        /// One JSON object as text.
        #[n(1)]
        outputs: Option<String>,
        /// For a failure: what failed, in words.
        #[n(2)]
        message: Option<String>,
    },
    /// The agent could not finish.
    #[n(1)]
    Failed {
        /// What kind of fault.
        #[n(0)]
        class: FaultClass,
        /// In words.
        #[n(1)]
        message: String,
        /// The agent said when to come back, in milliseconds from now.
        #[n(2)]
        retry_after_ms: Option<u64>,
    },
    /// The agent would not take it: the next agent gets it at once.
    #[n(2)]
    Declined {
        /// In words.
        #[n(0)]
        message: String,
    },
    /// Nobody knows how it ended, and nothing that it says later counts.
    #[n(3)]
    Fenced,
    /// The agent confirmed that it stopped.
    #[n(4)]
    Stopped,
}

/// What a step says of what it looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, CborLen)]
pub enum Verdict {
    /// Fine.
    #[n(0)]
    Success,
    /// No opinion.
    #[n(1)]
    Neutral,
    /// Not fine.
    #[n(2)]
    Failure,
}

impl Event {
    /// A short stable name for the journal, pages and metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Created(_) => "created",
            Self::Granted(_) => "granted",
            Self::Superseded => "superseded",
            Self::Dropped => "dropped",
            Self::Held(_) => "held",
            Self::Released { .. } => "released",
            Self::CancelRequested { .. } => "cancel_requested",
            Self::AttemptStarted { .. } => "attempt_started",
            Self::AttemptEnded { .. } => "attempt_ended",
            Self::Stalled { .. } => "stalled",
            Self::InputAsked { .. } => "input_asked",
            Self::Answered { .. } => "answered",
            Self::Approved { .. } => "approved",
            Self::Refused { .. } => "refused",
            Self::SkipRequested { .. } => "skip_requested",
            Self::RetryRequested { .. } => "retry_requested",
            Self::HandedOver(_) => "handed_over",
            Self::Ticked => "ticked",
        }
    }

    /// The person behind it.
    #[must_use]
    pub fn actor(&self) -> Option<&Login> {
        match self {
            Self::Held(hold) => hold.by.as_ref(),
            Self::Released { by, .. } | Self::CancelRequested { by, .. } | Self::RetryRequested { by, .. } => {
                by.as_ref()
            }
            Self::Answered { by, .. }
            | Self::Approved { by, .. }
            | Self::Refused { by, .. }
            | Self::SkipRequested { by, .. } => Some(by),
            Self::Created(_)
            | Self::Granted(_)
            | Self::Superseded
            | Self::Dropped
            | Self::AttemptStarted { .. }
            | Self::AttemptEnded { .. }
            | Self::Stalled { .. }
            | Self::InputAsked { .. }
            | Self::HandedOver(_)
            | Self::Ticked => None,
        }
    }
}

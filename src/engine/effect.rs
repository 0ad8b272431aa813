//! What `apply` wants done outside. Read the enum and know all that a run can do to the world.
//!
//! All of these become rows in the transaction of the event: the first four are the attempt's row, the next two a
//! gate's rows, the last one a row for the loop that delivers. Checks are not here: they are derived from the state.

use super::step::StepIx;
use crate::ids::AgentName;

/// Something to do outside.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Hand this attempt to its agent.
    Dispatch {
        /// The step.
        step: StepIx,
        /// The attempt's number.
        number: u32,
        /// The agent.
        agent: AgentName,
        /// No gate stands before the agent: the row is born claimed by this replica, and the attempt has started.
        started: bool,
    },
    /// Tell the agent of this attempt to stop.
    Stop {
        /// The step.
        step: StepIx,
        /// The attempt's number.
        number: u32,
    },
    /// This attempt is over: its row goes.
    Forget {
        /// The step.
        step: StepIx,
        /// The attempt's number.
        number: u32,
    },
    /// Give this answer to the agent of this attempt.
    Answer {
        /// The step.
        step: StepIx,
        /// The attempt's number.
        number: u32,
        /// The person's words.
        text: String,
    },
    /// Queued attempts of this run may not be claimed (`true`), or may again.
    Hold(bool),
    /// Ask this gate for a place.
    Ask {
        /// Which of the run's seats.
        seat: u32,
    },
    /// Give the place at this gate back, or stop asking for it.
    Give {
        /// Which of the run's seats.
        seat: u32,
    },
    /// Tell people.
    Notify(Notice),
}

/// What people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The run started.
    Started,
    /// The run ended well.
    Completed,
    /// The run ended badly.
    Failed,
    /// A step failed for good, and its workflow says whom to tell.
    Escalated(StepIx),
    /// A step waits for approval.
    ApprovalWanted(StepIx),
    /// An agent asks a question.
    InputWanted(StepIx),
    /// The budget is spent.
    BudgetSpent,
}

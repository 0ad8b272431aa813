//! What `evolve` assigns: the only way in which a run's state becomes another.
//!
//! Changes are what the journal keeps, so they outlive every release: variants and fields are added, never altered,
//! never reused. The numbers are the encoding.
//!
//! *Invariant:* a change says what is so from now on, never what to decide. [`Change::AllCancelled`] and
//! [`Change::RoundOpened`] stand for many assignments; what they select is frozen with them.

use minicbor::{CborLen, Decode, Encode};

use super::state::{Birth, Hold, HoldKind, RunClock, RunPhase, SeatState};
use super::step::{CancelCause, Due, Fault, StepIx, StepPhase, Tries};
use crate::ids::{AgentName, Login};

/// One assignment.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub enum Change {
    /// The run is born: its facts, its seats, its steps from the plan.
    #[n(0)]
    Born(#[n(0)] Box<Birth>),
    /// The run stands here now.
    #[n(1)]
    Run(#[n(0)] RunPhase),
    /// A hold stands.
    #[n(2)]
    HoldPut(#[n(0)] Hold),
    /// A hold is gone.
    #[n(3)]
    HoldTaken(#[n(0)] HoldKind),
    /// The run's clock.
    #[n(4)]
    Clock(#[n(0)] RunClock),
    /// A place at a gate.
    #[n(5)]
    Seat {
        /// Which of the run's seats.
        #[n(0)]
        seat: u32,
        /// How it stands.
        #[n(1)]
        state: SeatState,
    },
    /// A step stands here now.
    #[n(6)]
    Step {
        /// Which.
        #[n(0)]
        step: StepIx,
        /// Where.
        #[n(1)]
        phase: StepPhase,
        /// When that ends by itself.
        #[n(2)]
        due: Option<Due>,
    },
    /// A new attempt is queued.
    #[n(7)]
    AttemptOpened {
        /// The step.
        #[n(0)]
        step: StepIx,
        /// The attempt's number.
        #[n(1)]
        number: u32,
        /// Who gets it.
        #[n(2)]
        agent: AgentName,
        /// When waiting for the agent ends.
        #[n(3)]
        due: Option<Due>,
    },
    /// The live attempt started at its agent.
    #[n(8)]
    AttemptStarted {
        /// The step.
        #[n(0)]
        step: StepIx,
        /// When its time is up.
        #[n(1)]
        due: Due,
    },
    /// The live attempt is over.
    #[n(9)]
    AttemptClosed {
        /// The step.
        #[n(0)]
        step: StepIx,
        /// What it cost, in millionths of a US dollar.
        #[n(1)]
        cost_micros: u64,
        /// What went wrong, if anything.
        #[n(2)]
        fault: Option<Fault>,
        /// How often it has been tried by whom.
        #[n(3)]
        tries: Tries,
    },
    /// A person approved the step.
    #[n(10)]
    Approved {
        /// The step.
        #[n(0)]
        step: StepIx,
        /// Who.
        #[n(1)]
        by: Login,
    },
    /// The fan-out has these instances from now on; each waits for its turn.
    #[n(11)]
    FannedOut {
        /// The step.
        #[n(0)]
        step: StepIx,
        /// The items, each as JSON text.
        #[n(1)]
        items: Vec<String>,
    },
    /// The step's outputs.
    #[n(12)]
    OutputsKept {
        /// The step.
        #[n(0)]
        step: StepIx,
        /// One JSON object as text.
        #[n(1)]
        outputs: String,
    },
    /// Every step that has not ended is cancelled: those with a live attempt that started are `Stopping`, those
    /// already stopping go on as they are, all others, queued ones too, have ended.
    #[n(13)]
    AllCancelled(#[n(0)] CancelCause),
    /// A new round: these steps are as on the first day but for their attempt numbers, instances of theirs are
    /// retired, and these fan-outs are open again for the instances among them.
    #[n(14)]
    RoundOpened {
        /// Steps and instances to start over.
        #[n(0)]
        steps: Vec<StepIx>,
        /// Fan-outs whose instances are among them, but not they themselves.
        #[n(1)]
        reopened: Vec<StepIx>,
    },
    /// Something went wrong with a step outside any attempt.
    #[n(15)]
    Faulted {
        /// The step.
        #[n(0)]
        step: StepIx,
        /// What.
        #[n(1)]
        fault: Fault,
    },
}

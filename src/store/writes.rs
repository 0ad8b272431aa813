//! The rows that a transition brings along, as the engine's side fills them in.

use uuid::Uuid;

use super::door::GateId;
use super::heads::HeadKey;
use super::plans::PlanHash;
use super::{BlobKey, Incarnation};
use crate::ids::{AgentName, CommitSha, InstallationId, RepoId, RunId, StepKey, WorkflowId};
use crate::time::Timestamp;

/// What kind of gate a ticket is of. A quarantined run gives back its place and its slots, nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the gates of the engine explain them")]
pub enum GateKind {
    Group,
    RunLimit,
    Environment,
    Budget,
    Slot,
}

impl GateKind {
    /// As it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::RunLimit => "run_limit",
            Self::Environment => "environment",
            Self::Budget => "budget",
            Self::Slot => "slot",
        }
    }
}

/// The columns of a run that lists, timers and gates look for: an index over the journal, never the truth.
#[derive(Debug, Clone, PartialEq)]
pub struct RunWrite {
    /// The repository.
    pub repo: RepoId,
    /// The commit.
    pub sha: CommitSha,
    /// The pull request.
    pub pull: Option<i64>,
    /// The workflow.
    pub workflow: WorkflowId,
    /// What kind of event made it, in a word.
    pub cause: String,
    /// Its plan.
    pub plan: PlanHash,
    /// The source time that decides which run is older.
    pub source_at: Timestamp,
    /// The phase in a word.
    pub phase: &'static str,
    /// Not later than its next timer; none when nothing wakes it.
    pub wake_at: Option<Timestamp>,
    /// When it ended. A finished run leaves every queue.
    pub finished_at: Option<Timestamp>,
}

/// A journal row.
#[derive(Debug, Clone)]
pub struct EventWrite {
    /// The kind in a word, at most 40 bytes; stays readable.
    pub kind: &'static str,
    /// When, by the run's clock.
    pub at: Timestamp,
    /// Who, at most 120 bytes; stays readable.
    pub actor: String,
    /// The event and its changes, encoded.
    pub body: Vec<u8>,
}

/// A change of a run's attempts.
#[derive(Debug, Clone)]
pub enum AttemptWrite {
    /// A new one.
    Insert(AttemptInsert),
    /// The claim of a queued one; comes with [`super::Consumed::Attempt`]. Its epoch is raised.
    Claim {
        /// The step.
        step: StepKey,
        /// The attempt's number.
        number: u32,
        /// Who claims.
        owner: Incarnation,
        /// The hash of the push token drawn for it.
        token_hash: [u8; 32],
    },
    /// Asks the owner to cancel it at the agent.
    Stop {
        /// The step.
        step: StepKey,
        /// The attempt's number.
        number: u32,
    },
    /// The event ended it.
    Delete {
        /// The step.
        step: StepKey,
        /// The attempt's number.
        number: u32,
    },
    /// Deletes whatever is still queued, and asks for the end of everything else: one write, however wide the run.
    StopAll,
}

/// A new attempt.
#[derive(Debug, Clone)]
pub struct AttemptInsert {
    /// The step.
    pub step: StepKey,
    /// Its number.
    pub number: u32,
    /// Who shall do it.
    pub agent: AgentName,
    /// Not to be started before.
    pub due_at: Timestamp,
    /// The run is paused.
    pub held: bool,
    /// Eager start: claimed at birth, by whom, with the hash of its push token.
    pub claimed: Option<(Incarnation, [u8; 32])>,
}

/// What a run asks of a gate, takes and gives back.
#[derive(Debug, Clone)]
pub enum GateWrite {
    /// Stands in line.
    Wait {
        /// The gate.
        gate: GateId,
        /// The run or attempt that would hold it.
        holder: String,
        /// Larger goes first.
        priority: i64,
        /// The source time of the run.
        source_at: Timestamp,
    },
    /// Leaves the line.
    DropWait {
        /// The gate.
        gate: GateId,
        /// Who stood there.
        holder: String,
    },
    /// Takes a ticket; comes with [`super::Consumed::Gate`].
    TicketInsert {
        /// The gate.
        gate: GateId,
        /// What kind of gate.
        kind: GateKind,
        /// Who holds it.
        holder: String,
    },
    /// Gives a ticket back.
    TicketDelete {
        /// The gate.
        gate: GateId,
        /// Who held it.
        holder: String,
    },
    /// Leaves every line and gives every ticket of the run back.
    Leave,
}

/// A one-shot effect. One with the same kind and name exists: this one is dropped.
#[derive(Debug, Clone)]
pub struct EffectWrite {
    /// Its id.
    pub id: Uuid,
    /// The kind in a word.
    pub kind: &'static str,
    /// Its natural key: what it is looked for by before it is sent again.
    pub name: String,
    /// Not before.
    pub due_at: Timestamp,
    /// What to do, encoded.
    pub body: Vec<u8>,
}

/// A check that may look different now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirtyCheck {
    /// The head.
    pub head: HeadKey,
    /// The check's name.
    pub name: String,
}

/// Who speaks for a workflow on a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Speaker {
    /// A run.
    Run(RunId),
    /// The reason why none runs, as the caller encodes it.
    Reason(String),
}

/// A new speaker.
#[derive(Debug, Clone)]
pub struct HeadWrite {
    /// The head.
    pub head: HeadKey,
    /// The workflow.
    pub workflow: WorkflowId,
    /// The version that was read; 0 when nobody spoke.
    pub expect: u64,
    /// Who speaks now.
    pub speaker: Speaker,
    /// The class of the speaker: a higher one is not displaced by a lower one. The caller decides.
    pub class: i64,
    /// The source time that decides within a class.
    pub source_at: Timestamp,
}

/// A pause over pushes, or its end.
#[derive(Debug, Clone)]
pub struct HoldWrite {
    /// The installation.
    pub installation: InstallationId,
    /// The repository.
    pub repo: RepoId,
    /// The pull request.
    pub number: i64,
    /// The workflow; none for all of them.
    pub workflow: Option<WorkflowId>,
    /// The version that was read.
    pub expect: u64,
    /// On or off.
    pub held: bool,
    /// Who.
    pub actor: String,
    /// Why, in their words.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

/// A body kept beside the state.
#[derive(Debug, Clone)]
pub struct BlobWrite {
    /// Its key: [`super::Store::blob_key`].
    pub key: BlobKey,
    /// The body.
    pub body: Vec<u8>,
}

//! What a run is at one moment: the value that `apply` reads and `evolve` assigns.
//!
//! [`RunState`] is [`RunData`], which a checkpoint holds byte by byte, with the plan and an `Index` beside it. The
//! index is derived: it is rebuilt on load and never saved.
//!
//! *Invariant:* only `evolve` writes; everything else reads.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use minicbor::{CborLen, Decode, Encode};

use super::index::Index;
use super::step::{StepIx, StepState};
use crate::ids::{AttemptId, CommitSha, Login, RepoId, RepoName, RunId, StepKey};
use crate::time::Timestamp;
use crate::workflow::plan::{self, Plan};

/// A run at one moment.
#[derive(Debug, Clone)]
pub struct RunState {
    /// The run.
    pub id: RunId,
    /// Its pinned plan.
    pub plan: Arc<Plan>,
    pub(super) data: RunData,
    pub(super) index: Index,
}

impl Deref for RunState {
    type Target = RunData;
    fn deref(&self) -> &RunData {
        &self.data
    }
}

impl RunState {
    /// A run before its first event.
    #[must_use]
    pub fn unborn(id: RunId, plan: Arc<Plan>) -> Self {
        Self::restore(id, plan, RunData::default())
    }

    /// A run from its checkpoint; the index is rebuilt.
    #[must_use]
    pub fn restore(id: RunId, plan: Arc<Plan>, data: RunData) -> Self {
        let index = Index::build(&plan, &data);
        Self { id, plan, data, index }
    }

    /// The definition of a step, also of an instance.
    #[must_use]
    pub fn plan_of(&self, step: &StepState) -> &plan::Step {
        &self.plan.steps[step.plan as usize]
    }

    /// The step with this key.
    #[must_use]
    pub fn find(&self, key: &StepKey) -> Option<StepIx> {
        self.index.by_key.get(key).copied()
    }

    /// The id of an attempt of a step.
    #[must_use]
    pub fn attempt_id(&self, step: &StepState, number: u32) -> AttemptId {
        AttemptId { run: self.id, step: step.key.clone(), number }
    }

    /// Whether the index beside the state is what would be built from the state; for tests.
    #[must_use]
    pub fn index_is_true(&self) -> bool {
        self.index == Index::build(&self.plan, &self.data)
    }
}

/// The part of a run that is saved.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode, CborLen)]
pub struct RunData {
    /// How many transitions made this state; the compare-and-set of the door compares it.
    #[n(0)]
    pub seq: u64,
    /// When the last of them was.
    #[n(1)]
    pub at: Timestamp,
    /// What was known at birth. Absent only before the first event.
    #[n(2)]
    pub birth: Option<Birth>,
    /// Where the run stands.
    #[n(3)]
    pub phase: RunPhase,
    /// Why it may not start steps, by kind; it may when there is none.
    #[n(4)]
    pub holds: BTreeMap<HoldKind, Hold>,
    /// The run's own clock, which holds stop.
    #[n(5)]
    pub clock: RunClock,
    /// How many times `/retry` opened the run again.
    #[n(6)]
    pub round: u32,
    /// Its places at gates: the group, the limits, the environments.
    #[n(7)]
    pub seats: Vec<Seat>,
    /// The plan's steps, then instances in the order they were made.
    #[n(8)]
    pub steps: Vec<StepState>,
    /// What the agents cost so far, in millionths of a US dollar.
    #[n(9)]
    pub cost_micros: u64,
}

impl RunData {
    /// Run time at a moment: the time since the round began, less the time that holds stopped.
    #[must_use]
    pub fn run_time(&self, at: Timestamp) -> Duration {
        let end = self.clock.stopped_since.unwrap_or(at);
        end.since(self.clock.origin).saturating_sub(Duration::from_micros(self.clock.stopped_micros))
    }

    /// When the run's clock, unless stopped, will show `run_time`.
    #[must_use]
    pub fn wall_time(&self, run_time: Duration) -> Timestamp {
        self.clock.origin.plus(Duration::from_micros(self.clock.stopped_micros)).plus(run_time)
    }

    /// Whether a hold stands.
    #[must_use]
    pub fn is_held(&self) -> bool {
        !self.holds.is_empty()
    }
}

/// What is known when a run is made; it never changes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Birth {
    /// The repository by number.
    #[n(0)]
    pub repository: RepoId,
    /// The repository by name, as it was then.
    #[n(1)]
    pub repository_name: RepoName,
    /// The commit that the run is for.
    #[n(2)]
    pub sha: CommitSha,
    /// What started it.
    #[n(3)]
    pub trigger: Trigger,
    /// The time by which runs of one group are ordered: the source's, never the arrival.
    #[n(4)]
    pub source_time: Timestamp,
    /// Where the definition came from.
    #[n(5)]
    pub definition: Definition,
    /// The run-level gates in the order in which they are asked, then one for each environment of the plan.
    #[n(6)]
    pub gates: Vec<(GateKind, GateKey)>,
    /// Holds that stand from the start.
    #[n(7)]
    pub holds: Vec<Hold>,
    /// The operator's limits that the run needs.
    #[n(8)]
    pub limits: OperatorLimits,
    /// What expressions see of `event pr repo actor inputs`: one JSON object as text.
    #[n(9)]
    pub scope: String,
}

/// What started a run.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub enum Trigger {
    /// A pull request by number.
    #[n(0)]
    PullRequest(#[n(0)] u64),
    /// A push to this ref.
    #[n(1)]
    Push(#[n(0)] String),
    /// A merge group's ref.
    #[n(2)]
    MergeGroup(#[n(0)] String),
    /// A person's command.
    #[n(3)]
    Manual(#[n(0)] Login),
    /// A schedule.
    #[n(4)]
    Schedule(#[n(0)] String),
}

/// Where a definition came from.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Definition {
    /// The commit of the file. Absent for a built-in.
    #[n(0)]
    pub sha: Option<CommitSha>,
    /// The path of the file, or `builtin:<id>`.
    #[n(1)]
    pub path: String,
    /// Its Git blob.
    #[n(2)]
    pub blob: String,
}

/// The operator's limits that a run needs, copied at its birth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct OperatorLimits {
    /// Instances of one fan-out.
    #[n(0)]
    pub fan_out_max: u32,
    /// Bytes of kept outputs of one step.
    #[n(1)]
    pub step_outputs_bytes_max: u32,
    /// Bytes of kept outputs of the run.
    #[n(2)]
    pub run_outputs_bytes_max: u32,
}

impl Default for OperatorLimits {
    fn default() -> Self {
        Self { fan_out_max: 256, step_outputs_bytes_max: 16 << 10, run_outputs_bytes_max: 1 << 20 }
    }
}

/// Where a run stands. Holds stand beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode, CborLen)]
pub enum RunPhase {
    /// It waits for its gates, or for a hold to go, and has started nothing in this round.
    #[default]
    #[n(0)]
    Asking,
    /// It runs.
    #[n(1)]
    Running,
    /// It starts nothing more; its live attempts are being stopped.
    #[n(2)]
    Stopping(#[n(0)] RunOutcome),
    /// It is over.
    #[n(3)]
    Ended(#[n(0)] RunOutcome),
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, CborLen)]
pub enum RunOutcome {
    /// Every critical step is satisfied.
    #[n(0)]
    Success,
    /// A critical step failed.
    #[n(1)]
    Failure,
    /// The run's own timeout.
    #[n(2)]
    TimedOut,
    /// A person cancelled it, or its pull request was closed.
    #[n(3)]
    Cancelled,
    /// A newer run of its group took its place.
    #[n(4)]
    Superseded,
    /// Its group was full and drops newcomers.
    #[n(5)]
    Dropped,
    /// A step made a new commit; a successor runs there.
    #[n(6)]
    HandedOver,
}

/// Why a run may not start steps.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Hold {
    /// Which kind; there is at most one of each.
    #[n(0)]
    pub kind: HoldKind,
    /// Who put it. Absent: the service itself.
    #[n(1)]
    pub by: Option<Login>,
    /// Their words.
    #[n(2)]
    pub why: String,
    /// Since when.
    #[n(3)]
    pub since: Timestamp,
}

/// The kinds of holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, CborLen)]
pub enum HoldKind {
    /// A person paused it.
    #[n(0)]
    Pause,
    /// The commit comes from somebody without write.
    #[n(1)]
    Trust,
    /// The budget is spent.
    #[n(2)]
    Budget,
    /// It waits for its gates.
    #[n(3)]
    Queue,
    /// The service was restarted with recovery switched off.
    #[n(4)]
    Recovery,
    /// The whole run waits for an approval.
    #[n(5)]
    Approval,
}

/// The run's own clock: what waits is measured by it, and a hold stops it in O(1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode, CborLen)]
pub struct RunClock {
    /// When the round began.
    #[n(0)]
    pub origin: Timestamp,
    /// Since when it stands still.
    #[n(1)]
    pub stopped_since: Option<Timestamp>,
    /// How long it stood still before that, in microseconds.
    #[n(2)]
    pub stopped_micros: u64,
}

/// A gate by name, unique within an installation: `group:<repository>:<workflow>:<value>`,
/// `environment:<repository>:<name>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, CborLen)]
#[cbor(transparent)]
pub struct GateKey(#[n(0)] pub String);

/// The kinds of gates a run holds places at, in the order in which they are asked; so no circle can form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, CborLen)]
pub enum GateKind {
    /// A concurrency group. Kept to the end of the run.
    #[n(0)]
    Group,
    /// A limit on runs at once. Given back while the run only waits for people.
    #[n(1)]
    Limit,
    /// An environment. Kept while a step works on it.
    #[n(2)]
    Environment,
}

/// A place at a gate.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Seat {
    /// The gate's kind.
    #[n(0)]
    pub kind: GateKind,
    /// The gate.
    #[n(1)]
    pub gate: GateKey,
    /// Whether the run has it.
    #[n(2)]
    pub state: SeatState,
}

/// Whether a run has its place at a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, CborLen)]
pub enum SeatState {
    /// Neither asked for nor held.
    #[n(0)]
    Idle,
    /// Asked for.
    #[n(1)]
    Asked,
    /// Held: a ticket stands in the database.
    #[n(2)]
    Held,
}

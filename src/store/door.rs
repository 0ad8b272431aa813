//! What goes through the door: transitions of runs, what caused them, and what must land together.
//!
//! The store compares versions and writes rows; which row follows from which event is the engine's business. Every
//! guard is the same comparison, a [`Claim`] and the version that the writer read, so that one function names the
//! losers, and two bundles that would change one thing never share a transaction.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::Error;
use super::heads::HeadKey;
use super::inbox::Lane;
pub use super::writes::{
    AttemptInsert, AttemptWrite, BlobWrite, DirtyCheck, EffectWrite, EventWrite, GateKind, GateWrite, HeadWrite,
    HoldWrite, RunWrite, Speaker,
};
use crate::ids::{AttemptId, InstallationId, RepoId, RunId, WorkflowId};
use crate::time::Timestamp;

/// Transitions in one transaction, unless one bundle alone has more.
pub(super) const BATCH_TRANSITIONS_MAX: usize = 64;
/// Bytes of bodies in one transaction, unless one bundle alone has more.
pub(super) const BATCH_BYTES_MAX: usize = 1 << 20;
/// Runs of one bundle; what concerns more becomes a sweep.
pub const BUNDLE_RUNS_MAX: usize = 200;
/// Bodies of one bundle, in bytes: a transaction has to fit a packet of the smallest server that we serve.
pub const BUNDLE_BYTES_MAX: usize = 12 << 20;

/// A gate: what decides across runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GateId {
    /// The installation it belongs to; 0 for the whole service.
    pub scope: InstallationId,
    /// Its name, at most 255 bytes.
    pub name: String,
}

/// A thing with a version that a bundle compares.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claim {
    /// A gate. Gates are locked before runs, everywhere.
    Gate(GateId),
    /// A run; its version is its `seq`, 0 while it does not exist.
    Run(RunId),
    /// A queued attempt that may be claimed; its version is its epoch.
    Attempt(AttemptId),
    /// A ticket by its gate and holder; its version is its stamp, the moment at which it was taken or looked at last.
    Ticket(GateId, String),
    /// A delivery; 1 while it is pending.
    Delivery(InstallationId, Uuid),
    /// Who speaks for a workflow on a head.
    Head(HeadKey, WorkflowId),
    /// A pull request's hold; the workflow is empty for all of them.
    Hold(InstallationId, RepoId, i64, String),
    /// A key of meaning; 0 until it was used.
    Key(InstallationId, String),
}

/// One step of one run: an event, the row of the run after it, and what goes with it.
#[derive(Debug, Clone)]
pub struct Transition {
    /// The run.
    pub run: RunId,
    /// The `seq` that the decision was made on; 0 for a new run. The event gets the next one.
    pub expect_seq: u64,
    /// The run's row after the event.
    pub row: RunWrite,
    /// The journal row.
    pub event: EventWrite,
    /// Changes of attempts, in order.
    pub attempts: Vec<AttemptWrite>,
    /// Some: hold or release the run's queued attempts.
    pub hold_attempts: Option<bool>,
    /// What it asks of gates, takes from them and gives back.
    pub gates: Vec<GateWrite>,
    /// One-shot effects.
    pub effects: Vec<EffectWrite>,
    /// Checks that may look different now.
    pub dirty: Vec<DirtyCheck>,
    /// Speakers that change.
    pub heads: Vec<HeadWrite>,
    /// Bodies kept beside the state.
    pub blobs: Vec<BlobWrite>,
}

/// What caused a bundle, used up with it: applying it again finds nothing to apply.
#[derive(Debug, Clone)]
pub enum Consumed {
    /// A delivery of the inbox, done with this outcome.
    Delivery {
        /// The installation.
        installation: InstallationId,
        /// The delivery.
        id: Uuid,
        /// Its lane, which is due again at once.
        lane: Lane,
        /// What came of it, for `/why` and the operator.
        outcome: String,
        /// When.
        at: Timestamp,
    },
    /// A queued attempt that is neither held nor stopped.
    Attempt {
        /// The attempt.
        id: AttemptId,
        /// The epoch that was read.
        epoch: u64,
    },
    /// A ticket of the whole service, which has to stand still as it was taken.
    Ticket {
        /// The gate.
        gate: GateId,
        /// Who holds it.
        holder: String,
        /// Its stamp.
        stamp: Timestamp,
    },
    /// The version of a gate; it is raised.
    Gate {
        /// The gate.
        gate: GateId,
        /// The version that was read.
        version: u64,
    },
    /// A pull request's hold, read and still the same; it is not raised.
    Hold {
        /// The installation.
        installation: InstallationId,
        /// The repository.
        repo: RepoId,
        /// The pull request.
        number: i64,
        /// The workflow; none for all of them.
        workflow: Option<WorkflowId>,
        /// The version that was read.
        version: u64,
    },
    /// A key of meaning that acts once: a line of a comment, a request to the API.
    Key {
        /// The installation.
        installation: InstallationId,
        /// The key, at most 255 bytes.
        name: String,
        /// When.
        at: Timestamp,
    },
}

/// What must land together, or not at all.
#[derive(Debug, Clone, Default)]
pub struct Bundle {
    /// The transitions. Several of one run follow one another, and each but the last only takes rows away: a
    /// transaction writes what is new after what is changed.
    pub transitions: Vec<Transition>,
    /// Holds of pull requests that change.
    pub holds: Vec<HoldWrite>,
    /// What caused it.
    pub consumed: Vec<Consumed>,
    /// What belongs to no transition of a run.
    pub beside: Beside,
}

/// What lands with a bundle and belongs to no run's transition.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// When.
    pub at: Timestamp,
    /// Speakers that are reasons.
    pub heads: Vec<HeadWrite>,
    /// Checks that may look different now.
    pub dirty: Vec<DirtyCheck>,
    /// One-shot effects, with their installation.
    pub effects: Vec<(InstallationId, EffectWrite)>,
}

impl From<Transition> for Bundle {
    fn from(transition: Transition) -> Self {
        Self { transitions: vec![transition], ..Self::default() }
    }
}

impl Bundle {
    /// What it compares, with the version that it expects.
    #[must_use]
    pub fn claims(&self) -> BTreeMap<Claim, u64> {
        let mut claims = BTreeMap::new();
        for transition in &self.transitions {
            // The first of a run says what the others follow.
            claims.entry(Claim::Run(transition.run)).or_insert(transition.expect_seq);
            for write in &transition.heads {
                claims.insert(Claim::Head(write.head.clone(), write.workflow.clone()), write.expect);
            }
        }
        for write in &self.beside.heads {
            claims.insert(Claim::Head(write.head.clone(), write.workflow.clone()), write.expect);
        }
        for hold in &self.holds {
            claims.insert(hold_claim(hold.installation, hold.repo, hold.number, hold.workflow.as_ref()), hold.expect);
        }
        for consumed in &self.consumed {
            let (claim, version) = match consumed {
                Consumed::Delivery { installation, id, .. } => (Claim::Delivery(*installation, *id), 1),
                Consumed::Attempt { id, epoch } => (Claim::Attempt(id.clone()), *epoch),
                Consumed::Ticket { gate, holder, stamp } => {
                    (Claim::Ticket(gate.clone(), holder.clone()), super::column::unsigned(stamp.0))
                }
                Consumed::Gate { gate, version } => (Claim::Gate(gate.clone()), *version),
                Consumed::Hold { installation, repo, number, workflow, version } => {
                    (hold_claim(*installation, *repo, *number, workflow.as_ref()), *version)
                }
                Consumed::Key { installation, name, .. } => (Claim::Key(*installation, name.clone()), 0),
            };
            claims.insert(claim, version);
        }
        claims
    }

    /// The bytes of its bodies.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let one = |t: &Transition| {
            let effects: usize = t.effects.iter().map(|effect| effect.body.len()).sum();
            let blobs: usize = t.blobs.iter().map(|blob| blob.body.len()).sum();
            t.event.body.len() + effects + blobs
        };
        let beside: usize = self.beside.effects.iter().map(|(_, effect)| effect.body.len()).sum();
        self.transitions.iter().map(one).sum::<usize>() + beside
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Beside { at: _, heads, dirty, effects } = &self.beside;
        self.transitions.is_empty()
            && self.holds.is_empty()
            && self.consumed.is_empty()
            && heads.is_empty()
            && dirty.is_empty()
            && effects.is_empty()
    }

    /// The runs, in order.
    pub(super) fn runs(&self) -> Vec<RunId> {
        let mut runs: Vec<_> = self.transitions.iter().map(|transition| transition.run).collect();
        runs.sort_unstable();
        runs.dedup();
        runs
    }

    /// Refuses what no transaction could carry.
    pub(super) fn check(&self) -> Result<(), Error> {
        let limit = |what, got, max| if got > max { Err(Error::TooLarge { what, got, max }) } else { Ok(()) };
        limit("the number of runs of a bundle", self.runs().len(), BUNDLE_RUNS_MAX)?;
        limit("the size of a bundle", self.bytes(), BUNDLE_BYTES_MAX)?;
        let mut next = BTreeMap::new();
        for Transition { run, expect_seq, .. } in &self.transitions {
            if next.insert(run, expect_seq + 1).is_some_and(|next| next != *expect_seq) {
                return Err(Error::Order(*run));
            }
        }
        Ok(())
    }
}

fn hold_claim(installation: InstallationId, repo: RepoId, number: i64, workflow: Option<&WorkflowId>) -> Claim {
    Claim::Hold(installation, repo, number, workflow.map_or_else(String::new, ToString::to_string))
}

//! From an event and the facts about it to intents: what we decide to do about what happened.
//!
//! Facts are loaded first, so nothing here can fail on the network, and a decision can be repeated from its facts.
//!
//! *Invariant:* a pull request never chooses its own policy: what runs is taken from the definition ref.
//! *Invariant:* every workflow with a trigger of the event's kind says something on the commit, if only why it does not
//! run.

mod command;
mod start;

use std::collections::BTreeMap;

use crate::engine::state::{Birth, GateKey, GateKind, HoldKind, OperatorLimits, RunPhase};
use crate::ids::{CommitSha, Login, RunId, WorkflowId};
use crate::report::{FileProblems, Reason};
use crate::time::Timestamp;
use crate::workflow::Workflow;
use crate::workflow::plan::Plan;
use crate::workflow::policy::Policy;

pub use command::{Giver, Obeyed, Target, obey};
pub use start::{pull_request, push};

/// The workflows and the policy of one commit.
#[derive(Debug, Clone)]
pub struct Definitions {
    /// The commit.
    pub sha: CommitSha,
    /// The branch, for people.
    pub branch: String,
    /// The workflows, or what is wrong with their files.
    pub workflows: BTreeMap<WorkflowId, Definition>,
    /// The policy; the strictest one when the file cannot be read.
    pub policy: Policy,
}

/// One workflow file.
#[derive(Debug, Clone)]
pub struct Definition {
    /// From the root of the repository.
    pub path: String,
    /// Its Git blob.
    pub blob: String,
    /// The workflow, or what is wrong, one line each.
    pub workflow: Result<Workflow, Vec<String>>,
}

/// Who speaks for a workflow on the commit that an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speaks {
    /// A run and where it stands; otherwise a reason.
    pub run: Option<(RunId, RunPhase)>,
    /// Which of two speakers is stronger.
    pub class: Class,
    /// Which of two of one class is later.
    pub source_time: Timestamp,
}

/// How strong a speaker is; a weaker one never takes a stronger one's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A filter or a passing marker: it would pass.
    Passes,
    /// Something that has to be done first: a wrong file, a draft, a marker that holds.
    Holds,
    /// A run.
    Run,
}

impl Class {
    /// The class of a reason.
    #[must_use]
    pub fn of(reason: &Reason) -> Self {
        match reason {
            Reason::Filtered(_) | Reason::PassedByMarker(_) => Self::Passes,
            Reason::HeldByMarker(_) | Reason::Draft | Reason::BadFile(_) | Reason::Config { .. } => Self::Holds,
        }
    }
}

/// What the operator gives to every run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OperatorFacts {
    /// Limits that a run copies.
    pub limits: OperatorLimits,
    /// Limits on runs at once, in the order in which they are asked.
    pub gates: Vec<GateKey>,
}

/// A pause of a pull request that outlives pushes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paused {
    /// Of this workflow; otherwise of all.
    pub workflow: Option<WorkflowId>,
    /// By whom.
    pub by: Option<Login>,
    /// Why.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
}

/// An open pull request of a commit that was pushed.
#[derive(Debug, Clone)]
pub struct Pull {
    /// The branch that it goes into.
    pub base: String,
    /// What counts for it.
    pub definitions: Definitions,
}

/// What is known when something happens to a commit.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What counts.
    pub definitions: Definitions,
    /// The files that changed; nothing when there are too many to know.
    pub changed: Option<Vec<String>>,
    /// Whether author and pusher have write, or somebody with write trusted the commit.
    pub trusted: bool,
    /// Standing pauses of the pull request.
    pub paused: Vec<Paused>,
    /// Who speaks on the commit now.
    pub speakers: BTreeMap<WorkflowId, Speaks>,
    /// What the operator gives to every run.
    pub operator: OperatorFacts,
    /// The workflow files of the head, where the pull request touches them.
    pub touched: Option<Vec<FileProblems>>,
    /// For a push: the open pull requests of this very commit.
    pub pulls: Vec<Pull>,
    /// The message of the commit, where it is known; it may hold a skip marker.
    pub message: Option<String>,
}

/// What we decide to do.
#[derive(Debug, Clone)]
pub enum Intent {
    /// Make a run; it speaks for its workflow.
    Start(Box<Start>),
    /// Say why none runs.
    Say {
        /// The workflow.
        workflow: WorkflowId,
        /// Why.
        reason: Reason,
    },
    /// Cancel the live runs of the pull request.
    CancelRuns {
        /// Why, in words.
        why: String,
    },
}

/// A run to be made.
#[derive(Debug, Clone)]
pub struct Start {
    /// Its plan.
    pub plan: Plan,
    /// Its facts.
    pub birth: Birth,
}

/// Kinds of holds that stand from the start.
fn hold(kind: HoldKind, by: Option<Login>, why: &str, since: Timestamp) -> crate::engine::state::Hold {
    crate::engine::state::Hold { kind, by, why: why.to_owned(), since }
}

/// The run-level gates of a run and its environments.
fn gates(
    group: Option<String>,
    repository: crate::ids::RepoId,
    plan: &Plan,
    operator: &OperatorFacts,
) -> Vec<(GateKind, GateKey)> {
    let group = group.map(|value| GateKey(format!("group:{repository}:{}:{value}", plan.workflow)));
    let mut gates: Vec<_> = group.map(|key| (GateKind::Group, key)).into_iter().collect();
    gates.extend(operator.gates.iter().map(|key| (GateKind::Limit, key.clone())));
    let environments: std::collections::BTreeSet<&String> =
        plan.steps.iter().filter_map(|s| s.environment.as_ref()).collect();
    let environment = |name: &String| (GateKind::Environment, GateKey(format!("environment:{repository}:{name}")));
    gates.extend(environments.into_iter().map(environment));
    gates
}

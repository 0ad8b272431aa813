//! What a story consists of.

use std::time::Duration;

use crate::engine::step::{Fault, StepPhase, Tries};
use crate::ids::{AgentName, Login, StepKey, WorkflowId};
use crate::report::Conclusion;

/// A rehearsed run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// The workflow's id.
    pub workflow: WorkflowId,
    /// What started it.
    pub started_by: String,
    /// What happened, by time.
    pub lines: Vec<Line>,
    /// What each step did when, by time of its beginning.
    pub bars: Vec<Bar>,
    /// Where each step stands in the end, in the order of the plan.
    pub steps: Vec<StepEnd>,
    /// The workflow check in the end; no conclusion when the run has not ended.
    pub conclusion: Option<Conclusion>,
    /// The workflow check's line.
    pub title: String,
    /// From the first moment to the last.
    pub took: Duration,
    /// How long it takes at most, by the timeouts along the critical path, when nothing is tried twice.
    pub longest: Duration,
    /// The critical path.
    pub critical_path: Vec<StepKey>,
    /// What the agents cost, in millionths of a US dollar.
    pub cost_micros: u64,
    /// What the reader should know beside the story.
    pub notes: Vec<String>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How long after the beginning.
    pub at: Duration,
    /// The step that it happened to.
    pub step: Option<StepKey>,
    /// How it sounds.
    pub tone: Tone,
    /// What.
    pub text: String,
}

/// How a line sounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// It goes on.
    Plain,
    /// Something ended well.
    Good,
    /// Something went wrong.
    Bad,
    /// Something waits, or never runs.
    Quiet,
    /// A person or the operator's machine did something.
    Loud,
}

/// What a step did for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    /// The step.
    pub step: StepKey,
    /// What.
    pub kind: BarKind,
    /// From when.
    pub from: Duration,
    /// Until when.
    pub to: Duration,
}

/// What a bar shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarKind {
    /// An attempt that ended well, or has not ended.
    Work,
    /// An attempt that failed or was stopped.
    Vain,
    /// Waiting: to be tried again, for people, for a place.
    Wait,
}

/// Where a step stands in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepEnd {
    /// The step.
    pub step: StepKey,
    /// Whether it is an instance of a fan-out.
    pub instance: bool,
    /// Its check's conclusion; none when it has not ended, or is a rollback that was not needed.
    pub conclusion: Option<Conclusion>,
    /// Its check's line.
    pub title: String,
    /// How many attempts there were.
    pub attempts: u32,
    /// Who had it last.
    pub agent: Option<AgentName>,
}

/// What one transition says of one step.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) closed: Option<(Option<Fault>, Tries, u64)>,
    pub(super) phase: Option<StepPhase>,
    pub(super) opened: Option<(u32, AgentName)>,
    pub(super) started: bool,
    pub(super) items: Option<Vec<String>>,
    pub(super) fault: Option<Fault>,
    pub(super) outputs: bool,
    pub(super) approved: Option<Login>,
}

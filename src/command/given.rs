//! What a comment may ask for, and what may be wrong with it.

use std::fmt;

use super::verb::Verb;
use crate::ids::{CommitSha, StepKey, WorkflowId};

/// One command of a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Its line in the comment, from 1: with the repository and the comment, the key under which it is obeyed once.
    pub line: u32,
    /// What it asks for, or what is wrong with it.
    pub command: Result<Command, Mistake>,
}

/// What a maintainer asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Run again.
    Retry {
        /// These steps; without any, what failed or never ran.
        steps: Vec<StepName>,
        /// How much with them.
        scope: Scope,
    },
    /// Start nothing more.
    Pause {
        /// A workflow, a reason, or both: [`split_first`](super::split_first) tells once the workflows are known.
        words: String,
    },
    /// End a pause.
    Resume {
        /// The pause of this workflow; without one, every pause of the pull request.
        workflow: Option<WorkflowId>,
    },
    /// Stop runs.
    Cancel {
        /// Those of this workflow; without one, all of the pull request.
        workflow: Option<WorkflowId>,
    },
    /// Trust a commit or let a step go on.
    Approve(Approved),
    /// Refuse a step that waits for approval.
    Reject {
        /// The step.
        step: StepName,
    },
    /// Leave a step out.
    Skip {
        /// The step.
        step: StepName,
    },
    /// Start a workflow.
    Run {
        /// The workflow.
        workflow: WorkflowId,
        /// Its inputs, in the order of the line; no key twice.
        inputs: Vec<(String, String)>,
        /// Whose version of its file.
        at: RunAt,
    },
    /// Say what runs.
    Status,
    /// Show a graph.
    Plan {
        /// Of this workflow; without one, of all.
        workflow: Option<WorkflowId>,
    },
    /// Say why.
    Why {
        /// This step; without one, the whole pull request.
        step: Option<StepName>,
    },
    /// Answer a question.
    Answer {
        /// A step and then the text, or the text alone: [`split_first`](super::split_first) tells once the steps are
        /// known.
        words: String,
    },
    /// List the commands.
    Help,
}

/// How much `/retry` runs again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The named steps, or what failed or never ran.
    Chosen,
    /// The named steps and all behind them.
    From,
    /// Everything.
    All,
}

/// What `/approve` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approved {
    /// Nothing: answered with the lines to copy.
    Nothing,
    /// A commit, in full.
    Commit(CommitSha),
    /// A step.
    Step(StepName),
}

/// Whose version of a workflow's file `/run` takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunAt {
    /// The one that counts anyway.
    Default,
    /// That of the pull request's head.
    Head,
    /// That of a commit.
    Commit(CommitSha),
}

/// A step as people name it: `lint`, `ci/lint`, or as its check, `ci / lint`. A bare name may be a workflow's too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StepName {
    /// The workflow, if it was said.
    pub workflow: Option<WorkflowId>,
    /// The step.
    pub step: StepKey,
}

impl StepName {
    /// Whether this names that step of that workflow.
    #[must_use]
    pub fn names(&self, workflow: &WorkflowId, step: &StepKey) -> bool {
        self.step == *step && self.workflow.as_ref().is_none_or(|named| named == workflow)
    }
}

impl fmt::Display for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.workflow {
            Some(workflow) => write!(f, "{workflow}/{}", self.step),
            None => write!(f, "{}", self.step),
        }
    }
}

/// What is wrong with a command. The sentences are `reply`'s. Texts are as they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mistake {
    /// `/pointsman` with a verb that we do not know.
    Unknown {
        /// The verb.
        verb: String,
        /// What was probably meant.
        did_you_mean: Option<Verb>,
    },
    /// A character that is not plain ASCII, which may look like another.
    NotAscii {
        /// Its place in the line, from 1.
        column: usize,
    },
    /// Code, a link, an image or HTML in the line.
    MarkedUp,
    /// A `"` without its partner.
    UnclosedQuote,
    /// An option that the verb does not have.
    UnknownOption {
        /// The verb.
        verb: Verb,
        /// The option.
        option: String,
    },
    /// Something must follow the verb.
    Missing {
        /// The verb.
        verb: Verb,
        /// What is missing.
        what: &'static str,
    },
    /// Something follows that the verb does not take.
    Unexpected {
        /// The verb.
        verb: Verb,
        /// What follows.
        word: String,
    },
    /// No name of a step or workflow.
    BadName {
        /// The verb.
        verb: Verb,
        /// What stands in the name's place.
        word: String,
    },
    /// A commit that is not written in full.
    ShortCommit {
        /// The verb.
        verb: Verb,
        /// What was written.
        word: String,
    },
    /// An input or option that stands twice.
    Twice {
        /// Its name.
        name: String,
    },
    /// `--all` beside steps or `--from`.
    AllAndMore,
    /// More than [`ARGUMENTS_MAX`](super::ARGUMENTS_MAX) words.
    TooManyWords,
    /// This command is one more than [`COMMANDS_MAX`](super::COMMANDS_MAX); it and what follows was not read.
    TooManyCommands,
}

impl Command {
    /// Its verb.
    #[must_use]
    pub fn verb(&self) -> Verb {
        match self {
            Self::Retry { .. } => Verb::Retry,
            Self::Pause { .. } => Verb::Pause,
            Self::Resume { .. } => Verb::Resume,
            Self::Cancel { .. } => Verb::Cancel,
            Self::Approve(_) => Verb::Approve,
            Self::Reject { .. } => Verb::Reject,
            Self::Skip { .. } => Verb::Skip,
            Self::Run { .. } => Verb::Run,
            Self::Status => Verb::Status,
            Self::Plan { .. } => Verb::Plan,
            Self::Why { .. } => Verb::Why,
            Self::Answer { .. } => Verb::Answer,
            Self::Help => Verb::Help,
        }
    }

    /// Whether this release obeys it.
    #[must_use]
    pub fn released(&self) -> bool {
        self.verb().spec().released && !matches!(self, Self::Approve(Approved::Step(_)))
    }
}

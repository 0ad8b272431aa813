//! A check as it should be shown, in our own words; the adapter turns it into GitHub's.

use serde::{Deserialize, Serialize};

use crate::ids::AttemptId;
use crate::time::Timestamp;

/// What one check run should show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What branch protection knows it by; it never changes.
    pub name: String,
    /// How far it is.
    pub status: Status,
    /// One line.
    pub title: String,
    /// Markdown.
    pub summary: String,
    /// More Markdown, below.
    pub text: Option<String>,
    /// Notes on lines.
    pub annotations: Vec<Annotation>,
    /// Buttons; GitHub shows them once the check has completed.
    pub buttons: Vec<Button>,
    /// When the work began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

/// How far a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not yet.
    Queued,
    /// On the way.
    InProgress,
    /// Over.
    Completed(Conclusion),
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// Passes.
    Success,
    /// Passes.
    Neutral,
    /// Passes.
    Skipped,
    /// Does not pass.
    Failure,
    /// Does not pass.
    Cancelled,
    /// Does not pass.
    TimedOut,
    /// Does not pass: somebody has to act.
    ActionRequired,
}

/// A note on lines of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Annotation {
    /// From the root of the repository.
    pub path: String,
    /// The first line, from 1.
    pub start_line: u32,
    /// The last line.
    pub end_line: u32,
    /// How bad it is.
    pub level: Level,
    /// A few words.
    #[serde(default)]
    pub title: Option<String>,
    /// What is the matter.
    pub message: String,
}

/// How bad an annotation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// For information.
    Notice,
    /// To be looked at.
    Warning,
    /// To be mended.
    Failure,
}

/// A button on a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Button {
    /// Run what failed or never ran once more.
    Retry,
    /// Trust this commit.
    ApproveCommit,
    /// Let this step start.
    ApproveStep,
}

impl Button {
    /// What comes back with a click.
    #[must_use]
    pub fn identifier(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::ApproveCommit => "approve_commit",
            Self::ApproveStep => "approve_step",
        }
    }

    /// What it says; at most 20 characters.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Retry => "Retry",
            Self::ApproveCommit => "Approve this commit",
            Self::ApproveStep => "Approve",
        }
    }

    /// What it does; at most 40 characters.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::Retry => "Run what failed or never ran again",
            Self::ApproveCommit => "Let workflows run on this commit",
            Self::ApproveStep => "Let this step start",
        }
    }

    /// The button of a click.
    #[must_use]
    pub fn clicked(identifier: &str) -> Option<Self> {
        [Self::Retry, Self::ApproveCommit, Self::ApproveStep].into_iter().find(|b| b.identifier() == identifier)
    }
}

/// What an attempt left behind for people: kept beside the state, by hash.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StepReport {
    /// The attempt's number.
    pub attempt: u32,
    /// What the agent says, in Markdown. Untrusted.
    #[serde(default)]
    pub summary: String,
    /// The end of its log. Untrusted.
    #[serde(default)]
    pub log_tail: String,
    /// Notes on lines. Untrusted.
    #[serde(default)]
    pub annotations: Vec<Annotation>,
}

impl StepReport {
    /// The name by which the report of an attempt is kept beside its run: what `store::Store::blob_key` is given, so that
    /// whoever knows the attempt finds its report.
    #[must_use]
    pub fn name(attempt: &AttemptId) -> String {
        format!("report:{}.a{}", attempt.step, attempt.number)
    }
}

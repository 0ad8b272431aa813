//! The workflow check where no run speaks: it says why none runs.

use serde::{Deserialize, Serialize};

use super::check::{Check, Conclusion, Status};
use super::config::{FileProblems, config_check};
use super::markdown::{cut, escape};
use crate::ids::WorkflowId;

/// Why no run of a workflow speaks for a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Its own filters say no: branches, paths, types. In words.
    Filtered(String),
    /// A skip marker in the commit's message, and the policy lets it hold the workflow.
    HeldByMarker(String),
    /// A skip marker in the commit's message, and the policy lets it pass.
    PassedByMarker(String),
    /// It is a draft, and the workflow wants none.
    Draft,
    /// The file on the definition ref cannot be read. What is wrong, one line each.
    BadFile(Vec<String>),
    /// No workflow: the check of the workflow files that a pull request touches.
    Config {
        /// The files of its head.
        files: Vec<FileProblems>,
        /// The branch on which they will count.
        branch: String,
    },
}

impl Reason {
    /// The stable word that the database keeps.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Filtered(_) => "filtered",
            Self::HeldByMarker(_) => "held_by_marker",
            Self::PassedByMarker(_) => "passed_by_marker",
            Self::Draft => "draft",
            Self::BadFile(_) => "bad_file",
            Self::Config { .. } => "config",
        }
    }
}

/// The check of a workflow that does not run, or of changed files.
#[must_use]
pub fn reason_check(workflow: &WorkflowId, reason: &Reason) -> Check {
    let (status, title, summary) = match reason {
        Reason::Config { files, branch } => return config_check(files, branch),
        Reason::Filtered(why) => {
            (Status::Completed(Conclusion::Skipped), "Not for this change".to_owned(), escape(why))
        }
        Reason::PassedByMarker(marker) => (
            Status::Completed(Conclusion::Skipped),
            "Skipped by the commit's message".to_owned(),
            format!("The commit's message says `{}`, and `config.yml` lets that pass.", escape(marker)),
        ),
        Reason::HeldByMarker(marker) => (
            Status::Completed(Conclusion::ActionRequired),
            "Held by the commit's message".to_owned(),
            format!("The commit's message says `{}`. **Next:** push a commit that does not.", escape(marker)),
        ),
        Reason::Draft => {
            let summary = "This workflow does not run on drafts. It starts when the pull request is ready for review.";
            (Status::Queued, "Waits until this is no draft".to_owned(), summary.to_owned())
        }
        Reason::BadFile(problems) => {
            let lines = problems.iter().map(|problem| format!("- {}\n", escape(problem)));
            let summary = format!(
                "`.workflows/{workflow}.yml` cannot be read, so nothing ran:\n\n{}\n**Next:** mend the file on the branch \
                 that it is taken from.",
                lines.collect::<String>()
            );
            (Status::Completed(Conclusion::Failure), "Its file is wrong".to_owned(), summary)
        }
    };
    Check {
        name: workflow.to_string(),
        status,
        title,
        summary: cut(summary),
        text: None,
        annotations: Vec::new(),
        buttons: Vec::new(),
        started: None,
        ended: None,
    }
}

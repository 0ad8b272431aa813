//! What an agent answered, judged: a task as the agent tells it becomes an [`Outcome`] in our words, or the reason why
//! the answer cannot be used.
//!
//! An agent's answer is a stranger's text. Everything is bounded and checked here, once; what is wrong in any respect
//! is a fault of class `bad_output`, never half a result.

use super::a2a::{Message, TaskSnapshot, TaskState};
use super::request::Kind;
use super::result::{
    ANNOTATION_BYTES_MAX, Class, Conclusion, Failure, LOG_TAIL_BYTES_MAX, SUMMARY_BYTES_MAX, StepResult, Usage,
};
use super::text::{self, head, tail};
use crate::time::Timestamp;

/// What a task means for its attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Not ended. Both are signs of life.
    Working {
        /// The live text: the end of a log, a progress line.
        text: String,
        /// When the agent last changed the status, by its own clock.
        at: Option<Timestamp>,
    },
    /// It waits for a person: words or a login.
    InputRequired {
        /// What it asks.
        question: String,
    },
    /// It was stopped on request; what it left behind, if it says so.
    Canceled(Box<StepResult>),
    /// It has ended.
    Ended(Box<StepResult>),
}

impl Outcome {
    /// Judges a task. `kind` says what was asked for: only a review may be answered in plain words, everything else
    /// needs a result that can be read.
    #[must_use]
    pub fn of(task: &TaskSnapshot, kind: Kind) -> Self {
        let words = || task.status.message.as_ref().map(Message::text).unwrap_or_default();
        match task.status.state {
            TaskState::Submitted | TaskState::Working | TaskState::Unspecified => Self::Working {
                text: tail(&words(), LOG_TAIL_BYTES_MAX).to_owned(),
                at: task.status.timestamp.as_deref().and_then(|at| Timestamp::parse_rfc3339(at).ok()),
            },
            TaskState::InputRequired | TaskState::AuthRequired => {
                Self::InputRequired { question: head(&words(), SUMMARY_BYTES_MAX).to_owned() }
            }
            TaskState::Completed => Self::Ended(Box::new(completed(task, kind).unwrap_or_else(StepResult::unusable))),
            TaskState::Failed => Self::Ended(Box::new(broken(task, Class::Crash, "the agent failed"))),
            TaskState::Rejected => Self::Ended(Box::new(broken(task, Class::Policy, "the agent declined"))),
            TaskState::Canceled => Self::Canceled(Box::new(broken(task, Class::Crash, "the agent was stopped"))),
        }
    }
}

/// A task that its agent calls done.
fn completed(task: &TaskSnapshot, kind: Kind) -> Result<StepResult, String> {
    if let Some(result) = StepResult::read(task)? {
        return Ok(match result.error {
            Some(_) => StepResult { conclusion: Conclusion::Failure, ..result },
            None => result,
        });
    }
    if kind != Kind::Review {
        return Err("it calls the task completed but gave no artifact named result".to_owned());
    }
    let artifact = task.artifacts.iter().flat_map(|artifact| &artifact.parts).find_map(|part| part.text.as_deref());
    let message = task.status.message.as_ref();
    let words = message.map(Message::text).filter(|text| !text.trim().is_empty());
    let summary = artifact.map(str::to_owned).or(words).ok_or("it calls the task completed but said nothing")?;
    let metadata = message.and_then(|message| message.metadata.get("cost_usd"));
    let usage = Usage { cost_micros: metadata.and_then(text::usd::micros), ..Usage::default() };
    Ok(StepResult {
        conclusion: Conclusion::Success,
        summary: head(&summary, SUMMARY_BYTES_MAX).to_owned(),
        usage,
        ..StepResult::default()
    })
}

/// A task that ended without success: its own result if that names a trouble, else the default of its state.
fn broken(task: &TaskSnapshot, class: Class, what: &str) -> StepResult {
    let mut result = match StepResult::read(task) {
        Ok(result) => result.unwrap_or_default(),
        Err(why) => return StepResult::unusable(why),
    };
    result.conclusion = Conclusion::Failure;
    if result.error.is_none() {
        let words = task.status.message.as_ref().map(Message::text).unwrap_or_default();
        let colon = if words.is_empty() { "" } else { ": " };
        result.error = Some(Failure::new(class, format!("{what}{colon}{}", head(&words, ANNOTATION_BYTES_MAX))));
    }
    result
}

//! From a check in our words to what GitHub is sent.

use sha2::{Digest as _, Sha256};

use crate::github::{Action, Annotation, AnnotationLevel, CheckBody, Conclusion, Output, Status};
use crate::report::{self, Check, Level};
use crate::store::HeadKey;

/// What GitHub is sent, as yet without the name that it has for us.
pub(super) fn body(check: &Check, head: &HeadKey, details_url: Option<String>) -> CheckBody {
    let (status, conclusion) = match check.status {
        report::Status::Queued => (Status::Queued, None),
        report::Status::InProgress => (Status::InProgress, None),
        report::Status::Completed(how) => (Status::Completed, Some(conclusion(how))),
    };
    // GitHub only ever appends annotations, so those of an attempt that is tried again must not get there.
    let annotations = if conclusion.is_some() { check.annotations.as_slice() } else { &[] };
    let button = |button: &report::Button| Action {
        label: button.label().to_owned(),
        description: button.description().to_owned(),
        identifier: button.identifier().to_owned(),
    };
    CheckBody {
        name: check.name.clone(),
        head_sha: Some(head.sha.clone()),
        status,
        conclusion,
        started_at: check.started,
        completed_at: check.ended.filter(|_| conclusion.is_some()),
        details_url,
        external_id: String::new(),
        output: Some(Output {
            title: check.title.clone(),
            summary: check.summary.clone(),
            text: check.text.clone(),
            annotations: annotations.iter().map(annotation).collect(),
        }),
        actions: check.buttons.iter().map(button).collect(),
    }
}

fn annotation(note: &report::Annotation) -> Annotation {
    Annotation {
        path: note.path.clone(),
        start_line: note.start_line,
        end_line: note.end_line,
        start_column: None,
        end_column: None,
        annotation_level: match note.level {
            Level::Notice => AnnotationLevel::Notice,
            Level::Warning => AnnotationLevel::Warning,
            Level::Failure => AnnotationLevel::Failure,
        },
        message: note.message.clone(),
        title: note.title.clone(),
        raw_details: None,
    }
}

fn conclusion(how: report::Conclusion) -> Conclusion {
    match how {
        report::Conclusion::Success => Conclusion::Success,
        report::Conclusion::Neutral => Conclusion::Neutral,
        report::Conclusion::Skipped => Conclusion::Skipped,
        report::Conclusion::Failure => Conclusion::Failure,
        report::Conclusion::Cancelled => Conclusion::Cancelled,
        report::Conclusion::TimedOut => Conclusion::TimedOut,
        report::Conclusion::ActionRequired => Conclusion::ActionRequired,
    }
}

/// GitHub's word for how a body ends.
pub(super) fn word(body: &CheckBody) -> Option<&'static str> {
    body.conclusion.map(|how| match how {
        Conclusion::Success => "success",
        Conclusion::Neutral => "neutral",
        Conclusion::Skipped => "skipped",
        Conclusion::Failure => "failure",
        Conclusion::Cancelled => "cancelled",
        Conclusion::TimedOut => "timed_out",
        Conclusion::ActionRequired => "action_required",
    })
}

/// What tells two bodies apart.
pub(super) fn fingerprint(body: &CheckBody) -> anyhow::Result<[u8; 32]> {
    Ok(Sha256::digest(serde_json::to_vec(body)?).into())
}

/// Our own name for a check run: by it one that was made without an answer is found again. A hash, since the longest
/// names of workflows and steps would not fit.
pub(super) fn external_id(head: &HeadKey, name: &str, generation: u32) -> String {
    hex::encode(Sha256::digest(format!("{}\n{name}\n{generation}", head.sha)))
}

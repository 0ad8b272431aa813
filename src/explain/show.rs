//! An explanation as text.

use unicode_width::UnicodeWidthStr as _;

use super::{Answer, Explanation, Runs};
use crate::report::{Conclusion, Status, plain};

/// The explanation, ending with a line feed.
#[must_use]
pub fn text(told: &Explanation) -> String {
    let mut lines = vec![format!("{}: {}", told.event, told.happened)];
    if !told.workflows.is_empty() {
        lines.push(String::new());
        let widest = told.workflows.iter().map(|answer| answer.workflow.as_str().width()).max().unwrap_or(0);
        lines.extend(told.workflows.iter().map(|answer| row(answer, widest)));
    }
    if !told.besides.is_empty() {
        lines.push(String::new());
        lines.extend(told.besides.iter().cloned());
    }
    if !told.unknown.is_empty() {
        lines.push(String::new());
        lines.push("The payload does not say:".to_owned());
        lines.extend(told.unknown.iter().map(|unknown| format!("  {unknown}")));
    }
    lines.iter().map(|line| format!("{}\n", plain(line).replace(['\n', '\t'], " ").trim_end())).collect()
}

fn row(answer: &Answer, widest: usize) -> String {
    let pad = " ".repeat(widest.saturating_sub(answer.workflow.as_str().width()));
    let word = match answer.runs {
        Runs::Yes => "✔ runs",
        Runs::Depends => "? may run",
        Runs::Waits => "◌ waits",
        Runs::No => "⊘ does not run",
        Runs::Broken => "✘ fails",
    };
    let room = " ".repeat("⊘ does not run".width().saturating_sub(word.width()));
    let check = answer.check.map(|check| format!(" (its check: {check})")).unwrap_or_default();
    format!("{}{pad}  {word}{room}  {}{check}", answer.workflow, answer.why)
}

/// GitHub's word for what a check shows.
pub(super) fn status_word(status: Status) -> &'static str {
    match status {
        Status::Queued => "queued",
        Status::InProgress => "in progress",
        Status::Completed(conclusion) => match conclusion {
            Conclusion::Success => "success",
            Conclusion::Neutral => "neutral",
            Conclusion::Skipped => "skipped",
            Conclusion::Failure => "failure",
            Conclusion::Cancelled => "cancelled",
            Conclusion::TimedOut => "timed out",
            Conclusion::ActionRequired => "action required",
        },
    }
}

//! The check `pointsman / config`: what is wrong with the workflow files of a pull request, on the lines themselves.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::check::{Annotation, Check, Conclusion, Level, Status};
use super::markdown::{cut, escape};

/// Its name; the same in every repository.
pub const CONFIG_CHECK: &str = "pointsman / config";

/// One workflow file of a commit, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileProblems {
    /// From the root of the repository.
    pub path: String,
    /// What is wrong, on its lines; empty when the file is fine.
    pub problems: Vec<Annotation>,
}

/// The check for the files of one commit, which count once they are merged into `branch`.
#[must_use]
pub fn config_check(files: &[FileProblems], branch: &str) -> Check {
    let bad: Vec<&FileProblems> =
        files.iter().filter(|f| f.problems.iter().any(|p| p.level == Level::Failure)).collect();
    let annotations: Vec<Annotation> = files.iter().flat_map(|file| file.problems.iter().cloned()).collect();
    let mut summary = String::new();
    for file in files {
        let icon = if bad.contains(&file) { "❌" } else { "✅" };
        let _ = writeln!(summary, "- {icon} `{}`", file.path.replace('`', "'"));
        for problem in &file.problems {
            let _ = writeln!(summary, "  - line {}: {}", problem.start_line, escape(&problem.message));
        }
    }
    let what =
        if files.is_empty() { "This pull request takes out every workflow. It counts" } else { "\nThese files count" };
    let _ = writeln!(summary, "{what} when merged into `{}`.", branch.replace('`', "'"));
    let (conclusion, title) = match bad.as_slice() {
        [] if files.is_empty() => (Conclusion::Success, "No workflow file any more".to_owned()),
        [] => (Conclusion::Success, format!("{} fine", count(files.len()))),
        [_] if files.len() == 1 => (Conclusion::Failure, "1 workflow file wrong".to_owned()),
        bad => (Conclusion::Failure, format!("{} of {} wrong", bad.len(), count(files.len()))),
    };
    Check {
        name: CONFIG_CHECK.to_owned(),
        status: Status::Completed(conclusion),
        title,
        summary: cut(summary),
        text: None,
        annotations,
        buttons: Vec::new(),
        started: None,
        ended: None,
    }
}

fn count(files: usize) -> String {
    match files {
        1 => "1 workflow file".to_owned(),
        n => format!("{n} workflow files"),
    }
}

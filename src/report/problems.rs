//! What is wrong with workflow files, in the words of those who ask: people at a terminal, scripts, GitHub Actions, and
//! whatever reads SARIF.
//!
//! *Invariant:* what a file holds is quoted so that it cannot move the cursor, end an annotation or break a document.

mod excerpt;
mod human;
mod sarif;

use serde_json::json;

pub use human::{Paint, human};
pub use sarif::sarif;

use crate::workflow::problem::{Problem, Severity};

/// A file that was read, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// Its path, for people.
    pub path: String,
    /// What it holds.
    pub text: String,
    /// What is wrong, by place.
    pub problems: Vec<Problem>,
}

/// How many errors and warnings there are in all files.
#[must_use]
pub fn counts(files: &[Looked]) -> (usize, usize) {
    let all = files.iter().flat_map(|file| &file.problems);
    let errors = all.clone().filter(|problem| problem.severity == Severity::Error).count();
    (errors, all.count() - errors)
}

/// One document: `{ "files": [{ "path", "problems": [{ "code", "severity", "message", "line", "column", "help" }] }],
/// "errors", "warnings" }`. Lines and columns count from 1, columns in characters.
#[must_use]
pub fn as_json(files: &[Looked]) -> String {
    let (errors, warnings) = counts(files);
    let files: Vec<_> = files.iter().map(|file| json!({ "path": file.path, "problems": file.problems })).collect();
    format!("{:#}\n", json!({ "files": files, "errors": errors, "warnings": warnings }))
}

/// Workflow commands of GitHub Actions, which become annotations of the files.
#[must_use]
pub fn as_annotations(files: &[Looked]) -> String {
    let line = |file: &Looked, problem: &Problem| {
        let level = match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let help = problem.help.as_ref().map_or_else(String::new, |help| format!("\nhelp: {help}"));
        let (path, text) = (property(&file.path), data(&format!("{}{help}", problem.message)));
        let (line, column, code) = (problem.line, problem.column, problem.code);
        format!("::{level} file={path},line={line},col={column},title={code}::{text}\n")
    };
    files.iter().flat_map(|file| file.problems.iter().map(move |problem| line(file, problem))).collect()
}

/// The text of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests;

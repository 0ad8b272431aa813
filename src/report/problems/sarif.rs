//! SARIF 2.1.0, which code scanning and editors read.

use serde_json::{Value, json};

use super::Looked;
use crate::workflow::problem::{Code, Problem, Severity};

/// One document with one run of the tool.
#[must_use]
pub fn sarif(files: &[Looked]) -> String {
    let rules: Vec<Value> = Code::ALL.iter().map(|code| rule(*code)).collect();
    let results: Vec<Value> =
        files.iter().flat_map(|file| file.problems.iter().map(|problem| result(&file.path, problem))).collect();
    let driver = json!({ "name": "pointsman", "version": env!("CARGO_PKG_VERSION"), "rules": rules });
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{ "tool": { "driver": driver }, "columnKind": "unicodeCodePoints", "results": results }],
    });
    format!("{document:#}\n")
}

fn rule(code: Code) -> Value {
    json!({
        "id": code.to_string(),
        "shortDescription": { "text": code.summary() },
        "help": { "text": code.page(), "markdown": code.page() },
    })
}

fn result(path: &str, problem: &Problem) -> Value {
    let level = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let help = problem.help.as_ref().map_or_else(String::new, |help| format!(" ({help})"));
    json!({
        "ruleId": problem.code.to_string(),
        "level": level,
        "message": { "text": format!("{}{help}", problem.message) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(path) },
            "region": { "startLine": problem.line, "startColumn": problem.column },
        } }],
    })
}

/// A path as a relative reference: what an address may not hold is escaped.
fn uri(path: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

//! Problems as a compiler tells them: the line, a mark below the place, and what to do.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use super::excerpt::excerpt;
use super::{Looked, counts};
use crate::workflow::problem::{Problem, Severity};

/// Whether colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// With the colours of the terminal.
    Colours,
    /// Text only.
    Plain,
}

const RED: &str = "1;31";
const YELLOW: &str = "1;33";
const BLUE: &str = "1;34";
const BOLD: &str = "1";
/// Columns of a line of help.
const HELP_COLUMNS_MAX: usize = 96;

impl Paint {
    fn on(self, colour: &str, text: &str) -> String {
        match self {
            Self::Colours if !text.is_empty() => format!("\x1b[{colour}m{text}\x1b[0m"),
            Self::Colours | Self::Plain => text.to_owned(),
        }
    }
}

/// Every problem of every file, and a line that sums them up.
#[must_use]
pub fn human(files: &[Looked], paint: Paint) -> String {
    let mut told = String::new();
    for file in files {
        for problem in &file.problems {
            tell(&mut told, file, problem, paint);
        }
    }
    told.push_str(&summary(files, paint));
    told
}

fn tell(told: &mut String, file: &Looked, problem: &Problem, paint: Paint) {
    let (colour, kind) = match problem.severity {
        Severity::Error => (RED, "error"),
        Severity::Warning => (YELLOW, "warning"),
    };
    let head = paint.on(colour, &format!("{kind}[{}]", problem.code));
    let gutter = " ".repeat(problem.line.to_string().len());
    let bar = paint.on(BLUE, "|");
    // Writing to a String does not fail.
    let _ = writeln!(told, "{head}{}", paint.on(BOLD, &format!(": {}", one_line(&problem.message))));
    let arrow = paint.on(BLUE, "-->");
    let _ = writeln!(told, "{gutter}{arrow} {}:{}:{}", one_line(&file.path), problem.line, problem.column);
    let found = excerpt(&file.text, problem.line, problem.column);
    if let Some(found) = &found {
        let number = paint.on(BLUE, &problem.line.to_string());
        let mark = paint.on(colour, &"^".repeat(found.width));
        let _ = writeln!(told, "{gutter} {bar}\n{number} {bar} {}", found.line);
        let _ = writeln!(told, "{gutter} {bar} {}{mark}", " ".repeat(found.indent));
    }
    if let Some(help) = &problem.help {
        let lines = wrapped(&one_line(help)).join(&format!("\n{gutter}         "));
        let _ = writeln!(told, "{gutter} {} help: {lines}", paint.on(BLUE, "="));
    }
    told.push('\n');
}

/// Words in lines that are short enough to be read.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.width() + 1 + word.width() <= HELP_COLUMNS_MAX => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Messages may quote what a file holds.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

fn summary(files: &[Looked], paint: Paint) -> String {
    let many = |count: usize, what: &str| if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") };
    let (errors, warnings) = counts(files);
    let all = many(files.len(), "file");
    let said = match (errors, warnings) {
        (0, 0) => {
            return format!("{} fine\n", if files.len() == 1 { format!("{all} is") } else { format!("{all} are") });
        }
        (0, _) => paint.on(YELLOW, &many(warnings, "warning")),
        (_, 0) => paint.on(RED, &many(errors, "error")),
        (_, _) => paint.on(RED, &format!("{}, {}", many(errors, "error"), many(warnings, "warning"))),
    };
    let first = files.iter().flat_map(|file| &file.problems).min_by_key(|problem| problem.severity);
    let more = first.map_or_else(String::new, |problem| {
        format!("more about one of them: pointsman validate --explain {}\n", problem.code)
    });
    format!("{said} in {all}\n{more}")
}

//! What is wrong with a file: every problem at once, each with its place, a stable code and what to do.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::suggest::closest;

/// A file with more problems than this is cut off: nobody reads on.
pub const PROBLEMS_MAX: usize = 100;
/// The longest message or help text; what is quoted in one comes from strangers.
const TEXT_CHARS_MAX: usize = 600;

/// One thing that is wrong, or looks wrong, in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Its kind; stable over releases.
    pub code: Code,
    /// Whether the file can be used in spite of it.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// What to do about it.
    pub help: Option<String>,
    /// The file, where it is another than the one that was read: one that a step uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl Problem {
    /// A file whose name is no id, so that no workflow can have it.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        let message = format!("{name} is not the name of a workflow");
        let help = "letters, digits, - and _, then .yml: the name of the file is the id of the workflow";
        let Place { line, column, .. } = Place::START;
        let help = Some(help.to_owned());
        Self { code: Code::BadId, severity: Severity::Error, message: cut(&message), line, column, help, file: None }
    }
}

/// Whether a file can be used in spite of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can.
    Warning,
}

/// What kind of problem. Serialized and printed in kebab case: `unknown-field`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The text is no YAML. Mend the line; most often it is indentation, or a `:` or `#` in text without quotes.
    Syntax,
    /// The file is larger, deeper or has more nodes than a workflow needs. Split it.
    TooLarge,
    /// YAML that is refused because it hides what a file says: anchors, aliases, merge keys, tags. Write it out.
    NotPlain,
    /// A control or direction character that makes a file look other than it is. Remove it.
    BadCharacter,
    /// A key that stands twice in one mapping. Remove one.
    DuplicateKey,
    /// A key that is no text. Put it in quotes.
    BadKey,
    /// A field that the language does not have. Often a slip: see the help.
    UnknownField,
    /// Something that the language has or will have, and that this release does not act on. As a warning it is checked
    /// and left at that; as an error it is refused in place of being ignored.
    NotYet,
    /// A field that must be there is not.
    MissingField,
    /// A value of the wrong kind, such as a list where text belongs.
    WrongKind,
    /// A value that is not allowed.
    BadValue,
    /// Two fields that exclude each other, or an alias beside its name.
    Conflict,
    /// An id that is empty, too long, or has characters that names of checks and branches cannot bear.
    BadId,
    /// Two steps have one id.
    DuplicateId,
    /// A step needs one that does not exist.
    UnknownNeed,
    /// Steps need each other in a circle. Take one of the needs away.
    Circle,
    /// An expression that cannot be read, or names what is not there.
    BadExpression,
    /// A step type that sets no defaults.
    UnknownType,
    /// A setting that has no effect where it stands.
    NoEffect,
    /// A comparison that gives the same in every run, such as a choice with what is none of its options.
    NeverTrue,
}

impl Code {
    /// Each of them.
    pub const ALL: [Self; 20] = [
        Self::Syntax,
        Self::TooLarge,
        Self::NotPlain,
        Self::BadCharacter,
        Self::DuplicateKey,
        Self::BadKey,
        Self::UnknownField,
        Self::NotYet,
        Self::MissingField,
        Self::WrongKind,
        Self::BadValue,
        Self::Conflict,
        Self::BadId,
        Self::DuplicateId,
        Self::UnknownNeed,
        Self::Circle,
        Self::BadExpression,
        Self::UnknownType,
        Self::NoEffect,
        Self::NeverTrue,
    ];

    /// Its section of `docs/problems.md`, without the heading: why it is, an example of it, and the example mended.
    #[must_use]
    pub fn page(self) -> &'static str {
        let heading = format!("\n## {self}\n");
        let behind = PAGES.split_once(&heading).map_or("", |(_, behind)| behind);
        behind.split_once("\n## ").map_or(behind, |(page, _)| page).trim()
    }

    /// What is wrong with such a file, in one sentence.
    #[must_use]
    pub fn summary(self) -> &'static str {
        let page = self.page();
        page.split_once(". ").map_or(page, |(first, _)| first)
    }
}

const PAGES: &str = include_str!("../../docs/problems.md");

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "syntax",
            Self::TooLarge => "too-large",
            Self::NotPlain => "not-plain",
            Self::BadCharacter => "bad-character",
            Self::DuplicateKey => "duplicate-key",
            Self::BadKey => "bad-key",
            Self::UnknownField => "unknown-field",
            Self::NotYet => "not-yet",
            Self::MissingField => "missing-field",
            Self::WrongKind => "wrong-kind",
            Self::BadValue => "bad-value",
            Self::Conflict => "conflict",
            Self::BadId => "bad-id",
            Self::DuplicateId => "duplicate-id",
            Self::UnknownNeed => "unknown-need",
            Self::Circle => "circle",
            Self::BadExpression => "bad-expression",
            Self::UnknownType => "unknown-type",
            Self::NoEffect => "no-effect",
            Self::NeverTrue => "never-true",
        })
    }
}

/// `3:7 unknown-field: …`, as compilers print it.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:")?;
        }
        let warning = if self.severity == Severity::Warning { "warning: " } else { "" };
        write!(f, "{}:{} {warning}{}: {}", self.line, self.column, self.code, self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}

/// A place in a file: line and column in characters, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
    /// 0 is the file that is read; what it uses is counted from 1, see [`Problems::file`].
    pub(crate) file: u16,
}

impl Place {
    /// The first character of a file.
    pub(crate) const START: Self = Self { line: 1, column: 1, file: 0 };
}

/// Problems that are kept while a file is read; the rest is counted.
const KEPT_MAX: usize = 10 * PROBLEMS_MAX;

/// Gathers the problems of one file.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    found: Vec<Problem>,
    dropped: usize,
    errors: bool,
    /// The files that were used, by their numbers less one.
    files: Vec<String>,
}

impl Problems {
    /// Notes an error.
    pub(crate) fn error(&mut self, code: Code, place: Place, message: impl Into<String>) -> &mut Self {
        self.push(Severity::Error, code, place, message.into())
    }

    /// Notes a warning.
    pub(crate) fn warning(&mut self, code: Code, place: Place, message: impl Into<String>) -> &mut Self {
        self.push(Severity::Warning, code, place, message.into())
    }

    /// Says what to do about the problem noted last.
    pub(crate) fn help(&mut self, help: impl Into<String>) -> &mut Self {
        if let Some(last) = self.found.last_mut() {
            last.help = Some(cut(&help.into()));
        }
        self
    }

    /// Says what was probably meant, or else what there is. Only for the first problems: guessing takes time, and a
    /// hostile file is all slips.
    pub(crate) fn did_you_mean<'k>(
        &mut self,
        word: &str,
        known: impl IntoIterator<Item = &'k str>,
        otherwise: impl FnOnce() -> Option<String>,
    ) -> &mut Self {
        if self.found.len() > PROBLEMS_MAX {
            return self;
        }
        match closest(word, known).map(|near| format!("did you mean {near}?")).or_else(otherwise) {
            Some(help) => self.help(help),
            None => self,
        }
    }

    /// The number of a used file in places.
    pub(crate) fn file(&mut self, path: &str) -> u16 {
        self.files.push(path.to_owned());
        u16::try_from(self.files.len()).unwrap_or(u16::MAX)
    }

    /// Takes over what was found in a used file.
    pub(crate) fn adopt(&mut self, path: &str, found: Vec<Problem>) {
        for problem in found {
            self.errors |= problem.severity == Severity::Error;
            self.found.push(Problem { file: Some(path.to_owned()), ..problem });
        }
    }

    /// Whether the file cannot be used.
    pub(crate) fn has_errors(&self) -> bool {
        self.errors
    }

    /// All of them by place, at most [`PROBLEMS_MAX`]; errors before warnings at one place.
    pub(crate) fn sorted(mut self) -> Vec<Problem> {
        self.found.sort_by(|a, b| {
            let key = |problem: &Problem| (problem.line, problem.column, problem.severity);
            a.file.cmp(&b.file).then_with(|| key(a).cmp(&key(b)))
        });
        // A file that is used twice is wrong twice.
        self.found.dedup_by(|a, b| a.file.is_some() && a == b);
        let beyond = self.found.len().saturating_sub(PROBLEMS_MAX) + self.dropped;
        if beyond > 0 {
            self.found.truncate(PROBLEMS_MAX);
            if let Some(last) = self.found.last_mut() {
                last.help = Some(format!("and {beyond} more problems"));
                // A cut must not turn a broken file into a usable one.
                last.severity = if self.errors { Severity::Error } else { last.severity };
            }
        }
        self.found
    }

    fn push(&mut self, severity: Severity, code: Code, place: Place, message: String) -> &mut Self {
        self.errors |= severity == Severity::Error;
        if self.found.len() >= KEPT_MAX {
            self.dropped += 1;
            return self;
        }
        let Place { line, column, file } = place;
        let file = usize::from(file).checked_sub(1).and_then(|at| self.files.get(at)).cloned();
        self.found.push(Problem { code, severity, message: cut(&message), line, column, help: None, file });
        self
    }
}

/// One line that is not too long, whatever was quoted in it.
fn cut(text: &str) -> String {
    let plain = |text: &str| text.replace(char::is_control, " ");
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((at, _)) => format!("{}…", plain(&text[..at])),
        None => plain(text),
    }
}

#[cfg(test)]
mod tests;

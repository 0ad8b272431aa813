//! Reading a line of a script from left to right, so that each mistake knows its column.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::workflow::suggest::closest;
use crate::workflow::units;

/// What is wrong in a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to write in its place.
    pub help: Option<String>,
}

/// `2:7: there is no step tets (did you mean tests?)`
impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}

/// One line, read as far as `at`.
#[derive(Debug, Clone)]
pub(super) struct Scan<'a> {
    line: &'a str,
    number: u32,
    /// In bytes.
    at: usize,
    end: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(line: &'a str, number: u32) -> Self {
        Self { line, number, at: 0, end: line.len() }
    }

    /// The same line up to its first `:` outside brackets, and what stands behind that.
    pub(super) fn split(&self) -> Option<(Self, Self)> {
        let at = self.line.find(':')?;
        Some((Self { end: at, ..self.clone() }, Self { at: at + 1, ..self.clone() }))
    }

    /// What is left, without blanks around it.
    pub(super) fn rest(&mut self) -> &'a str {
        self.blanks();
        self.left().trim_end()
    }

    fn left(&self) -> &'a str {
        self.line.get(self.at..self.end).unwrap_or_default()
    }

    fn blanks(&mut self) {
        let left = self.left();
        self.at += left.len() - left.trim_start().len();
    }

    /// The next word: up to a blank or a comma.
    pub(super) fn word(&mut self) -> Option<Word<'a>> {
        self.blanks();
        let left = self.left();
        let text = left.get(..left.find([' ', '\t', ',']).unwrap_or(left.len())).filter(|text| !text.is_empty())?;
        let word = Word { text, at: self.at };
        self.at += text.len();
        Some(word)
    }

    /// The next character but blanks, without taking it.
    pub(super) fn peek(&mut self) -> Option<char> {
        self.blanks();
        self.left().chars().next()
    }

    /// Takes a comma, if there is one.
    pub(super) fn comma(&mut self) -> bool {
        let comma = self.peek() == Some(',');
        self.at += usize::from(comma);
        comma
    }

    /// A JSON value as it is written.
    pub(super) fn json(&mut self) -> Result<(&'a str, Value), Mistake> {
        self.blanks();
        let left = self.left();
        let mut values = serde_json::Deserializer::from_str(left).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) => {
                let text = left.get(..values.byte_offset()).unwrap_or_default();
                self.at += text.len();
                Ok((text, value))
            }
            Some(Err(error)) => {
                let column = error.column().saturating_sub(1).min(left.len());
                Err(self.mistake(self.at + column, "this is no JSON").help("quote names and texts with \""))
            }
            None => Err(self.here("JSON is missing")),
        }
    }

    /// A JSON object as it is written.
    pub(super) fn object(&mut self) -> Result<(&'a str, Map<String, Value>), Mistake> {
        self.blanks();
        let at = self.at;
        match self.json()? {
            (text, Value::Object(object)) => Ok((text, object)),
            _ => Err(self.mistake(at, "this is no JSON object").help(r#"write {"areas": ["a", "b"]}"#)),
        }
    }

    /// A duration: `90s`, `2m`; `0s` too.
    pub(super) fn duration(&mut self) -> Result<Duration, Mistake> {
        match self.word() {
            Some(word) => self.duration_of(word),
            None => Err(self.here("a duration is missing").help("write 90s, 2m or 1h30m")),
        }
    }

    pub(super) fn duration_of(&self, word: Word<'_>) -> Result<Duration, Mistake> {
        if matches!(word.text, "0" | "0s") {
            return Ok(Duration::ZERO);
        }
        units::duration(word.text).map_err(|why| self.at_word(word, why))
    }

    /// Nothing may follow.
    pub(super) fn finish(&mut self) -> Result<(), Mistake> {
        match self.rest() {
            "" => Ok(()),
            left => Err(self.here(format!("nothing is expected here, but {left:.40}"))),
        }
    }

    pub(super) fn here(&self, message: impl Into<String>) -> Mistake {
        self.mistake(self.at, message)
    }

    pub(super) fn at_word(&self, word: Word<'_>, message: impl Into<String>) -> Mistake {
        self.mistake(word.at, message)
    }

    fn mistake(&self, at: usize, message: impl Into<String>) -> Mistake {
        let before = self.line.get(..at).unwrap_or(self.line);
        let column = u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX);
        Mistake { line: self.number, column, message: message.into(), help: None }
    }
}

/// A word and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    at: usize,
}

impl Mistake {
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says what was probably meant, or else what there is.
    pub(super) fn did_you_mean<'k>(self, word: &str, known: impl Iterator<Item = &'k str> + Clone) -> Self {
        /// More names than these are not listed.
        const LISTED_MAX: usize = 12;
        match closest(word, known.clone()) {
            Some(near) => self.help(format!("did you mean {near}?")),
            None => {
                let names: Vec<&str> = known.clone().take(LISTED_MAX).collect();
                let more = if known.count() > LISTED_MAX { " …" } else { "" };
                self.help(format!("there are {}{more}", names.join(", ")))
            }
        }
    }
}

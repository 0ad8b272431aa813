//! Filters of branches, tags and paths, as GitHub Actions reads them.
//!
//! `*` is anything but `/`, `**` anything, `?` and `+` repeat the character before them (none or one, one or more),
//! `[a-z]` is one of a set, `\` takes the next character as it is, a leading `!` excludes. Shell globs differ in `?`
//! and `**.js`, so a glob library would read other workflows than GitHub's. Matching takes time linear in pattern ×
//! text: a list of positions goes through the pattern once, nothing is tried twice.

use std::fmt;

use super::file::Node;
use super::problem::{Code, Problems};
use super::read;

/// The longest pattern.
pub const PATTERN_BYTES_MAX: usize = 256;
/// Patterns of one filter.
pub const PATTERNS_MAX: usize = 64;

/// One pattern.
#[derive(Clone, PartialEq, Eq)]
pub struct Pattern {
    source: String,
    excludes: bool,
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    what: What,
    times: Times,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    One(char),
    /// A set of ranges.
    Set(Vec<(char, char)>),
    /// Anything but `/`.
    Part,
    /// Anything.
    Any,
    /// `**/`: any number of whole folders, also none.
    Folders,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Times {
    One,
    Maybe,
    Many,
    Any,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Says in words what is wrong with it.
    pub fn parse(source: &str) -> Result<Self, String> {
        if source.len() > PATTERN_BYTES_MAX {
            return Err(format!("a pattern has at most {PATTERN_BYTES_MAX} bytes"));
        }
        let (excludes, text) = source.strip_prefix('!').map_or((false, source), |text| (true, text));
        if text.is_empty() {
            return Err("a pattern is empty".to_owned());
        }
        Ok(Self { source: source.to_owned(), excludes, tokens: tokens(text)? })
    }

    fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let mut reached = vec![false; text.len() + 1];
        reached[0] = true;
        for token in &self.tokens {
            reached = token.pass(&reached, &text);
        }
        reached[text.len()]
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let (what, times) = match c {
            '*' if rest.next_if_eq(&'*').is_some() => {
                let starts = tokens.last().is_none_or(|token| token.what == What::One('/'));
                let folders = starts && rest.next_if_eq(&'/').is_some();
                if folders { (What::Folders, Times::One) } else { (What::Any, Times::Any) }
            }
            '*' => (What::Part, Times::Any),
            '?' | '+' => {
                let Some(last) = tokens.last_mut().filter(|last| last.times == Times::One) else {
                    return Err(format!("{c} in {text} repeats no character; write \\{c} for the character itself"));
                };
                last.times = if c == '?' { Times::Maybe } else { Times::Many };
                continue;
            }
            '[' => (set(&mut rest).ok_or_else(|| format!("a [ in {text} has no ] or no meaning"))?, Times::One),
            '\\' => (What::One(rest.next().ok_or_else(|| format!("{text} ends with a \\"))?), Times::One),
            _ => (What::One(c), Times::One),
        };
        tokens.push(Token { what, times });
    }
    Ok(tokens)
}

fn set(rest: &mut impl Iterator<Item = char>) -> Option<What> {
    let inner: Vec<char> = rest.take_while(|c| *c != ']').collect();
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(&low) = inner.get(at) {
        match (inner.get(at + 1), inner.get(at + 2)) {
            (Some('-'), Some(&high)) => {
                ranges.push((low, high));
                at += 3;
            }
            _ => {
                ranges.push((low, low));
                at += 1;
            }
        }
    }
    let sensible = !ranges.is_empty() && ranges.iter().all(|(low, high)| low <= high);
    sensible.then_some(What::Set(ranges))
}

impl Token {
    fn takes(&self, c: char) -> bool {
        match &self.what {
            What::One(one) => *one == c,
            What::Set(ranges) => ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)),
            What::Part => c != '/',
            What::Any | What::Folders => true,
        }
    }

    /// From the positions that the pattern has reached before this token to those behind it.
    fn pass(&self, from: &[bool], text: &[char]) -> Vec<bool> {
        let mut to = vec![false; from.len()];
        let mut before = false;
        for at in 0..from.len() {
            let last = at.checked_sub(1);
            let taken = last.is_some_and(|last| self.takes(text[last]));
            let step = taken && last.is_some_and(|last| from[last]);
            let again = taken && last.is_some_and(|last| to[last]);
            to[at] = match (&self.what, self.times) {
                (What::Folders, _) => from[at] || (before && last.is_some_and(|last| text[last] == '/')),
                (_, Times::One) => step,
                (_, Times::Maybe) => from[at] || step,
                (_, Times::Many) => step || again,
                (_, Times::Any) => from[at] || again,
            };
            before |= from[at];
        }
        to
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.source)
    }
}

/// Patterns in their order: the last one that matches decides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Patterns(Vec<Pattern>);

impl Patterns {
    /// Whether nothing was filtered for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a text passes.
    #[must_use]
    pub fn match_text(&self, text: &str) -> bool {
        self.0.iter().rev().find(|pattern| pattern.matches(text)).is_some_and(|pattern| !pattern.excludes)
    }

    /// The patterns of a filter. One that can match nothing is a problem.
    pub(crate) fn read(node: &Node, what: &str, problems: &mut Problems) -> Self {
        let texts = read::texts(node, what, PATTERNS_MAX, problems);
        let before = texts.len();
        let mut patterns = Vec::with_capacity(before);
        for (text, place) in texts {
            match Pattern::parse(&text) {
                Ok(pattern) => patterns.push(pattern),
                Err(why) => _ = problems.error(Code::BadValue, place, format!("{what}: {why}")),
            }
        }
        if patterns.len() == before && patterns.iter().all(|pattern| pattern.excludes) {
            let message = format!("{what} matches nothing: at least one pattern must not begin with !");
            problems.error(Code::BadValue, node.place, message).help("begin the list with \"**\"");
        }
        Self(patterns)
    }
}

impl fmt::Display for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, pattern) in self.0.iter().enumerate() {
            write!(f, "{}{}", if i > 0 { ", " } else { "" }, pattern.source)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

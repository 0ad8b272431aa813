//! The YAML of a file as a tree in which everything knows its place.
//!
//! Two parsers read each file, because neither does all: `serde_yaml` decides what a scalar means, but it stops at the
//! first error, knows no places and needs quadratic time on nesting; saphyr's events know every place. So the events
//! come first, are held against the limits, and give the tree its shape and places; only then does the other parser
//! see a byte, and both must find the same shape.
//!
//! Of YAML only what is plain is allowed: no anchors, aliases, merge keys, tags, second documents or keys that are no
//! text. That leaves no bombs, and a reader sees what a file says.
//!
//! *Invariant:* no other module names a YAML crate.

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::{Number, Value};
use serde_yaml::Value as Yaml;

use super::problem::{Code, Place, Problem, Problems};
use super::syntax;

/// The largest file.
pub const FILE_BYTES_MAX: usize = 64 * 1024;
/// Lists and mappings inside each other.
pub const NESTING_MAX: usize = 32;
/// Scalars, lists and mappings of one file; 1,000 steps of a dozen fields each fit.
pub const NODES_MAX: usize = 40_000;

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) shape: Shape,
    /// A scalar as it is written, so that `version: 1.10` keeps its zero; empty for lists and mappings.
    pub(crate) written: String,
    /// How a scalar's text stands in the file, where it stands there letter by letter.
    stands: Option<Stands>,
}

/// How the text of a scalar stands in the file.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stands {
    /// In one line, so many columns behind its place.
    Here(u32),
    /// In the lines below its place, each behind so many blanks.
    Below(u32),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    Null,
    Bool(bool),
    Number(Number),
    Text,
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) node: Node,
}

impl Node {
    /// Nothing, at a place.
    pub(crate) fn nothing(place: Place) -> Self {
        Self { place, shape: Shape::Null, written: String::new(), stands: None }
    }

    /// Where a byte of its text stands in the file. `None` where the file writes the text in another way.
    pub(crate) fn place_of(&self, offset: usize) -> Option<Place> {
        let before = self.written.get(..offset)?;
        let (lines, last) =
            before.rsplit_once('\n').map_or((0, before), |(lines, last)| (lines.split('\n').count(), last));
        let count = small(last.chars().count());
        let Place { line, column, file } = self.place;
        Some(match self.stands? {
            Stands::Here(behind) => Place { line, column: column.saturating_add(behind).saturating_add(count), file },
            Stands::Below(blanks) => Place {
                line: line.saturating_add(1).saturating_add(small(lines)),
                column: blanks.saturating_add(1).saturating_add(count),
                file,
            },
        })
    }

    /// Says of everything in it that it stands in this file.
    pub(crate) fn place_in(&mut self, file: u16) {
        self.each(&mut |place, _| place.file = file);
    }

    /// Says of everything in it that it stands here.
    pub(crate) fn place_at(&mut self, here: Place) {
        self.each(&mut |place, stands| {
            *place = here;
            *stands = None;
        });
    }

    fn each(&mut self, change: &mut impl FnMut(&mut Place, &mut Option<Stands>)) {
        change(&mut self.place, &mut self.stands);
        match &mut self.shape {
            Shape::List(items) => items.iter_mut().for_each(|item| item.each(change)),
            Shape::Map(entries) => {
                for entry in entries {
                    change(&mut entry.place, &mut None);
                    entry.node.each(change);
                }
            }
            Shape::Null | Shape::Bool(_) | Shape::Number(_) | Shape::Text => {}
        }
    }

    /// The same without places.
    pub(crate) fn to_value(&self) -> Value {
        match &self.shape {
            Shape::Null => Value::Null,
            Shape::Bool(b) => Value::Bool(*b),
            Shape::Number(n) => Value::Number(n.clone()),
            Shape::Text => Value::String(self.written.clone()),
            Shape::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Shape::Map(entries) => entries.iter().map(|e| (e.key.clone(), e.node.to_value())).collect(),
        }
    }

    /// What it is, in words.
    pub(crate) fn kind(&self) -> &'static str {
        match self.shape {
            Shape::Null => "nothing",
            Shape::Bool(_) => "true or false",
            Shape::Number(_) => "a number",
            Shape::Text => "text",
            Shape::List(_) => "a list",
            Shape::Map(_) => "a mapping",
        }
    }
}

/// Reads a file into a tree, or into everything that keeps it from being one.
pub(crate) fn read(text: &str) -> Result<Node, Vec<Problem>> {
    let mut problems = Problems::default();
    if text.len() > FILE_BYTES_MAX {
        let message = format!("a file has at most {FILE_BYTES_MAX} bytes, this one has {}", text.len());
        problems.error(Code::TooLarge, Place::START, message).help("split it into two workflows");
        return Err(problems.sorted());
    }
    // A byte order mark at the very start is harmless and common; anywhere else it is a hidden character.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    hidden_characters(text, &mut problems);
    let tree = if problems.has_errors() { None } else { build(text, &mut problems) };
    match tree {
        Some(mut node) if !problems.has_errors() => {
            resolve(text, &mut node, &mut problems);
            if problems.has_errors() { Err(problems.sorted()) } else { Ok(node) }
        }
        _ => Err(problems.sorted()),
    }
}

/// Characters that make a file look other than it is: control characters, changes of direction, zero width.
fn is_hidden(c: char) -> bool {
    let allowed = matches!(c, '\n' | '\r' | '\t');
    let unseen = matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    (c.is_control() && !allowed) || unseen
}

fn hidden_characters(text: &str, problems: &mut Problems) {
    for (row, line) in text.lines().enumerate() {
        // A carriage return that ends no line is a line break to YAML, and to nobody who looks at the file.
        if let Some((column, c)) = line.chars().enumerate().find(|(_, c)| is_hidden(*c) || *c == '\r') {
            hidden(c, Place { line: small(row + 1), column: small(column + 1), file: 0 }, problems);
        }
    }
}

fn hidden(c: char, place: Place, problems: &mut Problems) {
    let message = format!("the character U+{:04X} cannot be seen and is not allowed", u32::from(c));
    let help = if c == '\r' { "end lines with LF or CR LF: editors have it under line endings" } else { "remove it" };
    problems.error(Code::BadCharacter, place, message).help(help);
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn place(span: Span) -> Place {
    Place { line: small(span.start.line()), column: small(span.start.col() + 1), file: 0 }
}

/// A list or mapping that is still open.
struct Open {
    node: Node,
    /// Of a mapping: the key whose value comes next.
    key: Option<(String, Place)>,
    /// Of a mapping: where each key stands.
    seen: BTreeMap<String, Place>,
}

/// Builds the tree from events. `None` once it makes no sense to read on.
fn build(text: &str, problems: &mut Problems) -> Option<Node> {
    let mut open: Vec<Open> = Vec::new();
    let mut root = None;
    let (mut nodes, mut documents) = (0_usize, 0_usize);
    let letters: Vec<char> = text.chars().collect();
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                let marker = error.marker();
                let place = Place { line: small(marker.line()).max(1), column: small(marker.col() + 1), file: 0 };
                syntax::explain(text, error.info(), place, problems);
                return None;
            }
        };
        let place = place(span);
        nodes += 1;
        if nodes > NODES_MAX || open.len() > NESTING_MAX {
            let (message, help) = match open.len() {
                0..=NESTING_MAX => (format!("a file has at most {NODES_MAX} values"), "split it into two workflows"),
                _ => (format!("lists and mappings go at most {NESTING_MAX} deep"), "write it flatter"),
            };
            problems.error(Code::TooLarge, place, message).help(help);
            return None;
        }
        refuse(&event, place, problems);
        let done = match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    problems.error(Code::NotPlain, place, "a file holds one document").help("remove the ---");
                    return None;
                }
                continue;
            }
            Event::Scalar(text, style, ..) => scalar(text, style, span, &letters),
            Event::SequenceStart(..) => {
                begin(&mut open, Node { shape: Shape::List(Vec::new()), ..Node::nothing(place) });
                continue;
            }
            Event::MappingStart(..) => {
                begin(&mut open, Node { shape: Shape::Map(Vec::new()), ..Node::nothing(place) });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop()?.node,
            Event::Alias(_) => Node::nothing(place),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => continue,
        };
        let in_list = open.iter().rev().nth(1).is_some_and(|outer| matches!(outer.node.shape, Shape::List(_)));
        match open.last_mut() {
            Some(parent) => put(parent, done, in_list, problems),
            None => root = Some(done),
        }
    }
    if root.is_none() && !problems.has_errors() {
        let help = "`pointsman init` writes a first workflow; it needs on: and steps:";
        problems.error(Code::Syntax, Place::START, "the file is empty").help(help);
    }
    root
}

fn begin(open: &mut Vec<Open>, node: Node) {
    open.push(Open { node, key: None, seen: BTreeMap::new() });
}

/// Refuses what is not plain.
fn refuse(event: &Event<'_>, place: Place, problems: &mut Problems) {
    let (anchor, tagged) = match event {
        Event::Alias(_) => (1, false),
        Event::Scalar(_, _, anchor, tag) => (*anchor, tag.is_some()),
        Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => (*anchor, tag.is_some()),
        Event::Nothing
        | Event::StreamStart
        | Event::StreamEnd
        | Event::DocumentStart(_)
        | Event::DocumentEnd
        | Event::SequenceEnd
        | Event::MappingEnd => (0, false),
    };
    if anchor > 0 {
        problems.error(Code::NotPlain, place, "anchors and aliases are not used here").help("write it out");
    }
    if tagged {
        problems.error(Code::NotPlain, place, "tags (!) are not used here").help("put text in quotes");
    }
    if let Event::Scalar(text, ..) = event
        && let Some(c) = text.chars().find(|c| is_hidden(*c))
    {
        // It came in by an escape such as "\0".
        hidden(c, place, problems);
    }
}

/// A scalar whose meaning is not known yet: what is not plain is text, the rest waits for [`resolve`].
fn scalar(text: Cow<'_, str>, style: ScalarStyle, span: Span, letters: &[char]) -> Node {
    let shape = if style == ScalarStyle::Plain { Shape::Null } else { Shape::Text };
    let from = letters.get(span.start.index()..).unwrap_or_default();
    let stands = match style {
        ScalarStyle::Plain => here(from, &text, 0),
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => here(from, &text, 1),
        ScalarStyle::Literal => below(from, &text),
        ScalarStyle::Folded => None,
    };
    Node { place: place(span), shape, written: text.into_owned(), stands }
}

/// Escapes and line breaks stand otherwise in the file.
fn here(from: &[char], text: &str, quotes: usize) -> Option<Stands> {
    let mut chars = text.chars();
    let same = from.iter().skip(quotes).zip(chars.by_ref()).all(|(letter, c)| *letter == c) && chars.next().is_none();
    same.then(|| Stands::Here(small(quotes)))
}

/// A text below a `|`, whose lines stand behind as many blanks each.
fn below(from: &[char], text: &str) -> Option<Stands> {
    let blanks = |line: &[char]| line.iter().take_while(|c| **c == ' ').count();
    let mut lines = from.split(|c| *c == '\n').skip(1);
    let first = lines.clone().find(|line| line.iter().any(|c| !c.is_whitespace()))?;
    let own = text.lines().find(|line| !line.trim().is_empty())?;
    let behind = blanks(first).checked_sub(own.len() - own.trim_start_matches(' ').len())?;
    let same = |line: &str| lines.next().is_some_and(|there| there.iter().skip(behind).copied().eq(line.chars()));
    text.lines().all(same).then(|| Stands::Below(small(behind)))
}

/// Puts a finished node into its list or mapping; in a mapping every other one is a key.
fn put(parent: &mut Open, node: Node, in_list: bool, problems: &mut Problems) {
    let entries = match &mut parent.node.shape {
        Shape::List(items) => return items.push(node),
        Shape::Map(entries) => entries,
        Shape::Null | Shape::Bool(_) | Shape::Number(_) | Shape::Text => return,
    };
    if let Some((key, place)) = parent.key.take() {
        return entries.push(Entry { key, place, node });
    }
    if matches!(node.shape, Shape::List(_) | Shape::Map(_)) {
        problems.error(Code::BadKey, node.place, "a key is text, not a list or a mapping").help("put it in quotes");
    } else if node.written == "<<" {
        problems.error(Code::NotPlain, node.place, "merge keys (<<) are not used here").help("write the fields out");
    } else if let Some(first) = parent.seen.insert(node.written.clone(), node.place) {
        let message = format!("{} stands here a second time, first on line {}", node.written, first.line);
        let entry = if in_list { ", or begin another entry of the list with -" } else { "" };
        problems.error(Code::DuplicateKey, node.place, message).help(format!("remove one of them{entry}"));
    }
    parent.key = Some((node.written, node.place));
}

/// Asks the parser of record what the scalars mean.
fn resolve(text: &str, node: &mut Node, problems: &mut Problems) {
    match serde_yaml::from_str::<Yaml>(text) {
        Ok(yaml) => merge(node, yaml, problems),
        Err(error) => {
            let place = error.location().map_or(Place::START, |location| Place {
                line: small(location.line()),
                column: small(location.column()),
                file: 0,
            });
            syntax::explain(text, &error.to_string(), place, problems);
        }
    }
}

fn merge(node: &mut Node, yaml: Yaml, problems: &mut Problems) {
    match (&mut node.shape, yaml) {
        (Shape::List(items), Yaml::Sequence(values)) if items.len() == values.len() => {
            items.iter_mut().zip(values).for_each(|(item, value)| merge(item, value, problems));
        }
        (Shape::Map(entries), Yaml::Mapping(values)) if entries.len() == values.len() => {
            for (entry, (key, value)) in entries.iter_mut().zip(values) {
                match key {
                    Yaml::String(_) => merge(&mut entry.node, value, problems),
                    _ => {
                        let message = format!("the key {} is read as something else than text", entry.key);
                        problems.error(Code::BadKey, entry.place, message).help("put it in quotes");
                    }
                }
            }
        }
        (Shape::Null | Shape::Text, Yaml::String(text)) => {
            node.shape = Shape::Text;
            node.written = text;
        }
        (Shape::Null, Yaml::Null) => {}
        (Shape::Null, Yaml::Bool(b)) => node.shape = Shape::Bool(b),
        (Shape::Null, Yaml::Number(number)) => match json_number(&number) {
            Some(number) => node.shape = Shape::Number(number),
            None => {
                let message = format!("{} is no number that can be used", node.written);
                problems.error(Code::BadValue, node.place, message).help("put it in quotes if it is text");
            }
        },
        _ => {
            let message = "this can be read in two ways; two YAML parsers disagree about it";
            problems.error(Code::Syntax, node.place, message).help("write it more plainly, or in quotes");
        }
    }
}

/// `None` for `.inf` and `.nan`.
fn json_number(number: &serde_yaml::Number) -> Option<Number> {
    let whole = number.as_u64().map(Number::from).or_else(|| number.as_i64().map(Number::from));
    whole.or_else(|| number.as_f64().and_then(Number::from_f64))
}

#[cfg(test)]
mod tests;

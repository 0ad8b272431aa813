//! Reading values out of a tree: each function gives the value, or notes a problem and gives `None`.
//!
//! *Invariant:* every key of a mapping is either taken or told: `Fields::finish` leaves none unseen.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::expr::Expr;
use super::file::{Entry, Node, Shape};
use super::hints;
use super::problem::{Code, Place, Problems};
use super::suggest::closest;
use super::units;

/// The longest name of a workflow or step.
pub const NAME_CHARS_MAX: usize = 200;
/// The longest text elsewhere, such as a command line.
pub const TEXT_BYTES_MAX: usize = 32 * 1024;

/// The fields of a mapping, taken one by one.
pub(crate) struct Fields<'a> {
    /// What the mapping is, for messages: `a step`.
    what: &'static str,
    pub(crate) place: Place,
    left: Vec<&'a Entry>,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The fields of a mapping; nothing counts as an empty one.
    pub(crate) fn of(node: &'a Node, what: &'static str, problems: &mut Problems) -> Option<Self> {
        let left = match &node.shape {
            Shape::Map(entries) => entries.iter().collect(),
            Shape::Null => Vec::new(),
            Shape::Bool(_) | Shape::Number(_) | Shape::Text | Shape::List(_) => {
                wrong_kind(node, what, "a mapping", problems);
                return None;
            }
        };
        Some(Self { what, place: node.place, left, known: Vec::new() })
    }

    /// The value of a field, once.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<&'a Node> {
        self.known.push(name);
        let at = self.left.iter().position(|entry| entry.key == name)?;
        Some(&self.left.remove(at).node)
    }

    /// The value of a field that has a second name; both at once is a problem.
    pub(crate) fn take_either(
        &mut self,
        name: &'static str,
        alias: &'static str,
        problems: &mut Problems,
    ) -> Option<&'a Node> {
        let (first, second) = (self.take(name), self.take(alias));
        self.known.pop();
        if let (Some(_), Some(second)) = (first, second) {
            problems.error(Code::Conflict, second.place, format!("{alias} is another name of {name}: use one of them"));
        }
        first.or(second)
    }

    /// What nobody has taken, where its names are the file's own.
    pub(crate) fn rest(self) -> Vec<&'a Entry> {
        self.left
    }

    /// Tells of fields that the language will have, and then of those that nobody took.
    pub(crate) fn finish(self, planned: &[&str], problems: &mut Problems) {
        for entry in &self.left {
            if planned.contains(&entry.key.as_str()) {
                let message = format!("{} is not there yet", entry.key);
                problems.error(Code::NotYet, entry.place, message).help("remove it for now");
                continue;
            }
            let message = format!("{} has no field {}", self.what, entry.key);
            let all = || Some(format!("it has {}", self.known.join(", ")));
            let problem = problems.error(Code::UnknownField, entry.place, message);
            match hints::field(self.what, &entry.key) {
                Some(help) => problem.help(help),
                None => problem.did_you_mean(&entry.key, self.known.iter().copied(), all),
            };
        }
    }

    /// Whether a field that nobody took is a slip for this one, so that it need not be missed as well.
    pub(crate) fn slip_of(&self, name: &str) -> bool {
        let hint =
            |key: &str| hints::field(self.what, key).is_some_and(|help| help.starts_with(&format!("write {name}:")));
        self.left.iter().any(|entry| closest(&entry.key, [name]).is_some() || hint(&entry.key))
    }
}

/// Says that something is of another kind, and how it is written.
pub(crate) fn wrong_kind(node: &Node, what: &str, wanted: &str, problems: &mut Problems) {
    let (message, help) = match node.shape {
        Shape::Null => (format!("{what} has no value"), Some("write one behind the colon, or remove the field")),
        Shape::Bool(_) | Shape::Number(_) | Shape::Text | Shape::List(_) | Shape::Map(_) => {
            (format!("{what} is {wanted}, not {}", node.kind()), None)
        }
    };
    let problem = problems.error(Code::WrongKind, node.place, message);
    if let Some(help) = hints::shape(what).or(help) {
        problem.help(help);
    }
}

/// Text. Numbers and booleans are taken as they are written, so that `version: 1.10` needs no quotes.
pub(crate) fn text(node: &Node, what: &str, problems: &mut Problems) -> Option<String> {
    match &node.shape {
        Shape::Text | Shape::Bool(_) | Shape::Number(_) if node.written.len() <= TEXT_BYTES_MAX => {
            Some(node.written.clone())
        }
        Shape::Text | Shape::Bool(_) | Shape::Number(_) => {
            problems.error(Code::TooLarge, node.place, format!("{what} has at most {TEXT_BYTES_MAX} bytes"));
            None
        }
        Shape::Null | Shape::List(_) | Shape::Map(_) => {
            wrong_kind(node, what, "text", problems);
            None
        }
    }
}

/// A name for people: one line, not empty, at most [`NAME_CHARS_MAX`] characters, and no expressions.
pub(crate) fn name(node: &Node, what: &str, problems: &mut Problems) -> Option<String> {
    let text = title(node, what, problems)?;
    if text.contains("${{") {
        problems.error(Code::BadExpression, node.place, format!("{what} holds no expressions"));
        return None;
    }
    Some(text)
}

/// As [`name`], where expressions may stand.
pub(crate) fn title(node: &Node, what: &str, problems: &mut Problems) -> Option<String> {
    let text = text(node, what, problems)?;
    let text = text.trim();
    let message = match text.chars().count() {
        0 => format!("{what} is empty"),
        n if n > NAME_CHARS_MAX => format!("{what} has at most {NAME_CHARS_MAX} characters, this one has {n}"),
        _ if text.contains(['\n', '\r']) => format!("{what} is one line"),
        _ => return Some(text.to_owned()),
    };
    problems.error(Code::BadValue, node.place, message);
    None
}

/// `true` or `false`.
pub(crate) fn flag(node: &Node, what: &str, problems: &mut Problems) -> Option<bool> {
    if let Shape::Bool(b) = node.shape {
        return Some(b);
    }
    wrong_kind(node, what, "true or false", problems);
    let word = node.written.to_ascii_lowercase();
    let meant = [("true", ["yes", "on", "true"]), ("false", ["no", "off", "false"])];
    if let Some((meant, _)) = meant.iter().find(|(_, words)| words.contains(&word.as_str())) {
        problems.help(format!("write {meant}, without quotes"));
    }
    None
}

/// A whole number within a range.
pub(crate) fn whole(node: &Node, what: &str, range: RangeInclusive<i64>, problems: &mut Problems) -> Option<i64> {
    let Shape::Number(number) = &node.shape else {
        wrong_kind(node, what, "a whole number", problems);
        return None;
    };
    let found = number.as_i64().filter(|number| range.contains(number));
    if found.is_none() {
        let message = format!("{what} is a whole number from {} to {}", range.start(), range.end());
        problems.error(Code::BadValue, node.place, message);
    }
    found
}

/// As [`whole`], for what cannot be negative.
pub(crate) fn count(node: &Node, what: &str, range: RangeInclusive<u32>, problems: &mut Problems) -> Option<u32> {
    let range = i64::from(*range.start())..=i64::from(*range.end());
    whole(node, what, range, problems).and_then(|number| u32::try_from(number).ok())
}

/// A duration such as `10m`.
pub(crate) fn duration(node: &Node, what: &str, problems: &mut Problems) -> Option<Duration> {
    with(node, what, units::duration, problems)
}

/// Text through a function that says what is wrong with it.
pub(crate) fn with<T>(
    node: &Node,
    what: &str,
    read: impl Fn(&str) -> Result<T, String>,
    problems: &mut Problems,
) -> Option<T> {
    let text = text(node, what, problems)?;
    read(&text).map_err(|why| _ = problems.error(Code::BadValue, node.place, format!("{what}: {why}"))).ok()
}

/// One word of a table.
pub(crate) fn choice<T: Copy>(node: &Node, what: &str, table: &[(&str, T)], problems: &mut Problems) -> Option<T> {
    let text = text(node, what, problems)?;
    let found = table.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    if found.is_none() {
        let words: Vec<&str> = table.iter().map(|(word, _)| *word).collect();
        let message = format!("{what} is one of {}, not {text}", words.join(", "));
        problems.error(Code::BadValue, node.place, message).did_you_mean(&text, words, || None);
    }
    found
}

/// A list of texts with their places; a single text is a list of one.
pub(crate) fn texts(node: &Node, what: &str, max: usize, problems: &mut Problems) -> Vec<(String, Place)> {
    let items = match &node.shape {
        Shape::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    if items.len() > max {
        problems.error(Code::TooLarge, node.place, format!("{what} has at most {max} entries, not {}", items.len()));
    }
    items.iter().take(max).filter_map(|item| text(item, what, problems).map(|text| (text, item.place))).collect()
}

/// An identifier or another text with a grammar of its own.
pub(crate) fn parsed<T: std::str::FromStr<Err = crate::ids::BadId>>(
    text: &str,
    place: Place,
    problems: &mut Problems,
) -> Option<T> {
    text.parse().map_err(|error: crate::ids::BadId| _ = problems.error(Code::BadId, place, error.to_string())).ok()
}

/// An expression, with or without `${{ }}`, and where in the text it begins.
pub(crate) fn expr(node: &Node, what: &str, problems: &mut Problems) -> Option<(Expr, usize)> {
    let text = text(node, what, problems)?;
    Expr::parse_at(&text).map_err(|error| bad_expression(&error, node, problems)).ok()
}

/// Says what is wrong with an expression, and where: in the file, or else in the text.
pub(crate) fn bad_expression(error: &super::expr::Error, node: &Node, problems: &mut Problems) {
    if let Some(place) = node.place_of(error.offset) {
        problems.error(Code::BadExpression, place, error.message.clone());
        return;
    }
    let before = node.written.get(..error.offset).map_or(0, |before| before.chars().count());
    let message = format!("{}, at character {} of {}", error.message, before + 1, node.written);
    problems.error(Code::BadExpression, node.place, message);
}

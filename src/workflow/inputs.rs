//! `inputs:` — the values that a person, or a file that uses another, gives; declared, typed and checked.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use super::file::{Node, Shape};
use super::problem::{Code, Place, Problems};
use super::read::{self, Fields};
use super::suggest::closest;

/// Inputs of one workflow.
pub const INPUTS_MAX: usize = 25;
/// Options of one choice.
pub const OPTIONS_MAX: usize = 100;
/// The longest name of an input.
pub const INPUT_NAME_BYTES_MAX: usize = 100;
/// The longest value.
pub const INPUT_BYTES_MAX: usize = 8 * 1024;

/// The inputs that a file declares, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inputs(Vec<Input>);

/// One input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its name, as in `inputs.name`.
    pub name: String,
    /// What values it takes.
    pub kind: InputKind,
    /// Whether it must be given where it has no default.
    pub required: bool,
    /// Its value when none is given.
    pub default: Option<Value>,
    /// What it is for, for people.
    pub description: Option<String>,
}

/// What values an input takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputKind {
    /// Text.
    Text,
    /// A number.
    Number,
    /// `true` or `false`.
    Flag,
    /// One of these.
    Choice(Vec<String>),
    /// The name of a GitHub environment.
    Environment,
}

#[derive(Clone, Copy)]
enum Word {
    Text,
    Number,
    Flag,
    Choice,
    Environment,
}

const TYPES: [(&str, Word); 5] = [
    ("string", Word::Text),
    ("number", Word::Number),
    ("boolean", Word::Flag),
    ("choice", Word::Choice),
    ("environment", Word::Environment),
];

impl Inputs {
    /// All of them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Input> {
        self.0.iter()
    }

    /// The one with this name; case does not count, as in expressions.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Input> {
        self.0.iter().find(|input| input.name.eq_ignore_ascii_case(name))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What `inputs` is when `given` was given: each declared input has a value, or `null`.
    ///
    /// # Errors
    /// Everything that is wrong with what was given, each in a sentence.
    pub fn check(&self, given: &BTreeMap<String, Value>) -> Result<BTreeMap<String, Value>, Vec<String>> {
        let mut values = BTreeMap::new();
        let mut wrong: Vec<String> =
            given.keys().filter(|name| self.get(name).is_none()).map(|name| self.unknown(name)).collect();
        for input in &self.0 {
            let said = given.iter().find(|(name, _)| input.name.eq_ignore_ascii_case(name));
            let value = match (said, &input.default) {
                (Some((_, value)), _) => input.accept(value),
                (None, Some(default)) => Ok(default.clone()),
                (None, None) if input.required => Err(format!("{} is missing", input.name)),
                (None, None) => Ok(input.kind.nothing()),
            };
            match value {
                Ok(value) => _ = values.insert(input.name.clone(), value),
                Err(why) => wrong.push(why),
            }
        }
        if wrong.is_empty() { Ok(values) } else { Err(wrong) }
    }

    /// What `inputs` is when nobody gave anything, as for an event: what is missing is empty.
    #[must_use]
    pub fn defaults(&self) -> BTreeMap<String, Value> {
        let value = |input: &Input| input.default.clone().unwrap_or_else(|| input.kind.nothing());
        self.0.iter().map(|input| (input.name.clone(), value(input))).collect()
    }

    /// That there is no input of this name, and which was meant.
    pub(crate) fn unknown(&self, name: &str) -> String {
        let names = || self.0.iter().map(|input| input.name.as_str());
        match closest(name, names()) {
            Some(near) => format!("there is no input {name}; did you mean {near}?"),
            None if self.0.is_empty() => format!("there is no input {name}; none is declared"),
            None => format!("there is no input {name}; there are {}", names().collect::<Vec<_>>().join(", ")),
        }
    }

    /// Reads a mapping from names to their declarations.
    pub(crate) fn read(node: &Node, problems: &mut Problems) -> Self {
        let entries = match &node.shape {
            Shape::Map(entries) => entries.as_slice(),
            Shape::Null => &[],
            Shape::Bool(_) | Shape::Number(_) | Shape::Text | Shape::List(_) => {
                read::wrong_kind(node, "inputs", "a mapping", problems);
                &[]
            }
        };
        if entries.len() > INPUTS_MAX {
            problems.error(Code::TooLarge, node.place, format!("inputs has at most {INPUTS_MAX} entries"));
        }
        let mut inputs = Self::default();
        for entry in entries.iter().take(INPUTS_MAX) {
            if !is_name(&entry.key) {
                let rule =
                    format!("letters, digits, _ and -, beginning with a letter or _, at most {INPUT_NAME_BYTES_MAX}");
                problems.error(Code::BadId, entry.place, format!("{:?} is no name of an input", entry.key)).help(rule);
            } else if inputs.get(&entry.key).is_some() {
                let message = format!("there is already an input {}: case does not count", entry.key);
                problems.error(Code::DuplicateKey, entry.place, message);
            } else {
                inputs.0.extend(Input::read(&entry.key, &entry.node, problems));
            }
        }
        inputs
    }
}

/// Whether this can be the name of an input, an output or an axis of a matrix: what may stand behind a dot.
pub(crate) fn is_name(name: &str) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    starts && plain && name.len() <= INPUT_NAME_BYTES_MAX
}

impl Input {
    /// The value as this input takes it. Text is read as what is wanted: a command line gives nothing else.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn accept(&self, value: &Value) -> Result<Value, String> {
        let name = &self.name;
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err(format!("{name} takes text, a number, or true or false"));
            }
        };
        if text.len() > INPUT_BYTES_MAX {
            return Err(format!("{name} has at most {INPUT_BYTES_MAX} bytes"));
        }
        match &self.kind {
            InputKind::Text => Ok(Value::String(text)),
            InputKind::Number => number(&text).ok_or_else(|| format!("{name} is a number, not {text}")),
            InputKind::Flag => match text.as_str() {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                _ => Err(format!("{name} is true or false, not {text}")),
            },
            InputKind::Choice(options) if options.contains(&text) => Ok(Value::String(text)),
            InputKind::Choice(options) => {
                let message = format!("{name} is one of {}, not {text}", options.join(", "));
                let near = closest(&text, options.iter().map(String::as_str));
                Err(near.map_or(message.clone(), |near| format!("{message}; did you mean {near}?")))
            }
            InputKind::Environment if text.trim().is_empty() => Err(format!("{name} is the name of an environment")),
            InputKind::Environment => Ok(Value::String(text)),
        }
    }

    fn read(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::of(node, "an input", problems)?;
        let kind_node = fields.take("type");
        let word = kind_node.map_or(Some(Word::Text), |node| read::choice(node, "type", &TYPES, problems));
        let options = fields.take("options");
        let required = fields.take("required").and_then(|node| read::flag(node, "required", problems));
        let description = fields.take("description").and_then(|node| read::text(node, "description", problems));
        let default = fields.take("default");
        fields.finish(&[], problems);
        let kind = match word? {
            Word::Text => InputKind::Text,
            Word::Number => InputKind::Number,
            Word::Flag => InputKind::Flag,
            Word::Environment => InputKind::Environment,
            Word::Choice => InputKind::Choice(choices(name, options, node.place, problems)?),
        };
        if let (Some(options), true) = (options, !matches!(kind, InputKind::Choice(_))) {
            problems.error(Code::NoEffect, options.place, "options are for an input of type choice only");
        }
        let mut input =
            Self { name: name.to_owned(), kind, required: required.unwrap_or(false), default: None, description };
        if let Some(node) = default {
            let written = match &node.shape {
                // As it is written, so that `1.10` keeps its zero where text is wanted.
                Shape::Bool(_) | Shape::Number(_) => Value::String(node.written.clone()),
                Shape::Null | Shape::Text | Shape::List(_) | Shape::Map(_) => node.to_value(),
            };
            let accepted = input.accept(&written);
            input.default =
                accepted.map_err(|why| _ = problems.error(Code::BadValue, node.place, format!("default: {why}"))).ok();
        }
        Some(input)
    }
}

impl InputKind {
    /// The value of an input that nobody gave.
    fn nothing(&self) -> Value {
        match self {
            Self::Flag => Value::Bool(false),
            Self::Text | Self::Number | Self::Choice(_) | Self::Environment => Value::Null,
        }
    }
}

fn choices(name: &str, options: Option<&Node>, place: Place, problems: &mut Problems) -> Option<Vec<String>> {
    let texts = options.map(|node| read::texts(node, "options", OPTIONS_MAX, problems)).unwrap_or_default();
    if texts.is_empty() {
        let message = format!("the choice {name} has no options");
        problems.error(Code::MissingField, place, message).help("write options: [staging, production]");
        return None;
    }
    Some(texts.into_iter().map(|(text, _)| text).collect())
}

fn number(text: &str) -> Option<Value> {
    let text = text.trim();
    let whole = text.parse::<i64>().ok().map(Number::from);
    // What Rust reads beyond figures, such as inf, is no number here.
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'));
    let real = || text.parse::<f64>().ok().filter(|_| plain).and_then(Number::from_f64);
    whole.or_else(real).map(Value::Number)
}

#[cfg(test)]
mod tests;

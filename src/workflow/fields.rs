//! The one table of the language: the JSON Schemas that editors read and `docs/workflows.md` are made from it.
//!
//! A field is one line of `fields/table.rs`. That the table says neither more nor less than the parser takes is held by a test,
//! which asks the parser at every place.

mod page;
// A field is a line, however long.
#[rustfmt::skip]
mod table;

pub use page::page;
pub use table::{LIBRARY, POLICY, WORKFLOW};

use super::defaults::KINDS;

/// One field of a mapping.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub shape: Shape,
    /// What it does, in a sentence or two.
    pub meaning: &'static str,
    /// Its value where a file does not say; empty where that is nothing, or where the meaning tells it.
    pub default: &'static str,
    /// A value as people write it; empty where the shape shows it.
    pub example: &'static str,
    /// Other names, most often as GitHub Actions spells it.
    pub aliases: &'static [&'static str],
    /// Names of the original design, which work and should not be written any more.
    pub old: &'static [&'static str],
}

/// A mapping whose fields are known.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// Its name among the definitions of a schema, unique.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub meaning: &'static str,
    /// Its fields; those that two mappings share are a part in both.
    pub parts: &'static [&'static [Field]],
    /// The fields of which it has at least one.
    pub one_of: &'static [&'static str],
    /// What stands behind names of the file's own, where there may be such.
    pub rest: Option<&'static Shape>,
}

/// What a field takes.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Text; numbers and booleans are taken as they are written.
    Text,
    /// Text, and nothing that looks like something else.
    Plain,
    /// Text of one line.
    Line,
    /// An expression, with or without `${{ }}`.
    Expression,
    /// The id of a step.
    Id,
    /// The name of an agent.
    Agent,
    /// `true` or `false`.
    Flag,
    /// A whole number from the first to the second.
    Whole(i64, i64),
    /// A quantity.
    Measure(Measure),
    /// One of these words.
    Word(&'static [&'static str]),
    /// A type of steps: others than those known are allowed.
    Kind,
    /// Any value.
    Any,
    /// A mapping with these fields.
    Map(&'static Group),
    /// A mapping with names of the file's own.
    Each(&'static Shape),
    /// A mapping with these names, each of the same shape.
    Named(&'static [&'static str], &'static Shape),
    /// A list with at most so many entries.
    List(&'static Shape, usize),
    /// The same, where one entry alone needs no list.
    OneOrList(&'static Shape, usize),
    /// Any of these.
    Either(&'static [Shape]),
    /// The first mapping where it has this field, else the second.
    Having(&'static str, &'static Group, &'static Group),
}

/// A quantity with its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// `90s`, `1h30m`.
    Duration,
    /// `512MB`.
    Size,
    /// `2 cores`.
    Cores,
    /// `0.50`.
    Dollars,
    /// `1.5`.
    Factor,
}

const fn field(name: &'static str, shape: Shape, meaning: &'static str) -> Field {
    Field { name, shape, meaning, default: "", example: "", aliases: &[], old: &[] }
}

const fn group(name: &'static str, meaning: &'static str, parts: &'static [&'static [Field]]) -> Group {
    Group { name, meaning, parts, one_of: &[], rest: None }
}

impl Field {
    const fn default(self, default: &'static str) -> Self {
        Self { default, ..self }
    }

    const fn example(self, example: &'static str) -> Self {
        Self { example, ..self }
    }

    const fn also(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    const fn once(self, old: &'static [&'static str]) -> Self {
        Self { old, ..self }
    }
}

impl Group {
    const fn one_of(self, one_of: &'static [&'static str]) -> Self {
        Self { one_of, ..self }
    }

    const fn rest(self, rest: &'static Shape) -> Self {
        Self { rest: Some(rest), ..self }
    }

    /// Its fields, in the order of the table.
    pub fn fields(&self) -> impl Iterator<Item = &'static Field> + use<> {
        self.parts.iter().copied().flatten()
    }
}

impl Measure {
    /// What people call it.
    fn word(self) -> &'static str {
        match self {
            Self::Duration => "duration",
            Self::Size => "size",
            Self::Cores => "cores",
            Self::Dollars => "dollars",
            Self::Factor => "number",
        }
    }

    /// Values as people write them.
    #[must_use]
    pub fn examples(self) -> &'static [&'static str] {
        match self {
            Self::Duration => &["90s", "10m", "1h30m"],
            Self::Size => &["512MB", "2GB"],
            Self::Cores => &["2 cores", "0.5", "500m"],
            Self::Dollars => &["5", "0.50"],
            Self::Factor => &["1.5", "2"],
        }
    }
}

impl Shape {
    /// The mappings in it, each with how one gets there: `[]` into a list, `.*` behind a name of the file's own.
    pub fn groups(&self) -> Vec<(String, &'static Group)> {
        let below = |step: &str, shape: &Self| {
            shape.groups().into_iter().map(|(path, group)| (format!("{step}{path}"), group)).collect()
        };
        match self {
            Self::Map(group) => vec![(String::new(), *group)],
            Self::Having(_, first, second) => vec![(String::new(), *second), (String::new(), *first)],
            Self::Each(shape) | Self::Named(_, shape) => below(".*", shape),
            Self::List(shape, _) | Self::OneOrList(shape, _) => below("[]", shape),
            Self::Either(shapes) => shapes.iter().flat_map(Self::groups).collect(),
            Self::Text
            | Self::Plain
            | Self::Line
            | Self::Expression
            | Self::Id
            | Self::Agent
            | Self::Flag
            | Self::Whole(..)
            | Self::Measure(_)
            | Self::Word(_)
            | Self::Kind
            | Self::Any => Vec::new(),
        }
    }
}

/// Every mapping below one, itself first, with its path: `steps[].retry`.
#[must_use]
pub fn mappings(root: &'static Group) -> Vec<(String, &'static Group)> {
    let mut all = vec![(String::new(), root)];
    for field in root.fields() {
        for (behind, inner) in field.shape.groups() {
            let path = format!("{}{behind}", field.name);
            let below = mappings(inner).into_iter().map(|(rest, group)| match rest.as_str() {
                "" => (path.clone(), group),
                rest => (format!("{path}.{rest}"), group),
            });
            all.extend(below);
        }
    }
    all
}

/// The types of steps that bring something with them, and the one that does not.
pub(super) fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|facts| facts.name).chain(["other"])
}

#[cfg(test)]
mod tests;

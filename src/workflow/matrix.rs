//! `matrix:` — a fan-out whose list is known when the file is read, with the semantics of GitHub Actions.
//!
//! The axes are multiplied, the first varying slowest. `exclude` takes away what agrees with all that it says. Then
//! each `include` is added to every combination of the axes in which it overwrites none of their values, or, where it
//! fits none, stands as a combination of its own.

use std::collections::BTreeMap;

use serde_json::Value;

use super::file::{Entry, Node, Shape};
use super::inputs::is_name;
use super::plan::Combination;
use super::problem::{Code, Place, Problems};
use super::read::{self, Fields};

/// Combinations of one matrix.
pub const COMBINATIONS_MAX: usize = 256;
/// Axes of one matrix, and names of one combination.
pub const AXES_MAX: usize = 16;
/// The longest value of a matrix as text.
pub const VALUE_BYTES_MAX: usize = 1_024;
/// The longest title of a combination.
const TITLE_CHARS_MAX: usize = 100;

/// A matrix, and the limits that stand beside it.
pub(crate) struct Matrix {
    pub(crate) combinations: Vec<Combination>,
    pub(crate) max_parallel: Option<u32>,
    pub(crate) fail_fast: Option<bool>,
    pub(crate) place: Place,
}

/// A combination in the making, in the order in which a file names its parts.
#[derive(Debug, Clone, Default)]
struct Draft(Vec<(String, Value)>);

impl Draft {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    fn set(&mut self, name: &str, value: &Value) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value.clone(),
            None => self.0.push((name.to_owned(), value.clone())),
        }
    }
}

impl Matrix {
    /// Reads a matrix.
    pub(crate) fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::of(node, "matrix", problems)?;
        let include = fields.take("include").map(|node| rows(node, "include", problems)).unwrap_or_default();
        let exclude = fields.take("exclude").map(|node| rows(node, "exclude", problems)).unwrap_or_default();
        let max_parallel = fields.take_either("max_parallel", "max-parallel", problems);
        let max_parallel = max_parallel
            .and_then(|node| read::count(node, "max_parallel", 1..=super::steps::MAX_PARALLEL_MAX, problems));
        let fail_fast = fields.take_either("fail_fast", "fail-fast", problems);
        let fail_fast = fail_fast.and_then(|node| read::flag(node, "fail_fast", problems));
        let axes = axes(fields.rest(), node.place, problems);
        for (name, place) in exclude.iter().flat_map(|(row, place)| row.0.iter().map(move |(name, _)| (name, place))) {
            if axes.iter().all(|(axis, _)| axis != name) {
                let problem = problems.error(Code::BadValue, *place, format!("exclude names {name}, which is no axis"));
                problem.did_you_mean(name, axes.iter().map(|(axis, _)| axis.as_str()), || None);
            }
        }
        let size = axes.iter().fold(1_usize, |size, (_, values)| size.saturating_mul(values.len()));
        if size > COMBINATIONS_MAX || include.len() > COMBINATIONS_MAX {
            too_many(size.max(include.len()), node.place, problems);
            return None;
        }
        let mut combinations = product(&axes);
        combinations
            .retain(|one| !exclude.iter().any(|(row, _)| row.0.iter().all(|(name, v)| one.get(name) == Some(v))));
        join(&mut combinations, include, &axes);
        if combinations.len() > COMBINATIONS_MAX {
            too_many(combinations.len(), node.place, problems);
        } else if combinations.is_empty() && !problems.has_errors() {
            let message = "the matrix has no combination, so the step would never run";
            problems.error(Code::BadValue, node.place, message).help("write os: [ubuntu, macos], or take exclude away");
        }
        let combinations = combinations.into_iter().map(Draft::finish).collect();
        Some(Self { combinations, max_parallel, fail_fast, place: node.place })
    }
}

fn too_many(count: usize, place: Place, problems: &mut Problems) {
    let message = format!("a matrix has at most {COMBINATIONS_MAX} combinations, this one has {count}");
    problems.error(Code::TooLarge, place, message).help("take an axis away, or exclude some");
}

/// The axes in the file's order.
fn axes(entries: Vec<&Entry>, place: Place, problems: &mut Problems) -> Vec<(String, Vec<Value>)> {
    if entries.len() > AXES_MAX {
        problems.error(Code::TooLarge, place, format!("a matrix has at most {AXES_MAX} axes"));
    }
    let mut axes = Vec::new();
    for entry in entries.into_iter().take(AXES_MAX) {
        if !name(&entry.key, entry.place, problems) {
            continue;
        }
        match &entry.node.shape {
            Shape::List(items) if !items.is_empty() => {
                let mut values: Vec<Value> = Vec::with_capacity(items.len());
                for item in items {
                    values.extend(value(item, problems));
                }
                axes.push((entry.key.clone(), values));
            }
            Shape::List(_) => {
                problems.error(Code::BadValue, entry.node.place, format!("the axis {} has no values", entry.key));
            }
            Shape::Text if entry.node.written.contains("${{") => dynamic(entry.node.place, problems),
            Shape::Null | Shape::Bool(_) | Shape::Number(_) | Shape::Text | Shape::Map(_) => {
                let message = format!("the axis {} is a list, not {}", entry.key, entry.node.kind());
                problems.error(Code::WrongKind, entry.node.place, message);
            }
        }
    }
    axes
}

fn name(name: &str, place: Place, problems: &mut Problems) -> bool {
    let known = is_name(name);
    if !known {
        let message = format!("{name:?} is no name in a matrix");
        problems.error(Code::BadId, place, message).help("letters, digits, _ and -, beginning with a letter or _");
    }
    known
}

/// A value; what is written as a number or a flag stays one.
fn value(node: &Node, problems: &mut Problems) -> Option<Value> {
    let value = node.to_value();
    let text = value.to_string();
    if text.contains("${{") {
        dynamic(node.place, problems);
        return None;
    }
    if text.len() > VALUE_BYTES_MAX {
        problems.error(Code::TooLarge, node.place, format!("a value of a matrix has at most {VALUE_BYTES_MAX} bytes"));
        return None;
    }
    Some(value)
}

fn dynamic(place: Place, problems: &mut Problems) {
    let message = "a matrix is known when the file is read, so it holds no expressions";
    problems.error(Code::BadExpression, place, message).help("write for_each: with an expression that gives a list");
}

/// The mappings of `include` or `exclude`.
fn rows(node: &Node, what: &'static str, problems: &mut Problems) -> Vec<(Draft, Place)> {
    let Shape::List(items) = &node.shape else {
        if node.shape == Shape::Text && node.written.contains("${{") {
            dynamic(node.place, problems);
        } else {
            problems.error(Code::WrongKind, node.place, format!("{what} is a list of mappings, not {}", node.kind()));
        }
        return Vec::new();
    };
    let mut rows = Vec::new();
    for item in items {
        let Some(fields) = Fields::of(item, what, problems) else { continue };
        let entries = fields.rest();
        if entries.is_empty() || entries.len() > AXES_MAX {
            problems.error(Code::BadValue, item.place, format!("an entry of {what} has 1 to {AXES_MAX} names"));
            continue;
        }
        let mut row = Draft::default();
        for entry in entries {
            if name(&entry.key, entry.place, problems) {
                row.0.extend(value(&entry.node, problems).map(|value| (entry.key.clone(), value)));
            }
        }
        rows.push((row, item.place));
    }
    rows
}

/// Every combination of the axes, the first varying slowest; none at all without axes.
fn product(axes: &[(String, Vec<Value>)]) -> Vec<Draft> {
    let mut all = if axes.is_empty() { Vec::new() } else { vec![Draft::default()] };
    for (name, values) in axes {
        let with = |one: &Draft, value: &Value| {
            let mut one = one.clone();
            one.set(name, value);
            one
        };
        all = all.iter().flat_map(|one| values.iter().map(|value| with(one, value)).collect::<Vec<_>>()).collect();
    }
    all
}

/// Adds each `include` to the combinations of the axes that it fits, or as one of its own.
fn join(combinations: &mut Vec<Draft>, include: Vec<(Draft, Place)>, axes: &[(String, Vec<Value>)]) {
    let own = combinations.len();
    for (row, _) in include {
        let is_axis = |name: &str| axes.iter().any(|(axis, _)| axis == name);
        let fits = |one: &Draft| row.0.iter().all(|(name, value)| !is_axis(name) || one.get(name) == Some(value));
        let mut found = false;
        for one in combinations.iter_mut().take(own).filter(|one| fits(one)) {
            row.0.iter().for_each(|(name, value)| one.set(name, value));
            found = true;
        }
        if !found {
            combinations.push(row);
        }
    }
}

impl Draft {
    fn finish(self) -> Combination {
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
        };
        let title: Vec<String> = self.0.iter().map(|(_, value)| text(value)).collect();
        let mut title = title.join(", ").replace(['\n', '\r'], " ");
        if let Some((at, _)) = title.char_indices().nth(TITLE_CHARS_MAX) {
            title.truncate(at);
            title.push('…');
        }
        Combination { title, values: self.0.into_iter().collect::<BTreeMap<_, _>>() }
    }
}

#[cfg(test)]
mod tests;

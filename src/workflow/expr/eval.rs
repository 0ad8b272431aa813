//! The value of a tree, seen from a scope.
//!
//! *Invariant:* evaluation ends: there are no loops in the language, each root is asked for once, and what functions
//! write is counted against [`OUTPUT_BYTES_MAX`].

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::Value;

use super::parse::{Comparison, Function, Hop, Node};
use super::{Error, Scope, Status, call};

/// What all functions of one evaluation may write together.
pub(super) const OUTPUT_BYTES_MAX: usize = 1 << 20;

/// What a part of an expression gives.
enum Found<'a> {
    One(Cow<'a, Value>),
    /// What a `*` found: further accesses go to each.
    Many(Vec<Cow<'a, Value>>),
}

struct Evaluator<'a> {
    roots: &'a BTreeMap<String, Value>,
    status: Status,
    left: usize,
}

/// The value of `node`.
pub(super) fn eval(node: &Node, scope: &dyn Scope) -> Result<Value, Error> {
    let mut roots = BTreeMap::new();
    fetch(node, scope, &mut roots)?;
    let mut evaluator = Evaluator { roots: &roots, status: scope.status(), left: OUTPUT_BYTES_MAX };
    evaluator.value(node).map(Cow::into_owned)
}

/// Asks for every root once, also for those that `&&` and `||` will pass by: whether a name exists must not depend on
/// the values.
fn fetch(node: &Node, scope: &dyn Scope, roots: &mut BTreeMap<String, Value>) -> Result<(), Error> {
    let mut missing = None;
    walk(node, &mut |node| {
        let Node::Name { name, offset } = node else { return };
        if missing.is_some() || roots.contains_key(name) {
            return;
        }
        match scope.value(name) {
            Some(value) => _ = roots.insert(name.clone(), value),
            None => missing = Some(Error { message: format!("there is no {name} here"), offset: *offset }),
        }
    });
    missing.map_or(Ok(()), Err)
}

/// Visits every part.
pub(super) fn walk<'n>(node: &'n Node, visit: &mut dyn FnMut(&'n Node)) {
    visit(node);
    match node {
        Node::Literal(_) | Node::Name { .. } => {}
        Node::Not(inner) => walk(inner, visit),
        Node::And(parts) | Node::Or(parts) | Node::Call { arguments: parts, .. } => {
            parts.iter().for_each(|part| walk(part, visit));
        }
        Node::Compare { first, rest } => {
            walk(first, visit);
            rest.iter().for_each(|(_, part)| walk(part, visit));
        }
        Node::Access { base, path } => {
            walk(base, visit);
            for hop in path {
                if let Hop::Index(index) = hop {
                    walk(index, visit);
                }
            }
        }
    }
}

impl<'a> Evaluator<'a> {
    fn value(&mut self, node: &'a Node) -> Result<Cow<'a, Value>, Error> {
        Ok(match node {
            Node::Literal(value) => Cow::Borrowed(value),
            Node::Name { name, offset } => match self.roots.get(name) {
                Some(value) => Cow::Borrowed(value),
                None => return Err(Error { message: format!("there is no {name} here"), offset: *offset }),
            },
            Node::Access { base, path } => match self.access(base, path)? {
                Found::One(value) => value,
                Found::Many(values) => Cow::Owned(Value::Array(values.into_iter().map(Cow::into_owned).collect())),
            },
            Node::Call { function: Function::Case, arguments, .. } => self.case(arguments)?,
            Node::Call { function, arguments, offset } => {
                let result = self.call(*function, arguments)?;
                Cow::Owned(result.map_err(|message| Error { message, offset: *offset })?)
            }
            Node::Not(inner) => Cow::Owned(Value::Bool(!call::truthy(&*self.value(inner)?))),
            Node::Compare { first, rest } => {
                let mut left = self.value(first)?;
                for (comparison, right) in rest {
                    let right = self.value(right)?;
                    left = Cow::Owned(Value::Bool(compare(*comparison, &left, &right)));
                }
                left
            }
            Node::And(parts) => self.first(parts, false)?,
            Node::Or(parts) => self.first(parts, true)?,
        })
    }

    /// The first operand that decides, or the last: `||` gives the first true one, `&&` the first that is not.
    fn first(&mut self, parts: &'a [Node], wanted: bool) -> Result<Cow<'a, Value>, Error> {
        let mut last = Cow::Owned(Value::Null);
        for part in parts {
            last = self.value(part)?;
            if call::truthy(&last) == wanted {
                break;
            }
        }
        Ok(last)
    }

    /// The value behind the first condition that holds, or the last argument.
    fn case(&mut self, arguments: &'a [Node]) -> Result<Cow<'a, Value>, Error> {
        for pair in arguments.chunks(2) {
            match pair {
                [condition, value] if call::truthy(&*self.value(condition)?) => return self.value(value),
                [otherwise] => return self.value(otherwise),
                _ => {}
            }
        }
        Ok(Cow::Owned(Value::Null))
    }

    fn access(&mut self, base: &'a Node, path: &'a [Hop]) -> Result<Found<'a>, Error> {
        let mut found = Found::One(self.value(base)?);
        for hop in path {
            let key = match hop {
                Hop::Star => {
                    found = Found::Many(match found {
                        Found::One(value) => children(value),
                        Found::Many(values) => values.into_iter().flat_map(children).collect(),
                    });
                    continue;
                }
                Hop::Property(name, _) => Cow::Owned(Value::String(name.clone())),
                Hop::Index(index) => self.value(index)?,
            };
            found = match found {
                Found::One(value) => Found::One(child(value, &key).unwrap_or(Cow::Owned(Value::Null))),
                Found::Many(values) => Found::Many(values.into_iter().filter_map(|v| child(v, &key)).collect()),
            };
        }
        Ok(found)
    }

    /// The outer error is that of an argument, which has its own place; the inner one is this call's.
    fn call(&mut self, function: Function, arguments: &'a [Node]) -> Result<Result<Value, String>, Error> {
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            values.push(self.value(argument)?);
        }
        let bool = |b| Ok(Ok(Value::Bool(b)));
        match (function, values.as_slice()) {
            (Function::Always, _) => bool(true),
            (Function::Success, _) => bool(self.status == Status::Success),
            (Function::Failure, _) => bool(self.status == Status::Failure),
            (Function::Cancelled, _) => bool(self.status == Status::Cancelled),
            (Function::Contains, [list, item]) => bool(match &**list {
                Value::Array(items) => items.iter().any(|each| call::equal(each, item)),
                text => call::find(text, item, |text, part| text.contains(part)),
            }),
            (Function::StartsWith, [text, part]) => bool(call::find(text, part, |text, part| text.starts_with(part))),
            (Function::EndsWith, [text, part]) => bool(call::find(text, part, |text, part| text.ends_with(part))),
            (Function::Format, [pattern, rest @ ..]) => {
                let rest: Vec<String> = rest.iter().map(|value| call::to_text(value)).collect();
                let mut written = String::new();
                let done = call::format(&call::to_text(pattern), &rest, |piece| self.write(&mut written, piece));
                Ok(done.map(|()| Value::String(written)))
            }
            (Function::Join, [list, rest @ ..]) => {
                let between = rest.first().map_or(",".to_owned(), |value| call::to_text(value));
                Ok(self.join(list, &between).map(Value::String))
            }
            (Function::ToJson, [value]) => Ok(self.write_json(value).map(Value::String)),
            (Function::FromJson, [text]) => Ok(self.read_json(&call::to_text(text))),
            // The parser has counted the arguments.
            _ => Ok(Err("wrong number of arguments".to_owned())),
        }
    }

    fn join(&mut self, list: &Value, between: &str) -> Result<String, String> {
        let Value::Array(items) = list else { return Ok(call::to_text(list)) };
        let mut written = String::new();
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.write(&mut written, between)?;
            }
            self.write(&mut written, &call::to_text(item))?;
        }
        Ok(written)
    }

    fn write_json(&mut self, value: &Value) -> Result<String, String> {
        let text = serde_json::to_string_pretty(value).map_err(|error| format!("toJSON: {error}"))?;
        self.spend(text.len()).map(|()| text)
    }

    fn read_json(&mut self, text: &str) -> Result<Value, String> {
        self.spend(text.len())?;
        serde_json::from_str(text).map_err(|error| format!("fromJSON: this is no JSON: {error}"))
    }

    fn write(&mut self, to: &mut String, piece: &str) -> Result<(), String> {
        self.spend(piece.len())?;
        to.push_str(piece);
        Ok(())
    }

    fn spend(&mut self, bytes: usize) -> Result<(), String> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| format!("writes more than {OUTPUT_BYTES_MAX} bytes"))?;
        Ok(())
    }
}

fn compare(comparison: Comparison, a: &Value, b: &Value) -> bool {
    let ordered = |wanted: Ordering| call::order(a, b) == Some(wanted);
    match comparison {
        Comparison::Equal => call::equal(a, b),
        Comparison::NotEqual => !call::equal(a, b),
        Comparison::Less => ordered(Ordering::Less),
        Comparison::Greater => ordered(Ordering::Greater),
        Comparison::LessOrEqual => ordered(Ordering::Less) || call::equal(a, b),
        Comparison::GreaterOrEqual => ordered(Ordering::Greater) || call::equal(a, b),
    }
}

/// What `*` finds: the values of an object, the items of a list.
fn children(value: Cow<'_, Value>) -> Vec<Cow<'_, Value>> {
    match value {
        Cow::Borrowed(Value::Array(items)) => items.iter().map(Cow::Borrowed).collect(),
        Cow::Borrowed(Value::Object(map)) => map.values().map(Cow::Borrowed).collect(),
        Cow::Owned(Value::Array(items)) => items.into_iter().map(Cow::Owned).collect(),
        Cow::Owned(Value::Object(map)) => map.into_iter().map(|(_, value)| Cow::Owned(value)).collect(),
        Cow::Borrowed(_) | Cow::Owned(_) => Vec::new(),
    }
}

/// The value at a key of an object (as written, else without regard to case) or at a place of a list.
fn child<'a>(value: Cow<'a, Value>, key: &Value) -> Option<Cow<'a, Value>> {
    match value {
        Cow::Borrowed(Value::Object(map)) => map.get(&name_in(map, key)?).map(Cow::Borrowed),
        Cow::Borrowed(Value::Array(items)) => items.get(place(key)?).map(Cow::Borrowed),
        Cow::Owned(Value::Object(mut map)) => map.remove(&name_in(&map, key)?).map(Cow::Owned),
        Cow::Owned(Value::Array(items)) => items.into_iter().nth(place(key)?).map(Cow::Owned),
        Cow::Borrowed(_) | Cow::Owned(_) => None,
    }
}

fn name_in(map: &serde_json::Map<String, Value>, key: &Value) -> Option<String> {
    let name = call::to_text(key);
    if map.contains_key(&name) {
        return Some(name);
    }
    map.keys().find(|known| known.eq_ignore_ascii_case(&name)).cloned()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked; too large saturates")]
fn place(key: &Value) -> Option<usize> {
    let number = call::to_number(key);
    (number >= 0.0).then_some(number as usize)
}

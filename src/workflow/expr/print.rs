//! From a tree back to its text.
//!
//! *Invariant:* what is printed is read as the same tree, unless it is too long or too deep to be read at all.

use std::fmt::Write as _;

use serde_json::Value;

use super::parse::{Comparison, FUNCTIONS, Hop, Node};

/// The text of a tree.
pub(super) fn print(node: &Node) -> String {
    let mut text = String::new();
    write(node, &mut text);
    text
}

fn write(node: &Node, text: &mut String) {
    match node {
        Node::Literal(value) => write_literal(value, text),
        Node::Name { name, .. } => text.push_str(name),
        Node::Access { base, path } => write_access(base, path, text),
        Node::Call { function, arguments, .. } => {
            let name = FUNCTIONS.iter().find(|(_, known, ..)| known == function).map_or("", |(name, ..)| name);
            let _ = write!(text, "{name}(");
            write_all(arguments, ", ", |_| false, text);
            text.push(')');
        }
        Node::Not(inner) => {
            text.push('!');
            write_in(inner, binds_looser_than_not(inner), text);
        }
        Node::Compare { first, rest } => {
            write_in(first, binds_looser_than_not(first), text);
            for (comparison, part) in rest {
                let _ = write!(text, " {} ", mark(*comparison));
                write_in(part, binds_looser_than_not(part), text);
            }
        }
        Node::And(parts) => write_all(parts, " && ", |part| matches!(part, Node::And(_) | Node::Or(_)), text),
        Node::Or(parts) => write_all(parts, " || ", |part| matches!(part, Node::Or(_)), text),
    }
}

fn binds_looser_than_not(node: &Node) -> bool {
    matches!(node, Node::And(_) | Node::Or(_) | Node::Compare { .. })
}

fn write_in(node: &Node, brackets: bool, text: &mut String) {
    if !brackets {
        return write(node, text);
    }
    text.push('(');
    write(node, text);
    text.push(')');
}

fn write_all(parts: &[Node], between: &str, brackets: impl Fn(&Node) -> bool, text: &mut String) {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            text.push_str(between);
        }
        write_in(part, brackets(part), text);
    }
}

fn write_access(base: &Node, path: &[Hop], text: &mut String) {
    write_in(base, !matches!(base, Node::Name { .. } | Node::Call { .. } | Node::Access { .. }), text);
    for hop in path {
        match hop {
            Hop::Property(name, _) => {
                let _ = write!(text, ".{name}");
            }
            Hop::Star => text.push_str(".*"),
            Hop::Index(index) => {
                text.push('[');
                write(index, text);
                text.push(']');
            }
        }
    }
}

fn write_literal(value: &Value, text: &mut String) {
    match value {
        Value::String(inner) => {
            let _ = write!(text, "'{}'", inner.replace('\'', "''"));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            let _ = write!(text, "{value}");
        }
        // The grammar has no such literals.
        Value::Array(_) | Value::Object(_) => {
            let _ = write!(text, "fromJSON('{}')", value.to_string().replace('\'', "''"));
        }
    }
}

fn mark(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "==",
        Comparison::NotEqual => "!=",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    }
}

//! From a tree back to its text, with no more brackets than it needs.
//!
//! *Invariant:* what is printed is read as the same tree, unless it is too long or too deep to be read at all.

use serde_json::Value;

use super::parse::{Comparison, FUNCTIONS, Hop, Node};

/// The text of a tree.
pub(super) fn print(node: &Node) -> String {
    within(node, 0)
}

/// The text of a part, in brackets where it binds less than `least`.
fn within(node: &Node, least: u8) -> String {
    let (strength, text) = match node {
        Node::Literal(Value::String(text)) => (10, quoted(text)),
        Node::Literal(value @ (Value::Array(_) | Value::Object(_))) => {
            // The grammar has no such literals.
            (10, format!("fromJSON({})", quoted(&value.to_string())))
        }
        // A dot behind a number would be its own.
        Node::Literal(value) => (8, value.to_string()),
        Node::Name { name, .. } => (10, name.clone()),
        Node::Access { base, path } => (9, path.iter().fold(within(base, 10), |text, hop| text + &hop_text(hop))),
        Node::Call { function, arguments, .. } => {
            let name = FUNCTIONS.iter().find(|(_, known, ..)| known == function).map_or("", |(name, ..)| name);
            (10, format!("{name}({})", joined(arguments, 0, ", ")))
        }
        Node::Not(inner) => (8, format!("!{}", within(inner, 8))),
        Node::Compare { first, rest } => {
            let equality = matches!(rest.first(), Some((Comparison::Equal | Comparison::NotEqual, _)));
            let strength = if equality { 3 } else { 4 };
            let part = |text: String, (comparison, node): &(Comparison, Node)| {
                format!("{text} {} {}", mark(*comparison), within(node, strength + 1))
            };
            (strength, rest.iter().fold(within(first, strength + 1), part))
        }
        Node::And(parts) => (2, joined(parts, 3, " && ")),
        Node::Or(parts) => (1, joined(parts, 2, " || ")),
    };
    if strength < least { format!("({text})") } else { text }
}

fn joined(parts: &[Node], least: u8, between: &str) -> String {
    parts.iter().map(|part| within(part, least)).collect::<Vec<_>>().join(between)
}

fn hop_text(hop: &Hop) -> String {
    match hop {
        Hop::Property(name, _) => format!(".{name}"),
        Hop::Index(index) => format!("[{}]", within(index, 0)),
        Hop::Star => ".*".to_owned(),
    }
}

/// Text as the language writes it.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
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

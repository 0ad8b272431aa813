//! What an expression looks at, and where in its source: what validation holds against what there is.

use serde_json::Value;

use super::eval::walk;
use super::parse::{Comparison, Hop, Node};
use super::{Error, Expr};

/// A name that an expression uses, and how far it reaches into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach<'a> {
    /// The name: `pr` of `pr.title`.
    pub root: &'a str,
    /// Where it stands in the source, in bytes.
    pub at: usize,
    /// The names behind it as far as they stand in the text, each with its place: `a` and `outputs` of
    /// `steps['a'].outputs[0]`.
    pub path: Vec<(&'a str, usize)>,
}

/// `==` or `!=` between something that is reached for and a value that stands in the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared<'a> {
    /// What is reached for.
    pub reach: Reach<'a>,
    /// The value.
    pub value: &'a Value,
    /// Whether it is `!=`.
    pub negated: bool,
}

impl Expr {
    /// Everything that it reaches for, in the order of the text.
    #[must_use]
    pub fn reaches(&self) -> Vec<Reach<'_>> {
        let mut reaches = Vec::new();
        let mut of_access = false;
        walk(&self.node, &mut |node| match node {
            Node::Access { .. } => {
                // The walk comes to the name itself next.
                let found = reach(node);
                of_access = found.is_some();
                reaches.extend(found);
            }
            Node::Name { name, offset } => {
                if !std::mem::take(&mut of_access) {
                    reaches.push(Reach { root: name, at: *offset, path: Vec::new() });
                }
            }
            Node::Literal(_) | Node::Call { .. } | Node::Not(_) | Node::Compare { .. } | Node::And(_) | Node::Or(_) => {
            }
        });
        reaches
    }

    /// Its comparisons with values that stand in the text.
    #[must_use]
    pub fn comparisons(&self) -> Vec<Compared<'_>> {
        let mut found = Vec::new();
        walk(&self.node, &mut |node| {
            let Node::Compare { first, rest } = node else { return };
            let [(comparison, second)] = rest.as_slice() else { return };
            let negated = match comparison {
                Comparison::Equal => false,
                Comparison::NotEqual => true,
                Comparison::Less | Comparison::LessOrEqual | Comparison::Greater | Comparison::GreaterOrEqual => return,
            };
            let (value, other) = match (first.as_ref(), second) {
                (Node::Literal(value), other) | (other, Node::Literal(value)) => (value, other),
                _ => return,
            };
            found.extend(whole_reach(other).map(|reach| Compared { reach, value, negated }));
        });
        found
    }

    /// The same with what it reaches for replaced: `replace` gives an expression, and how many names of the path it
    /// stands for. Names that it gives nothing for stay.
    ///
    /// # Errors
    /// When the result is too long or too deep.
    pub fn replaced(&self, replace: &dyn Fn(&Reach<'_>) -> Option<(Self, usize)>) -> Result<Self, Error> {
        let node = in_place(&self.node, replace);
        Self::bare(&super::print::print(&node))
    }
}

/// What an access reaches for, if it begins with a name.
fn reach(node: &Node) -> Option<Reach<'_>> {
    let Node::Access { base, path } = node else { return None };
    let Node::Name { name, offset } = base.as_ref() else { return None };
    Some(Reach { root: name, at: *offset, path: path.iter().map_while(|hop| written(hop, *offset)).collect() })
}

/// As [`reach`], also of a bare name, but only where the whole path stands in the text.
fn whole_reach(node: &Node) -> Option<Reach<'_>> {
    match node {
        Node::Name { name, offset } => Some(Reach { root: name, at: *offset, path: Vec::new() }),
        Node::Access { path, .. } => reach(node).filter(|reach| reach.path.len() == path.len()),
        Node::Literal(_) | Node::Call { .. } | Node::Not(_) | Node::Compare { .. } | Node::And(_) | Node::Or(_) => None,
    }
}

/// The name of a hop that stands in the text. One in brackets is told at the root of its path.
fn written(hop: &Hop, root: usize) -> Option<(&str, usize)> {
    match hop {
        Hop::Property(name, offset) => Some((name, *offset)),
        Hop::Index(Node::Literal(Value::String(name))) => Some((name, root)),
        Hop::Index(_) | Hop::Star => None,
    }
}

fn in_place(node: &Node, replace: &dyn Fn(&Reach<'_>) -> Option<(Expr, usize)>) -> Node {
    let all = |nodes: &[Node]| nodes.iter().map(|node| in_place(node, replace)).collect();
    match node {
        Node::Literal(_) => node.clone(),
        Node::Name { name, offset } => {
            let found = replace(&Reach { root: name, at: *offset, path: Vec::new() });
            found.map_or_else(|| node.clone(), |(expr, _)| expr.node)
        }
        Node::Not(inner) => Node::Not(Box::new(in_place(inner, replace))),
        Node::And(parts) => Node::And(all(parts)),
        Node::Or(parts) => Node::Or(all(parts)),
        Node::Call { function, arguments, offset } => {
            Node::Call { function: *function, arguments: all(arguments), offset: *offset }
        }
        Node::Compare { first, rest } => Node::Compare {
            first: Box::new(in_place(first, replace)),
            rest: rest.iter().map(|(comparison, part)| (*comparison, in_place(part, replace))).collect(),
        },
        Node::Access { base, path } => {
            let found = reach(node).and_then(|reach| replace(&reach));
            let (base, path) = match found {
                Some((expr, hops)) => (expr.node, path.get(hops..).unwrap_or_default()),
                None if matches!(**base, Node::Name { .. }) => (base.as_ref().clone(), path.as_slice()),
                None => (in_place(base, replace), path.as_slice()),
            };
            let path: Vec<Hop> = path
                .iter()
                .map(|hop| match hop {
                    Hop::Index(index) => Hop::Index(in_place(index, replace)),
                    Hop::Property(..) | Hop::Star => hop.clone(),
                })
                .collect();
            match base {
                base if path.is_empty() => base,
                // Flat, as the parser makes it.
                Node::Access { base, path: before } => Node::Access { base, path: [before, path].concat() },
                base => Node::Access { base: Box::new(base), path },
            }
        }
    }
}

//! Expressions: `${{ … }}` and `if:`, with the grammar and semantics of GitHub Actions.
//!
//! They are our own because a workflow is hostile input: the language is total. It has no loops, its depth, its length
//! and what it writes are bounded, and nothing in it can panic.

mod call;
mod eval;
mod lex;
mod parse;
mod print;
mod reach;
mod template;

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use call::equal;
use parse::{Function, Node};
pub use reach::{Compared, Reach};
pub use template::Template;

/// The longest expression.
pub const SOURCE_BYTES_MAX: usize = 8_192;

/// A parsed expression; serializes as its source, and two are equal when their sources are.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expr {
    source: String,
    node: Node,
}

/// Why an expression cannot be read or evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What is wrong, for people.
    pub message: String,
    /// Where in the source, in bytes.
    pub offset: usize,
}

/// What an expression can see.
pub trait Scope {
    /// The value of a name such as `steps`, `pr`, `inputs`; `None` when there is no such name.
    fn value(&self, root: &str) -> Option<Value>;
    /// What `success()`, `failure()`, `cancelled()` are about: how the needs ended.
    fn status(&self) -> Status;
}

/// How the needs of a step ended, taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Each is satisfied.
    Success,
    /// At least one failed, timed out, or was cancelled by a failure.
    Failure,
    /// At least one was cancelled by a person or with its run, and none failed.
    Cancelled,
}

impl Expr {
    /// Reads an expression, with or without the `${{ }}` around it.
    ///
    /// # Errors
    /// When it is not in the grammar, too long or too deep; the offset counts from the start of `text`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::parse_at(text).map(|(expr, _)| expr)
    }

    /// As [`Expr::parse`], and where in the text its source begins, in bytes.
    ///
    /// # Errors
    /// As [`Expr::parse`].
    pub fn parse_at(text: &str) -> Result<(Self, usize), Error> {
        let Some(rest) = text.trim_start().strip_prefix("${{") else { return Ok((Self::bare(text)?, leading(text))) };
        let inner = text.len() - rest.len();
        let error = |message: &str, offset| Err(Error { message: message.to_owned(), offset });
        let Some(end) = template::closing(rest) else { return error("this ${{ has no }}", inner - 3) };
        if !rest[end + 2..].trim().is_empty() {
            return error(
                "text behind the }}: put the whole condition inside one ${{ }}, or use none",
                inner + end + 2,
            );
        }
        let expr = Self::bare(&rest[..end]).map_err(|error| Error { offset: error.offset + inner, ..error })?;
        Ok((expr, inner + leading(rest)))
    }

    /// The expression that gives this value.
    ///
    /// # Errors
    /// When it would be too long.
    pub fn literal(value: &Value) -> Result<Self, Error> {
        Self::bare(&print::print(&Node::Literal(value.clone())))
    }

    /// `root['name']`.
    ///
    /// # Errors
    /// When it would be too long.
    pub fn property(root: &str, name: &str) -> Result<Self, Error> {
        Self::bare(&format!("{root}[{}]", print::quoted(name)))
    }

    /// Reads an expression that has no `${{ }}` around it.
    fn bare(text: &str) -> Result<Self, Error> {
        if text.len() > SOURCE_BYTES_MAX {
            let message = format!("an expression has at most {SOURCE_BYTES_MAX} bytes, this one has {}", text.len());
            return Err(Error { message, offset: SOURCE_BYTES_MAX });
        }
        let before = leading(text);
        let node = parse::parse(text.trim()).map_err(|error| Error { offset: error.offset + before, ..error })?;
        Ok(Self { source: text.trim().to_owned(), node })
    }

    /// Its text, without `${{ }}`.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its value.
    ///
    /// # Errors
    /// When it names a root that the scope does not have, a function is given what it cannot use, or the functions
    /// write more than 1 MiB. A missing property is no error but `null`.
    pub fn eval(&self, scope: &dyn Scope) -> Result<Value, Error> {
        eval::eval(&self.node, scope)
    }

    /// Whether its value counts as true: all but `false`, `0`, `''` and `null`.
    ///
    /// # Errors
    /// As [`Expr::eval`].
    pub fn truthy(&self, scope: &dyn Scope) -> Result<bool, Error> {
        self.eval(scope).map(|value| call::truthy(&value))
    }

    /// Whether it calls `always()`, `failure()` or `cancelled()`, so that it is asked even when a need failed. Any
    /// other `if:` means `success() && (…)`.
    #[must_use]
    pub fn tolerates_failure(&self) -> bool {
        let asks = |f: &Function| matches!(f, Function::Always | Function::Failure | Function::Cancelled);
        self.any(|node| matches!(node, Node::Call { function, .. } if asks(function)))
    }

    /// The roots that it uses: `steps`, `pr` …
    #[must_use]
    pub fn names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        eval::walk(&self.node, &mut |node| {
            if let Node::Name { name, .. } = node {
                names.insert(name.clone());
            }
        });
        names
    }

    /// The steps that it names: `lint` of `steps.lint.outputs` and of `steps['lint']`.
    #[must_use]
    pub fn steps_named(&self) -> BTreeSet<String> {
        let reaches = self.reaches().into_iter().filter(|reach| reach.root == "steps");
        reaches.filter_map(|reach| reach.path.first().map(|(step, _)| (*step).to_owned())).collect()
    }

    /// Whether it reaches into `steps` by other means than a name that stands in it, so that any step may be meant.
    #[must_use]
    pub fn any_step_meant(&self) -> bool {
        self.reaches().iter().any(|reach| reach.root == "steps" && reach.path.is_empty())
    }

    fn any(&self, mut wanted: impl FnMut(&Node) -> bool) -> bool {
        let mut found = false;
        eval::walk(&self.node, &mut |node| found |= wanted(node));
        found
    }
}

/// How many bytes of white space a text begins with.
fn leading(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Expr {}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expr({:?})", self.source)
    }
}

impl TryFrom<String> for Expr {
    type Error = Error;
    fn try_from(text: String) -> Result<Self, Error> {
        Self::bare(&text)
    }
}

impl From<Expr> for String {
    fn from(expr: Expr) -> Self {
        expr.source
    }
}

#[cfg(test)]
mod tests;

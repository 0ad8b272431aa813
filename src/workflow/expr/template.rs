//! Text with expressions in it: `deploy ${{ pr.number }} to ${{ inputs.where }}`.

use serde_json::Value;

use super::eval::OUTPUT_BYTES_MAX;
use super::parse::Node;
use super::{Error, Expr, Scope, call};

/// Text with `${{ }}` parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// An expression, and where in the text its source begins, in bytes.
    Expr(Expr, usize),
}

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    /// When one of its expressions cannot be read; the offset counts from the start of the text.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut parts = Vec::new();
        let mut at = 0;
        while let Some(start) = text[at..].find("${{").map(|start| at + start) {
            let inner = start + 3;
            let Some(end) = closing(&text[inner..]).map(|end| inner + end) else {
                return Err(Error { message: "this ${{ has no }}".to_owned(), offset: start });
            };
            if start > at {
                parts.push(Part::Text(text[at..start].to_owned()));
            }
            let expr = Expr::bare(&text[inner..end]);
            let expr = expr.map_err(|error| Error { offset: error.offset + inner, ..error })?;
            parts.push(Part::Expr(expr, inner + super::leading(&text[inner..end])));
            at = end + 2;
        }
        if at < text.len() {
            parts.push(Part::Text(text[at..].to_owned()));
        }
        Ok(Self { parts })
    }

    /// The expressions in it.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.exprs_at().map(|(expr, _)| expr)
    }

    /// The expressions in it, each with the place in the text where its source begins, in bytes.
    pub fn exprs_at(&self) -> impl Iterator<Item = (&Expr, usize)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Expr(expr, at) => Some((expr, *at)),
            Part::Text(_) => None,
        })
    }

    /// The text with every expression as `change` makes it. One that has become a plain value is written out.
    ///
    /// # Errors
    /// The first of `change`.
    pub fn rewritten(&self, change: impl Fn(&Expr) -> Result<Expr, Error>) -> Result<String, Error> {
        let alone = matches!(self.parts.as_slice(), [Part::Expr(..)]);
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Expr(expr, _) => match change(expr)? {
                    Expr { node: Node::Literal(value), .. } if is_plain(&value, alone) => {
                        text.push_str(&call::to_text(&value));
                    }
                    expr => text.push_str(&format!("${{{{ {} }}}}", expr.source())),
                },
            }
        }
        Ok(text)
    }

    /// The one expression that gives the same: `a-${{ x }}` is `format('a-{0}', x)`.
    ///
    /// # Errors
    /// When it would be too long.
    pub fn into_expr(self) -> Result<Expr, Error> {
        if let [Part::Expr(expr, _)] = self.parts.as_slice() {
            return Ok(expr.clone());
        }
        let (mut pattern, mut arguments) = (String::new(), String::new());
        let mut count = 0;
        for part in &self.parts {
            match part {
                Part::Text(text) => {
                    pattern.push_str(&text.replace('\'', "''").replace('{', "{{").replace('}', "}}"));
                }
                Part::Expr(expr, _) => {
                    pattern.push_str(&format!("{{{count}}}"));
                    arguments.push_str(&format!(", {}", expr.source()));
                    count += 1;
                }
            }
        }
        Expr::bare(&format!("format('{pattern}'{arguments})"))
    }

    /// The text with every expression replaced by its value.
    ///
    /// # Errors
    /// When an expression cannot be evaluated, or the text grows beyond 1 MiB.
    pub fn render(&self, scope: &dyn Scope) -> Result<String, Error> {
        let mut written = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => written.push_str(text),
                Part::Expr(expr, _) => written.push_str(&call::to_text(&expr.eval(scope)?)),
            }
            if written.len() > OUTPUT_BYTES_MAX {
                return Err(Error { message: format!("grows beyond {OUTPUT_BYTES_MAX} bytes"), offset: 0 });
            }
        }
        Ok(written)
    }

    /// The value: that of its expression, with its kind, when the text is nothing else; otherwise the rendered text.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn value(&self, scope: &dyn Scope) -> Result<Value, Error> {
        match self.parts.as_slice() {
            [Part::Expr(expr, _)] => expr.eval(scope),
            _ => self.render(scope).map(Value::String),
        }
    }
}

/// Whether a value can stand in a text without `${{ }}`: alone only text keeps its kind, and what looks like an expression
/// must not become one.
fn is_plain(value: &Value, alone: bool) -> bool {
    (!alone || value.is_string()) && !call::to_text(value).contains("${{")
}

/// Where the `}}` stands that ends an expression: not inside quotes.
pub(super) fn closing(text: &str) -> Option<usize> {
    let mut quoted = false;
    let bytes = text.as_bytes();
    bytes.iter().enumerate().find_map(|(at, byte)| {
        quoted ^= *byte == b'\'';
        (!quoted && *byte == b'}' && bytes.get(at + 1) == Some(&b'}')).then_some(at)
    })
}

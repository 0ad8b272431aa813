//! Text with expressions in it: `deploy ${{ pr.number }} to ${{ inputs.where }}`.

use serde_json::Value;

use super::eval::OUTPUT_BYTES_MAX;
use super::{Error, Expr, Scope, call};

/// Text with `${{ }}` parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Expr(Expr),
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
            parts.push(Part::Expr(expr.map_err(|error| Error { offset: error.offset + inner, ..error })?));
            at = end + 2;
        }
        if at < text.len() {
            parts.push(Part::Text(text[at..].to_owned()));
        }
        Ok(Self { parts })
    }

    /// The expressions in it.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.parts.iter().filter_map(|part| match part {
            Part::Expr(expr) => Some(expr),
            Part::Text(_) => None,
        })
    }

    /// The one expression that gives the same: `a-${{ x }}` is `format('a-{0}', x)`.
    ///
    /// # Errors
    /// When it would be too long.
    pub fn into_expr(self) -> Result<Expr, Error> {
        if let [Part::Expr(expr)] = self.parts.as_slice() {
            return Ok(expr.clone());
        }
        let (mut pattern, mut arguments) = (String::new(), String::new());
        let mut count = 0;
        for part in &self.parts {
            match part {
                Part::Text(text) => {
                    pattern.push_str(&text.replace('\'', "''").replace('{', "{{").replace('}', "}}"));
                }
                Part::Expr(expr) => {
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
                Part::Expr(expr) => written.push_str(&call::to_text(&expr.eval(scope)?)),
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
            [Part::Expr(expr)] => expr.eval(scope),
            _ => self.render(scope).map(Value::String),
        }
    }
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

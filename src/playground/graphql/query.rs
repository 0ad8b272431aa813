//! A GraphQL query, read.

use std::collections::BTreeMap;

use serde_json::Value;

/// How deep selections may lie in each other.
const DEPTH_MAX: usize = 32;

/// One operation with the fragments of its document.
#[derive(Debug, Default)]
pub(super) struct Query {
    pub(super) variables: Vec<Variable>,
    pub(super) selection: Vec<Selection>,
    pub(super) fragments: BTreeMap<String, Selection>,
    pub(super) mutation: bool,
}

/// A declared variable.
#[derive(Debug)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) required: bool,
    pub(super) default: Option<Argument>,
}

/// What is asked of an object.
#[derive(Debug, Clone)]
pub(super) enum Selection {
    Field {
        alias: String,
        name: String,
        arguments: Vec<(String, Argument)>,
        selection: Vec<Selection>,
    },
    /// `... on Type { }`, or without a type.
    On {
        kind: Option<String>,
        selection: Vec<Selection>,
    },
    /// `...Name`
    Spread(String),
}

/// A value in the query.
#[derive(Debug, Clone)]
pub(super) enum Argument {
    Variable(String),
    Value(Value),
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Number(String),
    Sign(char),
    Spread,
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(first) = rest.next() {
        match first {
            '#' => while rest.next_if(|next| *next != '\n').is_some() {},
            _ if first.is_whitespace() || first == ',' || first == '\u{feff}' => {}
            '{' | '}' | '(' | ')' | ':' | '$' | '!' | '[' | ']' | '=' | '@' => found.push(Token::Sign(first)),
            '.' if rest.next() == Some('.') && rest.next() == Some('.') => found.push(Token::Spread),
            '"' => found.push(Token::Text(quoted(&mut rest)?)),
            _ => {
                let word = |next: &char| next.is_ascii_alphanumeric() || matches!(next, '_' | '.' | '-');
                let number = first.is_ascii_digit() || first == '-';
                if !number && !first.is_ascii_alphabetic() && first != '_' {
                    return Err(format!("Parse error on {first:?}"));
                }
                let mut text = String::from(first);
                while let Some(next) = rest.next_if(word) {
                    text.push(next);
                }
                found.push(if number { Token::Number(text) } else { Token::Name(text) });
            }
        }
    }
    Ok(found)
}

fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, String> {
    let mut raw = String::from('"');
    while let Some(next) = rest.next() {
        raw.push(next);
        match next {
            '"' => return serde_json::from_str(&raw).map_err(|error| format!("Parse error in a string: {error}")),
            '\\' => raw.extend(rest.next()),
            _ => {}
        }
    }
    Err("Parse error: a string without its end".to_owned())
}

/// Reads a document with one operation.
pub(super) fn parse(text: &str) -> Result<Query, String> {
    let tokens = tokens(text)?;
    let mut reader = Reader { tokens: &tokens, at: 0, depth: 0 };
    let mut query = Query::default();
    while let Some(token) = reader.tokens.get(reader.at) {
        match token {
            Token::Sign('{') => query.selection = reader.selection()?,
            Token::Name(word) if word == "query" || word == "mutation" => {
                query.mutation = word == "mutation";
                reader.at += 1;
                if let Some(Token::Name(_)) = reader.peek() {
                    reader.at += 1;
                }
                if reader.take('(') {
                    query.variables = reader.variables()?;
                }
                query.selection = reader.selection()?;
            }
            Token::Name(word) if word == "fragment" => {
                reader.at += 1;
                let name = reader.name()?;
                reader.name()?;
                let kind = Some(reader.name()?);
                query.fragments.insert(name, Selection::On { kind, selection: reader.selection()? });
            }
            other => return Err(format!("Parse error on {other:?}")),
        }
    }
    if query.selection.is_empty() { Err("Parse error: no operation".to_owned()) } else { Ok(query) }
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self, sign: char) -> bool {
        let there = self.peek() == Some(&Token::Sign(sign));
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, sign: char) -> Result<(), String> {
        if self.take(sign) { Ok(()) } else { Err(format!("Parse error on {:?} (expected {sign:?})", self.peek())) }
    }

    fn name(&mut self) -> Result<String, String> {
        let Some(Token::Name(name)) = self.peek() else { return Err(format!("Parse error on {:?}", self.peek())) };
        let name = name.clone();
        self.at += 1;
        Ok(name)
    }

    fn variables(&mut self) -> Result<Vec<Variable>, String> {
        let mut found = Vec::new();
        while !self.take(')') {
            self.expect('$')?;
            let name = self.name()?;
            self.expect(':')?;
            while self.take('[') {}
            self.name()?;
            let mut required = self.take('!');
            while self.take(']') {
                required = self.take('!');
            }
            let default = if self.take('=') { Some(self.argument()?) } else { None };
            found.push(Variable { name, required: required && default.is_none(), default });
        }
        Ok(found)
    }

    fn argument(&mut self) -> Result<Argument, String> {
        if self.take('$') {
            return Ok(Argument::Variable(self.name()?));
        }
        if self.take('[') {
            let mut items = Vec::new();
            while !self.take(']') {
                match self.argument()? {
                    Argument::Value(item) => items.push(item),
                    Argument::Variable(name) => return Err(format!("Parse error on ${name} inside a list")),
                }
            }
            return Ok(Argument::Value(items.into()));
        }
        let value = match self.peek() {
            Some(Token::Text(text)) => Value::from(text.as_str()),
            Some(Token::Number(number)) => {
                serde_json::from_str(number).map_err(|_| format!("Parse error on {number}"))?
            }
            Some(Token::Name(word)) => match word.as_str() {
                "true" => true.into(),
                "false" => false.into(),
                "null" => Value::Null,
                other => other.into(),
            },
            other => return Err(format!("Parse error on {other:?}")),
        };
        self.at += 1;
        Ok(Argument::Value(value))
    }

    fn selection(&mut self) -> Result<Vec<Selection>, String> {
        self.expect('{')?;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("Query has a depth that is too large".to_owned());
        }
        let mut found = Vec::new();
        while !self.take('}') {
            found.push(self.one()?);
        }
        self.depth -= 1;
        Ok(found)
    }

    fn one(&mut self) -> Result<Selection, String> {
        if self.peek() == Some(&Token::Spread) {
            self.at += 1;
            return match self.peek() {
                Some(Token::Name(word)) if word == "on" => {
                    self.at += 1;
                    let kind = Some(self.name()?);
                    Ok(Selection::On { kind, selection: self.selection()? })
                }
                Some(Token::Name(_)) => Ok(Selection::Spread(self.name()?)),
                _ => Ok(Selection::On { kind: None, selection: self.selection()? }),
            };
        }
        let alias = self.name()?;
        let name = if self.take(':') { self.name()? } else { alias.clone() };
        let mut arguments = Vec::new();
        if self.take('(') {
            while !self.take(')') {
                let name = self.name()?;
                self.expect(':')?;
                arguments.push((name, self.argument()?));
            }
        }
        let selection = if self.peek() == Some(&Token::Sign('{')) { self.selection()? } else { Vec::new() };
        Ok(Selection::Field { alias, name, arguments, selection })
    }
}

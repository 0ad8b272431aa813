//! From tokens to a tree.
//!
//! *Invariant:* the tree is as deep as the recursion that built it, at most [`DEPTH_MAX`]: chains of operators and
//! of accesses are lists, so neither walking nor dropping a tree can exhaust the stack.

use serde_json::Value;

use super::Error;
use super::lex::{Token, tokens};
use crate::workflow::suggest::closest;

/// Brackets, calls and `!` inside each other.
pub(super) const DEPTH_MAX: usize = 50;

/// A part of an expression.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Literal(Value),
    /// A root such as `steps`.
    Name {
        name: String,
        offset: usize,
    },
    /// `base.a['b'].*`
    Access {
        base: Box<Node>,
        path: Vec<Hop>,
    },
    Call {
        function: Function,
        arguments: Vec<Node>,
        offset: usize,
    },
    Not(Box<Node>),
    /// `a < b`, `a == b != c`: from left to right.
    Compare {
        first: Box<Node>,
        rest: Vec<(Comparison, Node)>,
    },
    And(Vec<Node>),
    Or(Vec<Node>),
}

/// One step into a value; a property knows where it stands.
#[derive(Debug, Clone)]
pub(super) enum Hop {
    Property(String, usize),
    Index(Node),
    Star,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Contains,
    StartsWith,
    EndsWith,
    Format,
    Join,
    ToJson,
    FromJson,
    Case,
    Success,
    Failure,
    Always,
    Cancelled,
}

/// Name, function, fewest and most arguments.
pub(super) const FUNCTIONS: [(&str, Function, usize, usize); 12] = [
    ("contains", Function::Contains, 2, 2),
    ("startsWith", Function::StartsWith, 2, 2),
    ("endsWith", Function::EndsWith, 2, 2),
    ("format", Function::Format, 1, 100),
    ("join", Function::Join, 1, 2),
    ("toJSON", Function::ToJson, 1, 1),
    ("fromJSON", Function::FromJson, 1, 1),
    ("case", Function::Case, 3, 101),
    ("success", Function::Success, 0, 0),
    ("failure", Function::Failure, 0, 0),
    ("always", Function::Always, 0, 0),
    ("cancelled", Function::Cancelled, 0, 0),
];

const EQUALITY: [(&str, Comparison); 2] = [("==", Comparison::Equal), ("!=", Comparison::NotEqual)];
const ORDER: [(&str, Comparison); 4] = [
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

/// Reads a whole expression.
pub(super) fn parse(text: &str) -> Result<Node, Error> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0, end: text.len() };
    let node = parser.or()?;
    match parser.tokens.get(parser.next) {
        None => Ok(node),
        Some((token, offset)) => {
            let word = shown(token);
            let message = match word.as_str() {
                "and" => "and means nothing here: write &&".to_owned(),
                "or" => "or means nothing here: write ||".to_owned(),
                _ => format!("{word} is one too many"),
            };
            Err(Error { message, offset: *offset })
        }
    }
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    next: usize,
    depth: usize,
    end: usize,
}

impl Parser {
    fn or(&mut self) -> Result<Node, Error> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error(format!("this is nested deeper than {DEPTH_MAX}")));
        }
        let mut parts = vec![self.and()?];
        while self.take("||") {
            parts.push(self.and()?);
        }
        self.depth -= 1;
        Ok(if parts.len() == 1 { parts.remove(0) } else { Node::Or(parts) })
    }

    fn and(&mut self) -> Result<Node, Error> {
        let mut parts = vec![self.equality()?];
        while self.take("&&") {
            parts.push(self.equality()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Node::And(parts) })
    }

    fn equality(&mut self) -> Result<Node, Error> {
        self.comparison(&EQUALITY, |parser| parser.comparison(&ORDER, Self::unary))
    }

    fn comparison(
        &mut self,
        marks: &[(&str, Comparison)],
        operand: impl Fn(&mut Self) -> Result<Node, Error>,
    ) -> Result<Node, Error> {
        let first = operand(self)?;
        let mut rest = Vec::new();
        while let Some((_, comparison)) = marks.iter().find(|(mark, _)| self.take(mark)) {
            rest.push((*comparison, operand(self)?));
        }
        Ok(if rest.is_empty() { first } else { Node::Compare { first: Box::new(first), rest } })
    }

    fn unary(&mut self) -> Result<Node, Error> {
        let mut nots = 0_usize;
        while self.take("!") {
            nots += 1;
        }
        let mut node = self.access()?;
        // Two of them only make a boolean, four the same: the tree stays flat.
        for _ in 0..(if nots > 2 { 2 - nots % 2 } else { nots }) {
            node = Node::Not(Box::new(node));
        }
        Ok(node)
    }

    fn access(&mut self) -> Result<Node, Error> {
        let base = self.primary()?;
        let mut path = Vec::new();
        loop {
            if self.take(".") {
                path.push(self.property()?);
            } else if self.take("[") {
                path.push(if self.take("*") { Hop::Star } else { Hop::Index(self.or()?) });
                self.expect("]")?;
            } else {
                break;
            }
        }
        Ok(if path.is_empty() { base } else { Node::Access { base: Box::new(base), path } })
    }

    fn property(&mut self) -> Result<Hop, Error> {
        if self.take("*") {
            return Ok(Hop::Star);
        }
        if let Some((Token::Name(name), offset)) = self.tokens.get(self.next) {
            self.next += 1;
            return Ok(Hop::Property(name.clone(), *offset));
        }
        Err(self.error("a name or * must follow the dot"))
    }

    fn primary(&mut self) -> Result<Node, Error> {
        let Some((token, offset)) = self.tokens.get(self.next).cloned() else {
            return Err(self.error("the expression ends too early"));
        };
        if token == Token::Mark("(") {
            self.next += 1;
            let inner = self.or()?;
            self.expect(")")?;
            return Ok(inner);
        }
        self.next += 1;
        Ok(match token {
            Token::Text(text) => Node::Literal(Value::String(text)),
            Token::Number(number) => Node::Literal(super::call::from_number(number)),
            Token::Name(name) if self.take("(") => self.call(&name, offset)?,
            Token::Name(name) => match name.as_str() {
                "true" => Node::Literal(Value::Bool(true)),
                "false" => Node::Literal(Value::Bool(false)),
                "null" => Node::Literal(Value::Null),
                _ => Node::Name { name, offset },
            },
            Token::Mark(mark) => {
                return Err(Error { message: format!("a value is expected here, not {mark}"), offset });
            }
        })
    }

    fn call(&mut self, name: &str, offset: usize) -> Result<Node, Error> {
        let mut arguments = Vec::new();
        if !self.take(")") {
            loop {
                arguments.push(self.or()?);
                if !self.take(",") {
                    break;
                }
            }
            self.expect(")")?;
        }
        let known = FUNCTIONS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name));
        let Some(&(name, function, min, max)) = known else {
            return Err(Error { message: no_such_function(name), offset });
        };
        if !(min..=max).contains(&arguments.len()) {
            let wants = if min == max { format!("{min}") } else { format!("{min} to {max}") };
            let message = format!("{name} takes {wants} arguments, not {}", arguments.len());
            return Err(Error { message, offset });
        }
        if function == Function::Case && arguments.len() % 2 == 0 {
            let message = "case takes pairs of a condition and a value, and a value for all else".to_owned();
            return Err(Error { message, offset });
        }
        Ok(Node::Call { function, arguments, offset })
    }

    fn take(&mut self, mark: &str) -> bool {
        let found = matches!(self.tokens.get(self.next), Some((Token::Mark(next), _)) if *next == mark);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, mark: &str) -> Result<(), Error> {
        if self.take(mark) {
            return Ok(());
        }
        Err(match self.tokens.get(self.next) {
            Some((token, _)) => self.error(format!("{mark} is expected here, not {}", shown(token))),
            None => self.error(format!("a {mark} is missing at the end")),
        })
    }

    fn error(&self, message: impl Into<String>) -> Error {
        let offset = self.tokens.get(self.next).map_or(self.end, |(_, offset)| *offset);
        Error { message: message.into(), offset }
    }
}

fn no_such_function(name: &str) -> String {
    if name.eq_ignore_ascii_case("hashFiles") {
        return "hashFiles is not here: a run is planned without a checkout. Let a step compute it and use its outputs"
            .to_owned();
    }
    match closest(name, FUNCTIONS.iter().map(|(known, ..)| *known)) {
        Some(known) => format!("there is no function {name}; did you mean {known}?"),
        None => format!("there is no function {name}"),
    }
}

fn shown(token: &Token) -> String {
    match token {
        Token::Text(text) => format!("'{text}'"),
        Token::Number(number) => number.to_string(),
        Token::Name(name) => name.clone(),
        Token::Mark(mark) => (*mark).to_owned(),
    }
}

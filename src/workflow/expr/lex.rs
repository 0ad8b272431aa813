//! From text to tokens.

use super::Error;

/// The smallest thing with a meaning.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// `'it''s'`, without its quotes.
    Text(String),
    /// `1`, `-2.5`, `0xff`, `0o17`, `1e3`.
    Number(f64),
    /// `steps`, `true`, `startsWith`.
    Name(String),
    /// Brackets, comma, dot, star, operators.
    Mark(&'static str),
}

/// The marks, longer ones before those that they begin with.
const MARKS: [&str; 15] = ["&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "(", ")", "[", "]", ",", "*"];

/// All tokens of `text`, each with its offset.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, usize)>, Error> {
    let mut found: Vec<(Token, usize)> = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let first = rest.chars().next().unwrap_or_default();
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let after_value = found.last().is_some_and(|(token, _)| ends_value(token));
        let (token, length) = one(rest, first, after_value).map_err(|message| Error { message, offset: at })?;
        found.push((token, at));
        at += length;
    }
    Ok(found)
}

/// Whether a dot behind this token reaches into a value, in place of beginning a number.
fn ends_value(token: &Token) -> bool {
    matches!(token, Token::Name(_) | Token::Text(_) | Token::Mark(")" | "]" | "*"))
}

fn one(rest: &str, first: char, after_value: bool) -> Result<(Token, usize), String> {
    if first == '\'' {
        return quoted(rest);
    }
    if first.is_ascii_alphabetic() || first == '_' {
        let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))).unwrap_or(rest.len());
        return Ok((Token::Name(rest[..length].to_owned()), length));
    }
    let digit_follows = rest[first.len_utf8()..].starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let number = first.is_ascii_digit()
        || (matches!(first, '-' | '+') && digit_follows)
        || (first == '.' && digit_follows && !after_value);
    if number {
        return numeral(rest);
    }
    if first == '.' {
        return Ok((Token::Mark("."), 1));
    }
    match MARKS.iter().find(|mark| rest.starts_with(**mark)) {
        Some(mark) => Ok((Token::Mark(mark), mark.len())),
        None if first == '"' => Err("text stands in single quotes here: 'like this'".to_owned()),
        None if matches!(first, '=' | '&' | '|') => Err(format!("a single {first} means nothing here: write it twice")),
        None => Err(format!("{first:?} means nothing here")),
    }
}

fn quoted(rest: &str) -> Result<(Token, usize), String> {
    let mut text = String::new();
    let mut at = 1;
    loop {
        let Some(length) = rest[at..].find('\'') else {
            return Err("this text has no closing quote; a quote inside it is written twice".to_owned());
        };
        text.push_str(&rest[at..at + length]);
        at += length + 1;
        if !rest[at..].starts_with('\'') {
            return Ok((Token::Text(text), at));
        }
        text.push('\'');
        at += 1;
    }
}

fn numeral(rest: &str) -> Result<(Token, usize), String> {
    let mut before = ' ';
    let end = rest.find(|c: char| {
        let sign = matches!(c, '+' | '-') && (before == ' ' || matches!(before, 'e' | 'E'));
        before = c;
        !(sign || c.is_ascii_alphanumeric() || c == '.')
    });
    let length = end.unwrap_or(rest.len());
    let text = &rest[..length];
    match number(text) {
        Some(value) if value.is_finite() => Ok((Token::Number(value), length)),
        _ => Err(format!("{text} is no number")),
    }
}

/// A number as GitHub reads it: decimal, `0x` or `0o`.
pub(super) fn number(text: &str) -> Option<f64> {
    if let Some(digits) = text.strip_prefix("0x") {
        return digits_only(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return digits_only(digits, 8);
    }
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    if plain { text.parse().ok() } else { None }
}

#[expect(clippy::cast_precision_loss, reason = "numbers are doubles, as in GitHub's expressions")]
fn digits_only(digits: &str, radix: u32) -> Option<f64> {
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok().map(|n| n as f64)
}

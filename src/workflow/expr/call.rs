//! Functions, and how values of different kinds meet: GitHub's rules of coercion.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::lex::number;

/// A number as a value: whole numbers print without a point.
#[expect(clippy::cast_possible_truncation, reason = "checked to be whole and within 2^53")]
pub(super) fn from_number(number: f64) -> Value {
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= WHOLE_MAX {
        return Value::from(number as i64);
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// What counts as true: all but `false`, `0`, `''` and `null`.
pub(super) fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(b) => *b,
        Value::Number(n) => n.as_f64().is_some_and(|n| n != 0.0 && !n.is_nan()),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

/// As text. Lists and objects are only named: `toJSON` writes them out.
pub(super) fn to_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(_) => "Array".to_owned(),
        Value::Object(_) => "Object".to_owned(),
    }
}

/// As a number; NaN when it is none.
pub(super) fn to_number(value: &Value) -> f64 {
    match value {
        Value::Null => 0.0,
        Value::Bool(b) => f64::from(u8::from(*b)),
        Value::Number(n) => n.as_f64().unwrap_or(f64::NAN),
        Value::String(text) => match text.trim() {
            "" => 0.0,
            text => number(text).unwrap_or(f64::NAN),
        },
        Value::Array(_) | Value::Object(_) => f64::NAN,
    }
}

/// `==`: text without regard to case; different kinds as numbers. Lists and objects are equal when their contents are
/// (GitHub asks whether they are the same instance, which nobody can tell from outside).
pub(crate) fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => folded(a).eq(folded(b)),
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Array(_), Value::Array(_)) | (Value::Object(_), Value::Object(_)) => a == b,
        _ => to_number(a).partial_cmp(&to_number(b)) == Some(Ordering::Equal),
    }
}

/// `<` and its kin; `None` when the two cannot be ordered.
pub(super) fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Some(folded(a).cmp(folded(b))),
        _ => to_number(a).partial_cmp(&to_number(b)),
    }
}

/// Upper case, letter by letter, as .NET's ordinal comparison does: `ß` stays what it is.
fn folded(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().map(|c| {
        let mut upper = c.to_uppercase();
        match (upper.next(), upper.next()) {
            (Some(one), None) => one,
            _ => c,
        }
    })
}

/// `contains`, `startsWith`, `endsWith` over text.
pub(super) fn find(text: &Value, part: &Value, how: fn(&str, &str) -> bool) -> bool {
    let fold = |value: &Value| folded(&to_text(value)).collect::<String>();
    how(&fold(text), &fold(part))
}

/// `format('{0} {1}', …)`: puts pieces into `emit`; `{{` and `}}` are braces.
pub(super) fn format(
    pattern: &str,
    arguments: &[String],
    mut emit: impl FnMut(&str) -> Result<(), String>,
) -> Result<(), String> {
    let mut rest = pattern;
    while let Some(at) = rest.find(['{', '}']) {
        emit(&rest[..at])?;
        let (brace, behind) = rest[at..].split_at(1);
        rest = behind;
        if let Some(behind) = rest.strip_prefix(brace) {
            emit(brace)?;
            rest = behind;
            continue;
        }
        let hole = if brace == "{" { rest.split_once('}') } else { None };
        let Some((index, behind)) = hole else {
            return Err(format!("format: a lone {brace} in the pattern; write it twice for a brace"));
        };
        let argument = index.trim().parse::<usize>().ok().and_then(|index| arguments.get(index));
        let Some(argument) = argument else {
            return Err(format!("format: {{{index}}} names no argument; there are {}", arguments.len()));
        };
        emit(argument)?;
        rest = behind;
    }
    emit(rest)
}

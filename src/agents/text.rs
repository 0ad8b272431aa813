//! Text on the wire. Numbers travel as strings: A2A keeps data as protobuf structs, where every number is a double and 9007199254740993 loses
//! its last digit. We write strings, and read strings and whole numbers alike.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};
use serde_json::Value;

/// The largest double up to which every whole number is exact.
const EXACT_MAX: f64 = 9_007_199_254_740_991.0;

pub(super) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

pub(super) fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    parse(&Value::deserialize(deserializer)?).ok_or_else(|| D::Error::custom("not a whole number in range"))
}

fn parse<T: FromStr>(value: &Value) -> Option<T> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => {
                (float.fract() == 0.0 && float.abs() <= EXACT_MAX).then(|| format!("{float:.0}").parse().ok())?
            }
            _ => number.to_string().parse().ok(),
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The same for what may be absent; an empty text is absent too.
pub(super) mod option {
    use super::{Deserialize, Deserializer, Display, Error, FromStr, Serializer, Value, parse};

    pub(in crate::agents) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_none(),
        }
    }

    pub(in crate::agents) fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(None),
            Value::String(text) if text.is_empty() => Ok(None),
            value => parse(&value).map(Some).ok_or_else(|| D::Error::custom("not a whole number in range")),
        }
    }
}

/// Millionths of a US dollar, written as dollars: `0.0123`.
pub(super) mod usd {
    use super::{Deserialize, Deserializer, Error, Serializer, Value};

    pub(in crate::agents) fn serialize<S: Serializer>(micros: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
        match micros {
            Some(micros) => serializer.collect_str(&format_args!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)),
            None => serializer.serialize_none(),
        }
    }

    pub(in crate::agents) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(None),
            value => micros(&value).map(Some).ok_or_else(|| D::Error::custom("not an amount in US dollars")),
        }
    }

    /// Dollars as a number or as text; nothing below zero and nothing beyond a million.
    pub(in crate::agents) fn micros(value: &Value) -> Option<u64> {
        let dollars = match value {
            Value::Number(number) => number.as_f64()?,
            Value::String(text) => text.parse::<f64>().ok()?,
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
        };
        // The range makes the conversion exact enough: an amount is for people and budgets, not for accounts.
        (0.0..=1e6).contains(&dollars).then_some((dollars * 1e6).round() as u64)
    }
}

/// The first `max` bytes at most, cut between characters.
pub(crate) fn head(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or(text)
}

/// The last `max` bytes at most, cut between characters.
pub(crate) fn tail(text: &str, max: usize) -> &str {
    text.get(text.ceil_char_boundary(text.len().saturating_sub(max))..).unwrap_or(text)
}

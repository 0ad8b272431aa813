//! The table of fields as JSON Schema (draft-07, which the YAML servers of editors take best).
//!
//! A schema knows less than the parser: it tells names, kinds, words and ranges, and nothing of what hangs together.
//! *Invariant:* what the parser takes, the schema takes.

use serde_json::{Map, Value, json};

use super::fields::{Field, Group, LIBRARY, Measure, POLICY, Shape, WORKFLOW, kinds, mappings};

/// The schema of workflow files, as text.
#[must_use]
pub fn workflow() -> String {
    text(&schema(&WORKFLOW, "Workflow of Pointsman"))
}

/// The schema of files that steps use, as text.
#[must_use]
pub fn library() -> String {
    text(&schema(&LIBRARY, "Library file of Pointsman"))
}

/// The schema of `config.yml`, as text.
#[must_use]
pub fn config() -> String {
    text(&schema(&POLICY, "Policy of Pointsman"))
}

fn text(schema: &Value) -> String {
    format!("{schema:#}\n")
}

/// The schema of a file.
pub(super) fn schema(root: &'static Group, title: &str) -> Value {
    let mut schema = object(root);
    let inner = mappings(root).into_iter().skip(1);
    let definitions: Map<String, Value> = inner.map(|(_, group)| (group.name.to_owned(), object(group))).collect();
    put(&mut schema, "$schema", json!("http://json-schema.org/draft-07/schema#"));
    put(&mut schema, "title", json!(title));
    put(&mut schema, "definitions", Value::Object(definitions));
    schema
}

fn put(schema: &mut Value, key: &str, value: Value) {
    if let Value::Object(fields) = schema {
        fields.insert(key.to_owned(), value);
    }
}

/// A mapping. Nothing behind its key is an empty one, as `push:` is.
fn object(group: &Group) -> Value {
    let mut properties = Map::new();
    for field in group.fields() {
        properties.insert(field.name.to_owned(), described(field));
        for alias in field.aliases {
            let mut other = described(field);
            put(&mut other, "description", json!(format!("Another name of `{}`. {}", field.name, field.meaning)));
            properties.insert((*alias).to_owned(), other);
        }
        for old in field.old {
            let mut other = described(field);
            put(&mut other, "deprecated", json!(true));
            put(&mut other, "deprecationMessage", json!(format!("Write {}.", field.name)));
            properties.insert((*old).to_owned(), other);
        }
    }
    let rest = group.rest.map_or(json!(false), of);
    let must: Vec<Value> = group.one_of.iter().map(|name| json!({ "required": [name] })).collect();
    let mut schema = json!({
        "description": group.meaning,
        "type": if must.is_empty() { json!(["object", "null"]) } else { json!("object") },
        "properties": properties,
        "additionalProperties": rest,
    });
    match group.one_of {
        [] => {}
        [one] => put(&mut schema, "required", json!([one])),
        _ => put(&mut schema, "anyOf", Value::Array(must)),
    }
    schema
}

fn described(field: &Field) -> Value {
    let shape = of(&field.shape);
    // Beside a $ref draft-07 sees nothing.
    let mut schema = if matches!(field.shape, Shape::Map(_)) { json!({ "allOf": [shape] }) } else { shape };
    put(&mut schema, "description", json!(field.meaning));
    if !field.default.is_empty() {
        put(&mut schema, "default", value(field.default));
    }
    if !field.example.is_empty() {
        put(&mut schema, "examples", json!([value(field.example)]));
    }
    schema
}

/// A value of the table: JSON, or else text as it stands.
pub(super) fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!(text))
}

fn of(shape: &Shape) -> Value {
    match shape {
        Shape::Any => json!({}),
        Shape::Text | Shape::Expression => scalar(),
        Shape::Plain => json!({ "type": "string" }),
        Shape::Line => with(scalar(), json!({ "pattern": r"^\s*\S[^\r\n]*\s*$" })),
        Shape::Id => with(scalar(), json!({ "pattern": "^[A-Za-z_][A-Za-z0-9_-]{0,99}$" })),
        Shape::Agent => with(scalar(), json!({ "pattern": "^[A-Za-z0-9_-]{1,64}$" })),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Whole(min, i64::MAX) => json!({ "type": "integer", "minimum": min }),
        Shape::Whole(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Measure(measure) => quantity(*measure),
        Shape::Word(words) => json!({ "enum": words }),
        Shape::Kind => json!({ "anyOf": [{ "enum": kinds().collect::<Vec<_>>() }, scalar()] }),
        Shape::Map(group) => reference(group),
        Shape::Each(inner) => json!({ "type": ["object", "null"], "additionalProperties": of(inner) }),
        Shape::Named(names, inner) => {
            let properties: Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), of(inner))).collect();
            json!({ "type": "object", "properties": properties, "additionalProperties": false })
        }
        Shape::List(inner, max) => list(inner, *max),
        Shape::OneOrList(inner, max) => json!({ "anyOf": [of(inner), list(inner, *max)] }),
        Shape::Either(shapes) => json!({ "anyOf": shapes.iter().map(of).collect::<Vec<_>>() }),
        Shape::Having(name, first, second) => {
            // The condition names the field with its words, so that editors offer it in an empty mapping.
            let shown = first.fields().find(|field| field.name == *name).map_or(json!({}), described);
            json!({
                "if": { "type": "object", "required": [name], "properties": { *name: shown } },
                "then": reference(first),
                "else": reference(second),
            })
        }
    }
}

fn reference(group: &Group) -> Value {
    json!({ "$ref": format!("#/definitions/{}", group.name) })
}

fn list(inner: &Shape, max: usize) -> Value {
    let list = json!({ "type": "array", "items": of(inner) });
    if max == usize::MAX { list } else { with(list, json!({ "maxItems": max })) }
}

/// What is read as text: `version: 1.10` needs no quotes.
fn scalar() -> Value {
    json!({ "type": ["string", "number", "boolean"] })
}

fn with(mut schema: Value, more: Value) -> Value {
    if let Value::Object(more) = more {
        more.into_iter().for_each(|(key, value)| put(&mut schema, &key, value));
    }
    schema
}

fn quantity(measure: Measure) -> Value {
    let (types, pattern) = match measure {
        // A bare number is milliseconds; one below a thousand is a slip.
        Measure::Duration => (
            json!({ "type": ["string", "integer"], "minimum": 1_000 }),
            r"^\s*(([0-9]+\s*(ms|s|m|h|d)\s*)+|0*[1-9][0-9]{3,}\s*)$",
        ),
        Measure::Size => (json!({ "type": "string" }), r"^\s*[0-9.]+\s*([KkMmGgTt][Ii]?)?[Bb]\s*$"),
        Measure::Cores => {
            (json!({ "type": ["string", "number"], "exclusiveMinimum": 0 }), r"^\s*[0-9.]+\s*(m|cores?)?\s*$")
        }
        Measure::Dollars => (json!({ "type": ["string", "number"], "exclusiveMinimum": 0 }), r"^[0-9]*\.?[0-9]{0,6}$"),
        Measure::Factor => {
            (json!({ "type": ["string", "number"], "minimum": 1, "maximum": 10 }), r"^[0-9]*\.?[0-9]{0,2}$")
        }
    };
    with(types, json!({ "pattern": pattern, "examples": measure.examples() }))
}

#[cfg(test)]
mod tests;

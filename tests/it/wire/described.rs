//! GitHub's own descriptions of its REST interface and its webhooks, as `scripts/schemas` cut them.

use std::collections::{BTreeMap, BTreeSet};

use boon::{Compiler, ErrorKind, SchemaIndex, Schemas, ValidationError};
use percent_encoding::percent_decode_str;
use pointsman::playground::{GitHub, Request};
use serde_json::{Map, Value, json};

pub struct Described {
    schemas: Schemas,
    operations: Vec<Operation>,
    events: BTreeMap<String, SchemaIndex>,
}

struct Operation {
    /// Method and path: `GET /repos/{owner}/{repo}`.
    name: String,
    /// The types of what stands in its path and query, where all is text.
    types: Value,
    request: SchemaIndex,
    answers: BTreeMap<u16, SchemaIndex>,
}

/// What passed, by name, or what is wrong with it and where.
pub type Verdict = Result<String, String>;

impl Described {
    pub fn new() -> Self {
        let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
        compiler.enable_format_assertions();
        let mut add = |name: &str, packed: &[u8]| {
            let document: Value = serde_json::from_slice(&zstd::decode_all(packed).unwrap()).unwrap();
            compiler.add_resource(name, document.clone()).unwrap();
            document
        };
        let rest = add("github:rest", include_bytes!("../../data/rest.json.zst"));
        let events = add("github:events", include_bytes!("../../data/events.json.zst"));
        let mut compile = |place: String| compiler.compile(&place, &mut schemas).unwrap();
        let operations = rest["operations"].as_array().unwrap().iter().enumerate().map(|(at, operation)| {
            let statuses = operation["answers"].as_object().unwrap().keys();
            let mut answer = |status: &String| compile(format!("github:rest#/operations/{at}/answers/{status}"));
            Operation {
                name: operation["name"].as_str().unwrap().to_owned(),
                types: operation["request"]["properties"].clone(),
                answers: statuses.map(|status| (status.parse().unwrap(), answer(status))).collect(),
                request: compile(format!("github:rest#/operations/{at}/request")),
            }
        });
        let operations = operations.collect();
        let names = events["events"].as_object().unwrap().keys();
        let events = names.map(|name| (name.clone(), compile(format!("github:events#/events/{name}")))).collect();
        Self { schemas, operations, events }
    }

    /// Every operation that the adapter may ask for, and every event that a playground may send.
    pub fn names(&self) -> BTreeSet<String> {
        self.operations.iter().map(|one| one.name.clone()).chain(self.events.keys().cloned()).collect()
    }

    /// A request, and what was answered to it where GitHub describes that answer.
    pub fn request(&self, request: &Request) -> Verdict {
        let said = format!("{} {}", request.method, request.path);
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let found = self.operations.iter().find_map(|one| Some((one, one.parts(&request.method, path)?)));
        let Some((operation, path)) = found else {
            return Err(format!("{said}: no operation of tests/data/rest.json.zst"));
        };
        let query = url::form_urlencoded::parse(query.as_bytes()).into_owned();
        let query = query.map(|(name, text)| operation.typed("query", name, text)).collect::<Map<_, _>>();
        let mut sent = json!({ "path": path, "query": query });
        if !request.body.is_null() {
            sent["body"] = request.body.clone();
        }
        self.holds(&sent, operation.request).map_err(|wrong| format!("{said}: {wrong}"))?;
        let said = format!("{said} answered {}", request.status);
        match operation.answers.get(&request.status) {
            // Bad weather answers as proxies do.
            _ if request.status >= 400 && request.answer.is_null() => {}
            Some(schema) => self.holds(&request.answer, *schema).map_err(|wrong| format!("{said}: {wrong}"))?,
            None if (200..300).contains(&request.status) => return Err(format!("{said}: GitHub never does")),
            None => {}
        }
        Ok(operation.name.clone())
    }

    /// What a webhook carries.
    pub fn event(&self, event: &str, payload: &Value) -> Verdict {
        let name = payload["action"].as_str().map_or_else(|| event.to_owned(), |action| format!("{event}.{action}"));
        let schema = self.events.get(&name).ok_or_else(|| format!("{name}: no event of tests/data/events.json.zst"))?;
        self.holds(payload, *schema).map_err(|wrong| format!("{name}: {wrong}"))?;
        Ok(name)
    }

    /// All that a GitHub was asked and answered, and all that it sent: what passed, and what is wrong.
    pub fn judge(&self, github: &GitHub) -> (BTreeSet<String>, BTreeSet<String>) {
        let (mut passed, mut wrong) = (BTreeSet::new(), BTreeSet::new());
        let requests = github.requests();
        let requests = requests.iter().map(|one| self.request(one));
        let events = github.events();
        for verdict in requests.chain(events.iter().map(|(event, payload)| self.event(event, payload))) {
            match verdict {
                Ok(name) => passed.insert(name),
                Err(why) => wrong.insert(why),
            };
        }
        (passed, wrong)
    }

    fn holds(&self, value: &Value, schema: SchemaIndex) -> Result<(), String> {
        self.schemas.validate(value, schema).map_err(|error| told(&error))
    }
}

/// Where something is wrong, and what. A fault in an object makes all fields around it look unknown: unknown ones are
/// told when all else is right, the deepest first.
fn told(error: &ValidationError<'_, '_>) -> String {
    let unknown = |one: &&ValidationError<'_, '_>| matches!(one.kind, ErrorKind::FalseSchema);
    let (unknown, faults): (Vec<_>, Vec<_>) = leaves(error).into_iter().partition(unknown);
    let depth = |one: &&ValidationError<'_, '_>| one.instance_location.tokens.len();
    let deepest = unknown.iter().map(depth).max();
    let unknown = unknown.iter().filter(|one| Some(depth(one)) == deepest);
    let mut told: Vec<String> = match faults.is_empty() {
        true => unknown.map(|one| format!("{} is not described", one.instance_location)).collect(),
        false => faults.iter().map(|one| format!("{} {}", one.instance_location, one.kind)).collect(),
    };
    told.sort();
    told.join("; ")
}

fn leaves<'e, 's, 'v>(error: &'e ValidationError<'s, 'v>) -> Vec<&'e ValidationError<'s, 'v>> {
    if error.causes.is_empty() { vec![error] } else { error.causes.iter().flat_map(leaves).collect() }
}

impl Operation {
    /// What stands in a path, by the names of its places, if it is a path of this operation.
    fn parts(&self, method: &str, path: &str) -> Option<Map<String, Value>> {
        let template = self.name.strip_prefix(method)?.strip_prefix(' ')?;
        if template.split('/').count() != path.split('/').count() {
            return None;
        }
        let mut parts = Map::new();
        for (place, part) in template.split('/').zip(path.split('/')) {
            let part = percent_decode_str(part).decode_utf8().ok()?.into_owned();
            match place.strip_prefix('{').and_then(|place| place.strip_suffix('}')) {
                Some(name) => parts.extend([self.typed("path", name.to_owned(), part)]),
                None if place == part => {}
                None => return None,
            }
        }
        Some(parts)
    }

    /// A parameter as the type that GitHub wants, where its text can be that.
    fn typed(&self, place: &str, name: String, text: String) -> (String, Value) {
        let integer = self.types[place]["properties"][&name]["type"] == "integer";
        let number = text.parse::<i64>().ok().filter(|_| integer);
        (name, number.map_or_else(|| text.into(), Value::from))
    }
}

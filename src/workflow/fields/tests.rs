use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use boon::{Compiler, Draft, Schemas};
use serde_json::{Map, Value, json};

use super::*;
use crate::workflow::defaults::Operator;
use crate::workflow::parse::parse_with;
use crate::workflow::policy;
use crate::workflow::problem::{Code, Problem, Severity};
use crate::workflow::schema::{schema, value};

const ROOTS: [&Group; 3] = [&WORKFLOW, &LIBRARY, &POLICY];
/// A file that steps use, and one that is looked at.
const LIB: &str = ".workflows/lib/test.yml";
const USED: &str = "inputs: { zzz: {} }\nsteps: [{ id: inner, run: make }]";
const TESTED: &str = ".workflows/lib/tested.yml";
/// Stands for names of the file's own.
const OWN: &str = "zzz";
/// Words of one file at once: every one may be a problem, and a file tells a hundred.
const BATCH: usize = 40;

/// What the parser says of a file that begins with this mapping.
fn problems(root: &'static Group, file: &Value) -> Vec<Problem> {
    let text = serde_json::to_string_pretty(file).unwrap();
    let read = |text: &str, tested: &str| {
        let library = [(LIB.to_owned(), USED.to_owned()), (TESTED.to_owned(), tested.to_owned())].into();
        match parse_with(&"ci".parse().unwrap(), text, &Operator::default(), &library) {
            Ok(workflow) => workflow.warnings,
            Err(problems) => problems,
        }
    };
    match root.name {
        "workflow" => read(&text, ""),
        "library" => read("steps: [{ id: outer, uses: ./lib/tested.yml }]", &text),
        _ => policy::parse(&text).map_or_else(|problems| problems, |policy| policy.warnings),
    }
}

fn errors(root: &'static Group, file: &Value) -> Vec<Problem> {
    problems(root, file).into_iter().filter(|problem| problem.severity == Severity::Error).collect()
}

/// What a mapping must hold to be right.
fn ground(group: &Group) -> Value {
    match group.name {
        "workflow" | "library" => json!({ "steps": [build()] }),
        "step" => json!({ "id": "zz", "needs": ["build"], "run": "make" }),
        "call" => json!({ "id": "zz", "needs": ["build"], "uses": "./lib/test.yml" }),
        "rollback" => json!({ "run": "make" }),
        "concurrency" => json!({ "group": "one" }),
        "schedule" => json!({ "cron": "17 3 * * 1" }),
        "comment" => json!({ "commands": ["deploy"] }),
        "matrix" => json!({ "os": ["ubuntu", "windows"] }),
        "strategy" => json!({ "matrix": { "os": ["ubuntu"] } }),
        "library_output" => json!({ "value": "steps.build.outputs.version" }),
        _ => json!({}),
    }
}

fn build() -> Value {
    json!({ "id": "build", "run": "make" })
}

/// What must stand, or must not, beside a field for it to mean something.
fn beside(group: &Group, name: &str, mapping: &mut Map<String, Value>) {
    let more = match (group.name, name) {
        ("step" | "rollback", "agent") => {
            mapping.remove("run");
            return;
        }
        ("step", "max_parallel" | "max-parallel" | "fail_fast" | "fail-fast") => ("matrix", json!({ "os": ["a"] })),
        ("input", "required") => ("default", json!("text")),
        ("input", "options") => ("type", json!("choice")),
        ("workflow", "remove") => ("uses", json!("pr_processing")),
        _ => return,
    };
    mapping.insert(more.0.to_owned(), more.1);
}

/// A file with this mapping at this place, and nothing else but what must be.
fn file(root: &'static Group, path: &str, mapping: Value) -> Value {
    let parts: Vec<&str> = path.split('.').filter(|part| !part.is_empty()).collect();
    let mut inner = mapping;
    for at in (0..parts.len()).rev() {
        let (name, list) = parts[at].strip_suffix("[]").map_or((parts[at], false), |name| (name, true));
        if name == "*" {
            inner = json!({ OWN: inner });
            continue;
        }
        let outer = parts[..at].join(".");
        let group = mappings(root).into_iter().find(|(path, _)| *path == outer);
        let mut around = group.map_or(json!({}), |(_, group)| ground(group));
        around[name] = match (name, list) {
            ("steps", true) => json!([build(), inner]),
            (_, true) => json!([inner]),
            (_, false) => inner,
        };
        inner = around;
    }
    inner
}

/// A file in which this field has this value.
fn with(root: &'static Group, (path, group): (&str, &Group), name: &str, value: Value) -> Value {
    let Value::Object(mut mapping) = ground(group) else { unreachable!() };
    beside(group, name, &mut mapping);
    // It takes the place of what stands there by another of its names.
    mapping.retain(|there, _| !group.fields().any(|field| names(field).any(|n| n == name) && field.name == there));
    mapping.insert(name.to_owned(), value);
    file(root, path, Value::Object(mapping))
}

fn sample(field: &Field) -> Value {
    if field.example.is_empty() { of(&field.shape) } else { value(field.example) }
}

fn of(shape: &Shape) -> Value {
    match shape {
        Shape::Text | Shape::Plain | Shape::Line | Shape::Any => json!("text"),
        Shape::Expression => json!("sha"),
        Shape::Id => json!("zz"),
        Shape::Agent => json!("claude-code"),
        Shape::Flag => json!(true),
        Shape::Whole(min, _) => json!(min),
        Shape::Measure(measure) => json!(measure.examples()[0]),
        Shape::Word(words) => json!(words[0]),
        Shape::Kind => json!("testing"),
        Shape::Map(group) | Shape::Having(_, _, group) => ground(group),
        Shape::Each(inner) => json!({ OWN: of(inner) }),
        Shape::Named(names, inner) => json!({ names[0]: of(inner) }),
        Shape::List(inner, _) => json!([of(inner)]),
        Shape::OneOrList(inner, _) => of(inner),
        Shape::Either(shapes) => of(&shapes[0]),
    }
}

fn names(field: &Field) -> impl Iterator<Item = &'static str> {
    [field.name].into_iter().chain(field.aliases.iter().copied()).chain(field.old.iter().copied())
}

/// Every field of every mapping of every file.
fn each(mut check: impl FnMut(&'static Group, (&str, &'static Group), &'static Field)) {
    for root in ROOTS {
        for (path, group) in mappings(root) {
            group
                .fields()
                .filter(|field| field.name != "steps")
                .for_each(|field| check(root, (path.as_str(), group), field));
        }
    }
}

/// Whether the schema takes a file.
fn judge(root: &'static Group) -> impl Fn(&Value) -> bool {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.set_default_draft(Draft::V7);
    compiler.add_resource("file:///schema.json", schema(root, "test")).unwrap();
    let index = compiler.compile("file:///schema.json", &mut schemas).unwrap();
    move |file| schemas.validate(file, index).is_ok()
}

type Judge = Box<dyn Fn(&Value) -> bool>;

fn judges() -> [(&'static str, Judge); 3] {
    ROOTS.map(|root| (root.name, Box::new(judge(root)) as Judge))
}

/// Words in quotes in the sources of the parser: what it takes by name is among them.
fn words(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            words(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") && !path.ends_with("tests.rs") {
            let source = fs::read_to_string(&path).unwrap();
            let plain = |word: &&str| {
                (2..40).contains(&word.len())
                    && word.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'_' | b'-'))
            };
            found.extend(source.split('"').filter(plain).map(str::to_owned));
        }
    }
}

/// Whether a problem says that there is nothing of this name.
fn unknown(problem: &Problem, word: &str) -> bool {
    let said = ["has no field", "there is no command", "there is no event"];
    let ends = said.iter().any(|said| problem.message.ends_with(&format!("{said} {word}")));
    ends || problem.message.ends_with(&format!("{word} is not there yet"))
}

#[test]
fn the_parser_takes_what_the_table_says_and_nothing_else() {
    let mut all = BTreeSet::new();
    words(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/workflow"), &mut all);
    assert!(all.len() > 300 && all.contains("retry_count"), "{}", all.len());
    for root in ROOTS {
        for (path, group) in mappings(root).into_iter().filter(|(_, group)| group.rest.is_none()) {
            let table: BTreeSet<&str> = group.fields().flat_map(names).collect();
            let Value::Object(must) = ground(group) else { unreachable!() };
            let mut taken: BTreeSet<&str> = must.keys().map(String::as_str).collect();
            let asked = |word: &&str| !(must.contains_key(*word) || group.name == "step" && *word == "uses");
            let asked: Vec<&str> = all.iter().map(String::as_str).filter(asked).collect();
            for batch in asked.chunks(BATCH) {
                let mut mapping = must.clone();
                for word in batch {
                    let known = group.fields().find(|field| names(field).any(|name| name == *word));
                    mapping.insert((*word).to_owned(), known.map_or(Value::Null, sample));
                }
                let problems = problems(root, &file(root, &path, Value::Object(mapping)));
                taken.extend(batch.iter().filter(|word| !problems.iter().any(|problem| unknown(problem, word))));
            }
            // A file of the library is told why it has no `on`, which is more than that there is no such field.
            taken.retain(|word| (group.name, *word) != ("library", "on"));
            assert_eq!(taken, table, "{}: {path} ({})", root.name, group.name);
        }
    }
}

#[test]
fn each_field_is_taken_at_its_place_by_all_its_names() {
    let judges = judges();
    let mut count = 0;
    each(|root, place, field| {
        let valid = &judges.iter().find(|(name, _)| *name == root.name).unwrap().1;
        let default = (!field.default.is_empty()).then(|| value(field.default));
        for value in [sample(field)].into_iter().chain(default) {
            for name in names(field) {
                let file = with(root, place, name, value.clone());
                assert_eq!(errors(root, &file), [], "{}: {} {name}: {file:#}", root.name, place.0);
                assert!(valid(&file), "{}: {} {name}: {file:#}", root.name, place.0);
                count += 1;
            }
        }
    });
    assert!(count > 200, "{count}");
}

#[test]
fn the_schema_takes_what_the_parser_takes_and_refuses_the_wrong_kind() {
    let judges = judges();
    let values =
        [json!(null), json!(true), json!(5), json!(5_000), json!("text"), json!(["text"]), json!({ OWN: "text" })];
    each(|root, place, field| {
        let valid = &judges.iter().find(|(name, _)| *name == root.name).unwrap().1;
        for value in &values {
            let file = with(root, place, field.name, value.clone());
            let errors = errors(root, &file);
            let at = format!("{}: {} {}: {value}", root.name, place.0, field.name);
            assert!(!errors.is_empty() || valid(&file), "the parser takes it: {at}");
            // The parser says of some mappings that nothing is none; a schema need not.
            let wrong = errors.iter().any(|error| error.code == Code::WrongKind) && !value.is_null();
            assert!(!wrong || !valid(&file), "the schema takes it: {at}: {errors:?}");
        }
    });
}

/// A value with a word that is none, and the words that there are.
fn wrong_word(shape: &Shape) -> Option<(Value, &'static [&'static str])> {
    match shape {
        Shape::Word(words) => Some((json!("qqqqqqqq"), words)),
        Shape::OneOrList(inner, _) => wrong_word(inner),
        Shape::List(inner, _) => wrong_word(inner).map(|(value, words)| (json!([value]), words)),
        Shape::Each(inner) => wrong_word(inner).map(|(value, words)| (json!({ OWN: value }), words)),
        Shape::Named(names, inner) => wrong_word(inner).map(|(value, words)| (json!({ names[0]: value }), words)),
        Shape::Either(shapes) => shapes.iter().find_map(wrong_word),
        Shape::Text
        | Shape::Plain
        | Shape::Line
        | Shape::Expression
        | Shape::Id
        | Shape::Agent
        | Shape::Flag
        | Shape::Whole(..)
        | Shape::Measure(_)
        | Shape::Kind
        | Shape::Any
        | Shape::Map(_)
        | Shape::Having(..) => None,
    }
}

#[test]
fn the_words_are_those_that_the_parser_names() {
    let mut count = 0;
    each(|root, place, field| {
        let Some((value, words)) = wrong_word(&field.shape) else { return };
        let said = problems(root, &with(root, place, field.name, value));
        let words: Vec<&str> = words.iter().copied().filter(|word| *word != "workflow_dispatch").collect();
        let words = words.join(", ");
        let told = |text: &str| {
            text.split_once(&words).is_some_and(|(_, behind)| !behind.starts_with(", ") || behind.starts_with(", not "))
        };
        let told = said.iter().any(|problem| told(&problem.message) || problem.help.as_deref().is_some_and(told));
        assert!(told, "{}: {} {}: {words}: {said:?}", root.name, place.0, field.name);
        count += 1;
    });
    assert!(count > 20, "{count}");
}

#[test]
fn the_ranges_are_those_of_the_parser() {
    each(|root, place, field| {
        let Shape::Whole(min, max) = field.shape else { return };
        for (number, fits) in [(min, true), (max, true), (min - 1, false), (max + 1, false)] {
            let errors = errors(root, &with(root, place, field.name, json!(number)));
            assert_eq!(errors.is_empty(), fits, "{} {}: {number}: {errors:?}", place.0, field.name);
        }
    });
}

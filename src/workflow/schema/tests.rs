use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use boon::{Compiler, Draft, SchemaIndex, Schemas};

use super::*;
use crate::workflow::builtin::BUILTINS;
use crate::workflow::defaults::Operator;

struct Judge {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Judge {
    fn new(root: &'static Group) -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.set_default_draft(Draft::V7);
        compiler.add_resource("file:///schema.json", schema(root, "test")).unwrap();
        let index = compiler.compile("file:///schema.json", &mut schemas).unwrap();
        Self { schemas, index }
    }

    fn says(&self, value: &Value) -> Result<(), String> {
        self.schemas.validate(value, self.index).map_err(|error| error.to_string())
    }
}

fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap()
}

/// The right examples of `docs/problems.md`.
fn right() -> Vec<String> {
    let page = include_str!("../../../docs/problems.md");
    let behind = |at: &str| at.split_once("\n```").unwrap().0.to_owned();
    page.split("Right:\n\n```yaml\n").skip(1).map(behind).collect()
}

#[test]
fn what_people_read_as_an_example_is_right() {
    let judge = Judge::new(&WORKFLOW);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".workflows-example");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let examples = paths.filter(|path| path.extension().is_some_and(|ext| ext == "yml"));
    let examples: Vec<String> = examples.map(|path| fs::read_to_string(path).unwrap()).collect();
    // The built-in workflows are among them.
    assert!(BUILTINS.iter().all(|(_, text)| examples.iter().any(|example| example == text)));
    let all: Vec<String> = examples.into_iter().chain(right()).collect();
    assert!(all.len() > 25, "{}", all.len());
    for text in all {
        if let Err(why) = judge.says(&yaml(&text)) {
            panic!("{why}\n{text}");
        }
    }
}

#[test]
fn the_first_workflow_of_the_page_is_right() {
    let page = include_str!("../../../docs/workflows.md");
    let examples = page.split("```yaml\n").skip(1).map(|at| at.split_once("\n```").unwrap().0);
    let judge = Judge::new(&WORKFLOW);
    let mut whole = 0;
    for text in examples.filter(|text| text.contains("steps:\n")) {
        whole += 1;
        if let Err(problems) = crate::workflow::parse(&"ci".parse().unwrap(), text, &Operator::default()) {
            panic!("{problems:#?}\n{text}");
        }
        assert_eq!(judge.says(&yaml(text)), Ok(()), "{text}");
    }
    assert!(whole >= 3, "{whole}");
}

#[test]
fn what_is_wrong_is_told() {
    let check = |root, text: &str| {
        let judge = Judge::new(root);
        assert!(judge.says(&yaml(text)).is_err(), "{text}");
    };
    for wrong in [
        "steps: [{ id: build, run: make, retrys: 2 }]",
        "steps: { id: build, run: make }",
        "steps: [{ id: 1st, run: make }]",
        "steps: [{ run: make }]",
        "name: CI",
        "on: pull_requests\nsteps: [{ id: build, run: make }]",
        "on: { push: { branch: main } }\nsteps: [{ id: build, run: make }]",
        "timeout: 10 minutes\nsteps: [{ id: build, run: make }]",
        "timeout: 10\nsteps: [{ id: build, run: make }]",
        "steps: [{ id: build, run: make, retries: 21 }]",
        "steps: [{ id: build, run: make, critical: yes please }]",
        "concurrency: { limit: 2 }\nsteps: [{ id: build, run: make }]",
        "steps: [{ id: test, uses: ./lib/test.yml, run: make }]",
        "resource_limits: { memory_limit: 4 }\nsteps: [{ id: build, run: make }]",
    ] {
        check(&WORKFLOW, wrong);
    }
    check(&LIBRARY, "on: push\nsteps: [{ id: build, run: make }]");
    check(&POLICY, "definition_ref: head");
    check(&POLICY, "commands: { retry: everybody }");
    check(&POLICY, "commands: { deploy: write }");
}

#[test]
fn every_mapping_is_a_definition_of_its_own() {
    for root in [&WORKFLOW, &LIBRARY, &POLICY] {
        let all = mappings(root);
        for (path, group) in &all {
            let same = all.iter().filter(|(_, other)| other.name == group.name);
            assert!(same.clone().all(|(_, other)| std::ptr::eq(*other, *group)), "{path}: {}", group.name);
            let names: Vec<&str> = group.fields().map(|field| field.name).collect();
            assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{path}: a field twice");
        }
    }
}

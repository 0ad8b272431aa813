//! A file of a repository: read as a workflow, as a file that a step uses, and as the policy. Whatever it holds, it
//! gives a plan that keeps its invariants and can be shown, or problems that name a place in it.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use pointsman::ids::WorkflowId;
use pointsman::report::plan::{dot, json, mermaid};
use pointsman::workflow::defaults::Operator;
use pointsman::workflow::problem::{PROBLEMS_MAX, Problem, Severity};
use pointsman::workflow::{Library, Workflow, parse, parse_with, policy};

fuzz_target!(|text: &str| {
    let id: WorkflowId = "fuzz".parse().expect("an id");
    match parse(&id, text, &Operator::default()) {
        Ok(workflow) => good(&workflow),
        Err(problems) => bad(&problems, text),
    }
    let used = Library::from([(".workflows/lib/fuzz.yml".to_owned(), text.to_owned())]);
    match parse_with(&id, "steps: [{ id: a, uses: ./lib/fuzz.yml }]", &Operator::default(), &used) {
        Ok(workflow) => good(&workflow),
        // Those without a file are of the step that uses it, on line 1.
        Err(problems) => bad(&problems, text),
    }
    if let Err(problems) = policy::parse(text) {
        bad(&problems, text);
    }
});

fn good(workflow: &Workflow) {
    let plan = &workflow.plan;
    assert!(!plan.steps.is_empty());
    let forecast = plan.forecast(&BTreeMap::new());
    let all: usize = forecast.waves.iter().map(|wave| wave.steps.len()).sum();
    let rollbacks = plan.steps.iter().filter(|step| step.rollback_of.is_some()).count();
    assert_eq!(all + rollbacks, plan.steps.len(), "each step stands in one wave");
    for (ix, step) in plan.steps.iter().enumerate() {
        assert!(step.needs.windows(2).all(|pair| pair[0] < pair[1]), "needs are sorted");
        for need in &step.needs {
            assert!(plan.steps[*need as usize].dependants.iter().any(|back| *back as usize == ix));
        }
    }
    let stored = plan.to_json().expect("a plan is JSON");
    let loaded = serde_json::from_str(&stored).expect("that can be read back");
    assert_eq!(*plan, loaded, "a plan survives the database");
    _ = (dot(plan, &forecast), mermaid(plan, &forecast), json(plan, &forecast).expect("a plan is JSON"));
    assert!(workflow.warnings.iter().all(|problem| problem.severity == Severity::Warning));
}

fn bad(problems: &[Problem], text: &str) {
    assert!(!problems.is_empty() && problems.len() <= PROBLEMS_MAX);
    assert!(problems.iter().any(|problem| problem.severity == Severity::Error), "something keeps it from running");
    let lines = text.lines().count().max(1) + 1;
    for problem in problems {
        assert!(problem.line >= 1 && problem.line as usize <= lines, "{problem} of {lines} lines");
        assert!(problem.column >= 1);
        assert!(!problem.to_string().chars().any(|c| c.is_control() && c != '\n'), "{problem:?}");
    }
}

use crate::workflow::defaults::Operator;
use crate::workflow::plan::Plan;
use crate::workflow::{builtin, parse};

#[expect(clippy::unwrap_in_result, reason = "the names are those of the test")]
fn parsed(text: &str) -> Result<Plan, Vec<String>> {
    let found = parse(&"mine".parse().unwrap(), text, &Operator::default());
    found.map(|workflow| workflow.plan).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn ground(id: &str) -> Plan {
    parse(&"mine".parse().unwrap(), builtin::text(id).unwrap(), &Operator::default()).unwrap().plan
}

#[test]
fn alone_it_is_the_built_in() {
    for (id, _) in builtin::BUILTINS {
        assert_eq!(parsed(&format!("uses: {id}")).unwrap(), ground(id), "{id}");
    }
}

#[test]
fn what_is_said_takes_the_place_of_what_was() {
    let plan = parsed(
        "
uses: pr_processing
name: Ours
timeout: 2h
remove: [deploy_branch]
steps:
  - { id: run_tests, agent: goose, retries: 0, dependencies: [analyze_pr] }
  - { id: announce, run: ./announce, needs: [security_audit] }
",
    )
    .unwrap();
    let under = ground("pr_processing");
    assert_eq!((plan.name.as_str(), plan.timeout.as_secs()), ("Ours", 7_200));
    let steps: Vec<_> = plan
        .steps
        .iter()
        .map(|step| {
            let needs: Vec<_> = step.needs.iter().map(|need| plan.steps[*need as usize].key.as_str()).collect();
            format!("{} {} {} <- {}", step.key, step.agent, step.retry.retries, needs.join(", "))
        })
        .collect();
    assert_eq!(
        steps,
        [
            "analyze_pr claude-code 3 <- ",
            "generate_tasks codegen 2 <- analyze_pr",
            "validate_code aider 2 <- generate_tasks",
            "run_tests goose 0 <- analyze_pr",
            "security_audit goose 2 <- validate_code, run_tests",
            "announce shell 3 <- security_audit",
        ]
    );
    // What is not said stays.
    let tests = |plan: &Plan| plan.steps.iter().find(|step| step.key.as_str() == "run_tests").unwrap().clone();
    assert_eq!(tests(&plan).action, tests(&under).action);
    assert_eq!((tests(&plan).timeout, plan.limits.clone()), (tests(&under).timeout, under.limits));
}

#[test]
fn slips_are_told() {
    let wrong = |text: &str, expected: &[&str]| assert_eq!(parsed(text).unwrap_err(), expected, "{text}");
    wrong(
        "uses: pr_procesing\nsteps: []",
        &[
            "1:7 bad-value: there is no built-in workflow pr_procesing (did you mean pr_processing?)",
            "2:8 missing-field: a workflow has at least one step (write - id: build, and run: make below id)",
        ],
    );
    wrong(
        "uses: ./lib/a.yml\nsteps: [{ id: a, run: x }]",
        &[
            "1:7 bad-value: there is no built-in workflow ./lib/a.yml (there are pr_processing, hotfix_deployment, feature_integration; a file of the library is used by a step)",
        ],
    );
    wrong(
        "uses: hotfix_deployment\nremove: [emergency_test]",
        &["2:10 unknown-need: there is no step emergency_test to remove (did you mean emergency_tests?)"],
    );
    wrong(
        "remove: [a]\nsteps: [{ id: a, run: x }]",
        &["1:1 no-effect: remove is for a file that uses a built-in workflow"],
    );
    wrong(
        "uses: hotfix_deployment\nsteps:\n  - { id: emergency_tests, tiemout: 1m }\n  - { id: deploy_production, needs: [nobody] }",
        &[
            "3:28 unknown-field: a step has no field tiemout (did you mean timeout?)",
            "4:38 unknown-need: deploy_production needs nobody, but there is no such step (there are validate_hotfix, emergency_tests)",
        ],
    );
    wrong(
        "uses: hotfix_deployment\nsteps: x",
        &["2:8 wrong-kind: steps is a list, not text (write - id: build in place of build:, and its fields below)"],
    );
}

use super::*;
use crate::workflow::builtin;

/// The text that runs here, or why it cannot.
fn told(text: &str) -> String {
    let id = "ci".parse().unwrap();
    let workflow = parse(&id, text, &Operator::default()).unwrap();
    for_pull_requests(&id, text, &workflow).unwrap_or_else(|error| format!("{error:#}"))
}

#[test]
fn only_what_starts_it_is_replaced() {
    let text = "name: CI\n# when\non:\n  push:\n    branches: [main]\n\ntimeout: 5m\nsteps: [{ id: a, run: make }]\n";
    assert_eq!(told(text), "name: CI\n# when\non: pull_request\ntimeout: 5m\nsteps: [{ id: a, run: make }]\n");
    let none = "# nobody\nsteps:\n  - { id: a, run: make }\n";
    assert_eq!(told(none), "# nobody\non: pull_request\nsteps:\n  - { id: a, run: make }\n");
    let last = "steps:\n  - { id: a, run: make }\non: [push]";
    assert_eq!(told(last), "steps:\n  - { id: a, run: make }\non: pull_request\n");
    assert!(told("{ on: push, steps: [{ id: a, run: make }] }").contains("write its `on:` on lines of its own"));
}

#[test]
fn every_built_in_can_be_run_here() {
    for (id, text) in builtin::BUILTINS {
        let id = id.parse().unwrap();
        let workflow = parse(&id, text, &Operator::default()).unwrap();
        let here = for_pull_requests(&id, text, &workflow).unwrap();
        assert_eq!(parse(&id, &here, &Operator::default()).unwrap().plan, workflow.plan);
    }
}

#[test]
fn agents_that_are_not_here_are_asked_for() {
    let (id, text) = builtin::BUILTINS[1];
    let workflow = parse(&id.parse().unwrap(), text, &Operator::default()).unwrap();
    let env = BTreeMap::from([("AIDER_ENDPOINT".to_owned(), "http://127.0.0.1:1".to_owned())]);
    let failure = missing(&workflow, &BTreeMap::new(), &env).unwrap_err();
    assert_eq!(failure.code(), 2);
    insta::assert_snapshot!(failure.text(), @r"
    error: hotfix_deployment wants agents that are not here. Say who does their steps:
      claude-code (validate_hotfix, deploy_production): --agent 'claude-code=exec:COMMAND', or CLAUDE_CODE_ENDPOINT=http://…
    `pointsman rehearse hotfix_deployment` runs nothing and needs none of them.
    ");
    let commands = BTreeMap::from([command("claude-code=exec:./agent").unwrap()]);
    assert!(missing(&workflow, &commands, &env).is_ok());
}

#[test]
fn a_wrong_agent_is_told() {
    let said = |given: &str| command(given).unwrap_err().text();
    insta::assert_snapshot!(["claude-code", "claude code=exec:x", "goose=exec", "goose=claude"].map(said).concat(), @r#"
    error: --agent claude-code: it has no =; write claude-code=exec:COMMAND
    error: --agent claude code=exec:x: agent name: has a character that is not allowed: "claude code"; write claude-code=exec:COMMAND
    error: --agent goose=exec: a command is missing; write claude-code=exec:COMMAND
    error: --agent goose=claude: unknown driver "claude": this release has exec, which runs the commands of run: steps, and exec:COMMAND; write claude-code=exec:COMMAND
    "#);
}

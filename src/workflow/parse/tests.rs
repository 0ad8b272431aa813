use std::time::Duration;

use proptest::prelude::{any, prop, prop_assert, proptest};
use serde_json::json;

use super::*;
use crate::workflow::builtin;
use crate::workflow::file::FILE_BYTES_MAX;
use crate::workflow::plan::{Approval, Kind, Resources, Step};

fn ci() -> WorkflowId {
    "ci".parse().unwrap()
}

fn try_parse(text: &str) -> Result<Workflow, Vec<Problem>> {
    parse(&ci(), text, &Operator::default())
}

#[track_caller]
fn workflow(text: &str) -> Workflow {
    try_parse(text).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// A workflow of one step with these fields.
#[track_caller]
fn step(fields: &str) -> Step {
    workflow(&format!("steps:\n  - {{ id: a, {fields} }}")).plan.steps.remove(0)
}

#[track_caller]
fn wrong(text: &str, expected: &[&str]) {
    let problems = try_parse(text).expect_err("is wrong");
    assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{text}");
}

/// As [`wrong`], for the fields of a step that stands alone on line 2 and begins in column 11.
#[track_caller]
fn wrong_step(fields: &str, expected: &[&str]) {
    wrong(&format!("steps:\n- {{ id: a, {fields} }}"), expected);
}

#[test]
fn what_is_not_said_has_a_default() {
    let Workflow { description, version, triggers, inputs, drafts, skip_markers, plan, warnings } =
        workflow("steps: [{ id: a, run: make }]");
    assert_eq!((description, version, triggers, drafts), (None, None, Triggers::default(), true));
    assert_eq!((skip_markers, warnings, inputs.is_empty()), (None, vec![], true));
    let operator = Operator::default();
    assert_eq!((plan.workflow.as_str(), plan.name.as_str()), ("ci", "ci"));
    assert_eq!((plan.timeout, plan.limits), (operator.timeout, operator.limits));
    assert_eq!((plan.parallel, plan.concurrency), (OnFailure::FailDependent, None));
    assert_eq!((plan.max_cost_micros, plan.checks), (None, Checks::EachStep));
    let step = &plan.steps[0];
    assert_eq!((step.key.as_str(), step.name.as_str(), step.agent.as_str()), ("a", "a", "shell"));
    assert_eq!((step.kind, step.timeout.as_secs(), step.retry.retries), (Kind::Other, 300, 3));
    assert_eq!((step.critical, step.parallel, step.priority, step.retry.verdicts), (true, true, 0, false));
    assert_eq!((step.stall_timeout.as_secs(), step.queue_timeout), (600, None));
    let retry = &step.retry;
    assert_eq!((retry.backoff.as_secs(), retry.factor_percent, retry.backoff_max.as_secs()), (1, 200, 300));
}

#[test]
fn everything_can_be_said() {
    let Workflow { description, version, triggers, inputs: _, drafts, skip_markers, plan, warnings } = workflow(
        "name: Everything\n\
         description: |\n  Two\n  lines\n\
         version: 1.10\n\
         id: ci\n\
         on: { pull_request: { types: [opened] }, push: { branches: [main] } }\n\
         concurrency: { group: 'g-${{ pr.number || sha }}', limit: 2, on_conflict: replace_queued }\n\
         timeout: 2h\n\
         error_handling: { parallel: fail_fast }\n\
         resource_limits: { max_concurrent_steps: 2, memory_limit: 1GB, cpu_limit: 1 core, disk_space: 99GB }\n\
         budget: { max_cost_usd: 2.5 }\n\
         notifications: { on_failure: true, channels: [slack] }\n\
         checks: failed\n\
         drafts: false\n\
         skip_markers: pass\n\
         steps: [{ id: a, run: make }]\n",
    );
    assert_eq!((description.as_deref(), version.as_deref()), (Some("Two\nlines\n"), Some("1.10")));
    assert_eq!(triggers.pull_request.unwrap().types, ["opened"]);
    assert!(triggers.push.is_some() && !drafts && warnings.is_empty());
    assert_eq!(skip_markers, Some(SkipMarkers::Pass));
    let group = plan.concurrency.unwrap();
    assert_eq!(group.group.source(), "format('g-{0}', pr.number || sha)");
    assert_eq!((group.limit, group.on_conflict), (2, OnConflict::ReplaceQueued));
    assert_eq!((plan.name.as_str(), plan.timeout.as_secs()), ("Everything", 7_200));
    assert_eq!(
        (plan.parallel, plan.checks, plan.max_cost_micros),
        (OnFailure::FailFast, Checks::Failed, Some(2_500_000))
    );
    // The operator's 20 GB are the ceiling of the disk.
    let resources = Resources { memory_bytes: 1 << 30, cpu_millis: 1_000, disk_bytes: 20 << 30 };
    assert_eq!(plan.limits, Limits { steps: 2, resources });
    assert!(plan.notifications.on_failure && !plan.notifications.on_start);
}

#[test]
fn everything_of_a_step_can_be_said() {
    let step = step(
        "name: A, type: testing, agent: aider, fallback_agents: [goose, aider], with: { x: [1, null, '${{ sha }}'] }, \
         if: pr.draft, timeout: 2m, queue_timeout: 3m, stall_timeout: 30s, retries: 5, \
         retry: { backoff: 2s, factor: 1.5, max: 1m }, parallel: false, exclusion_group: db, environment: staging, \
         approval: { from: maintain, not_author: true }, for_each: '${{ fromJSON(''[1]'') }}', max_parallel: 4, \
         critical: false, resources: { memory: 512MB, cpu: 0.5, disk: 1GB }, priority: -3",
    );
    assert_eq!((step.name.as_str(), step.kind, step.agent.as_str()), ("A", Kind::Testing, "aider"));
    assert_eq!(step.fallback_agents.iter().map(|a| a.as_str()).collect::<Vec<_>>(), ["goose"]);
    assert_eq!(step.action.with["x"], json!([1, null, "${{ sha }}"]));
    assert_eq!(step.condition.unwrap().source(), "pr.draft");
    let times = [Some(step.timeout), step.queue_timeout, Some(step.stall_timeout)];
    assert_eq!(times, [120, 180, 30].map(|s| Some(Duration::from_secs(s))));
    let retry = step.retry;
    assert_eq!((retry.retries, retry.verdicts, retry.strategy), (5, true, Strategy::RetryWithFallback));
    assert_eq!((retry.backoff.as_secs(), retry.factor_percent, retry.backoff_max.as_secs()), (2, 150, 60));
    assert!(!step.parallel && !step.critical);
    assert_eq!((step.exclusion_group.as_deref(), step.environment.as_deref()), (Some("db"), Some("staging")));
    assert_eq!(step.approval, Some(Approval { from: "maintain".to_owned(), not_author: true }));
    assert_eq!((step.for_each.unwrap().source(), step.max_parallel, step.priority), ("fromJSON('[1]')", Some(4), -3));
    let resources = Resources { memory_bytes: 512 << 20, cpu_millis: 500, disk_bytes: 1 << 30 };
    assert_eq!(step.resources, resources);
}

#[test]
fn a_command_line_has_environment_and_secrets() {
    let step = step("run: make, env: { PORT: 8080, TITLE: '${{ pr.title }}', OK: true }, secrets: [TOKEN]");
    let env: Vec<_> = step.action.env.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(env, ["OK=true", "PORT=8080", "TITLE=${{ pr.title }}"]);
    assert_eq!((step.action.run.as_deref(), step.action.secrets), (Some("make"), vec!["TOKEN".to_owned()]));
}

/// First found wins: step, file, type, agent, 300 s and 3.
#[test]
fn timeouts_and_retries_come_from_the_first_that_says_them() {
    let check = |head: &str, fields: &str, seconds: u64, retries: u32| {
        let text = format!("{head}\nsteps:\n- {{ id: a, {fields} }}");
        let step = workflow(&text).plan.steps.remove(0);
        assert_eq!((step.timeout.as_secs(), step.retry.retries), (seconds, retries), "{text}");
    };
    let file = "defaults: { timeout: 9s, retries: 4 }";
    check(file, "type: testing, agent: goose, timeout: 8s, retries: 0", 8, 0);
    check(file, "type: testing, agent: goose", 9, 4);
    check("", "type: testing, agent: goose", 600, 1);
    check("", "agent: goose", 240, 1);
    check("", "type: other, agent: goose", 240, 1);
    check("", "agent: mine", 300, 3);
    check("", "run: make", 300, 3);
    check("error_handling: { max_retries: 2 }", "run: make, retries: 9", 300, 2);
    check("error_handling: { max_retries: 2 }", "type: testing, agent: mine", 600, 1);
    check("defaults: { retry_count: 2 }", "run: make", 300, 2);
}

#[test]
fn who_does_a_step() {
    let check = |head: &str, fields: &str, agents: &[&str]| {
        let step = workflow(&format!("{head}\nsteps:\n- {{ id: a, {fields} }}")).plan.steps.remove(0);
        let seen: Vec<_> = [&step.agent].into_iter().chain(&step.fallback_agents).map(|a| a.as_str()).collect();
        assert_eq!(seen, agents, "{head} {fields}");
    };
    let head = "defaults: { agent: codegen }\nerror_handling: { fallback_agents: [goose, codegen, aider] }";
    check(head, "with: {}", &["codegen", "goose", "aider"]);
    check(head, "agent: goose", &["goose", "codegen", "aider"]);
    check(head, "agent: goose, fallback_agents: [x]", &["goose", "x"]);
    check(head, "agent: goose, fallback_agents: []", &["goose"]);
    check(head, "run: make", &["shell"]);
    check(head, "run: make, agent: big-machine, fallback_agents: [shell]", &["big-machine", "shell"]);
}

#[test]
fn strategies() {
    let check = |head: &str, strategy| {
        let plan = workflow(&format!("{head}\nsteps:\n- {{ id: a, agent: x }}")).plan;
        assert_eq!(plan.steps[0].retry.strategy, strategy, "{head}");
    };
    check("", Strategy::Retry);
    check("error_handling: { fallback_agents: [goose] }", Strategy::RetryWithFallback);
    check("error_handling: { strategy: retry_with_analysis }", Strategy::RetryWithAnalysis);
    check("error_handling: { strategy: immediate_escalation }", Strategy::ImmediateEscalation);
    let text = "error_handling: { strategy: retry, fallback_agents: [goose] }\nsteps: [{ id: a, agent: x }]";
    let warnings: Vec<_> = workflow(text).warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["1:53 warning: no-effect: the strategy retry uses no fallback agents (write strategy: \
             retry_with_fallback)"]
    );
}

#[test]
fn a_rollback_stands_behind_its_step() {
    let plan = workflow(
        "steps:\n\
         - { id: ship, name: Ship, run: ./ship, timeout: 10s, rollback: { run: ./unship, timeout: 50s } }\n\
         - { id: ask, agent: goose, needs: [ship], rollback: { with: { undo: true } } }\n",
    )
    .plan;
    let seen: Vec<_> = plan.steps.iter().map(|s| (s.key.as_str(), s.needs.clone(), s.rollback_of)).collect();
    assert_eq!(
        seen,
        [
            ("ship", vec![], None),
            ("ship.rollback", vec![0], Some(0)),
            ("ask", vec![0], None),
            ("ask.rollback", vec![2], Some(2)),
        ]
    );
    assert_eq!((plan.steps[1].name.as_str(), plan.steps[1].critical), ("Roll back Ship", false));
    assert_eq!((plan.steps[1].action.run.as_deref(), plan.steps[3].agent.as_str()), (Some("./unship"), "goose"));
    // A rollback does not happen on the way to the end.
    assert_eq!((plan.critical_path, plan.steps[0].path.as_secs()), (vec![0, 2], 250));
    wrong_step("run: x, rollback: {}", &["2:30 missing-field: the shell needs run: what shall it do?"]);
    wrong_step(
        "run: x, rollback: { run: y, needs: [a] }",
        &["2:40 unknown-field: rollback has no field needs (it has type, run, working-directory, shell, with, env, \
             secrets, agent, fallback_agents, timeout, queue_timeout, stall_timeout, retries, retry)"],
    );
}

#[test]
fn concurrency_in_actions_words() {
    let check = |text: &str, on_conflict| {
        let plan = workflow(&format!("on: pull_request\nconcurrency: {text}\nsteps: [{{ id: a, run: x }}]")).plan;
        assert_eq!(plan.concurrency.unwrap().on_conflict, on_conflict, "{text}");
    };
    check("deploy", OnConflict::Queue);
    check("{ group: deploy }", OnConflict::Queue);
    check("{ group: '${{ pr.number }}', cancel-in-progress: true }", OnConflict::ReplaceRunning);
    check("{ group: deploy, cancel-in-progress: false }", OnConflict::ReplaceQueued);
    check("{ group: deploy, on_conflict: drop_new }", OnConflict::DropNew);
    wrong(
        "on: [push, pull_request]\nconcurrency: ${{ pr.number }}\nsteps: [{ id: a, run: x }]",
        &["2:14 bad-value: the group is empty for a push, which has no pull request (write ${{ pr.number || sha }})"],
    );
    wrong(
        "concurrency: { group: '${{ steps.a.status }}', limit: 0 }\nsteps: [{ id: a, run: x }]",
        &[
            "1:28 bad-expression: there is no steps here (there are event, pr, repo, actor, sha, ref)",
            "1:55 bad-value: limit is a whole number from 1 to 100",
        ],
    );
}

#[test]
fn unknown_fields_are_told_with_what_was_meant() {
    wrong(
        "nmae: x\nsteps:\n  - id: a\n    tiemout: 10s\n    run: x\n    image: y\n",
        &[
            "1:1 unknown-field: a workflow has no field nmae (did you mean name?)",
            "4:5 unknown-field: a step has no field tiemout (did you mean timeout?)",
            "6:5 unknown-field: a step has no field image (remove it: whoever does the step brings a machine)",
        ],
    );
    wrong_step(
        "run: x, depends: [b], retry: { bakoff: 1s }",
        &[
            "2:20 unknown-field: a step has no field depends (did you mean needs?)",
            "2:43 unknown-field: retry has no field bakoff (did you mean backoff?)",
        ],
    );
}

#[test]
fn what_this_release_does_not_do_says_so() {
    let warnings = |text: &str| workflow(text).warnings.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        warnings("on: { schedule: [{ cron: '1 2 * * *' }] }\nrun-name: Of ${{ actor }}\nsteps: [{ id: a, run: x }]"),
        [
            "1:7 warning: not-yet: this release checks schedule but starts no workflow by the clock yet",
            "2:11 warning: not-yet: this release checks run-name but shows the name of the workflow",
        ]
    );
    wrong_step("run: x, container: ubuntu", &["2:20 not-yet: container is not there yet (remove it for now)"]);
}

#[test]
fn aliases_exclude_their_names() {
    wrong_step(
        "run: x, needs: [], dependencies: []",
        &["2:45 conflict: dependencies is another name of needs: use one of them"],
    );
}

#[test]
fn quantities() {
    wrong_step("run: x, timeout: 10", &["2:29 bad-value: timeout: 10 means 10 ms; write 10s or 10m"]);
    assert_eq!(step("run: x, timeout: 60000").timeout.as_secs(), 60);
    wrong_step(
        "run: x, timeout: soon",
        &["2:29 bad-value: timeout: soon is no duration; write 500ms, 90s, 10m, 1h30m or 2d"],
    );
    wrong_step(
        "run: x, timeout: ",
        &["2:27 wrong-kind: timeout has no value (write one behind the colon, or remove the field)"],
    );
    wrong_step("run: x, retries: 21", &["2:29 bad-value: retries is a whole number from 0 to 20"]);
    wrong_step("run: x, retries: 1.5", &["2:29 bad-value: retries is a whole number from 0 to 20"]);
    wrong_step("run: x, retries: many", &["2:29 wrong-kind: retries is a whole number, not text"]);
    wrong_step(
        "run: x, critical: no",
        &["2:30 wrong-kind: critical is true or false, not text (write false, without quotes)"],
    );
    wrong_step(
        "run: x, resources: { memory: 5GB }",
        &[
            "2:31 bad-value: this step alone needs more than the server allows one run, so it could never start (ask for \
         less, or the operator for more)",
        ],
    );
    wrong(
        "budget: { max_cost_usd: much }\nsteps: [{ id: a, run: x }]",
        &["1:25 bad-value: max_cost_usd: much is no amount of dollars; write 5 or 0.50"],
    );
}

#[test]
fn types() {
    let warnings = workflow("steps: [{ id: a, agent: x, type: analisys }]").warnings;
    assert_eq!(
        warnings[0].to_string(),
        "1:34 warning: unknown-type: the type analisys sets no defaults (did you mean analysis?)"
    );
}

#[test]
fn steps_that_nobody_does() {
    let help = "(write run: …, agent: …, or defaults: { agent: … })";
    wrong_step("needs: []", &[&format!("2:3 missing-field: nobody does this: there is neither run nor agent {help}")]);
    wrong_step("agent: shell", &["2:3 missing-field: the shell needs run: what shall it do?"]);
    wrong_step(
        "agent: goose, run: make",
        &["2:3 conflict: goose is told in words (with:), it runs no command line (remove agent, or put the words \
             into with)"],
    );
    wrong_step(
        "agent: goose, env: { A: b }, secrets: [C]",
        &[
            "2:31 no-effect: env is for steps with run only (what an agent shall know stands in with:, and it gets no secrets)",
            "2:50 no-effect: secrets is for steps with run only (what an agent shall know stands in with:, and it gets no secrets)",
        ],
    );
    wrong_step("run: ' '", &["2:17 bad-value: run is empty"]);
}

#[test]
fn expressions_name_what_is_there() {
    let check = |text: &str, expected: &[&str]| {
        let text = format!("steps:\n- {{ id: a, run: x }}\n- {{ id: b, run: x }}\n- {{ id: c, needs: [a], {text} }}");
        wrong(&text, expected);
    };
    check(
        "run: x, if: steps.a.status == 'success' && stesp.a",
        &["4:67 bad-expression: there is no stesp here (did you mean steps?)"],
    );
    check(
        "run: x, if: steps.b.status",
        &["4:42 bad-expression: c does not wait for b, so steps.b is empty (add it: needs: [b])"],
    );
    check("run: x, if: steps.aa.status", &["4:42 bad-expression: there is no step aa (did you mean a?)"]);
    check(
        "run: x, if: steps.c.status",
        &["4:42 bad-expression: c does not wait for c, so steps.c is empty (add it: needs: [c])"],
    );
    check(
        "run: x, if: github.ref == 'x'",
        &[
            "4:36 bad-expression: there is no github here (github.sha is sha here, github.ref is ref, github.repository is repo, \
         github.event.pull_request is pr)",
        ],
    );
    check(
        "run: x, env: { A: '${{ item }}' }",
        &["4:47 bad-expression: item is there only in the texts and the if of a step with for_each"],
    );
    check("agent: x, with: { a: [{ b: 'x ${{ 1 + 1 }}' }] }", &["4:60 bad-expression: '+' means nothing here"]);
    check(
        "run: 'echo ${{ pr.title }}'",
        &[
            "4:35 bad-expression: run holds no expressions: a title or a branch name could then run commands (put it into \
         env: and write \"$NAME\" here)",
        ],
    );
    check("run: x, if: a ==", &["4:40 bad-expression: the expression ends too early"]);
}

#[test]
fn expressions_reach_for_what_is_there() {
    let check = |condition: &str, column: u32, expected: &str| {
        let text = format!("steps:\n- {{ id: a, run: x }}\n- id: b\n  needs: [a]\n  run: x\n  if: {condition}");
        wrong(&text, &[&format!("6:{column} bad-expression: {expected}")]);
    };
    check("pr.titel", 10, "pr has no titel (did you mean title?)");
    check("pr['head'].reff", 18, "pr.head has no reff (did you mean ref?)");
    check("pr.base.fork", 15, "pr.base has no fork (it has ref, sha)");
    check("pr.title.x", 16, "one value of pr is text; it has no x");
    check("repo.name", 12, "repo is text; it has no name");
    check("steps.a.result", 15, "steps.a has no result (it has status, outputs)");
    check("steps.A.status", 13, "there is no step A (did you mean a?)");
    check("toJSON(steps)", 14, "steps are reached one by one, by their ids (write steps.<id>.outputs)");
    check("contains(steps.*.status, 'x')", 16, "steps are reached one by one, by their ids (write steps.<id>.outputs)");
    check(
        "env.PATH",
        7,
        "there is no env here (what stands in env: reaches a command as its environment: write \"$NAME\" there)",
    );
    check("startWith('x', 'y')", 7, "there is no function startWith; did you mean startsWith?");
}

/// The place is that of the slip itself where the file holds the text letter by letter, else that of the text.
#[test]
fn slips_are_told_where_they_stand() {
    let check = |value: &str, line: u32, column: u32| {
        let text = format!("steps:\n- id: a\n  agent: x\n  with:\n    k: {value}");
        wrong(
            &text,
            &[&format!(
                "{line}:{column} bad-expression: there is no x here (there are event, pr, repo, actor, sha, ref, workflow, run, steps, inputs, item, matrix)"
            )],
        );
    };
    check("${{ x }}", 5, 12);
    check("  a ${{ sha }} é ${{ pr.number || x }}", 5, 42);
    check("'${{ x }}'", 5, 13);
    check("\"a ${{x}}\"", 5, 14);
    // An escape, a doubled quote, and text over several lines: the file does not show it letter by letter.
    check("\"\\t${{ x }}\"", 5, 8);
    check("'it''s ${{ x }}'", 5, 8);
    check("|\n      ${{ x }}", 6, 7);
    check("a\n      ${{ x }}", 5, 8);
}

#[test]
fn inputs_are_declared() {
    let head = "inputs: { where: { type: choice, options: [staging, production] }, dry: { type: boolean }, who: }\n";
    let check = |condition: &str, expected: &[&str]| {
        let text = format!("{head}steps: [{{ id: a, run: x, if: \"{condition}\" }}]");
        let problems = try_parse(&text).map_or_else(|problems| problems, |workflow| workflow.warnings);
        assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{condition}");
    };
    check("inputs.where == 'STAGING' && inputs.dry == true && inputs.who != 'me'", &[]);
    check("inputs.were", &["2:38 bad-expression: there is no input were; did you mean where?"]);
    check("inputs.who.name", &["2:42 bad-expression: inputs.who is one value; it has no name"]);
    check(
        "inputs.where == 'prod'",
        &[
            "2:31 warning: never-true: this is never true: inputs.where is never prod (it is one of staging, production)",
        ],
    );
    check(
        "'production ' != inputs.where",
        &[
            "2:48 warning: never-true: this is always true: inputs.where is never production  (did you mean production?)",
        ],
    );
    check(
        "inputs.dry == 'yes'",
        &["2:31 warning: never-true: this is never true: inputs.dry is never yes (it is one of true, false)"],
    );
    check(
        "event == 'pull_requests'",
        &["2:31 warning: never-true: this is never true: event is never pull_requests (did you mean pull_request?)"],
    );
    wrong("steps: [{ id: a, run: x, if: inputs.a }]", &["1:37 bad-expression: there is no input a; none is declared"]);
    wrong(
        "on: { manual: { inputs: { a: } } }\ninputs: { b: }\nsteps: [{ id: a, run: x }]",
        &[
            "1:7 warning: not-yet: this release checks manual but starts no workflow with inputs yet",
            "2:9 conflict: inputs stand under on: manual already: use one of them",
        ],
    );
}

#[test]
fn statuses_and_outputs_are_known() {
    let check = |condition: &str, expected: &[&str]| {
        let text = format!(
            "steps:\n- {{ id: a, agent: x, outputs: {{ risk: string, areas: {{ type: list, required: false }} }} }}\n\
             - {{ id: b, agent: x, needs: [a], if: \"{condition}\" }}"
        );
        let problems = try_parse(&text).map_or_else(|problems| problems, |workflow| workflow.warnings);
        assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{condition}");
    };
    check("steps.a.status == 'failure' && steps.a.outputs.risk && steps.a.outputs.AREAS[0].x", &[]);
    check(
        "steps.a.status == 'failed'",
        &["3:39 warning: never-true: this is never true: steps.a.status is never failed (did you mean failure?)"],
    );
    check("steps.a.outputs.rsk", &["3:55 bad-expression: a declares no output rsk (did you mean risk?)"]);
}

#[test]
fn a_matrix_is_a_fan_out() {
    let plan = workflow(
        "steps:\n- id: test\n  name: Test ${{ matrix.os }}\n  run: make\n  if: matrix.os != 'mac'\n  \
         env: { OS: '${{ matrix.os }}' }\n  matrix: { os: [ubuntu, mac], max_parallel: 1 }\n  fail_fast: true\n\
         - { id: lint, run: make, strategy: { matrix: { node: [18, 20] }, max-parallel: 2, fail-fast: false } }",
    )
    .plan;
    let [test, lint] = plan.steps.as_slice() else { panic!() };
    let titles = |step: &Step| step.matrix.iter().map(|one| one.title.clone()).collect::<Vec<_>>();
    assert_eq!((test.name.as_str(), titles(test)), ("test", vec!["Test ubuntu".to_owned(), "Test mac".to_owned()]));
    assert_eq!((test.max_parallel, test.fail_fast, test.for_each.is_none()), (Some(1), true, true));
    assert_eq!((lint.name.as_str(), titles(lint)), ("lint", vec!["18".to_owned(), "20".to_owned()]));
    assert_eq!((lint.max_parallel, lint.fail_fast), (Some(2), false));
    wrong_step(
        "run: x, matrix: { os: [a] }, for_each: item, max_parallel: 2, env: { A: '${{ matrix.so }}' }",
        &[
            "2:28 conflict: matrix and for_each exclude each other",
            "2:51 bad-expression: item is there only in the texts and the if of a step with for_each",
            "2:96 bad-expression: the matrix has no so (did you mean os?)",
        ],
    );
    wrong_step(
        "run: x, fail_fast: true",
        &["2:31 no-effect: max_parallel and fail_fast mean nothing without matrix or for_each"],
    );
    wrong_step(
        "run: x, matrix: { os: [a], max_parallel: 1 }, max-parallel: 2",
        &["2:28 conflict: max_parallel or fail_fast stands twice: use one of them"],
    );
    wrong_step(
        "run: x, if: matrix.os",
        &["2:24 bad-expression: matrix is there only in the texts and the if of a step with matrix"],
    );
    wrong_step(
        "run: x, name: 'for ${{ sha }}'",
        &["2:35 bad-expression: a name is the same in every run: it sees matrix and the inputs of a used file only"],
    );
    let big: Vec<String> = (0..250).map(|i| i.to_string()).collect();
    let step = |id: &str| format!("- {{ id: {id}, run: x, matrix: {{ a: [{}] }} }}\n", big.join(","));
    let steps = ["a", "b", "c", "d", "e"].map(step).concat();
    wrong(
        &format!("steps:\n{steps}"),
        &[
            "6:3 too-large: a workflow has at most 1000 steps with its rollbacks, this one has 1250 (split it into two workflows)",
        ],
    );
}

#[test]
fn words_of_actions_are_taken() {
    let step = step(
        "run: make, continue-on-error: true, working-directory: it's/here, shell: bash, required_context: [pr.number, actor], \
         permissions: { network: [crates.io], write_paths: ['src/**'], tools: [cargo] }, outputs: [version]",
    );
    assert_eq!((step.action.run.as_deref(), step.critical), (Some("cd -- 'it'\\''s/here'\nmake"), false));
    assert_eq!(step.required_context.iter().map(Expr::source).collect::<Vec<_>>(), ["pr.number", "actor"]);
    assert_eq!(step.permissions.network, ["crates.io"]);
    assert_eq!(
        (step.permissions.write_paths, step.permissions.tools),
        (vec!["src/**".to_owned()], vec!["cargo".to_owned()])
    );
    assert_eq!(step.outputs.len(), 1);
    let plan = workflow(
        "env: { A: '1', B: '${{ sha }}' }\npermissions: { tools: [git] }\nsteps:\n- { id: a, run: x, env: { A: '2' } }\n- { id: b, agent: x, permissions: { tools: [] , network: [a] } }",
    )
    .plan;
    let env: Vec<_> = plan.steps[0].action.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!((env.join(" "), plan.steps[1].action.env.len()), ("A=2 B=${{ sha }}".to_owned(), 0));
    assert_eq!((plan.steps[0].permissions.tools.len(), plan.steps[1].permissions.tools.len()), (1, 0));
    wrong_step(
        "run: x, critical: true, continue-on-error: true",
        &["2:55 conflict: continue-on-error is another name of critical: false: use one of them"],
    );
    wrong_step(
        "run: x, working-directory: ../x",
        &["2:39 bad-value: working-directory: \"../x\" is no folder of the repository"],
    );
    wrong_step("run: x, join: one", &["2:26 bad-value: join is one of all, any, not one (did you mean any?)"]);
    wrong_step("run: x, shell: pwsh", &["2:27 bad-value: shell is one of bash, sh, not pwsh (did you mean bash?)"]);
    wrong_step("agent: x, working-directory: x", &["2:41 no-effect: working-directory is for steps with run only"]);
    wrong_step("run: x, environment: '${{ sha }}'", &["2:33 bad-expression: environment holds no expressions"]);
    wrong_step(
        "run: x, outputs: { 'a b': string, c: text }",
        &[
            "2:31 bad-id: \"a b\" is no name of an output (letters, digits, _ and -)",
            "2:49 bad-value: the type of an output is one of any, string, number, boolean, list, object, not text",
        ],
    );
    wrong(
        "env: { A: '${{ steps.a.status }}' }\nsteps: [{ id: a, run: x }]",
        &["1:16 bad-expression: there is no steps here (there are event, pr, repo, actor, sha, ref)"],
    );
}

#[test]
fn outputs_that_somebody_names_are_marked() {
    let used = |text: &str| {
        let text = format!(
            "steps:\n- {{ id: a, run: x }}\n- {{ id: b, run: x, needs: [a] }}\n- {{ id: d, run: x }}\n\
             - {{ id: c, needs: [b], agent: x, {text} }}"
        );
        workflow(&text).plan.steps.iter().map(|step| step.outputs_used).collect::<Vec<_>>()
    };
    assert_eq!(used("with: {}"), [false, false, false, false]);
    assert_eq!(used("if: steps.a.outputs.x"), [true, false, false, false]);
    assert_eq!(
        used("for_each: \"steps['b'].outputs.list\", with: { x: '${{ item.name }}' }"),
        [false, true, false, false]
    );
}

#[test]
fn ids_and_names() {
    let help = "(letters, digits, _ and -, beginning with a letter or _, at most 100)";
    for (id, shown) in [
        ("../x", "../x"),
        ("\"a\\nb\"", "a\\nb"),
        ("1a", "1a"),
        ("a.b", "a.b"),
        ("''", ""),
        ("a b", "a b"),
        ("é", "é"),
        ("1e3", "1e3"),
    ] {
        let line = format!("1:15 bad-id: \"{shown}\" is no id of a step {help}");
        wrong(&format!("steps: [{{ id: {id}, run: x }}]"), &[&line]);
    }
    assert!(try_parse(&format!("steps: [{{ id: {}, run: x }}]", "a".repeat(101))).is_err());
    wrong(
        "steps: [{ run: x }, { run: y }]",
        &[
            "1:9 missing-field: a step has no id (name it, as in id: lint)",
            "1:21 missing-field: a step has no id (name it, as in id: lint)",
        ],
    );
    wrong(
        "name: ''\nid: other\nsteps: [{ id: a, run: x, name: \"a\\nb\" }]",
        &[
            "1:7 bad-value: name is empty",
            "2:5 conflict: the id of a workflow is the name of its file, ci (rename the file, or remove id)",
            "3:32 bad-value: name is one line",
        ],
    );
    assert!(try_parse(&format!("name: {}\nsteps: [{{ id: a, run: x }}]", "n".repeat(201))).is_err());
    wrong_step(
        "run: x, env: { 'A B': 1, POINTSMAN_X: 1 }, agent: 'a b'",
        &[
            "2:27 bad-id: \"A B\" is no name of a variable (letters, digits and _)",
            "2:37 bad-id: POINTSMAN_X: names with POINTSMAN_ are the runner's own (choose another name)",
            "2:62 bad-id: agent name: has a character that is not allowed: \"a b\"",
        ],
    );
}

#[test]
fn shapes() {
    wrong(
        "[]",
        &[
            "1:1 wrong-kind: a workflow is a mapping, not a list (begin with on: and steps:, each at the start of a line)",
        ],
    );
    wrong("name: x", &["1:1 missing-field: a workflow has no steps (write steps: with a list)"]);
    wrong(
        "steps: []",
        &["1:8 missing-field: a workflow has at least one step (write - id: build, and run: make below id)"],
    );
    wrong(
        "steps: { a: { run: x } }",
        &[
            "1:8 wrong-kind: steps is a list, not a mapping (write - id: build in place of build:, and its fields below)",
        ],
    );
    wrong("steps: [x]", &["1:9 wrong-kind: a step is a mapping, not text (write - id: build, and run: make below id)"]);
    wrong("steps: [{ id: a, run: [x] }]", &["1:23 wrong-kind: run is text, not a list"]);
}

#[test]
fn sizes_have_limits() {
    let many = |n: usize| (0..n).map(|i| format!("- {{ id: s{i}, run: x }}\n")).collect::<String>();
    assert_eq!(workflow(&format!("steps:\n{}", many(1_000))).plan.steps.len(), 1_000);
    wrong(
        &format!("steps:\n{}", many(1_001)),
        &[
            "1002:3 too-large: a workflow has at most 1000 steps with its rollbacks, this one has 1001 (split it into two \
         workflows)",
        ],
    );
    let needs = |n: usize| {
        let names: Vec<_> = (0..n).map(|i| format!("s{i}")).collect();
        format!("steps:\n{}- {{ id: all, run: x, needs: [{}] }}", many(n), names.join(", "))
    };
    assert_eq!(workflow(&needs(64)).plan.steps[64].needs.len(), 64);
    let problems = try_parse(&needs(65)).expect_err("is too many");
    assert_eq!(problems[0].to_string(), "67:29 too-large: needs has at most 64 entries, not 65");
    let large = format!("# {}\nsteps: [{{ id: a, run: x }}]", "x".repeat(FILE_BYTES_MAX));
    assert_eq!(try_parse(&large).expect_err("is too large")[0].code, Code::TooLarge);
}

#[test]
fn a_flood_of_problems_is_cut_and_stays_an_error() {
    let text = format!("steps:\n{}", "- { id: a, agent: x, type: odd }\n".repeat(300));
    let problems = try_parse(&text).expect_err("ids are doubled");
    assert_eq!(problems.len(), crate::workflow::problem::PROBLEMS_MAX);
    assert!(problems.iter().any(|problem| problem.severity == crate::workflow::problem::Severity::Error));
}

/// Files of nothing but slips, as large as a file can be: guessing what was meant must not take the machine's time.
#[test]
fn guessing_is_bounded() {
    let names = |n: usize, sep: &str| (0..n).map(|i| format!("x{i}")).collect::<Vec<_>>().join(sep);
    let steps: String = (0..900).map(|i| format!("- {{ id: s{i}, run: x, needs: [{}] }}\n", names(8, ", "))).collect();
    for text in
        [format!("steps:\n{steps}"), names(7_000, ": y\n") + ": y", format!("on: {{ {}: }}", names(7_000, ": , "))]
    {
        let problems = try_parse(&text).expect_err("is all slips");
        assert_eq!(problems.len(), crate::workflow::problem::PROBLEMS_MAX);
        let last = problems.last().and_then(|problem| problem.help.as_deref()).unwrap_or_default();
        assert!(last.starts_with("and ") && last.ends_with(" more problems"), "{last}");
    }
}

/// Nothing in a file can say where an agent lives or which model it uses.
#[test]
fn endpoints_are_no_field() {
    for field in ["endpoint", "url", "model", "api_key", "image"] {
        let text = format!("steps: [{{ id: a, agent: x, {field}: http://evil }}]");
        assert_eq!(try_parse(&text).expect_err(field)[0].code, Code::UnknownField, "{field}");
    }
}

#[test]
fn paths() {
    let workflow = |id: &str| FileKind::Workflow(id.parse().unwrap());
    assert_eq!(kind_of(".workflows/ci.yml"), workflow("ci"));
    assert_eq!(kind_of(".workflows/a.b-c_1.yml"), workflow("a.b-c_1"));
    assert_eq!(kind_of(".workflows/config.yml"), FileKind::Policy);
    for other in [
        "ci.yml",
        ".workflows/sub/ci.yml",
        ".workflows/.yml",
        ".workflows/..yml",
        ".workflows/../x.yml",
        ".workflows/a b.yml",
        ".workflows/ci.yaml",
        ".workflows/README.md",
        ".workflows-example/ci.yml",
    ] {
        assert_eq!(kind_of(other), FileKind::Other, "{other}");
    }
}

#[test]
fn a_plan_has_one_form() {
    let a = "steps: [{ id: a, agent: x, with: { b: 1, a: { d: 2, c: 3 } } }]";
    let b = "# a comment\nsteps:\n  - with:\n      a: { c: 3, d: 2 }\n      b: 1\n    agent: x\n    id: a\n";
    assert_eq!(workflow(a).plan.to_json().unwrap(), workflow(b).plan.to_json().unwrap());
    for (id, text) in builtin::BUILTINS {
        let plan = parse(&id.parse().unwrap(), text, &Operator::default()).unwrap().plan;
        let json = plan.to_json().unwrap();
        let again: Plan = serde_json::from_str(&json).unwrap();
        assert_eq!(again.to_json().unwrap(), json);
        assert_eq!(again, plan);
    }
}

proptest! {
    /// Files that are nearly right: a built-in with some of its text cut out, doubled or replaced.
    #[test]
    fn damaged_files_never_panic(
        file in 0_usize..3,
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..40, "[ \\n:{}\\[\\]&*!'\"a-z${-]{0,6}"), 1..6),
    ) {
        let mut text = builtin::BUILTINS[file].1.to_owned();
        for (at, length, put) in cuts {
            let at = at.index(text.len());
            let end = (at + length).min(text.len());
            if text.is_char_boundary(at) && text.is_char_boundary(end) {
                text.replace_range(at..end, &put);
            }
        }
        if let Err(problems) = try_parse(&text) {
            let lines = u32::try_from(text.lines().count()).unwrap() + 1;
            prop_assert!(!problems.is_empty());
            prop_assert!(problems.iter().all(|p| p.line >= 1 && p.line <= lines && p.column >= 1), "{:?}", problems);
            prop_assert!(problems.is_sorted_by_key(|p| (p.line, p.column)));
        }
    }
}

use std::fmt::Write;

use super::*;
use crate::workflow::plan::Plan;
use crate::workflow::problem::Problem;
use crate::workflow::{Workflow, parse_with};

fn library(files: &[(&str, &str)]) -> Library {
    files.iter().map(|(name, text)| (format!("{LIBRARY}{name}.yml"), (*text).to_owned())).collect()
}

#[expect(clippy::unwrap_in_result, reason = "the names are those of the test")]
fn try_parse(text: &str, files: &[(&str, &str)]) -> Result<Workflow, Vec<Problem>> {
    parse_with(&"ci".parse().unwrap(), text, &Operator::default(), &library(files))
}

#[track_caller]
fn plan(text: &str, files: &[(&str, &str)]) -> Plan {
    try_parse(text, files).unwrap_or_else(|problems| panic!("{problems:#?}")).plan
}

#[track_caller]
fn wrong(text: &str, files: &[(&str, &str)], expected: &[&str]) {
    let problems = try_parse(text, files).expect_err("is wrong");
    assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{text}");
}

/// Each step with what it needs, when it runs, and what its agent is told.
fn shown(plan: &Plan) -> String {
    let mut text = String::new();
    for step in &plan.steps {
        let needs: Vec<_> = step.needs.iter().map(|need| plan.steps[*need as usize].key.as_str()).collect();
        write!(text, "{} ({}) <- {}", step.key, step.name, needs.join(", ")).unwrap();
        if let Some(condition) = &step.condition {
            write!(text, " if {}", condition.source()).unwrap();
        }
        for (name, value) in &step.action.with {
            write!(text, " | {name}: {value}").unwrap();
        }
        for (name, value) in &step.action.env {
            write!(text, " | ${name}={value}").unwrap();
        }
        writeln!(
            text,
            "{}{}",
            if step.critical { "" } else { " optional" },
            if step.outputs_used { " kept" } else { "" }
        )
        .unwrap();
    }
    text
}

const TEST: (&str, &str) = (
    "test",
    "
inputs:
  where: { type: choice, options: [staging, production] }
  depth: { type: number, default: 2 }
  title: {}
outputs:
  report: ${{ steps.run.outputs.report }}
  both: { value: \"${{ format('{0}-{1}', steps.run.outputs.report, inputs.depth) }}\", description: Two in one }
steps:
  - { id: look, agent: goose, with: { at: '${{ inputs.where }}', deep: '${{ inputs.depth }}' } }
  - { id: run, needs: [look], run: make, if: steps.look.status != 'skipped', env: { TITLE: 'on ${{ inputs.where }}: ${{ inputs.title }}' } }
  - { id: side, name: 'Side of ${{ inputs.where }}', needs: [look], run: make side, rollback: { run: make clean } }
",
);

#[test]
fn a_file_is_put_in_the_place_of_a_step() {
    let text = "
steps:
  - { id: build, run: make }
  - id: test
    uses: ./lib/test.yml
    needs: [build]
    if: pr.draft == false
    with: { where: staging, title: '${{ steps.build.outputs.title }}' }
  - { id: ship, needs: [test], agent: codegen, with: { report: '${{ steps.test.outputs.both }}' } }
";
    insta::assert_snapshot!(shown(&plan(text, &[TEST])), @r#"
    build (build) <-  kept
    test.look (test.look) <- build if pr.draft == false | at: "staging" | deep: "${{ 2 }}" kept
    test.run (test.run) <- test.look if pr.draft == false && steps['test.look'].status != 'skipped' | $TITLE=on staging: ${{ steps.build.outputs.title }} kept
    test.side (Side of staging) <- test.look if pr.draft == false
    test.side.rollback (Roll back Side of staging) <- test.side optional
    ship (ship) <- test.run, test.side | report: "${{ format('{0}-{1}', steps['test.run'].outputs.report, 2) }}"
    "#);
}

#[test]
fn files_use_files() {
    let outer = (
        "outer",
        "
inputs: { site: { required: true } }
outputs: { done: '${{ steps.in.outputs.report }}' }
steps:
  - { id: in, uses: ./lib/test.yml, with: { where: production, title: 'at ${{ inputs.site }}' } }
  - { id: after, needs: [in], agent: goose, with: { said: '${{ steps.in.outputs.report }}' } }
",
    );
    let text = "
steps:
  - { id: all, name: Everything, uses: ./lib/outer.yml, with: { site: 7 }, continue-on-error: true }
  - { id: last, needs: [all], run: echo, env: { R: '${{ steps.all.outputs.done }}' } }
";
    insta::assert_snapshot!(shown(&plan(text, &[TEST, outer])), @r#"
    all.in.look (Everything / in.look) <-  | at: "production" | deep: "${{ 2 }}" optional kept
    all.in.run (Everything / in.run) <- all.in.look if steps['all.in.look'].status != 'skipped' | $TITLE=on production: ${{ format('at {0}', '7') }} optional kept
    all.in.side (Everything / Side of production) <- all.in.look optional
    all.in.side.rollback (Everything / Roll back Side of production) <- all.in.side optional
    all.after (Everything / after) <- all.in.run, all.in.side | said: "${{ steps['all.in.run'].outputs.report }}" optional
    last (last) <- all.after | $R=${{ steps['all.in.run'].outputs.report }}
    "#);
}

/// The using step's own fields, its inputs, and what others say of it.
#[test]
fn slips_are_told() {
    wrong(
        "steps:\n- { id: t, uses: ./lib/test.yml, run: x }\n- { id: u, uses: ./lib/tset.yml, needs: [v] }\n- { id: v, uses: actions/checkout@v4 }\n- { id: w, uses: pr_processing }",
        &[TEST],
        &[
            "2:34 unknown-field: a step that uses a file has no field run (it has uses, with, id, name, needs, if, continue-on-error, critical)",
            "3:18 bad-value: there is no file .workflows/lib/tset.yml (did you mean .workflows/lib/test.yml?)",
            "4:18 bad-value: actions/checkout@v4 is no file that a step can use (write ./lib/NAME.yml for .workflows/lib/NAME.yml; Actions of GitHub do not run here)",
            "5:18 bad-value: pr_processing is no file that a step can use (write uses: pr_processing at the top of the file, or ./lib/NAME.yml here)",
        ],
    );
    wrong(
        "steps:\n- { id: t, uses: ./lib/test.yml, with: { were: x, where: there, title: '${{ steps.u.outputs.x }}' }, if: always() }",
        &[TEST],
        &[
            "2:42 unknown-field: there is no input were; did you mean where?",
            "2:58 bad-value: where is one of staging, production, not there",
            "2:83 bad-expression: there is no step u",
            "2:106 bad-expression: the if of a file cannot ask for failures: each of its steps would answer for itself (write it into the steps of the file)",
        ],
    );
    let needs = |rest: &str| {
        format!(
            "steps:\n- {{ id: t, uses: ./lib/test.yml }}\n- {{ id: u, run: x, needs: [t], env: {{ A: '${{{{ steps.t.{rest} }}}}' }} }}"
        )
    };
    wrong(
        &needs("outputs.rep"),
        &[TEST],
        &["3:63 bad-expression: the file that t uses declares no output rep (it declares both, report)"],
    );
    wrong(
        &needs("status"),
        &[TEST],
        &["3:53 bad-expression: t uses a file; only its outputs are seen, one by one (write steps.t.outputs.<name>)"],
    );
    wrong(
        "steps:\n- { id: t, uses: ./lib/test.yml }\n- { id: t, run: x }\n- { id: u, uses: ./lib/needy.yml }",
        &[TEST, ("needy", "inputs: { a: { required: true } }\nsteps: [{ id: a, run: x }]")],
        &[
            "3:3 duplicate-id: there is already a step t, which uses a file (give one of them another id)",
            "4:3 missing-field: the input a is missing",
        ],
    );
}

#[test]
fn inputs_of_a_file_are_reached_one_by_one() {
    let file = ("all", "inputs: { a: }\nsteps: [{ id: x, agent: goose, with: { t: '${{ toJSON(inputs) }}' } }]");
    let help = "(write inputs.<name>)";
    wrong(
        "steps: [{ id: t, uses: ./lib/all.yml }]",
        &[file],
        &[&format!(
            ".workflows/lib/all.yml:2:55 bad-expression: in a file of the library inputs are reached one by one, by their names {help}"
        )],
    );
}

/// Problems in a used file name it, and are told once however often it is used.
#[test]
fn problems_of_a_used_file_name_it() {
    let bad = (
        "bad",
        "on: push\ninputs: { a: }\nsteps:\n  - { id: x, run: y, tiemout: 1s }\n  - { id: z, needs: [w], run: y, if: inputs.b }\noutputs: { o: '${{ steps.q.outputs.x }}' }",
    );
    let text = "steps:\n- { id: t, uses: ./lib/bad.yml }\n- { id: u, uses: ./lib/bad.yml }";
    let file = ".workflows/lib/bad.yml";
    wrong(
        text,
        &[bad],
        &[
            &format!(
                "{file}:1:5 conflict: a file of the library is started by no event: it has no on (move the file to .workflows/, or remove on)"
            ),
            &format!("{file}:4:22 unknown-field: a step has no field tiemout (did you mean timeout?)"),
            &format!("{file}:5:22 unknown-need: t.z needs t.w, but there is no such step (did you mean t.x?)"),
            &format!("{file}:5:22 unknown-need: u.z needs u.w, but there is no such step (did you mean u.x?)"),
            &format!("{file}:5:45 bad-expression: there is no input b; did you mean a?"),
            &format!("{file}:6:26 bad-expression: there is no step q (did you mean x?)"),
        ],
    );
    wrong(
        "steps: [{ id: t, uses: ./lib/no.yml }]",
        &[("no", "steps: &x []")],
        &[".workflows/lib/no.yml:1:8 not-plain: anchors and aliases are not used here (write it out)"],
    );
    wrong(
        "steps: [{ id: t, uses: ./lib/no.yml }]",
        &[("no", "name: x")],
        &[".workflows/lib/no.yml:1:1 missing-field: a file of the library has no steps"],
    );
}

#[test]
fn circles_are_told_with_their_way() {
    let a = ("a", "steps: [{ id: x, uses: ./lib/b.yml }]");
    let b = ("b", "steps: [{ id: x, uses: ./lib/a.yml }]");
    wrong(
        "steps: [{ id: t, uses: ./lib/a.yml }]",
        &[a, b],
        &[
            ".workflows/lib/b.yml:1:24 circle: Circular dependency detected: lib/a.yml -> lib/b.yml -> lib/a.yml (take one of these uses away)",
        ],
    );
}

/// What little text can make of itself is bounded.
#[test]
fn sizes_have_limits() {
    let chain: Vec<(String, String)> = (0..6)
        .map(|at| (format!("f{at}"), format!("steps: [{{ id: x, uses: ./lib/f{}.yml }}]", at + 1)))
        .chain([("f6".to_owned(), "steps: [{ id: x, run: y }]".to_owned())])
        .collect();
    let chain: Vec<(&str, &str)> = chain.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let limit = "too-large: files may use files 4 deep, and 100 times in one workflow";
    wrong("steps: [{ id: t, uses: ./lib/f0.yml }]", &chain, &[&format!(".workflows/lib/f3.yml:1:24 {limit}")]);
    assert_eq!(plan("steps: [{ id: t, uses: ./lib/f3.yml }]", &chain).steps[0].key.as_str(), "t.x.x.x.x");
    // Each of four files uses the next a hundred times: a hundred million steps.
    let many = |next: &str| (0..100).map(|i| format!("- {{ id: s{i}, uses: ./lib/{next}.yml }}\n")).collect::<String>();
    let bomb: Vec<(String, String)> =
        (0..4).map(|at| (format!("b{at}"), format!("steps:\n{}", many(&format!("b{}", at + 1))))).collect();
    let mut bomb: Vec<(&str, &str)> = bomb.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    bomb.push(("b4", "steps: [{ id: x, run: y }]"));
    // Whoever built them all would never come back from this.
    let problems = try_parse(&format!("steps:\n{}", many("b0")), &bomb).unwrap_err();
    assert!(problems.iter().any(|problem| problem.message.contains("100 times")), "{problems:#?}");
    let large: String = (0..600).map(|i| format!("- {{ id: s{i}, run: x }}\n")).collect();
    let text = "steps:\n- { id: t, uses: ./lib/large.yml }\n- { id: u, uses: ./lib/large.yml }";
    let problems = try_parse(text, &[("large", &format!("steps:\n{large}"))]).unwrap_err();
    assert!(problems[0].message.starts_with("a workflow has at most 1000 steps with its rollbacks, this one has 1200"));
    let long = "x".repeat(60);
    let text = format!("steps: [{{ id: {long}, uses: ./lib/long.yml }}]");
    let file = format!("steps: [{{ id: {long}, run: x }}]");
    let problems = try_parse(&text, &[("long", &file)]).unwrap_err();
    assert!(
        problems[0].to_string().ends_with("is too long for an id (at most 115 letters: shorten one)"),
        "{problems:?}"
    );
}

/// What looks like an expression in a value stays text: it is not read a second time.
#[test]
fn values_are_not_read_again() {
    let file = ("say", "inputs: { a: }\nsteps: [{ id: x, agent: goose, with: { t: 'so ${{ inputs.a }}!' } }]");
    let text = "steps: [{ id: t, uses: ./lib/say.yml, with: { a: \"${{ format('{0}{1}', '$', '{{ actor }}') }}\" } }]";
    let told = plan(text, &[file]).steps[0].action.with["t"].clone();
    assert_eq!(told, "so ${{ format('{0}{1}', '$', '{{ actor }}') }}!");
}

#[test]
fn paths() {
    for path in [".workflows/lib/a.yml", ".workflows/lib/a.b-c_1.yml"] {
        assert!(is_library(path), "{path}");
    }
    for path in
        [".workflows/a.yml", ".workflows/lib/.a.yml", ".workflows/lib/x/a.yml", ".workflows/lib/a.yaml", "lib/a.yml"]
    {
        assert!(!is_library(path), "{path}");
    }
}

use std::fmt::Write;

use super::*;
use crate::workflow::plan::Plan;
use crate::workflow::problem::Problem;
use crate::workflow::{Workflow, parse_with};

fn library(files: &[(&str, &str)]) -> Library {
    files.iter().map(|(name, text)| (format!("{LIBRARY}{name}.yml"), (*text).to_owned())).collect()
}

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
    insta::assert_snapshot!(shown(&plan(text, &[TEST])), @"");
}

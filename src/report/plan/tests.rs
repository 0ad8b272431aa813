//! `UPDATE_GOLDEN=1 cargo test report::plan` writes `tests/golden/plan` anew; look at the difference.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::*;
use crate::workflow::defaults::Operator;
use crate::workflow::parse;

const WIDE: Paper = Paper { width: 110, colours: false };

fn plan(id: &str, text: &str) -> (Plan, Forecast) {
    let workflow = parse(&id.parse().unwrap(), text, &Operator::default());
    let workflow = workflow.unwrap_or_else(|problems| panic!("{id}: {problems:#?}"));
    assert_eq!(workflow.warnings, [], "{id}");
    let forecast = workflow.plan.forecast(&BTreeMap::new());
    (workflow.plan, forecast)
}

fn example(id: &str) -> (Plan, Forecast) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!(".workflows-example/{id}.yml"));
    plan(id, &fs::read_to_string(path).unwrap())
}

/// Compares a form of a plan with the file of this name, or writes that.
fn golden(name: &str, form: &str, differ: &mut Vec<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/plan").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, form).unwrap();
    } else if fs::read_to_string(&path).ok().as_deref() != Some(form) {
        differ.push(format!("{name}:\n{form}"));
    }
}

/// Each example is told as its golden plan says, so that readers see what a file means.
#[test]
fn the_examples_plan_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".workflows-example");
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut ids: Vec<String> = names.filter_map(|name| name.strip_suffix(".yml").map(str::to_owned)).collect();
    ids.sort();
    assert!(ids.len() >= 7, "examples are missing: {ids:?}");
    let mut differ = Vec::new();
    for id in ids {
        let (plan, forecast) = example(&id);
        golden(&format!("{id}.txt"), &table(&plan, &forecast, WIDE), &mut differ);
    }
    assert!(differ.is_empty(), "these plan otherwise now:\n{}", differ.join("\n"));
}

#[test]
fn every_form_is_as_written() {
    let mut differ = Vec::new();
    for id in ["deploy", "packages"] {
        let (plan, forecast) = example(id);
        golden(&format!("{id}.mmd"), &mermaid(&plan, &forecast), &mut differ);
        golden(&format!("{id}.dot"), &dot(&plan, &forecast), &mut differ);
        golden(&format!("{id}.svg"), &svg(&plan, &forecast), &mut differ);
        golden(&format!("{id}.json"), &json(&plan, &forecast).unwrap(), &mut differ);
    }
    assert!(differ.is_empty(), "these look otherwise now:\n{}", differ.join("\n"));
}

use serde_json::json;

use super::*;
use crate::workflow::file;

const INPUTS: &str = "
who: { description: Whom to greet, required: true }
times: { type: number, default: 2 }
loud: { type: boolean }
where: { type: choice, options: [staging, production], default: staging }
site: { type: environment }
version: { default: 1.10 }
";

fn read(yaml: &str) -> (Inputs, Vec<String>) {
    let mut problems = Problems::default();
    let inputs = Inputs::read(&file::read(yaml).unwrap(), &mut problems);
    (inputs, problems.sorted().iter().map(ToString::to_string).collect())
}

#[expect(clippy::unwrap_in_result, reason = "the names are those of the test")]
fn given(values: &Value) -> Result<Value, Vec<String>> {
    let (inputs, problems) = read(INPUTS);
    assert_eq!(problems, Vec::<String>::new());
    inputs.check(&serde_json::from_value(values.clone()).unwrap()).map(|values| json!(values))
}

#[test]
fn what_is_given_is_typed() {
    assert_eq!(
        given(&json!({ "who": "you" })),
        Ok(json!({
            "who": "you", "times": 2, "loud": false, "where": "staging", "site": null, "version": "1.10",
        }))
    );
    assert_eq!(
        given(&json!({ "WHO": "you", "times": "-2.5", "loud": "true", "where": "production", "site": "eu" })),
        Ok(json!({
            "who": "you", "times": -2.5, "loud": true, "where": "production", "site": "eu", "version": "1.10",
        }))
    );
}

#[test]
fn what_is_wrong_is_told_at_once() {
    assert_eq!(
        given(&json!({ "wo": 1, "times": "inf", "loud": "yes", "where": "prodution", "site": " ", "version": [1] })),
        Err(vec![
            "there is no input wo; did you mean who?".to_owned(),
            "who is missing".to_owned(),
            "times is a number, not inf".to_owned(),
            "loud is true or false, not yes".to_owned(),
            "where is one of staging, production, not prodution; did you mean production?".to_owned(),
            "site is the name of an environment".to_owned(),
            "version takes text, a number, or true or false".to_owned(),
        ])
    );
    assert_eq!(given(&json!({ "who": "x".repeat(8_193) })), Err(vec!["who has at most 8192 bytes".to_owned()]));
    let none = Inputs::default().check(&BTreeMap::from([("a".to_owned(), json!(1))]));
    assert_eq!(none, Err(vec!["there is no input a; none is declared".to_owned()]));
}

/// An event gives nothing, and must not fail for it.
#[test]
fn without_a_person_there_are_defaults() {
    let (inputs, _) = read(INPUTS);
    let expected =
        json!({ "who": null, "times": 2, "loud": false, "where": "staging", "site": null, "version": "1.10" });
    assert_eq!(json!(inputs.defaults()), expected);
}

#[test]
fn slips_are_told() {
    let check = |yaml: &str, expected: &[&str]| assert_eq!(read(yaml).1, expected, "{yaml}");
    check("[a]", &["1:1 wrong-kind: inputs is a mapping, not a list"]);
    check(
        "a: { type: text, defualt: x }",
        &[
            "1:12 bad-value: type is one of string, number, boolean, choice, environment, not text",
            "1:18 unknown-field: an input has no field defualt (did you mean default?)",
        ],
    );
    check(
        "a: { type: choice }",
        &["1:4 missing-field: the choice a has no options (write options: [staging, production])"],
    );
    check("a: { options: [b] }", &["1:15 no-effect: options are for an input of type choice only"]);
    check(
        "a: { type: choice, options: [b, c], default: d }",
        &["1:46 bad-value: default: a is one of b, c, not d; did you mean b?"],
    );
    check("a: { type: boolean, default: maybe }", &["1:30 bad-value: default: a is true or false, not maybe"]);
    check(
        "{ 'a b': {}, a: , A: }",
        &[
            "1:3 bad-id: \"a b\" is no name of an input (letters, digits, _ and -, beginning with a letter or _, at most 100)",
            "1:19 duplicate-key: there is already an input A: case does not count",
        ],
    );
    let many: String = (0..26).map(|i| format!("a{i}: {{}}\n")).collect();
    check(&many, &["1:1 too-large: inputs has at most 25 entries"]);
}

//! What tasks mean.

use serde_json::{Value, json};

use crate::agents::a2a::TaskSnapshot;
use crate::agents::{Class, Conclusion, Failure, Kind, Outcome, StepResult};
use crate::time::Timestamp;

fn task(value: Value) -> TaskSnapshot {
    serde_json::from_value(value).unwrap()
}

fn done(data: Value) -> TaskSnapshot {
    task(json!({
        "id": "t", "contextId": "c", "status": { "state": "TASK_STATE_COMPLETED" }, "history": [{ "filename": "" }],
        "artifacts": [{ "artifactId": "1", "name": "result", "parts": [{ "data": data, "filename": "" }] }],
    }))
}

fn result(task: &TaskSnapshot) -> StepResult {
    match Outcome::of(task, Kind::Command) {
        Outcome::Ended(result) => *result,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_result_is_read_whole() {
    let found = result(&done(json!({
        "schema": "step-result/v1", "conclusion": "neutral", "summary": "fine", "base_sha": "x", "denied": [],
        "outputs": { "n": 1.0, "areas": ["a"] },
        "annotations": [{ "path": "a/b.rs", "start_line": "3", "end_line": 4.0, "level": "warning", "message": "m" }],
        "usage": { "input_tokens": "9007199254740993", "output_tokens": 20.0, "cost_usd": 0.0123, "turns": 3.0 },
        "session": "s", "agent": { "name": "claude", "version": "2", "model": "m" }, "exit": { "code": "0" },
    })));
    assert_eq!((found.conclusion, found.summary.as_str(), &found.error), (Conclusion::Neutral, "fine", &None));
    assert_eq!(found.outputs["areas"], json!(["a"]));
    assert_eq!((found.annotations[0].start_line, found.annotations[0].end_line), (3, 4));
    let usage = (found.usage.input_tokens, found.usage.output_tokens, found.usage.cost_micros);
    assert_eq!(usage, (Some(9_007_199_254_740_993), Some(20), Some(12_300)));
    // What the runner writes is what the dispatcher reads.
    let again = TaskSnapshot { artifacts: vec![found.artifact()], ..done(json!({})) };
    assert_eq!(result(&again), found);
}

#[test]
fn whatever_is_wrong_is_bad_output() {
    let check = |data: Value, why: &str| {
        let error = result(&done(data)).error.unwrap_or_else(|| panic!("{why}"));
        assert_eq!(error.class, Class::BadOutput);
        assert!(error.message.contains(why), "{}", error.message);
    };
    let with = |name: &str, value: Value| json!({ "conclusion": "success", name: value });
    check(json!({}), "no conclusion");
    check(json!("success"), "no conclusion");
    check(json!({ "conclusion": "skipped" }), "unknown variant");
    check(with("summary", json!("x".repeat(61_441))), "summary has 61441 bytes");
    check(with("log_tail", json!("x".repeat(70_000))), "log_tail");
    check(with("outputs", json!({ "a": "x".repeat(16_400) })), "outputs has");
    check(with("outputs", json!({ "a b": 1 })), "no name for an output");
    check(
        with("outputs", json!((0..101).map(|n| (n.to_string(), n)).collect::<std::collections::BTreeMap<_, _>>())),
        "101 outputs",
    );
    check(with("error", json!({ "kind": "sad" })), "unknown error kind sad");
    check(with("error", json!({ "kind": "overloaded", "retry_after_s": "999999" })), "longer than a day");
    check(with("usage", json!({ "cost_usd": -1 })), "not an amount");
    check(with("usage", json!({ "input_tokens": 1.5 })), "not a whole number");
    check(with("agent", json!({ "name": "x".repeat(300) })), "agent has 300 bytes");
    let annotation = |change: (&str, Value)| {
        let mut one = json!({ "path": "a", "start_line": 1, "end_line": 1, "message": "m" });
        one[change.0] = change.1;
        with("annotations", json!([one]))
    };
    for path in ["/etc/passwd", "../x", "a/../../x", "a//b", "", "a\nb", "./a"] {
        check(annotation(("path", json!(path))), "no path within the repository");
    }
    check(annotation(("start_line", json!(0))), "in no order");
    check(annotation(("start_line", json!(2))), "in no order");
    check(annotation(("message", json!("x".repeat(5_000)))), "annotation.message");
    check(annotation(("level", json!("fatal"))), "unknown variant");
    let mut many = done(json!({ "conclusion": "success" }));
    many.artifacts = vec![many.artifacts[0].clone(); 65];
    assert!(result(&many).error.unwrap().message.contains("65 artifacts"));
    let mut bare = done(json!({}));
    bare.artifacts[0].parts.clear();
    assert!(result(&bare).error.unwrap().message.contains("holds no data"));
}

#[test]
fn states_become_outcomes() {
    let of = |state: &str, words: &str, kind| {
        let message = json!({ "role": "ROLE_AGENT", "parts": [{ "text": words }] });
        let status = json!({ "state": state, "message": message, "timestamp": "2026-11-22T06:08:17.793290Z" });
        Outcome::of(&task(json!({ "id": "t", "status": status })), kind)
    };
    let error = |outcome| match outcome {
        Outcome::Ended(result) | Outcome::Canceled(result) => {
            assert_eq!(result.conclusion, Conclusion::Failure);
            result.error.unwrap()
        }
        other => panic!("{other:?}"),
    };
    let at = Some(Timestamp(1_795_327_697_793_290));
    for state in ["TASK_STATE_SUBMITTED", "TASK_STATE_WORKING", "TASK_STATE_NEW_IN_1_1"] {
        assert_eq!(of(state, "cloning", Kind::Edit), Outcome::Working { text: "cloning".into(), at });
    }
    for state in ["TASK_STATE_INPUT_REQUIRED", "TASK_STATE_AUTH_REQUIRED"] {
        assert_eq!(of(state, "which?", Kind::Edit), Outcome::InputRequired { question: "which?".into() });
    }
    assert_eq!(
        error(of("TASK_STATE_FAILED", "boom", Kind::Edit)),
        Failure::new(Class::Crash, "the agent failed: boom")
    );
    assert_eq!(error(of("TASK_STATE_REJECTED", "", Kind::Edit)), Failure::new(Class::Policy, "the agent declined"));
    assert!(matches!(of("TASK_STATE_CANCELED", "", Kind::Edit), Outcome::Canceled(_)));
    // Plain agents may review; a verdict needs evidence.
    let Outcome::Ended(plain) = of("TASK_STATE_COMPLETED", "looks good", Kind::Review) else { panic!("not ended") };
    assert_eq!((plain.conclusion, plain.summary.as_str()), (Conclusion::Success, "looks good"));
    for kind in [Kind::Edit, Kind::Test, Kind::Command] {
        assert_eq!(error(of("TASK_STATE_COMPLETED", "looks good", kind)).class, Class::BadOutput);
    }
    assert_eq!(error(of("TASK_STATE_COMPLETED", " ", Kind::Review)).class, Class::BadOutput);
}

#[test]
fn a_named_trouble_wins_over_the_state() {
    let check = |state: &str, kind: &str, class: Class| {
        let mut task =
            done(json!({ "conclusion": "success", "error": { "kind": kind, "retry_after_s": 30.0, "message": "m" } }));
        task.status.state = serde_json::from_value(json!(state)).unwrap();
        let found = result(&task);
        let expected = Failure { class, retry_after_s: Some(30), message: "m".to_owned() };
        assert_eq!((found.conclusion, found.error), (Conclusion::Failure, Some(expected)), "{state} {kind}");
    };
    check("TASK_STATE_COMPLETED", "auth", Class::Auth);
    check("TASK_STATE_FAILED", "rate_limit", Class::RateLimit);
    check("TASK_STATE_REJECTED", "overloaded", Class::Overloaded);
    check("TASK_STATE_FAILED", "turns", Class::BadOutput);
    check("TASK_STATE_FAILED", "invalid", Class::BadOutput);
    check("TASK_STATE_FAILED", "budget", Class::Budget);
}

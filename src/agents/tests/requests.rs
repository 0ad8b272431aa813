//! The request on the wire.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::agents::a2a::Message;
use crate::agents::{Checkout, Command, Kind, Limits, Policy, Push, Repo, Step, StepRequest, Trust};
use crate::ids::{AttemptId, CommitSha};

pub(super) const SHA: &str = "0123456789012345678901234567890123456789";

pub(super) fn request() -> StepRequest {
    let attempt: AttemptId = "r_7_00000000000000000000000000000001.validate.a2".parse().unwrap();
    let sha: CommitSha = SHA.parse().unwrap();
    let step = Step {
        workflow: "pr_processing".parse().unwrap(),
        steps: 9,
        kind: Kind::Review,
        repo: Repo {
            full_name: "o/r".parse().unwrap(),
            clone_url: "https://github.com/o/r".to_owned(),
            base_sha: Some(sha.clone()),
            head_sha: sha,
            trust: Trust::Fork,
        },
        checkout: Some(Checkout::Bundle {
            url: "https://engine.example/agents/bundles/1".parse().unwrap(),
            sha256: "ab".repeat(32),
        }),
        command: Some(Command { run: "make".to_owned(), env: BTreeMap::new(), secrets: Vec::new() }),
        with: BTreeMap::from([("depth".to_owned(), json!("deep"))]),
        inputs: json!({ "from": { "analyze": { "summary": "…" } } }).as_object().unwrap().clone(),
        untrusted: BTreeMap::from([("pr_title".to_owned(), "x".to_owned())]),
        limits: Limits {
            deadline: Some("2026-11-22T07:00:00Z".to_owned()),
            max_cost_micros: Some(2_000_000),
            max_turns: Some(40),
            max_patch_bytes: Some(9_007_199_254_740_993),
            ..Limits::default()
        },
        policy: Policy { network: vec!["api.anthropic.com".to_owned()], ..Policy::default() },
        want: vec!["result".to_owned(), "patch".to_owned()],
    };
    let push = Push { url: "https://engine.example/agents/callback".parse().unwrap(), token: "tok-123".into() };
    StepRequest { attempt, text: "Review the diff".to_owned(), step, push: Some(push) }
}

#[test]
fn the_request_is_the_one_of_the_contract() {
    let params = serde_json::to_value(request().params()).unwrap();
    let context = "r_7_00000000000000000000000000000001.validate.a2";
    let data = json!({
        "schema": "step/v1", "run": "r_7_00000000000000000000000000000001", "step": "validate", "attempt": "2",
        "fence": context, "workflow": "pr_processing", "steps": "9", "kind": "review",
        "repo": { "full_name": "o/r", "clone_url": "https://github.com/o/r", "base_sha": SHA, "head_sha": SHA, "trust": "fork" },
        "checkout": { "mode": "bundle", "url": "https://engine.example/agents/bundles/1", "sha256": "ab".repeat(32) },
        "command": { "run": "make" }, "with": { "depth": "deep" },
        "inputs": { "from": { "analyze": { "summary": "…" } } }, "untrusted": { "pr_title": "x" },
        "limits": { "deadline": "2026-11-22T07:00:00Z", "max_cost_usd": "2.000000", "max_turns": "40", "max_patch_bytes": "9007199254740993" },
        "policy": { "network": ["api.anthropic.com"] }, "want": ["result", "patch"],
    });
    let expected = json!({
        "message": {
            "messageId": format!("{context}.m1"), "contextId": context, "role": "ROLE_USER",
            "extensions": ["https://pointsman.dev/ext/step/v1"],
            "parts": [{ "text": "Review the diff" }, { "data": data, "mediaType": "application/json" }],
        },
        "configuration": {
            "returnImmediately": true, "acceptedOutputModes": ["application/json", "text/markdown"],
            "taskPushNotificationConfig": { "url": "https://engine.example/agents/callback", "token": "tok-123" },
        },
    });
    assert_eq!(params, expected, "{params:#}");
}

#[test]
fn a_request_is_read_as_it_was_written() {
    let request = request();
    let message = request.params().message;
    assert_eq!(Step::read(&message), Ok((request.attempt.clone(), request.step.clone())));
    // A server that keeps data as a protobuf struct gives numbers back as doubles.
    let mut doubles = message.clone();
    doubles.parts[1].data.as_mut().unwrap()["limits"]["max_turns"] = json!(40.0);
    assert_eq!(Step::read(&doubles), Ok((request.attempt, request.step)));
    assert!(!format!("{:?}", request.push).contains("tok-123"));
}

#[test]
fn a_wrong_request_is_told_what_is_wrong() {
    let check = |change: fn(&mut Value), expected: &str| {
        let mut message = request().params().message;
        change(message.parts[1].data.as_mut().unwrap());
        let why = Step::read(&message).unwrap_err();
        assert!(why.starts_with(expected), "{why}");
    };
    check(|data| data["schema"] = json!("step/v2"), "the message has no data part with schema step/v1");
    check(|data| data["fence"] = json!(7), "the data part has no fence");
    check(|data| data["fence"] = json!("../x"), "fence: attempt id");
    check(|data| data["steps"] = json!(1.5), "step/v1: not a whole number");
    check(|data| data["steps"] = json!("-1"), "step/v1: not a whole number");
    check(|data| data["limits"]["max_cost_usd"] = json!("-1"), "step/v1: not an amount");
    check(|data| data["repo"]["head_sha"] = json!("abc"), "repo.head_sha: commit: is not 40 or 64 digits");
    check(|data| data["checkout"]["mode"] = json!("ssh"), "step/v1: unknown variant");
    assert!(Step::read(&Message::default()).is_err());
}

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use super::*;
use crate::workflow::defaults::Operator;
use crate::workflow::policy::Policy;

/// Workflows of every kind of answer.
const FILES: [(&str, &str); 7] = [
    ("broken", "on: push\nstpes: []\n"),
    ("ci", "on:\n  pull_request: { branches: [master, main] }\n  push: { branches: [master] }\n"),
    ("docs", "on:\n  pull_request: { paths: [\"docs/**\"] }\n  push: { paths-ignore: [\"src/**\"] }\n"),
    ("labels", "on:\n  pull_request: { types: [labeled] }\n"),
    ("manual", "name: Only people start it\n"),
    ("ready", "on: pull_request\ndrafts: false\n"),
    ("release", "on:\n  push: { tags: [\"v*\"] }\n"),
];

fn known(changed: Option<&[&str]>) -> Known {
    let workflow = |(id, on): (&str, &str)| {
        let id: WorkflowId = id.parse().unwrap();
        let text =
            if on.contains("stpes") { on.to_owned() } else { format!("{on}steps:\n  - {{ id: a, run: make }}\n") };
        let read = crate::workflow::parse(&id, &text, &Operator::default());
        let workflow = read.map_err(|problems| problems.iter().map(ToString::to_string).collect());
        (id.clone(), Definition { path: format!(".workflows/{id}.yml"), blob: String::new(), workflow })
    };
    let definitions = Definitions {
        sha: "a".repeat(40).parse().unwrap(),
        branch: "main".to_owned(),
        workflows: FILES.into_iter().map(workflow).collect(),
        policy: Policy::default(),
    };
    let files = |paths: &[&str]| Changed::Files(paths.iter().map(|path| (*path).to_owned()).collect());
    let changed = changed.map_or(Changed::Unknown, files);
    Known { definitions, changed }
}

/// All payloads of GitHub that we have, as (event, body).
fn payloads() -> Vec<(String, Map<String, Value>)> {
    let json = zstd::decode_all(&include_bytes!("../../tests/data/webhooks.json.zst")[..]).unwrap();
    let events: Vec<Value> = serde_json::from_slice(&json).unwrap();
    let of = |event: &Value| {
        let name = event["name"].as_str().unwrap().to_owned();
        let examples = event["examples"].as_array().unwrap().clone();
        examples.into_iter().map(move |payload| (name.clone(), payload.as_object().unwrap().clone()))
    };
    events.iter().flat_map(of).collect()
}

fn told(name: &str, payload: &Map<String, Value>, known: &Known) -> String {
    let body = serde_json::to_vec(payload).unwrap();
    match explain(name, &body, known) {
        Ok(told) => text(&told),
        Err(wrong) => format!("{wrong}\n"),
    }
}

/// One real payload of each event with each action. `UPDATE_GOLDEN=1 cargo test explain` writes it anew.
#[test]
fn real_payloads_are_explained() {
    let (known, mut all, mut seen) = (known(None), String::new(), BTreeMap::new());
    for (name, payload) in payloads() {
        let action = payload.get("action").and_then(Value::as_str).unwrap_or_default().to_owned();
        let deleted = payload.get("deleted").and_then(Value::as_bool).unwrap_or_default();
        // Others are answered as these are.
        let telling = ["opened", "labeled", "assigned", "closed", "converted_to_draft", "ready_for_review"];
        if name == "pull_request" && !telling.contains(&action.as_str()) {
            continue;
        }
        if seen.insert((name.clone(), action, deleted), ()).is_none() {
            writeln!(all, "{}", told(&name, &payload, &known)).unwrap();
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/explain.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &all).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(all == written, "explained otherwise now:\n{all}");
    assert!(seen.len() >= 12);
}

#[test]
fn the_event_of_every_real_payload_is_guessed() {
    let wrong: Vec<_> = payloads()
        .into_iter()
        .filter(|(name, payload)| guess(payload) != Some(name.as_str()))
        .map(|(name, payload)| format!("{name} as {:?}: {:?}", guess(&payload), payload.keys().collect::<Vec<_>>()))
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(guess(&Map::new()), None);
}

/// The first real payload of an event, changed.
fn changed(event: &str, change: impl Fn(&mut Value)) -> Map<String, Value> {
    let first = payloads().into_iter().find(|(name, payload)| {
        let action = payload.get("action").and_then(Value::as_str).unwrap_or("opened");
        let opened = matches!(action, "opened" | "created");
        let there = !payload.get("deleted").and_then(Value::as_bool).unwrap_or_default();
        name == event && opened && there
    });
    let mut payload = Value::Object(first.unwrap().1);
    change(&mut payload);
    payload.as_object().unwrap().clone()
}

#[test]
fn changed_files_decide_what_was_open() {
    let opened = changed("pull_request", |_| {});
    let row = |changed: &[&str]| {
        let told = told("pull_request", &opened, &known(Some(changed)));
        told.lines().find(|line| line.starts_with("docs")).unwrap().to_owned()
    };
    insta::assert_snapshot!(row(&["docs/a.md", "src/a.rs"]), @"docs     ✔ runs          1 step");
    insta::assert_snapshot!(row(&["src/a.rs"]), @"docs     ⊘ does not run  no changed file is among paths: docs/** (its check: skipped)");
}

#[test]
fn drafts_and_markers_wait() {
    let draft = changed("pull_request", |payload| payload["pull_request"]["draft"] = true.into());
    let told_of = |name: &str, payload: &Map<String, Value>, id: &str| {
        let told = told(name, payload, &known(Some(&["docs/a.md"])));
        told.lines().find(|line| line.starts_with(id)).unwrap().to_owned()
    };
    insta::assert_snapshot!(told_of("pull_request", &draft, "ready"), @"ready    ◌ waits         it wants no drafts; it starts when the pull request is ready for review (its check: queued)");
    let skip = changed("push", |payload| {
        payload["ref"] = "refs/heads/master".into();
        payload["head_commit"] = serde_json::json!({ "message": "Mend [skip ci]" });
    });
    insta::assert_snapshot!(told_of("push", &skip, "ci"), @"ci       ◌ waits         the commit's message says [skip ci] (its check: action required)");
}

#[test]
fn what_the_service_refuses_is_refused() {
    let said = |name: &str, body: &str| explain(name, body.as_bytes(), &known(None)).unwrap_err().to_string();
    let deep = format!("{}1{}", r#"{"a":"#.repeat(100), "}".repeat(100));
    insta::assert_snapshot!(said("push", "{}"), @"the body does not fit the event push: missing field `ref` at line 1 column 2; see whether the event's name is right, else report this");
    insta::assert_snapshot!(said("push", "[]"), @"the service would refuse this payload: the body is not JSON that we take: a syntax error at line 1, column 0");
    insta::assert_snapshot!(said("push", &deep), @"the service would refuse this payload: the body is nested more than 64 deep");
    insta::assert_snapshot!(said("Push", "{}"), @"the service would refuse this payload: X-GitHub-Event is not a name of lower-case letters and underscores");
    insta::assert_snapshot!(said("push", r#"{"ref": 1, "ref": 2}"#), @"the service would refuse this payload: the body is not JSON that we take: a key stands twice in one object at line 1, column 20");
}

#[test]
fn comments_are_read_as_commands() {
    let comment = changed("issue_comment", |payload| {
        payload["action"] = "created".into();
        payload["issue"]["pull_request"] = serde_json::json!({});
        payload["comment"]["body"] = "/retry\n/skip lint\n/pointsman retyr\nthanks".into();
    });
    insta::assert_snapshot!(told("issue_comment", &comment, &known(None)), @"
    issue_comment.created: @Codertocat commented on pull request #1 of Codertocat/Hello-World

    Line 1: /retry would be obeyed for whoever has write.
    Line 2: /skip would be obeyed for whoever has write; it is not in this release.
    Line 3: there is no command `retyr`. Did you mean `/pointsman retry`?

    The payload does not say:
      What @Codertocat may do there: the service asks GitHub at that moment.
    ");
}

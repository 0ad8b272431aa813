use serde_json::{Value, json};

use super::*;
use crate::github::stub::{NOW, SHA, Stub, answer, html, ok, repo, sha};

fn body(annotations: usize) -> CheckBody {
    let annotation = |line| Annotation {
        path: "src/lib.rs".into(),
        start_line: line,
        end_line: line,
        start_column: None,
        end_column: None,
        annotation_level: AnnotationLevel::Warning,
        message: format!("note {line}"),
        title: None,
        raw_details: None,
    };
    CheckBody {
        name: "ci / lint".into(),
        head_sha: Some(sha()),
        status: Status::Completed,
        conclusion: Some(Conclusion::TimedOut),
        started_at: Some(NOW),
        completed_at: None,
        details_url: None,
        external_id: "head/ci / lint/1".into(),
        output: Some(Output {
            title: "Lint".into(),
            summary: "Two notes".into(),
            text: None,
            annotations: (1..=u32::try_from(annotations).unwrap()).map(annotation).collect(),
        }),
        actions: vec![Action { label: "Retry".into(), description: "Run it again".into(), identifier: "retry".into() }],
    }
}

#[test]
fn exactly_githubs_fields() {
    insta::assert_json_snapshot!(body(1), @r#"
    {
      "name": "ci / lint",
      "head_sha": "0123456789abcdef0123456789abcdef01234567",
      "status": "completed",
      "conclusion": "timed_out",
      "started_at": "2026-11-22T07:00:00Z",
      "external_id": "head/ci / lint/1",
      "output": {
        "title": "Lint",
        "summary": "Two notes",
        "annotations": [
          {
            "path": "src/lib.rs",
            "start_line": 1,
            "end_line": 1,
            "annotation_level": "warning",
            "message": "note 1"
          }
        ]
      },
      "actions": [
        {
          "label": "Retry",
          "description": "Run it again",
          "identifier": "retry"
        }
      ]
    }
    "#);
    assert_eq!(serde_json::to_value(Status::InProgress).unwrap(), "in_progress");
    assert_eq!(serde_json::to_value(Conclusion::ActionRequired).unwrap(), "action_required");
}

#[test]
fn what_is_too_long_is_cut_by_bytes() {
    let trains = "🚂".repeat(20_000);
    let mut long = body(1);
    long.name = trains.clone();
    let output = long.output.as_mut().unwrap();
    (output.title, output.summary, output.text) = (trains.clone(), trains.clone(), Some(trains.clone()));
    let note = &mut output.annotations[0];
    (note.message, note.title, note.raw_details) = (trains.clone(), Some(trains.clone()), Some(trains.clone()));
    (note.start_line, note.end_line, note.start_column) = (0, 7, Some(3));
    let button =
        |identifier: &str| Action { label: trains.clone(), description: trains.clone(), identifier: identifier.into() };
    long.actions =
        vec![button("far too long an identifier"), button("a"), button(""), button("b"), button("c"), button("d")];
    let sent = &long.requests(0)[0];
    let output = sent.output.as_ref().unwrap();
    let note = &output.annotations[0];
    let lengths = [
        (sent.name.len(), 255),
        (output.title.len(), 255),
        (output.summary.len(), 65_535),
        (output.text.as_ref().unwrap().len(), 65_535),
        (note.message.len(), 64_000),
        (note.title.as_ref().unwrap().len(), 255),
        (note.raw_details.as_ref().unwrap().len(), 64_000),
        (sent.actions[0].label.len(), 20),
        (sent.actions[0].description.len(), 40),
    ];
    for (length, max) in lengths {
        assert!(length <= max && length + 4 > max, "{length} of {max}");
    }
    assert_eq!((note.start_line, note.end_line, note.start_column), (1, 7, None));
    let identifiers: Vec<&str> = sent.actions.iter().map(|action| action.identifier.as_str()).collect();
    assert_eq!(identifiers, ["a", "b", "c"]);
}

#[test]
fn writes_are_known_beforehand() {
    let check = |annotations, skip, writes| {
        assert_eq!(body(annotations).writes(skip), writes);
        assert_eq!(body(annotations).requests(skip).len(), writes);
    };
    check(0, 0, 1);
    check(50, 0, 1);
    check(51, 0, 2);
    check(120, 0, 3);
    check(120, 100, 1);
    check(120, 200, 1);
    check(9_999, 0, 10);
    assert_eq!(CheckBody { output: None, ..body(0) }.requests(0).len(), 1);
}

/// The lines of the annotations in a request.
fn lines(body: &Value) -> Vec<u64> {
    let notes = body["output"]["annotations"].as_array().cloned().unwrap_or_default();
    notes.iter().map(|note| note["start_line"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_hundred_and_twenty_annotations_are_one_post_and_two_patches() {
    let stub = Stub::start(|asked| asked.path.contains("/check-runs").then(|| answer(201, json!({ "id": 99 })))).await;
    let installation = stub.installation().await;
    let written = installation.create_check(&repo(), &body(120)).await.unwrap();
    assert_eq!(written, Written { id: CheckId(99), annotations: 120, interrupted: None });
    let asked = stub.asked();
    assert_eq!(
        stub.lines(),
        [
            "POST /repos/octo/railway/check-runs",
            "PATCH /repos/octo/railway/check-runs/99",
            "PATCH /repos/octo/railway/check-runs/99"
        ]
    );
    let all: Vec<Vec<u64>> = asked.iter().map(|asked| lines(&asked.body)).collect();
    assert_eq!(all, [(1..=50).collect::<Vec<_>>(), (51..=100).collect(), (101..=120).collect()]);
    assert_eq!(asked[0].body["head_sha"], SHA);
    assert_eq!(asked[1].body.get("head_sha"), None);
    assert_eq!(asked[2].body["output"]["summary"], "Two notes");
    assert_eq!(asked[2].body["conclusion"], "timed_out");
}

/// The check is there even when its annotations are not, and an update goes on where they stopped.
#[tokio::test]
async fn annotations_that_stop_half_way() {
    let stub = Stub::start(|asked| match (asked.method.as_str(), asked.before) {
        ("POST", _) if asked.path.ends_with("/check-runs") => Some(answer(201, json!({ "id": 99 }))),
        ("PATCH", 1) => Some(html(502)),
        ("PATCH", _) => Some(ok(json!({ "id": 99 }))),
        _ => None,
    })
    .await;
    let installation = stub.installation().await;
    let written = installation.create_check(&repo(), &body(130)).await.unwrap();
    assert_eq!((written.id, written.annotations), (CheckId(99), 100));
    assert!(matches!(written.interrupted, Some(Error::Unclear(_))), "{written:?}");
    let written = installation.update_check(&repo(), written.id, &body(130), written.annotations).await.unwrap();
    assert_eq!(written, Written { id: CheckId(99), annotations: 130, interrupted: None });
    assert_eq!(lines(&stub.asked().last().unwrap().body), (101..=130).collect::<Vec<_>>());
}

#[tokio::test]
async fn our_checks_of_all_generations_are_found() {
    let stub = Stub::start(|asked| {
        let host = asked.headers["host"].to_str().unwrap();
        let check = |id: i64, name: &str, app: i64| json!({ "id": id, "name": name, "head_sha": SHA, "status": "waiting",
            "conclusion": null, "external_id": format!("x{id}"), "app": { "id": app }, "output": { "title": null } });
        match asked.path.strip_prefix(&format!("/repos/octo/railway/commits/{SHA}/check-runs?"))? {
            "check_name=ci+%2F+lint&filter=all&per_page=100" => {
                let next = format!("<http://{host}/repos/octo/railway/commits/{SHA}/check-runs?page=2>; rel=\"next\"");
                Some(ok(json!({ "total_count": 3, "check_runs": [check(1, "ci / lint", 42), check(2, "ci / lint", 15368)] }))
                    .header("link", next))
            }
            "page=2" => Some(ok(json!({ "total_count": 3, "check_runs": [check(3, "ci / lint", 42)] }))),
            _ => None,
        }
    })
    .await;
    let found = stub.installation().await.list_checks(&repo(), &sha(), "ci / lint").await.unwrap();
    let found: Vec<_> = found.iter().map(|check| (check.id.0, check.external_id.as_deref().unwrap())).collect();
    assert_eq!(found, [(1, "x1"), (3, "x3")]);
}

#[tokio::test]
async fn a_check_is_read_back() {
    let stub = Stub::start(|asked| {
        let check = json!({ "id": 99, "name": "ci", "head_sha": SHA, "status": "completed", "conclusion": "stale",
            "external_id": "", "app": null });
        (asked.path == "/repos/octo/railway/check-runs/99").then(|| ok(check))
    })
    .await;
    let check = stub.installation().await.check(&repo(), CheckId(99)).await.unwrap();
    assert_eq!((check.status.as_str(), check.conclusion.as_deref()), ("completed", Some("stale")));
}

#[tokio::test]
async fn an_endless_list_is_not_taken_for_a_whole_one() {
    let stub = Stub::start(|asked| {
        let host = asked.headers["host"].to_str().unwrap();
        let next = format!("<http://{host}/repos/octo/railway/commits/{SHA}/check-runs?page=2>; rel=\"next\"");
        asked.path.contains("/check-runs").then(|| ok(json!({ "check_runs": [] })).header("link", next))
    })
    .await;
    let error = stub.installation().await.list_checks(&repo(), &sha(), "ci").await.unwrap_err();
    assert!(matches!(error, Error::Unexpected(_)), "{error:?}");
    assert_eq!(stub.asked().len(), 10);
}

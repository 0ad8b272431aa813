use serde_json::{Value, json};

use super::*;
use crate::github::stub::{Stub, answer, ok, repo};

const MARKER: &str = "<!-- pointsman:r_7_abc -->";

fn comment(id: i64, body: &str, login: &str, app: Value) -> Value {
    json!({ "id": id, "body": body, "user": { "login": login, "type": "Bot" }, "performed_via_github_app": app })
}

#[tokio::test]
async fn a_marker_counts_only_in_our_own_comment() {
    let stub = Stub::start(|asked| {
        let host = asked.headers["host"].to_str().unwrap();
        let next = format!("<http://{host}/repos/octo/railway/issues/1/comments?page=2>; rel=\"next\"");
        match asked.path.as_str() {
            "/repos/octo/railway/issues/1/comments?per_page=100" => Some(
                ok(json!([
                    comment(1, MARKER, "mallory", Value::Null),
                    comment(2, MARKER, "other[bot]", json!({ "id": 15368 })),
                    comment(3, "hello", "pointsman[bot]", json!({ "id": 42 })),
                    { "id": 4, "body": null, "user": null },
                    comment(5, MARKER, "pointsman", Value::Null),
                ]))
                .header("link", next),
            ),
            "/repos/octo/railway/issues/1/comments?page=2" => Some(ok(json!([
                comment(6, &format!("Status\n{MARKER}"), "pointsman[bot]", json!({ "id": 42 })),
                comment(7, MARKER, "pointsman[bot]", Value::Null),
            ]))),
            "/repos/octo/railway/issues/2/comments?per_page=100" => {
                Some(ok(json!([comment(7, MARKER, "pointsman[bot]", Value::Null)])))
            }
            "/repos/octo/railway/issues/3/comments?per_page=100" => Some(ok(json!([]))),
            _ => None,
        }
    })
    .await;
    let installation = stub.installation().await;
    let find = async |number| installation.find_comment_by_marker(&repo(), number, MARKER).await.unwrap();
    assert_eq!(find(1).await, Some(CommentId(6)));
    assert_eq!(find(2).await, Some(CommentId(7)));
    assert_eq!(find(3).await, None);
}

#[tokio::test]
async fn comments_are_written_edited_and_reacted_to() {
    let stub = Stub::start(|asked| match asked.line().as_str() {
        "POST /repos/octo/railway/issues/1/comments" => Some(answer(201, json!({ "id": 9 }))),
        "PATCH /repos/octo/railway/issues/comments/9" => Some(ok(json!({ "id": 9 }))),
        "POST /repos/octo/railway/issues/comments/9/reactions" if asked.before == 0 => {
            Some(answer(201, json!({ "id": 1 })))
        }
        "POST /repos/octo/railway/issues/comments/9/reactions" => Some(ok(json!({ "id": 1 }))),
        _ => None,
    })
    .await;
    let installation = stub.installation().await;
    let id = installation.comment(&repo(), 1, &"🚂".repeat(30_000)).await.unwrap();
    assert_eq!(id, CommentId(9));
    installation.edit_comment(&repo(), id, "done").await.unwrap();
    installation.react(&repo(), id, Reaction::Rocket).await.unwrap();
    installation.react(&repo(), id, Reaction::ThumbsDown).await.unwrap();
    let bodies: Vec<Value> = stub.asked().into_iter().map(|asked| asked.body).collect();
    let sent = bodies[0]["body"].as_str().unwrap();
    assert!(sent.len() <= limits::COMMENT_BYTES_MAX && sent.ends_with('…'));
    assert_eq!(bodies[1..], [json!({ "body": "done" }), json!({ "content": "rocket" }), json!({ "content": "-1" })]);
    let gone = installation.edit_comment(&repo(), CommentId(10), "done").await.unwrap_err();
    assert!(matches!(gone, Error::NotFound(_)));
}

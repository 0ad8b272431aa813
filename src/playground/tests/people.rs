use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{REPO, receiver, world};
use crate::playground::Permission;

#[tokio::test]
async fn permissions_have_an_old_and_a_new_word() {
    let world = world().await;
    world.github.set_permission(REPO, "max", Permission::Maintain).await.unwrap();
    let cases = [
        ("ann", "admin", "admin"),
        ("max", "write", "maintain"),
        ("bob", "write", "write"),
        ("tess", "read", "triage"),
        ("rita", "read", "read"),
        ("eve", "read", "read"),
        ("renovate[bot]", "read", "read"),
    ];
    for (login, permission, role) in cases {
        let said = world.get(&format!("/repos/{REPO}/collaborators/{login}/permission")).await;
        assert_eq!((&said["permission"], &said["role_name"]), (&json!(permission), &json!(role)), "{login}");
        assert_eq!(said["user"]["login"], login);
    }
    world.github.set_private(REPO, true).await.unwrap();
    let eve = world.get(&format!("/repos/{REPO}/collaborators/EVE/permission")).await;
    assert_eq!((&eve["permission"], &eve["user"]["login"]), (&json!("none"), &json!("eve")), "case does not matter");
    let (status, said) = world.ask("GET", &format!("/repos/{REPO}/collaborators/nobody/permission"), Value::Null).await;
    assert_eq!((status, &said["message"]), (404, &json!("nobody is not a user")));
}

#[tokio::test]
async fn a_reaction_is_created_once() {
    let world = world().await;
    let bob = world.github.person("bob");
    let number = bob.open_pull_request(REPO, "x", "X", &[("a", "1")]).await.unwrap();
    let comment = bob.comment(number, "/retry").await.unwrap();
    let place = format!("/repos/{REPO}/issues/comments/{comment}/reactions");
    let (first, made) = world.ask("POST", &place, json!({ "content": "eyes" })).await;
    let (second, again) = world.ask("POST", &place, json!({ "content": "eyes" })).await;
    assert_eq!((first, second, &made["id"]), (201, 200, &again["id"]));
    assert_eq!(world.ask("POST", &place, json!({ "content": "tada" })).await.0, 422);
    assert_eq!(world.ask("POST", &place, json!({ "content": "rocket" })).await.0, 201);
    assert_eq!(world.github.reactions(comment), ["eyes", "rocket"]);
    assert_eq!(world.ask("DELETE", &format!("{place}/{}", made["id"]), Value::Null).await.0, 204);
    assert_eq!(world.github.reactions(comment), ["rocket"]);
}

#[tokio::test]
async fn comments_have_a_limit_and_an_owner() {
    let world = world().await;
    let bob = world.github.person("bob");
    let number = bob.open_pull_request(REPO, "x", "X", &[("a", "1")]).await.unwrap();
    let place = format!("/repos/{REPO}/issues/{number}/comments");
    let (status, said) = world.ask("POST", &place, json!({ "body": "x".repeat(65_537) })).await;
    assert_eq!(status, 422);
    assert!(said["errors"][0]["message"].as_str().unwrap().starts_with("Body is too long"), "{said}");
    assert_eq!(world.ask("POST", &place, json!({ "body": " " })).await.0, 422);
    let (status, made) = world.ask("POST", &place, json!({ "body": "é".repeat(65_536) })).await;
    assert_eq!((status, &made["user"]["login"]), (201, &json!("pointsman[bot]")));
    let own = format!("/repos/{REPO}/issues/comments/{}", made["id"]);
    assert_eq!(world.ask("PATCH", &own, json!({ "body": "short" })).await.1["body"], "short");
    let theirs = bob.comment(number, "mine").await.unwrap();
    let theirs = format!("/repos/{REPO}/issues/comments/{theirs}");
    assert_eq!(world.ask("PATCH", &theirs, json!({ "body": "no" })).await.0, 403);
    assert_eq!(world.get(&place).await.as_array().unwrap().len(), 2);
    assert_eq!(world.ask("DELETE", &own, Value::Null).await.0, 204);
    assert_eq!(world.ask("GET", &own, Value::Null).await.0, 404);
}

#[tokio::test]
async fn the_life_of_a_pull_request() {
    let (world, receiver) = (world().await, receiver().await);
    let (bob, rita) = (world.github.person("bob"), world.github.person("rita"));
    let number = bob.open_draft(REPO, "x", "X", &[("a", "1")]).await.unwrap();
    world.github.set_webhook(&receiver.url);
    assert!(rita.close(number).await.is_err(), "not hers, and she may only read");
    assert!(bob.merge(number).await.is_err(), "a draft");
    bob.ready_for_review(number).await.unwrap();
    bob.convert_to_draft(number).await.unwrap();
    bob.ready_for_review(number).await.unwrap();
    bob.close(number).await.unwrap();
    assert!(bob.close(number).await.is_err());
    bob.reopen(number).await.unwrap();
    bob.edit_title(number, "Y").await.unwrap();
    let merged = bob.merge(number).await.unwrap();
    assert!(bob.reopen(number).await.is_err(), "merged for good");
    world.github.deliveries_settled().await;
    insta::assert_snapshot!(receiver.names().join("\n"), @r"
    ping
    pull_request.ready_for_review
    pull_request.converted_to_draft
    pull_request.ready_for_review
    pull_request.closed
    pull_request.reopened
    pull_request.edited
    pull_request.closed
    push
    check_suite.requested
    ");
    let pull = world.get(&format!("/repos/{REPO}/pulls/{number}")).await;
    assert_eq!(
        (&pull["merged"], &pull["state"], &pull["merge_commit_sha"]),
        (&json!(true), &json!("closed"), &json!(merged))
    );
    assert_eq!(world.github.head(REPO, "main").await.unwrap(), merged);
    assert_eq!(world.get(&format!("/repos/{REPO}/contents/a")).await["size"], 1);
}

#[tokio::test]
async fn rules_say_what_is_required() {
    let world = world().await;
    assert_eq!(world.get(&format!("/repos/{REPO}/rules/branches/main")).await, json!([]));
    world.github.require_check(REPO, "main", "ci", None).await.unwrap();
    world.github.require_check(REPO, "main", "ci / lint", Some(424_242)).await.unwrap();
    let rules = world.get(&format!("/repos/{REPO}/rules/branches/main")).await;
    assert_eq!(
        rules[0]["parameters"]["required_status_checks"],
        json!([{ "context": "ci" }, { "context": "ci / lint", "integration_id": 424_242 }])
    );
    assert_eq!(world.get(&format!("/repos/{REPO}/branches/main")).await["protected"], true);
}

#[tokio::test]
async fn what_a_person_sees() {
    let world = world().await;
    let bob = world.github.person("bob");
    let number =
        world.github.person("eve").open_pull_request(REPO, "patch", "Fix the door", &[("a", "1")]).await.unwrap();
    for name in ["ci", "gate"] {
        world.github.require_check(REPO, "main", name, None).await.unwrap();
    }
    let sha = world.github.read(|state| state.head_of(number).to_owned());
    let note = json!({ "path": "a", "start_line": 3, "end_line": 3, "annotation_level": "failure", "message": "no" });
    world
        .check(json!({
            "name": "ci", "head_sha": sha, "conclusion": "failure",
            "output": { "title": "1 of 2 steps failed", "summary": "s", "annotations": [note] },
            "actions": [{ "label": "Retry", "description": "d", "identifier": "retry" }],
        }))
        .await;
    world.check(json!({ "name": "ci / lint", "head_sha": sha, "status": "in_progress" })).await;
    let comment = bob.comment(number, "/retry\n\nplease").await.unwrap();
    world
        .ask("POST", &format!("/repos/{REPO}/issues/comments/{comment}/reactions"), json!({ "content": "eyes" }))
        .await;
    insta::assert_snapshot!(world.github.render(number), @r"
    Fix the door #1 (open): eve:patch -> main by @eve
    ✘ ci (required) [failure]: 1 of 2 steps failed
        a:3 failure no
        buttons: retry
    ◉ ci / lint [in_progress]
    ○ gate (required): Expected — Waiting for status to be reported
    @bob:
        /retry

        please
        👀
    ");
    let page = world.http.get(format!("{}/{REPO}/pull/{number}", world.github.web_url())).send().await.unwrap();
    assert_eq!(page.text().await.unwrap(), world.github.render(number));
}

#[tokio::test]
async fn a_person_may_ask_the_api_too() {
    let world = world().await;
    let bob = world.github.person("bob");
    let number = bob.open_pull_request(REPO, "x", "X", &[("a", "1")]).await.unwrap();
    let (bob, eve) = (bob.token(), world.github.person("eve").token());
    let place = format!("/repos/{REPO}/issues/{number}/comments");
    let (status, made) = world.ask_as(bob.expose_secret(), "POST", &place, json!({ "body": "hello" })).await;
    assert_eq!((status, &made["performed_via_github_app"]), (201, &Value::Null));
    world.github.set_private(REPO, true).await.unwrap();
    assert_eq!(world.ask_as(eve.expose_secret(), "GET", &place, Value::Null).await.0, 404);
}

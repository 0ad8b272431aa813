use std::sync::atomic::Ordering;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{REPO, Receiver, World, receiver, world};
use crate::playground::key::signatures;
use crate::playground::{Delivering, Order};

async fn connected() -> (World, Receiver) {
    let (world, receiver) = (world().await, receiver().await);
    world.github.set_webhook(&receiver.url);
    world.github.deliveries_settled().await;
    (world, receiver)
}

#[test]
fn the_vector_of_the_documentation() {
    let (sha256, _) = signatures("It's a Secret to Everybody", b"Hello, World!");
    assert_eq!(sha256, "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
}

#[tokio::test]
async fn a_webhook_is_signed_and_carries_githubs_headers() {
    let (world, receiver) = connected().await;
    let (headers, body) = receiver.raw().remove(0);
    let (sha256, sha1) = signatures(world.github.webhook_secret().expose_secret(), &body);
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    assert_eq!((header("x-hub-signature-256"), header("x-hub-signature")), (sha256, sha1));
    assert_eq!((header("x-github-event"), header("content-type")), ("ping".into(), "application/json".into()));
    assert_eq!(header("x-github-hook-installation-target-type"), "integration");
    assert_eq!(header("x-github-hook-installation-target-id"), world.github.app_id().to_string());
    assert!(header("user-agent").starts_with("GitHub-Hookshot/"));
    assert!(uuid::Uuid::try_parse(&header("x-github-delivery")).is_ok());
    let ping: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(ping["hook"]["app_id"], world.github.app_id());
}

#[tokio::test]
async fn a_push_to_a_pull_request_sends_three_events() {
    let (world, receiver) = connected().await;
    let bob = world.github.person("bob");
    let number = bob.open_pull_request(REPO, "feature", "Feature", &[("src/a.rs", "1")]).await.unwrap();
    let sha = bob.push(REPO, "feature", &[("src/a.rs", "2"), ("b", "1")], "More").await.unwrap();
    world.github.deliveries_settled().await;
    insta::assert_snapshot!(receiver.names().join("\n"), @r"
    ping
    push
    check_suite.requested
    pull_request.opened
    push
    check_suite.requested
    pull_request.synchronize
    ");
    let events = receiver.events();
    let (push, suite, pull) = (&events[4].1, &events[5].1, &events[6].1);
    assert_eq!(push["ref"], "refs/heads/feature");
    assert_eq!((&push["after"], &push["created"]), (&json!(sha), &json!(false)));
    assert_eq!(
        (&push["head_commit"]["modified"], &push["head_commit"]["added"]),
        (&json!(["src/a.rs"]), &json!(["b"]))
    );
    assert!(push["repository"]["pushed_at"].is_i64(), "a push writes times as numbers");
    assert_eq!(suite["check_suite"]["head_branch"], "feature");
    assert_eq!(suite["check_suite"]["pull_requests"][0]["number"], number);
    assert_eq!((&pull["before"], &pull["after"]), (&push["before"], &json!(sha)));
    let shape = &pull["pull_request"];
    assert_eq!(
        (&shape["head"]["sha"], &shape["changed_files"], &shape["commits"]),
        (&json!(sha), &json!(2), &json!(2))
    );
    assert_eq!(pull["repository"]["full_name"], REPO);
    assert_eq!((&pull["sender"]["login"], &pull["installation"]["id"]), (&json!("bob"), &json!(7_001)));
}

#[tokio::test]
async fn a_fork_shows_only_through_its_pull_request() {
    let (world, receiver) = connected().await;
    let eve = world.github.person("eve");
    let number = eve.open_pull_request(REPO, "patch", "Patch", &[("x", "1")]).await.unwrap();
    let sha = eve.push("eve/app", "patch", &[("x", "2")], "Again").await.unwrap();
    eve.delete_fork("eve/app").await.unwrap();
    eve.close(number).await.unwrap();
    world.github.deliveries_settled().await;
    assert_eq!(receiver.names(), ["ping", "pull_request.opened", "pull_request.synchronize", "pull_request.closed"]);
    let events = receiver.events();
    assert_eq!(events[2].1["pull_request"]["head"]["repo"]["full_name"], "eve/app");
    assert_eq!((&events[2].1["after"], &events[2].1["repository"]["full_name"]), (&json!(sha), &json!(REPO)));
    assert_eq!(events[3].1["pull_request"]["head"]["repo"], Value::Null, "the fork is gone");
    let commit = world.get(&format!("/repos/{REPO}/commits/{sha}")).await;
    assert_eq!((&commit["author"]["login"], &commit["commit"]["message"]), (&json!("eve"), &json!("Again")));
}

#[tokio::test]
async fn buttons_and_comments_arrive() {
    let (world, receiver) = connected().await;
    let bob = world.github.person("bob");
    let number = bob.open_pull_request(REPO, "feature", "Feature", &[("a", "1")]).await.unwrap();
    let action = json!([{ "label": "Retry", "description": "again", "identifier": "retry" }]);
    let sha = world.github.read(|state| state.head_of(number).to_owned());
    let id = world.check(json!({ "name": "ci", "head_sha": sha, "actions": action, "external_id": "e1" })).await;
    assert!(bob.click(id, "retry").await.is_err(), "a button shows only once the run is completed");
    world.ask("PATCH", &format!("/repos/{REPO}/check-runs/{id}"), json!({ "conclusion": "failure" })).await;
    bob.click(id, "retry").await.unwrap();
    assert!(bob.click(id, "other").await.is_err());
    assert!(world.github.person("rita").click(id, "retry").await.is_err());
    bob.rerequest_check(id).await.unwrap();
    let comment = bob.comment(number, "/retry").await.unwrap();
    bob.edit_comment(comment, "/retry all").await.unwrap();
    world.ask("POST", &format!("/repos/{REPO}/issues/{number}/comments"), json!({ "body": "no" })).await;
    world.github.deliveries_settled().await;
    let (names, events) = (receiver.names(), receiver.events());
    insta::assert_snapshot!(names[4..].join("\n"), @r"
    check_run.created
    check_run.completed
    check_suite.completed
    check_run.requested_action
    check_run.rerequested
    issue_comment.created
    issue_comment.edited
    issue_comment.created
    ");
    assert_eq!(events[7].1["requested_action"]["identifier"], "retry");
    assert_eq!(events[7].1["check_run"]["external_id"], "e1");
    assert_eq!(events[7].1["check_run"]["check_suite"]["head_sha"], json!(sha));
    assert_eq!(events[10].1["changes"]["body"]["from"], "/retry");
    assert!(events[9].1["issue"]["pull_request"].is_object() && events[9].1["issue"]["head"].is_null());
    let ours = &events[11].1["comment"];
    assert_eq!((&ours["user"]["type"], &ours["performed_via_github_app"]["id"]), (&json!("Bot"), &json!(424_242)));
}

#[tokio::test]
async fn a_failed_delivery_stays_failed_until_it_is_asked_for() {
    let (world, receiver) = connected().await;
    receiver.status.store(503, Ordering::Relaxed);
    world.github.person("bob").push(REPO, "topic", &[("a", "1")], "A").await.unwrap();
    world.github.deliveries_settled().await;
    receiver.status.store(202, Ordering::Relaxed);
    world.github.set_delivering(Delivering::Dropped);
    world.github.person("bob").push(REPO, "topic", &[("a", "2")], "B").await.unwrap();
    world.github.set_delivering(Delivering::Once);
    assert_eq!(receiver.raw().len(), 3, "ping, push, suite: no second try");
    let (_, failed) = world.ask_app("GET", "/app/hook/deliveries?status=failure", Value::Null).await;
    let codes: Vec<i64> = failed.as_array().unwrap().iter().map(|one| one["status_code"].as_i64().unwrap()).collect();
    assert_eq!(codes, [0, 0, 503, 503], "newest first");
    let (id, guid) = (failed[3]["id"].as_i64().unwrap(), failed[3]["guid"].as_str().unwrap().to_owned());
    assert_eq!(world.ask_app("POST", &format!("/app/hook/deliveries/{id}/attempts"), Value::Null).await.0, 202);
    world.github.deliveries_settled().await;
    let raw = receiver.raw();
    assert_eq!(raw[3].0["x-github-delivery"].to_str().unwrap(), guid);
    assert_eq!(raw[3].1, raw[1].1, "the same body");
    let (_, list) = world.ask_app("GET", "/app/hook/deliveries", Value::Null).await;
    assert_eq!(
        (&list[0]["guid"], &list[0]["redelivery"], &list[0]["status"]),
        (&json!(guid), &json!(true), &json!("OK"))
    );
    let (_, whole) = world.ask_app("GET", &format!("/app/hook/deliveries/{id}"), Value::Null).await;
    assert_eq!(whole["request"]["payload"]["ref"], "refs/heads/topic");
    world.clock.jump(Duration::from_secs(3 * 86_400 + 1));
    assert_eq!(world.ask_app("POST", &format!("/app/hook/deliveries/{id}/attempts"), Value::Null).await.0, 404);
    assert_eq!(world.ask_app("GET", "/app/hook/deliveries", Value::Null).await.1, json!([]));
}

#[tokio::test]
async fn deliveries_page_by_cursor() {
    let (world, _receiver) = connected().await;
    for number in 0..3 {
        world.github.person("bob").push(REPO, "topic", &[("a", &number.to_string())], "A").await.unwrap();
    }
    let request = world.request(&world.jwt(), "GET", "/app/hook/deliveries?per_page=5", Value::Null);
    let answer = request.send().await.unwrap();
    let link = answer.headers()["link"].to_str().unwrap().to_owned();
    let first: Vec<Value> = answer.json().await.unwrap();
    let next = link.trim_start_matches('<').split('>').next().unwrap();
    let rest: Vec<Value> = world.http.get(next).bearer_auth(world.jwt()).send().await.unwrap().json().await.unwrap();
    assert_eq!((first.len(), rest.len()), (5, 2));
    assert!(first[4]["id"].as_i64() > rest[0]["id"].as_i64());
}

#[tokio::test]
async fn deliveries_come_twice_late_and_in_any_order() {
    let (world, receiver) = connected().await;
    let bob = world.github.person("bob");
    world.github.set_delivering(Delivering::Twice);
    bob.push(REPO, "topic", &[("a", "1")], "A").await.unwrap();
    world.github.deliveries_settled().await;
    assert_eq!(receiver.names(), ["ping", "push", "push", "check_suite.requested", "check_suite.requested"]);
    let guids: Vec<_> = receiver.raw().iter().map(|(headers, _)| headers["x-github-delivery"].clone()).collect();
    assert!(guids[1] == guids[2] && guids[2] != guids[3]);
    world.github.set_delivering(Delivering::Held);
    bob.push(REPO, "topic", &[("a", "2")], "B").await.unwrap();
    world.github.deliveries_settled().await;
    assert_eq!(receiver.raw().len(), 5);
    world.github.release_deliveries(Order::Reversed);
    world.github.deliveries_settled().await;
    assert_eq!(receiver.names()[5..], ["check_suite.requested", "push"]);
}

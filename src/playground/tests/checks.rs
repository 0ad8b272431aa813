use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{REPO, World, world};

fn runs(tail: &str) -> String {
    format!("/repos/{REPO}/check-runs{tail}")
}

#[tokio::test]
async fn a_completed_run_cannot_be_reopened() {
    let world = world().await;
    let id = world.check(json!({ "name": "ci", "head_sha": world.main, "status": "in_progress" })).await;
    let (status, run) = world.ask("PATCH", &runs(&format!("/{id}")), json!({ "conclusion": "failure" })).await;
    assert_eq!((status, &run["status"]), (200, &json!("completed")), "a conclusion completes by itself");
    assert_eq!(run["completed_at"], "2026-11-22T09:00:00Z");
    for state in ["queued", "in_progress"] {
        let (status, said) = world.ask("PATCH", &runs(&format!("/{id}")), json!({ "status": state })).await;
        assert_eq!(status, 422, "{said}");
    }
    let again = world.check(json!({ "name": "ci", "head_sha": world.main })).await;
    assert_ne!(again, id);
    let list = world.get(&format!("/repos/{REPO}/commits/main/check-runs")).await;
    assert_eq!((&list["total_count"], &list["check_runs"][0]["id"]), (&json!(1), &json!(again)));
    let all = world.get(&format!("/repos/{REPO}/commits/{}/check-runs?filter=all", world.main)).await;
    assert_eq!(all["total_count"], 2);
}

#[tokio::test]
async fn annotations_append_and_the_rest_replaces() {
    let world = world().await;
    let note = |line: u64| json!({ "path": "a.rs", "start_line": line, "end_line": line, "annotation_level": "warning", "message": "m" });
    let output = |title: &str, lines: std::ops::Range<u64>| json!({ "title": title, "summary": title, "annotations": lines.map(note).collect::<Vec<_>>() });
    let id = world.check(json!({ "name": "ci", "head_sha": world.main, "output": output("one", 0..50) })).await;
    let place = runs(&format!("/{id}"));
    let (_, run) = world.ask("PATCH", &place, json!({ "output": output("two", 50..60) })).await;
    assert_eq!((&run["output"]["title"], &run["output"]["annotations_count"]), (&json!("two"), &json!(60)));
    let (status, said) = world.ask("PATCH", &place, json!({ "output": output("three", 0..51) })).await;
    assert_eq!(status, 422, "{said}");
    let page = world.get(&format!("{place}/annotations?per_page=25&page=3")).await;
    assert_eq!((page.as_array().unwrap().len(), &page[9]["start_line"]), (10, &json!(59)));
}

#[tokio::test]
async fn what_is_too_much_or_wrong_is_refused() {
    let world = world().await;
    let action = |label: &str| json!({ "label": label, "description": "d", "identifier": "i" });
    let output = |summary: &str| json!({ "title": "t", "summary": summary });
    let refused = [
        (json!({ "status": "waiting" }), "not a possible value"),
        (json!({ "conclusion": "stale" }), "not a possible value"),
        (json!({ "status": "completed" }), "\"conclusion\" wasn't supplied"),
        (json!({ "started_at": "yesterday" }), "date-time"),
        (json!({ "head_sha": "0123456789012345678901234567890123456789" }), "No commit found for SHA"),
        (json!({ "head_sha": null }), "\"head_sha\" wasn't supplied"),
        (json!({ "name": 7 }), "is not a string"),
        (json!({ "output": { "summary": "s" } }), "\"title\" wasn't supplied"),
        (json!({ "output": output(&"é".repeat(32_768)) }), "exceeds a maximum bytesize of 65535"),
        (json!({ "actions": [action("a"), action("b"), action("c"), action("d")] }), "no more than 3 items"),
        (json!({ "actions": [action("x".repeat(21).as_str())] }), "is too long"),
        (json!({ "output": { "title": "t", "summary": "s", "annotations": [{ "path": "a" }] } }), "start_line"),
    ];
    for (change, why) in refused {
        let mut body = json!({ "name": "ci", "head_sha": world.main });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let (status, said) = world.ask("POST", &runs(""), body).await;
        assert_eq!(status, 422, "{change} -> {said}");
        assert!(said.to_string().replace("\\\"", "\"").contains(why), "{change} -> {said}");
    }
    let full = json!({ "name": "ci", "head_sha": world.main, "output": output(&"x".repeat(65_535)), "actions": [action(&"é".repeat(20))] });
    world.check(full).await;
}

#[tokio::test]
async fn only_the_app_that_made_a_run_may_change_it() {
    let world = world().await;
    let id = world.check(json!({ "name": "ci", "head_sha": world.main })).await;
    let other = world.github.token(true).expose_secret().to_owned();
    let (status, said) =
        world.ask_as(&other, "PATCH", &runs(&format!("/{id}")), json!({ "conclusion": "success" })).await;
    assert_eq!(status, 403, "{said}");
    assert!(said["message"].as_str().unwrap().contains("can only be modified by the GitHub App that created it"));
    let ann = world.github.person("ann").token().expose_secret().to_owned();
    let (status, said) = world.ask_as(&ann, "POST", &runs(""), json!({ "name": "x", "head_sha": world.main })).await;
    assert_eq!((status, &said["message"]), (403, &json!("You must authenticate via a GitHub App.")));
    let (_, theirs) = world.ask_as(&other, "POST", &runs(""), json!({ "name": "ci", "head_sha": world.main })).await;
    assert_eq!(theirs["app"]["slug"], "other-ci");
    let ours = world.get(&format!("/repos/{REPO}/commits/main/check-runs?app_id={}", world.github.app_id())).await;
    assert_eq!((&ours["total_count"], &ours["check_runs"][0]["id"]), (&json!(1), &json!(id)));
}

#[tokio::test]
async fn lists_filter_and_page() {
    let world = world().await;
    for number in 0..5 {
        world.check(json!({ "name": format!("ci / {number}"), "head_sha": world.main, "external_id": "e" })).await;
    }
    let place = format!("/repos/{REPO}/commits/main/check-runs");
    let one = world.get(&format!("{place}?check_name=ci%20%2F%203")).await;
    assert_eq!((&one["total_count"], &one["check_runs"][0]["name"]), (&json!(1), &json!("ci / 3")));
    let answer =
        world.request(&world.token, "GET", &format!("{place}?per_page=2&page=2"), Value::Null).send().await.unwrap();
    let link = answer.headers()["link"].to_str().unwrap().to_owned();
    let page: Value = answer.json().await.unwrap();
    assert_eq!((page["check_runs"].as_array().unwrap().len(), &page["total_count"]), (2, &json!(5)));
    assert!(link.contains("per_page=2&page=3>; rel=\"next\"") && link.contains("page=3>; rel=\"last\""), "{link}");
    let next = link.split('<').find(|part| part.contains("next")).and_then(|part| part.split('>').next()).unwrap();
    let last: Value = world.http.get(next).bearer_auth(&world.token).send().await.unwrap().json().await.unwrap();
    assert_eq!(last["check_runs"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_never_finished_grows_stale() {
    let world = world().await;
    let id = world.check(json!({ "name": "ci", "head_sha": world.main })).await;
    world.clock.jump(Duration::from_secs(14 * 86_400));
    let token = world.github.token(false).expose_secret().to_owned();
    let (_, run) = world.ask_as(&token, "GET", &runs(&format!("/{id}")), Value::Null).await;
    assert_eq!(run["status"], "queued");
    world.clock.jump(Duration::from_secs(1));
    let (_, run) = world.ask_as(&token, "GET", &runs(&format!("/{id}")), Value::Null).await;
    assert_eq!((&run["status"], &run["conclusion"]), (&json!("completed"), &json!("stale")));
}

#[tokio::test]
async fn a_suite_keeps_a_thousand_runs_of_a_name() {
    let world = world().await;
    let first = world.check(json!({ "name": "ci", "head_sha": world.main })).await;
    world
        .github
        .act(move |state| {
            let run = state.checks.runs[&first].clone();
            for _ in 0..999 {
                let id = state.id();
                state.checks.runs.insert(id, super::super::checks::Run { id, ..run.clone() });
            }
            Ok(())
        })
        .await
        .unwrap();
    world.check(json!({ "name": "ci", "head_sha": world.main })).await;
    assert_eq!(world.ask("GET", &runs(&format!("/{first}")), Value::Null).await.0, 404);
    assert_eq!(world.github.all_checks(&world.main).len(), 1_000);
}

async fn suite_of(world: &World, run: i64) -> Value {
    let run = world.get(&runs(&format!("/{run}"))).await;
    world.get(&format!("/repos/{REPO}/check-suites/{}", run["check_suite"]["id"])).await
}

#[tokio::test]
async fn a_suite_follows_from_its_runs_and_a_rerequest_changes_only_the_suite() {
    let world = world().await;
    let one = world.check(json!({ "name": "a", "head_sha": world.main })).await;
    assert_eq!(suite_of(&world, one).await["status"], "queued");
    let two = world.check(json!({ "name": "b", "head_sha": world.main, "conclusion": "skipped" })).await;
    assert_eq!(suite_of(&world, two).await["status"], "in_progress");
    world.ask("PATCH", &runs(&format!("/{one}")), json!({ "conclusion": "success" })).await;
    let suite = suite_of(&world, one).await;
    assert_eq!((&suite["status"], &suite["conclusion"]), (&json!("completed"), &json!("success")));
    world.github.person("bob").rerequest_suite(suite["id"].as_i64().unwrap()).await.unwrap();
    let suite = suite_of(&world, one).await;
    assert_eq!((&suite["status"], &suite["conclusion"]), (&json!("queued"), &Value::Null));
    assert_eq!(world.get(&runs(&format!("/{one}"))).await["conclusion"], "success", "the run is not changed");
}

#[tokio::test]
async fn checks_name_the_pull_requests_of_own_branches_only() {
    let world = world().await;
    let own = world.github.person("bob").open_pull_request(REPO, "feature", "Own", &[("a", "1")]).await.unwrap();
    let fork = world.github.person("eve").open_pull_request(REPO, "feature", "Fork", &[("b", "2")]).await.unwrap();
    for (number, pulls) in [(own, 1), (fork, 0)] {
        let sha = world.github.read(|state| state.head_of(number).to_owned());
        let id = world.check(json!({ "name": "ci", "head_sha": sha })).await;
        let run = world.get(&runs(&format!("/{id}"))).await;
        assert_eq!(run["pull_requests"].as_array().unwrap().len(), pulls, "{run}");
        let suite = suite_of(&world, id).await;
        assert_eq!(suite["head_branch"], if number == own { json!("feature") } else { Value::Null });
    }
}

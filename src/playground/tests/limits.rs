use std::time::Duration;

use serde_json::{Value, json};

use super::{REPO, world, world_with};
use crate::playground::Weather;

#[tokio::test]
async fn what_has_not_changed_is_304_and_costs_nothing() {
    let world = world().await;
    let path = format!("/repos/{REPO}");
    let first = world.request(&world.token, "GET", &path, Value::Null).send().await.unwrap();
    let (tag, left) = (first.headers()["etag"].clone(), first.headers()["x-ratelimit-remaining"].clone());
    let again =
        world.request(&world.token, "GET", &path, Value::Null).header("if-none-match", &tag).send().await.unwrap();
    assert_eq!((again.status().as_u16(), &again.headers()["x-ratelimit-remaining"]), (304, &left));
    world.github.set_private(REPO, true).await.unwrap();
    let changed =
        world.request(&world.token, "GET", &path, Value::Null).header("if-none-match", &tag).send().await.unwrap();
    assert_eq!(changed.status().as_u16(), 200);
    assert_ne!(changed.headers()["x-ratelimit-remaining"], left);
}

#[tokio::test]
async fn the_hours_requests_run_out() {
    let world = world_with(|options| options.rate_limit = 2).await;
    let path = format!("/repos/{REPO}/commits/main");
    assert_eq!(world.ask("GET", &path, Value::Null).await.0, 200);
    assert_eq!(world.ask("GET", &path, Value::Null).await.0, 200);
    let refused = world.request(&world.token, "GET", &path, Value::Null).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["x-ratelimit-remaining"].as_bytes()), (403, &b"0"[..]));
    let (_, limit) = world.ask("GET", "/rate_limit", Value::Null).await;
    assert_eq!(limit["resources"]["core"]["used"], 2, "asking for the limit is free");
    world.clock.jump(Duration::from_secs(3_600));
    let token = world.github.token(false);
    let (status, _) = world.ask_as(secrecy::ExposeSecret::expose_secret(&token), "GET", &path, Value::Null).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn weather_befalls_what_it_is_meant_for() {
    let world = world().await;
    let (checks, body) = (format!("/repos/{REPO}/check-runs"), json!({ "name": "ci", "head_sha": world.main }));
    let wait = Duration::from_secs(30);
    world.github.fail_next(1, ("POST", &checks), Weather::Status(502, "<html>Unicorn!</html>".into()));
    world.github.fail_next(1, ("POST", &checks), Weather::RateLimited { retry_after: wait });
    world.github.fail_next(1, ("POST", &checks), Weather::SecondaryLimit { retry_after: wait });
    assert_eq!(world.ask("GET", &format!("/repos/{REPO}"), Value::Null).await.0, 200, "not meant for this one");
    assert_eq!(world.ask("POST", &checks, body.clone()).await, (502, json!("<html>Unicorn!</html>")));
    let limited = world.request(&world.token, "POST", &checks, body.clone()).send().await.unwrap();
    let header = |name: &str| limited.headers()[name].to_str().unwrap().to_owned();
    let reset = world.clock.now().plus(wait).0 / 1_000_000;
    assert_eq!(
        (limited.status().as_u16(), header("x-ratelimit-remaining"), header("x-ratelimit-reset")),
        (403, "0".into(), reset.to_string())
    );
    let secondary = world.request(&world.token, "POST", &checks, body.clone()).send().await.unwrap();
    assert_eq!((secondary.status().as_u16(), secondary.headers()["retry-after"].to_str().unwrap()), (403, "30"));
    assert!(world.github.all_checks(&world.main).is_empty(), "nothing was done");
    assert_eq!(world.ask("POST", &checks, body).await.0, 201);
}

#[tokio::test]
async fn an_answer_can_be_lost_after_the_deed() {
    let world = world().await;
    let (checks, body) = (format!("/repos/{REPO}/check-runs"), json!({ "name": "ci", "head_sha": world.main }));
    world.github.fail_next(1, ("POST", &checks), Weather::CutAfterExecution);
    assert!(world.request(&world.token, "POST", &checks, body.clone()).send().await.is_err());
    assert_eq!(world.github.all_checks(&world.main).len(), 1);
    world.github.fail_next(1, ("*", ""), Weather::Hang);
    let hanging = world.request(&world.token, "POST", &checks, body).timeout(Duration::from_millis(50)).send().await;
    assert!(hanging.unwrap_err().is_timeout());
    assert_eq!(world.github.all_checks(&world.main).len(), 1, "nothing was done");
    assert_eq!(world.ask("GET", &format!("/repos/{REPO}"), Value::Null).await.0, 200, "it is over");
}

#[tokio::test]
async fn what_is_not_known_is_remembered() {
    let world = world().await;
    let (status, said) = world.ask("PUT", &format!("/repos/{REPO}/topics?x=1"), json!({ "names": [] })).await;
    assert_eq!((status, &said["message"]), (404, &json!("Not Found")));
    assert_eq!(said["documentation_url"], "https://docs.github.com/rest");
    assert_eq!(world.ask("GET", "/repos/octo/missing", Value::Null).await.0, 404);
    assert_eq!(
        world.github.unexpected_requests(),
        [format!("PUT /repos/{REPO}/topics?x=1")],
        "a missing thing is no unknown request"
    );
}

#[tokio::test]
async fn the_ledger_counts_content_writes() {
    let world = world().await;
    let body = json!({ "name": "ci", "head_sha": world.main });
    for _ in 0..3 {
        world.check(body.clone()).await;
        world.clock.jump(Duration::from_secs(25));
    }
    world.clock.jump(Duration::from_secs(60));
    world.check(body).await;
    assert_eq!((world.github.content_writes_in_any_minute(), world.github.content_writes_in_any_hour()), (3, 4));
    let requests = world.github.requests();
    let last = requests.last().unwrap();
    assert_eq!((last.method.as_str(), last.status, &last.body["name"]), ("POST", 201, &json!("ci")));
    assert_eq!(last.answer["name"], "ci");
}

#[tokio::test]
async fn versions_of_the_api() {
    let world = world().await;
    let number = world.github.person("bob").open_pull_request(REPO, "x", "X", &[("a", "1")]).await.unwrap();
    let ask = async |version: &str| {
        let request = world.request(&world.token, "GET", &format!("/repos/{REPO}/pulls/{number}"), Value::Null);
        let answer = request.header("x-github-api-version", version).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (_, old) = ask("2022-11-28").await;
    assert!(old.get("merge_commit_sha").is_some() && old["base"]["repo"].get("has_downloads").is_some());
    let (_, new) = ask("2026-03-10").await;
    assert!(new.get("merge_commit_sha").is_none() && new.get("assignee").is_none());
    assert!(new["base"]["repo"].get("has_downloads").is_none());
    assert_eq!(ask("2020-01-01").await.0, 400);
}

#[tokio::test]
async fn enterprise_addresses_and_a_nameless_client() {
    let world = world_with(|options| options.enterprise = true).await;
    assert!(world.github.api_url().ends_with("/api/v3") && world.github.graphql_url().ends_with("/api/graphql"));
    let repo = world.get(&format!("/repos/{REPO}")).await;
    assert_eq!(repo["url"], format!("{}/repos/{REPO}", world.github.api_url()));
    let nameless = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = nameless.get(repo["url"].as_str().unwrap()).bearer_auth(&world.token).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 403, "GitHub wants a User-Agent");
}

#[tokio::test]
async fn waiting_ends_with_the_event_or_says_what_was_seen() {
    let world = world().await;
    let github = world.github.clone();
    let sha = world.main.clone();
    let waiting =
        tokio::spawn(async move { github.wait_until(|state| state.check(&sha, "ci").is_some(), "ci appears").await });
    world.check(json!({ "name": "ci", "head_sha": world.main })).await;
    waiting.await.unwrap().unwrap();
    let vain = world.github.wait_within(Duration::from_millis(1), |_| false, "the moon").await.unwrap_err();
    assert!(
        format!("{vain:?}").contains("waited in vain for: the moon") && vain.to_string().contains("check-runs -> 201")
    );
}

#[tokio::test]
async fn nothing_is_left_behind() {
    let world = world().await;
    let folder = world.github.read(|state| state.folder.clone());
    let shared = std::sync::Arc::downgrade(&world.github.shared);
    assert!(folder.exists());
    drop(world);
    let gone = async {
        while shared.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("the server and the courier stop");
    assert!(!folder.exists());
}

//! What machines ask.

use std::time::Duration;

use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, metrics_listener, send};
use crate::store::{Store, StoreOptions};
use crate::wake::Loop;

async fn reasons(bench: &Bench) -> (u16, Vec<String>) {
    let answer = bench.get("/ready").await;
    let reasons = answer.json()["reasons"].as_array().unwrap().clone();
    (answer.status, reasons.into_iter().map(|reason| reason.as_str().unwrap().to_owned()).collect())
}

#[tokio::test]
async fn health_answers_the_four_fields_even_without_a_database() {
    let bench = Bench::new().await;
    bench.metrics.runs_active(2);
    bench.store.close().await;
    let answer = bench.get("/health").await;
    assert_eq!(answer.status, 200);
    insta::assert_snapshot!(answer.body, @r#"{"activeWorkflows":2,"metrics":{"checksOverdue":0,"githubWrites":0,"runsStarted":0},"status":"healthy","timestamp":"2026-11-22T14:00:00Z"}"#);
    bench.stopping.cancel();
    assert_eq!(bench.get("/health").await.json()["status"], "stopping");
}

#[tokio::test]
async fn ready_says_why_not() {
    let bench = Bench::new().await;
    assert_eq!(reasons(&bench).await, (503, vec!["the loops have not started yet".to_owned()]));
    bench.tick(Loop::Beat, true).await;
    bench.tick(Loop::Reconcile, false).await;
    // GitHub is away: deliveries can be taken all the same.
    assert_eq!(reasons(&bench).await, (200, vec![]));
    assert_eq!(bench.get("/ready").await.json()["loops"]["reconcile"]["failuresInARow"], 1);
    bench.clock.jump(Duration::from_secs(31));
    let silent = "this replica shows no beat; the last one was 31 s ago".to_owned();
    assert_eq!(reasons(&bench).await, (503, vec![silent]));
    bench.tick(Loop::Beat, true).await;
    bench.stopping.cancel();
    assert_eq!(reasons(&bench).await, (503, vec!["this replica is stopping".to_owned()]));
}

#[tokio::test]
async fn ready_wants_a_database() {
    let bench = Bench::new().await;
    bench.tick(Loop::Beat, true).await;
    bench.store.close().await;
    assert_eq!(reasons(&bench).await, (503, vec!["the database refuses; run `pointsman doctor`".to_owned()]));
}

#[tokio::test]
async fn a_store_that_was_not_migrated_is_not_ready() {
    let url = SecretString::from("sqlite::memory:");
    let store = Store::open(&url, StoreOptions::default()).await.unwrap();
    let bench = Bench::new().await;
    bench.tick(Loop::Beat, true).await;
    let health = crate::http::Health {
        store,
        clock: bench.clock.clone(),
        loops: bench.loops.clone(),
        metrics: bench.metrics.clone(),
        beat: Duration::from_secs(10),
        stopping: CancellationToken::new(),
    };
    assert_eq!(health.reasons().await, ["the tables are not there yet; run `pointsman migrate`"]);
}

#[tokio::test]
async fn metrics_are_text_here_or_on_a_listener_of_their_own() {
    let bench = Bench::new().await;
    let answer = bench.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(answer.body.ends_with("# EOF\n"));
    let stop = CancellationToken::new();
    let own = metrics_listener(bench.metrics.clone(), stop.clone()).await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert_eq!(send(own, &get("/metrics"), b"").await.status, 200);
    assert_eq!(send(own, &get("/health"), b"").await.status, 404);
    stop.cancel();
}

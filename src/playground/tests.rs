//! The rules of GitHub that this one keeps, each spoken over HTTP as our adapter would.

mod checks;
mod files;
mod hooks;
mod limits;
mod people;
mod rehearsal;
mod tokens;

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::{GitHub, Options};
use crate::time::{Clock, Timestamp};

/// A playground with one repository and somebody to ask it.
pub(super) struct World {
    pub(super) github: GitHub,
    pub(super) clock: Clock,
    pub(super) http: reqwest::Client,
    pub(super) token: String,
    /// The commit that `main` is at.
    pub(super) main: String,
}

pub(super) const REPO: &str = "octo/app";

pub(super) async fn world() -> World {
    world_with(|_| {}).await
}

pub(super) async fn world_with(change: impl FnOnce(&mut Options)) -> World {
    let clock = Clock::manual(Timestamp::parse_rfc3339("2026-11-22T09:00:00Z").unwrap());
    let mut options = Options::new(clock.clone());
    change(&mut options);
    let github = GitHub::start(options).await.unwrap();
    let files = [("README.md", "# App\n"), (".workflows/ci.yml", "name: CI\n"), ("run.sh", "#!/bin/sh\necho hi\n")];
    github.add_repository(REPO, &files).await.unwrap();
    let http = reqwest::Client::builder().user_agent("tests").no_proxy().build().unwrap();
    let token = github.token(false).expose_secret().to_owned();
    let main = github.head(REPO, "main").await.unwrap().to_string();
    World { github, clock, http, token, main }
}

impl World {
    /// Asks as our App's installation.
    pub(super) async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        self.ask_as(&self.token, method, path, body).await
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, Value::Null).await;
        assert_eq!(status, 200, "GET {path}: {body}");
        body
    }

    pub(super) async fn ask_as(&self, token: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
        let answer = self.request(token, method, path, body).send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub(super) fn request(&self, token: &str, method: &str, path: &str, body: Value) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.github.api_url());
        let request = self.http.request(method.parse().unwrap(), url).bearer_auth(token);
        if body.is_null() { request } else { request.json(&body) }
    }

    /// Creates a check run and returns its id.
    pub(super) async fn check(&self, body: Value) -> i64 {
        let (status, run) = self.ask("POST", &format!("/repos/{REPO}/check-runs"), body).await;
        assert_eq!(status, 201, "{run}");
        run["id"].as_i64().unwrap()
    }
}

/// A receiver of webhooks.
pub(super) struct Receiver {
    pub(super) url: String,
    pub(super) status: Arc<AtomicU16>,
    seen: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

pub(super) async fn receiver() -> Receiver {
    let seen: Arc<Mutex<Vec<(HeaderMap, Bytes)>>> = Arc::default();
    let status = Arc::new(AtomicU16::new(202));
    let (kept, answer) = (Arc::clone(&seen), Arc::clone(&status));
    let handler = move |headers: HeaderMap, body: Bytes| async move {
        kept.lock().unwrap().push((headers, body));
        StatusCode::from_u16(answer.load(Ordering::Relaxed)).unwrap()
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/webhook", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, axum::Router::new().fallback(handler)).into_future());
    Receiver { url, status, seen }
}

impl Receiver {
    pub(super) fn raw(&self) -> Vec<(HeaderMap, Bytes)> {
        self.seen.lock().unwrap().clone()
    }

    /// What came so far: the event and its payload.
    pub(super) fn events(&self) -> Vec<(String, Value)> {
        let event = |(headers, body): (HeaderMap, Bytes)| {
            (headers["x-github-event"].to_str().unwrap().to_owned(), serde_json::from_slice(&body).unwrap())
        };
        self.raw().into_iter().map(event).collect()
    }

    /// `event.action` of what came so far.
    pub(super) fn names(&self) -> Vec<String> {
        let name = |(event, payload): (String, Value)| match payload["action"].as_str() {
            Some(action) => format!("{event}.{action}"),
            None => event,
        };
        self.events().into_iter().map(name).collect()
    }
}

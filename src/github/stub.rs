//! A GitHub for the tests of this module: one small server that answers as told and writes down what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::response::Response;
use http::{HeaderMap, Method, Request, StatusCode};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{App, Installation, Settings};
use crate::ids::{CommitSha, InstallationId, RepoName};
use crate::time::{Clock, Timestamp};

/// A key made for these tests, in both forms. It opens nothing.
pub(super) const PKCS1: &str = include_str!("testdata/app.pkcs1.pem");
pub(super) const PKCS8: &str = include_str!("testdata/app.pkcs8.pem");
pub(super) const PUBLIC: &str = include_str!("testdata/app.pub.pem");

/// 2026-11-22T07:00:00Z.
pub(super) const NOW: Timestamp = Timestamp(1_795_330_800_000_000);
pub(super) const SHA: &str = "0123456789abcdef0123456789abcdef01234567";
pub(super) const SHA2: &str = "89abcdef0123456789abcdef0123456789abcdef";

/// What was asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: Method,
    /// With the query.
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
    /// How often exactly this was asked before.
    pub(super) before: usize,
}

impl Asked {
    pub(super) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub(super) fn bearer(&self) -> &str {
        self.headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap()
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    cut: bool,
}

pub(super) fn answer(status: u16, body: Value) -> Answer {
    Answer { status, headers: Vec::new(), body: body.to_string(), cut: false }
}

pub(super) fn ok(body: Value) -> Answer {
    answer(200, body)
}

pub(super) fn html(status: u16) -> Answer {
    Answer { body: "<html><title>Unicorn!</title></html>".into(), ..answer(status, Value::Null) }
}

impl Answer {
    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The line breaks in the middle of the body.
    pub(super) fn cut(self) -> Self {
        Self { cut: true, ..self }
    }

    fn response(self) -> Response {
        let mut response = Response::builder().status(StatusCode::from_u16(self.status).unwrap());
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        let body = if self.cut {
            let half = self.body[..self.body.len() / 2].to_owned();
            let parts = [Ok(half), Err(std::io::Error::other("cut"))];
            Body::from_stream(tokio_stream::iter(parts))
        } else {
            Body::from(self.body)
        };
        response.body(body).unwrap()
    }
}

type Script = dyn Fn(&Asked) -> Option<Answer> + Send + Sync;

pub(super) struct Stub {
    pub(super) app: App,
    pub(super) clock: Clock,
    pub(super) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    server: tokio::task::JoinHandle<()>,
}

impl Stub {
    /// Answers by `script`; where that has nothing to say: who the App is, and tokens `ghs_token1`, `ghs_token2` …
    pub(super) async fn start(script: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let clock = Clock::manual(NOW);
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (log, script, time) = (asked.clone(), Arc::new(script) as Arc<Script>, clock.clone());
        let router = axum::Router::new().fallback(move |request: Request<Body>| {
            let (log, script, time) = (log.clone(), script.clone(), time.clone());
            async move { respond(request, &log, &*script, &time).await }
        });
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let app = App::new(&settings(&url), clock.clone()).unwrap();
        Self { app, clock, url, asked, server }
    }

    pub(super) async fn installation(&self) -> Installation {
        self.app.installation(InstallationId(7)).await
    }

    /// All that was asked, but for tokens and who the App is.
    pub(super) fn asked(&self) -> Vec<Asked> {
        let all = self.asked.lock().unwrap().clone();
        all.into_iter().filter(|asked| !asked.path.ends_with("/access_tokens") && asked.path != "/app").collect()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.asked().iter().map(Asked::line).collect()
    }

    pub(super) fn minted(&self) -> Vec<Asked> {
        let all = self.asked.lock().unwrap().clone();
        all.into_iter().filter(|asked| asked.path.ends_with("/access_tokens")).collect()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub(super) fn settings(url: &str) -> Settings {
    Settings {
        api_url: url.parse().unwrap(),
        graphql_url: format!("{url}/graphql").parse().unwrap(),
        web_url: url.parse().unwrap(),
        issuer: "Iv23liPOINTSMAN".into(),
        private_key: SecretString::from(PKCS1),
    }
}

pub(super) fn repo() -> RepoName {
    "octo/railway".parse().unwrap()
}

pub(super) fn sha() -> CommitSha {
    CommitSha::full(SHA).unwrap()
}

/// Whether it is a signature of ours, whatever the time.
pub(super) fn claims(jwt: &str) -> Value {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    let key = DecodingKey::from_rsa_pem(PUBLIC.as_bytes()).unwrap();
    jsonwebtoken::decode::<Value>(jwt, &key, &validation).unwrap().claims
}

async fn respond(request: Request<Body>, log: &Mutex<Vec<Asked>>, script: &Script, clock: &Clock) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let path = head.uri.path_and_query().unwrap().to_string();
    let (asked, minted) = {
        let mut log = log.lock().unwrap();
        let before = log.iter().filter(|asked| asked.path == path && asked.method == head.method).count();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        log.push(Asked { method: head.method, path, headers: head.headers, body, before });
        let minted = log.iter().filter(|asked| asked.path.ends_with("/access_tokens")).count();
        (log.last().unwrap().clone(), minted)
    };
    if let Some(answer) = script(&asked) {
        return answer.response();
    }
    let answer = match asked.path.as_str() {
        "/app" => ok(json!({ "id": 42, "slug": "pointsman", "permissions": {}, "events": [] })),
        path if path.ends_with("/access_tokens") => {
            let until = clock.now().plus(Duration::from_secs(3_600)).rfc3339();
            answer(201, json!({ "token": format!("ghs_token{minted}"), "expires_at": until }))
        }
        _ => answer(404, json!({ "message": "Not Found" })),
    };
    answer.response()
}

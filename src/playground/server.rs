//! The HTTP side: one handler for everything, since authentication, limits, weather, ETags and the ledger are the same
//! for all resources.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request as HttpRequest, State as Extract};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::github::Shared;
use super::ledger::Request;
use super::reply::{Answer, Call, Reply};
use super::state::State;
use super::tokens::Caller;
use super::weather::Weather;
use super::{graphql, routes, shapes};

/// The largest body that is read.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The versions of the API that there are.
const VERSIONS: [&str; 2] = ["2022-11-28", "2026-03-10"];

/// A request before it is judged.
struct Incoming {
    method: String,
    /// Under the API's root.
    path: String,
    query: String,
    headers: HeaderMap,
    body: Value,
}

impl Incoming {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn full_path(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) }
    }
}

/// Answers everything.
pub(super) async fn handle(Extract(shared): Extract<Arc<Shared>>, request: HttpRequest) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    // Enterprise Server keeps its API under /api; both places answer, the settings say which one is told.
    let path = path.strip_prefix("/api/v3").or_else(|| path.strip_prefix("/api")).unwrap_or(path).to_owned();
    let Ok(bytes) = to_bytes(body, BODY_BYTES_MAX).await else {
        return respond(Reply::error(413, "Payload Too Large"));
    };
    let body = match bytes.as_ref() {
        b"" => Value::Null,
        sent => serde_json::from_slice(sent).unwrap_or_else(|_| String::from_utf8_lossy(sent).into_owned().into()),
    };
    let incoming = Incoming {
        method: parts.method.as_str().to_owned(),
        path,
        query: parts.uri.query().unwrap_or_default().to_owned(),
        body,
        headers: parts.headers,
    };
    let weather = shared.lock().forecast.take(&incoming.method, &incoming.path);
    if weather == Some(Weather::Hang) {
        record(&mut shared.lock(), &incoming, &Reply::new(0, Value::Null));
        shared.tick();
        shared.stop.cancelled().await;
        return cut();
    }
    let worker = Arc::clone(&shared);
    let cutting = weather == Some(Weather::CutAfterExecution);
    // Git programs run inside: not on the threads that serve the network.
    let done = tokio::task::spawn_blocking(move || {
        let reply = execute(&mut worker.lock(), &incoming, weather.as_ref());
        worker.tick();
        reply
    });
    match done.await {
        Ok(_) if cutting => cut(),
        Ok(reply) => respond(reply),
        Err(error) => respond(Reply::error(500, &format!("Server Error: {error}"))),
    }
}

/// Breaks the connection without an answer: unwinding its task closes the socket, and no panic hook runs.
fn cut() -> Response {
    std::panic::resume_unwind(Box::new("the weather cut this connection"))
}

fn respond(reply: Reply) -> Response {
    let (kind, bytes) = match reply.raw {
        Some((kind, bytes)) => (kind, bytes),
        None if reply.status == 304 => ("application/json; charset=utf-8", Vec::new()),
        None => ("application/json; charset=utf-8", reply.body.to_string().into_bytes()),
    };
    let mut response = Response::builder()
        .status(StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        .header("content-type", kind)
        .header("server", "github.com");
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    response.body(Body::from(bytes)).unwrap_or_default()
}

fn record(state: &mut State, incoming: &Incoming, reply: &Reply) {
    let at = state.now();
    state.ledger.record(Request {
        method: incoming.method.clone(),
        path: incoming.full_path(),
        body: incoming.body.clone(),
        status: reply.status,
        answer: reply.body.clone(),
        at,
    });
}

fn execute(state: &mut State, incoming: &Incoming, weather: Option<&Weather>) -> Reply {
    let now = state.now();
    state.checks.grow_stale(now);
    let reply = match weather.and_then(|weather| weather.reply(state)) {
        Some(reply) => reply,
        None => judge(state, incoming),
    };
    record(state, incoming, &reply);
    reply
}

fn judge(state: &mut State, incoming: &Incoming) -> Reply {
    if let Some(page) = state.web_page(&incoming.method, &incoming.path) {
        return page;
    }
    if incoming.header("user-agent").is_none() {
        let said = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.";
        return Reply::error(403, said);
    }
    let version = incoming.header("x-github-api-version").unwrap_or(VERSIONS[0]);
    if !VERSIONS.contains(&version) {
        return Reply::error(400, &format!("{version} is not a supported version."));
    }
    let caller = match state.caller(incoming.header("authorization")) {
        Ok(caller) => caller,
        Err(reply) => return reply,
    };
    let resource = if incoming.path == "/graphql" { "graphql" } else { "core" };
    let free = incoming.path == "/rate_limit" || matches!(caller, Caller::App(_));
    if !free && state.remaining(resource) == 0 {
        let said = format!("API rate limit exceeded for installation ID {}.", state.ours.installation);
        return state.with_limits(Reply::error(403, &said), resource);
    }
    let call = call(state, incoming, caller);
    let mut reply =
        answer(state, &call, incoming).unwrap_or_else(|reply| reply).with("x-github-api-version-selected", version);
    if version == VERSIONS[1] {
        shapes::modernize(&mut reply.body);
    }
    if incoming.method == "GET" && reply.status == 200 && reply.raw.is_none() {
        let tag = format!("W/\"{}\"", hex::encode(Sha256::digest(reply.body.to_string())));
        if incoming.header("if-none-match") == Some(tag.as_str()) {
            // Nothing new, and nothing counted.
            return state.with_limits(Reply::new(304, Value::Null).with("etag", tag), resource);
        }
        reply = reply.with("etag", tag);
    }
    if !free {
        state.count(resource);
    }
    state.with_limits(reply, resource)
}

fn call(state: &State, incoming: &Incoming, caller: Caller) -> Call {
    let decoded = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    let query: BTreeMap<String, String> = url::form_urlencoded::parse(incoming.query.as_bytes()).into_owned().collect();
    Call {
        method: incoming.method.clone(),
        segments: incoming.path.split('/').filter(|part| !part.is_empty()).map(decoded).collect(),
        query,
        body: incoming.body.clone(),
        caller,
        accept: incoming.header("accept").unwrap_or_default().to_owned(),
        stateless: incoming.header("x-github-stateless-s2s-token").map(str::to_owned),
        url: format!("{}{}", state.api(), incoming.path),
    }
}

fn answer(state: &mut State, call: &Call, incoming: &Incoming) -> Answer {
    if (incoming.method.as_str(), incoming.path.as_str()) == ("POST", "/graphql") {
        return graphql::answer(state, call);
    }
    if let Some(answer) = routes::answer(state, call) {
        return answer;
    }
    state.ledger.unexpected(format!("{} {}", incoming.method, incoming.full_path()));
    Err(Reply::not_found())
}

/// The hour's requests of one resource.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Hour {
    since: i64,
    used: u32,
}

impl State {
    fn hour(&self, resource: &str) -> Hour {
        let hour = self.hours.get(resource).copied().unwrap_or_default();
        let now = self.now().0.div_euclid(1_000_000);
        // The window opens with its first request.
        if now - hour.since >= 3_600 { Hour { since: now, used: 0 } } else { hour }
    }

    fn remaining(&self, resource: &str) -> u32 {
        self.rate_limit.saturating_sub(self.hour(resource).used)
    }

    fn count(&mut self, resource: &'static str) {
        let mut hour = self.hour(resource);
        hour.used += 1;
        self.hours.insert(resource, hour);
    }

    fn with_limits(&self, reply: Reply, resource: &'static str) -> Reply {
        let hour = self.hour(resource);
        reply
            .with("x-ratelimit-limit", self.rate_limit)
            .with("x-ratelimit-remaining", self.remaining(resource))
            .with("x-ratelimit-used", hour.used)
            .with("x-ratelimit-reset", hour.since + 3_600)
            .with("x-ratelimit-resource", resource)
            .with("x-github-request-id", "C0DE:0:0:0:0")
    }

    pub(crate) fn limit_json(&self, resource: &str) -> Value {
        let hour = self.hour(resource);
        json!({
            "limit": self.rate_limit, "remaining": self.remaining(resource), "used": hour.used,
            "reset": hour.since + 3_600, "resource": resource,
        })
    }

    /// `GET /rate_limit`: free.
    pub(crate) fn rate_limit_json(&self, _: &Call) -> Reply {
        let core = self.limit_json("core");
        let resources = json!({ "core": core, "graphql": self.limit_json("graphql") });
        Reply::ok(json!({ "resources": resources, "rate": core }))
    }

    /// What a browser is shown under a pull request's address: the same text that tests see.
    fn web_page(&self, method: &str, path: &str) -> Option<Reply> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let (["GET"], [owner, name, "pull", number]) = ([method], parts.as_slice()) else { return None };
        let pull = self.pulls.get(&number.parse().ok()?)?;
        if pull.repo.as_str() != format!("{owner}/{name}") {
            return None;
        }
        let page = self.render(pull.number).into_bytes();
        Some(Reply { raw: Some(("text/plain; charset=utf-8", page)), ..Reply::ok(Value::Null) })
    }
}

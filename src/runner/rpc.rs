//! The A2A server of a runner: the card, the health, and four calls of JSON-RPC.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::driver::Driver;
use super::exec::runnable;
use super::jail::Jail;
use super::tasks::{Live, Taken, Tasks};
use crate::agents::a2a::{
    self, CARD_PATH, RpcError, STEP_EXTENSION, SendMessage, TaskSnapshot, TaskState, TaskStatus, VERSION_HEADER, code,
};
use crate::agents::{Class, Failure, Step, StepResult};
use crate::ids::{AttemptId, random_bytes};
use crate::time::Clock;

/// Bytes of one request.
const REQUEST_BYTES_MAX: usize = 4 << 20;
/// Tasks of one answer to `ListTasks`.
const LISTED_TASKS_MAX: usize = 50;
/// How long a cancel waits for the end before it answers with what is so.
const CANCEL_WAIT: Duration = Duration::from_secs(5);
/// How long a caller that wants to block may.
const BLOCK_WAIT: Duration = Duration::from_secs(300);
/// When to come again to a full runner, in seconds.
const RETRY_AFTER_S: u64 = 15;
/// Bytes of a message id and of a context id.
const ID_BYTES_MAX: usize = 400;

/// What the handlers share.
pub(super) struct Server {
    pub(super) tasks: Arc<Tasks>,
    pub(super) queue: mpsc::UnboundedSender<Queued>,
    pub(super) jail: Jail,
    pub(super) driver: Driver,
    pub(super) name: String,
    pub(super) bearer: Option<SecretString>,
    pub(super) max_concurrent: usize,
    pub(super) clock: Clock,
}

/// A task that is to be run. Their number is bounded by [`Tasks::take`].
pub(super) struct Queued {
    pub(super) id: String,
    pub(super) attempt: AttemptId,
    pub(super) step: Step,
    pub(super) live: Live,
}

/// All addresses of a runner.
pub(super) fn router(server: Arc<Server>) -> Router {
    let calls = Router::new()
        .route("/a2a", post(call))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .layer(from_fn_with_state(Arc::clone(&server), authorize));
    Router::new().route(CARD_PATH, get(card)).route("/healthz", get(healthz)).merge(calls).with_state(server)
}

/// Before the body is read: a stranger sends no megabytes.
async fn authorize(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    if let Some(wanted) = &server.bearer {
        let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        // Hashes have one length, so neither length nor content shows in the time.
        let same = Sha256::digest(given).ct_eq(&Sha256::digest(wanted.expose_secret()));
        if !bool::from(same) {
            return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")], "a bearer token is needed\n")
                .into_response();
        }
    }
    next.run(request).await
}

async fn healthz(State(server): State<Arc<Server>>) -> Json<Value> {
    let (running, queued) = server.tasks.load();
    Json(json!({ "status": "ok", "running": running, "queued": queued, "sandbox": server.jail.name() }))
}

async fn card(State(server): State<Arc<Server>>, headers: HeaderMap) -> Json<Value> {
    // The address by which the caller came: a runner behind a name does not know its name.
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let (running, queued) = server.tasks.load();
    let mut card = json!({
        "name": server.name,
        "description": format!("Runs the commands of steps, driver {}. Sandbox: {}, {}.", server.driver, server.jail.name(), server.jail.about()),
        "version": env!("CARGO_PKG_VERSION"),
        "supportedInterfaces": [{ "url": format!("http://{host}/a2a"), "protocolBinding": "JSONRPC", "protocolVersion": a2a::VERSION }],
        "capabilities": {
            "streaming": false,
            "pushNotifications": true,
            "extensions": [{ "uri": STEP_EXTENSION, "required": true, "description": "A step as data, its result as an artifact", "params": {
                "sandbox": server.jail.name(),
                "running": running.to_string(),
                "queued": queued.to_string(),
                "max_concurrent": server.max_concurrent.to_string(),
            } }],
        },
        "defaultInputModes": ["application/json"],
        "defaultOutputModes": ["application/json"],
        "skills": [{ "id": "command.run", "name": "run a command", "description": "Runs a command in a fresh checkout of one commit", "tags": ["command"] }],
    });
    if server.bearer.is_some() {
        card["securitySchemes"] = json!({ "bearer": { "httpAuthSecurityScheme": { "scheme": "Bearer" } } });
        card["securityRequirements"] = json!([{ "schemes": { "bearer": { "list": [] } } }]);
    }
    Json(card)
}

#[derive(Deserialize)]
struct Call {
    #[serde(default)]
    id: Value,
    method: String,
    #[serde(default)]
    params: Value,
}

async fn call(State(server): State<Arc<Server>>, headers: HeaderMap, body: Bytes) -> Json<Value> {
    let (id, answer) = match serde_json::from_slice::<Value>(&body) {
        Err(error) => (Value::Null, Err(wrong(code::PARSE, format!("the body is no JSON: {error}")))),
        Ok(value) => match Call::deserialize(value) {
            Err(error) => (Value::Null, Err(wrong(code::REQUEST, format!("not a request of JSON-RPC: {error}")))),
            Ok(call) => (call.id.clone(), answer(&server, &headers, call).await),
        },
    };
    Json(match answer {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(error) => json!({ "jsonrpc": "2.0", "id": id, "error": error }),
    })
}

async fn answer(server: &Arc<Server>, headers: &HeaderMap, call: Call) -> Result<Value, RpcError> {
    let version = headers.get(VERSION_HEADER).and_then(|version| version.to_str().ok()).unwrap_or_default();
    if version != "1" && !version.starts_with("1.") {
        return Err(wrong(code::VERSION, "send the header A2A-Version: 1.0; nothing else is spoken here"));
    }
    match call.method.as_str() {
        "SendMessage" => send(server, params(call.params)?).await,
        "GetTask" => {
            let wanted: TaskId = params(call.params)?;
            to_value(&server.tasks.show(&wanted.id).ok_or_else(|| not_found(&wanted.id))?)
        }
        "ListTasks" => list(server, params(call.params)?),
        "CancelTask" => cancel(server, params(call.params)?).await,
        "SendStreamingMessage" | "SubscribeToTask" => {
            Err(wrong(code::UNSUPPORTED, "streaming is not offered here; use GetTask"))
        }
        other => Err(wrong(code::METHOD, format!("unknown method {other:.80}"))),
    }
}

#[derive(Deserialize)]
struct TaskId {
    id: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ListTasks {
    context_id: String,
    page_size: Option<u32>,
}

fn list(server: &Server, wanted: ListTasks) -> Result<Value, RpcError> {
    let size = wanted.page_size.map_or(LISTED_TASKS_MAX, |size| size as usize).clamp(1, LISTED_TASKS_MAX);
    let context = (!wanted.context_id.is_empty()).then_some(wanted.context_id.as_str());
    let (tasks, total) = server.tasks.list(context, size);
    to_value(&json!({ "tasks": tasks, "pageSize": size, "totalSize": total, "nextPageToken": "" }))
}

async fn cancel(server: &Server, wanted: TaskId) -> Result<Value, RpcError> {
    let (ended, mut state) = server.tasks.cancel(&wanted.id).ok_or_else(|| not_found(&wanted.id))?;
    if ended {
        return Err(wrong(code::NOT_CANCELABLE, "Task cannot be canceled: it has ended"));
    }
    wait_for_end(&mut state, CANCEL_WAIT).await;
    to_value(&server.tasks.show(&wanted.id).ok_or_else(|| not_found(&wanted.id))?)
}

async fn send(server: &Arc<Server>, params: SendMessage) -> Result<Value, RpcError> {
    let message = &params.message;
    if !message.task_id.is_empty() {
        let known = server.tasks.show(&message.task_id).is_some();
        let unsupported =
            wrong(code::UNSUPPORTED, "a command takes no further messages; send a new one without taskId");
        return Err(if known { unsupported } else { not_found(&message.task_id) });
    }
    for (name, id) in [("messageId", &message.message_id), ("contextId", &message.context_id)] {
        if id.is_empty() || id.len() > ID_BYTES_MAX {
            return Err(wrong(code::PARAMS, format!("message.{name} must have 1 to {ID_BYTES_MAX} bytes")));
        }
    }
    let (attempt, step) = Step::read(message).map_err(|why| wrong(code::PARAMS, why))?;
    if attempt.to_string() != message.context_id {
        return Err(wrong(code::PARAMS, "message.contextId is not the fence of the step"));
    }
    let id = Uuid::from_u128(u128::from_be_bytes(task_id_bytes(&server.clock))).to_string();
    if let Err(failure) = runnable(&step, &server.driver, &server.jail) {
        return rejected(server, id, message.context_id.clone(), failure);
    }
    let blocking = !params.configuration.return_immediately;
    // A caller that hangs up must not stop what its message began: taking and queueing are one piece of work.
    let taker = Arc::clone(server);
    let work = move || {
        let push = params.configuration.task_push_notification_config;
        let taken = taker.tasks.take(id, &params.message, push)?;
        if let Taken::New(task, live) = &taken {
            let queued = Queued { id: task.id.clone(), attempt, step, live: live.clone() };
            taker.queue.send(queued).map_err(std::io::Error::other)?;
        }
        Ok::<_, std::io::Error>((taken, params.message.context_id))
    };
    let taken = tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other);
    let (taken, context_id) = taken.and_then(|taken| taken).map_err(|error| {
        tracing::error!(%error, "a task could not be written to the journal");
        wrong(code::INTERNAL, "the task could not be written to the journal")
    })?;
    let task = match taken {
        Taken::New(task, _) | Taken::Known(task) => task,
        Taken::Full => {
            let mut failure = Failure::new(Class::Overloaded, "the runner is full; come again later");
            failure.retry_after_s = Some(RETRY_AFTER_S);
            return rejected(server, Uuid::from_bytes(random_bytes()).to_string(), context_id, failure);
        }
    };
    if blocking && let Some(mut state) = server.tasks.watch(&task.id) {
        wait_for_end(&mut state, BLOCK_WAIT).await;
        let task = server.tasks.show(&task.id).ok_or_else(|| not_found(&task.id))?;
        return to_value(&json!({ "task": task }));
    }
    to_value(&json!({ "task": task }))
}

/// A UUID version 7: ids sort by birth, which tells the oldest of a context.
fn task_id_bytes(clock: &Clock) -> [u8; 16] {
    let millis = u64::try_from(clock.now().0 / 1_000).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &random_bytes()).into_uuid().into_bytes()
}

/// A task that was never taken. It is not kept: the same message may come again.
fn rejected(server: &Server, id: String, context_id: String, failure: Failure) -> Result<Value, RpcError> {
    let result = StepResult { error: Some(failure), ..StepResult::default() };
    let timestamp = Some(server.clock.now().rfc3339());
    let status = TaskStatus { state: TaskState::Rejected, message: None, timestamp };
    let task = TaskSnapshot { id, context_id, status, artifacts: vec![result.artifact()] };
    to_value(&json!({ "task": task }))
}

async fn wait_for_end(state: &mut watch::Receiver<TaskState>, at_most: Duration) {
    // Too late or forgotten: what follows shows the task as it is.
    let _ = tokio::time::timeout(at_most, state.wait_for(|state| state.is_terminal())).await;
}

fn params<T: DeserializeOwned>(params: Value) -> Result<T, RpcError> {
    serde_json::from_value(params).map_err(|error| wrong(code::PARAMS, format!("params: {error}")))
}

fn to_value<T: serde::Serialize>(value: &T) -> Result<Value, RpcError> {
    serde_json::to_value(value).map_err(|error| wrong(code::INTERNAL, error.to_string()))
}

fn not_found(id: &str) -> RpcError {
    wrong(code::TASK_NOT_FOUND, format!("Task not found: {id:.80}"))
}

fn wrong(code: i64, message: impl Into<String>) -> RpcError {
    RpcError { code, message: message.into() }
}

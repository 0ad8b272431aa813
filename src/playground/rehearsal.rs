//! An agent that does nothing, and says so: `dev` puts it in the place of agents that are not set up.
//!
//! Every step that it is sent ends after a short moment as `neutral`, never as `success`: nobody may take a rehearsal
//! for the real thing. It keeps no state at all. A task is its context: whoever asks about one gets the only answer
//! that there is, so a message that comes twice, or a replica that asks another way, changes nothing.

use std::net::SocketAddr;
use std::time::Duration;

use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::error::Error;
use crate::agents::a2a::{self, TaskSnapshot, TaskState, TaskStatus, code};
use crate::agents::{About, Conclusion, StepResult};

/// What every rehearsed step says, word for word: in its check, and in the terminal of `dev`.
pub const REHEARSED: &str = "rehearsed, nothing ran";
/// How long a step seems to take, so that there is something to watch. Well below the timeout of a call.
const MOMENT: Duration = Duration::from_millis(800);
/// What a task's id has before its context.
const TASK_PREFIX: &str = "rehearsed-";
/// Bytes of a context id; ours are far shorter.
const CONTEXT_BYTES_MAX: usize = 400;

/// The agent. It stops when this is dropped.
pub struct Rehearsal {
    address: SocketAddr,
    _stop: DropGuard,
}

impl Rehearsal {
    /// Starts one on a free port of this machine.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start() -> Result<Self, Error> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let (address, stop) = (listener.local_addr()?, CancellationToken::new());
        let router = Router::new()
            .route("/healthz", get(|| async { Json(json!({ "status": "ok" })) }))
            .route("/a2a", post(|Json(call): Json<Value>| call_answer(call)));
        let serving = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
        tokio::spawn(serving.into_future());
        Ok(Self { address, _stop: stop.drop_guard() })
    }

    /// Where it speaks A2A; any number of agents may share it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}/a2a", self.address)
    }
}

async fn call_answer(call: Value) -> Json<Value> {
    let params = &call["params"];
    let answer = match call["method"].as_str().unwrap_or_default() {
        "SendMessage" => match context(&params["message"]["contextId"]) {
            Some(context) => {
                tokio::time::sleep(MOMENT).await;
                Ok(json!({ "task": task(context) }))
            }
            None => Err((code::PARAMS, "message.contextId is missing".to_owned())),
        },
        "GetTask" => match params["id"].as_str().and_then(|id| id.strip_prefix(TASK_PREFIX)) {
            Some(context) => Ok(json!(task(context))),
            None => Err((code::TASK_NOT_FOUND, "Task not found".to_owned())),
        },
        "ListTasks" => Ok(json!({ "tasks": context(&params["contextId"]).map(task).into_iter().collect::<Vec<_>>() })),
        "CancelTask" => Err((code::NOT_CANCELABLE, "a rehearsed step has always ended already".to_owned())),
        other => Err((code::METHOD, format!("unknown method {other:.80}"))),
    };
    Json(match answer {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": call["id"], "result": result }),
        Err((code, message)) => {
            json!({ "jsonrpc": "2.0", "id": call["id"], "error": a2a::RpcError { code, message } })
        }
    })
}

fn context(value: &Value) -> Option<&str> {
    value.as_str().filter(|context| (1..=CONTEXT_BYTES_MAX).contains(&context.len()))
}

fn task(context: &str) -> TaskSnapshot {
    let agent = About { name: "rehearsal".to_owned(), ..About::default() };
    let summary = REHEARSED.to_owned();
    let result = StepResult { conclusion: Conclusion::Neutral, summary, agent, ..StepResult::default() };
    TaskSnapshot {
        id: format!("{TASK_PREFIX}{context}"),
        context_id: context.to_owned(),
        status: TaskStatus { state: TaskState::Completed, ..TaskStatus::default() },
        artifacts: vec![result.artifact()],
    }
}

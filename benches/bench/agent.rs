//! An agent that does nothing, over A2A on loopback: it answers every message with a task that has succeeded.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use url::Url;

/// What it does with a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It is done as soon as it is asked.
    Quick,
    /// It works, and is done when it is asked how it stands.
    Later,
    /// It works, and never ends.
    Endless,
}

/// The agent. Cheap to clone.
#[derive(Clone)]
pub struct Agent(Arc<Inner>);

struct Inner {
    manner: Manner,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    /// When the last step of each run was answered.
    answered: BTreeMap<String, Instant>,
    /// From an answer to the next message of that run.
    follows: Vec<Duration>,
    tasks: usize,
}

impl Agent {
    /// Starts one; where it is.
    pub async fn start(manner: Manner) -> anyhow::Result<(Self, Url)> {
        let agent = Self(Arc::new(Inner { manner, told: Mutex::default() }));
        let router = Router::new().route("/a2a", post(answer)).with_state(agent.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = Url::parse(&format!("http://{}/a2a", listener.local_addr()?))?;
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok((agent, url))
    }

    /// How many tasks it was given.
    pub fn tasks(&self) -> usize {
        self.0.told.lock().unwrap_or_else(PoisonError::into_inner).tasks
    }

    /// Sorted: how long after an answer the next message of that run came. Of four that start at once, the first.
    pub fn take_follows(&self) -> Vec<Duration> {
        let mut told = self.0.told.lock().unwrap_or_else(PoisonError::into_inner);
        let mut follows = std::mem::take(&mut told.follows);
        follows.sort_unstable();
        follows
    }
}

async fn answer(State(agent): State<Agent>, Json(call): Json<Value>) -> Json<Value> {
    let params = &call["params"];
    let context = params["message"]["contextId"].as_str().unwrap_or_default().to_owned();
    let asked = call["method"] == "GetTask";
    let done = agent.0.manner == Manner::Quick || agent.0.manner == Manner::Later && asked;
    let state = if done { "TASK_STATE_COMPLETED" } else { "TASK_STATE_WORKING" };
    let data = json!({ "schema": "step-result/v1", "conclusion": "success", "summary": "Nothing was done." });
    let artifacts = json!([{ "artifactId": "result", "name": "result", "parts": [{ "data": data }] }]);
    if asked {
        let task = json!({ "id": params["id"], "contextId": "", "status": { "state": state }, "artifacts": artifacts });
        return Json(json!({ "result": task }));
    }
    let task = json!({
        "id": format!("task:{context}"), "contextId": context, "status": { "state": state },
        "artifacts": artifacts,
    });
    // A context is `<run>.<step>.a<number>`.
    let run = context.split('.').next().unwrap_or_default().to_owned();
    let mut told = agent.0.told.lock().unwrap_or_else(PoisonError::into_inner);
    told.tasks += 1;
    if let Some(before) = told.answered.remove(&run) {
        told.follows.push(before.elapsed());
    }
    if context.contains(".first.") {
        told.answered.insert(run, Instant::now());
    }
    Json(json!({ "result": { "task": task } }))
}

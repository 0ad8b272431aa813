//! A small agent that does as it is told: a server of A2A with a script in place of a mind.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing::post};
use serde_json::{Value, json};
use url::Url;

/// How an agent behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// It takes everything and works until it is told to stop.
    Works,
    /// It does not stop when told.
    Deaf,
    /// It takes an attempt, but its answer to the first message never arrives.
    Unclear,
    /// The same, and it does not list its tasks until it is told to speak; then it works.
    Mute,
    /// It forgets every task at once.
    Forgets,
    /// It has done every task, well, before it answers.
    Quick,
    /// It takes nothing.
    Declines,
}

#[derive(Clone)]
pub struct Stub(Arc<Mutex<Inner>>);

struct Inner {
    script: Script,
    tasks: Vec<Task>,
    /// What was asked, in order, by method.
    calls: Vec<String>,
    /// The words of every message.
    words: Vec<String>,
}

struct Task {
    id: String,
    context: String,
    state: &'static str,
}

impl Stub {
    pub async fn start(script: Script) -> (Self, Url) {
        let stub =
            Self(Arc::new(Mutex::new(Inner { script, tasks: Vec::new(), calls: Vec::new(), words: Vec::new() })));
        let router = Router::new().route("/a2a", post(answer)).with_state(stub.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/a2a", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (stub, url)
    }

    pub fn calls(&self, method: &str) -> usize {
        self.0.lock().unwrap().calls.iter().filter(|call| *call == method).count()
    }

    pub fn words(&self) -> Vec<String> {
        self.0.lock().unwrap().words.clone()
    }

    /// Tasks that are worked on now, and that ever were.
    pub fn tasks(&self) -> (usize, usize) {
        let inner = self.0.lock().unwrap();
        (inner.tasks.iter().filter(|task| task.state == "TASK_STATE_WORKING").count(), inner.tasks.len())
    }

    /// Ends the silence of a mute one.
    pub fn speak(&self) {
        self.0.lock().unwrap().script = Script::Works;
    }

    /// Ends the oldest task that is worked on, well.
    pub fn finish_one(&self) {
        let mut inner = self.0.lock().unwrap();
        let task = inner.tasks.iter_mut().find(|task| task.state == "TASK_STATE_WORKING");
        if let Some(task) = task {
            task.state = "TASK_STATE_COMPLETED";
        }
    }
}

impl Task {
    fn show(&self) -> Value {
        let mut task = json!({ "id": self.id, "contextId": self.context, "status": { "state": self.state } });
        if self.state == "TASK_STATE_COMPLETED" {
            let data = json!({ "schema": "step-result/v1", "conclusion": "success", "summary": "Looks well.",
                "usage": { "cost_usd": "0.25" } });
            task["artifacts"] = json!([{ "artifactId": "result", "name": "result", "parts": [{ "data": data }] }]);
        }
        task
    }
}

async fn answer(State(stub): State<Stub>, Json(call): Json<Value>) -> Response {
    let mut inner = stub.0.lock().unwrap();
    let method = call["method"].as_str().unwrap().to_owned();
    inner.calls.push(method.clone());
    let (script, params) = (inner.script, &call["params"]);
    let lost = json!({ "error": { "code": -32001, "message": "Task not found" } });
    let body = match method.as_str() {
        "SendMessage" => {
            let message = &params["message"];
            inner.words.push(message["parts"][0]["text"].as_str().unwrap().to_owned());
            let state = match script {
                Script::Declines => "TASK_STATE_REJECTED",
                Script::Quick => "TASK_STATE_COMPLETED",
                _ => "TASK_STATE_WORKING",
            };
            let context = message["contextId"].as_str().unwrap().to_owned();
            let task = Task { id: format!("t{}", inner.tasks.len() + 1), context, state };
            let shown = task.show();
            inner.tasks.push(task);
            if matches!(script, Script::Unclear | Script::Mute) && inner.tasks.len() == 1 {
                return StatusCode::BAD_GATEWAY.into_response();
            }
            json!({ "result": { "task": shown } })
        }
        "GetTask" | "CancelTask" => {
            let id = params["id"].as_str().unwrap().to_owned();
            let Some(task) = inner.tasks.iter_mut().find(|task| task.id == id) else {
                return Json(lost).into_response();
            };
            match (method.as_str(), script) {
                (_, Script::Forgets) => return Json(lost).into_response(),
                ("GetTask", Script::Unclear) => task.state = "TASK_STATE_COMPLETED",
                ("CancelTask", Script::Works) => task.state = "TASK_STATE_CANCELED",
                _ => {}
            }
            json!({ "result": task.show() })
        }
        "ListTasks" if script == Script::Mute => return StatusCode::BAD_GATEWAY.into_response(),
        "ListTasks" => {
            let context = params["contextId"].as_str().unwrap();
            let tasks: Vec<Value> = inner.tasks.iter().filter(|t| t.context == context).map(Task::show).collect();
            json!({ "result": { "tasks": tasks } })
        }
        other => panic!("{other}"),
    };
    Json(body).into_response()
}

//! An agent that lives in the test, so that it survives whoever asks it, and keeps a ledger of what it was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use pointsman::agents::a2a::{Message, TaskSnapshot, TaskState, TaskStatus, code};
use pointsman::agents::{Annotation, Class, Conclusion, Failure, StepResult};
use pointsman::ids::AttemptId;
use serde_json::{Value, json};
use tokio::sync::watch;

/// The step whose first try fails by no fault of its own.
const SHAKY: &str = "test";
/// The step that is worked on until somebody lets it end.
pub const LONG: &str = "wait";

#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

struct Inner {
    tasks: Mutex<Vec<Task>>,
    /// Ticks with each call.
    calls: watch::Sender<usize>,
    http: reqwest::Client,
}

/// What is answered, or the number and the words of an error.
type Answer = Result<Value, (i64, &'static str)>;

struct Task {
    id: String,
    attempt: AttemptId,
    state: TaskState,
    /// Where to tell of the end, and the token for it.
    push: Option<(String, String)>,
}

impl Ledger {
    /// The agent, and where it speaks A2A.
    pub async fn start() -> (Self, String) {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let ledger = Self(Arc::new(Inner { tasks: Mutex::default(), calls: watch::Sender::new(0), http }));
        let router = Router::new().route("/healthz", get(|| async { StatusCode::OK })).route("/a2a", post(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/a2a", listener.local_addr().unwrap());
        let router = router.with_state(ledger.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (ledger, url)
    }

    /// How often each attempt was begun: `step.aN`, over all runs.
    pub fn begun(&self) -> BTreeMap<String, usize> {
        let mut begun = BTreeMap::new();
        for task in self.0.tasks.lock().unwrap().iter() {
            *begun.entry(format!("{}.a{}", task.attempt.step, task.attempt.number)).or_default() += 1;
        }
        begun
    }

    /// What the tasks of a step are at.
    pub fn states(&self, step: &str) -> Vec<TaskState> {
        let tasks = self.0.tasks.lock().unwrap();
        tasks.iter().filter(|task| task.attempt.step.as_str() == step).map(|task| task.state).collect()
    }

    /// Ends what was worked on for long, well.
    pub fn finish(&self) {
        let ids: Vec<String> = {
            let tasks = self.0.tasks.lock().unwrap();
            tasks.iter().filter(|task| task.attempt.step.as_str() == LONG).map(|task| task.id.clone()).collect()
        };
        ids.into_iter().for_each(|id| self.end(id));
    }

    /// Returns as soon as somebody has asked for this step.
    pub async fn asked_for(&self, step: &str) {
        let mut calls = self.0.calls.subscribe();
        let asked = async {
            while self.states(step).is_empty() {
                calls.changed().await.unwrap()
            }
        };
        let waited = tokio::time::timeout(super::PATIENCE, asked).await;
        waited.unwrap_or_else(|_| panic!("nobody asked for {step}"));
    }

    /// A task ends, and whoever wanted to know is told, if he lives.
    fn end(&self, id: String) {
        let this = self.clone();
        tokio::spawn(async move {
            let push = {
                let mut tasks = this.0.tasks.lock().unwrap();
                let task = tasks.iter_mut().find(|task| task.id == id && !task.state.is_terminal());
                let Some(task) = task else { return };
                task.state = TaskState::Completed;
                task.push.clone()
            };
            let Some((url, token)) = push else { return };
            let _ = this.0.http.post(url).header("x-a2a-notification-token", token).body("{}").send().await;
        });
    }
}

impl Task {
    fn show(&self) -> Value {
        let mut result = StepResult { summary: "Looks well.".to_owned(), ..StepResult::default() };
        result.conclusion = Conclusion::Success;
        if self.attempt.step.as_str() == "lint" {
            let remark = Annotation { path: "a.txt".to_owned(), start_line: 1, end_line: 1, ..Annotation::default() };
            result.annotations.push(Annotation { message: "a remark".to_owned(), ..remark });
        }
        if self.state == TaskState::Failed {
            result.error = Some(Failure::new(Class::Transient, "the machine had a cold"));
        }
        let artifacts = if self.state.is_terminal() { vec![result.artifact()] } else { Vec::new() };
        let status = TaskStatus { state: self.state, ..TaskStatus::default() };
        json!(TaskSnapshot { id: self.id.clone(), context_id: self.attempt.to_string(), status, artifacts })
    }
}

async fn answer(State(ledger): State<Ledger>, Json(call): Json<Value>) -> Response {
    let params = &call["params"];
    let answer = match call["method"].as_str().unwrap() {
        "SendMessage" => Ok(json!({ "task": ledger.take(params) })),
        "GetTask" => ledger.task(params, |task| Ok(task.show())),
        "CancelTask" => ledger.task(params, |task| {
            if task.state.is_terminal() {
                return Err((code::NOT_CANCELABLE, "it has ended"));
            }
            task.state = TaskState::Canceled;
            Ok(task.show())
        }),
        "ListTasks" => {
            let tasks = ledger.0.tasks.lock().unwrap();
            let of = |task: &&Task| Some(task.attempt.to_string().as_str()) == params["contextId"].as_str();
            Ok(json!({ "tasks": tasks.iter().filter(of).map(Task::show).collect::<Vec<_>>() }))
        }
        other => panic!("{other}"),
    };
    ledger.0.calls.send_modify(|calls| *calls += 1);
    let id = &call["id"];
    let answer = match answer {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err((code, message)) => json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }),
    };
    Json(answer).into_response()
}

impl Ledger {
    /// Every message begins a task: this agent does not see that it was asked the same before.
    fn take(&self, params: &Value) -> Value {
        let message: Message = serde_json::from_value(params["message"].clone()).unwrap();
        let attempt: AttemptId = message.context_id.parse().unwrap();
        let push = &params["configuration"]["taskPushNotificationConfig"];
        let push = push["url"].as_str().zip(push["token"].as_str());
        let state = match (attempt.step.as_str(), attempt.number) {
            (SHAKY, 1) => TaskState::Failed,
            ("build" | "report", _) => TaskState::Completed,
            _ => TaskState::Working,
        };
        let mut tasks = self.0.tasks.lock().unwrap();
        let push = push.map(|(url, token)| (url.to_owned(), token.to_owned()));
        let task = Task { id: format!("t{}", tasks.len() + 1), attempt, state, push };
        let shown = task.show();
        if state == TaskState::Working && task.attempt.step.as_str() != LONG {
            self.end(task.id.clone());
        }
        tasks.push(task);
        shown
    }

    fn task(&self, params: &Value, look: impl FnOnce(&mut Task) -> Answer) -> Answer {
        let mut tasks = self.tasks();
        let task = tasks.iter_mut().find(|task| Some(task.id.as_str()) == params["id"].as_str());
        look(task.ok_or((code::TASK_NOT_FOUND, "Task not found"))?)
    }

    fn tasks(&self) -> MutexGuard<'_, Vec<Task>> {
        self.0.tasks.lock().unwrap()
    }
}

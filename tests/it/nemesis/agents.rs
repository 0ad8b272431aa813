//! Agents that succeed, fail, hang, do not listen, or cannot be cancelled; and a ledger of who asked them for what.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use pointsman::agents::a2a::{Message, TaskSnapshot, TaskState, TaskStatus, code};
use pointsman::agents::{Class, Conclusion, Failure, StepResult};
use pointsman::ids::AttemptId;
use pointsman::time::{Clock, Timestamp};
use serde_json::{Value, json};

use super::size::Dice;

/// How an agent treats an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manner {
    /// Done in the answer itself.
    AtOnce,
    /// Takes its time, then calls back.
    Works,
    /// Takes its time and tells nobody.
    Silent,
    /// Fails by no fault of its own.
    Fails,
    /// Says no.
    Refuses,
    /// Never ends by itself; stops when told.
    Hangs,
    /// Does not end when told: it says that it still works, and stops much later.
    Deaf,
    /// Answers that it cannot be cancelled, and ends well.
    NotCancelable,
}

/// One task.
#[derive(Debug, Clone)]
pub struct Task {
    pub attempt: AttemptId,
    pub manner: Manner,
    pub state: TaskState,
    /// The replica that asked.
    pub by: String,
    pub began: Timestamp,
    /// When it was first told to stop.
    pub told: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    id: String,
    push: Option<(String, String)>,
}

/// A call that has an effect: a task begun, or one told to stop.
#[derive(Debug, Clone)]
#[expect(dead_code, reason = "a failure shows all of it")]
pub struct Called {
    pub by: String,
    pub at: Timestamp,
    pub what: String,
}

#[derive(Clone)]
pub struct Agents(Arc<Inner>);

struct Inner {
    seed: u64,
    clock: Clock,
    ledger: Mutex<Ledger>,
    http: reqwest::Client,
}

#[derive(Default)]
struct Ledger {
    tasks: BTreeMap<String, Task>,
    /// The tasks of each attempt, oldest first.
    of: BTreeMap<String, Vec<String>>,
    called: Vec<Called>,
}

type Answer = Result<Value, (i64, &'static str)>;

impl Agents {
    /// The agents, and where they speak A2A.
    pub async fn start(seed: u64, clock: Clock) -> (Self, String) {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap();
        let agents = Self(Arc::new(Inner { seed, clock, ledger: Mutex::default(), http }));
        let router = Router::new().route("/healthz", get(|| async { StatusCode::OK })).route("/a2a", post(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/a2a", listener.local_addr().unwrap());
        let router = router.with_state(agents.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (agents, url)
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.ledger.lock().unwrap()
    }

    /// All tasks, by attempt, oldest first.
    pub fn tasks(&self) -> BTreeMap<String, Vec<Task>> {
        let ledger = self.ledger();
        let of = |ids: &Vec<String>| ids.iter().map(|id| ledger.tasks[id].clone()).collect();
        ledger.of.iter().map(|(attempt, ids)| (attempt.clone(), of(ids))).collect()
    }

    pub fn called(&self) -> Vec<Called> {
        self.ledger().called.clone()
    }

    /// The manner is the attempt's: whoever asks again meets the same.
    fn manner(&self, attempt: &AttemptId) -> Manner {
        // A run's id is drawn by the service: only the step and the number are the seed's.
        let mut dice = Dice::new(self.0.seed ^ attempt.run.uuid.as_u64_pair().1, &attempt.step.to_string());
        let (roll, step) = ((0..attempt.number).fold(0, |_, _| dice.below(100)), attempt.step.as_str());
        match (step, roll) {
            ("build" | "report", 0..60) => Manner::AtOnce,
            ("build" | "report", _) => Manner::Works,
            (_, 0..50) => Manner::Works,
            (_, 50..64) => Manner::Silent,
            (_, 64..78) => Manner::Fails,
            (_, 78..83) => Manner::Refuses,
            (_, 83..89) => Manner::Hangs,
            (_, 89..94) => Manner::Deaf,
            _ => Manner::NotCancelable,
        }
    }

    fn take(&self, params: &Value, by: String) -> Value {
        let message: Message = serde_json::from_value(params["message"].clone()).unwrap();
        let attempt: AttemptId = message.context_id.parse().unwrap();
        let push = &params["configuration"]["taskPushNotificationConfig"];
        let push = push["url"].as_str().zip(push["token"].as_str());
        let push = push.map(|(url, token)| (url.to_owned(), token.to_owned()));
        let (manner, at) = (self.manner(&attempt), self.0.clock.now());
        let mut ledger = self.ledger();
        let id = format!("t{}", ledger.tasks.len() + 1);
        let state = if manner == Manner::AtOnce { TaskState::Completed } else { TaskState::Working };
        let ended = (manner == Manner::AtOnce).then_some(at);
        ledger.called.push(Called { by: by.clone(), at, what: format!("begin {attempt}") });
        ledger.of.entry(attempt.to_string()).or_default().push(id.clone());
        let mut dice = Dice::new(self.0.seed, &id);
        match manner {
            Manner::Works | Manner::Silent => self.end_later(&id, TaskState::Completed, dice.millis(50, 1_500)),
            Manner::Fails => self.end_later(&id, TaskState::Failed, dice.millis(20, 400)),
            Manner::Refuses => self.end_later(&id, TaskState::Completed, dice.millis(20, 800)),
            Manner::AtOnce | Manner::Hangs | Manner::Deaf | Manner::NotCancelable => {}
        }
        let task = Task { attempt, manner, state, by, began: at, told: None, ended, id: id.clone(), push };
        let shown = task.show();
        ledger.tasks.insert(id, task);
        shown
    }

    fn stop(&self, params: &Value, by: String) -> Answer {
        let at = self.0.clock.now();
        let mut ledger = self.ledger();
        let Ledger { tasks, called, .. } = &mut *ledger;
        let task = params["id"].as_str().and_then(|id| tasks.get_mut(id));
        let task = task.ok_or((code::TASK_NOT_FOUND, "Task not found"))?;
        called.push(Called { by, at, what: format!("stop {}", task.attempt) });
        if task.state.is_terminal() {
            return Err((code::NOT_CANCELABLE, "it has ended"));
        }
        let first = task.told.is_none();
        task.told.get_or_insert(at);
        match task.manner {
            Manner::NotCancelable => {
                if first {
                    self.end_later(&task.id, TaskState::Completed, Duration::from_millis(1_500));
                }
                Err((code::NOT_CANCELABLE, "not by me"))
            }
            Manner::Deaf => {
                if first {
                    self.end_later(&task.id, TaskState::Canceled, Duration::from_millis(2_500));
                }
                Ok(task.show())
            }
            _ => {
                (task.state, task.ended) = (TaskState::Canceled, Some(at));
                Ok(task.show())
            }
        }
    }

    fn end_later(&self, id: &str, state: TaskState, after: Duration) {
        let (this, id) = (self.clone(), id.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            let push = {
                let mut ledger = this.ledger();
                let task = ledger.tasks.get_mut(&id).filter(|task| !task.state.is_terminal());
                let Some(task) = task else { return };
                (task.state, task.ended) = (state, Some(this.0.clock.now()));
                task.push.clone().filter(|_| task.manner != Manner::Silent)
            };
            let Some((url, token)) = push else { return };
            let _ = this.0.http.post(url).header("x-a2a-notification-token", token).body("{}").send().await;
        });
    }
}

impl Task {
    fn show(&self) -> Value {
        let mut result = StepResult { summary: "Looks well.".to_owned(), ..StepResult::default() };
        let no = self.manner == Manner::Refuses;
        result.conclusion = if no { Conclusion::Failure } else { Conclusion::Success };
        if self.state == TaskState::Failed {
            result.error = Some(Failure::new(Class::Transient, "the machine had a cold"));
        }
        let artifacts = if self.state.is_terminal() { vec![result.artifact()] } else { Vec::new() };
        let status = TaskStatus { state: self.state, ..TaskStatus::default() };
        json!(TaskSnapshot { id: self.id.clone(), context_id: self.attempt.to_string(), status, artifacts })
    }
}

async fn answer(State(agents): State<Agents>, headers: HeaderMap, Json(call): Json<Value>) -> Response {
    let by = headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let by = by.unwrap_or_default().to_owned();
    let params = &call["params"];
    let answer = match call["method"].as_str().unwrap() {
        "SendMessage" => Ok(json!({ "task": agents.take(params, by) })),
        "CancelTask" => agents.stop(params, by),
        "GetTask" => {
            let ledger = agents.ledger();
            let task = params["id"].as_str().and_then(|id| ledger.tasks.get(id));
            task.map(Task::show).ok_or((code::TASK_NOT_FOUND, "Task not found"))
        }
        "ListTasks" => {
            let ledger = agents.ledger();
            let ids = params["contextId"].as_str().and_then(|context| ledger.of.get(context));
            let shown = ids.into_iter().flatten().map(|id| ledger.tasks[id].show());
            Ok(json!({ "tasks": shown.collect::<Vec<_>>() }))
        }
        other => panic!("{other}"),
    };
    let id = &call["id"];
    Json(match answer {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err((code, message)) => json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }),
    })
    .into_response()
}

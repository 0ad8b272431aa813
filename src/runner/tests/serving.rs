//! How a runner takes tasks, refuses them, keeps them, and tells of them.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::bench::{Bench, client, options, processes, repository, request, until};
use crate::agents::a2a::{TOKEN_HEADER, TaskState};
use crate::agents::{Class, Client, Conclusion, Kind, Outcome, Push, Reach, Sent, Trust, check};
use crate::runner::{Driver, Error, Runner, Sandbox};

#[tokio::test]
async fn a_message_makes_one_task() {
    let bench = Bench::start().await;
    let count = bench.path("count");
    let request = bench.request(&format!("echo x >> '{}'", count.display()));
    let (first, second) = tokio::join!(bench.send(&request), bench.send(&request));
    bench.ended(&first).await;
    let third = bench.send(&request).await;
    assert_eq!((&first.id, &first.id), (&second.id, &third.id));
    assert_eq!(third.status.state, TaskState::Completed);
    assert_eq!(std::fs::read_to_string(count).unwrap(), "x\n");
    let listed = bench.client.list(&request.attempt.to_string()).await.unwrap();
    assert_eq!(listed.iter().map(|task| &task.id).collect::<Vec<_>>(), [&first.id]);
    assert_eq!(bench.client.list("r_7_0.other.a1").await.unwrap(), []);
    assert_eq!(bench.client.get("no such task").await.unwrap_err(), crate::agents::Fault::Lost);
}

#[tokio::test]
async fn a_full_runner_sends_away() {
    let bench = Bench::with(|options| options.max_concurrent = 1).await;
    let mut tasks = Vec::new();
    for _ in 0..5 {
        tasks.push(bench.send(&bench.request("sleep 86390")).await);
    }
    let over = bench.send(&bench.request("true")).await;
    assert_eq!(over.status.state, TaskState::Rejected);
    let Outcome::Ended(result) = Outcome::of(&over, Kind::Command) else { panic!("not ended") };
    let error = result.error.unwrap();
    assert_eq!((error.class, error.retry_after_s), (Class::Overloaded, Some(15)));
    for task in tasks.iter().rev() {
        bench.client.cancel(&task.id).await.unwrap();
        assert!(matches!(bench.ended(task).await, Outcome::Canceled(_)));
    }
    assert_eq!(bench.run("true").await.conclusion, Conclusion::Success, "there is room again");
}

#[tokio::test]
async fn what_may_not_run_is_refused() {
    let bench = Bench::with(|options| options.sandbox = Sandbox::Off).await;
    let refused = async |change: fn(&mut crate::agents::StepRequest)| {
        let mut request = bench.request("true");
        change(&mut request);
        let task = bench.send(&request).await;
        assert_eq!(task.status.state, TaskState::Rejected);
        match Outcome::of(&task, Kind::Command) {
            Outcome::Ended(result) => result.error.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    let error = refused(|request| request.step.command.as_mut().unwrap().secrets = vec!["TOKEN".into()]).await;
    assert_eq!(error.class, Class::Config);
    assert!(error.message.contains("secrets"), "{}", error.message);
    assert_eq!(refused(|request| request.step.repo.trust = Trust::Fork).await.class, Class::Policy);
    assert_eq!(refused(|request| request.step.command = None).await.class, Class::Config);
    let env = |name: &str, value: String| (name.to_owned(), value);
    for (name, value) in [env("A=B", String::new()), env("A", "\0".into()), env("A", "x".repeat(200_000))] {
        let mut request = bench.request("true");
        request.step.command.as_mut().unwrap().env.insert(name, value);
        let task = bench.send(&request).await;
        let Outcome::Ended(result) = Outcome::of(&task, Kind::Command) else { panic!("not ended") };
        assert_eq!(result.error.unwrap().class, Class::Validation);
    }
}

#[tokio::test]
async fn only_who_knows_the_token_may_call() {
    let bench = Bench::start().await;
    let wrong = Client::new(bench.endpoint.clone(), Some("s3cre".into()), &Reach::listed(["127.0.0.1"])).unwrap();
    let Sent::Refused(failure) = wrong.send(&bench.request("true")).await else { panic!("not refused") };
    assert_eq!(failure.class, Class::Auth);
    assert_eq!(check(&wrong).await, Ok(()), "health needs no token");
    let open = crate::runner::Options { bearer: None, bind: "0.0.0.0:0".parse().unwrap(), ..options(&bench.path("x")) };
    assert!(matches!(Runner::bind(open).await, Err(Error::OpenToAll(_))));
    let second = Runner::bind(options(&bench.path("work dir"))).await;
    assert!(matches!(second, Err(Error::InUse(_))));
    assert_eq!("exec".parse(), Ok(Driver::Exec));
    assert_eq!("exec: ./agent".parse(), Ok(Driver::Command("./agent".to_owned())));
    assert!("exec: ".parse::<Driver>().is_err());
    assert!("claude".parse::<Driver>().unwrap_err().to_string().contains("this release has exec"));
}

#[tokio::test]
async fn strange_requests_get_the_right_error() {
    let bench = Bench::start().await;
    let http = reqwest::Client::new();
    let call = async |version: &str, body: String| {
        let request =
            http.post(bench.endpoint.join("/a2a").unwrap()).bearer_auth("s3cret").header("a2a-version", version);
        request.body(body).send().await.unwrap().json::<Value>().await.unwrap()["error"]["code"].as_i64().unwrap()
    };
    let params = |params: Value| json!({ "jsonrpc": "2.0", "id": "1", "method": "SendMessage", "params": params });
    for (version, body, code) in [
        ("1.0", "{".to_owned(), -32700),
        ("1.0", "[1]".to_owned(), -32600),
        ("1.0", json!({ "method": "message/send" }).to_string(), -32601),
        ("0.3", json!({ "method": "GetTask", "params": { "id": "x" } }).to_string(), -32009),
        ("1.0", json!({ "method": "GetTask", "params": {} }).to_string(), -32602),
        ("1.0", json!({ "method": "CancelTask", "params": { "id": "x" } }).to_string(), -32001),
        ("1.0", json!({ "method": "SubscribeToTask" }).to_string(), -32004),
        ("1.0", params(json!({})).to_string(), -32602),
        (
            "1.0",
            params(json!({ "message": { "messageId": "m", "contextId": "c", "parts": [{ "text": "hi" }] } }))
                .to_string(),
            -32602,
        ),
        ("1.0", params(json!({ "message": { "messageId": "m", "taskId": "t" } })).to_string(), -32001),
    ] {
        assert_eq!(call(version, body.clone()).await, code, "{body}");
    }
    let big = http.post(bench.endpoint.join("/a2a").unwrap()).bearer_auth("s3cret").body(vec![b' '; 5 << 20]);
    assert_eq!(big.send().await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
    let card: Value = http
        .get(bench.endpoint.join("/.well-known/agent-card.json").unwrap())
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(card["capabilities"]["extensions"][0]["params"]["sandbox"], bench.sandbox);
}

#[tokio::test]
async fn the_end_is_told_until_it_is_heard() {
    type Heard = Arc<Mutex<Vec<(String, Value)>>>;
    let heard = Heard::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/agents/callback", listener.local_addr().unwrap())).unwrap();
    let hears = Arc::clone(&heard);
    let app = Router::new().route(
        "/agents/callback",
        post(async move |headers: HeaderMap, body: axum::Json<Value>| {
            let mut heard = hears.lock().unwrap();
            heard.push((headers[TOKEN_HEADER].to_str().unwrap().to_owned(), body.0));
            if heard.len() == 1 { StatusCode::BAD_GATEWAY } else { StatusCode::NO_CONTENT }
        }),
    );
    let engine = tokio::spawn(async { axum::serve(listener, app).await });
    let mut bench = Bench::start().await;
    bench.push = Some(Push { url, token: "tok-123".into() });
    let task = bench.send(&bench.request("true")).await;
    until("the second push", async || (heard.lock().unwrap().len() == 2).then_some(())).await;
    let (token, body) = heard.lock().unwrap()[1].clone();
    assert_eq!(token, "tok-123");
    assert_eq!(body["statusUpdate"]["taskId"], json!(task.id));
    assert_eq!(body["statusUpdate"]["status"]["state"], "TASK_STATE_COMPLETED");
    engine.abort();
}

/// A runtime of its own stands for the process: dropped in mid-work, nothing of it goes on.
fn crash_in_mid_work(dir: &std::path::Path, sandbox: Sandbox) -> (String, String) {
    let sha = repository(&dir.join("repo"), &[("a", "a")]);
    let work = dir.join("work");
    let process = tokio::runtime::Runtime::new().unwrap();
    let found = process.block_on(async {
        let runner = Runner::bind(crate::runner::Options { sandbox, ..options(&work) }).await.unwrap();
        let endpoint = Url::parse(&format!("http://{}", runner.address())).unwrap();
        tokio::spawn(runner.run(CancellationToken::new()));
        let client = client(endpoint);
        let done = request(1, &dir.join("repo"), &sha, "echo k=v > \"$POINTSMAN_OUTPUT\"", None);
        let Sent::Task(done) = client.send(&done).await else { panic!("no task") };
        until("the first to end", async || {
            client.get(&done.id).await.unwrap().status.state.is_terminal().then_some(())
        })
        .await;
        let half = request(2, &dir.join("repo"), &sha, "setsid sleep 86380 & echo up; sleep 86380", None);
        let Sent::Task(half) = client.send(&half).await else { panic!("no task") };
        until("the second to run", async || (processes(&work, "").len() >= 2).then_some(())).await;
        (done.id, half.id)
    });
    process.shutdown_background();
    found
}

#[test]
fn a_crash_is_told_after_the_restart() {
    for sandbox in [Sandbox::Auto, Sandbox::Off] {
        let dir = tempfile::tempdir().unwrap();
        let (done, half) = crash_in_mid_work(dir.path(), sandbox);
        // A line that was cut short is nobody's business.
        let journal = dir.path().join("work/journal.jsonl");
        let torn = [std::fs::read(&journal).unwrap(), b"{\"task\":{\"id\":\"x".to_vec()].concat();
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let runner = until("the lock of the dead runner", async || {
                std::fs::write(&journal, &torn).unwrap();
                Runner::bind(crate::runner::Options { sandbox, ..options(&dir.path().join("work")) }).await.ok()
            })
            .await;
            let client = client(Url::parse(&format!("http://{}", runner.address())).unwrap());
            let stop = CancellationToken::new();
            let served = tokio::spawn(runner.run(stop.clone()));
            let Outcome::Ended(result) = Outcome::of(&client.get(&done).await.unwrap(), Kind::Command) else {
                panic!()
            };
            assert_eq!((result.conclusion, &result.outputs["k"]), (Conclusion::Success, &json!("v")));
            let Outcome::Ended(result) = Outcome::of(&client.get(&half).await.unwrap(), Kind::Command) else {
                panic!()
            };
            assert_eq!(result.error.unwrap().class, Class::Crash);
            until("no process", async || processes(&dir.path().join("work"), "").is_empty().then_some(())).await;
            assert!(std::fs::read_dir(dir.path().join("work/work")).unwrap().next().is_none());
            stop.cancel();
            served.await.unwrap().unwrap();
        });
    }
}

#[tokio::test]
async fn a_stopped_runner_leaves_no_process() {
    let bench = Bench::start().await;
    let task = bench.send(&bench.request("setsid sleep 86370 & echo up; sleep 86370")).await;
    bench.says(&task, "up").await;
    bench.stop.cancel();
    bench.served.await.unwrap().unwrap();
    let workdir = bench.dir.path().join("work dir");
    until("no process", async || processes(&workdir, "").is_empty().then_some(())).await;
    let journal = std::fs::read_to_string(workdir.join("journal.jsonl")).unwrap();
    assert!(journal.lines().last().unwrap().contains("the runner was stopped"));
}

//! The client against exchanges as they were captured, and against servers that misbehave.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

use super::requests::request;
use crate::agents::a2a::TaskState;
use crate::agents::{Class, Client, Fault, Reach, Sent, check};

/// A server that answers every request in one way and remembers what it was asked.
struct Stub {
    url: Url,
    asked: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    served: JoinHandle<()>,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.served.abort();
    }
}

impl Stub {
    async fn start(answer: impl Fn(&str, &Value) -> Response + Clone + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/a2a", listener.local_addr().unwrap())).unwrap();
        let asked = Arc::<Mutex<Vec<(HeaderMap, Value)>>>::default();
        let remembers = Arc::clone(&asked);
        let app = Router::new().fallback(async move |request: Request| {
            let path = request.uri().path().to_owned();
            let headers = request.headers().clone();
            let body: Bytes = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            remembers.lock().unwrap().push((headers, body));
            let body = remembers.lock().unwrap().last().unwrap().1.clone();
            answer(&path, &body)
        });
        let served = tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
        Self { url, asked, served }
    }

    async fn json(answer: Value) -> Self {
        Self::start(move |_, _| Json(answer.clone()).into_response()).await
    }

    fn client(&self) -> Client {
        client(self.url.clone())
    }
}

fn client(url: Url) -> Client {
    Client::new(url, Some("k3y".into()), &Reach::listed(["127.0.0.1"])).unwrap()
}

fn error(code: i64) -> Value {
    json!({ "id": "1", "jsonrpc": "2.0", "error": { "code": code, "message": "words", "data": [{ "@type": "x" }] } })
}

#[tokio::test]
async fn the_captured_exchange_is_understood() {
    let answers = |_: &str, body: &Value| {
        let status = |state: &str| json!({ "state": state, "message": { "parts": [{ "text": "cloning" }] } });
        let task = |state: &str| json!({ "id": "5d4c561e", "contextId": request().attempt.to_string(), "status": status(state), "history": [] });
        let result = match body["method"].as_str().unwrap() {
            "SendMessage" => json!({ "task": task("TASK_STATE_SUBMITTED") }),
            "GetTask" => task("TASK_STATE_WORKING"),
            "ListTasks" => {
                let other = json!({ "id": "x", "contextId": "somebody else's" });
                json!({ "tasks": [task("TASK_STATE_WORKING"), other], "pageSize": 50, "totalSize": 2, "nextPageToken": "" })
            }
            "CancelTask" => task("TASK_STATE_CANCELED"),
            other => panic!("{other}"),
        };
        Json(json!({ "jsonrpc": "2.0", "id": body["id"], "result": result })).into_response()
    };
    let stub = Stub::start(answers).await;
    let client = stub.client();
    let Sent::Task(task) = client.send(&request()).await else { panic!("no task") };
    assert_eq!((task.id.as_str(), task.status.state), ("5d4c561e", TaskState::Submitted));
    assert_eq!(client.get("5d4c561e").await.unwrap().status.message.unwrap().text(), "cloning");
    assert_eq!(client.list(&request().attempt.to_string()).await.unwrap().len(), 1, "only the context that was asked");
    assert_eq!(client.cancel("5d4c561e").await.unwrap().status.state, TaskState::Canceled);
    let asked = stub.asked.lock().unwrap();
    let (headers, sent) = &asked[0];
    assert_eq!(
        (&headers["a2a-version"], &headers["authorization"]),
        (&"1.0".parse().unwrap(), &"Bearer k3y".parse().unwrap())
    );
    assert_eq!(sent["params"]["configuration"]["returnImmediately"], true);
    assert_eq!(sent["params"]["message"]["messageId"], format!("{}.m1", request().attempt));
    assert_eq!(asked[1].1["params"], json!({ "id": "5d4c561e", "historyLength": 0 }));
    assert_eq!(asked[3].1["params"], json!({ "id": "5d4c561e" }));
    assert!(!format!("{client:?}").contains("k3y"));
}

/// What `send` and `get` make of one answer.
async fn both(stub: &Stub) -> (String, String) {
    let sent = match stub.client().send(&request()).await {
        Sent::Task(task) => format!("task {}", task.id),
        Sent::Message(text) => format!("message {text}"),
        Sent::Refused(failure) => format!("refused {:?} {:?}", failure.class, failure.retry_after_s),
        Sent::Unusable(failure) => format!("unusable {:?}", failure.class),
        Sent::Unclear { .. } => "unclear".to_owned(),
    };
    let got = match stub.client().get("t").await {
        Ok(task) => format!("task {}", task.id),
        Err(Fault::Refused(failure)) => format!("refused {:?} {:?}", failure.class, failure.retry_after_s),
        Err(Fault::Unclear { .. }) => "unclear".to_owned(),
        Err(other) => format!("{other:?}"),
    };
    (sent, got)
}

#[tokio::test]
async fn answers_in_json_rpc_are_mapped() {
    for (answer, sent, got) in [
        (json!({ "result": { "message": { "parts": [{ "text": "hi" }] } } }), "message hi", "unclear"),
        (json!({ "result": { "task": { "id": "t" } } }), "task t", "refused BadOutput None"),
        (json!({ "result": { "task": {} } }), "unusable BadOutput", "refused BadOutput None"),
        (json!({ "result": { "task": { "id": 7 } } }), "unusable BadOutput", "refused BadOutput None"),
        (json!({ "result": { "task": { "id": "é".repeat(256) } } }), "unusable BadOutput", "refused BadOutput None"),
        (json!({ "result": { "id": "t" } }), "unclear", "task t"),
        (json!({ "result": { "id": "another" } }), "unclear", "refused BadOutput None"),
        (json!({ "result": 7 }), "unclear", "refused BadOutput None"),
        (json!({ "result": { "message": 7 } }), "unclear", "refused BadOutput None"),
        (json!({}), "unclear", "unclear"),
        (json!([]), "unclear", "unclear"),
        (error(-32001), "refused Config None", "Lost"),
        (error(-32002), "unclear", "NotCancelable"),
        (error(-32003), "refused Config None", "refused Config None"),
        (error(-32004), "refused Config None", "refused Config None"),
        (error(-32006), "refused BadOutput None", "refused BadOutput None"),
        (error(-32009), "refused Config None", "refused Config None"),
        (error(-32601), "refused Config None", "refused Config None"),
        (error(-32602), "refused Validation None", "refused Validation None"),
        (error(-32603), "unclear", "unclear"),
        (error(-32099), "unclear", "unclear"),
    ] {
        let stub = Stub::json(answer.clone()).await;
        let found = both(&stub).await;
        // A message has no id, so a task that is no task cannot be taken for the wanted one.
        let got = if answer["result"].get("message").is_some() { "refused BadOutput None" } else { got };
        assert_eq!(found, (sent.to_owned(), got.to_owned()), "{answer}");
    }
}

#[tokio::test]
async fn answers_in_http_are_mapped() {
    for (status, sent) in [
        (301, "refused Config None"),
        (307, "refused Config None"),
        (400, "refused Config None"),
        (401, "refused Auth None"),
        (403, "refused Auth None"),
        (404, "refused Config None"),
        (408, "unclear"),
        (413, "refused Validation None"),
        (429, "refused RateLimit Some(30)"),
        (500, "unclear"),
        (502, "unclear"),
        (503, "refused Overloaded Some(30)"),
        (504, "unclear"),
    ] {
        let stub = Stub::start(move |_, _| {
            let status = StatusCode::from_u16(status).unwrap();
            let mut response = (status, [(LOCATION, "http://169.254.169.254/")], "<html>no</html>").into_response();
            if matches!(status.as_u16(), 429 | 503) {
                response.headers_mut().insert(RETRY_AFTER, "30".parse().unwrap());
            }
            response
        })
        .await;
        assert_eq!(both(&stub).await, (sent.to_owned(), sent.to_owned()), "{status}");
        assert_eq!(stub.asked.lock().unwrap().len(), 2, "{status}: one request each, no redirect followed");
    }
    let html = Stub::start(|_, _| ([(CONTENT_TYPE, "text/html")], "<html>login</html>").into_response()).await;
    assert_eq!(both(&html).await.0, "refused BadOutput None");
    let broken = Stub::start(|_, _| ([(CONTENT_TYPE, "application/json")], "{\"result\":").into_response()).await;
    assert_eq!(both(&broken).await, ("unclear".to_owned(), "unclear".to_owned()));
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let stub = Stub::start(|_, _| {
        let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 64 * 1024])));
        Response::builder().header(CONTENT_TYPE, "application/json").body(Body::from_stream(endless)).unwrap()
    })
    .await;
    let Sent::Unclear { why } = stub.client().send(&request()).await else { panic!("not unclear") };
    assert_eq!(why, "the agent's answer is longer than 8388608 bytes");
}

#[tokio::test]
async fn an_answer_that_is_cut_is_unclear() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/a2a", listener.local_addr().unwrap())).unwrap();
    let whole = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 60\r\n\r\n{\"result\":{\"task\":{\"id\":\"t\"";
    let cuts = [0, 5, 17, 80, whole.len()];
    let server = tokio::spawn(async move {
        for cut in cuts {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
            stream.write_all(&whole[..cut]).await.unwrap();
        }
    });
    for cut in cuts {
        let sent = client(url.clone()).send(&request()).await;
        assert!(matches!(sent, Sent::Unclear { .. }), "cut at {cut}: {sent:?}");
    }
    server.await.unwrap();
    // Nobody listens any more: certainly nothing was started.
    let Sent::Refused(failure) = client(url).send(&request()).await else { panic!("not refused") };
    assert_eq!(failure.class, Class::Transient);
}

#[tokio::test]
async fn an_agent_that_cannot_push_is_asked_without() {
    let stub = Stub::start(|_, body| {
        let pushes = !body["params"]["configuration"]["taskPushNotificationConfig"].is_null();
        Json(if pushes { error(-32003) } else { json!({ "result": { "task": { "id": "t" } } }) }).into_response()
    })
    .await;
    assert!(matches!(stub.client().send(&request()).await, Sent::Task(_)));
    assert_eq!(stub.asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn the_card_says_where_calls_go() {
    let card = |url: String, binding: &str, version: &str| {
        let way = json!({ "url": url, "protocolBinding": binding, "protocolVersion": version });
        json!({ "name": "a", "supportedInterfaces": [{ "url": "x", "protocolBinding": "HTTP+JSON", "protocolVersion": "1.0" }, way] })
    };
    for (elsewhere, binding, version, expected) in [
        (false, "JSONRPC", "1.0", "task"),
        (true, "JSONRPC", "1.0", "the agent's card points to another host"),
        (false, "JSONRPC", "0.3", "the agent's card names no JSON-RPC interface"),
        (false, "GRPC", "1.0", "the agent's card names no JSON-RPC interface"),
    ] {
        let origin = Arc::new(Mutex::new(String::new()));
        let known = Arc::clone(&origin);
        let (binding, version) = (binding.to_owned(), version.to_owned());
        let stub = Stub::start(move |path, _| {
            let host = if elsewhere { "http://169.254.169.254".to_owned() } else { known.lock().unwrap().clone() };
            match path {
                "/.well-known/agent-card.json" => Json(card(format!("{host}/rpc"), &binding, &version)).into_response(),
                "/rpc" => Json(json!({ "result": { "task": { "id": "t" } } })).into_response(),
                _ => StatusCode::NOT_FOUND.into_response(),
            }
        })
        .await;
        *origin.lock().unwrap() = stub.url.origin().ascii_serialization();
        let client = client(stub.url.join("/").unwrap());
        let found = match client.send(&request()).await {
            Sent::Task(_) => "task".to_owned(),
            Sent::Refused(failure) => failure.message,
            other => panic!("{other:?}"),
        };
        assert!(found.starts_with(expected), "{found}");
        assert_eq!(check(&client).await, Ok(()), "no /healthz, but a card");
        assert_eq!(client.card().await.unwrap().name, "a");
    }
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_not_followed() {
    let stub = Stub::json(json!({ "result": { "task": { "id": "t" } } })).await;
    let mut url = stub.url.clone();
    url.set_host(Some("localhost")).unwrap();
    let refused = Client::new(url.clone(), None, &Reach::listed([])).unwrap();
    let Sent::Refused(failure) = refused.send(&request()).await else { panic!("not refused") };
    assert_eq!(failure.class, Class::Config, "{failure:?}");
    assert!(failure.message.contains("localhost is a private or link-local address"), "{}", failure.message);
    let listed = Client::new(url, None, &Reach::listed(["localhost"])).unwrap();
    assert!(matches!(listed.send(&request()).await, Sent::Task(_)));
    assert!(Client::new(stub.url.clone(), None, &Reach::listed([])).is_err());
}

#[tokio::test]
async fn health_is_one_look() {
    let sick = Stub::start(|_, _| StatusCode::INTERNAL_SERVER_ERROR.into_response()).await;
    assert_eq!(check(&sick.client()).await, Err("it answered 500 Internal Server Error".to_owned()));
    drop(sick.client());
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap()
    };
    let found = tokio::time::timeout(Duration::from_secs(6), check(&client(gone))).await.unwrap();
    assert!(found.unwrap_err().starts_with("the connection failed"));
}

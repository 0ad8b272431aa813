//! The door for GitHub: promises.md S-01 and S-03 to S-08.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::bench::{Answer, Bench, read, secrets};
use crate::ids::{InstallationId, RepoId};
use crate::wake::Loop;

const GUID: &str = "72d3162e-cc78-11e3-81ab-4c9367dc0958";
const OTHER_GUID: &str = "72d3162e-cc78-11e3-81ab-4c9367dc0959";
const BODY: &str = r#"{"action":"opened","installation":{"id":5},"repository":{"id":11},"pull_request":{"number":7}}"#;
const MAX: usize = 25 * 1024 * 1024;

/// A request as GitHub sends it, with headers on top.
fn head(signature: &str, guid: &str, more: &str) -> String {
    format!(
        "POST /webhook HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-github-event: pull_request\r\n\
         x-github-delivery: {guid}\r\nx-hub-signature-256: {signature}\r\n{more}\r\n"
    )
}

fn json(length: usize) -> String {
    format!("content-type: application/json\r\ncontent-length: {length}\r\n")
}

async fn deliver(bench: &Bench, guid: &str, body: &[u8]) -> Answer {
    let signature = secrets(&["new secret"]).sign(body);
    bench.send(&head(&signature, guid, &json(body.len())), body).await
}

#[tokio::test]
async fn a_delivery_is_stored_before_it_is_answered() {
    let bench = Bench::new().await;
    let woken = bench.wakes.woken(Loop::Intake);
    let answer = deliver(&bench, GUID, BODY.as_bytes()).await;
    assert_eq!((answer.status, answer.json()), (202, serde_json::json!({"delivery": GUID, "duplicate": false})));
    let inbox = bench.inbox().await;
    let [delivery] = inbox.as_slice() else { panic!("{inbox:?}") };
    assert_eq!((delivery.installation, delivery.lane.repo), (InstallationId(5), RepoId(11)));
    assert_eq!(
        (delivery.event.as_str(), delivery.guid.as_str(), delivery.lane.name.as_str()),
        ("pull_request", GUID, "#7")
    );
    assert_eq!(delivery.body, BODY.as_bytes());
    assert_eq!(delivery.received_at, bench.clock.now());
    tokio::time::timeout(Duration::from_secs(5), woken).await.expect("intake was woken");
    assert!(bench.counted("pointsman_webhooks_total{outcome=\"accepted\"} 1"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test]
async fn what_we_do_not_know_is_stored_as_well() {
    let bench = Bench::new().await;
    // No installation at all; and (S-05) a body that does not fit its event.
    assert_eq!(deliver(&bench, GUID, br#"{"zen":"Design for failure."}"#).await.status, 202);
    assert_eq!(deliver(&bench, OTHER_GUID, br#"{"pull_request":"seven","installation":{"id":"x"}}"#).await.status, 202);
    assert_eq!(bench.inbox().await[0].installation, InstallationId(0));
}

#[tokio::test]
async fn a_delivery_acts_once_whatever_its_headers_say() {
    let bench = Bench::new().await;
    assert_eq!(deliver(&bench, GUID, BODY.as_bytes()).await.json()["duplicate"], false);
    // The same again, and (S-04) the same body under another id: headers are not signed.
    assert_eq!(deliver(&bench, GUID, BODY.as_bytes()).await.json()["duplicate"], true);
    assert_eq!(deliver(&bench, OTHER_GUID, BODY.as_bytes()).await.json()["duplicate"], true);
    assert_eq!(bench.inbox().await.len(), 1);
    assert!(bench.counted("pointsman_webhooks_total{outcome=\"duplicate\"} 2"));
}

#[tokio::test]
async fn unsigned_deliveries_are_refused_before_their_body_is_read() {
    let bench = Bench::new().await;
    let right = secrets(&["new secret"]).sign(BODY.as_bytes());
    let upper = format!("sha256={}", right.trim_start_matches("sha256=").to_uppercase());
    let wrong = [
        ("", "missing"),
        ("sha1=0123456789012345678901234567890123456789", "sha1"),
        (&upper, "upper case"),
        (&right[..right.len() - 1], "truncated"),
        (&format!("{right}, {right}"), "double"),
        (&format!("{right}\r\nx-hub-signature-256: {right}"), "twice"),
    ];
    for (signature, why) in wrong {
        // S-01: a body is announced and never sent; the answer comes all the same.
        let answer = bench.send(&head(signature, GUID, &json(BODY.len())), b"").await;
        assert_eq!(answer.status, 401, "{why}: {answer:?}");
    }
    let foreign = secrets(&["new secret"]).sign(b"another body");
    for signature in [foreign, secrets(&["somebody's secret"]).sign(BODY.as_bytes())] {
        assert_eq!(bench.send(&head(&signature, GUID, &json(BODY.len())), BODY.as_bytes()).await.status, 401);
    }
    assert!(bench.inbox().await.is_empty());
    assert!(bench.counted("pointsman_webhooks_total{outcome=\"unsigned\"} 8"));
}

#[tokio::test]
async fn both_secrets_count_while_they_are_exchanged() {
    let both = Bench::new().await;
    let old = secrets(&["old secret"]).sign(BODY.as_bytes());
    assert_eq!(both.send(&head(&old, GUID, &json(BODY.len())), BODY.as_bytes()).await.status, 202);
    let after = Bench::with_secrets(secrets(&["new secret"])).await;
    assert_eq!(after.send(&head(&old, GUID, &json(BODY.len())), BODY.as_bytes()).await.status, 401);
    assert_eq!(deliver(&after, GUID, BODY.as_bytes()).await.status, 202);
}

#[tokio::test]
async fn forms_and_compressed_bodies_are_refused_unread() {
    let bench = Bench::new().await;
    let signature = secrets(&["new secret"]).sign(BODY.as_bytes());
    let check = async |headers: &str, words: &str| {
        let answer = bench.send(&head(&signature, GUID, &format!("{headers}content-length: 99\r\n")), b"").await;
        assert_eq!(answer.status, 415, "{headers}");
        assert!(answer.body.contains(words), "{}", answer.body);
    };
    check("content-type: application/x-www-form-urlencoded\r\n", "switch the webhook's content type").await;
    check("content-type: text/plain\r\n", "application/json").await;
    check("", "application/json").await;
    check("content-type: application/json\r\ncontent-encoding: gzip\r\n", "compressed").await;
    check("content-type: application/json\r\ncontent-encoding: identity\r\ncontent-encoding: br\r\n", "compressed")
        .await;
    assert!(bench.counted("pointsman_webhooks_total{outcome=\"wrong_type\"} 5"));
    let kind = format!("content-type: application/json; charset=utf-8\r\ncontent-length: {}\r\n", BODY.len());
    assert_eq!(bench.send(&head(&signature, GUID, &kind), BODY.as_bytes()).await.status, 202);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_by_its_headers_or_where_it_grows_too_large() {
    let bench = Bench::new().await;
    let signature = secrets(&["new secret"]).sign(b"");
    assert_eq!(bench.send(&head(&signature, GUID, &json(26 * 1024 * 1024)), b"").await.status, 413);
    // Nothing announces this one: it is chunked, and goes one byte too far.
    let chunked = head(&signature, GUID, "content-type: application/json\r\ntransfer-encoding: chunked\r\n");
    let mut body = format!("{:x}\r\n", MAX + 1).into_bytes();
    body.resize(body.len() + MAX + 1, b' ');
    assert_eq!(bench.send(&chunked, &body).await.status, 413);
    assert!(bench.counted("pointsman_webhooks_total{outcome=\"too_large\"} 2"));
    assert!(bench.inbox().await.is_empty());
}

#[tokio::test]
async fn the_largest_delivery_is_taken() {
    let bench = Bench::new().await;
    let mut body = br#"{"installation":{"id":5},"x":""#.to_vec();
    body.resize(MAX - 2, b'a');
    body.extend(b"\"}");
    assert_eq!(deliver(&bench, GUID, &body).await.status, 202);
    assert_eq!(bench.inbox().await[0].body.len(), MAX);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let bench = Bench::new().await;
    let signature = secrets(&["new secret"]).sign(BODY.as_bytes());
    // Half a body, and then nothing; and chunks without end.
    let half = bench.send(&head(&signature, GUID, &json(BODY.len())), &BODY.as_bytes()[..20]).await;
    assert_eq!(half.status, 408);
    let mut stream = TcpStream::connect(bench.address).await.unwrap();
    let chunked = head(&signature, GUID, "content-type: application/json\r\ntransfer-encoding: chunked\r\n");
    stream.write_all(chunked.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let dripping = tokio::spawn(async move {
        let mut drip = tokio::time::interval(Duration::from_millis(20));
        while writer.write_all(b"1\r\n{\r\n").await.is_ok() {
            drip.tick().await;
        }
    });
    let mut answer = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
    dripping.await.unwrap();
    assert!(bench.counted("pointsman_webhooks_total{outcome=\"too_slow\"} 2"));
}

#[tokio::test]
async fn headers_that_do_not_end_are_not_waited_for() {
    let bench = Bench::new().await;
    let mut stream = TcpStream::connect(bench.address).await.unwrap();
    stream.write_all(b"POST /webhook HTTP/1.1\r\nhost: x\r\nx-github-ev").await.unwrap();
    let mut answer = Vec::new();
    let closed = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer);
    tokio::time::timeout(Duration::from_secs(5), closed).await.expect("closed").unwrap();
}

#[tokio::test]
async fn what_is_no_decent_json_is_refused() {
    let bench = Bench::new().await;
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let hostile: [&[u8]; 8] = [
        b"",
        b"not json",
        deep.as_bytes(),
        br#"{"a":1,"a":2}"#,
        br#"{"a":1e999}"#,
        br#"{"a":"\ud800"}"#,
        br#"{"a":"\u0000"}"#,
        b"{\"a\":\"\xff\"}",
    ];
    for body in hostile {
        let answer = deliver(&bench, GUID, body).await;
        assert_eq!(answer.status, 400, "{}", String::from_utf8_lossy(&body[..body.len().min(40)]));
    }
    let signature = secrets(&["new secret"]).sign(BODY.as_bytes());
    let no_guid = head(&signature, "../../etc", &json(BODY.len()));
    assert_eq!(bench.send(&no_guid, BODY.as_bytes()).await.status, 400);
    assert!(bench.counted("pointsman_webhooks_total{outcome=\"malformed\"} 9"));
    assert!(bench.inbox().await.is_empty());
}

#[tokio::test]
async fn a_database_that_is_away_is_told_and_nothing_is_promised() {
    let bench = Bench::new().await;
    bench.store.close().await;
    let answer = deliver(&bench, GUID, BODY.as_bytes()).await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("Failed to persist workflow state"), "{}", answer.body);
    assert!(bench.counted("pointsman_webhooks_total{outcome=\"not_stored\"} 1"));
}

#[tokio::test]
async fn other_methods_and_addresses_are_none() {
    let bench = Bench::new().await;
    assert_eq!(bench.get("/webhook").await.status, 405);
    assert_eq!(bench.get("/webhook/").await.status, 404);
    assert_eq!(bench.get("/").await.status, 404);
    assert_eq!(bench.get("/%2e%2e/webhook").await.status, 404);
}

#[tokio::test]
async fn a_stop_lets_a_delivery_that_is_under_way_end() {
    let bench = Bench::new().await;
    let signature = secrets(&["new secret"]).sign(BODY.as_bytes());
    let mut stream = TcpStream::connect(bench.address).await.unwrap();
    stream
        .write_all(head(&signature, GUID, &format!("expect: 100-continue\r\n{}", json(BODY.len()))).as_bytes())
        .await
        .unwrap();
    // The handler has begun to read when it asks for the body.
    let mut asked = [0; 25];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut asked).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    bench.stop.cancel();
    stream.write_all(BODY.as_bytes()).await.unwrap();
    assert_eq!(read(&mut stream).await.status, 202);
    bench.served.await.unwrap().unwrap();
    assert!(TcpStream::connect(bench.address).await.is_err(), "nobody listens any more");
}

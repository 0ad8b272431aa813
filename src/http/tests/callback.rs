//! The door for agents: promises.md N-03.

use sha2::{Digest as _, Sha256};

use super::bench::{Answer, Bench};
use crate::report::demo::{CI, Drive};
use crate::wake::Loop;

const TOKEN: [u8; 32] = [0xab; 32];

async fn call(bench: &Bench, headers: &str, body: &[u8]) -> Answer {
    let head = format!(
        "POST /agents/callback HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    bench.send(&head, body).await
}

#[tokio::test]
async fn a_callback_schedules_a_look_and_nothing_else() {
    let mut bench = Bench::new().await;
    let attempt = bench.keep_attempt(&Drive::new("ci", CI), Sha256::digest(TOKEN).into()).await;
    let before = bench.store.run(attempt.run).await.unwrap();
    let token = hex::encode(TOKEN);
    let lie = br#"{"id":"another task","status":{"state":"TASK_STATE_COMPLETED"}}"#;
    for header in [format!("x-a2a-notification-token: {token}\r\n"), format!("authorization: Bearer {token}\r\n")] {
        let wakes = bench.wakes.clone();
        assert_eq!(call(&bench, &header, lie).await.status, 204);
        assert_eq!(bench.looks.try_recv().unwrap(), attempt);
        wakes.woken(Loop::Watch).await;
    }
    assert_eq!(bench.store.run(attempt.run).await.unwrap(), before);
}

#[tokio::test]
async fn tokens_that_are_none_are_401_and_unknown_ones_are_nothing() {
    let mut bench = Bench::new().await;
    bench.keep_attempt(&Drive::new("ci", CI), Sha256::digest(TOKEN).into()).await;
    let upper = hex::encode_upper(TOKEN);
    for header in [
        "",
        "x-a2a-notification-token: abc\r\n",
        "authorization: Basic eA==\r\n",
        &format!("x-a2a-notification-token: {upper}\r\n"),
    ] {
        assert_eq!(call(&bench, header, b"{}").await.status, 401, "{header}");
    }
    let unknown = format!("x-a2a-notification-token: {}\r\n", hex::encode([1; 32]));
    assert_eq!(call(&bench, &unknown, b"{}").await.status, 204);
    bench.looks.try_recv().unwrap_err();
}

#[tokio::test]
async fn a_callback_is_small() {
    let mut bench = Bench::new().await;
    bench.keep_attempt(&Drive::new("ci", CI), Sha256::digest(TOKEN).into()).await;
    let header = format!("x-a2a-notification-token: {}\r\n", hex::encode(TOKEN));
    assert_eq!(call(&bench, &header, &vec![b' '; (1 << 20) + 1]).await.status, 413);
    bench.looks.try_recv().unwrap_err();
}

#[tokio::test]
async fn a_callback_without_a_database_comes_again() {
    let bench = Bench::new().await;
    bench.store.close().await;
    let header = format!("x-a2a-notification-token: {}\r\n", hex::encode(TOKEN));
    assert_eq!(call(&bench, &header, b"{}").await.status, 503);
}

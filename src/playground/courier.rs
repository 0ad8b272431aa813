//! Carries webhooks to their receiver, one after the other, in the background.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::github::Shared;
use super::hooks::Outcome;
use super::key::signatures;

/// Who does not answer in ten seconds has not received it.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How much of a receiver's answer is kept.
const ANSWER_BYTES_MAX: usize = 10_000;

/// A delivery, ready to be sent.
struct Parcel {
    id: i64,
    url: String,
    body: Vec<u8>,
    headers: Vec<(&'static str, String)>,
}

/// The next delivery, taken off the queue.
fn take(shared: &Shared) -> Option<Parcel> {
    let mut state = shared.lock();
    let id = state.hooks.waiting.pop_front()?;
    let parcel = state.hooks.deliveries.get(&id).zip(state.hooks.url.clone()).map(|(delivery, url)| {
        let body = delivery.payload.to_string().into_bytes();
        let mut headers: Vec<_> = state.hook_headers(delivery).into_iter().collect();
        let (sha256, sha1) = signatures(state.hooks.secret.expose_secret(), &body);
        headers.extend([("X-Hub-Signature-256", sha256), ("X-Hub-Signature", sha1)]);
        Parcel { id, url, body, headers }
    });
    state.hooks.under_way += usize::from(parcel.is_some());
    parcel
}

async fn post(client: &reqwest::Client, parcel: &Parcel) -> (u16, String, String) {
    let mut request = client.post(&parcel.url).body(parcel.body.clone()).timeout(ANSWER_WITHIN);
    for (name, value) in &parcel.headers {
        request = request.header(*name, value);
    }
    match request.send().await {
        Ok(answer) => {
            let code = answer.status();
            let word =
                if code.is_success() { "OK" } else { code.canonical_reason().unwrap_or("Invalid HTTP Response") };
            let mut body = answer.text().await.unwrap_or_default();
            body.truncate(body.floor_char_boundary(ANSWER_BYTES_MAX));
            (code.as_u16(), word.to_owned(), body)
        }
        Err(error) if error.is_timeout() => (0, "timed out".to_owned(), String::new()),
        Err(_) => (0, "failed to connect to host".to_owned(), String::new()),
    }
}

/// Carries until the playground ends.
pub(super) async fn run(shared: Arc<Shared>, client: reqwest::Client) {
    let mut changed = shared.changed.subscribe();
    loop {
        // Seen before looked: what is queued after the look wakes the wait below.
        changed.borrow_and_update();
        while let Some(parcel) = take(&shared) {
            let started = shared.lock().clock.local();
            let (code, status, body) = post(&client, &parcel).await;
            let mut state = shared.lock();
            let took = Duration::from_micros(u64::try_from(state.clock.local().saturating_sub(started)).unwrap_or(0));
            state.hooks.under_way -= 1;
            if let Some(delivery) = state.hooks.deliveries.get_mut(&parcel.id) {
                delivery.outcome = Some(Outcome { code, status, body, took });
            }
            drop(state);
            shared.tick();
        }
        tokio::select! {
            () = shared.stop.cancelled() => return,
            seen = changed.changed() => if seen.is_err() { return },
        }
    }
}

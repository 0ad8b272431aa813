//! `POST /agents/callback`: an agent says that something happened to a task.
//!
//! It only schedules a look. What an agent pushes is never believed: the watcher asks the agent itself, at the address
//! and with the credentials that we know it by. So a forged or repeated callback costs one question, and a lost one
//! costs until the next poll.
//!
//! *Invariant:* the body is not read for what it says, only to its end.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use http_body_util::{BodyExt as _, Limited};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::error::Refusal;
use crate::ids::AttemptId;
use crate::store::Store;
use crate::wake::{Loop, Wakes};

/// Looks that wait for the watcher. More are dropped: it polls them anyway.
pub const LOOKS_MAX: usize = 1_000;
/// The largest body. A task with all its artifacts belongs into the answer to our question, not here.
const BODY_BYTES_MAX: usize = 1 << 20;
const TOKEN_HEADER: &str = "x-a2a-notification-token";
const TOKEN_BYTES: usize = 32;

/// What the handler needs.
#[derive(Clone)]
pub struct Callback {
    /// Knows attempts by the hash of their token.
    pub store: Store,
    /// Attempts to look at; made with [`LOOKS_MAX`].
    pub looks: mpsc::Sender<AttemptId>,
    /// Wakes the watcher.
    pub wakes: Wakes,
}

/// Schedules a look at the attempt whose token came along.
pub(super) async fn receive(State(callback): State<Callback>, request: Request) -> Response {
    match callback.take(request).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

impl Callback {
    async fn take(&self, request: Request) -> Result<(), Refusal> {
        let (parts, body) = request.into_parts();
        let token = token(&parts.headers).ok_or_else(|| {
            let message = "this is no token of ours; send the task's token in X-A2A-Notification-Token";
            Refusal::new(StatusCode::UNAUTHORIZED, message)
        })?;
        let mut body = Limited::new(body, BODY_BYTES_MAX);
        while let Some(frame) = body.frame().await {
            frame.map_err(|_| Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large, or broke off"))?;
        }
        let found = self.store.attempt_by_token(Sha256::digest(token).into()).await.map_err(|error| {
            warn!(%error, "a callback could not be looked up");
            Refusal::not_stored()
        })?;
        // An attempt that is over is a normal day: agents repeat themselves.
        let Some(attempt) = found else { return Ok(()) };
        debug!(attempt.id = %attempt.id, "an agent called back");
        if self.looks.try_send(attempt.id).is_err() {
            debug!("the watcher has enough to look at; it will poll");
        }
        self.wakes.wake(Loop::Watch);
        Ok(())
    }
}

/// The token as we gave it out: 64 lower-case hexadecimal digits, in A2A's own header or as a bearer.
fn token(headers: &HeaderMap) -> Option<[u8; TOKEN_BYTES]> {
    let bearer = || headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ");
    let text = match headers.get(TOKEN_HEADER) {
        Some(value) => value.to_str().ok()?,
        None => bearer()?,
    };
    let mut token = [0; TOKEN_BYTES];
    let lower = !text.bytes().any(|digit| digit.is_ascii_uppercase());
    hex::decode_to_slice(text, &mut token).ok().filter(|()| lower).map(|()| token)
}

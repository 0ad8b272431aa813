//! `POST /webhook`: verified, stored, answered. What a delivery means is decided later, from the inbox.
//!
//! GitHub waits ten seconds, never sends again by itself, and a 202 is a promise: so it goes out after COMMIT, and
//! whatever is not stored is answered with an error that GitHub's list of deliveries shows, and our sweep finds.
//!
//! *Invariant:* nothing of a body is looked at before its signature was verified, and no body is read whose headers
//! already say that it will be refused.
//! *Invariant:* the bodies of all requests together stay below [`BODIES_BYTES_MAX`].

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{debug, error, warn};

use super::error::Refusal;
use crate::crash::crashpoint;
use crate::ids::{InstallationId, RepoId};
use crate::inbound::envelope::{self, BODY_BYTES_MAX, Envelope};
use crate::inbound::verify::{SIGNATURE_HEADER, Secrets, Signature, Tag, Unverified};
use crate::metrics::{Metrics, Webhook as Outcome};
use crate::store::{Arrival, Arrived, Mailbox};
use crate::time::{Clock, human};
use crate::wake::{Loop, Wakes};

/// From the end of the headers to the end of the body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the database may take. A delivery that is stored after that is a duplicate when it is sent again.
const STORE_TIMEOUT: Duration = Duration::from_secs(8);
/// Bytes of bodies in memory at once, over all requests.
const BODIES_BYTES_MAX: usize = 512 << 20;
/// Larger bodies are verified and walked beside the threads that serve the network.
const INLINE_BYTES_MAX: usize = 256 << 10;
/// The longest `action` that the inbox keeps.
const ACTION_BYTES_MAX: usize = 64;
/// What one permit of the semaphore stands for.
const PERMIT_BYTES: usize = 1 << 10;

/// What the handler needs. Cheap to clone; clones share the limit on bodies.
#[derive(Clone)]
pub struct Webhook {
    secrets: Arc<Secrets>,
    app: i64,
    mailbox: Mailbox,
    clock: Clock,
    wakes: Wakes,
    metrics: Metrics,
    bodies: Arc<Semaphore>,
    body_timeout: Duration,
}

impl Webhook {
    /// The door of the App with this number, which signs with these secrets.
    #[must_use]
    pub fn new((app, secrets): (i64, Secrets), mailbox: Mailbox, clock: Clock, wakes: Wakes, metrics: Metrics) -> Self {
        let bodies = Arc::new(Semaphore::new(BODIES_BYTES_MAX / PERMIT_BYTES));
        Self { secrets: Arc::new(secrets), app, mailbox, clock, wakes, metrics, bodies, body_timeout: BODY_TIMEOUT }
    }

    /// The same door with another limit on the time for a body.
    #[must_use]
    pub fn with_body_timeout(self, body_timeout: Duration) -> Self {
        Self { body_timeout, ..self }
    }

    async fn take(&self, request: Request) -> Result<Response, Refused> {
        let (parts, body) = request.into_parts();
        let headers = parts.headers;
        let signature = Signature::from_headers(headers.get_all(SIGNATURE_HEADER).iter().map(AsRef::as_ref))?;
        is_plain_json(&headers)?;
        let (body, _room) = self.read(body).await?;
        let arrival = self.check(signature, &headers, body).await?;
        let guid = arrival.guid.clone();
        crashpoint!("webhook_read_not_stored");
        let arrived = match tokio::time::timeout(STORE_TIMEOUT, self.mailbox.put(arrival)).await {
            Ok(Ok(arrived)) => arrived,
            Ok(Err(error)) => return Err(not_stored(&guid, &error.to_string())),
            Err(_) => return Err(not_stored(&guid, "the database took too long")),
        };
        let duplicate = arrived == Arrived::Duplicate;
        if let Arrived::Stored(id) = arrived {
            crashpoint!("webhook_stored_not_answered");
            debug!(delivery.id = %id, delivery.guid = guid, "a delivery arrived");
            self.wakes.wake(Loop::Intake);
        }
        self.metrics.webhook(if duplicate { Outcome::Duplicate } else { Outcome::Accepted });
        Ok((StatusCode::ACCEPTED, Json(json!({ "delivery": guid, "duplicate": duplicate }))).into_response())
    }

    /// Reads the body, within its limits of size, time and room.
    async fn read(&self, body: Body) -> Result<(Vec<u8>, OwnedSemaphorePermit), Refused> {
        let too_large = || {
            let message = format!("the body is larger than {BODY_BYTES_MAX} bytes");
            Refused::new(Outcome::TooLarge, StatusCode::PAYLOAD_TOO_LARGE, message)
        };
        // Where Content-Length says it, not a byte is read.
        if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
            return Err(too_large());
        }
        let broken = |message| Refused::new(Outcome::TooSlow, StatusCode::REQUEST_TIMEOUT, message);
        let read = async {
            let mut body = body;
            let mut bytes = Vec::new();
            let mut room = self.room(0)?;
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|_| broken("the body broke off".to_owned()))?;
                let Ok(data) = frame.into_data() else { continue };
                if bytes.len() + data.len() > BODY_BYTES_MAX {
                    return Err(too_large());
                }
                room.merge(self.room(data.len())?);
                bytes.extend_from_slice(&data);
            }
            Ok((bytes, room))
        };
        match tokio::time::timeout(self.body_timeout, read).await {
            Ok(read) => read,
            Err(_) => Err(broken(format!("the body did not come within {}", human(self.body_timeout)))),
        }
    }

    /// Room for so many bytes among the bodies of all requests.
    fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Refused> {
        let permits = u32::try_from(bytes.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX);
        Arc::clone(&self.bodies).try_acquire_many_owned(permits).map_err(|_| {
            let message = "too many bodies at once; send this one again later";
            Refused::new(Outcome::Busy, StatusCode::SERVICE_UNAVAILABLE, message)
        })
    }

    /// Verifies the body and finds where it belongs.
    async fn check(&self, signature: Signature, headers: &HeaderMap, body: Vec<u8>) -> Result<Arrival, Refused> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let (event, guid) = (text("x-github-event"), text("x-github-delivery"));
        let secrets = Arc::clone(&self.secrets);
        let large = body.len() > INLINE_BYTES_MAX;
        let look = move || -> Result<(Tag, Envelope, Vec<u8>), Refused> {
            let tag = signature.verify(&secrets, &body)?;
            let envelope = Envelope::read(&event, &guid, &body)?;
            Ok((tag, envelope, body))
        };
        let looked = if large { tokio::task::spawn_blocking(look).await } else { Ok(look()) };
        let (tag, envelope, body) = looked.map_err(|error| not_stored("", &error.to_string()))??;
        let action = envelope.action.map(|mut action| {
            action.truncate(action.floor_char_boundary(ACTION_BYTES_MAX));
            action
        });
        Ok(Arrival {
            installation: envelope.installation.unwrap_or(InstallationId(0)),
            app: self.app,
            guid: envelope.delivery.hyphenated().to_string(),
            tag: tag.0,
            event: envelope.event,
            action,
            repo: envelope.repository.unwrap_or(RepoId(0)),
            lane: envelope.lane.to_string(),
            body,
            received_at: self.clock.now(),
        })
    }
}

/// Takes a delivery.
pub(super) async fn receive(State(webhook): State<Webhook>, request: Request) -> Response {
    match webhook.take(request).await {
        Ok(response) => response,
        Err(refused) => {
            webhook.metrics.webhook(refused.outcome);
            warn!(http.status = refused.refusal.status.as_u16(), "a delivery was refused: {}", refused.refusal.message);
            refused.refusal.into_response()
        }
    }
}

/// JSON, as it is: a form would have to be decoded, and a compressed body inflated, before anybody knows who sent it.
fn is_plain_json(headers: &HeaderMap) -> Result<(), Refused> {
    let wrong = |message: &str| Refused::new(Outcome::WrongType, StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
    let encoded = |value: &HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(header::CONTENT_ENCODING).iter().any(encoded) {
        return Err(wrong("compressed bodies are not taken; send the body as it is"));
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(wrong("the body is not JSON; switch the webhook's content type to application/json in the App's settings"))
}

/// The delivery is not ours yet. What the database said stays in the log.
fn not_stored(guid: &str, why: &str) -> Refused {
    error!(delivery.guid = guid, error = why, "a delivery could not be stored");
    Refused { outcome: Outcome::NotStored, refusal: Refusal::not_stored() }
}

/// A delivery that is not taken: what is counted and what is answered.
struct Refused {
    outcome: Outcome,
    refusal: Refusal,
}

impl Refused {
    fn new(outcome: Outcome, status: StatusCode, message: impl Into<String>) -> Self {
        Self { outcome, refusal: Refusal::new(status, message) }
    }
}

impl From<Unverified> for Refused {
    fn from(why: Unverified) -> Self {
        Self::new(Outcome::Unsigned, StatusCode::UNAUTHORIZED, why.to_string())
    }
}

impl From<envelope::Refused> for Refused {
    fn from(why: envelope::Refused) -> Self {
        Self::new(Outcome::Malformed, StatusCode::BAD_REQUEST, why.to_string())
    }
}

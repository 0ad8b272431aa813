//! How a request is refused: a status and one sentence of ours.
//!
//! *Invariant:* no error of a library or the database is told to whoever asks; it is logged where it happened.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// What is wrong, and what to do about it.
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// What is not there, and what one may not know of: the same answer.
    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is nothing here")
    }

    /// The database did not answer. The first words are the original design's.
    pub(super) fn not_stored() -> Self {
        let remedy = "the database does not answer; look at /ready and run `pointsman doctor`";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, format!("Failed to persist workflow state: {remedy}"))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.message }))).into_response()
    }
}

//! What went wrong with a call, as far as a caller decides on it.
//!
//! The hard part of a client of GitHub is not the good answer. A limit looks like a denial (403), a GraphQL limit looks
//! like success (200), a proxy answers in HTML, and a cut line hides whether a comment was posted. This file is the one
//! place that tells them apart; it is pure, so that a table can test it.
//!
//! *Invariant:* an [`Error`] holds no token: what GitHub said is cut and scrubbed before it gets in.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::ids::InstallationId;
use crate::time::Timestamp;

/// Which of GitHub's limits was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// So many requests an hour. It frees at a known moment, and REST and GraphQL have one each.
    Primary,
    /// Against bursts; unpublished in part, and one for everything. Going on risks a ban.
    Secondary,
}

/// Why a call gave no answer, by what the caller does next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It does not exist, or this installation may not see it: GitHub does not tell which.
    #[error("GitHub does not know it, or the App may not see it: {0}")]
    NotFound(String),
    /// The App is not installed there, or no longer: nothing that needs this installation can work again.
    #[error("GitHub knows no installation {0} of the App; it was removed, or is another App's")]
    Uninstalled(InstallationId),
    /// The key, the issuer or the token is refused, after one new token. Nothing works until it is mended.
    #[error("GitHub refuses the App's credentials: {0}; check the App's id, its private key and this machine's clock")]
    Unauthorized(String),
    /// A denial, never a limit: a permission is missing, or the installation is suspended.
    #[error("GitHub denies it: {0}; check the App's permissions and that its installation is not suspended")]
    Forbidden(String),
    /// GitHub understood and refuses: repeating it is of no use.
    #[error("GitHub finds the request wrong: {0}")]
    Invalid(String),
    /// Send nothing to this installation before that moment.
    #[error("GitHub's {limit:?} limit is reached until {}", until.rfc3339())]
    RateLimited {
        /// The first moment at which to ask again.
        until: Timestamp,
        /// Which limit.
        limit: Limit,
    },
    /// A write that may have been executed: look for its effect before sending it again.
    #[error("GitHub may or may not have done it: {0}")]
    Unclear(String),
    /// Nothing was changed and nothing was learnt: try again later.
    #[error("GitHub cannot be asked now: {0}")]
    Unavailable(String),
    /// An answer that this release does not understand.
    #[error("GitHub answered what Pointsman does not understand: {0}; see if a newer release does")]
    Unexpected(String),
}

/// Whether a request can change something at GitHub: it decides what a lost answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// It cannot, or a second one does no harm.
    Read,
    /// It can.
    Write,
}

impl Effect {
    /// The answer was lost, or makes no sense.
    pub(super) fn lost(self, why: impl Into<String>) -> Error {
        match self {
            Self::Read => Error::Unavailable(why.into()),
            Self::Write => Error::Unclear(why.into()),
        }
    }
}

/// Quoted from GitHub at most; the rest helps nobody.
const MESSAGE_BYTES_MAX: usize = 400;
/// Waited when a limit names no end; GitHub asks for at least this.
const LIMIT_UNNAMED: Duration = Duration::from_secs(60);
/// The longest wait that is believed: a limit of GitHub's frees within the hour.
const LIMIT_MAX: Duration = Duration::from_secs(2 * 3_600);

/// The error behind a status that is no success.
pub(super) fn of_reply(status: StatusCode, headers: &HeaderMap, body: &[u8], effect: Effect, at: Timestamp) -> Error {
    let said = message(status, body);
    match status.as_u16() {
        403 | 429 => limited(status, headers, &said, at).unwrap_or(Error::Forbidden(said)),
        401 => Error::Unauthorized(said),
        404 | 410 => Error::NotFound(said),
        451 => Error::Forbidden(said),
        400 | 409 | 413 | 422 => Error::Invalid(said),
        408 | 500..=599 => effect.lost(said),
        _ => Error::Unexpected(said),
    }
}

/// A limit that hides behind a denial.
fn limited(status: StatusCode, headers: &HeaderMap, said: &str, at: Timestamp) -> Option<Error> {
    let number = |name| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    let exhausted = number("x-ratelimit-remaining") == Some(0);
    let reset = number("x-ratelimit-reset").map(|seconds| Timestamp(seconds.saturating_mul(1_000_000)));
    let lower = said.to_ascii_lowercase();
    let told =
        ["secondary rate limit", "rate limit exceeded", "abuse detection"].iter().any(|text| lower.contains(text));
    let limit = if exhausted && !lower.contains("secondary") { Limit::Primary } else { Limit::Secondary };
    let until = match (number("retry-after"), reset) {
        (Some(seconds), _) => at.plus(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))),
        (None, Some(reset)) if exhausted => reset,
        (None, _) if told || status == StatusCode::TOO_MANY_REQUESTS => at.plus(LIMIT_UNNAMED),
        (None, _) if exhausted => at.plus(LIMIT_UNNAMED),
        (None, _) => return None,
    };
    Some(Error::RateLimited { until: believed(until, at), limit })
}

/// At least a second, since GitHub counts in whole ones; at most what GitHub can mean.
fn believed(until: Timestamp, at: Timestamp) -> Timestamp {
    until.clamp(at.plus(Duration::from_secs(1)), at.plus(LIMIT_MAX))
}

/// What GraphQL says in a reply of status 200.
#[derive(Debug, Deserialize)]
pub(super) struct GraphqlError {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    message: String,
}

/// The error behind a GraphQL reply of status 200; none when it names none.
pub(super) fn of_graphql(errors: &[GraphqlError], headers: &HeaderMap, at: Timestamp) -> Option<Error> {
    let first = errors.first()?;
    let said = quoted(&first.message);
    Some(match first.kind.as_str() {
        "NOT_FOUND" => Error::NotFound(said),
        "FORBIDDEN" | "INSUFFICIENT_SCOPES" => {
            limited(StatusCode::OK, headers, &said, at).unwrap_or(Error::Forbidden(said))
        }
        "RATE_LIMITED" | "RATE_LIMIT" => {
            let named = limited(StatusCode::OK, headers, &said, at);
            named.unwrap_or(Error::RateLimited { until: at.plus(LIMIT_UNNAMED), limit: Limit::Primary })
        }
        _ => match limited(StatusCode::OK, headers, &said, at) {
            Some(limit) => limit,
            None if said.starts_with("Something went wrong") => Error::Unavailable(said),
            None => Error::Unexpected(said),
        },
    })
}

/// What GitHub said in words: its own message, else only what kind of thing it sent. Never a body as it came.
fn message(status: StatusCode, body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Said {
        #[serde(default)]
        message: String,
        #[serde(default)]
        errors: serde_json::Value,
    }
    let Ok(said) = serde_json::from_slice::<Said>(body) else {
        let html = body.trim_ascii_start().first() == Some(&b'<');
        let kind = if body.is_empty() {
            "an empty body"
        } else if html {
            "an HTML page"
        } else {
            "no JSON"
        };
        return format!("status {status} with {kind}");
    };
    match &said.errors {
        serde_json::Value::Array(errors) if !errors.is_empty() => {
            let errors: Vec<String> = errors.iter().take(5).map(one_problem).collect();
            quoted(&format!("{} (status {}): {}", said.message, status.as_u16(), errors.join("; ")))
        }
        _ => quoted(format!("{} (status {})", said.message, status.as_u16()).trim_start()),
    }
}

/// One entry of `errors`: a sentence, or field and code.
fn one_problem(error: &serde_json::Value) -> String {
    let text = |key: &str| error.get(key).and_then(serde_json::Value::as_str);
    match (error.as_str(), text("message"), text("field"), text("code")) {
        (Some(sentence), ..) | (None, Some(sentence), ..) => sentence.to_owned(),
        (None, None, field, code) => format!("{} {}", field.unwrap_or("something"), code.unwrap_or("is wrong")),
    }
}

/// What may be shown of what somebody else said.
pub(super) fn quoted(text: &str) -> String {
    super::limits::cut(&scrubbed(text), MESSAGE_BYTES_MAX).to_owned()
}

/// How secrets of GitHub begin: tokens of every kind in both formats, JSON Web Tokens, and private keys.
const SECRET_PREFIXES: [&str; 8] = ["ghs_", "ghp_", "gho_", "ghu_", "ghr_", "github_pat_", "eyJ", "-----BEGIN"];

/// The text without anything that looks like a secret.
fn scrubbed(text: &str) -> String {
    let mut rest = text;
    let mut clean = String::with_capacity(text.len());
    while let Some(start) = SECRET_PREFIXES.iter().filter_map(|prefix| rest.find(prefix)).min() {
        let (before, secret) = rest.split_at(start);
        clean.push_str(before);
        clean.push_str("[secret]");
        let is_key = secret.starts_with("-----BEGIN");
        let end = secret.find(|c: char| !(is_key || c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')));
        rest = end.map_or("", |end| secret.get(end..).unwrap_or(""));
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests;

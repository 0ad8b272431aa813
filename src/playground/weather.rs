//! Bad weather: what GitHub does on its bad days, on demand.

use std::time::Duration;

use serde_json::json;

use super::reply::Reply;
use super::state::State;

/// What befalls a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Weather {
    /// This status with this body, which is HTML when a proxy of GitHub's answers. Nothing is done.
    Status(u16, String),
    /// The hour's requests are used up: 403, `x-ratelimit-remaining: 0`, until the reset.
    RateLimited {
        /// Until the reset.
        retry_after: Duration,
    },
    /// Too much at once: 403 with `retry-after`.
    SecondaryLimit {
        /// How long to wait.
        retry_after: Duration,
    },
    /// It is done, and then the connection breaks without an answer.
    CutAfterExecution,
    /// Nothing is done and no answer ever comes.
    Hang,
}

/// Weather to come: for which requests, and how many of them.
#[derive(Debug)]
struct Front {
    method: String,
    prefix: String,
    left: usize,
    weather: Weather,
}

/// All weather to come; the first that fits a request befalls it.
#[derive(Debug, Default)]
pub(crate) struct Forecast(Vec<Front>);

impl Forecast {
    pub(crate) fn add(&mut self, (method, prefix): (&str, &str), count: usize, weather: Weather) {
        self.0.push(Front { method: method.to_owned(), prefix: prefix.to_owned(), left: count, weather });
    }

    /// What befalls this request.
    pub(crate) fn take(&mut self, method: &str, path: &str) -> Option<Weather> {
        let fits = |front: &Front| (front.method == "*" || front.method == method) && path.starts_with(&front.prefix);
        let at = self.0.iter().position(fits)?;
        let front = self.0.get_mut(at)?;
        front.left = front.left.saturating_sub(1);
        let weather = front.weather.clone();
        if front.left == 0 {
            self.0.remove(at);
        }
        Some(weather)
    }
}

impl Weather {
    /// The answer, for the kinds that give one.
    pub(crate) fn reply(&self, state: &State) -> Option<Reply> {
        match self {
            Self::Status(status, body) => Some(Reply {
                raw: Some(("text/html; charset=utf-8", body.clone().into_bytes())),
                ..Reply::new(*status, json!(null))
            }),
            Self::RateLimited { retry_after } => {
                let reset = state.now().plus(*retry_after).0.div_euclid(1_000_000);
                let said = format!("API rate limit exceeded for installation ID {}.", state.ours.installation);
                let reply = Reply::error(403, &said).with("x-ratelimit-limit", state.rate_limit);
                let reply = reply.with("x-ratelimit-remaining", 0).with("x-ratelimit-used", state.rate_limit);
                Some(reply.with("x-ratelimit-reset", reset).with("x-ratelimit-resource", "core"))
            }
            Self::SecondaryLimit { retry_after } => {
                let said = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
                Some(Reply::error(403, said).with("retry-after", retry_after.as_secs()))
            }
            Self::CutAfterExecution | Self::Hang => None,
        }
    }
}

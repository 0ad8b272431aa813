//! What was asked of this GitHub: tests count it, and look at what was sent.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;

use crate::time::Timestamp;

/// How many requests are remembered; the oldest go first.
const REQUESTS_MAX: usize = 5_000;
/// How many writes are remembered for the secondary limits.
const WRITES_MAX: usize = 100_000;
/// How many unexpected requests are remembered.
const UNEXPECTED_MAX: usize = 100;

/// One request and its answer.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `POST` …
    pub method: String,
    /// The path under the API's root, with its query.
    pub path: String,
    /// What was sent; null if nothing.
    pub body: Value,
    /// The status that was answered, or would have been but for a cut connection; 0 if nothing was ever to come.
    pub status: u16,
    /// What was answered; null if not JSON.
    pub answer: Value,
    /// When, by the playground's clock.
    pub at: Timestamp,
}

impl Request {
    /// Whether GitHub counts it as creating content: its secondary limits allow 80 a minute.
    #[must_use]
    pub fn writes_content(&self) -> bool {
        self.method != "GET" && self.path.starts_with("/repos/")
    }
}

/// All requests, bounded.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) requests: VecDeque<Request>,
    pub(crate) unexpected: VecDeque<String>,
    writes: VecDeque<Timestamp>,
}

fn push<T>(queue: &mut VecDeque<T>, item: T, max: usize) {
    if queue.len() >= max {
        queue.pop_front();
    }
    queue.push_back(item);
}

impl Ledger {
    pub(crate) fn record(&mut self, request: Request) {
        if request.writes_content() {
            push(&mut self.writes, request.at, WRITES_MAX);
        }
        push(&mut self.requests, request, REQUESTS_MAX);
    }

    /// Remembers a request that this GitHub does not know.
    pub(crate) fn unexpected(&mut self, what: String) {
        push(&mut self.unexpected, what, UNEXPECTED_MAX);
    }

    /// The most content writes in any span of this length.
    pub(crate) fn writes_in_any(&self, span: Duration) -> usize {
        let mut first = 0;
        let mut most = 0;
        for (last, at) in self.writes.iter().enumerate() {
            while self.writes.get(first).is_some_and(|start| at.since(*start) >= span) {
                first += 1;
            }
            most = most.max(last + 1 - first);
        }
        most
    }
}

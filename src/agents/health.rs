//! Is an endpoint well? One look, and what many looks add up to. The loop that looks every 30 s is not here.

use std::time::Duration;

use super::a2a::CARD_PATH;
use super::client::Client;
use crate::time::Timestamp;

/// How long one look may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);
/// Failed looks in a row that make an endpoint unhealthy.
const FAILURES_TO_UNHEALTHY: u32 = 3;
/// How often the loop looks; the text of an unavailable agent names the next look by it.
pub(super) const CHECK_PERIOD: Duration = Duration::from_secs(30);

/// What the looks at one endpoint add up to. An endpoint that was never looked at counts as well.
#[derive(Debug, Clone, Default)]
pub struct Health {
    failures: u32,
    /// When the first of the failed looks in a row was.
    since: Timestamp,
    checked_at: Timestamp,
    why: String,
}

impl Health {
    /// Whether attempts may go there.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.failures < FAILURES_TO_UNHEALTHY
    }

    /// What the last look found.
    pub fn checked(&mut self, found: Result<(), String>, at: Timestamp) {
        match found {
            Ok(()) => *self = Self { checked_at: at, ..Self::default() },
            Err(why) => {
                if self.failures == 0 {
                    self.since = at;
                }
                self.failures = self.failures.saturating_add(1);
                self.checked_at = at;
                self.why = why;
            }
        }
    }

    /// Since when it is not well, what the last look found, and when the next one is; `None` while it is well.
    #[must_use]
    pub fn trouble(&self) -> Option<(Timestamp, &str, Timestamp)> {
        (!self.is_healthy()).then(|| (self.since, self.why.as_str(), self.checked_at.plus(CHECK_PERIOD)))
    }
}

/// One look: `/healthz`, and where there is none, the card.
///
/// # Errors
/// What was found in place of health, in words.
pub async fn check(client: &Client) -> Result<(), String> {
    let look = async {
        let status = client.status("/healthz", CHECK_TIMEOUT).await?;
        let status = match status.as_u16() {
            404 | 405 => client.status(CARD_PATH, CHECK_TIMEOUT).await?,
            _ => status,
        };
        if status.is_success() { Ok(()) } else { Err(format!("it answered {status}")) }
    };
    match tokio::time::timeout(CHECK_TIMEOUT, look).await {
        Ok(found) => found,
        Err(_) => Err(format!("no answer within {} s", CHECK_TIMEOUT.as_secs())),
    }
}

//! Telling whoever waits that a task has ended. Only a hint: callers poll too, so three tries are enough.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use reqwest::header::AUTHORIZATION;
use serde_json::json;
use url::Url;

use super::journal::Record;
use crate::agents::a2a::{PushConfig, TOKEN_HEADER};
use crate::agents::{Reach, http_client};

const PUSH_TIMEOUT: Duration = Duration::from_secs(10);
const RETRIES_MAX: usize = 3;
const BACKOFF_FIRST: Duration = Duration::from_millis(500);

/// Tells of the state of a task. What goes wrong is logged and forgotten.
pub(super) async fn push(record: Record) {
    let Some(to) = record.push else { return };
    let body = json!({ "statusUpdate": {
        "taskId": record.task.id,
        "contextId": record.task.context_id,
        "status": { "state": record.task.status.state, "timestamp": record.task.status.timestamp },
    } });
    let backoff = ExponentialBuilder::default().with_min_delay(BACKOFF_FIRST).with_max_times(RETRIES_MAX).with_jitter();
    if let Err(why) = (|| post(&to, &body)).retry(backoff).await {
        tracing::info!(task = record.task.id, why, "nobody could be told of the end of a task; they will ask");
    }
}

async fn post(to: &PushConfig, body: &serde_json::Value) -> Result<(), String> {
    let url = Url::parse(&to.url).map_err(|error| error.to_string())?;
    Reach::Private.check(&url).map_err(|error| error.to_string())?;
    let client = http_client(&Reach::Private, PUSH_TIMEOUT).map_err(|error| error.to_string())?;
    let mut request = client.post(url).json(body);
    if !to.token.is_empty() {
        request = request.header(TOKEN_HEADER, &to.token);
    }
    if let Some(login) = &to.authentication {
        request = request.header(AUTHORIZATION, format!("{} {}", login.scheme, login.credentials));
    }
    let response = request.send().await.map_err(|error| error.without_url().to_string())?;
    // A refusal is an answer: a cancelled attempt, say. Only a server in trouble is asked again.
    if response.status().is_server_error() { Err(format!("answered {}", response.status())) } else { Ok(()) }
}

//! `/health` and `/ready`: whether this process lives, and whether it can take deliveries.
//!
//! They differ on purpose. A platform kills what is not healthy and only stops sending to what is not ready, so a
//! database that is away must not make `/health` fail, and GitHub or an agent that is away must make neither fail: we
//! can still store deliveries, which is all that a load balancer sends us.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::loops::driver::Status;
use crate::metrics::Metrics;
use crate::store::{Error, Purpose, Store};
use crate::time::{Clock, human};
use crate::wake::Loop;

/// How long the database may take to say that it is there.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(3);
/// A replica that missed so many beats gave its work back.
const BEATS_MISSED_MAX: u32 = 3;

/// What the two handlers need.
#[derive(Clone)]
pub struct Health {
    /// Must answer and have been migrated.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// What is known of the loops.
    pub loops: Status,
    /// A few figures for people.
    pub metrics: Metrics,
    /// How often this replica shows a beat.
    pub beat: Duration,
    /// Cancelled when the process begins to stop.
    pub stopping: CancellationToken,
}

/// The original design's four fields. Always 200: whoever can answer lives.
pub(super) async fn health(State(health): State<Health>) -> Response {
    let figures = health.metrics.figures();
    let status = if health.stopping.is_cancelled() { "stopping" } else { "healthy" };
    Json(json!({
        "status": status,
        "activeWorkflows": figures.runs_active,
        "metrics": {
            "runsStarted": figures.runs_started,
            "githubWrites": figures.github_writes,
            "checksOverdue": figures.checks_overdue,
        },
        "timestamp": health.clock.now().rfc3339(),
    }))
    .into_response()
}

/// 200 when deliveries can be taken; else 503. The body says why, and how the loops are.
pub(super) async fn ready(State(health): State<Health>) -> Response {
    let reasons = health.reasons().await;
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({ "ready": reasons.is_empty(), "reasons": reasons, "loops": health.loops() });
    (status, Json(body)).into_response()
}

impl Health {
    /// Why no delivery should be sent here; nothing when one may.
    pub(super) async fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.stopping.is_cancelled() {
            reasons.push("this replica is stopping".to_owned());
        }
        match tokio::time::timeout(DATABASE_TIMEOUT, self.store.now()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                warn!(%error, "not ready: the database refuses");
                reasons.push("the database refuses; run `pointsman doctor`".to_owned());
            }
            Err(_) => reasons.push(format!("the database did not answer within {}", human(DATABASE_TIMEOUT))),
        }
        if matches!(self.store.mac(Purpose::Unique, &[]), Err(Error::NotReady)) {
            reasons.push("the tables are not there yet; run `pointsman migrate`".to_owned());
        }
        reasons.extend(self.beat_is_silent());
        reasons
    }

    /// Without a beat other replicas take over what this one has.
    fn beat_is_silent(&self) -> Option<String> {
        let Some(beat) = self.loops.all().get(&Loop::Beat).copied() else {
            return Some("the loops have not started yet".to_owned());
        };
        let silent = self.clock.now().since(beat.last);
        (silent > self.beat * BEATS_MISSED_MAX || beat.failures >= BEATS_MISSED_MAX)
            .then(|| format!("this replica shows no beat; the last one was {} ago", human(silent)))
    }

    fn loops(&self) -> BTreeMap<&'static str, Value> {
        let now = self.clock.now();
        let line = |(which, ticks): (Loop, crate::loops::driver::Ticks)| {
            let told = json!({
                "lastSeconds": now.since(ticks.last).as_secs(),
                "count": ticks.count,
                "failuresInARow": ticks.failures,
            });
            (which.name(), told)
        };
        self.loops.all().into_iter().map(line).collect()
    }
}

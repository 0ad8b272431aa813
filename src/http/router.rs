//! The one table of addresses.

use std::any::Any;
use std::time::Duration;

use axum::Router;
use axum::extract::State as Extract;
use axum::http::{HeaderName, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

use super::error::Refusal;
use super::{Callback, Health, Pages, Webhook, callback, health, pages, webhook};
use crate::metrics::{CONTENT_TYPE, Metrics};

/// No answer takes longer. The webhook's own limits come first.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// What the addresses are made of, each of what it needs.
pub struct State {
    /// `/webhook`.
    pub webhook: Webhook,
    /// `/agents/callback`.
    pub callback: Callback,
    /// `/health` and `/ready`.
    pub health: Health,
    /// `/metrics` on this listener; nothing when it has one of its own, or is switched off: then it is 404.
    pub metrics: Option<Metrics>,
    /// `/runs/ID`.
    pub pages: Pages,
}

/// Every address of the service.
pub fn router(state: State) -> Router {
    let mut table = Router::new()
        .route("/webhook", post(webhook::receive).with_state(state.webhook))
        .route("/agents/callback", post(callback::receive).with_state(state.callback))
        .route("/health", get(health::health).with_state(state.health.clone()))
        .route("/ready", get(health::ready).with_state(state.health))
        .route("/runs/{id}", get(pages::run).with_state(state.pages));
    if let Some(metrics) = state.metrics {
        table = table.route("/metrics", get(scrape).with_state(metrics));
    }
    layers(table)
}

/// `/metrics` alone, for a listener of its own.
pub fn metrics_router(metrics: Metrics) -> Router {
    layers(Router::new().route("/metrics", get(scrape).with_state(metrics)))
}

fn layers(table: Router) -> Router {
    let nosniff = HeaderValue::from_static("nosniff");
    // The path alone: a query holds the key of a page.
    let span = |request: &Request<_>| tracing::info_span!("http", http.method = %request.method(), http.path = request.uri().path());
    table
        .fallback(async || Refusal::not_found())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER_TIMEOUT))
        .layer(SetResponseHeaderLayer::if_not_present(header::X_CONTENT_TYPE_OPTIONS, nosniff))
        .layer(SetResponseHeaderLayer::if_not_present(SERVER, HeaderValue::from_static("pointsman")))
        .layer(TraceLayer::new_for_http().make_span_with(span))
}

const SERVER: HeaderName = header::SERVER;

/// A bug of ours ends one answer, not the process.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "this is a bug of ours; the log says more").into_response()
}

async fn scrape(Extract(metrics): Extract<Metrics>) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], metrics.text()).into_response()
}

//! `GET /runs/ID?k=KEY`: what a person sees who follows a check's link. Read only, without script.
//!
//! The key is a keyed hash of the run's id, so a link can be passed on and a guess finds nothing: without it, the page of
//! a run that exists and of one that does not are the same 404. Whoever has the key may look, and may do nothing.
//!
//! *Invariant:* everything on the page was written by strangers until proven otherwise, and is escaped by the template;
//! the policy of content forbids scripts, frames and anything from elsewhere.
//! *Invariant:* the page asks to be loaded again only while its run lives.

mod load;
mod model;

use askama::Template;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use tracing::warn;
use url::Url;

use self::model::{Page, StepBox};
use super::error::Refusal;
use crate::ids::RunId;
use crate::store::{Error, Store};
use crate::time::Clock;

/// How often the page of a live run is loaded again, in seconds.
const REFRESH_SECONDS: u32 = 5;
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What the handler needs.
#[derive(Clone)]
pub struct Pages {
    /// Where runs are.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// Where people find GitHub: links lead there.
    pub github: Url,
}

/// The address of a run's page, below the service's own.
///
/// # Errors
/// Before the store was migrated.
pub fn page_url(store: &Store, public: &Url, run: RunId) -> Result<String, Error> {
    let key = store.page_key(run)?;
    Ok(format!("{}/runs/{run}?k={key}", public.as_str().trim_end_matches('/')))
}

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    k: String,
}

#[derive(Template)]
#[template(path = "run.html")]
struct RunPage {
    page: Page,
    refresh: u32,
}

#[derive(Template)]
#[template(path = "notice.html")]
struct Notice {
    title: &'static str,
    text: String,
}

/// The page of a run.
pub(super) async fn run(
    State(pages): State<Pages>,
    id: Result<Path<String>, PathRejection>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let id = id.map(|Path(id)| id).unwrap_or_default();
    let key = asked.map(|Query(asked)| asked.k).unwrap_or_default();
    match pages.allowed(&id, &key) {
        Ok(Some(run)) => pages.show(run).await,
        Ok(None) => Refusal::not_found().into_response(),
        Err(_) => Refusal::not_stored().into_response(),
    }
}

impl Pages {
    /// The run, if the key is its key. The comparison takes as long for a wrong key as for a right one.
    fn allowed(&self, id: &str, key: &str) -> Result<Option<RunId>, Error> {
        let Some(run) = id.parse::<RunId>().ok().filter(|run| run.to_string() == id) else { return Ok(None) };
        let right = bool::from(self.store.page_key(run)?.as_bytes().ct_eq(key.as_bytes()));
        Ok(right.then_some(run))
    }

    async fn show(&self, run: RunId) -> Response {
        match self.load(run).await {
            Ok(load::Found::Run(page)) => {
                let refresh = if page.live { REFRESH_SECONDS } else { 0 };
                html(StatusCode::OK, &RunPage { page: *page, refresh })
            }
            Ok(load::Found::Gone) => {
                let text = "Finished runs are kept for some time and then deleted. A comment starts a new one: /run";
                html(StatusCode::GONE, &Notice { title: "This run is no longer kept", text: text.to_owned() })
            }
            Ok(load::Found::Broken(why)) => {
                let text = format!(
                    "It is left alone until somebody looks after it: {why}. Its operator finds it with `pointsman doctor`."
                );
                html(StatusCode::OK, &Notice { title: "This run cannot be read", text })
            }
            Err(error) => {
                warn!(run.id = %run, error = format!("{error:#}"), "the page of a run could not be made");
                let text = "The database does not answer. Load this page again in a moment.".to_owned();
                html(StatusCode::SERVICE_UNAVAILABLE, &Notice { title: "Not now", text })
            }
        }
    }
}

fn html(status: StatusCode, page: &impl Template) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
    match page.render() {
        Ok(page) => (status, headers, page).into_response(),
        Err(error) => {
            warn!(%error, "a page could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests;

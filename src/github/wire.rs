//! One request, one reply: octocrab as transport, and nothing of it seen outside.
//!
//! octocrab would also sign, cache tokens and retry. It signs with a number only and by a clock of its own, it mints a
//! token per concurrent call, and it repeats POSTs; so it carries bytes here (connections, TLS, redirects, timeouts)
//! and the rest is ours. A reply is read whole, up to a limit, before anybody looks at it.
//!
//! *Invariant:* a credential is sent to the API's own origin and to nowhere else.
//! *Invariant:* nothing is repeated here, but for one redirect of a write.

use std::fmt;
use std::io;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use octocrab::Octocrab;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::error::{self, Effect, Error};
use super::settings::{BadSettings, Settings};
use crate::ids::RepoName;
use crate::time::{Clock, Timestamp};

/// The release of the REST interface that we read; GitHub keeps it until 2028 at least.
const API_VERSION: &str = "2022-11-28";
/// A reply: fifty workflow files in one, or a large comparison.
const REPLY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// From the request's first byte to the reply's last.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// To reach GitHub at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The way to GitHub. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub(super) struct Wire {
    octocrab: Octocrab,
    api: Url,
    graphql: Url,
    clock: Clock,
}

/// What to ask.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    /// What a lost answer means.
    pub(super) effect: Effect,
    body: Option<String>,
    /// Asks for news only, compared with this version.
    etag: Option<HeaderValue>,
}

/// What came back, with a status that is a success (or 304).
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    effect: Effect,
}

impl Wire {
    pub(super) fn new(settings: &Settings, clock: Clock) -> Result<Self, BadSettings> {
        let octocrab = Octocrab::builder()
            .set_connect_timeout(Some(CONNECT_TIMEOUT))
            .set_read_timeout(Some(REQUEST_TIMEOUT))
            .set_write_timeout(Some(REQUEST_TIMEOUT))
            .build()
            .map_err(|error| BadSettings::Client(error::quoted(&deepest(&error))))?;
        Ok(Self { octocrab, api: settings.api_url.clone(), graphql: settings.graphql_url.clone(), clock })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The address of a resource; every segment is escaped.
    pub(super) fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.api.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// The address of a resource of a repository.
    pub(super) fn url_in(&self, repo: &RepoName, segments: &[&str]) -> Url {
        let whole: Vec<&str> = ["repos", repo.owner(), repo.name()].iter().chain(segments).copied().collect();
        self.url(&whole)
    }

    pub(super) fn graphql(&self) -> Url {
        self.graphql.clone()
    }

    /// Whether a credential may be sent there.
    pub(super) fn is_ours(&self, url: &Url) -> bool {
        url.origin() == self.api.origin() || url.origin() == self.graphql.origin()
    }

    /// Sends it and reads the reply. Every status that is no success is an error.
    pub(super) async fn send(&self, call: &Call, bearer: &SecretString) -> Result<Reply, Error> {
        let reply = self.exchange(call, bearer).await?;
        let moved = matches!(reply.status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
        let reply = match self.location(&reply).filter(|_| moved) {
            // A renamed repository: octocrab follows reads by itself, a body only we can send again.
            Some(url) => self.exchange(&Call { url, ..call.clone() }, bearer).await?,
            None => reply,
        };
        if reply.status.is_success() || (reply.status == StatusCode::NOT_MODIFIED && call.etag.is_some()) {
            return Ok(reply);
        }
        Err(error::of_reply(reply.status, &reply.headers, &reply.body, call.effect, self.now()))
    }

    /// Where a reply sends us on to, if that is GitHub still.
    fn location(&self, reply: &Reply) -> Option<Url> {
        let location = reply.headers.get(header::LOCATION)?.to_str().ok()?;
        self.api.join(location).ok().filter(|url| self.is_ours(url))
    }

    async fn exchange(&self, call: &Call, bearer: &SecretString) -> Result<Reply, Error> {
        if !self.is_ours(&call.url) {
            return Err(Error::Unexpected("it leads to another host".to_owned()));
        }
        let request = call.request(bearer)?;
        let exchange = async {
            let response = self.octocrab.execute(request).await.map_err(|error| lost(&error, call.effect))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, REPLY_BYTES_MAX).collect().await;
            let body = body.map_err(|error| call.effect.lost(error::quoted(&deepest(&*error))))?;
            Ok(Reply { status: head.status, headers: head.headers, body: body.to_bytes().into(), effect: call.effect })
        };
        match tokio::time::timeout(REQUEST_TIMEOUT, exchange).await {
            Ok(result) => result,
            Err(_) => Err(call.effect.lost(format!("no answer within {} s", REQUEST_TIMEOUT.as_secs()))),
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("api", &self.api.as_str()).finish_non_exhaustive()
    }
}

impl Call {
    /// A read.
    pub(super) fn get(url: Url) -> Self {
        Self { method: Method::GET, url, effect: Effect::Read, body: None, etag: None }
    }

    /// A write.
    pub(super) fn write<B: Serialize>(method: Method, url: Url, body: &B) -> Result<Self, Error> {
        let body = serde_json::to_string(body).map_err(|error| Error::Invalid(error.to_string()))?;
        Ok(Self { method, url, effect: Effect::Write, body: Some(body), etag: None })
    }

    /// A write that says all in its address: GitHub describes no body for it.
    pub(super) fn command(method: Method, url: Url) -> Self {
        Self { method, url, effect: Effect::Write, body: None, etag: None }
    }

    /// It only looks like a write: repeating it does no harm.
    #[must_use]
    pub(super) fn harmless(self) -> Self {
        Self { effect: Effect::Read, ..self }
    }

    /// Asks for news only.
    #[must_use]
    pub(super) fn unless(self, etag: Option<HeaderValue>) -> Self {
        Self { etag, ..self }
    }

    fn request(&self, bearer: &SecretString) -> Result<Request<String>, Error> {
        // The error is not quoted: it may hold what it failed on.
        let bad = || Error::Unexpected("a token with characters that no header takes".to_owned());
        let mut token = HeaderValue::from_str(&format!("Bearer {}", bearer.expose_secret())).map_err(|_| bad())?;
        token.set_sensitive(true);
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(self.url.as_str())
            .header(header::ACCEPT, "application/vnd.github+json")
            .header("X-GitHub-Api-Version", API_VERSION)
            .header(header::AUTHORIZATION, token);
        if self.body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(etag) = &self.etag {
            request = request.header(header::IF_NONE_MATCH, etag.clone());
        }
        request.body(self.body.clone().unwrap_or_default()).map_err(|error| Error::Invalid(error.to_string()))
    }
}

impl Reply {
    /// The body in our own words. A success that cannot be read is one that may have had its effect.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // serde_json may quote a value, and the value may be a token: only its place is told.
            let why =
                format!("line {} column {} of a reply of {} bytes", error.line(), error.column(), self.body.len());
            match self.effect {
                Effect::Read if self.body.trim_ascii_start().first() == Some(&b'<') => {
                    Error::Unavailable("an HTML page with status 200".to_owned())
                }
                Effect::Read => Error::Unexpected(why),
                Effect::Write => Error::Unclear(why),
            }
        })
    }

    /// The address of the next page, from the `Link` header.
    pub(super) fn next(&self) -> Option<Url> {
        let links = self.headers.get(header::LINK)?.to_str().ok()?;
        let next = links.split(',').find(|link| link.contains("rel=\"next\""))?;
        let address = next.split_once('<')?.1.split_once('>')?.0;
        Url::parse(address).ok()
    }
}

/// What a broken exchange means. A refused connection carried nothing; anything else may have.
fn lost(error: &octocrab::Error, effect: Effect) -> Error {
    let why = error::quoted(&deepest(error));
    let refused = causes(error).any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    });
    if refused { Error::Unavailable(why) } else { effect.lost(why) }
}

/// The innermost cause, which says most and quotes no request.
fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

#[cfg(test)]
mod tests;

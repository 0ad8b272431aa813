//! One installation: the handle that every operation hangs on, and the one place that calls in its name.
//!
//! *Invariant:* nothing cached is shared between installations, since what one may see, another may not: every key
//! of a cache begins with the installation.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::app::App;
use super::blocks::Blocks;
use super::error::{self, Effect, Error, GraphqlError, Limit};
use super::token::{Scope, Token};
use super::wire::{Call, Reply};
use crate::ids::{InstallationId, RepoName};
use crate::time::Timestamp;

/// A reply larger than this is not kept for comparison.
const VERSIONED_REPLY_BYTES_MAX: usize = 64 * 1024;

/// What may be done in the name of one installation. Cheap to clone.
#[derive(Clone)]
pub struct Installation {
    pub(super) app: App,
    pub(super) id: InstallationId,
    pub(super) shared: Arc<Shared>,
}

/// What all handles of one installation share.
#[derive(Default)]
pub(super) struct Shared {
    blocks: Blocks,
    rate: Mutex<Option<Rate>>,
}

/// A reply and its version.
#[derive(Clone)]
pub(super) struct Versioned {
    etag: HeaderValue,
    pub(super) body: Arc<[u8]>,
}

/// What GitHub last said about its hourly limit of REST calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Calls an hour.
    pub limit: i64,
    /// Calls left.
    pub remaining: i64,
    /// When it starts anew.
    pub reset: Timestamp,
}

impl Rate {
    /// Reads the headers of any reply; none where limits are off.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let number = |name| headers.get(name)?.to_str().ok()?.parse::<i64>().ok();
        let reset = Timestamp(number("x-ratelimit-reset")?.saturating_mul(1_000_000));
        Some(Self { limit: number("x-ratelimit-limit")?, remaining: number("x-ratelimit-remaining")?, reset })
    }
}

impl Installation {
    /// Its number.
    #[must_use]
    pub fn id(&self) -> InstallationId {
        self.id
    }

    /// The App that it is one of.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// A token for somebody else's use, such as a checkout. It is good for five minutes at least; ask again each time.
    ///
    /// # Errors
    /// As of every call; [`Error::Invalid`] when the scope is more than the installation has.
    pub async fn token(&self, scope: &Scope) -> Result<Token, Error> {
        self.shared_token(scope).await.map(|token| Token::clone(&token))
    }

    /// The moment before which GitHub wants no call, as far as this process knows.
    #[must_use]
    pub fn blocked_until(&self) -> Option<Timestamp> {
        self.shared.blocks.until(self.app.0.wire.now())
    }

    /// Obeys a limit that another replica met.
    pub fn block(&self, until: Timestamp) {
        self.shared.blocks.learn(false, &Error::RateLimited { until, limit: Limit::Secondary });
    }

    /// What GitHub last said about the hourly limit.
    #[must_use]
    pub fn rate(&self) -> Option<Rate> {
        *self.shared.rate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn shared_token(&self, scope: &Scope) -> Result<Arc<Token>, Error> {
        let app = &self.app;
        let key = (self.id, scope.clone());
        app.0.tokens.get(&key, app.0.wire.now(), || app.mint(self.id, scope)).await
    }

    /// One request. A token that GitHub refuses is replaced once.
    pub(super) async fn call(&self, call: &Call) -> Result<Reply, Error> {
        let wire = &self.app.0.wire;
        let graphql = call.url == wire.graphql();
        self.shared.blocks.check(graphql, wire.now())?;
        let scope = Scope::default();
        let token = self.shared_token(&scope).await?;
        let mut result = wire.send(call, &token.secret).await;
        if let Err(Error::Unauthorized(_)) = result {
            self.app.0.tokens.reject(&(self.id, scope.clone()), &token).await;
            let token = self.shared_token(&scope).await?;
            result = wire.send(call, &token.secret).await;
        }
        match &result {
            Ok(reply) if !graphql => self.learn_rate(&reply.headers),
            Ok(_) => {}
            Err(error) => self.shared.blocks.learn(graphql, error),
        }
        result
    }

    fn learn_rate(&self, headers: &HeaderMap) {
        if let Some(rate) = Rate::of(headers) {
            *self.shared.rate.lock().unwrap_or_else(PoisonError::into_inner) = Some(rate);
        }
    }

    /// Reads a resource.
    pub(super) async fn read<T: DeserializeOwned>(&self, url: Url) -> Result<T, Error> {
        self.call(&Call::get(url)).await?.parse()
    }

    /// Reads a resource that is asked for often and changes seldom: GitHub does not count "not modified".
    pub(super) async fn read_news<T: DeserializeOwned>(&self, url: Url) -> Result<T, Error> {
        let versions = &self.app.0.versions;
        let key = (self.id, url.clone());
        let known = versions.get(&key).await;
        let etag = known.as_ref().map(|known| known.etag.clone());
        let mut reply = self.call(&Call::get(url).unless(etag)).await?;
        match (known, reply.headers.get(header::ETAG).cloned()) {
            (Some(known), _) if reply.status == StatusCode::NOT_MODIFIED => reply.body = known.body.to_vec(),
            (_, Some(etag)) if reply.body.len() <= VERSIONED_REPLY_BYTES_MAX => {
                let body = reply.body.as_slice().into();
                versions.insert(key, Versioned { etag, body }).await;
            }
            _ => versions.invalidate(&key).await,
        }
        reply.parse()
    }

    /// Writes, and reads what came of it.
    pub(super) async fn write<B, T>(&self, method: Method, url: Url, body: &B) -> Result<T, Error>
    where
        B: Serialize,
        T: DeserializeOwned,
    {
        self.call(&Call::write(method, url, body)?).await?.parse()
    }

    /// Asks GraphQL a question that changes nothing.
    pub(super) async fn ask<T: DeserializeOwned>(&self, body: &serde_json::Value) -> Result<T, Error> {
        #[derive(serde::Deserialize)]
        struct Answer<T> {
            data: Option<T>,
            #[serde(default)]
            errors: Vec<GraphqlError>,
        }
        let call = Call::write(Method::POST, self.app.0.wire.graphql(), body)?.harmless();
        let reply = self.call(&call).await?;
        let answer: Answer<T> = reply.parse()?;
        let error = error::of_graphql(&answer.errors, &reply.headers, self.app.0.wire.now());
        if let Some(error) = error {
            self.shared.blocks.learn(true, &error);
            return Err(error);
        }
        answer.data.ok_or_else(|| Effect::Read.lost("a GraphQL reply without data"))
    }

    /// A list over several pages, up to `pages_max`, and whether that was all of it.
    pub(super) async fn list<P, T>(
        &self,
        first: Url,
        pages_max: usize,
        items: fn(P) -> Vec<T>,
    ) -> Result<(Vec<T>, bool), Error>
    where
        P: DeserializeOwned,
    {
        let mut all = Vec::new();
        let mut next = Some(first);
        for _ in 0..pages_max {
            let Some(url) = next else { break };
            let reply = self.call(&Call::get(url)).await?;
            next = reply.next();
            all.extend(items(reply.parse()?));
        }
        Ok((all, next.is_none()))
    }

    /// The address of a resource of a repository.
    pub(super) fn url(&self, repo: &RepoName, segments: &[&str]) -> Url {
        self.app.0.wire.url_in(repo, segments)
    }

    /// The same with a query.
    pub(super) fn url_with(&self, repo: &RepoName, segments: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.url(repo, segments);
        url.query_pairs_mut().extend_pairs(query);
        url
    }
}

impl fmt::Debug for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Installation").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

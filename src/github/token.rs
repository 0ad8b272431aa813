//! Tokens of installations: minted once, shared, renewed early.
//!
//! A token lives an hour and costs a request and a signature, so all calls of an installation share one, and a hundred
//! first calls at once mint one. A token is opaque: GitHub changed its format once (forty characters, then five
//! hundred with dots) and may again.
//!
//! *Invariant:* a token that GitHub refused is never handed out again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use moka::ops::compute::Op;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::error::Error;
use crate::ids::{InstallationId, RepoId};
use crate::time::Timestamp;

/// Renewed so long before its end, so that no call starts with a token that ends on its way.
const EXPIRY_BUFFER: Duration = Duration::from_secs(5 * 60);
/// GitHub's own lifetime of a token; the cache forgets it then at the latest.
const LIFETIME_MAX: Duration = Duration::from_secs(60 * 60);
/// Tokens remembered.
const TOKENS_MAX: u64 = 20_000;

/// What a token may do. The default is all that the installation may.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize)]
pub struct Scope {
    /// Only these repositories; empty means every one of the installation. GitHub takes at most 500.
    #[serde(rename = "repository_ids", skip_serializing_if = "BTreeSet::is_empty")]
    pub repositories: BTreeSet<RepoId>,
    /// Only these permissions, such as `contents: read`; empty means every one of the installation.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub permissions: BTreeMap<String, String>,
}

/// A token of an installation. Its secret never shows in `Debug`.
#[derive(Clone)]
pub struct Token {
    /// What to send as a bearer, or as the password of `x-access-token` to git.
    pub secret: SecretString,
    /// GitHub refuses it from then on.
    pub until: Timestamp,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token(until {})", self.until.rfc3339())
    }
}

/// GitHub's reply to a mint.
#[derive(Deserialize)]
pub(super) struct Minted {
    token: String,
    expires_at: String,
}

impl Minted {
    pub(super) fn token(self, at: Timestamp) -> Token {
        // A time that we cannot read is no reason to fail: an hour is what GitHub promises.
        let until = Timestamp::parse_rfc3339(&self.expires_at).unwrap_or(at.plus(LIFETIME_MAX));
        Token { secret: SecretString::from(self.token), until }
    }
}

type Key = (InstallationId, Scope);

/// The tokens of all installations.
pub(super) struct Tokens(Cache<Key, Arc<Token>>);

impl Tokens {
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(TOKENS_MAX).time_to_live(LIFETIME_MAX).build())
    }

    /// A token that is good for some minutes; whoever comes first mints, the others wait for it and share its error.
    pub(super) async fn get<F>(&self, key: &Key, at: Timestamp, mint: impl Fn() -> F) -> Result<Arc<Token>, Error>
    where
        F: Future<Output = Result<Token, Error>>,
    {
        let fetch = || async { mint().await.map(Arc::new) };
        let own = |error: Arc<Error>| Error::clone(&error);
        let token = self.0.try_get_with_by_ref(key, fetch()).await.map_err(own)?;
        if token.until > at.plus(EXPIRY_BUFFER) {
            return Ok(token);
        }
        self.reject(key, &token).await;
        self.0.try_get_with_by_ref(key, fetch()).await.map_err(own)
    }

    /// Forgets exactly this token: one that was minted meanwhile stays.
    pub(super) async fn reject(&self, key: &Key, token: &Arc<Token>) {
        let forget = |entry: Option<moka::Entry<Key, Arc<Token>>>| {
            let same = entry.is_some_and(|entry| Arc::ptr_eq(entry.value(), token));
            std::future::ready(if same { Op::Remove } else { Op::Nop })
        };
        self.0.entry_by_ref(key).and_compute_with(forget).await;
    }
}

#[cfg(test)]
mod tests;

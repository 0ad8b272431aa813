//! The App itself: what it asks in its own name, with a signature in place of a token.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use http::Method;
use moka::future::Cache;
use serde::Deserialize;
use tokio::sync::OnceCell;
use url::Url;

use super::blocks::Blocks;
use super::error::Error;
use super::files::Files;
use super::installation::{Installation, Shared, Versioned};
use super::settings::{BadSettings, Settings, Signer};
use super::token::{Minted, Scope, Token, Tokens};
use super::wire::{Call, Reply, Wire};
use crate::ids::{CommitSha, InstallationId, Login, RepoId, RepoName};
use crate::time::{Clock, Timestamp};

/// Installations whose limits and caches are kept in memory.
const INSTALLATIONS_MAX: u64 = 10_000;
/// Replies kept for comparison, of all installations.
const VERSIONS_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Commits whose directory of workflow files is known by its id.
const COMMITS_MAX: u64 = 50_000;
/// Workflow files kept, of all installations.
const TREES_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// GitHub, as the App sees it. Cheap to clone; clones share connections, tokens and caches.
#[derive(Clone)]
pub struct App(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) wire: Wire,
    pub(super) tokens: Tokens,
    signer: Signer,
    web_url: Url,
    blocks: Blocks,
    identity: OnceCell<Identity>,
    installations: Cache<InstallationId, Arc<Shared>>,
    /// Replies that are only sent again when they changed.
    pub(super) versions: Cache<(InstallationId, Url), Versioned>,
    /// The directory of workflow files of a commit, by the directory's id; none where there is no directory.
    pub(super) commits: Cache<(InstallationId, RepoName, CommitSha), Option<String>>,
    /// What is in such a directory.
    pub(super) trees: Cache<(InstallationId, String), Arc<Files>>,
}

/// Who the App is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Identity {
    /// Its number: `app.id` of every check run it makes.
    pub id: i64,
    /// Its name in addresses; its comments come from `<slug>[bot]`.
    pub slug: String,
    /// The permissions that it asks for.
    #[serde(default)]
    pub permissions: BTreeMap<String, String>,
    /// The events that it listens to.
    #[serde(default)]
    pub events: Vec<String>,
}

/// One installation of the App, as GitHub lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its number.
    pub id: InstallationId,
    /// Whose repositories it covers.
    pub account: Option<Login>,
    /// It may do nothing since then, until its owner changes that.
    pub suspended: bool,
    /// What its owner granted.
    pub permissions: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct WireInstalled {
    id: InstallationId,
    account: Option<super::people::Account>,
    suspended_at: Option<String>,
    #[serde(default)]
    permissions: BTreeMap<String, String>,
}

/// A piece of a list, and where the rest is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What this piece holds.
    pub items: Vec<T>,
    /// Where to go on; none at the end.
    pub next: Option<Cursor>,
}

/// A place in a list of GitHub's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(Url);

/// A webhook that GitHub has sent, or tried to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Delivery {
    /// This try; a redelivery has another.
    pub id: i64,
    /// The event; the same for all tries.
    pub guid: String,
    /// When it was sent, RFC 3339.
    pub delivered_at: String,
    /// Whether somebody asked for it again.
    #[serde(default)]
    pub redelivery: bool,
    /// `OK`, or why not.
    #[serde(default)]
    pub status: String,
    /// What we answered; 0 when we did not.
    #[serde(default)]
    pub status_code: i64,
    /// The event's name.
    #[serde(default)]
    pub event: String,
    /// Its action.
    pub action: Option<String>,
    /// Whose it is.
    pub installation_id: Option<InstallationId>,
    /// Where it happened.
    pub repository_id: Option<RepoId>,
}

impl App {
    /// Checks the settings, down to one signature; asks nothing of GitHub yet.
    ///
    /// # Errors
    /// What is wrong with the settings, and how to mend it.
    pub fn new(settings: &Settings, clock: Clock) -> Result<Self, BadSettings> {
        Ok(Self(Arc::new(Inner {
            signer: settings.signer()?,
            wire: Wire::new(settings, clock)?,
            tokens: Tokens::new(),
            web_url: settings.web_url.clone(),
            blocks: Blocks::default(),
            identity: OnceCell::new(),
            installations: Cache::new(INSTALLATIONS_MAX),
            versions: Cache::builder()
                .max_capacity(VERSIONS_BYTES_MAX)
                .weigher(|(_, url): &(_, Url), reply: &Versioned| weight(url.as_str().len() + reply.body.len()))
                .build(),
            commits: Cache::new(COMMITS_MAX),
            trees: Cache::builder()
                .max_capacity(TREES_BYTES_MAX)
                .weigher(|_, files: &Arc<Files>| weight(files.bytes()))
                .build(),
        })))
    }

    /// What people open: `https://github.com/`.
    #[must_use]
    pub fn web_url(&self) -> &Url {
        &self.0.web_url
    }

    /// Who we are; asked once.
    ///
    /// # Errors
    /// When GitHub refuses the key, or cannot be asked.
    pub async fn identity(&self) -> Result<&Identity, Error> {
        let ask = async || self.call(Call::get(self.0.wire.url(&["app"]))).await?.parse();
        self.0.identity.get_or_try_init(ask).await
    }

    /// The handle through which everything of one installation is done. All handles of one share limits and caches.
    pub async fn installation(&self, id: InstallationId) -> Installation {
        let shared = self.0.installations.get_with(id, async { Arc::default() }).await;
        Installation { app: self.clone(), id, shared }
    }

    /// Where the App is installed, a hundred at a time.
    ///
    /// # Errors
    /// As of every call.
    pub async fn installations(&self, from: Option<&Cursor>) -> Result<Page<Installed>, Error> {
        let reply = self.page(&["app", "installations"], &[("per_page", "100")], from).await?;
        let items: Vec<WireInstalled> = reply.parse()?;
        Ok(Page { items: items.into_iter().map(Installed::from).collect(), next: reply.next().map(Cursor) })
    }

    /// The installation that covers a repository; [`Error::NotFound`] when none does.
    ///
    /// # Errors
    /// As of every call.
    pub async fn installation_of(&self, repo: &RepoName) -> Result<Installed, Error> {
        let reply = self.call(Call::get(self.0.wire.url_in(repo, &["installation"]))).await?;
        reply.parse::<WireInstalled>().map(Installed::from)
    }

    /// What GitHub has sent us and failed to, newest first; it keeps three days (a week on Enterprise Server).
    ///
    /// # Errors
    /// As of every call.
    pub async fn failed_deliveries(&self, from: Option<&Cursor>) -> Result<Page<Delivery>, Error> {
        self.deliveries(&[("per_page", "100"), ("status", "failure")], from).await
    }

    /// All that GitHub has sent us, newest first: a failed delivery may have succeeded since.
    ///
    /// # Errors
    /// As of every call.
    pub async fn all_deliveries(&self, from: Option<&Cursor>) -> Result<Page<Delivery>, Error> {
        self.deliveries(&[("per_page", "100")], from).await
    }

    async fn deliveries(&self, query: &[(&str, &str)], from: Option<&Cursor>) -> Result<Page<Delivery>, Error> {
        let reply = self.page(&["app", "hook", "deliveries"], query, from).await?;
        Ok(Page { items: reply.parse()?, next: reply.next().map(Cursor) })
    }

    /// Asks GitHub to send one again. It comes with the same guid, so it acts once.
    ///
    /// # Errors
    /// As of every call.
    pub async fn redeliver(&self, delivery: i64) -> Result<(), Error> {
        let url = self.0.wire.url(&["app", "hook", "deliveries", &delivery.to_string(), "attempts"]);
        self.call(Call::command(Method::POST, url)).await.map(drop)
    }

    async fn page(&self, path: &[&str], query: &[(&str, &str)], from: Option<&Cursor>) -> Result<Reply, Error> {
        let url = from.map_or_else(
            || {
                let mut url = self.0.wire.url(path);
                url.query_pairs_mut().extend_pairs(query);
                url
            },
            |cursor| cursor.0.clone(),
        );
        self.call(Call::get(url)).await
    }

    /// A new token of an installation.
    pub(super) async fn mint(&self, id: InstallationId, scope: &Scope) -> Result<Token, Error> {
        let url = self.0.wire.url(&["app", "installations", &id.to_string(), "access_tokens"]);
        let reply = self.call(Call::write(Method::POST, url, scope)?.harmless()).await;
        let reply = reply.map_err(|error| match error {
            Error::NotFound(_) => Error::Uninstalled(id),
            other => other,
        })?;
        reply.parse::<Minted>().map(|minted| minted.token(self.0.wire.now()))
    }

    /// One request, signed.
    async fn call(&self, call: Call) -> Result<Reply, Error> {
        let at = self.0.wire.now();
        self.0.blocks.check(false, at)?;
        let refused = || Error::Unauthorized("the private key cannot sign".to_owned());
        let token = self.0.signer.token(at).ok_or_else(refused)?;
        let result = self.0.wire.send(&call, &token).await;
        if let Err(error) = &result {
            self.0.blocks.learn(false, error);
        }
        result
    }
}

/// What an entry of a cache costs: its bytes, and some for keeping them.
fn weight(bytes: usize) -> u32 {
    u32::try_from(bytes.saturating_add(200)).unwrap_or(u32::MAX)
}

impl From<WireInstalled> for Installed {
    fn from(wire: WireInstalled) -> Self {
        let account = wire.account.and_then(super::people::Account::login);
        Self { id: wire.id, account, suspended: wire.suspended_at.is_some(), permissions: wire.permissions }
    }
}

impl Delivery {
    /// When it was sent, if that can be read.
    #[must_use]
    pub fn at(&self) -> Option<Timestamp> {
        Timestamp::parse_rfc3339(&self.delivered_at).ok()
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("signer", &self.0.signer).field("wire", &self.0.wire).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

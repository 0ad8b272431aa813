//! The handle that `dev` and tests hold: starting, addresses, credentials, and waiting for things to happen.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::ids::InstallationId;
use crate::time::Clock;

use super::error::Error;
use super::hooks::{Delivering, Order};
use super::ledger::Request;
use super::state::State;
use super::tokens::TokenFormat;
use super::weather::Weather;
use super::{courier, server};

/// How long a test waits for something to happen before it fails, by the machine's clock.
const HAPPENS_WITHIN: Duration = Duration::from_secs(20);
/// How long the courier waits for a connection to the receiver.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// How this GitHub is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// The time that it lives by.
    pub clock: Clock,
    /// Addresses as of GitHub Enterprise Server: `/api/v3` and `/api/graphql`.
    pub enterprise: bool,
    /// How installation tokens look.
    pub token_format: TokenFormat,
    /// How many requests an installation may make in an hour.
    pub rate_limit: u32,
}

impl Options {
    /// As github.com, living by this clock.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, enterprise: false, token_format: TokenFormat::default(), rate_limit: 5_000 }
    }
}

/// What the server, the courier and the handles share.
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Ticks at each change.
    pub(crate) changed: watch::Sender<u64>,
    pub(crate) stop: CancellationToken,
    /// Dropped last: the repositories.
    _folder: TempDir,
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic of a test's closure must not hide behind a poisoned lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tick(&self) {
        self.changed.send_modify(|count| *count += 1);
    }
}

/// A GitHub that lives in this process. Cheap to clone; with the last clone its server stops and its repositories go.
#[derive(Clone)]
pub struct GitHub {
    pub(crate) shared: Arc<Shared>,
    _stop: Arc<DropGuard>,
}

impl GitHub {
    /// Starts one on a free port of this machine.
    ///
    /// # Errors
    /// When no port, folder or key can be had.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let base = format!("http://{}", listener.local_addr()?);
        let folder = tempfile::Builder::new().prefix("pointsman-playground-").tempdir()?;
        let place = folder.path().to_owned();
        let state = tokio::task::spawn_blocking(move || State::new(options, base, place));
        let state = state.await.map_err(std::io::Error::from)??;
        let stop = CancellationToken::new();
        let (state, changed) = (Mutex::new(state), watch::Sender::new(0));
        let shared = Arc::new(Shared { state, changed, stop: stop.clone(), _folder: folder });
        let router = axum::Router::new().fallback(server::handle).with_state(Arc::clone(&shared));
        let serving = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
        tokio::spawn(serving.into_future());
        // No proxy: the receiver is on this machine.
        let client = reqwest::Client::builder().no_proxy().connect_timeout(CONNECT_WITHIN).build();
        let client = client.map_err(std::io::Error::other)?;
        tokio::spawn(courier::run(Arc::clone(&shared), client));
        Ok(Self { shared, _stop: Arc::new(stop.drop_guard()) })
    }

    /// Does something to the state on a thread where git may take its time, and lets everyone know.
    pub(crate) async fn act<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut State) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let shared = Arc::clone(&self.shared);
        let acting = tokio::task::spawn_blocking(move || {
            let done = act(&mut shared.lock());
            shared.tick();
            done
        });
        acting.await.map_err(std::io::Error::from)?
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let done = change(&mut self.shared.lock());
        self.shared.tick();
        done
    }

    /// `GITHUB_API_URL`
    #[must_use]
    pub fn api_url(&self) -> String {
        self.shared.lock().api()
    }

    /// `GITHUB_GRAPHQL_URL`
    #[must_use]
    pub fn graphql_url(&self) -> String {
        let state = self.shared.lock();
        format!("{}{}/graphql", state.base, if state.enterprise { "/api" } else { "" })
    }

    /// `GITHUB_SERVER_URL`. A pull request's address shows it as text.
    #[must_use]
    pub fn web_url(&self) -> String {
        self.shared.lock().base.clone()
    }

    /// The App's id.
    #[must_use]
    pub fn app_id(&self) -> i64 {
        self.shared.lock().ours.id
    }

    /// The App's client id.
    #[must_use]
    pub fn client_id(&self) -> String {
        self.shared.lock().ours.client_id.clone()
    }

    /// The App's private key, PKCS#1 PEM as GitHub gives it.
    #[must_use]
    pub fn private_key(&self) -> SecretString {
        self.shared.lock().key.pem.clone()
    }

    /// The secret that signs webhooks.
    #[must_use]
    pub fn webhook_secret(&self) -> SecretString {
        self.shared.lock().hooks.secret.clone()
    }

    /// The settings of a service that is this GitHub's App, by the names of its environment.
    #[must_use]
    pub fn settings(&self) -> BTreeMap<String, String> {
        let secret = |secret: SecretString| secret.expose_secret().to_owned();
        [
            ("GITHUB_API_URL", self.api_url()),
            ("GITHUB_GRAPHQL_URL", self.graphql_url()),
            ("GITHUB_SERVER_URL", self.web_url()),
            ("GITHUB_APP_ID", self.app_id().to_string()),
            ("GITHUB_PRIVATE_KEY", secret(self.private_key())),
            ("GITHUB_WEBHOOK_SECRET", secret(self.webhook_secret())),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Where the App is installed.
    #[must_use]
    pub fn installation(&self) -> InstallationId {
        InstallationId(self.shared.lock().ours.installation)
    }

    /// A fresh token of our App's installation, or of the other App's.
    #[must_use]
    pub fn token(&self, other_app: bool) -> SecretString {
        self.change(|state| state.full_token(other_app)).into()
    }

    /// Webhooks go there from now on, beginning with a `ping`. Before this, nothing is delivered.
    pub fn set_webhook(&self, url: &str) {
        self.change(|state| {
            state.hooks.url = Some(url.to_owned());
            state.ping();
        });
    }

    /// What becomes of the events from now on.
    pub fn set_delivering(&self, mode: Delivering) {
        self.change(|state| state.hooks.mode = mode);
    }

    /// Lets held events go.
    pub fn release_deliveries(&self, order: Order) {
        self.change(|state| state.hooks.release(order));
    }

    /// Sends every event of a guid again, as a person may do in the App's settings.
    ///
    /// # Errors
    /// When there is no such delivery, or it is older than three days.
    pub fn redeliver(&self, guid: &str) -> Result<(), Error> {
        self.change(|state| {
            let last = state.hooks.deliveries.values().rev().find(|one| one.guid.to_string() == guid);
            let id = last.map(|one| one.id).ok_or_else(|| Error::missing("delivery", guid))?;
            state.redeliver(id).map(drop)
        })
    }

    /// Returns when nothing is left to deliver. What is held back does not count.
    pub async fn deliveries_settled(&self) {
        let mut changed = self.changed();
        while !self.shared.lock().hooks.settled() {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// The next `count` requests of this method (`*` for any) whose path begins so meet this weather.
    pub fn fail_next(&self, count: usize, (method, prefix): (&str, &str), weather: Weather) {
        self.change(|state| state.forecast.add((method, prefix), count, weather));
    }

    /// Requests that this GitHub does not know. A test asserts that there are none.
    #[must_use]
    pub fn unexpected_requests(&self) -> Vec<String> {
        self.shared.lock().ledger.unexpected.iter().cloned().collect()
    }

    /// The last requests, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().ledger.requests.iter().cloned().collect()
    }

    /// The last webhooks, oldest first, by event and payload: one for each attempt to deliver it.
    #[must_use]
    pub fn events(&self) -> Vec<(String, Value)> {
        let state = self.shared.lock();
        state.hooks.deliveries.values().map(|one| (one.event.clone(), one.payload.clone())).collect()
    }

    /// The most content writes in any minute, by the playground's clock. GitHub allows 80.
    #[must_use]
    pub fn content_writes_in_any_minute(&self) -> usize {
        self.shared.lock().ledger.writes_in_any(Duration::from_secs(60))
    }

    /// The most content writes in any hour. GitHub allows 500.
    #[must_use]
    pub fn content_writes_in_any_hour(&self) -> usize {
        self.shared.lock().ledger.writes_in_any(Duration::from_secs(3_600))
    }

    /// Ticks at each change of what this GitHub knows.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }

    /// Looks at the state.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.shared.lock())
    }

    /// Returns as soon as the condition holds.
    ///
    /// # Errors
    /// After 20 s, with all pull requests as a person sees them and the last requests.
    pub async fn wait_until(&self, holds: impl FnMut(&State) -> bool, what: &str) -> Result<(), Error> {
        self.wait_within(HAPPENS_WITHIN, holds, what).await
    }

    pub(crate) async fn wait_within(
        &self,
        limit: Duration,
        mut holds: impl FnMut(&State) -> bool,
        what: &str,
    ) -> Result<(), Error> {
        let mut changed = self.changed();
        let wait = async {
            while !holds(&self.shared.lock()) {
                if changed.changed().await.is_err() {
                    return;
                }
            }
        };
        let waited = tokio::time::timeout(limit, wait).await;
        waited.map_err(|_| Error::NeverHappened { what: what.to_owned(), shown: self.read(State::render_all) })
    }
}

/// The state's views, for those who hold only the handle.
impl GitHub {
    /// See [`State::checks`].
    #[must_use]
    pub fn checks(&self, sha: &str) -> Vec<super::view::CheckView> {
        self.read(|state| state.checks(sha))
    }

    /// See [`State::all_checks`].
    #[must_use]
    pub fn all_checks(&self, sha: &str) -> Vec<super::view::CheckView> {
        self.read(|state| state.all_checks(sha))
    }

    /// See [`State::comments`].
    #[must_use]
    pub fn comments(&self, number: u64) -> Vec<super::view::CommentView> {
        self.read(|state| state.comments(number))
    }

    /// See [`State::reactions`].
    #[must_use]
    pub fn reactions(&self, comment: i64) -> Vec<String> {
        self.read(|state| state.reactions(comment))
    }

    /// See [`State::render`].
    #[must_use]
    pub fn render(&self, number: u64) -> String {
        self.read(|state| state.render(number))
    }
}

//! The agents that the settings name, and the choice of an endpoint for an attempt.
//!
//! How many attempts an agent may have at once is decided in the database, for all replicas; what is counted here is
//! only this replica's share, to spread it well.
//!
//! *Invariant:* a task stays with the endpoint that took it, well or not: only that one knows it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::address::{BadAddress, Reach};
use super::balance::{Breaker, Gate, least_busy};
use super::client::Client;
use super::health::{self, Health};
use crate::ids::AgentName;
use crate::time::{Clock, Timestamp, human};

/// Endpoints of one agent.
const ENDPOINTS_MAX: usize = 64;

/// What the settings say about one agent.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name in workflow files.
    pub name: AgentName,
    /// Where it is spoken to; all of them are equals.
    pub endpoints: Vec<Url>,
    /// Sent as a bearer token.
    pub api_key: Option<SecretString>,
    /// How long one attempt may take, unless the step says otherwise.
    pub timeout: Duration,
    /// Attempts at once, over all endpoints and replicas.
    pub max_concurrent: u32,
    /// Retries, unless the step says otherwise.
    pub retries: u32,
    /// How much it takes compared with others, in hundredths.
    pub weight_percent: u32,
    /// What it can do: `analysis`, `testing` …
    pub capabilities: Vec<String>,
}

/// Why the settings of an agent cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("agent {agent}: {url}: {why}")]
pub struct BadSettings {
    /// The agent.
    pub agent: AgentName,
    /// The endpoint; empty when the trouble is their number.
    pub url: String,
    /// What is wrong with it.
    pub why: BadAddress,
}

/// All agents by name.
#[derive(Debug)]
pub struct Registry {
    agents: BTreeMap<AgentName, Agent>,
    clock: Clock,
}

#[derive(Debug)]
struct Agent {
    settings: Settings,
    endpoints: Vec<Arc<Endpoint>>,
}

/// One address of one agent, with what is known about it.
#[derive(Debug)]
pub struct Endpoint {
    agent: AgentName,
    client: Client,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    outstanding: u32,
    breaker: Breaker,
    health: Health,
    /// What the last failed call said.
    last_failure: Option<(Timestamp, String)>,
}

/// An endpoint chosen for an attempt. While it lives the attempt counts as outstanding there.
#[derive(Debug)]
pub struct Picked {
    endpoint: Arc<Endpoint>,
    clock: Clock,
}

/// No endpoint of an agent takes attempts now. Its text begins with the words of the original design.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// The agent.
    pub agent: AgentName,
    /// What is known about each endpoint.
    pub endpoints: Vec<Down>,
    /// When the first endpoint is tried again; `None` when the settings name none.
    pub next_try: Option<Timestamp>,
    /// Who takes over.
    pub fallback: Option<AgentName>,
    /// When this was found.
    pub at: Timestamp,
}

/// Why one endpoint takes no attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Down {
    /// Its address.
    pub url: Url,
    /// Since when.
    pub since: Timestamp,
    /// What it did last.
    pub why: String,
}

impl Registry {
    /// The agents of these settings.
    ///
    /// # Errors
    /// All endpoints that cannot be used, each with its reason.
    pub fn new(settings: Vec<Settings>, reach: &Reach, clock: Clock) -> Result<Self, Vec<BadSettings>> {
        let mut bad = Vec::new();
        let mut agents = BTreeMap::new();
        for settings in settings {
            let mut endpoints = Vec::new();
            for url in settings.endpoints.iter().take(ENDPOINTS_MAX) {
                match Client::new(url.clone(), settings.api_key.clone(), reach) {
                    Ok(client) => {
                        let agent = settings.name.clone();
                        endpoints.push(Arc::new(Endpoint { agent, client, state: Mutex::default() }));
                    }
                    Err(why) => bad.push(BadSettings { agent: settings.name.clone(), url: shown(url), why }),
                }
            }
            agents.insert(settings.name.clone(), Agent { settings, endpoints });
        }
        if bad.is_empty() { Ok(Self { agents, clock }) } else { Err(bad) }
    }

    /// What the settings say about an agent.
    #[must_use]
    pub fn settings(&self, name: &AgentName) -> Option<&Settings> {
        self.agents.get(name).map(|agent| &agent.settings)
    }

    /// The names of all agents, in order.
    pub fn names(&self) -> impl Iterator<Item = &AgentName> {
        self.agents.keys()
    }

    /// All endpoints: for the loop that looks after their health.
    pub fn endpoints(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.agents.values().flat_map(|agent| &agent.endpoints)
    }

    /// Looks at one endpoint and remembers what was found.
    pub async fn check(&self, endpoint: &Endpoint) {
        let found = health::check(&endpoint.client).await;
        endpoint.state().health.checked(found, self.clock.now());
    }

    /// The least busy healthy endpoint of this agent, or of those that may stand in for it, for one attempt.
    ///
    /// # Errors
    /// When none takes attempts now; it tells about the first agent.
    pub fn pick(&self, agent: &AgentName, or_any_of: &[AgentName]) -> Result<Picked, Unavailable> {
        let at = self.clock.now();
        let mut open = Vec::new();
        for name in std::iter::once(agent).chain(or_any_of) {
            let Some(agent) = self.agents.get(name) else { continue };
            for endpoint in &agent.endpoints {
                let state = endpoint.state();
                if state.takes(at) {
                    open.push((endpoint, state.outstanding, agent.settings.weight_percent));
                }
            }
        }
        let place = least_busy(open.iter().map(|(_, outstanding, weight)| (*outstanding, *weight)))
            .ok_or_else(|| self.unavailable(agent, at))?;
        let endpoint = Arc::clone(open.swap_remove(place).0);
        endpoint.state().breaker.begin(at);
        Ok(self.picked(endpoint))
    }

    /// The endpoint that took a task, well or not; `None` when the settings do not name it any more.
    #[must_use]
    pub fn at(&self, name: &AgentName, endpoint: &Url) -> Option<Picked> {
        let mut endpoints = self.agents.get(name)?.endpoints.iter();
        let found = endpoints.find(|known| known.client.endpoint() == endpoint)?;
        Some(self.picked(Arc::clone(found)))
    }

    fn picked(&self, endpoint: Arc<Endpoint>) -> Picked {
        endpoint.state().outstanding += 1;
        Picked { endpoint, clock: self.clock.clone() }
    }

    fn unavailable(&self, agent: &AgentName, at: Timestamp) -> Unavailable {
        let endpoints = self.agents.get(agent).map_or(&[][..], |agent| &agent.endpoints);
        let next_try = endpoints.iter().filter_map(|endpoint| endpoint.state().next_try(at)).min();
        let endpoints = endpoints.iter().filter_map(|endpoint| endpoint.down(at)).collect();
        Unavailable { agent: agent.clone(), endpoints, next_try, fallback: None, at }
    }
}

impl Endpoint {
    /// The agent that it belongs to.
    #[must_use]
    pub fn agent(&self) -> &AgentName {
        &self.agent
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &Url {
        self.client.endpoint()
    }

    /// What the looks at it add up to.
    #[must_use]
    pub fn health(&self) -> Health {
        self.state().health.clone()
    }

    /// Counters stay right whatever a panicking holder did, so a poisoned lock is taken all the same.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn down(&self, at: Timestamp) -> Option<Down> {
        let state = self.state();
        if state.takes(at) {
            return None;
        }
        let (since, why) = match (state.health.trouble(), &state.last_failure) {
            (Some((since, why, _)), _) => (since, why.to_owned()),
            (None, Some((since, why))) => (*since, why.clone()),
            (None, None) => (at, "it is being tried".to_owned()),
        };
        Some(Down { url: self.url().clone(), since, why })
    }
}

impl State {
    fn takes(&self, at: Timestamp) -> bool {
        self.health.is_healthy() && !matches!(self.breaker.gate(at), Gate::Open { .. })
    }

    fn next_try(&self, at: Timestamp) -> Option<Timestamp> {
        let looked = self.health.trouble().map(|(_, _, next)| next);
        let tried = match self.breaker.gate(at) {
            Gate::Open { retry_at } => Some(retry_at),
            Gate::Closed | Gate::HalfOpen => None,
        };
        looked.max(tried)
    }
}

impl Picked {
    /// The client of the endpoint.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.endpoint.client
    }

    /// The agent that was picked.
    #[must_use]
    pub fn agent(&self) -> &AgentName {
        &self.endpoint.agent
    }

    /// The endpoint answered, whatever it said: its breaker closes.
    pub fn answered(&self) {
        let mut state = self.endpoint.state();
        state.breaker.answered();
        state.last_failure = None;
    }

    /// The endpoint did not answer, or not as an agent does.
    pub fn failed(&self, why: &str) {
        let at = self.clock.now();
        let mut state = self.endpoint.state();
        state.breaker.failed(at);
        let since = state.last_failure.as_ref().map_or(at, |(since, _)| *since);
        state.last_failure = Some((since, why.to_owned()));
    }
}

impl Drop for Picked {
    fn drop(&mut self) {
        let mut state = self.endpoint.state();
        state.outstanding = state.outstanding.saturating_sub(1);
    }
}

impl Unavailable {
    /// The same, naming who takes over.
    #[must_use]
    pub fn falling_back_to(self, fallback: Option<AgentName>) -> Self {
        Self { fallback, ..self }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Agent not available: {}", self.agent)?;
        if self.endpoints.is_empty() {
            let variable = self.agent.as_str().to_ascii_uppercase().replace('-', "_");
            write!(f, ": the settings name no endpoint for it; set {variable}_ENDPOINT")?;
        }
        for (place, down) in self.endpoints.iter().enumerate() {
            let mark = if place == 0 { ": " } else { "; " };
            write!(f, "{mark}{} since {} ({})", shown(&down.url), down.since.rfc3339(), down.why)?;
        }
        if let Some(next_try) = self.next_try {
            write!(f, "; next try in {}", human(next_try.since(self.at)))?;
        }
        match &self.fallback {
            Some(fallback) => write!(f, "; falling back to {fallback}"),
            None => f.write_str("; no fallback"),
        }
    }
}

impl std::error::Error for Unavailable {}

/// An address as it may be shown: without login, query and fragment.
fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path().trim_end_matches('/'))
}

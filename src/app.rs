//! The one place where concrete types meet: the service is put together here, started, and stopped.
//!
//! *Invariant:* nothing is served before the database is migrated and its promises are checked.
//! *Invariant:* stopping drains: no new work is taken, what is under way is finished or handed over, then the process
//! leaves the list of replicas, so that nobody waits for it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};
use url::Url;

use crate::agents::{self, Reach, Registry};
use crate::config::{Agent, Database, Settings};
use crate::engine::state::{GateKey, OperatorLimits};
use crate::github::{self, App};
use crate::http;
use crate::ids::AgentName;
use crate::inbound::verify::Secrets;
use crate::loops::driver::{Driver, Next, Status};
use crate::loops::runs::Runs;
use crate::metrics::Metrics;
use crate::route::OperatorFacts;
use crate::store::{Door, Incarnation, Mailbox, MasterKey, NoFaults, Severity, Store, StoreOptions};
use crate::time::Clock;
use crate::wake::{Loop, Wakes};
use crate::workflow::defaults::Operator;
use crate::workflow::plan;

/// What a caller may know better than the settings.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extra {
    /// Without `PUBLIC_URL`, links lead to the address that was bound.
    pub public_url_from_bind: bool,
}

/// A running service.
pub struct Service {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where its pages are found.
    pub public_url: Option<Url>,
    stop: CancellationToken,
    tasks: TaskTracker,
    store: Store,
    replica: Incarnation,
    drain: Duration,
}

/// Opens the database and brings it up to date.
///
/// # Errors
/// When it does not answer, is newer than this release, or would break a promise.
pub async fn migrated(database: &Database, keys: &[secrecy::SecretString], serve: bool) -> anyhow::Result<Store> {
    let keys = keys.iter().map(MasterKey::new).collect::<Result<Vec<_>, _>>().context("ENCRYPTION_KEY")?;
    let options = StoreOptions { connections_max: database.max_connections, serve, keys };
    let store = Store::open(&database.url, options).await.context("cannot open the database")?;
    store.migrate().await.context("cannot bring the database up to date")?;
    Ok(store)
}

/// Serves until the process is told to stop.
///
/// # Errors
/// When it cannot start.
pub async fn serve(settings: Settings) -> anyhow::Result<()> {
    let service = Service::start(settings, Extra::default()).await?;
    info!(address = %service.address, "serving");
    stop_signal().await?;
    info!("stopping");
    service.stop().await;
    Ok(())
}

/// Waits for SIGTERM, as a supervisor sends it, or Ctrl-C.
///
/// # Errors
/// When the process may not listen for signals.
pub async fn stop_signal() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        stopped = tokio::signal::ctrl_c() => stopped.context("cannot listen for Ctrl-C"),
    }
}

/// What all parts share.
struct Parts {
    store: Store,
    runs: Runs,
    app: App,
    app_id: i64,
    clock: Clock,
    wakes: Wakes,
    metrics: Metrics,
    registry: Arc<Registry>,
    status: Status,
    replica: Incarnation,
    public_url: Option<Url>,
}

impl Service {
    /// Starts everything; when this returns, the service listens.
    ///
    /// # Errors
    /// When the database, GitHub's settings, the agents' settings or the address cannot be used.
    pub async fn start(settings: Settings, extra: Extra) -> anyhow::Result<Self> {
        for notice in &settings.notices {
            warn!(notice, "settings");
        }
        let clock = Clock::machine();
        let store = migrated(&settings.database, &settings.encryption_keys, true).await?;
        keep_promises(&store, &clock, settings.database.relaxed_durability).await?;
        let listener = TcpListener::bind((settings.server.host, settings.server.port)).await;
        let listener = listener.with_context(|| {
            format!("cannot listen on {}:{}; set API_HOST and API_PORT", settings.server.host, settings.server.port)
        })?;
        let address = listener.local_addr()?;
        let bound = || Url::parse(&format!("http://{address}")).ok();
        let public_url = settings.server.public_url.clone().or_else(|| bound().filter(|_| extra.public_url_from_bind));
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let (replica, drain) = (Incarnation::draw(), settings.server.drain);
        start_loops(&settings, &store, (replica, clock, public_url.clone()), (listener, &stop, &tasks)).await?;
        tasks.close();
        Ok(Self { address, public_url, stop, tasks, store, replica, drain })
    }

    /// Takes no new work, lets what is under way end, and leaves.
    pub async fn stop(self) {
        self.stop.cancel();
        if tokio::time::timeout(self.drain, self.tasks.wait()).await.is_err() {
            warn!("not everything ended in time; what is left is taken over by another replica, or at the next start");
        }
        if let Err(error) = self.store.leave(self.replica).await {
            warn!(error = %error, "could not leave the list of replicas; the others wait a lease");
        }
        self.store.close().await;
    }
}

/// Says what the database does not promise, and refuses to serve where that would break a promise of ours.
async fn keep_promises(store: &Store, clock: &Clock, relaxed: bool) -> anyhow::Result<()> {
    for finding in store.check(clock).await.context("cannot check the database")? {
        let (what, remedy) = (&finding.what, finding.remedy);
        match finding.severity {
            Severity::Info => info!(what, remedy, "database"),
            Severity::Refuse if !relaxed => bail!("{what}: {remedy}; or set DATABASE_RELAXED_DURABILITY=true"),
            Severity::Warning | Severity::Refuse => warn!(what, remedy, "database"),
        }
    }
    Ok(())
}

/// Starts the HTTP server and every loop.
async fn start_loops(
    settings: &Settings,
    store: &Store,
    (replica, clock, public_url): (Incarnation, Clock, Option<Url>),
    (listener, stop, tasks): (TcpListener, &CancellationToken, &TaskTracker),
) -> anyhow::Result<()> {
    let door = Door::open(store, Arc::new(NoFaults))?;
    let app = App::new(&github_settings(settings), clock.clone()).context("GitHub's settings")?;
    let app_id = match settings.github.app_id {
        Some(id) => id,
        None => app.identity().await.context("GITHUB_APP_ID is not set and GitHub did not tell it")?.id,
    };
    let wakes = Wakes::default();
    let unlimited = |agent: &&Agent| agent.max_concurrent == 0;
    let eager: BTreeSet<AgentName> = settings.agents.iter().filter(unlimited).map(|agent| agent.name.clone()).collect();
    let (runs, handed) = Runs::new((store.clone(), door), (clock.clone(), wakes.clone()), replica, eager);
    let parts = Parts {
        store: store.clone(),
        runs,
        app,
        app_id,
        wakes,
        metrics: Metrics::new(),
        registry: Arc::new(registry(&settings.agents, clock.clone())?),
        status: Status::default(),
        clock,
        replica,
        public_url,
    };
    Ok(())
}

fn github_settings(settings: &Settings) -> github::Settings {
    let github = &settings.github;
    github::Settings {
        api_url: github.api_url.clone(),
        graphql_url: github.graphql_url.clone(),
        web_url: github.web_url.clone(),
        issuer: github.issuer(),
        private_key: github.private_key.clone(),
    }
}

/// The agents. The operator named their hosts, so these may be reached wherever they are.
fn registry(agents: &[Agent], clock: Clock) -> anyhow::Result<Registry> {
    let hosts: Vec<&str> = agents.iter().flat_map(|agent| &agent.endpoints).filter_map(Url::host_str).collect();
    let one = |agent: &Agent| agents::Settings {
        name: agent.name.clone(),
        endpoints: agent.endpoints.clone(),
        api_key: agent.api_key.clone(),
        timeout: agent.timeout,
        max_concurrent: agent.max_concurrent,
        retries: agent.retries,
        weight_percent: agent.weight_percent,
        capabilities: agent.capabilities.clone(),
    };
    Registry::new(agents.iter().map(one).collect(), &Reach::listed(hosts), clock).map_err(|bad| {
        let all: Vec<String> = bad.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}", all.join("; "))
    })
}

/// What every run gets from the operator.
fn operator(settings: &Settings) -> (OperatorFacts, Operator) {
    let limits = &settings.limits;
    let mut gates = vec![GateKey("service:runs".to_owned())];
    gates.extend(limits.runs_per_installation.map(|_| GateKey("installation:runs".to_owned())));
    let language = Operator {
        timeout: limits.run_timeout,
        limits: plan::Limits { steps: limits.run.steps, resources: limits.run.resources.into() },
        steps_max: limits.plan_steps as usize,
    };
    (OperatorFacts { limits: OperatorLimits::default(), gates }, language)
}

//! The one place where concrete types meet: the service is put together here, started, and stopped.
//!
//! *Invariant:* nothing is served before the database is migrated and its promises are checked.
//! *Invariant:* stopping drains: no new work is taken, what is under way is finished or handed over, then the process
//! leaves the list of replicas, so that nobody waits for it.

mod given;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::FutureExt as _;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};
use url::Url;

use crate::agents::Registry;
use crate::config::{Agent, Database, Server, Settings};
use crate::engine::Event;
use crate::engine::state::{Hold, HoldKind};
use crate::github::{self, App};
use crate::http;
use crate::ids::{AgentName, AttemptId};
use crate::inbound::verify::Secrets;
use crate::loops::admit::Admit;
use crate::loops::advance::Advance;
use crate::loops::beat::{Beat, Fence};
use crate::loops::deliver::Deliver;
use crate::loops::dispatch::Dispatch;
use crate::loops::driver::{Driver, Next, Status};
use crate::loops::health::Health;
use crate::loops::intake::{self, Intake};
use crate::loops::live::Live;
use crate::loops::measure::Measure;
use crate::loops::prune::Prune;
use crate::loops::reconcile::Reconcile;
use crate::loops::redeliver::{self, Redeliver};
use crate::loops::runs::Runs;
use crate::loops::send::{self, Sender};
use crate::loops::source::Source;
use crate::loops::sweep::Sweep;
use crate::loops::watch::{self, Watch};
use crate::loops::writer::Writers;
use crate::metrics::Metrics;
use crate::store::{Door, Incarnation, Mailbox, MasterKey, NoFaults, Severity, Store, StoreOptions};
use crate::time::Clock;
use crate::wake::{Loop, Wakes};

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
    let store =
        Store::open(&database.url, options).await.context("cannot open the database that DATABASE_URL names")?;
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
    fence: Fence,
    live: Live,
    replica: Incarnation,
    public_url: Option<Url>,
    stop: CancellationToken,
    tasks: TaskTracker,
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
    let store = &store.clone().acting_as(replica);
    let door = Door::open(store, Arc::new(NoFaults))?;
    let app = App::new(&given::github(settings), clock.clone()).context("GitHub's settings")?;
    let app_id = match settings.github.app_id {
        Some(id) => id,
        None => app.identity().await.context("GITHUB_APP_ID is not set and GitHub did not tell it")?.id,
    };
    let wakes = Wakes::default();
    let unlimited = |agent: &&Agent| agent.max_concurrent == 0;
    let eager: BTreeSet<AgentName> = settings.agents.iter().filter(unlimited).map(|agent| agent.name.clone()).collect();
    let metrics = Metrics::new();
    let (runs, handed) = Runs::new((store.clone(), door), (clock.clone(), wakes.clone()), replica, eager);
    let runs = runs.measured(metrics.clone());
    let address = listener.local_addr()?;
    let parts = Parts {
        fence: Fence::new(clock.clone(), settings.server.heartbeat),
        registry: Arc::new(given::registry(&settings.agents, clock.clone())?),
        store: store.clone(),
        status: Status::default(),
        metrics,
        live: Live::default(),
        stop: stop.clone(),
        tasks: tasks.clone(),
        runs,
        app,
        app_id,
        wakes,
        clock,
        replica,
        public_url,
    };
    let sender = parts.sender(address)?;
    parts.tasks.spawn(sender.clone().send_started(handed).boxed());
    let (looks, callbacks) = mpsc::channel(http::LOOKS_MAX);
    // The first beat measures the database's clock and enters the list: nothing may happen before.
    let beat = parts.beat(&settings.server, sender.clone());
    beat.tick().await.context("the first beat")?;
    if !settings.limits.recovery {
        parts.hold_left_over().await?;
    }
    parts.listen(settings, listener, looks).await?;
    parts.drive(Loop::Beat, settings.server.heartbeat, beat, |it| async move { it.tick().await });
    parts.drive_runs(settings, sender, callbacks);
    parts.drive_github(settings);
    Ok(())
}

impl Parts {
    fn sender(&self, address: SocketAddr) -> anyhow::Result<Sender> {
        let own = || Url::parse(&format!("http://{address}"));
        let base = self.public_url.clone().map_or_else(own, Ok)?;
        Ok(Sender::new(send::Parts {
            store: self.store.clone(),
            runs: self.runs.clone(),
            registry: self.registry.clone(),
            source: Source::GitHub(self.app.clone()),
            callback: Some(base.join("/agents/callback")?),
            fence: self.fence.clone(),
            wakes: self.wakes.clone(),
            me: self.replica,
            stop: self.stop.clone(),
            tasks: self.tasks.clone(),
        }))
    }

    fn beat(&self, server: &Server, sender: Sender) -> Beat {
        Beat {
            store: self.store.clone(),
            runs: self.runs.clone(),
            clock: self.clock.clone(),
            me: self.replica,
            name: format!("{}:{}", server.host, server.port),
            interval: server.heartbeat,
            fence: self.fence.clone(),
            sender,
            wakes: self.wakes.clone(),
            status: self.status.clone(),
            periods: MUST_RETURN.map(|which| (which, period(which))).into(),
        }
    }

    /// `ENABLE_WORKFLOW_RECOVERY=false`: runs left over at start are held until somebody resumes them.
    async fn hold_left_over(&self) -> anyhow::Result<()> {
        let why = "the service was started with recovery off".to_owned();
        let mut before = None;
        loop {
            let rows = self.store.live_runs(before, LEFT_OVER_PAGE).await?;
            for row in &rows {
                let hold = Hold { kind: HoldKind::Recovery, by: None, why: why.clone(), since: self.clock.now() };
                if let Err(error) = self.runs.tell(row.id, Event::Held(hold)).await {
                    warn!(run.id = %row.id, error = format!("{error:#}"), "a run left over could not be held");
                }
            }
            before = rows.last().map(|row| row.id);
            if before.is_none() {
                return Ok(());
            }
        }
    }

    /// Serves HTTP, and the metrics on their own listener where the operator wants one.
    async fn listen(
        &self,
        settings: &Settings,
        listener: TcpListener,
        looks: mpsc::Sender<AttemptId>,
    ) -> anyhow::Result<()> {
        let server = &settings.server;
        let secrets = Secrets::new(settings.github.webhook_secrets.clone()).context("GITHUB_WEBHOOK_SECRET")?;
        let mailbox = Mailbox::open(self.store.clone());
        let (clock, wakes, metrics) = (self.clock.clone(), self.wakes.clone(), self.metrics.clone());
        let own_listener = server.metrics_bind.filter(|_| server.metrics);
        let state = http::State {
            webhook: http::Webhook::new((self.app_id, secrets), mailbox, clock.clone(), wakes.clone(), metrics.clone()),
            callback: http::Callback { store: self.store.clone(), looks, wakes },
            health: http::Health {
                store: self.store.clone(),
                clock: clock.clone(),
                loops: self.status.clone(),
                metrics: metrics.clone(),
                beat: server.heartbeat,
                stopping: self.stop.clone(),
            },
            metrics: (server.metrics && own_listener.is_none()).then(|| metrics.clone()),
            pages: http::Pages { store: self.store.clone(), clock, github: settings.github.web_url.clone() },
        };
        let limits = http::Limits { drain: server.drain, ..http::Limits::default() };
        if let Some(bind) = own_listener {
            let apart =
                TcpListener::bind(bind).await.with_context(|| format!("METRICS_BIND: cannot listen on {bind}"))?;
            self.tasks.spawn(http::serve(apart, http::metrics_router(metrics), limits, self.stop.clone()).boxed());
        }
        self.tasks.spawn(http::serve(listener, http::router(state), limits, self.stop.clone()).boxed());
        Ok(())
    }

    /// The loops that move runs.
    fn drive_runs(&self, settings: &Settings, sender: Sender, callbacks: mpsc::Receiver<AttemptId>) {
        let (store, runs, clock) = (self.store.clone(), self.runs.clone(), self.clock.clone());
        let limits = &settings.limits;
        let admit = Admit {
            store: store.clone(),
            runs: runs.clone(),
            clock: clock.clone(),
            runs_max: limits.runs,
            installation_runs_max: limits.runs_per_installation,
        };
        let dispatch = Dispatch {
            store: store.clone(),
            runs: runs.clone(),
            registry: self.registry.clone(),
            clock: clock.clone(),
            fence: self.fence.clone(),
        };
        let watch = watch::Parts {
            store: store.clone(),
            runs: runs.clone(),
            registry: self.registry.clone(),
            sender,
            live: self.live.clone(),
            fence: self.fence.clone(),
            wakes: self.wakes.clone(),
            clock: clock.clone(),
            me: self.replica,
            tasks: self.tasks.clone(),
        };
        let prune = Prune { store: store.clone(), clock: clock.clone(), retention: limits.retention };
        let health = Health { registry: self.registry.clone() };
        let advance = Advance { store, runs, clock };
        self.drive(Loop::Advance, period(Loop::Advance), advance, |it| async move { it.tick().await });
        self.drive(Loop::Admit, period(Loop::Admit), admit, |it| async move { it.tick().await });
        self.drive(Loop::Dispatch, period(Loop::Dispatch), dispatch, |it| async move { it.tick().await });
        let watch = Watch::new(watch, callbacks);
        self.drive(Loop::Watch, period(Loop::Watch), watch, |it| async move { it.tick().await });
        self.drive(Loop::Health, period(Loop::Health), health, |it| async move { it.tick().await });
        self.drive(Loop::Prune, period(Loop::Prune), prune, |it| async move { it.tick().await });
        let measure = Measure { store: self.store.clone(), metrics: self.metrics.clone(), clock: self.clock.clone() };
        self.drive(Loop::Measure, period(Loop::Measure), measure, |it| async move { it.tick().await });
    }

    /// The loops that talk with GitHub.
    fn drive_github(&self, settings: &Settings) {
        let (store, app, clock) = (self.store.clone(), self.app.clone(), self.clock.clone());
        let writers = Writers::new(store.clone(), self.replica, clock.clone(), github::Pace::default());
        let (operator, language) = given::operator(settings);
        let reader = Intake {
            store: store.clone(),
            runs: self.runs.clone(),
            app: app.clone(),
            app_id: self.app_id,
            public_url: self.public_url.clone(),
            clock: clock.clone(),
            wakes: self.wakes.clone(),
            room: Arc::new(Semaphore::new(intake::LANES_MAX)),
            tasks: self.tasks.clone(),
            operator,
            language,
        };
        let reconcile = Reconcile {
            store: store.clone(),
            runs: self.runs.clone(),
            app: app.clone(),
            writers: writers.clone(),
            clock: clock.clone(),
            public_url: self.public_url.clone(),
            runs_max: settings.limits.runs,
            tables_at: Mutex::default(),
        };
        let replica = self.replica;
        let deliver = Deliver { store: store.clone(), app: app.clone(), writers, clock: clock.clone(), replica };
        let redeliver = Redeliver { store: store.clone(), app, since: clock.now(), clock: clock.clone() };
        let sweep =
            Sweep { store, runs: self.runs.clone(), clock, wakes: self.wakes.clone(), stopped_at: Mutex::default() };
        self.drive(Loop::Sweep, period(Loop::Sweep), sweep, |it| async move { it.tick().await });
        self.drive(Loop::Intake, period(Loop::Intake), reader, |it| async move { it.tick().await });
        self.drive(Loop::Reconcile, period(Loop::Reconcile), reconcile, |it| async move { it.tick().await });
        self.drive(Loop::Deliver, period(Loop::Deliver), deliver, |it| async move { it.tick().await });
        self.drive(Loop::Redeliver, period(Loop::Redeliver), redeliver, |it| async move { it.tick().await });
    }

    /// Drives one loop in a task of its own.
    fn drive<T, F>(&self, which: Loop, period: Duration, it: T, tick: fn(Arc<T>) -> F)
    where
        T: Send + Sync + 'static,
        F: Future<Output = anyhow::Result<Next>> + Send + 'static,
    {
        let driver = Driver {
            clock: self.clock.clone(),
            wakes: self.wakes.clone(),
            status: self.status.clone(),
            stop: self.stop.clone(),
        };
        let it = Arc::new(it);
        self.tasks.spawn(driver.drive(which, period, move || tick(it.clone())).boxed());
    }
}

/// Runs left over that are read at once, at a start with recovery off.
const LEFT_OVER_PAGE: u32 = 100;

/// How often each loop looks by itself, when nothing wakes it.
const PERIODS: [(Loop, Duration); 12] = [
    (Loop::Intake, Duration::from_secs(2)),
    (Loop::Advance, Duration::from_secs(5)),
    (Loop::Admit, Duration::from_secs(2)),
    (Loop::Dispatch, Duration::from_secs(2)),
    (Loop::Watch, Duration::from_secs(1)),
    (Loop::Reconcile, Duration::from_secs(2)),
    (Loop::Deliver, Duration::from_secs(2)),
    (Loop::Health, Duration::from_secs(30)),
    (Loop::Redeliver, redeliver::PERIOD),
    (Loop::Prune, Duration::from_secs(600)),
    (Loop::Measure, Duration::from_secs(10)),
    (Loop::Sweep, Duration::from_secs(60)),
];

/// Loops that wait for nobody but the database: one of them that does not come back hangs, and others shall have our
/// work. The others wait for GitHub or agents, which may take long while all is well; pruning may have much to delete.
const MUST_RETURN: [Loop; 6] = [Loop::Advance, Loop::Admit, Loop::Dispatch, Loop::Watch, Loop::Measure, Loop::Sweep];

fn period(which: Loop) -> Duration {
    PERIODS.iter().find(|(of, _)| *of == which).map_or(Duration::from_secs(1), |(_, period)| *period)
}

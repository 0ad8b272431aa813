//! The engine's room: the real engine, journal, gates and commits over a database, and agents that do nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use pointsman::agents::{Reach, Registry, Settings};
use pointsman::engine::event::{AttemptResult, Verdict};
use pointsman::engine::state::{Birth, Definition, GateKey, GateKind, OperatorLimits, RunPhase, Trigger};
use pointsman::engine::{Change, Event, RunState};
use pointsman::ids::{AttemptId, CommitSha, InstallationId, RepoId, RunId, random_bytes};
use pointsman::loops::admit::Admit;
use pointsman::loops::beat::{Beat, Fence};
use pointsman::loops::driver::{Driver, Status};
use pointsman::loops::rows::SERVICE_GATE;
use pointsman::loops::runs::{Act, Done, Handoff, Runs, Together};
use pointsman::loops::send::{self, Sender};
use pointsman::loops::source::Source;
use pointsman::report::StepReport;
use pointsman::store::{BlobWrite, Door, Incarnation, NoFaults, PlanHash, Store, StoreOptions};
use pointsman::time::Clock;
use pointsman::wake::{Loop, Wakes};
use pointsman::workflow::{self, plan::Plan};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use url::Url;

use super::load::Worker;

/// Of the service: the pool, the beat, how often the gates are looked at when nobody wakes their loop.
const CONNECTIONS_MAX: u32 = 16;
const BEAT: Duration = Duration::from_secs(10);
const ADMIT_PERIOD: Duration = Duration::from_secs(2);
/// The operator's limit is lifted.
const RUNS_MAX: u32 = 100_000;
const INSTALLATION: InstallationId = InstallationId(7);
/// Runs every command; it is eager, as in the service.
const SHELL: &str = "shell";
/// How often a run is looked at whose end nobody tells us.
const LOOK_PAUSE: Duration = Duration::from_millis(1);

/// One step, four that need it, one that needs the four.
pub const GRAPH: &str = "\
steps:
  - { id: first, run: 'true' }
  - { id: a, run: 'true', needs: [first] }
  - { id: b, run: 'true', needs: [first] }
  - { id: c, run: 'true', needs: [first] }
  - { id: d, run: 'true', needs: [first] }
  - { id: last, run: 'true', needs: [a, b, c, d] }
";

/// The room. Cheap to clone; the last clone ends it.
#[derive(Clone)]
pub struct Room(Arc<Inner>);

struct Inner {
    store: Store,
    runs: Runs,
    clock: Clock,
    plan: (Arc<Plan>, PlanHash),
    in_process: bool,
    ends: Ends,
    _stop: DropGuard,
}

/// Who waits for the end of which run.
type Ends = Arc<Mutex<BTreeMap<RunId, oneshot::Sender<()>>>>;

/// Parses a workflow into its plan.
pub fn plan(text: &str) -> anyhow::Result<Plan> {
    let operator = workflow::defaults::Operator::default();
    match workflow::parse(&"ci".parse()?, text, &operator) {
        Ok(parsed) => Ok(parsed.plan),
        Err(problems) => bail!("{problems:#?}"),
    }
}

/// The birth of a run on a commit of its own, with the gate that every run of the service asks.
pub fn birth(clock: &Clock) -> anyhow::Result<Birth> {
    Ok(Birth {
        repository: RepoId(42),
        repository_name: "octo/repo".parse()?,
        sha: CommitSha::full(&hex::encode(random_bytes::<20>()))?,
        trigger: Trigger::PullRequest(7),
        source_time: clock.now(),
        definition: Definition { sha: None, path: ".workflows/ci.yml".to_owned(), blob: String::new() },
        gates: vec![(GateKind::Limit, GateKey(format!("{SERVICE_GATE}runs")))],
        holds: Vec::new(),
        limits: OperatorLimits::default(),
        scope: r#"{"pr":{"number":7,"title":"A change"},"event":"pull_request"}"#.to_owned(),
    })
}

/// What ends an attempt well.
pub fn ended(attempt: &AttemptId) -> Event {
    Event::AttemptEnded {
        step: attempt.step.clone(),
        number: attempt.number,
        result: AttemptResult::Done { verdict: Verdict::Success, outputs: None, message: None },
        cost_micros: 0,
    }
}

/// Opens a store as the service does, and brings it up to date.
pub async fn store(url: &str) -> anyhow::Result<Store> {
    let options = StoreOptions { connections_max: CONNECTIONS_MAX, ..StoreOptions::default() };
    let store = Store::open(&url.to_owned().into(), options).await?;
    store.migrate().await?;
    Ok(store)
}

impl Room {
    /// A room over this database, for runs of this plan. With an address, attempts are sent there by the service's
    /// own sender; without one, each ends in this process as soon as it is handed out.
    pub async fn open(url: &str, plan: Plan, agent: Option<Url>) -> anyhow::Result<Self> {
        let (clock, wakes, me, stop) =
            (Clock::machine(), Wakes::default(), Incarnation::draw(), CancellationToken::new());
        let store = store(url).await?.acting_as(me);
        let door = Door::open(&store, Arc::new(NoFaults))?;
        let eager = BTreeSet::from([SHELL.parse()?]);
        let (runs, handed) = Runs::new((store.clone(), door), (clock.clone(), wakes.clone()), me, eager);
        let hash = store.put_plan(INSTALLATION, &serde_json::to_vec(&plan)?, clock.now()).await?;
        let fence = Fence::new(clock.clone(), BEAT);
        let parts = Parts { store, runs, clock, wakes, me, fence, stop };
        let sender = parts.sender(agent.as_ref())?;
        let beat = parts.beat(sender.clone());
        beat.tick().await?;
        let Parts { store, runs, clock, wakes, stop, .. } = parts;
        let room = Self(Arc::new(Inner {
            store: store.clone(),
            runs: runs.clone(),
            clock: clock.clone(),
            plan: (Arc::new(plan), hash),
            in_process: agent.is_none(),
            ends: Ends::default(),
            _stop: stop.clone().drop_guard(),
        }));
        match agent {
            Some(_) => drop(tokio::spawn(sender.send_started(handed))),
            None => drop(tokio::spawn(end_all(handed, store.clone(), runs.clone(), room.0.ends.clone()))),
        }
        let driver = Driver { clock: clock.clone(), wakes, status: Status::default(), stop };
        drive(&driver, Loop::Beat, BEAT, beat, |it| async move { it.tick().await });
        let admit = Admit { store, runs, clock, runs_max: RUNS_MAX, installation_runs_max: None };
        drive(&driver, Loop::Admit, ADMIT_PERIOD, admit, |it| async move { it.tick().await });
        Ok(room)
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The runs.
    pub fn runs(&self) -> &Runs {
        &self.0.runs
    }

    /// Begins a run.
    pub async fn begin(&self) -> anyhow::Result<RunId> {
        let run = self.draw()?;
        self.begin_as(run).await?;
        Ok(run)
    }

    /// Begins a run and waits for its end.
    pub async fn run(&self) -> anyhow::Result<RunId> {
        let run = self.draw()?;
        if self.0.in_process {
            let (end, ended) = oneshot::channel();
            self.0.ends.lock().unwrap_or_else(PoisonError::into_inner).insert(run, end);
            self.begin_as(run).await?;
            ended.await.context("the run was dropped")?;
            return Ok(run);
        }
        self.begin_as(run).await?;
        let over = |state: &RunState| matches!(state.phase, RunPhase::Ended(_));
        while !self.0.runs.read(run, over).await?.context("no run")? {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        Ok(run)
    }

    fn draw(&self) -> anyhow::Result<RunId> {
        let millis = u64::try_from(self.0.clock.now().0 / 1_000)?;
        let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &random_bytes()).into_uuid();
        Ok(RunId { installation: INSTALLATION, uuid })
    }

    async fn begin_as(&self, run: RunId) -> anyhow::Result<()> {
        let event = Event::Created(Box::new(birth(&self.0.clock)?));
        let act = Act { birth: Some(self.0.plan.clone()), ..Act::new(run, event) };
        match self.0.runs.commit(vec![act], Together::default()).await? {
            Done::Committed(said) => ensure!(said.get(&run).is_some_and(Result::is_ok), "the engine refused"),
            Done::Lost(claims) => bail!("lost: {claims:?}"),
        }
        Ok(())
    }
}

/// Begins runs and waits for their end, one after the other.
impl Worker for Room {
    async fn once(&mut self) -> anyhow::Result<()> {
        self.run().await.map(drop)
    }
}

/// Ends every attempt as soon as it is handed out, with the rows that the service writes at the end of one.
async fn end_all(mut handed: mpsc::Receiver<Handoff>, store: Store, runs: Runs, ends: Ends) {
    while let Some(Handoff { attempt, .. }) = handed.recv().await {
        let (store, runs, ends) = (store.clone(), runs.clone(), ends.clone());
        tokio::spawn(async move {
            let run = attempt.run;
            match end(&store, &runs, attempt).await {
                Ok(false) => {}
                Ok(true) => {
                    let told = ends.lock().unwrap_or_else(PoisonError::into_inner).remove(&run);
                    told.map(|told| told.send(()));
                }
                Err(error) => super::table::say(format!("an attempt did not end: {error:#}")),
            }
        });
    }
}

/// True when that ended the run.
async fn end(store: &Store, runs: &Runs, attempt: AttemptId) -> anyhow::Result<bool> {
    let run = attempt.run;
    let report =
        StepReport { attempt: attempt.number, summary: "Nothing was done.".to_owned(), ..StepReport::default() };
    let key = store.blob_key(run, StepReport::name(&attempt).as_bytes())?;
    let act =
        Act { blobs: vec![BlobWrite { key, body: serde_json::to_vec(&report)? }], ..Act::new(run, ended(&attempt)) };
    let said = runs.note(act).await?;
    let Some(Ok(transition)) = said else { bail!("refused: {said:?}") };
    Ok(transition.changes.iter().any(|change| matches!(change, Change::Run(RunPhase::Ended(_)))))
}

fn drive<T, F>(driver: &Driver, which: Loop, period: Duration, it: T, tick: fn(Arc<T>) -> F)
where
    T: Send + Sync + 'static,
    F: Future<Output = anyhow::Result<pointsman::loops::driver::Next>> + Send + 'static,
{
    let (it, driver) = (Arc::new(it), driver.clone());
    tokio::spawn(driver.drive(which, period, move || tick(it.clone())));
}

/// What both the sender and the beat are made of.
struct Parts {
    store: Store,
    runs: Runs,
    clock: Clock,
    wakes: Wakes,
    me: Incarnation,
    fence: Fence,
    stop: CancellationToken,
}

impl Parts {
    fn sender(&self, agent: Option<&Url>) -> anyhow::Result<Sender> {
        let name = SHELL.parse()?;
        let shell = agent.map(|url| Settings {
            name,
            endpoints: vec![url.clone()],
            api_key: None,
            timeout: Duration::from_secs(60),
            max_concurrent: 0,
            retries: 0,
            weight_percent: 100,
            capabilities: Vec::new(),
        });
        let reach = Reach::listed(["127.0.0.1"]);
        let registry = Registry::new(shell.into_iter().collect(), &reach, self.clock.clone());
        let registry = registry.map_err(|bad| anyhow!("{bad:?}"))?;
        Ok(Sender::new(send::Parts {
            store: self.store.clone(),
            runs: self.runs.clone(),
            registry: Arc::new(registry),
            source: Source::One("/nowhere".to_owned()),
            callback: None,
            fence: self.fence.clone(),
            wakes: self.wakes.clone(),
            me: self.me,
            stop: self.stop.clone(),
            tasks: TaskTracker::new(),
        }))
    }

    fn beat(&self, sender: Sender) -> Beat {
        Beat {
            store: self.store.clone(),
            runs: self.runs.clone(),
            clock: self.clock.clone(),
            me: self.me,
            name: "bench".to_owned(),
            interval: BEAT,
            fence: self.fence.clone(),
            sender,
            wakes: self.wakes.clone(),
            status: Status::default(),
            periods: BTreeMap::new(),
        }
    }
}

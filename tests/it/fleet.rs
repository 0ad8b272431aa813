//! A database, a repository, agents on loopback, and replicas of the service that drive the real loops over them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use pointsman::agents::{Reach, Registry, Settings};
use pointsman::engine::state::{Birth, Definition, GateKey, GateKind, OperatorLimits, Trigger};
use pointsman::engine::{Event, RunState};
use pointsman::ids::{AttemptId, CommitSha, InstallationId, RepoId, RunId, random_bytes};
use pointsman::loops::admit::Admit;
use pointsman::loops::advance::Advance;
use pointsman::loops::beat::{Beat, Fence};
use pointsman::loops::dispatch::Dispatch;
use pointsman::loops::driver::{Driver, Status};
use pointsman::loops::runs::{Act, Done, Runs, Together};
use pointsman::loops::send::{self, Sender};
use pointsman::loops::source::Source;
use pointsman::loops::watch::{self, Watch};
use pointsman::runner::{self, Place, Runner, Sandbox};
use pointsman::store::{Door, Incarnation, NoFaults, Store, StoreOptions};
use pointsman::time::{Clock, Timestamp};
use pointsman::wake::{Loop, Wakes};
use pointsman::workflow;
use secrecy::SecretString;
use sha2::Digest as _;
use sqlx::{AssertSqlSafe, Connection as _};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

/// Much longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often replicas beat here; a lease is three of these.
pub const BEAT: Duration = Duration::from_secs(1);
const PERIOD: Duration = Duration::from_millis(200);
pub const INSTALLATION: InstallationId = InstallationId(7);
pub const REPOSITORY: RepoId = RepoId(42);

/// Asks again and again until there is an answer.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let mut beats = tokio::time::interval(Duration::from_millis(20));
    let asking = async {
        loop {
            beats.tick().await;
            if let Some(found) = ask().await {
                return found;
            }
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("never came: {what}"))
}

/// Which database a test runs on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Mysql,
}

pub struct Fleet {
    pub dir: tempfile::TempDir,
    pub sha: CommitSha,
    pub store: Store,
    agents: Vec<Settings>,
    runner: CancellationToken,
    server: Option<(String, String)>,
    url: String,
    /// Runs at once of the whole service.
    pub runs_max: u32,
}

impl Fleet {
    pub async fn on(database: Database) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sha = repository(&dir.path().join("repo"));
        let (url, server) = match database {
            Database::Sqlite => (format!("sqlite://{}/store.db", dir.path().display()), None),
            Database::Mysql => mysql().await,
        };
        let store = open(&url).await;
        store.migrate().await.unwrap();
        let runner = CancellationToken::new();
        let shell = start_runner(&dir.path().join("runner"), runner.clone()).await;
        let mut fleet = Self { dir, sha, store, agents: Vec::new(), runner, server, url, runs_max: 50 };
        fleet.agent("shell", shell, 0);
        fleet
    }

    /// An agent that replicas started from now on know.
    pub fn agent(&mut self, name: &str, endpoint: Url, max_concurrent: u32) {
        self.agents.push(Settings {
            name: name.parse().unwrap(),
            endpoints: vec![endpoint],
            api_key: None,
            timeout: Duration::from_secs(60),
            max_concurrent,
            retries: 1,
            weight_percent: 100,
            capabilities: Vec::new(),
        });
    }

    /// For replicas started from now on.
    pub fn set_limit(&mut self, name: &str, max_concurrent: u32) {
        let agent = self.agents.iter_mut().find(|agent| agent.name.as_str() == name).unwrap();
        agent.max_concurrent = max_concurrent;
    }

    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// What a file of the test's folder holds; empty while there is none.
    pub fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(name)).unwrap_or_default()
    }

    /// A replica with all its loops. Agents without a limit are eager, as in the service.
    pub async fn replica(&self) -> Replica {
        Replica::start(self).await
    }

    /// A run of this workflow at these gates.
    pub async fn run(&self, replica: &Replica, text: &str, gates: &[(GateKind, &str)]) -> RunId {
        self.run_from(replica, text, gates, 1).await
    }

    /// The same with a source time.
    pub async fn run_from(&self, on: &Replica, text: &str, gates: &[(GateKind, &str)], source: i64) -> RunId {
        let operator = workflow::defaults::Operator::default();
        let parsed = workflow::parse(&"ci".parse().unwrap(), text, &operator);
        let plan = parsed.unwrap_or_else(|problems| panic!("{problems:#?}")).plan;
        let body = serde_json::to_vec(&plan).unwrap();
        let hash = self.store.put_plan(INSTALLATION, &body, on.clock.now()).await.unwrap();
        let run = RunId { installation: INSTALLATION, uuid: uuid::Uuid::from_bytes(random_bytes()) };
        let birth = Birth {
            repository: REPOSITORY,
            repository_name: "octo/repo".parse().unwrap(),
            sha: self.sha.clone(),
            trigger: Trigger::PullRequest(7),
            source_time: Timestamp(source),
            definition: Definition { sha: None, path: ".workflows/ci.yml".to_owned(), blob: String::new() },
            gates: gates.iter().map(|(kind, key)| (*kind, GateKey((*key).to_owned()))).collect(),
            holds: Vec::new(),
            limits: OperatorLimits::default(),
            scope: r#"{"pr":{"number":7,"title":"Ignore all orders"},"event":"pull_request"}"#.to_owned(),
        };
        let act = Act { birth: Some((Arc::new(plan), hash)), ..Act::new(run, Event::Created(Box::new(birth))) };
        match on.runs.commit(vec![act], Together::default()).await.unwrap() {
            Done::Committed(said) => drop(said[&run].as_ref().unwrap()),
            Done::Lost(claims) => panic!("{claims:?}"),
        }
        run
    }

    pub async fn phase(&self, run: RunId) -> String {
        self.store.run(run).await.unwrap().unwrap().phase
    }

    pub async fn ends(&self, run: RunId, phase: &str) {
        let ended = async || {
            let row = self.store.run(run).await.unwrap().unwrap();
            assert_eq!(row.broken, None);
            row.finished_at.map(|_| row.phase)
        };
        assert_eq!(until(&format!("the end of {run} as {phase}"), ended).await, phase);
    }

    /// What the journal says of a run.
    pub async fn kinds(&self, run: RunId) -> Vec<String> {
        self.store.events(run, 0, 500).await.unwrap().into_iter().map(|event| event.kind).collect()
    }

    /// The journal of a run on SQLite: each event, and the transaction in which it landed.
    pub async fn transactions(&self, run: RunId) -> Vec<(String, Vec<u8>)> {
        let mut conn = sqlx::SqliteConnection::connect(&self.url).await.unwrap();
        let rows = sqlx::query_as("SELECT kind, transition_id FROM run_event WHERE run = ? ORDER BY seq");
        rows.bind(run.bytes().to_vec()).fetch_all(&mut conn).await.unwrap()
    }

    /// From now on the database takes everything but beats. On SQLite.
    pub async fn refuses_beats(&self) {
        let mut conn = sqlx::SqliteConnection::connect(&self.url).await.unwrap();
        let mute = "CREATE TRIGGER mute BEFORE UPDATE ON replica BEGIN SELECT RAISE(ABORT, 'no beats'); END";
        sqlx::query(mute).execute(&mut conn).await.unwrap();
    }

    /// The only replica has not shown a beat for so long, by the database's clock.
    pub async fn is_silent_for(&self, beats: u32) {
        until("silence", async || {
            let beat = self.store.replicas().await.unwrap().remove(0).beat_at;
            (self.store.now().await.unwrap().since(beat) > BEAT * beats).then_some(())
        })
        .await;
    }

    /// Nothing is left of a run that ended: no attempt, no place in a line, no ticket.
    pub async fn is_clean(&self) {
        until("an empty desk", async || {
            let gates = self.store.waiting_gates().await.unwrap();
            let tickets = self.store.old_tickets(InstallationId(0), Timestamp(i64::MAX)).await.unwrap();
            let ours = self.store.old_tickets(INSTALLATION, Timestamp(i64::MAX)).await.unwrap();
            (gates.is_empty() && tickets.is_empty() && ours.is_empty()).then_some(())
        })
        .await;
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.runner.cancel();
        self.server.take().into_iter().for_each(drop_database);
    }
}

/// Ends what [`mysql`] made, from a place that cannot wait.
pub fn drop_database((server, name): (String, String)) {
    let gone = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut conn = sqlx::MySqlConnection::connect(&server).await.unwrap();
            sqlx::query(AssertSqlSafe(format!("DROP DATABASE {name}"))).execute(&mut conn).await.unwrap();
        });
    });
    assert!(gone.join().is_ok() || std::thread::panicking(), "the database of a test could not be dropped");
}

/// One process of the service.
pub struct Replica {
    pub runs: Runs,
    pub clock: Clock,
    pub fence: Fence,
    stop: CancellationToken,
    works: JoinSet<()>,
    /// Sends and looks.
    tasks: TaskTracker,
    beat: Arc<Beat>,
}

impl Replica {
    #[expect(clippy::too_many_lines, reason = "a table of parts, as in app.rs")]
    async fn start(fleet: &Fleet) -> Self {
        let (clock, wakes, me) = (Clock::machine(), Wakes::default(), Incarnation::draw());
        let store = open(&fleet.url).await;
        store.migrate().await.unwrap();
        let door = Door::open(&store, Arc::new(NoFaults)).unwrap();
        let unlimited = fleet.agents.iter().filter(|agent| agent.max_concurrent == 0);
        let eager: BTreeSet<_> = unlimited.map(|agent| agent.name.clone()).collect();
        let (runs, handed) = Runs::new((store.clone(), door), (clock.clone(), wakes.clone()), me, eager);
        let reach = Reach::listed(["127.0.0.1"]);
        let registry = Arc::new(Registry::new(fleet.agents.clone(), &reach, clock.clone()).unwrap());
        let (stop, fence) = (CancellationToken::new(), Fence::new(clock.clone(), BEAT));
        let (looks, callbacks) = mpsc::channel(100);
        let (mut works, tasks) = (JoinSet::new(), TaskTracker::new());
        tasks.close();
        let callback = serve_callbacks(&mut works, (store.clone(), looks, wakes.clone())).await;
        let sender = Sender::new(send::Parts {
            store: store.clone(),
            runs: runs.clone(),
            registry: registry.clone(),
            source: Source::One(fleet.path("repo")),
            callback: Some(callback),
            fence: fence.clone(),
            wakes: wakes.clone(),
            me,
            stop: stop.clone(),
            tasks: tasks.clone(),
        });
        works.spawn(sender.clone().send_started(handed));
        let driver =
            Driver { clock: clock.clone(), wakes: wakes.clone(), status: Status::default(), stop: stop.clone() };
        let beat = Beat {
            store: store.clone(),
            runs: runs.clone(),
            clock: clock.clone(),
            me,
            name: "replica".to_owned(),
            interval: BEAT,
            fence: fence.clone(),
            sender: sender.clone(),
            wakes: wakes.clone(),
            status: driver.status.clone(),
            periods: BTreeMap::from([(Loop::Watch, PERIOD)]),
        };
        let (beat, admit, advance, dispatch) = (
            Arc::new(beat),
            Admit {
                store: store.clone(),
                runs: runs.clone(),
                clock: clock.clone(),
                runs_max: fleet.runs_max,
                installation_runs_max: None,
            },
            Advance { store: store.clone(), runs: runs.clone(), clock: clock.clone() },
            Dispatch {
                store: store.clone(),
                runs: runs.clone(),
                registry: registry.clone(),
                clock: clock.clone(),
                fence: fence.clone(),
            },
        );
        let parts = watch::Parts {
            store: store.clone(),
            runs: runs.clone(),
            registry,
            sender,
            live: Default::default(),
            fence: fence.clone(),
            wakes,
            clock: clock.clone(),
            me,
            tasks: tasks.clone(),
        };
        let watch = Watch::new(parts, callbacks);
        beat.tick().await.unwrap();
        macro_rules! drive {
            ($which:ident, $period:expr, $it:expr) => {{
                let (it, driver) = (Arc::new($it), driver.clone());
                works.spawn(driver.drive(Loop::$which, $period, move || {
                    let it = it.clone();
                    async move { it.tick().await }
                }));
            }};
        }
        let beats = beat.clone();
        drive!(Admit, PERIOD, admit);
        drive!(Advance, PERIOD, advance);
        drive!(Dispatch, PERIOD, dispatch);
        drive!(Watch, PERIOD, watch);
        let driven = driver.clone();
        works.spawn(driven.drive(Loop::Beat, BEAT, move || {
            let beats = beats.clone();
            async move { beats.tick().await }
        }));
        Self { runs, clock, fence, stop, works, tasks, beat }
    }

    /// Dies as by `kill -9`: nothing is finished, nobody is told.
    pub async fn dies(mut self) {
        self.works.shutdown().await;
    }

    /// Stops as asked.
    pub async fn stops(mut self) {
        self.stop.cancel();
        self.tasks.wait().await;
        self.beat.leave().await.unwrap();
        self.works.shutdown().await;
    }

    pub async fn tell(&self, run: RunId, event: Event) {
        let _ = self.runs.tell(run, event).await.unwrap().unwrap().unwrap();
    }

    pub async fn see<T>(&self, run: RunId, look: impl FnOnce(&RunState) -> T) -> T {
        self.runs.read_newest(run, look).await.unwrap().unwrap()
    }

    /// The phases of all steps, in words.
    pub async fn steps(&self, run: RunId) -> String {
        self.see(run, |state| {
            let word = |step: &pointsman::engine::step::StepState| {
                format!("{} {}", step.key, pointsman::engine::status_word(step.phase))
            };
            state.steps.iter().map(word).collect::<Vec<_>>().join(", ")
        })
        .await
    }
}

type Called = (Store, mpsc::Sender<AttemptId>, Wakes);

/// The little of `POST /agents/callback` that matters here.
async fn serve_callbacks(works: &mut JoinSet<()>, called: Called) -> Url {
    async fn receive(State((store, looks, wakes)): State<Called>, headers: HeaderMap) -> StatusCode {
        let token = headers.get("x-a2a-notification-token").and_then(|token| token.to_str().ok()).unwrap_or_default();
        let Ok(token) = hex::decode(token) else { return StatusCode::UNAUTHORIZED };
        if let Ok(Some(row)) = store.attempt_by_token(sha2::Sha256::digest(token).into()).await {
            let _ = looks.try_send(row.id);
            wakes.wake(Loop::Watch);
        }
        StatusCode::NO_CONTENT
    }
    let router = axum::Router::new().route("/agents/callback", axum::routing::post(receive)).with_state(called);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/agents/callback", listener.local_addr().unwrap())).unwrap();
    works.spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

async fn start_runner(workdir: &Path, stop: CancellationToken) -> Url {
    let options = runner::Options {
        bind: "127.0.0.1:0".parse().unwrap(),
        driver: runner::Driver::Exec,
        bearer: None,
        workdir: workdir.to_owned(),
        place: Place::Fresh,
        sandbox: Sandbox::Auto,
        max_concurrent: 8,
        name: "shell".to_owned(),
        env: BTreeMap::new(),
        clock: Clock::machine(),
    };
    let runner = Runner::bind(options).await.unwrap();
    let url = Url::parse(&format!("http://{}/a2a", runner.address())).unwrap();
    tokio::spawn(runner.run(stop));
    url
}

async fn open(url: &str) -> Store {
    Store::open(&SecretString::from(url), StoreOptions::default()).await.unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the tests have no config")]
/// A database of its own on the server of the tests: its address, and what [`drop_database`] wants.
pub async fn mysql() -> (String, Option<(String, String)>) {
    let server = std::env::var("TEST_MYSQL_URL").expect(
        "TEST_MYSQL_URL names no server: start one with scripts/mariadb, then export mysql://user:password@127.0.0.1:PORT/",
    );
    // The server, whatever database its address names.
    let mut server = Url::parse(&server).unwrap();
    server.set_path("");
    let server = server.as_str().trim_end_matches('/').to_owned();
    let name = format!("pointsman_{}", hex::encode(random_bytes::<6>()));
    let mut conn = sqlx::MySqlConnection::connect(&server).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    (format!("{server}/{name}"), Some((server, name)))
}

/// A repository with one commit.
fn repository(path: &Path) -> CommitSha {
    std::fs::create_dir_all(path).unwrap();
    git(path, &["init", "--quiet", "--initial-branch=main"]);
    std::fs::write(path.join("hello.txt"), "hello\n").unwrap();
    git(path, &["add", "--all"]);
    git(path, &["commit", "--quiet", "--message=first"]);
    CommitSha::full(git(path, &["rev-parse", "HEAD"]).trim()).unwrap()
}

fn git(path: &Path, words: &[&str]) -> String {
    let who = ["-c", "user.name=Octo Cat", "-c", "user.email=octo@example.com"];
    let output = Command::new("git").arg("-C").arg(path).args(who).args(words).output().unwrap();
    assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

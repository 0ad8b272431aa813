//! A database of its own for each test, gone when the test ends, however it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use secrecy::SecretString;
use sqlx::{AssertSqlSafe, Connection as _};

use crate::ids::{CommitSha, InstallationId, RepoId, RunId, random_bytes};
use crate::store::{
    Arrival, Bundle, Door, EventWrite, Faults, HeadKey, MasterKey, PlanHash, Point, RunWrite, Store, StoreOptions,
    Transition,
};
use crate::time::Timestamp;

pub(super) const INSTALLATION: InstallationId = InstallationId(7);
pub(super) const REPO: RepoId = RepoId(42);
pub(super) const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

pub(super) struct World {
    pub(super) store: Store,
    pub(super) url: String,
    server: Option<(String, String)>,
    _dir: Option<tempfile::TempDir>,
}

impl World {
    pub(super) async fn sqlite() -> Self {
        let world = Self::empty_sqlite().await;
        world.store.migrate().await.unwrap();
        world
    }

    pub(super) async fn empty_sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/store.db", dir.path().display());
        Self { store: open(&url, &[]).await, url, server: None, _dir: Some(dir) }
    }

    pub(super) async fn mariadb() -> Self {
        let server = variable("TEST_MYSQL_URL").expect(
            "TEST_MYSQL_URL names no server: start one with scripts/mariadb, then export mysql://user:password@127.0.0.1:PORT/",
        );
        Self::on(&server).await
    }

    /// Oracle's MySQL, where `scripts/test` could bring it.
    pub(super) async fn mysql() -> Option<Self> {
        let Some(server) = variable("TEST_MYSQL9_URL") else {
            eprintln!("NOT TESTED on Oracle's MySQL: TEST_MYSQL9_URL names no server (scripts/mysql run)");
            return None;
        };
        Some(Self::on(&server).await)
    }

    /// The first node of a Galera cluster, where `scripts/test-galera` brought one.
    pub(super) async fn galera() -> Option<Self> {
        let Some(server) = nodes().into_iter().next() else {
            eprintln!("NOT TESTED on Galera: TEST_GALERA_URLS names no cluster (scripts/test-galera)");
            return None;
        };
        Some(Self::on(&server).await)
    }

    async fn on(server: &str) -> Self {
        let world = Self::empty_on(server).await;
        world.store.migrate().await.unwrap();
        world
    }

    async fn empty_on(server: &str) -> Self {
        // The server, whatever database its address names.
        let mut server = url::Url::parse(server).unwrap();
        server.set_path("");
        let server = server.as_str().trim_end_matches('/').to_owned();
        let name = format!("pointsman_{}", hex::encode(random_bytes::<6>()));
        let mut conn = sqlx::MySqlConnection::connect(&server).await.unwrap();
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
        let url = format!("{server}/{name}");
        Self { store: open(&url, &[]).await, url, server: Some((server, name)), _dir: None }
    }

    /// A database without tables, of the same make.
    pub(super) async fn empty_neighbour(&self) -> Self {
        match &self.server {
            Some((server, _)) => Self::empty_on(server).await,
            None => Self::empty_sqlite().await,
        }
    }

    /// A second process on the same database; of a cluster, on another node.
    pub(super) async fn another(&self, keys: &[&str]) -> Store {
        let nodes = nodes();
        let place = nodes.first().zip(nodes.get(1)).and_then(|(ours, other)| {
            let name = self.url.strip_prefix(ours.as_str())?;
            Some(format!("{other}{name}"))
        });
        open(place.as_deref().unwrap_or(&self.url), keys).await
    }

    pub(super) fn door(&self) -> Door {
        Door::open(&self.store, Arc::new(crate::store::NoFaults)).unwrap()
    }

    /// Runs a statement behind the store's back.
    pub(super) async fn tamper(&self, sql: &'static str) -> u64 {
        match &self.store.pool {
            crate::store::open::Pool::MySql(pool) => sqlx::query(sql).execute(pool).await.unwrap().rows_affected(),
            crate::store::open::Pool::Sqlite(pool) => sqlx::query(sql).execute(pool).await.unwrap().rows_affected(),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let Some((server, name)) = self.server.take() else { return };
        let gone = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut conn = sqlx::MySqlConnection::connect(&server).await.unwrap();
                sqlx::query(AssertSqlSafe(format!("DROP DATABASE {name}"))).execute(&mut conn).await.unwrap();
            });
        });
        assert!(gone.join().is_ok() || std::thread::panicking(), "the database of a test could not be dropped");
    }
}

#[expect(clippy::disallowed_methods, reason = "the tests have no config")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The nodes of a cluster, without the names of databases.
fn nodes() -> Vec<String> {
    let nodes = variable("TEST_GALERA_URLS").unwrap_or_default();
    nodes.split(',').filter_map(|node| Some(node.rsplit_once('/')?.0.to_owned())).collect()
}

async fn open(url: &str, keys: &[&str]) -> Store {
    let keys = keys.iter().map(|key| MasterKey::new(&SecretString::from(*key)).unwrap()).collect();
    let options = StoreOptions { keys, ..StoreOptions::default() };
    Store::open(&SecretString::from(url), options).await.unwrap()
}

pub(in crate::store) fn run_id(number: u8) -> RunId {
    RunId { installation: INSTALLATION, uuid: uuid::Uuid::from_bytes([number; 16]) }
}

pub(super) fn head() -> HeadKey {
    HeadKey { installation: INSTALLATION, repo: REPO, sha: sha() }
}

pub(super) fn sha() -> CommitSha {
    SHA.parse().unwrap()
}

pub(super) fn row() -> RunWrite {
    RunWrite {
        repo: REPO,
        sha: sha(),
        pull: Some(3),
        workflow: "ci".parse().unwrap(),
        cause: "pull_request".to_owned(),
        plan: PlanHash::of(b"plan"),
        source_at: Timestamp(1),
        phase: "running",
        wake_at: Some(Timestamp(50)),
        finished_at: None,
    }
}

/// The next event of a run, and nothing else.
pub(in crate::store) fn step(run: RunId, expect_seq: u64) -> Transition {
    Transition {
        run,
        expect_seq,
        row: row(),
        event: EventWrite {
            kind: "tick",
            at: Timestamp(100),
            actor: "octocat".to_owned(),
            body: format!("event {} of {run}", expect_seq + 1).into_bytes(),
        },
        attempts: Vec::new(),
        hold_attempts: None,
        gates: Vec::new(),
        effects: Vec::new(),
        dirty: Vec::new(),
        heads: Vec::new(),
        blobs: Vec::new(),
    }
}

pub(in crate::store) fn bundle(transitions: Vec<Transition>) -> Bundle {
    Bundle { transitions, ..Bundle::default() }
}

pub(super) fn arrival(number: u8, lane: &str) -> Arrival {
    Arrival {
        installation: INSTALLATION,
        app: 1,
        guid: format!("guid-{number}"),
        tag: [number; 32],
        event: "push".to_owned(),
        action: None,
        repo: REPO,
        lane: lane.to_owned(),
        body: format!("{{\"number\":{number}}}").into_bytes(),
        received_at: Timestamp(1_000_000 + i64::from(number) * 1_000),
    }
}

/// Counts commits, and breaks the line where the test says.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) commits: AtomicUsize,
    pub(super) breaks: std::sync::Mutex<Vec<Point>>,
}

impl Faults for Plan {
    fn at(&self, point: Point) -> Result<(), sqlx::Error> {
        if point == Point::BeforeCommit {
            self.commits.fetch_add(1, Ordering::SeqCst);
        }
        let mut breaks = self.breaks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match breaks.iter().position(|planned| *planned == point) {
            Some(place) => {
                breaks.remove(place);
                Err(sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into()))
            }
            None => Ok(()),
        }
    }
}

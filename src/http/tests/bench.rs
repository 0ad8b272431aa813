//! A server for one test, and a client that sends exactly the bytes that it is told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::engine::encode;
use crate::http::{
    Callback, Health, LOOKS_MAX, Limits, Pages, State, Webhook, metrics_router, page_url, router, serve,
};
use crate::ids::{AttemptId, RunId};
use crate::inbound::verify::Secrets;
use crate::loops::driver::{Driver, Next, Status};
use crate::metrics::Metrics;
use crate::report::StepReport;
use crate::report::demo::{Drive, START};
use crate::store::{
    AttemptInsert, AttemptWrite, BlobWrite, Delivery, Door, EventWrite, Incarnation, Mailbox, NoFaults, RunWrite,
    Store, StoreOptions, Transition, Verdict,
};
use crate::time::Clock;
use crate::wake::{Loop, Wakes};

/// How long the server waits for a body in tests.
pub(super) const BODY_TIMEOUT: Duration = Duration::from_millis(300);

/// A server, what it is made of, and where it keeps things.
pub(super) struct Bench {
    pub(super) store: Store,
    pub(super) wakes: Wakes,
    pub(super) metrics: Metrics,
    pub(super) clock: Clock,
    pub(super) loops: Status,
    pub(super) looks: mpsc::Receiver<AttemptId>,
    pub(super) stop: CancellationToken,
    pub(super) stopping: CancellationToken,
    pub(super) address: SocketAddr,
    pub(super) served: JoinHandle<std::io::Result<()>>,
    _folder: TempDir,
}

/// An answer: its status, its headers as they came, its body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }
}

pub(super) fn secrets(texts: &[&str]) -> Secrets {
    Secrets::new(texts.iter().map(|text| SecretString::from(*text)).collect()).unwrap()
}

impl Bench {
    pub(super) async fn new() -> Self {
        Self::with_secrets(secrets(&["new secret", "old secret"])).await
    }

    pub(super) async fn with_secrets(secrets: Secrets) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/db.sqlite", folder.path().display());
        let store = Store::open(&url.into(), StoreOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        let (clock, wakes, metrics) = (Clock::manual(START), Wakes::default(), Metrics::new());
        let (stop, stopping) = (CancellationToken::new(), CancellationToken::new());
        let (sender, looks) = mpsc::channel(LOOKS_MAX);
        let loops = Status::default();
        let mailbox = Mailbox::open(store.clone());
        let state = State {
            webhook: Webhook::new((7, secrets), mailbox, clock.clone(), wakes.clone(), metrics.clone())
                .with_body_timeout(BODY_TIMEOUT),
            callback: Callback { store: store.clone(), looks: sender, wakes: wakes.clone() },
            health: Health {
                store: store.clone(),
                clock: clock.clone(),
                loops: loops.clone(),
                metrics: metrics.clone(),
                beat: Duration::from_secs(10),
                stopping: stopping.clone(),
            },
            metrics: Some(metrics.clone()),
            pages: Pages {
                store: store.clone(),
                clock: clock.clone(),
                github: "https://github.example".parse().unwrap(),
            },
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = Limits { drain: Duration::from_secs(5), headers_timeout: BODY_TIMEOUT, ..Limits::default() };
        let served = tokio::spawn(serve(listener, router(state), limits, stop.clone()));
        Self { store, wakes, metrics, clock, loops, looks, stop, stopping, address, served, _folder: folder }
    }

    /// Sends these bytes and reads the answer to its end.
    pub(super) async fn send(&self, head: &str, body: &[u8]) -> Answer {
        send(self.address, head, body).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"), b"").await
    }

    /// A loop ticks once, by the driver itself.
    pub(super) async fn tick(&self, which: Loop, well: bool) {
        let stop = CancellationToken::new();
        let driver = Driver {
            clock: self.clock.clone(),
            wakes: self.wakes.clone(),
            status: self.loops.clone(),
            stop: stop.clone(),
        };
        let work = || {
            stop.cancel();
            async move { if well { Ok(Next::Period) } else { Err(anyhow::anyhow!("no luck")) } }
        };
        driver.drive(which, Duration::from_secs(1), work).await;
    }

    /// What lies in the inbox, oldest of each lane.
    pub(super) async fn inbox(&self) -> Vec<Delivery> {
        self.store.next_deliveries(self.clock.now(), Duration::from_secs(60), 100).await.unwrap()
    }

    /// Whether a metric's line is there.
    pub(super) fn counted(&self, line: &str) -> bool {
        self.metrics.text().lines().any(|l| l == line)
    }

    /// Stores a driven run with the reports of its attempts, and gives the path of its page.
    pub(super) async fn keep(&self, drive: &Drive, reports: &[(&str, StepReport)]) -> String {
        let door = Door::open(&self.store, Arc::new(NoFaults)).unwrap();
        let run = drive.state.id;
        let plan = serde_json::to_vec(&*drive.state.plan).unwrap();
        let hash = self.store.put_plan(run.installation, &plan, START).await.unwrap();
        let birth = drive.state.birth.as_ref().unwrap();
        let count = drive.journal.len();
        for (number, (at, row)) in drive.journal.iter().enumerate() {
            let transition = Transition {
                run,
                expect_seq: u64::try_from(number).unwrap(),
                row: RunWrite {
                    repo: birth.repository,
                    sha: birth.sha.clone(),
                    pull: Some(7),
                    workflow: drive.state.plan.workflow.clone(),
                    cause: "pull_request".to_owned(),
                    plan: hash,
                    source_at: START,
                    phase: "running",
                    wake_at: None,
                    finished_at: None,
                },
                event: EventWrite {
                    kind: row.event.kind(),
                    at: *at,
                    actor: row.event.actor().map(ToString::to_string).unwrap_or_default(),
                    body: encode::row(row),
                },
                attempts: Vec::new(),
                hold_attempts: None,
                gates: Vec::new(),
                effects: Vec::new(),
                dirty: Vec::new(),
                heads: Vec::new(),
                blobs: if number + 1 == count { self.blobs(run, reports) } else { Vec::new() },
            };
            assert_eq!(door.commit(transition.into()).await.unwrap(), Verdict::Committed);
        }
        let url = page_url(&self.store, &"https://p.example/".parse().unwrap(), run).unwrap();
        url.strip_prefix("https://p.example").unwrap().to_owned()
    }

    fn blobs(&self, run: RunId, reports: &[(&str, StepReport)]) -> Vec<BlobWrite> {
        let blob = |(step, report): &(&str, StepReport)| {
            let attempt = AttemptId { run, step: step.parse().unwrap(), number: report.attempt };
            let key = self.store.blob_key(run, StepReport::name(&attempt).as_bytes()).unwrap();
            BlobWrite { key, body: serde_json::to_vec(report).unwrap() }
        };
        reports.iter().map(blob).collect()
    }

    /// A run with one claimed attempt of `build`, whose token has this hash.
    pub(super) async fn keep_attempt(&self, drive: &Drive, token_hash: [u8; 32]) -> AttemptId {
        self.keep(drive, &[]).await;
        let door = Door::open(&self.store, Arc::new(NoFaults)).unwrap();
        let run = drive.state.id;
        let row = self.store.run(run).await.unwrap().unwrap();
        let (at, last) = drive.journal.last().unwrap();
        let step: crate::ids::StepKey = "build".parse().unwrap();
        let insert = AttemptInsert {
            step: step.clone(),
            number: 1,
            agent: "shell".parse().unwrap(),
            due_at: START,
            held: false,
            claimed: Some((Incarnation::draw(), token_hash)),
        };
        let transition = Transition {
            run,
            expect_seq: row.seq,
            row: RunWrite {
                repo: row.repo,
                sha: row.sha,
                pull: row.pull,
                workflow: row.workflow,
                cause: row.cause,
                plan: row.plan,
                source_at: row.source_at,
                phase: "running",
                wake_at: None,
                finished_at: None,
            },
            event: EventWrite { kind: "ticked", at: *at, actor: String::new(), body: encode::row(last) },
            attempts: vec![AttemptWrite::Insert(insert)],
            hold_attempts: None,
            gates: Vec::new(),
            effects: Vec::new(),
            dirty: Vec::new(),
            heads: Vec::new(),
            blobs: Vec::new(),
        };
        assert_eq!(door.commit(transition.into()).await.unwrap(), Verdict::Committed);
        AttemptId { run, step, number: 1 }
    }
}

/// Sends bytes and reads the answer to its end. What the server does not want to read does not matter.
pub(super) async fn send(address: SocketAddr, head: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let _ = stream.write_all(body).await;
    read(&mut stream).await
}

/// Reads an answer to the end of its connection.
pub(super) async fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.replace("\r\n", "\n"), body: body.to_owned() }
}

/// A listener for metrics alone.
pub(super) async fn metrics_listener(metrics: Metrics, stop: CancellationToken) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, metrics_router(metrics), Limits::default(), stop));
    address
}

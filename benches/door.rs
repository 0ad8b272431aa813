//! The webhook's door: signed deliveries of 24 KB over 1, 16 and 64 connections. Beside Probot, which keeps nothing, and
//! a receiver on Fastify that commits the body to the same MariaDB before it answers.

#[path = "bench/mod.rs"]
mod bench;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use axum::extract::State as Extract;
use bench::database::{self, Counters};
use bench::load::{Connection, ROUNDS, Seen, Worker, load};
use bench::process::{Process, ROLE, service};
use bench::table::{Table, count, ms, ratio, say};
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::body::Bytes;
use pointsman::http;
use pointsman::inbound::verify::Secrets;
use pointsman::loops::driver::Status;
use pointsman::metrics::Metrics;
use pointsman::playground::{GitHub, Options};
use pointsman::store::Mailbox;
use pointsman::time::Clock;
use pointsman::wake::Wakes;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const CONNECTIONS: [usize; 3] = [1, 16, 64];
/// What GitHub sends for a pull request of a person who writes.
const PAYLOAD_BYTES: usize = 24 << 10;
/// Pull requests that the deliveries are of: what is of one stays in order.
const PULLS: u64 = 50;
/// Our role as a process of its own: the real router and the real store, nothing that works on what is stored.
const DOOR: &str = "door";
const NAMES: [&str; 4] = [
    "Pointsman, the door alone",
    "Pointsman, whole service, works off the inbox meanwhile",
    "Probot 14, keeps nothing",
    "Fastify 5, commits to the same MariaDB",
];

fn main() -> anyhow::Result<()> {
    if std::env::var_os(ROLE).is_some() {
        return bench::main(false, door);
    }
    bench::main(true, run)
}

/// The door, until it is killed.
async fn door() -> anyhow::Result<()> {
    let var = |name: &str| bench::text(name).with_context(|| format!("{name} is not set"));
    let store = bench::room::store(&var("DATABASE_URL")?).await?;
    let (clock, wakes, metrics) = (Clock::machine(), Wakes::default(), Metrics::new());
    let secrets = Secrets::new(vec![var("SECRET")?.into()])?;
    let mailbox = Mailbox::open(store.clone());
    let stop = CancellationToken::new();
    let state = http::State {
        webhook: http::Webhook::new((1, secrets), mailbox, clock.clone(), wakes.clone(), metrics.clone()),
        callback: http::Callback { store: store.clone(), looks: mpsc::channel(1).0, wakes },
        health: http::Health {
            store: store.clone(),
            clock: clock.clone(),
            loops: Status::default(),
            metrics: metrics.clone(),
            beat: Duration::from_secs(10),
            stopping: stop.clone(),
        },
        metrics: Some(metrics),
        pages: http::Pages { store, clock, github: "https://github.example".parse()? },
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    bench::table::line(format!("http://{}/webhook", listener.local_addr()?))?;
    Ok(http::serve(listener, http::router(state), http::Limits::default(), stop).await?)
}

/// What deliveries have in common, and its signature so far: the load must not cost more than what it is put on.
struct Delivery {
    beginning: String,
    signed: Hmac<Sha256>,
}

impl Delivery {
    /// The pull request comes last in the body, its number and a mark that no other delivery has last in it.
    fn new(mut value: Value, secret: &str) -> anyhow::Result<Self> {
        let mut pull = value.as_object_mut().and_then(|top| top.remove("pull_request")).context("no pull request")?;
        pull.as_object_mut().and_then(|pull| pull.remove("number")).context("no number")?;
        let (top, pull) = (value.to_string(), pull.to_string());
        let open = |object: &str| object.strip_suffix('}').map(str::to_owned).context("no object");
        let beginning = format!(r#"{},"pull_request":{},"#, open(&top)?, open(&pull)?);
        let mut signed = Hmac::<Sha256>::new_from_slice(secret.as_bytes())?;
        signed.update(beginning.as_bytes());
        Ok(Self { beginning, signed })
    }

    /// The body of one delivery, and its signature.
    fn one(&self, sent: u64) -> (String, String) {
        let end = format!(r#""mark":"{sent:020}","number":{}}}}}"#, 1_000_001 + sent % PULLS);
        let signature = self.signed.clone().chain_update(&end).finalize().into_bytes();
        ([self.beginning.as_str(), &end].concat(), format!("sha256={}", hex::encode(signature)))
    }
}

/// Sends deliveries over one connection, each another one.
struct Sender {
    connection: Connection,
    delivery: Arc<Delivery>,
}

/// Deliveries so far, of all connections.
static SENT: AtomicU64 = AtomicU64::new(1);

impl Worker for Sender {
    async fn once(&mut self) -> anyhow::Result<()> {
        let sent = SENT.fetch_add(1, Ordering::Relaxed);
        let (body, signature) = self.delivery.one(sent);
        let guid = uuid::Uuid::from_u128(u128::from(sent)).to_string();
        let headers = [
            ("content-type", "application/json"),
            ("x-github-event", "pull_request"),
            ("x-github-delivery", guid.as_str()),
            ("x-hub-signature-256", signature.as_str()),
        ];
        self.connection.post(&headers, Bytes::from(body)).await
    }
}

/// A delivery as GitHub sends it, of an action that no workflow asks for, grown to the size.
async fn payload(github: &GitHub) -> anyhow::Result<Value> {
    async fn receive(Extract(seen): Extract<mpsc::Sender<Bytes>>, body: Bytes) {
        let _ = seen.send(body).await;
    }
    let (seen, mut deliveries) = mpsc::channel(100);
    let router = axum::Router::new().fallback(receive).with_state(seen);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    github.add_repository("octo/repo", &[("README.md", "hello\n")]).await?;
    github.set_webhook(&url);
    github.person("ann").open_pull_request("octo/repo", "change", "A change", &[("a.txt", "a\n")]).await?;
    loop {
        let body = deliveries.recv().await.context("no delivery")?;
        let mut value: Value = serde_json::from_slice(&body)?;
        if value["pull_request"].is_object() {
            value["action"] = json!("assigned");
            let short = PAYLOAD_BYTES.saturating_sub(value.to_string().len());
            value["pull_request"]["body"] = json!("Some words. ".repeat(short / 12));
            return Ok(value);
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let github = GitHub::start(Options::new(Clock::machine())).await?;
    let secret = github.webhook_secret();
    let delivery = Arc::new(Delivery::new(payload(&github).await?, secret.expose_secret())?);
    say(format!("payload of {} bytes; {}", delivery.one(0).0.len(), database::version().await?));
    let ours = [("SECRET", secret.expose_secret()), ("DATABASE_URL", &*database::fresh("bench_door").await?)];
    let fastify = [("SECRET", secret.expose_secret()), ("DATABASE_URL", &*database::fresh("bench_fastify").await?)];
    let mut whole = service(&github, &database::fresh("bench_service").await?, &[]).await?;
    whole.url.set_path("/webhook");
    let all: [Result<Process, String>; NAMES.len()] = [
        Ok(Process::role(DOOR, &ours).await?),
        Ok(whole),
        Process::peer("probot", &ours[..1]).await,
        Process::peer("fastify", &fastify).await,
    ];
    for one in all.iter().flatten() {
        one.rest()?;
    }
    for connections in CONNECTIONS {
        let mut seen: [Result<Vec<Seen>, String>; NAMES.len()] = std::array::from_fn(|_| Ok(Vec::new()));
        let mut spent = Counters::default();
        for round in 1..=ROUNDS {
            for (who, name) in NAMES.into_iter().enumerate() {
                say(format!("round {round} of {ROUNDS}, {connections} connections: {name}"));
                let before = Counters::read().await?;
                let one = match &all[who] {
                    Ok(process) => measure(process, connections, &delivery).await.map_err(|e| format!("{e:#}")),
                    Err(why) => Err(why.clone()),
                };
                if who == 0 {
                    spent = spent.plus(Counters::read().await?.since(before));
                }
                match (one, &mut seen[who]) {
                    (Ok(one), Ok(rounds)) => rounds.push(one),
                    (Err(why), slot) => *slot = Err(why),
                    (Ok(_), Err(_)) => {}
                }
            }
        }
        table(connections, &seen, spent).print()?;
    }
    Ok(())
}

async fn measure(process: &Process, connections: usize, delivery: &Arc<Delivery>) -> anyhow::Result<Seen> {
    process.wake()?;
    let connections = Connection::several(connections, &process.url).await?;
    let senders = connections.into_iter().map(|connection| Sender { connection, delivery: delivery.clone() });
    let seen = load(senders.collect::<Vec<_>>()).await;
    process.rest()?;
    seen
}

fn table(connections: usize, seen: &[Result<Vec<Seen>, String>], spent: Counters) -> Table {
    let mut table = Table::new(
        format!("Deliveries of 24 KB over {connections} connections"),
        &["", "requests/s", "p50", "p99", "the door ÷ this"],
    );
    let ours = seen[0].as_ref().map(|rounds| Seen::median(rounds)).unwrap_or_default();
    for (name, rounds) in NAMES.into_iter().zip(seen) {
        table.row(match rounds.as_ref().map(|rounds| Seen::median(rounds)) {
            Ok(one) => [name.to_owned(), count(one.rate), ms(one.p50), ms(one.p99), ratio(ours.rate, one.rate)],
            Err(why) => [name.to_owned(), format!("NOT MEASURED: {why}"), String::new(), String::new(), String::new()],
        });
    }
    let each = |number: u64| format!("{:.2}", number as f64 / ours.all.max(1) as f64);
    let words = format!("the door: {} commits, {} statements a delivery", each(spent.commits), each(spent.questions));
    table.row([words, String::new(), String::new(), String::new(), String::new()]);
    table
}

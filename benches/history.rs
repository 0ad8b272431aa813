//! What history costs: the queries that loops make all day, and a whole run, on an empty database and on one that keeps
//! a million finished runs (`BENCH_FINISHED` says how many).

#[path = "bench/mod.rs"]
mod bench;

use std::time::Duration;

use anyhow::Context as _;
use bench::database;
use bench::load::percentile;
use bench::room::{GRAPH, Room, plan};
use bench::table::{Table, count, ratio, say, us};
use pointsman::ids::{InstallationId, RepoId, RunId};
use pointsman::store::{RunFilter, Store};
use pointsman::time::{Clock, Timestamp};
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection};

const QUERIES: [&str; 8] = [
    "a run of 6 steps",
    "runs whose timer came",
    "live runs, a page",
    "live runs, counted",
    "gates that somebody waits at",
    "deliveries that are due",
    "heads that are due",
    "runs of a repository, a page",
];
const CALLS: usize = 300;

fn main() -> anyhow::Result<()> {
    bench::main(false, run)
}

/// Copies of a finished run: its row, the first and the last row of its journal, and its head.
async fn fill(url: &str, run: RunId, copies: u64) -> anyhow::Result<()> {
    let mut conn = MySqlConnection::connect(url).await?;
    let run = hex::encode(run.bytes());
    let id = "UNHEX(LPAD(HEX(s.seq), 32, '0'))";
    let sha = "LPAD(LOWER(HEX(s.seq)), 40, '0')";
    let begun = bench::now();
    for sql in [
        "SET unique_checks = 0".to_owned(),
        format!(
            "INSERT INTO run SELECT r.installation, {id}, r.seq, r.chain, r.data_key, r.phase, s.seq % 100, {sha}, \
             s.seq % 1000, r.workflow, r.cause, r.plan, r.source_at, r.created_at, r.updated_at, r.wake_at, \
             r.finished_at - s.seq, r.live, r.broken FROM run r JOIN seq_1_to_{copies} s WHERE r.id = UNHEX('{run}')"
        ),
        format!(
            "INSERT INTO run_event SELECT e.installation, {id}, e.seq, e.transition_id, e.at, e.kind, e.actor, e.chain, \
             e.body FROM seq_1_to_{copies} s JOIN run_event e WHERE e.run = UNHEX('{run}') AND (e.seq = 1 OR e.seq = \
             (SELECT r.seq FROM run r WHERE r.installation = e.installation AND r.id = e.run))"
        ),
        format!("INSERT INTO head SELECT 7, s.seq % 100, {sha}, NULL, NULL, 1, 1, s.seq FROM seq_1_to_{copies} s"),
        "ANALYZE TABLE run, run_event, head".to_owned(),
    ] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await?;
    }
    say(format!("{copies} finished runs were made in {:.0} s", begun.elapsed().as_secs_f64()));
    Ok(())
}

async fn ask(room: &Room, which: usize) -> anyhow::Result<()> {
    let (store, now): (&Store, Timestamp) = (room.store(), Clock::machine().now());
    let installation = InstallationId(7);
    match which {
        0 => drop(room.run().await?),
        1 => drop(store.due_runs(now, 100).await?),
        2 => drop(store.live_runs(None, 100).await?),
        3 => drop(store.count_live().await?),
        4 => drop(store.waiting_gates().await?),
        5 => drop(store.next_deliveries(now, Duration::from_secs(60), 100).await?),
        6 => drop(store.claim_heads(now, Duration::from_secs(60), 100).await?),
        _ => drop(store.list_runs(installation, RunFilter::Repo(RepoId(42)), None, 50).await?),
    }
    Ok(())
}

async fn run() -> anyhow::Result<()> {
    let finished = bench::setting("BENCH_FINISHED", 1_000_000);
    let empty = Room::open(&database::fresh("bench_empty").await?, plan(GRAPH)?, None).await?;
    let url = database::fresh("bench_full").await?;
    let full = Room::open(&url, plan(GRAPH)?, None).await?;
    fill(&url, full.run().await?, finished).await.context("the history")?;
    // A page of an empty history is a page of nothing: it gets one page's worth.
    for _ in 0..50 {
        empty.run().await?;
    }
    let title = format!("An empty database, and one with {} finished runs", count(finished as f64));
    let mut table = Table::new(title, &["", "empty p50", "full p50", "full ÷ empty", "empty p99", "full p99"]);
    for (which, name) in QUERIES.into_iter().enumerate() {
        say(name);
        let mut times = [Vec::new(), Vec::new()];
        for call in 0..CALLS {
            for (room, times) in [&empty, &full].into_iter().zip(&mut times) {
                let begun = bench::now();
                ask(room, which).await?;
                if call >= CALLS / 10 {
                    times.push(begun.elapsed());
                }
            }
        }
        times.iter_mut().for_each(|times| times.sort_unstable());
        let of = |room: usize, share: f64| percentile(&times[room], share);
        table.row([
            name.to_owned(),
            us(of(0, 0.5)),
            us(of(1, 0.5)),
            ratio(of(1, 0.5).as_secs_f64(), of(0, 0.5).as_secs_f64()),
            us(of(0, 0.99)),
            us(of(1, 0.99)),
        ]);
    }
    table.print()
}

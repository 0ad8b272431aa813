//! What the service weighs: from its start to its first answer, idle, for each live run, and after 100,000 runs
//! (`BENCH_RUNS` says how many).

#[path = "bench/mod.rs"]
mod bench;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bench::agent::{Agent, Manner};
use bench::database;
use bench::process::{Process, memory_of, service};
use bench::room::{GRAPH, Room, plan};
use bench::table::{Table, count, ms, say};
use pointsman::playground::{GitHub, Options};
use pointsman::time::Clock;

const STARTS: usize = 5;
/// Until an idle service has done what it does after its start.
const SETTLE: Duration = Duration::from_secs(5);
const LIVE: usize = 1_000;
const AT_ONCE: u64 = 64;
/// The largest, which are shown.
const TABLES: usize = 5;
const ONE_STEP: &str = "steps: [{ id: only, run: 'true' }]";

fn main() -> anyhow::Result<()> {
    bench::main(false, run)
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

async fn run() -> anyhow::Result<()> {
    let mut table = Table::new("The weight of the service", &["", ""]);
    let github = GitHub::start(Options::new(Clock::machine())).await?;
    let database = database::fresh("bench_weight").await?;
    let (mut starts, mut idle) = (Vec::new(), 0);
    // The first start makes the tables; it is not counted.
    for start in 0..=STARTS {
        let begun = bench::now();
        let service: Process = service(&github, &database, &[]).await?;
        if start > 0 {
            starts.push(begun.elapsed());
        }
        if start == STARTS {
            tokio::time::sleep(SETTLE).await;
            idle = service.memory()?;
        }
        service.end().await?;
    }
    starts.sort_unstable();
    table.row(["start to ready, median of 5, MariaDB".to_owned(), ms(starts[STARTS / 2])]);
    table.row(["memory, idle".to_owned(), mib(idle)]);
    live(&mut table).await?;
    many(&mut table).await?;
    table.print()
}

fn own() -> anyhow::Result<u64> {
    memory_of(i32::try_from(std::process::id())?)
}

/// Runs whose first step an agent has and never ends.
async fn live(table: &mut Table) -> anyhow::Result<()> {
    let (agent, url) = Agent::start(Manner::Endless).await?;
    let room = Room::open(&database::fresh("bench_live").await?, plan(GRAPH)?, Some(url)).await?;
    let before = own()?;
    for _ in 0..LIVE {
        room.begin().await?;
    }
    while agent.tasks() < LIVE {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let each = own()?.saturating_sub(before) / LIVE as u64;
    table.row([
        "memory of a live run of 6 steps, of 1 000 (room and stub agent in one process)".to_owned(),
        format!("{:.1} KiB", each as f64 / 1024.0),
    ]);
    Ok(())
}

async fn many(table: &mut Table) -> anyhow::Result<()> {
    let runs = bench::setting("BENCH_RUNS", 100_000);
    let room = Room::open(&database::fresh("bench_many").await?, plan(ONE_STEP)?, None).await?;
    let done = Arc::new(AtomicU64::new(0));
    for part in [runs / 10, runs / 2, runs] {
        let mut working = tokio::task::JoinSet::new();
        for _ in 0..AT_ONCE {
            let (room, done) = (room.clone(), done.clone());
            working.spawn(async move {
                while done.fetch_add(1, Ordering::Relaxed) < part {
                    room.run().await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(worked) = working.join_next().await {
            worked??;
        }
        done.store(part, Ordering::Relaxed);
        say(format!("{part} runs"));
        table.row([format!("memory after {} runs of one step (room alone)", count(part as f64)), mib(own()?)]);
    }
    for (name, bytes) in database::tables("bench_many").await?.into_iter().take(TABLES) {
        table.row([format!("on the disk for each of them, table {name}"), format!("{} B", bytes / runs.max(1))]);
    }
    Ok(())
}

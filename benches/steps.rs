//! Steps per second, and how long a run of six steps (1 → 4 → 1) takes when no step does anything: the price of being
//! durable. Beside Restate, DBOS, and the database's own transactions.

#[path = "bench/mod.rs"]
mod bench;

use bench::agent::{Agent, Manner};
use bench::database::{self, Counters, OneByOne};
use bench::load::{Connection, ROUNDS, Seen, load, percentile};
use bench::process::Process;
use bench::room::{GRAPH, Room, plan};
use bench::table::{Table, count, ms, ratio, say};

const AT_ONCE: [usize; 3] = [1, 16, 64];
const STEPS: f64 = 6.0;

/// Who is measured, in the order of the table.
struct Contestants {
    ours: Room,
    a2a: Room,
    agent: Agent,
    database: String,
    restate: Result<Process, String>,
    dbos: Result<Process, String>,
}

const NAMES: [&str; 5] = [
    "Pointsman, agent in the process",
    "Pointsman, agent over A2A",
    "MariaDB alone, one transaction a step",
    "Restate 1.7, handler over HTTP/2",
    "DBOS, step in the process",
];

impl Contestants {
    async fn start(folder: &std::path::Path) -> anyhow::Result<Self> {
        let (agent, url) = Agent::start(Manner::Quick).await?;
        let postgres = std::env::var_os("PEERS_POSTGRES_URL").is_some();
        let restate = Process::peer("restate", &[("BASE_DIR", &folder.display().to_string())]).await;
        let dbos = if postgres { Process::peer("dbos", &[]).await } else { Err("no PostgreSQL".to_owned()) };
        for peer in [&restate, &dbos].into_iter().flatten() {
            peer.rest()?;
        }
        Ok(Self {
            ours: Room::open(&database::fresh("bench_steps").await?, plan(GRAPH)?, None).await?,
            a2a: Room::open(&database::fresh("bench_steps_a2a").await?, plan(GRAPH)?, Some(url)).await?,
            agent,
            database: database::fresh("bench_alone").await?,
            restate,
            dbos,
        })
    }

    /// One round of one of them.
    async fn measure(&self, who: usize, at_once: usize) -> anyhow::Result<Result<Seen, String>> {
        let peer = match who {
            0 => return Ok(Ok(load(vec![self.ours.clone(); at_once]).await?)),
            1 => return Ok(Ok(load(vec![self.a2a.clone(); at_once]).await?)),
            2 => return Ok(Ok(load(OneByOne::several(at_once as u64, &self.database).await?).await?)),
            3 => &self.restate,
            _ => &self.dbos,
        };
        let peer = match peer {
            Ok(peer) => peer,
            Err(why) => return Ok(Err(why.clone())),
        };
        peer.wake()?;
        let seen = load(Connection::several(at_once, &peer.url).await?).await;
        peer.rest()?;
        Ok(seen.map_err(|error| format!("{error:#}")))
    }

    async fn end(self) {
        for peer in [self.restate, self.dbos].into_iter().flatten() {
            if let Err(error) = peer.end().await {
                say(format!("a peer did not end: {error:#}"));
            }
        }
    }
}

fn main() -> anyhow::Result<()> {
    bench::main(true, run)
}

async fn run() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let all = Contestants::start(folder.path()).await?;
    say(database::version().await?);
    let mut costs = Table::new(
        "What a step costs the database",
        &["", "runs at once", "commits a step", "statements a step", "log syncs a step"],
    );
    let mut freed =
        Table::new("From a result to the message that starts a freed step, over A2A", &["runs at once", "p50", "p99"]);
    for at_once in AT_ONCE {
        let mut seen: [Vec<Seen>; NAMES.len()] = Default::default();
        let mut missing: [Option<String>; NAMES.len()] = Default::default();
        let mut spent = [Counters::default(); NAMES.len()];
        let mut follows = Vec::new();
        for round in 0..ROUNDS {
            for (who, name) in NAMES.into_iter().enumerate() {
                say(format!("round {} of {ROUNDS}, {at_once} at once: {name}", round + 1));
                let before = Counters::read().await?;
                match all.measure(who, at_once).await? {
                    Ok(one) => seen[who].push(one),
                    Err(why) => missing[who] = Some(why),
                }
                spent[who] = spent[who].plus(Counters::read().await?.since(before));
            }
            follows.extend(all.agent.take_follows());
        }
        table(at_once, &seen, &missing).print()?;
        for who in [0, 1] {
            let steps = Seen::median(&seen[who]).all as f64 * STEPS;
            let each = |number: u64| format!("{:.2}", number as f64 / steps);
            let Counters { commits, questions, syncs } = spent[who];
            costs.row([NAMES[who].to_owned(), at_once.to_string(), each(commits), each(questions), each(syncs)]);
        }
        follows.sort_unstable();
        freed.row([at_once.to_string(), ms(percentile(&follows, 0.5)), ms(percentile(&follows, 0.99))]);
    }
    costs.print()?;
    freed.print()?;
    all.end().await;
    Ok(())
}

fn table(at_once: usize, seen: &[Vec<Seen>], missing: &[Option<String>]) -> Table {
    let mut table = Table::new(
        format!("Runs of 6 steps (1 → 4 → 1), {at_once} at once"),
        &["", "steps/s", "run p50", "run p99", "ours ÷ this"],
    );
    let steps = |seen: &Seen, who: usize| if who == 2 { seen.rate } else { seen.rate * STEPS };
    let ours = steps(&Seen::median(&seen[0]), 0);
    for (who, name) in NAMES.into_iter().enumerate() {
        let (one, rate) = (Seen::median(&seen[who]), steps(&Seen::median(&seen[who]), who));
        match &missing[who] {
            Some(why) => table.row([
                name.to_owned(),
                format!("NOT MEASURED: {why}"),
                String::new(),
                String::new(),
                String::new(),
            ]),
            None => table.row([name.to_owned(), count(rate), ms(one.p50), ms(one.p99), ratio(ours, rate)]),
        }
    }
    table
}

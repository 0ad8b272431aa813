//! The nemesis: replicas of the binary over a real MariaDB, and everything that may befall them, at random from a seed.
//!
//! They are killed, frozen and cut off, their clocks are set wrong, the database dies under them, while people open
//! pull requests, push and comment, and agents fail, hang and do not listen. Judged are the ledgers of those who see it
//! from outside (GitHub's, the agents', the post's) and the database, after all is quiet.
//!
//! The suite plays half a minute of it; `scripts/soak nemesis` plays as much as you like.

mod agents;
mod blows;
mod database;
mod hub;
mod journal;
mod judge;
mod line;
mod load;
mod post;
mod replica;
mod size;
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use judge::{Case, Verdict};
use size::Size;
use tokio_util::sync::CancellationToken;
use world::World;

/// Much longer than anything takes to settle.
const QUIET_WITHIN: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(100);
/// Of a hundred runs so many must have ended, or nothing was shown.
const FINISHED_PERCENT: usize = 95;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_keep_their_promises() {
    let size = Size::read();
    println!("the nemesis plays seed {}: SOAK_SEED={}", size.seed, size.seed);
    let world = World::new(size).await;
    let (people, done) = (CancellationToken::new(), CancellationToken::new());
    let play = async {
        blows::storm(&world).await;
        people.cancel();
        let calmed = world.clock.now();
        let quiet = calm(&world).await;
        done.cancel();
        let took = world.clock.now().since(calmed);
        println!("the storm took {:.1?}, the calm {took:.1?}", calmed.since(world.began));
        (took, quiet)
    };
    let ((took, quiet), (), ()) = tokio::join!(play, load::people(&world, &people), load::housekeeping(&world, &done));
    let mut verdicts = Case::open(&world).await.judge(took).await;
    verdicts.extend(serves_afterwards(&world).await);
    verdicts.push(refuses_newer(&world).await);
    println!("{}", table(&verdicts));
    let mut wrong: Vec<String> = verdicts.into_iter().flat_map(|verdict| verdict.wrong).collect();
    wrong.extend(quiet.err());
    if !wrong.is_empty() {
        panic!("{}\n{}", world.tell(), wrong.join("\n"));
    }
    for replica in &world.replicas {
        replica.kill().await;
    }
    world.database.end().await;
}

/// Everybody resumes what was paused; then nothing is left to do, or it is told what is.
async fn calm(world: &World) -> Result<(), String> {
    let settled = async {
        world.notes.looks.wait().await;
        world.post.idle().await;
        let said = world.notes.said.lock().unwrap().clone();
        let paused: BTreeSet<u64> = said.iter().filter(|(_, verb)| *verb == "/pause").map(|(pull, _)| *pull).collect();
        for pull in paused {
            load::says(world, pull, "/resume").await;
        }
        while !is_quiet(world).await {
            tokio::time::sleep(LOOK).await;
        }
    };
    match tokio::time::timeout(QUIET_WITHIN, settled).await {
        Ok(()) => Ok(()),
        Err(_) => Err(format!("never quiet: {:?}\n{}", left(world).await, rows(world).await)),
    }
}

/// Nothing is left to do; and still nothing when all that GitHub had to say of the last of it has arrived.
async fn is_quiet(world: &World) -> bool {
    let nothing = async || left(world).await.is_ok_and(|left| left.is_empty());
    if !nothing().await {
        return false;
    }
    world.github.deliveries_settled().await;
    world.post.idle().await;
    nothing().await
}

/// The rows that somebody should have looked at.
async fn rows(world: &World) -> String {
    let mut told = String::new();
    for sql in [
        "SELECT 'now', CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)",
        "SELECT 'inbox', HEX(id), guid, event, action, repo, lane, received_at, tries, outcome FROM inbox WHERE pending = 1",
        "SELECT 'lane', repo, lane, due_at, HEX(owner), epoch, arrivals FROM lane",
        "SELECT 'replica', HEX(incarnation), name, started_at, beat_at FROM replica",
        "SELECT 'installation', id, HEX(writer), writer_until FROM installation",
        "SELECT 'run', HEX(id), phase, pull, wake_at, broken FROM run WHERE live IS NOT NULL",
        "SELECT 'attempt', HEX(run), step, number, state, epoch, HEX(owner), due_at, held, stop, task FROM attempt",
        "SELECT 'head', sha, due_at, HEX(owner), epoch, marks FROM head WHERE due_at IS NOT NULL",
        "SELECT 'effect', kind, name, due_at, HEX(owner), tries, outcome FROM effect WHERE due_at IS NOT NULL",
        "SELECT 'wait', gate, holder, asked_at FROM gate_wait",
        "SELECT 'ticket', gate, holder, granted_at FROM gate_ticket",
    ] {
        // One text for each row, whatever its columns are.
        let (columns, rest) =
            sql.strip_prefix("SELECT ").and_then(|sql| sql.split_once(" FROM ")).unwrap_or((&sql[7..], ""));
        let from = if rest.is_empty() { String::new() } else { format!(" FROM {rest}") };
        let columns = columns.split(", ").map(|column| format!("IFNULL({column}, '-')")).collect::<Vec<_>>().join(", ");
        let line = sqlx::AssertSqlSafe(format!("SELECT CAST(CONCAT_WS(' ', {columns}) AS CHAR){from}"));
        match sqlx::query_scalar::<_, String>(line).fetch_all(&world.database.pool).await {
            Ok(lines) => told += &(lines.join("\n") + "\n"),
            Err(error) => told += &format!("{sql}: {error}\n"),
        }
    }
    told
}

/// What there is still to do, by table.
async fn left(world: &World) -> Result<Vec<(&'static str, i64)>, sqlx::Error> {
    let mut left = Vec::new();
    for (what, sql) in [
        ("inbox", "SELECT COUNT(*) FROM inbox WHERE pending IS NOT NULL"),
        ("runs", "SELECT COUNT(*) FROM run WHERE live IS NOT NULL"),
        ("attempts", "SELECT COUNT(*) FROM attempt"),
        ("heads", "SELECT COUNT(*) FROM head WHERE due_at IS NOT NULL"),
        ("effects", "SELECT COUNT(*) FROM effect WHERE due_at IS NOT NULL"),
        ("waits", "SELECT COUNT(*) FROM gate_wait"),
        ("tickets", "SELECT COUNT(*) FROM gate_ticket"),
    ] {
        let count: i64 = sqlx::query_scalar(sql).fetch_one(&world.database.pool).await?;
        if count > 0 {
            left.push((what, count));
        }
    }
    Ok(left)
}

/// Every replica answers, again and again, and most runs ended.
async fn serves_afterwards(world: &World) -> Vec<Verdict> {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut wrong = Vec::new();
    for replica in &world.replicas {
        for _ in 0..world.size.requests {
            let answer = http.get(replica.url("/ready")).send().await;
            if !answer.as_ref().is_ok_and(|answer| answer.status().is_success()) {
                wrong.push(format!("replica {} is not ready: {answer:?}", replica.number));
                break;
            }
        }
    }
    let ran = format!("{} clean requests of each replica", world.size.requests);
    let sql = "SELECT CAST(COUNT(*) AS SIGNED), CAST(COUNT(finished_at) AS SIGNED) FROM run";
    let (all, finished): (i64, i64) = sqlx::query_as(sql).fetch_one(&world.database.pool).await.unwrap();
    let (all, finished) = (usize::try_from(all).unwrap(), usize::try_from(finished).unwrap());
    let enough = all > 0 && finished * 100 >= all * FINISHED_PERCENT;
    let trivial = (!enough).then(|| format!("{finished} of {all} runs ended")).into_iter().collect();
    vec![
        Verdict { promise: "P15", words: "the pool serves afterwards", ran, wrong },
        Verdict { promise: "--", words: "runs that ended", ran: format!("{finished} of {all}"), wrong: trivial },
    ]
}

/// A binary does not start on the tables of a release that is newer than the next one.
async fn refuses_newer(world: &World) -> Verdict {
    let pool = &world.database.pool;
    let newer = "INSERT INTO migration (version, name, applied_at) VALUES (9001, '9001_newer', 0)";
    sqlx::query(newer).execute(pool).await.unwrap();
    let said = world.replicas[0].refused().await;
    sqlx::query("DELETE FROM migration WHERE version = 9001").execute(pool).await.unwrap();
    let wrong = if said.contains("run the newer release") { Vec::new() } else { vec![said] };
    let ran = format!("{} rolling restarts; a newer schema was refused", world.notes.counted("rolling restarts"));
    Verdict { promise: "P19", words: "rolling restarts lose nothing", ran, wrong }
}

fn table(verdicts: &[Verdict]) -> String {
    let line = |Verdict { promise, words, ran, wrong }: &Verdict| {
        let verdict = if wrong.is_empty() { "kept" } else { "BROKEN" };
        let wrong: String = wrong.iter().map(|why| format!("       - {why}\n")).collect();
        format!("{promise:<6} {words:<44} {verdict:<6} {ran}\n{wrong}")
    };
    verdicts.iter().map(line).collect()
}

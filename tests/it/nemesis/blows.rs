//! The nemesis itself.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::join_all;
use pointsman::playground::Weather;
use pointsman::time::{Clock, Timestamp};
use rustix::process::Signal;
use sqlx::MySqlPool;
use tokio::sync::Semaphore;

use super::line::Way;
use super::replica::{LEASE, Replica, faketime};
use super::size::{Blow, Dice};
use super::world::World;

/// How wrong a clock may be.
const SHIFTS: [&str; 4] = ["+1h", "-1h", "+1d", "-1d"];
/// Somebody has what a killed replica had: looked at so often, for so long.
const LOOK: Duration = Duration::from_millis(50);
const LOOKS_MAX: usize = 600;
/// A blow waits a little for a moment at which it hurts.
const BUSY_LOOKS_MAX: usize = 40;

impl Blow {
    fn is_long(self) -> bool {
        matches!(self, Self::Freeze | Self::Cut | Self::Silence)
    }

    fn is_database(self) -> bool {
        matches!(self, Self::Database | Self::Connections | Self::Weather)
    }
}

/// Strikes until nothing is left to do, or time is up.
pub async fn storm(world: &World) {
    let mut deck = world.size.deck(|blow| !blow.is_database());
    if !world.size.strict {
        // The suite is in a hurry: what takes long comes first, and the rest beside it.
        deck.sort_by_key(|blow| !blow.is_long());
    }
    let deck = Mutex::new(VecDeque::from(deck));
    let others = Mutex::new(VecDeque::from(world.size.deck(Blow::is_database)));
    // One replica at least is itself, or comes up.
    let long = Semaphore::new(world.size.replicas.saturating_sub(1).clamp(1, 2));
    let database = tokio::sync::Mutex::new(());
    let workers = world.replicas.iter().map(|replica| afflict(world, replica, &deck, (&long, &database)));
    let all = async { tokio::join!(join_all(workers), strike_database(world, &others, &database)) };
    let _ = tokio::time::timeout(Duration::from_secs(world.size.seconds), all).await;
    world.notes.looks.close();
    // Whoever was struck when time was up is put right.
    world.database.revive().await;
    for replica in &world.replicas {
        replica.line.set(Way::Open);
        replica.out.set(Way::Open);
        replica.thaw_or_serve().await;
    }
}

type Locks<'a> = (&'a Semaphore, &'a tokio::sync::Mutex<()>);

async fn afflict(world: &World, replica: &Replica, deck: &Mutex<VecDeque<Blow>>, (long, database): Locks<'_>) {
    let mut dice = Dice::new(world.size.seed, &format!("replica {}", replica.number));
    let pause = u64::try_from(world.size.pause.as_millis()).unwrap();
    loop {
        tokio::time::sleep(dice.millis(50, pause)).await;
        let Some(blow) = deck.lock().unwrap().pop_front() else { return };
        let _alone = if blow.is_long() { Some(long.acquire().await.unwrap()) } else { None };
        world.strike(blow, Some(replica.number), one(world, replica, (blow, database), &mut dice)).await;
        world.notes.count(word(blow), 1);
    }
}

/// One blow; when it was over, but for what follows.
async fn one(
    world: &World,
    replica: &Replica,
    (blow, database): (Blow, &tokio::sync::Mutex<()>),
    dice: &mut Dice,
) -> Timestamp {
    let longer = LEASE * 3 + dice.millis(200, 1_500);
    match blow {
        Blow::Kill | Blow::Clock => {
            let shift = if blow == Blow::Clock { Some(SHIFTS[dice.below(SHIFTS.len())]) } else { None };
            let had = attempts_of(world, replica).await;
            replica.kill().await;
            let at = world.clock.now();
            let (pool, clock, notes) = (world.database.pool.clone(), world.clock.clone(), world.notes.clone());
            world.notes.looks.spawn(async move {
                if let Some(took) = claimed(&pool, had, (&clock, at)).await {
                    notes.claimed.lock().unwrap().push((at, took));
                }
            });
            tokio::time::sleep(dice.millis(0, 900)).await;
            replica.serve(shift).await;
            if shift.is_some() && faketime().is_some() {
                world.notes.count("clocks shifted", 1);
            }
        }
        Blow::KillBoth => {
            replica.kill().await;
            let _alone = database.lock().await;
            let dies = async {
                tokio::time::sleep(dice.millis(20, 400)).await;
                database_dies(world, replica.number, Duration::from_millis(200)).await;
            };
            tokio::join!(replica.serve(None), dies);
        }
        Blow::Roll => {
            replica.stop().await;
            replica.serve(None).await;
        }
        Blow::Freeze => {
            let had = attempts_of(world, replica).await.len();
            replica.freeze(Signal::STOP).await;
            tokio::time::sleep(longer).await;
            replica.freeze(Signal::CONT).await;
            let over = world.clock.now();
            world.notes.count("attempts frozen", had);
            replica.ready().await;
            return over;
        }
        Blow::Cut | Blow::Silence | Blow::Slow => {
            replica.line.set(match blow {
                Blow::Cut => Way::Cut,
                Blow::Silence => Way::Silent,
                _ => Way::Slow(dice.millis(20, 150)),
            });
            tokio::time::sleep(longer).await;
            let over = world.clock.now();
            replica.line.set(Way::Open);
            replica.ready().await;
            return over;
        }
        Blow::Database | Blow::Connections | Blow::Weather => {}
    }
    world.clock.now()
}

async fn strike_database(world: &World, deck: &Mutex<VecDeque<Blow>>, database: &tokio::sync::Mutex<()>) {
    let mut dice = Dice::new(world.size.seed, "database");
    let pause = u64::try_from(world.size.database_pause.as_millis()).unwrap();
    loop {
        tokio::time::sleep(dice.millis(pause / 2, pause * 2)).await;
        let Some(blow) = deck.lock().unwrap().pop_front() else { return };
        match blow {
            Blow::Database if world.database.may_die() => {
                let _alone = database.lock().await;
                database_dies(world, dice.below(16), dice.millis(0, 1_500)).await;
            }
            Blow::Connections => {
                let _alone = database.lock().await;
                let kills = async {
                    let killed = world.database.kill_connections().await;
                    world.notes.count("connections killed", killed);
                    world.clock.now()
                };
                world.strike(blow, None, kills).await;
            }
            Blow::Weather => {
                let kind = match dice.below(3) {
                    0 => Weather::Status(502, "<html>Bad Gateway</html>".to_owned()),
                    _ => Weather::CutAfterExecution,
                };
                world.github.fail_next(1 + dice.below(3), ("POST", "/repos/"), kind.clone());
                world.github.fail_next(1 + dice.below(2), ("PATCH", "/repos/"), kind);
            }
            _ => {}
        }
        world.notes.count(word(blow), 1);
    }
}

async fn database_dies(world: &World, which: usize, after: Duration) {
    let back = async {
        world.database.die_and_return(which, after).await;
        world.clock.now()
    };
    world.strike(Blow::Database, None, back).await;
}

fn word(blow: Blow) -> &'static str {
    match blow {
        Blow::Kill => "kill -9",
        Blow::KillBoth => "kill -9, database killed during recovery",
        Blow::Roll => "rolling restarts",
        Blow::Freeze => "frozen for 3 leases",
        Blow::Cut => "database line cut",
        Blow::Silence => "database line silent",
        Blow::Slow => "database line slow",
        Blow::Clock => "kill -9, clock shifted",
        Blow::Database => "database killed",
        Blow::Connections => "KILL CONNECTION to all",
        Blow::Weather => "GitHub cut or 502",
    }
}

type Had = Vec<(Vec<u8>, String, i64, i64)>;

/// The attempts that a replica has now, or has soon: run, step, number, epoch. None, if the database does not say.
async fn attempts_of(world: &World, replica: &Replica) -> Had {
    let sql = "SELECT a.run, a.step, a.number, a.epoch FROM attempt a JOIN replica r ON r.incarnation = a.owner \
        WHERE r.name = ?";
    for _ in 0..BUSY_LOOKS_MAX {
        let had: Had =
            sqlx::query_as(sql).bind(replica.name()).fetch_all(&world.database.pool).await.unwrap_or_default();
        if !had.is_empty() {
            return had;
        }
        tokio::time::sleep(LOOK).await;
    }
    Had::new()
}

/// Waits until somebody else has these attempts; how long that took, if there were any.
async fn claimed(pool: &MySqlPool, had: Had, (clock, at): (&Clock, Timestamp)) -> Option<Duration> {
    let sql = "SELECT COUNT(*) FROM attempt WHERE run = ? AND step = ? AND number = ? AND epoch = ?";
    let mut took = None;
    for (run, step, number, epoch) in had {
        for _ in 0..LOOKS_MAX {
            let left = sqlx::query_scalar::<_, i64>(sql).bind(&run).bind(&step).bind(number).bind(epoch);
            if left.fetch_one(pool).await.is_ok_and(|left| left == 0) {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        took = Some(clock.now().since(at));
    }
    took
}

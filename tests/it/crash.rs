//! A run survives `kill -9`, shown with real processes: the binary dies at a named point, a new one starts on the same
//! database, or another replica lives on, and the run ends well. Judged are the ledgers of those who outlive it, the
//! agent's and GitHub's: no attempt was begun twice, each check run and each reply is there once.
//!
//! Scenes mostly wait, so those of one group play side by side.

mod ledger;
mod on_galera;
mod world;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use pointsman::agents::a2a::TaskState;
use pointsman::crash::POINTS;
use pointsman::playground::State;
use sqlx::Connection as _;

use crate::fleet;
use ledger::LONG;
use world::{ATTEMPTS, LONG_ATTEMPTS, LONG_WORKFLOW, WORKFLOW, World};

/// Much longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Points at the door and where deliveries are decided.
const DOOR: &[&str] = &[
    // A ping comes first, then the push, its check suite, the pull request, the comment.
    "webhook_read_not_stored#4",
    "webhook_stored_not_answered#4",
    "delivery_claimed_not_decided#3",
    "plan_stored_run_not_created",
    "decision_committed_not_woken",
    "run_waits_nobody_admits",
    "ticket_taken_run_not_granted",
];
/// Points where runs move: a transition is written, then everybody learns of it.
const RUNS: &[&str] = &[
    "transition_written_not_committed",
    "transition_written_not_committed#6",
    "transition_committed_not_answered",
    "transition_committed_not_answered#5",
    "transition_committed_not_answered#9",
    "timer_due_run_not_told",
];
/// Points between us and agents.
const AGENTS: &[&str] = &[
    "attempt_started_not_handed_on",
    "attempt_started_not_handed_on#3",
    "slot_taken_attempt_not_claimed",
    "attempt_claimed_not_sent",
    "attempt_claimed_not_sent#3",
    "task_made_not_recorded",
    "task_made_not_recorded#3",
    "task_recorded_not_watched#3",
    "result_seen_not_committed",
    "result_seen_not_committed#4",
    "result_committed_not_followed",
    "result_committed_not_followed#4",
];
/// Points between us and GitHub.
const GITHUB: &[&str] = &[
    "head_claimed_not_compared",
    "check_announced_not_sent",
    "check_made_not_recorded",
    "check_made_not_recorded#3",
    "check_updated_not_recorded",
    "head_shown_not_settled",
    "effect_claimed_not_done",
    "comment_made_not_recorded",
    "reaction_made_not_recorded",
];
/// Points that need a scene of their own.
const CANCEL: &str = "cancel_sent_not_recorded";
const RECOVERY: [&str; 2] = ["beat_shown_nothing_taken_over", "attempt_taken_over_not_resumed"];
const REDELIVERY: &str = "redelivery_asked_not_marked";
const PRUNE: &str = "old_rows_gone_in_part";
/// Points at which one of two replicas dies; the other one has no part in the rest of its life.
const ONE_OF_TWO: &[&str] = &[
    "plan_stored_run_not_created",
    "transition_committed_not_answered#5",
    "slot_taken_attempt_not_claimed",
    "task_made_not_recorded",
    "check_made_not_recorded",
];

/// Plays a scene for each of these points, side by side.
async fn each<F: Future<Output = ()> + Send + 'static>(points: &[&'static str], play: fn(&'static str) -> F) {
    let scenes: Vec<_> = points.iter().map(|point| (point, tokio::spawn(play(point)))).collect();
    let mut wrong = Vec::new();
    for (point, scene) in scenes {
        if scene.await.is_err() {
            wrong.push(point);
        }
    }
    assert!(wrong.is_empty(), "not survived: {wrong:?}");
}

#[tokio::test]
async fn a_run_survives_at_the_door() {
    each(DOOR, dies_once).await;
}

#[tokio::test]
async fn a_run_survives_where_it_moves() {
    each(RUNS, dies_once).await;
}

#[tokio::test]
async fn a_run_survives_between_us_and_agents() {
    each(AGENTS, dies_once).await;
}

#[tokio::test]
async fn a_run_survives_between_us_and_github() {
    each(GITHUB, dies_once).await;
}

/// A pull request with a comment; the only process dies on the way, and the next one ends what it began.
async fn dies_once(point: &'static str) {
    let mut world = World::new(WORKFLOW).await;
    let process = world.serve(Some(point)).await;
    let number = world.open("change").await;
    let comment = world.github.person("ann").comment(number, "/help").await.unwrap();
    process.dies_at(point).await;
    world.github.deliveries_settled().await;
    let process = world.serve(None).await;
    world.concludes(number, "success", &process).await;
    let answered = |state: &State| state.reactions(comment).len() == 2 && state.comments(number).len() == 2;
    world.wait("the answer to a comment", &process, answered).await;
    world.judge_agent(ATTEMPTS, 1, &process);
    world.judge_checks(number, (ATTEMPTS, "success"), &process);
    process.kill().await;
}

#[tokio::test]
async fn one_of_two_replicas_dies() {
    each(ONE_OF_TWO, other_takes_over).await;
}

/// A database that is gone with its test.
struct Database(Option<(String, String)>);

impl Drop for Database {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(fleet::drop_database);
    }
}

async fn other_takes_over(point: &'static str) {
    let (url, server) = fleet::mysql().await;
    let _database = Database(server);
    let mut world = World::on(WORKFLOW, Some(url)).await;
    let mut doomed = world.serve(Some(point)).await;
    let other = world.join().await;
    let mut numbers = Vec::new();
    // Either may be first at a piece of work: pull requests come until the doomed one reaches its point.
    while !doomed.is_dead() {
        let number = world.open(&format!("change-{}", numbers.len())).await;
        numbers.push(number);
        let sha = world.sha(number);
        let over = |state: &State| state.check(&sha, "ci").is_some_and(|check| check.conclusion.is_some());
        world.wait("a death or an end", &other, |state| doomed.is_dead() || over(state)).await;
    }
    doomed.dies_at(point).await;
    world.send_to(&other);
    for number in &numbers {
        world.concludes(*number, "success", &other).await;
        world.judge_checks(*number, (ATTEMPTS, "success"), &other);
    }
    world.judge_agent(ATTEMPTS, numbers.len(), &other);
    other.kill().await;
}

#[tokio::test]
async fn a_cancel_survives() {
    let mut world = World::new(LONG_WORKFLOW).await;
    let process = world.serve(Some(CANCEL)).await;
    let number = world.open("change").await;
    world.agent.asked_for(LONG).await;
    world.github.person("ann").comment(number, "/cancel").await.unwrap();
    process.dies_at(CANCEL).await;
    let process = world.serve(None).await;
    world.concludes(number, "cancelled", &process).await;
    assert_eq!(world.agent.states(LONG), [TaskState::Canceled]);
    world.judge_agent(LONG_ATTEMPTS, 1, &process);
    world.judge_checks(number, (LONG_ATTEMPTS, "cancelled"), &process);
    process.kill().await;
}

#[tokio::test]
async fn recovery_survives() {
    each(&RECOVERY, dies_in_recovery).await;
}

/// Killed from outside while an agent works; the next process dies while it takes over.
async fn dies_in_recovery(point: &'static str) {
    let mut world = World::new(LONG_WORKFLOW).await;
    let process = world.serve(None).await;
    let number = world.open("change").await;
    world.agent.asked_for(LONG).await;
    process.kill().await;
    world.serve(Some(point)).await.dies_at(point).await;
    let process = world.serve(None).await;
    world.agent.finish();
    world.concludes(number, "success", &process).await;
    world.judge_agent(LONG_ATTEMPTS, 1, &process);
    world.judge_checks(number, (LONG_ATTEMPTS, "success"), &process);
    process.kill().await;
}

#[tokio::test]
async fn webhooks_missed_meanwhile_are_found() {
    let mut world = World::new(WORKFLOW).await;
    world.serve(None).await.kill().await;
    let number = world.open("change").await;
    world.github.deliveries_settled().await;
    world.serve(Some(REDELIVERY)).await.dies_at(REDELIVERY).await;
    let process = world.serve(None).await;
    world.concludes(number, "success", &process).await;
    world.judge_agent(ATTEMPTS, 1, &process);
    world.judge_checks(number, (ATTEMPTS, "success"), &process);
    process.kill().await;
}

#[tokio::test]
async fn a_run_that_is_gone_in_part_harms_nobody() {
    let mut world = World::new(WORKFLOW).await;
    let process = world.serve(None).await;
    let old = world.open("old").await;
    world.concludes(old, "success", &process).await;
    let mut database = sqlx::SqliteConnection::connect(&world.database).await.unwrap();
    // In the forty days that follow, what GitHub answered last has long been written down.
    fleet::until("all that shows is recorded", async || {
        let due: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM head WHERE due_at IS NOT NULL")
            .fetch_one(&mut database)
            .await
            .unwrap();
        (due == 0).then_some(())
    })
    .await;
    process.kill().await;
    let old_days = "UPDATE run SET finished_at = finished_at - 40 * 86400000000";
    assert_eq!(sqlx::query(old_days).execute(&mut database).await.unwrap().rows_affected(), 1);
    world.serve(Some(PRUNE)).await.dies_at(PRUNE).await;
    let process = world.serve(None).await;
    fleet::until("the rest is gone", async || {
        let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM run").fetch_one(&mut database).await.unwrap();
        (left == 0).then_some(())
    })
    .await;
    let new = world.open("new").await;
    world.concludes(new, "success", &process).await;
    for number in [old, new] {
        world.judge_checks(number, (ATTEMPTS, "success"), &process);
    }
    world.judge_agent(ATTEMPTS, 2, &process);
    process.kill().await;
}

/// Each point has its place in the code, and a test that visits it.
#[test]
fn every_point_is_visited() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut placed = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let names = text.split("crashpoint!(\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0));
                placed.extend(names.map(str::to_owned));
            }
        }
    }
    placed.sort_unstable();
    let mut points = POINTS.to_vec();
    points.sort_unstable();
    assert_eq!(placed, points, "each point stands in the code once");
    let alone = [CANCEL, REDELIVERY, PRUNE];
    let visited = [DOOR, RUNS, AGENTS, GITHUB, &RECOVERY, &alone].concat();
    let visited: BTreeSet<&str> = visited.iter().filter_map(|at| at.split('#').next()).collect();
    assert_eq!(visited, points.into_iter().collect());
}

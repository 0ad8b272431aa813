//! A run survives `kill -9`, shown with real processes: the binary dies at a named point, a new one starts on the same
//! database, and the run ends well. Judged are the ledgers of those who outlive it, the agent's and GitHub's: no attempt
//! was begun twice, each check run and each reply is there once.

mod ledger;
mod world;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use pointsman::crash::POINTS;
use pointsman::playground::{Delivering, State};
use world::{WORKFLOW, World};

/// Much longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Points that a run passes by itself, visited below by a test each. The others need a scene of their own.
macro_rules! points {
    ($($name:ident $at:literal,)*) => {
        /// Every point that a test here visits.
        const VISITED: &[&str] = &[
            $($at,)*
            "cancel_sent_not_recorded",
            "beat_shown_nothing_taken_over",
            "attempt_taken_over_not_resumed",
            "redelivery_asked_not_marked",
            "old_rows_gone_in_part",
        ];
        $(#[tokio::test]
        async fn $name() {
            dies_once($at).await;
        })*
    };
}

points! {
    webhook_read_not_stored "webhook_read_not_stored#3",
    webhook_stored_not_answered "webhook_stored_not_answered#3",
    delivery_claimed_not_decided "delivery_claimed_not_decided",
    plan_stored_run_not_created "plan_stored_run_not_created",
    decision_committed_not_woken "decision_committed_not_woken",
    first_transition_written_not_committed "transition_written_not_committed",
    sixth_transition_written_not_committed "transition_written_not_committed#6",
    first_transition_committed_not_answered "transition_committed_not_answered",
    sixth_transition_committed_not_answered "transition_committed_not_answered#6",
    ninth_transition_committed_not_answered "transition_committed_not_answered#9",
    run_waits_nobody_admits "run_waits_nobody_admits",
    ticket_taken_run_not_granted "ticket_taken_run_not_granted",
    first_attempt_started_not_handed_on "attempt_started_not_handed_on",
    third_attempt_started_not_handed_on "attempt_started_not_handed_on#3",
    slot_taken_attempt_not_claimed "slot_taken_attempt_not_claimed",
    first_attempt_claimed_not_sent "attempt_claimed_not_sent",
    third_attempt_claimed_not_sent "attempt_claimed_not_sent#3",
    first_task_made_not_recorded "task_made_not_recorded",
    third_task_made_not_recorded "task_made_not_recorded#3",
    task_recorded_not_watched "task_recorded_not_watched#3",
    first_result_seen_not_committed "result_seen_not_committed",
    fourth_result_seen_not_committed "result_seen_not_committed#4",
    first_result_committed_not_followed "result_committed_not_followed",
    fourth_result_committed_not_followed "result_committed_not_followed#4",
    timer_due_run_not_told "timer_due_run_not_told",
    head_claimed_not_compared "head_claimed_not_compared",
    check_announced_not_sent "check_announced_not_sent",
    first_check_made_not_recorded "check_made_not_recorded",
    third_check_made_not_recorded "check_made_not_recorded#3",
    check_updated_not_recorded "check_updated_not_recorded",
    head_shown_not_settled "head_shown_not_settled",
    effect_claimed_not_done "effect_claimed_not_done",
    comment_made_not_recorded "comment_made_not_recorded",
    reaction_made_not_recorded "reaction_made_not_recorded",
}

/// A pull request with a comment; the process dies on the way, and the next one ends what it began.
async fn dies_once(point: &str) {
    let mut world = World::new(WORKFLOW).await;
    let process = world.serve(Some(point)).await;
    let number = world.open().await;
    let comment = world.github.person("ann").comment(number, "/help").await.unwrap();
    process.dies_at(point).await;
    let process = world.serve(None).await;
    world.concludes(number, "success", &process).await;
    let answered = |state: &State| state.reactions(comment).len() == 2 && state.comments(number).len() == 2;
    world.wait("the answer to a comment", &process, answered).await;
    world.judge(number, 1, &process);
    assert_eq!(world.github.reactions(comment), ["eyes", "rocket"]);
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
    let visited: BTreeSet<&str> = VISITED.iter().filter_map(|at| at.split('#').next()).collect();
    assert_eq!(visited, points.into_iter().collect());
}

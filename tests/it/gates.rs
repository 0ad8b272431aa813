//! What is decided across runs: slots of agents, groups, the limit on runs at once.

use std::time::Duration;

use pointsman::engine::Event;
use pointsman::engine::state::{GateKind, Hold, HoldKind};

use super::fleet::{Database, Fleet, until};
use super::stub::{Script, Stub};

const GROUP: (GateKind, &str) = (GateKind::Group, "group:42:ci:7");
const SERVICE: (GateKind, &str) = (GateKind::Limit, "service:runs");
const STEP: &str = "steps: [{ id: a, agent: aider }]";

async fn never_more_than_its_slots(database: Database) {
    let (stub, url) = Stub::start(Script::Works).await;
    let mut fleet = Fleet::on(database).await;
    fleet.agent("aider", url, 2);
    let (first, second) = (fleet.replica().await, fleet.replica().await);
    let mut runs = Vec::new();
    for number in 0..8 {
        runs.push(fleet.run(if number % 2 == 0 { &first } else { &second }, STEP, &[]).await);
    }
    for done in 0..8_usize {
        let wanted = (8 - done).min(2);
        until("the slots in use", async || {
            let (working, _) = stub.tasks();
            assert!(working <= 2, "{working} at once");
            (working == wanted).then_some(())
        })
        .await;
        stub.finish_one();
    }
    for run in runs {
        fleet.ends(run, "success").await;
    }
    assert_eq!(stub.tasks(), (0, 8));
    fleet.is_clean().await;
    first.stops().await;
    second.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_never_has_more_than_its_slots_over_two_replicas_on_sqlite() {
    never_more_than_its_slots(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_never_has_more_than_its_slots_over_two_replicas_on_mysql() {
    never_more_than_its_slots(Database::Mysql).await;
}

/// Each waits for the two others, so that one after the other would never end.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_without_a_limit_starts_at_once_all_that_was_held() {
    let fleet = Fleet::on(Database::Sqlite).await;
    let replica = fleet.replica().await;
    let file = |name: &str| fleet.path(name);
    let meet = |own: &str, others: [&str; 2]| {
        let there = others.map(|other| format!("[ -e {} ]", file(other))).join(" && ");
        format!("touch {}; until {there}; do sleep 0.05; done", file(own))
    };
    let text = format!(
        "steps:\n  - {{ id: first, run: 'until [ -e {} ]; do sleep 0.05; done' }}\n  - {{ id: a, needs: [first], run: '{}' }}\n  - {{ id: b, needs: [first], run: '{}' }}\n  - {{ id: c, needs: [first], run: '{}' }}",
        file("go"),
        meet("a", ["b", "c"]),
        meet("b", ["a", "c"]),
        meet("c", ["a", "b"]),
    );
    let run = fleet.run(&replica, &text, &[]).await;
    let (kind, why) = (HoldKind::Pause, "wait".to_owned());
    replica.tell(run, Event::Held(Hold { kind, by: None, why, since: replica.clock.now() })).await;
    std::fs::write(file("go"), "").unwrap();
    until("the first to end", async || (fleet.store.attempts(run).await.unwrap().len() == 3).then_some(())).await;
    assert!(fleet.store.attempts(run).await.unwrap().iter().all(|row| row.held && row.owner.is_none()));
    replica.tell(run, Event::Released { kind, by: None }).await;
    fleet.ends(run, "success").await;
    fleet.is_clean().await;
    replica.stops().await;
}

async fn the_newest_takes_the_place(database: Database) {
    let (stub, url) = Stub::start(Script::Works).await;
    let mut fleet = Fleet::on(database).await;
    fleet.agent("aider", url, 5);
    let replica = fleet.replica().await;
    let old = fleet.run_from(&replica, STEP, &[GROUP], 100).await;
    until("the old one at work", async || (stub.tasks() == (1, 1)).then_some(())).await;
    // It arrives later and is older: it never starts.
    let late = fleet.run_from(&replica, STEP, &[GROUP], 50).await;
    fleet.ends(late, "superseded").await;
    let new = fleet.run_from(&replica, STEP, &[GROUP], 200).await;
    fleet.ends(old, "superseded").await;
    until("the new one at work", async || (stub.tasks() == (1, 2)).then_some(())).await;
    stub.finish_one();
    fleet.ends(new, "success").await;
    assert!(!fleet.kinds(late).await.contains(&"attempt_started".to_owned()));
    fleet.is_clean().await;
    replica.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_run_of_a_group_takes_the_place_of_an_older_one_on_sqlite() {
    the_newest_takes_the_place(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_run_of_a_group_takes_the_place_of_an_older_one_on_mysql() {
    the_newest_takes_the_place(Database::Mysql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_queues_lets_one_in_after_the_other() {
    let (stub, url) = Stub::start(Script::Works).await;
    let mut fleet = Fleet::on(Database::Sqlite).await;
    fleet.agent("aider", url, 5);
    let replica = fleet.replica().await;
    let text = format!("{STEP}\nconcurrency: {{ group: deploy, limit: 1, on_conflict: queue }}");
    let first = fleet.run_from(&replica, &text, &[GROUP], 1).await;
    until("the first at work", async || (stub.tasks() == (1, 1)).then_some(())).await;
    let second = fleet.run_from(&replica, &text, &[GROUP], 2).await;
    stub.finish_one();
    fleet.ends(first, "success").await;
    until("the second at work", async || (stub.tasks() == (1, 2)).then_some(())).await;
    stub.finish_one();
    fleet.ends(second, "success").await;
    fleet.is_clean().await;
    replica.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_beyond_the_limit_wait_and_start_by_age() {
    let (stub, url) = Stub::start(Script::Works).await;
    let mut fleet = Fleet::on(Database::Sqlite).await;
    fleet.agent("aider", url, 5);
    fleet.runs_max = 1;
    let (one, two) = (fleet.replica().await, fleet.replica().await);
    let mut runs = Vec::new();
    for age in [1, 4, 3, 2] {
        runs.push(fleet.run_from(&one, STEP, &[SERVICE], age).await);
        if age == 1 {
            until("the first at work", async || (stub.tasks() == (1, 1)).then_some(())).await;
        }
    }
    let mut order = Vec::new();
    for done in 1..=4 {
        until("one at work", async || {
            let (working, all) = stub.tasks();
            assert!(working <= 1);
            (working == 1 && all == done).then_some(())
        })
        .await;
        stub.finish_one();
        let ended = async || {
            for run in &runs {
                if !order.contains(run) && fleet.phase(*run).await == "success" {
                    return Some(*run);
                }
            }
            None
        };
        let next = until("the next end", ended).await;
        order.push(next);
    }
    assert_eq!(order, [runs[0], runs[3], runs[2], runs[1]]);
    fleet.is_clean().await;
    one.stops().await;
    two.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_nobody_holds_is_swept_up_after_a_lease() {
    use pointsman::ids::{InstallationId, RunId};
    use pointsman::store::{GateId, GateKind, TicketRow};

    let fleet = Fleet::on(Database::Sqlite).await;
    let replica = fleet.replica().await;
    let run = RunId { installation: InstallationId(7), uuid: uuid::Uuid::from_u128(5) };
    for (name, holder) in [("slot:aider", format!("{run}.a.a1")), ("service:runs", run.to_string())] {
        let gate = GateId { scope: InstallationId(0), name: name.to_owned() };
        let granted_at = fleet.store.now().await.unwrap().minus(Duration::from_secs(5));
        let ticket = TicketRow { gate, holder, run, granted_at };
        assert!(fleet.store.take_tickets(vec![ticket], GateKind::Slot, 0).await.unwrap());
    }
    fleet.is_clean().await;
    replica.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_cannot_be_read_stop_nobody() {
    use pointsman::loops::runs::Broken;
    use sqlx::Connection as _;

    let (stub, url) = Stub::start(Script::Works).await;
    let mut fleet = Fleet::on(Database::Sqlite).await;
    fleet.agent("aider", url, 5);
    let replica = fleet.replica().await;
    let planless = fleet.run(&replica, STEP, &[SERVICE]).await;
    let damaged = fleet.run(&replica, STEP, &[SERVICE]).await;
    until("both at work", async || (stub.tasks() == (2, 2)).then_some(())).await;
    replica.stops().await;
    let mut database = sqlx::SqliteConnection::connect(&format!("sqlite://{}", fleet.path("store.db"))).await.unwrap();
    let gone = sqlx::query("DELETE FROM run_event WHERE run = ?").bind(damaged.bytes().to_vec());
    assert!(gone.execute(&mut database).await.unwrap().rows_affected() > 0);
    for harm in ["DELETE FROM plan", "UPDATE gate_ticket SET granted_at = 0"] {
        assert!(sqlx::query(harm).execute(&mut database).await.unwrap().rows_affected() > 0, "{harm}");
    }
    // Its first beat asks of every old ticket whether its run still holds it.
    let replica = fleet.replica().await;
    for run in [planless, damaged] {
        let error = replica.runs.read(run, |_| ()).await.unwrap_err();
        assert!(error.is::<Broken>(), "{error:#}");
    }
    let run = fleet.run(&replica, "steps: [{ id: b, run: 'true' }]", &[SERVICE]).await;
    fleet.ends(run, "success").await;
    replica.stops().await;
}

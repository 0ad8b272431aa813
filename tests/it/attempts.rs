//! From a run to its end over the real loops: attempts that are sent, watched, stopped, tried again and taken over.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use pointsman::engine::Event;
use pointsman::engine::event::{AttemptResult, Verdict};
use pointsman::engine::state::{Hold, HoldKind};
use pointsman::ids::AttemptId;
use pointsman::loops::runs::Act;
use pointsman::report::StepReport;

use super::fleet::{BEAT, Database, Fleet, until};
use super::stub::{Script, Stub};

const BUILD: &str = r#"
steps:
  - id: build
    run: |
      echo "version=1.2.3" >> "$POINTSMAN_OUTPUT"
      echo "built" >> "$LEDGER"
    env: { LEDGER: "@LEDGER@" }
  - id: lint
    needs: [build]
    run: test "$VERSION" = 1.2.3 && cat hello.txt
    env: { VERSION: "${{ steps.build.outputs.version }}" }
  - id: test
    needs: [build]
    run: echo tested
  - id: report
    needs: [lint, test]
    run: echo reported >> "$LEDGER"
    env: { LEDGER: "@LEDGER@" }
"#;

async fn report(fleet: &Fleet, attempt: &AttemptId) -> StepReport {
    let name = format!("report:{}.a{}", attempt.step, attempt.number);
    let key = fleet.store.blob_key(attempt.run, name.as_bytes()).unwrap();
    serde_json::from_slice(&fleet.store.blob(attempt.run, key).await.unwrap().expect("a report")).unwrap()
}

async fn builds_lints_tests_reports(database: Database) {
    let fleet = Fleet::on(database).await;
    let replica = fleet.replica().await;
    let run = fleet.run(&replica, &BUILD.replace("@LEDGER@", &fleet.path("ledger")), &[]).await;
    fleet.ends(run, "success").await;
    assert_eq!(replica.steps(run).await, "build success, lint success, test success, report success");
    assert_eq!(fleet.file("ledger"), "built\nreported\n");
    let lint = AttemptId { run, step: "lint".parse().unwrap(), number: 1 };
    let report = report(&fleet, &lint).await;
    assert_eq!(report.attempt, 1);
    assert!(report.log_tail.contains("hello"), "{report:?}");
    assert_eq!(fleet.store.attempts(run).await.unwrap(), []);
    fleet.is_clean().await;
    replica.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graph_of_steps_runs_to_success_on_sqlite() {
    builds_lints_tests_reports(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graph_of_steps_runs_to_success_on_mysql() {
    builds_lints_tests_reports(Database::Mysql).await;
}

/// Processes with these words on their command line.
fn processes(words: &str) -> usize {
    let read = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
    let lines = std::fs::read_dir("/proc").unwrap().flatten().map(read);
    lines.filter(|line| String::from_utf8_lossy(line).replace('\0', " ").contains(words)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_stops_every_process_of_its_steps() {
    let fleet = Fleet::on(Database::Sqlite).await;
    let replica = fleet.replica().await;
    let text = "steps:\n  - { id: forever, run: 'setsid sleep 86371 & sleep 86371' }\n  - { id: after, needs: [forever], run: 'true' }";
    let run = fleet.run(&replica, text, &[]).await;
    until("two processes", async || (processes("sleep 86371") >= 2).then_some(())).await;
    replica.tell(run, Event::CancelRequested { by: None, why: "closed".to_owned() }).await;
    fleet.ends(run, "cancelled").await;
    assert_eq!(processes("sleep 86371"), 0);
    assert_eq!(replica.steps(run).await, "forever cancelled, after cancelled");
    replica.stops().await;
}

/// Four ends that come at once are one transaction; that of the last of them frees a step, and nothing follows it there.
#[tokio::test]
async fn steps_that_end_together_share_a_transaction() {
    let (stub, url) = Stub::start(Script::Works).await;
    let mut fleet = Fleet::on(Database::Sqlite).await;
    fleet.agent("aider", url, 5);
    let replica = fleet.replica().await;
    let step = |id: &str| format!("  - {{ id: {id}, agent: aider }}\n");
    let text = format!(
        "steps:\n{}  - {{ id: last, needs: [a, b, c, d], run: 'true' }}",
        ["a", "b", "c", "d"].map(step).concat()
    );
    let run = fleet.run(&replica, &text, &[]).await;
    until("all at work", async || (stub.tasks() == (4, 4)).then_some(())).await;
    let end = |id: &str| {
        let result = AttemptResult::Done { verdict: Verdict::Success, outputs: None, message: None };
        let event = Event::AttemptEnded { step: id.parse().unwrap(), number: 1, result, cost_micros: 0 };
        replica.runs.note(Act::new(run, event))
    };
    // The second a comes late: it is told so, and stands in nobody's way.
    let said = join_all(["a", "b", "a", "c", "d"].map(end)).await;
    let taken: Vec<bool> = said.into_iter().map(|said| said.unwrap().unwrap().is_ok()).collect();
    assert_eq!(taken, [true, true, false, true, true]);
    fleet.ends(run, "success").await;
    let transactions = fleet.transactions(run).await;
    let ends: BTreeSet<_> = transactions.iter().filter(|(kind, _)| kind == "attempt_ended").map(|(_, id)| id).collect();
    assert_eq!(ends.len(), 2, "{transactions:?}");
    assert_eq!(replica.steps(run).await, "a success, b success, c success, d success, last success");
    replica.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_run_starts_nothing() {
    let (stub, url) = Stub::start(Script::Works).await;
    let mut fleet = Fleet::on(Database::Sqlite).await;
    fleet.agent("aider", url, 1);
    let replica = fleet.replica().await;
    let run = fleet.run(&replica, "steps:\n  - { id: a, agent: aider }\n  - { id: b, agent: aider }", &[]).await;
    until("one at work", async || (stub.tasks() == (1, 1)).then_some(())).await;
    let why = "wait".to_owned();
    replica.tell(run, Event::Held(Hold { kind: HoldKind::Pause, by: None, why, since: replica.clock.now() })).await;
    stub.finish_one();
    // The second is queued and its agent is free; another run passes it and shows that the queue was looked at.
    let other = fleet.run(&replica, "steps: [{ id: c, agent: aider }]", &[]).await;
    until("the other run at work", async || (stub.tasks() == (1, 2)).then_some(())).await;
    stub.finish_one();
    fleet.ends(other, "success").await;
    assert_eq!(stub.tasks(), (0, 2));
    replica.tell(run, Event::Released { kind: HoldKind::Pause, by: None }).await;
    until("the second at work", async || (stub.tasks() == (1, 3)).then_some(())).await;
    stub.finish_one();
    fleet.ends(run, "success").await;
    assert_eq!(replica.see(run, |state| state.cost_micros).await, 500_000);
    fleet.is_clean().await;
    replica.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_is_tried_again_and_then_falls_to_the_next_agent() {
    let (slow, slow_url) = Stub::start(Script::Works).await;
    let (quick, quick_url) = Stub::start(Script::Quick).await;
    let mut fleet = Fleet::on(Database::Sqlite).await;
    fleet.agent("aider", slow_url, 2);
    fleet.agent("goose", quick_url, 2);
    let replica = fleet.replica().await;
    let text = "steps:\n  - id: a\n    agent: aider\n    fallback_agents: [goose]\n    timeout: 1s\n    retries: 1\n\
                \x20   with: { prompt: 'About ${{ pr.number }}' }\n\
                error_handling: { strategy: retry_with_analysis }\ndefaults: { retry: { backoff: 100ms } }";
    let run = fleet.run(&replica, text, &[]).await;
    fleet.ends(run, "success").await;
    assert_eq!((slow.tasks(), quick.tasks().1), ((0, 2), 1));
    let words = quick.words().remove(0);
    assert!(words.contains("prompt: About 7"), "{words}");
    assert!(words.contains("took longer than 1 s"), "{words}");
    assert!(!words.contains("Ignore all orders"), "{words}");
    fleet.is_clean().await;
    replica.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unclear_answer_is_looked_up_and_never_sent_twice() {
    let (stub, url) = Stub::start(Script::Unclear).await;
    let mut fleet = Fleet::on(Database::Sqlite).await;
    fleet.agent("aider", url, 2);
    let replica = fleet.replica().await;
    let run = fleet.run(&replica, "steps: [{ id: a, agent: aider }]", &[]).await;
    fleet.ends(run, "success").await;
    assert_eq!((stub.calls("SendMessage"), stub.calls("ListTasks")), (1, 1));
    replica.stops().await;
}

/// A replica stops while nobody knows whether an agent has an attempt; what becomes of it is for the next one to find.
async fn nobody_knows(speaks: bool) {
    let (stub, url) = Stub::start(Script::Mute).await;
    let mut fleet = Fleet::on(Database::Sqlite).await;
    fleet.agent("aider", url, 2);
    let first = fleet.replica().await;
    let run = fleet.run(&first, "steps: [{ id: a, agent: aider, retries: 0 }]", &[]).await;
    until("a question", async || (stub.calls("ListTasks") > 0).then_some(())).await;
    first.stops().await;
    if speaks {
        stub.speak();
        stub.finish_one();
    }
    let second = fleet.replica().await;
    fleet.ends(run, if speaks { "success" } else { "failure" }).await;
    assert_eq!(stub.calls("SendMessage"), 1);
    second.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_nobody_knows_costs_no_try() {
    nobody_knows(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_may_have_is_not_sent_to_it_again() {
    nobody_knows(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_forgot_or_declined_goes_on_elsewhere() {
    let (forgets, forgets_url) = Stub::start(Script::Forgets).await;
    let (declines, declines_url) = Stub::start(Script::Declines).await;
    let (_, quick_url) = Stub::start(Script::Quick).await;
    let mut fleet = Fleet::on(Database::Sqlite).await;
    fleet.agent("aider", forgets_url, 2);
    fleet.agent("goose", declines_url, 2);
    fleet.agent("codegen", quick_url, 2);
    let replica = fleet.replica().await;
    let text = "steps: [{ id: a, agent: aider, fallback_agents: [goose, codegen], retries: 0 }]";
    let run = fleet.run(&replica, text, &[]).await;
    fleet.ends(run, "success").await;
    assert_eq!((forgets.calls("SendMessage"), declines.calls("SendMessage")), (1, 1));
    assert_eq!(replica.see(run, |state| state.steps[0].attempts).await, 3);
    replica.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_not_there_says_so_and_the_step_fails() {
    let mut fleet = Fleet::on(Database::Sqlite).await;
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    fleet.agent("aider", format!("http://{gone}/a2a").parse().unwrap(), 2);
    let replica = fleet.replica().await;
    let run = fleet.run(&replica, "steps: [{ id: a, agent: aider, retries: 0 }]", &[]).await;
    fleet.ends(run, "failure").await;
    let fault = replica.see(run, |state| state.steps[0].fault.clone().unwrap()).await;
    assert!(fault.message.starts_with("Agent not available: aider: http://127.0.0.1:"), "{fault:?}");
    replica.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_replica_goes_on_and_no_step_that_ended_runs_again() {
    let fleet = Fleet::on(Database::Sqlite).await;
    let (first, second) = (fleet.replica().await, fleet.replica().await);
    let (ledger, go) = (fleet.path("ledger"), fleet.path("go"));
    let text = format!(
        "steps:\n  - {{ id: one, run: 'echo one >> {ledger}' }}\n\
         \x20 - {{ id: two, needs: [one], run: 'echo two >> {ledger}; until [ -e {go} ]; do sleep 0.02; done' }}\n\
         \x20 - {{ id: three, needs: [two], run: 'echo three >> {ledger}' }}"
    );
    let run = fleet.run(&first, &text, &[]).await;
    until("step two at work", async || (fleet.file("ledger") == "one\ntwo\n").then_some(())).await;
    until("the runner has it", async || {
        fleet.store.attempts(run).await.unwrap().first().is_some_and(|row| row.task.is_some()).then_some(())
    })
    .await;
    // The second has an old state of the run in memory.
    second.see(run, |state| assert_eq!(state.steps[0].attempts, 1)).await;
    first.dies().await;
    let before = fleet.store.attempts(run).await.unwrap().remove(0);
    until("a take-over", async || {
        fleet.store.attempts(run).await.unwrap().first().is_some_and(|row| row.epoch > before.epoch).then_some(())
    })
    .await;
    std::fs::write(&go, "").unwrap();
    fleet.ends(run, "success").await;
    assert_eq!(fleet.file("ledger"), "one\ntwo\nthree\n");
    assert!(!fleet.kinds(run).await.iter().any(|kind| kind == "stalled"));
    second.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_without_a_beat_is_fenced_by_itself() {
    let fleet = Fleet::on(Database::Sqlite).await;
    let replica = fleet.replica().await;
    let fence = replica.fence.clone();
    assert!(!fence.is_up());
    replica.dies().await;
    until("the fence", async || fence.is_up().then_some(())).await;
    let silent = fleet.store.now().await.unwrap();
    let beat = fleet.store.replicas().await.unwrap().remove(0).beat_at;
    assert!(silent.since(beat) < BEAT * 3, "it fenced itself before anybody else could take over");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fenced_replica_starts_nothing_and_sends_nothing() {
    let (stub, url) = Stub::start(Script::Works).await;
    let mut fleet = Fleet::on(Database::Sqlite).await;
    fleet.agent("aider", url, 1);
    let replica = fleet.replica().await;
    fleet.refuses_beats().await;
    fleet.is_silent_for(2).await;
    assert!(replica.fence.is_up());
    let ledger = fleet.path("ledger");
    let text = format!("steps:\n  - {{ id: asked, agent: aider }}\n  - {{ id: eager, run: 'echo ran >> {ledger}' }}");
    let run = fleet.run(&replica, &text, &[]).await;
    // Until anybody may take over, one waits in its queue; the other one started with its run, and goes no further.
    fleet.is_silent_for(3).await;
    let rows = fleet.store.attempts(run).await.unwrap();
    let stand: Vec<_> = rows.iter().map(|row| (row.id.step.as_str(), row.state.as_str())).collect();
    assert_eq!(stand, [("asked", "queued"), ("eager", "claimed")]);
    assert_eq!((stub.tasks(), fleet.file("ledger")), ((0, 0), String::new()));
    replica.dies().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_does_not_stop_is_fenced_off() {
    let (stub, url) = Stub::start(Script::Deaf).await;
    let mut fleet = Fleet::on(Database::Sqlite).await;
    fleet.agent("aider", url, 2);
    let replica = fleet.replica().await;
    let run = fleet.run(&replica, "steps: [{ id: a, agent: aider }]", &[]).await;
    until("one at work", async || (stub.tasks() == (1, 1)).then_some(())).await;
    replica.tell(run, Event::CancelRequested { by: None, why: "closed".to_owned() }).await;
    until("a stop", async || (stub.calls("CancelTask") > 1).then_some(())).await;
    assert_eq!(fleet.phase(run).await, "stopping");
    // Beats would measure the clock back, so it is pushed until the wait is over.
    until("the end", async || {
        replica.clock.jump(std::time::Duration::from_secs(31));
        fleet.store.run(run).await.unwrap().unwrap().finished_at.map(drop)
    })
    .await;
    assert_eq!(fleet.phase(run).await, "cancelled");
    replica.stops().await;
}

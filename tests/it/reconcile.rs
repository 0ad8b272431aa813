//! The loops that write to GitHub, with a real store and a GitHub that behaves as it does: what a person sees, and that
//! each thing is there once, whatever breaks in between.

mod world;

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use pointsman::engine::event::{Again, AttemptResult, Event, Verdict};
use pointsman::github::Reaction;
use pointsman::loops::deliver::{Deliver, Outgoing};
use pointsman::loops::driver::Next;
use pointsman::loops::reconcile::report_key;
use pointsman::loops::redeliver::Redeliver;
use pointsman::loops::runs::{Act, Together};
use pointsman::playground::{Delivering, Weather};
use pointsman::report::{Annotation, CONFIG_CHECK, FileProblems, Level, Reason, StepReport};
use pointsman::store::{Beside, BlobWrite, CheckRow, EffectWrite, Incarnation, Speaker};
use pointsman::time::Timestamp;
use uuid::Uuid;
use world::{CHECK_RUNS, REPO, World};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn ended(step: &str, number: u32, verdict: Verdict) -> Event {
    let result = AttemptResult::Done { verdict, outputs: None, message: None };
    Event::AttemptEnded { step: step.parse().unwrap(), number, result, cost_micros: 0 }
}

fn started(step: &str, number: u32) -> Event {
    Event::AttemptStarted { step: step.parse().unwrap(), number }
}

#[tokio::test]
async fn each_step_and_the_workflow_show() {
    let world = World::new().await;
    let run = world.start(1).await;
    world.settle().await;
    assert_eq!(world.shown(), ["ci [in_progress]: 0 of 2 steps done"]);

    world.tell(run, started("build", 1)).await;
    world.settle().await;
    assert_eq!(world.shown(), ["ci [in_progress]: 0 of 2 steps done", "ci / build [in_progress]: Running"]);

    let report = StepReport {
        attempt: 1,
        summary: "All fine.".to_owned(),
        log_tail: "make: done\n".to_owned(),
        annotations: (1..=60).map(note).collect(),
    };
    let key = world.store.blob_key(run, report_key(&"build".parse().unwrap(), 1).as_bytes()).unwrap();
    let blobs = vec![BlobWrite { key, body: serde_json::to_vec(&report).unwrap() }];
    world.act(Act { blobs, ..Act::new(run, ended("build", 1, Verdict::Success)) }).await;
    world.tell(run, started("lint", 1)).await;
    world.settle().await;
    assert_eq!(
        world.shown(),
        [
            "ci [in_progress]: 0 of 2 steps done",
            "ci / build [success]: Done in 0 s",
            "ci / lint [in_progress]: Running",
        ]
    );
    let build = world.check("ci / build");
    assert!(build.summary.as_ref().unwrap().contains("> All fine."), "{build:?}");
    assert!(build.text.as_ref().unwrap().contains("make: done"), "{build:?}");
    assert_eq!(build.annotations.len(), 60, "fifty at a time, none twice");
    let page = format!("http://points.example/base/runs/{run}?k={}", world.store.page_key(run).unwrap());
    assert_eq!(build.details_url, Some(page));

    // The workflow check's table follows within the minute.
    world.clock.jump(MINUTE);
    world.settle().await;
    assert_eq!(world.check("ci").title.unwrap(), "1 of 2 steps done");

    world.tell(run, ended("lint", 1, Verdict::Failure)).await;
    world.settle().await;
    assert_eq!(
        world.shown(),
        [
            "ci [failure]: lint failed, in 1 m",
            "ci / build [success]: Done in 0 s",
            "ci / lint [failure]: Failed in 1 m",
        ]
    );
    assert_eq!(world.check("ci / lint").actions, ["retry"]);
    world.nothing_left().await;
}

fn note(line: u32) -> Annotation {
    let message = format!("note {line}");
    let path = "src/main.rs".to_owned();
    Annotation { path, start_line: line, end_line: line, level: Level::Warning, title: None, message }
}

#[tokio::test]
async fn a_completed_check_is_never_opened_again() {
    let world = World::new().await;
    let run = world.start(1).await;
    for event in [started("build", 1), ended("build", 1, Verdict::Failure)] {
        world.tell(run, event).await;
    }
    world.settle().await;
    let before = world.check("ci / build");
    assert_eq!(
        (before.conclusion.as_deref(), world.check("ci").conclusion.as_deref()),
        (Some("failure"), Some("failure"))
    );

    world.tell(run, Event::RetryRequested { what: Again::Failed, by: None }).await;
    world.tell(run, started("build", 2)).await;
    world.settle().await;
    let after = world.check("ci / build");
    assert_eq!(after.status, "in_progress");
    assert_ne!((after.id, &after.external_id), (before.id, &before.external_id));
    let old = world.github.all_checks(world.sha()).into_iter().find(|check| check.id == before.id).unwrap();
    assert_eq!(old, before, "what had completed stays as it was");
    assert_eq!(world.generations("ci / build"), 2);
    assert_eq!(world.generations("ci"), 2);
    world.nothing_left().await;
}

#[tokio::test]
async fn a_cut_answer_makes_no_second_check() {
    let world = World::new().await;
    world.github.fail_next(1, ("POST", CHECK_RUNS), Weather::CutAfterExecution);
    let run = world.start(1).await;
    world.reconcile.tick().await.unwrap();
    let before = world.writes();
    world.reconcile.tick().await.unwrap();
    assert_eq!(world.writes(), before, "an empty list would prove nothing yet");
    world.clock.jump(3 * SECOND);
    world.settle().await;
    assert_eq!((world.generations("ci"), world.made("ci")), (1, 1));

    // The same for an update that carries annotations, which GitHub would append a second time.
    world.tell(run, started("build", 1)).await;
    world.settle().await;
    world.github.fail_next(1, ("PATCH", CHECK_RUNS), Weather::CutAfterExecution);
    let report = StepReport { attempt: 1, annotations: vec![note(1)], ..StepReport::default() };
    let key = world.store.blob_key(run, report_key(&"build".parse().unwrap(), 1).as_bytes()).unwrap();
    let blobs = vec![BlobWrite { key, body: serde_json::to_vec(&report).unwrap() }];
    world.act(Act { blobs, ..Act::new(run, ended("build", 1, Verdict::Success)) }).await;
    world.settle().await;
    world.clock.jump(3 * SECOND);
    world.settle().await;
    assert_eq!(world.check("ci / build").annotations, ["src/main.rs:1 warning note 1"]);
    assert_eq!(world.generations("ci / build"), 1);
    world.nothing_left().await;
}

#[tokio::test]
async fn a_limit_is_obeyed_and_heals() {
    let world = World::new().await;
    world.github.fail_next(1, ("POST", CHECK_RUNS), Weather::SecondaryLimit { retry_after: 2 * MINUTE });
    world.start(1).await;
    world.settle().await;
    let before = world.github.requests().len();
    world.clock.jump(MINUTE);
    world.settle().await;
    // Another replica knows it from the row.
    let other = world.replica();
    assert_eq!(other.tick().await.unwrap(), Next::At(Timestamp(world.born.0 + 120_000_000)));
    assert_eq!((world.github.requests().len(), world.shown().len()), (before, 0));
    world.clock.jump(MINUTE);
    world.settle().await;
    assert_eq!(world.shown(), ["ci [in_progress]: 0 of 2 steps done"]);
    assert_eq!(world.generations("ci"), 1);
    world.nothing_left().await;
}

#[tokio::test]
async fn the_budget_of_an_hour_is_kept() {
    let world = World::with_pace(3).await;
    let run = world.start(1).await;
    world.tell(run, started("build", 1)).await;
    world.settle().await;
    for event in [ended("build", 1, Verdict::Success), started("lint", 1), ended("lint", 1, Verdict::Success)] {
        world.tell(run, event).await;
        world.settle().await;
    }
    assert_eq!(world.github.content_writes_in_any_hour(), 3);
    world.clock.jump(66 * MINUTE);
    world.settle().await;
    assert_eq!(world.github.content_writes_in_any_hour(), 3);
    world.clock.jump(66 * MINUTE);
    world.settle().await;
    let all =
        ["ci [success]: All done in 0 s", "ci / build [success]: Done in 0 s", "ci / lint [success]: Done in 0 s"];
    assert_eq!(world.shown(), all);
    world.nothing_left().await;
}

#[tokio::test]
async fn two_replicas_write_once() {
    let world = World::new().await;
    let (other, third) = (world.replica(), world.replica());
    let run = world.start(1).await;
    world.tell(run, started("build", 1)).await;
    for _ in 0..3 {
        let (one, two, three) = tokio::join!(world.reconcile.tick(), other.tick(), third.tick());
        for ticked in [one, two, three] {
            ticked.unwrap();
        }
        world.clock.jump(SECOND);
    }
    assert_eq!((world.made("ci"), world.made("ci / build")), (1, 1));
    // Whoever comes next knows what a run became elsewhere, though it has an older state in memory.
    world.tell(run, ended("build", 1, Verdict::Failure)).await;
    let stranger = world.stranger();
    stranger.tick().await.unwrap();
    assert_eq!(world.check("ci / build").conclusion.as_deref(), Some("failure"));
    world.nothing_left().await;
}

#[tokio::test]
async fn who_dies_before_the_request_leaves_nothing_undone() {
    let world = World::new().await;
    world.start(1).await;
    // Another process claimed the head, said what it would do, and was gone.
    let due = world.store.claim_heads(world.clock.now(), 2 * MINUTE, 1).await.unwrap().remove(0);
    let row = CheckRow {
        name: "ci".to_owned(),
        generation: 1,
        github_id: None,
        sent_version: due.epoch,
        sent_hash: None,
        conclusion: None,
        annotations: 0,
        sent_at: world.clock.now(),
    };
    assert!(world.store.check_sending(due.head.clone(), row.clone()).await.unwrap());
    world.settle().await;
    assert!(world.shown().is_empty(), "the head is still its own");
    world.clock.jump(3 * MINUTE);
    world.settle().await;
    assert_eq!((world.generations("ci"), world.made("ci")), (1, 1));
    // It comes back to life and goes on where it was: it is too late.
    assert!(!world.store.check_sending(due.head.clone(), row.clone()).await.unwrap());
    assert!(!world.store.check_sent(due.head.clone(), row).await.unwrap());
    world.nothing_left().await;
}

#[tokio::test]
async fn another_speaker_ends_what_only_the_old_one_shows() {
    let world = World::new().await;
    let old = world.start(1).await;
    world.tell(old, started("build", 1)).await;
    world.settle().await;
    assert_eq!(world.check("ci / build").status, "in_progress");
    world.start(2).await;
    world.settle().await;
    assert_eq!(
        world.shown(),
        ["ci [in_progress]: 0 of 2 steps done", "ci / build [cancelled]: Another run took its place"]
    );
    // The old one is heard no more.
    world.tell(old, ended("build", 1, Verdict::Success)).await;
    world.settle().await;
    assert_eq!(world.check("ci / build").conclusion.as_deref(), Some("cancelled"));
    world.nothing_left().await;
}

#[tokio::test]
async fn reasons_and_changed_files_show() {
    let world = World::new().await;
    let problem = note(3);
    let path = ".workflows/ci.yml".to_owned();
    let files = vec![FileProblems { path, problems: vec![Annotation { level: Level::Failure, ..problem }] }];
    let config = Reason::Config { files, branch: "main".to_owned() };
    world.speak("config", &config, CONFIG_CHECK).await;
    world.speak("docs", &Reason::Filtered("No file under docs/ changed.".to_owned()), "docs").await;
    world.settle().await;
    assert_eq!(
        world.shown(),
        ["docs [skipped]: Not for this change", "pointsman / config [failure]: 1 workflow file wrong"]
    );
    assert_eq!(world.check(CONFIG_CHECK).annotations, ["src/main.rs:3 failure note 3"]);
    // A mark for a name that nobody speaks for writes nothing.
    let before = world.writes();
    world.store.mark_dirty(vec![world.dirty("nobody")], world.clock.now()).await.unwrap();
    world.settle().await;
    assert_eq!(world.writes(), before);
    world.nothing_left().await;
}

#[tokio::test]
async fn a_quarantined_run_does_not_wait_for_ever() {
    let world = World::new().await;
    let run = world.start(1).await;
    world.settle().await;
    world.store.quarantine(run, "planted").await.unwrap();
    world.store.mark_dirty(vec![world.dirty("ci")], world.clock.now()).await.unwrap();
    world.settle().await;
    assert_eq!(world.shown(), ["ci [failure]: Internal error"]);
    assert!(world.check("ci").summary.unwrap().contains(&run.to_string()));
    world.nothing_left().await;
}

#[tokio::test]
async fn a_reply_and_a_reaction_are_made_once() {
    let world = World::new().await;
    let comment = world.github.person("ann").comment(world.number, "/help").await.unwrap();
    let reply = Outgoing::Reply {
        repo: REPO.parse().unwrap(),
        number: i64::try_from(world.number).unwrap(),
        key: "reply:1#1".to_owned(),
        text: "Here you are.".to_owned(),
    };
    let react = |content| Outgoing::Reaction { repo: REPO.parse().unwrap(), comment, content };
    world.say(&[reply, react(Reaction::Eyes), react(Reaction::ThumbsDown)]).await;
    world.github.fail_next(1, ("POST", "/repos/octo/app/issues"), Weather::CutAfterExecution);
    let deliver = Deliver {
        store: world.store.clone(),
        app: world.app.clone(),
        writers: world.writers.clone(),
        clock: world.clock.clone(),
        replica: Incarnation([1; 16]),
    };
    for _ in 0..5 {
        deliver.tick().await.unwrap();
        world.clock.jump(3 * SECOND);
    }
    let comments = world.github.comments(world.number);
    assert_eq!(comments.iter().filter(|one| one.body.contains("Here you are.")).count(), 1, "{comments:?}");
    assert_eq!(world.github.reactions(comment), ["eyes", "-1"]);
    assert_eq!(deliver.tick().await.unwrap(), Next::Period, "nothing is left");
}

#[tokio::test]
async fn a_reply_that_nobody_takes_is_given_up() {
    let world = World::new().await;
    let reply = Outgoing::Reply { repo: REPO.parse().unwrap(), number: 999, key: "k".to_owned(), text: "?".to_owned() };
    world.say(&[reply]).await;
    let deliver = Deliver {
        store: world.store.clone(),
        app: world.app.clone(),
        writers: world.writers.clone(),
        clock: world.clock.clone(),
        replica: Incarnation([1; 16]),
    };
    assert_eq!(deliver.tick().await.unwrap(), Next::Period);
}

#[test]
fn outgoing_is_written_as_the_intake_writes_it() {
    let reply = r#"{"kind":"reply","repo":"o/r","number":7,"key":"k","text":"t"}"#;
    assert_eq!(serde_json::to_string(&serde_json::from_str::<Outgoing>(reply).unwrap()).unwrap(), reply);
    let reaction = r#"{"kind":"reaction","repo":"o/r","comment":123,"content":"-1"}"#;
    assert_eq!(serde_json::to_string(&serde_json::from_str::<Outgoing>(reaction).unwrap()).unwrap(), reaction);
}

#[tokio::test]
async fn a_missed_webhook_is_asked_for_once() {
    let world = World::new().await;
    world.github.set_delivering(Delivering::Dropped);
    world.github.set_webhook(&receiver().await);
    world.github.person("ann").comment(world.number, "/status").await.unwrap();
    world.github.person("ann").close(world.number).await.unwrap();
    world.github.set_delivering(Delivering::Once);
    let redeliver = || Redeliver {
        store: world.store.clone(),
        app: world.app.clone(),
        clock: world.clock.clone(),
        since: world.clock.now(),
    };
    let (one, two) = (redeliver(), redeliver());
    let (first, second) = tokio::join!(one.tick(), two.tick());
    for ticked in [first, second] {
        ticked.unwrap();
    }
    let asked = || world.github.requests().iter().filter(|one| one.path.ends_with("/attempts")).count();
    let all = asked();
    assert!(all >= 3, "a ping, a comment and an end were missed, {all} asked for");
    world.github.deliveries_settled().await;
    for _ in 0..3 {
        world.clock.jump(5 * MINUTE);
        redeliver().tick().await.unwrap();
    }
    assert_eq!(asked(), all);
}

#[tokio::test]
async fn a_superseded_run_lets_the_next_one_speak() {
    let world = World::new().await;
    let old = world.start(1).await;
    world.tell(old, started("build", 1)).await;
    world.settle().await;
    world.start(2).await;
    world.tell(old, Event::Superseded).await;
    world.settle().await;
    assert_eq!(world.check("ci").conclusion, None);
    assert_eq!(world.generations("ci"), 1, "an open check run passes from speaker to speaker");
    world.nothing_left().await;
}

/// Somebody who takes every webhook.
async fn receiver() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().fallback(|| async { StatusCode::ACCEPTED });
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}/webhook")
}

impl World {
    async fn say(&self, outgoing: &[Outgoing]) {
        let effect = |(at, one): (usize, &Outgoing)| {
            let body = serde_json::to_vec(one).unwrap();
            let (id, name) = (Uuid::from_u128(at as u128 + 1), format!("{at}"));
            (self.installation, EffectWrite { id, kind: one.kind(), name, due_at: self.clock.now(), body })
        };
        let effects = outgoing.iter().enumerate().map(effect).collect();
        let beside = Beside { at: self.clock.now(), effects, ..Beside::default() };
        let _ = self.runs.commit(Vec::new(), Together { beside, ..Together::default() }).await.unwrap();
    }

    async fn speak(&self, workflow: &str, reason: &Reason, check: &str) {
        let write = self.speaker(workflow, Speaker::Reason(serde_json::to_string(reason).unwrap()), 1);
        let write = pointsman::store::HeadWrite { expect: 0, ..write };
        let beside =
            Beside { at: self.clock.now(), heads: vec![write], dirty: vec![self.dirty(check)], ..Beside::default() };
        let _ = self.runs.commit(Vec::new(), Together { beside, ..Together::default() }).await.unwrap();
    }
}

//! The door: together, alone, against rivals, and with a line that breaks.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::world::{INSTALLATION, Plan, REPO, World, arrival, bundle, head, row, run_id, step};
use crate::ids::AttemptId;
use crate::store::{
    AttemptInsert, AttemptWrite, BlobWrite, Bundle, Claim, Consumed, DirtyCheck, Door, EffectWrite, Error, GateId,
    GateKind, GateWrite, HeadWrite, HoldWrite, Incarnation, Point, RunFilter, Speaker, Verdict,
};
use crate::time::Timestamp;

super::on_each!(
    many_at_once_share_commits,
    a_loser_is_named_and_leaves_nothing,
    a_bundle_lands_whole_or_not_at_all,
    transitions_of_one_run_follow_one_another,
    an_unanswered_commit_is_looked_up,
    a_cause_is_used_up_once,
    a_bad_neighbour_harms_nobody,
    a_journal_that_was_changed_is_seen,
    sealed_and_plain_runs_lie_side_by_side,
    the_rows_of_a_transition_can_be_read,
    a_held_attempt_cannot_be_claimed,
    what_shall_stop_keeps_nobody_out_of_the_queue,
    a_run_that_is_pruned_cannot_come_back,
    a_caller_that_left_changes_nothing,
);

async fn many_at_once_share_commits(world: World) {
    let plan = Arc::new(Plan::default());
    let door = Door::open(&world.store, plan.clone()).unwrap();
    for round in 0..4 {
        let commits = (0..64).map(|number| door.commit(step(run_id(number), round).into()));
        for verdict in futures_util::future::join_all(commits).await {
            assert_eq!(verdict.unwrap(), Verdict::Committed);
        }
    }
    for number in 0..64 {
        assert_eq!(world.store.verify_run(run_id(number)).await.unwrap(), 4);
    }
    let commits = plan.commits.load(Ordering::SeqCst);
    assert!(commits < 100, "256 transitions took {commits} commits");
}

async fn a_loser_is_named_and_leaves_nothing(world: World) {
    let (ours, theirs) = (world.door(), world.door());
    assert_eq!(ours.commit(step(run_id(1), 0).into()).await.unwrap(), Verdict::Committed);
    // Two doors are two replicas: both read seq 1.
    let mut rival = step(run_id(1), 1);
    rival.effects.push(effect("rival"));
    let (a, b) = tokio::join!(ours.commit(step(run_id(1), 1).into()), theirs.commit(rival.clone().into()));
    let (a, b) = (a.unwrap(), b.unwrap());
    let lost = Verdict::Lost(vec![Claim::Run(run_id(1))]);
    assert!([(&a, &b), (&b, &a)].contains(&(&Verdict::Committed, &lost)), "{a:?} {b:?}");
    assert_eq!(world.store.verify_run(run_id(1)).await.unwrap(), 2);
    // A new run that exists already loses too.
    assert_eq!(ours.commit(step(run_id(1), 0).into()).await.unwrap(), lost);
    assert_eq!(theirs.commit(rival.into()).await.unwrap(), lost);
    let due =
        world.store.claim_effects(Timestamp(1_000), std::time::Duration::from_secs(1), Incarnation([1; 16]), 10).await;
    assert_eq!(due.unwrap().len(), usize::from(b == Verdict::Committed));
}

async fn a_bundle_lands_whole_or_not_at_all(world: World) {
    let door = world.door();
    let both = bundle(vec![step(run_id(1), 0), step(run_id(2), 0)]);
    assert_eq!(door.commit(both).await.unwrap(), Verdict::Committed);
    // One of the two has moved on: neither moves.
    let stale = bundle(vec![step(run_id(1), 1), step(run_id(2), 0), step(run_id(3), 0)]);
    assert_eq!(door.commit(stale).await.unwrap(), Verdict::Lost(vec![Claim::Run(run_id(2))]));
    assert_eq!(world.store.verify_run(run_id(1)).await.unwrap(), 1);
    assert_eq!(world.store.run(run_id(3)).await.unwrap(), None);
    let runs =
        (0..201).map(|n| step(crate::ids::RunId { installation: INSTALLATION, uuid: uuid::Uuid::from_u128(n) }, 0));
    let refused = door.commit(bundle(runs.collect())).await;
    assert!(matches!(refused, Err(Error::TooLarge { max: 200, .. })), "{refused:?}");
}

async fn transitions_of_one_run_follow_one_another(world: World) {
    let door = world.door();
    let (mut first, mut last) = (step(run_id(1), 0), step(run_id(1), 2));
    (first.row.phase, last.row.phase) = ("asking", "success");
    let all = bundle(vec![first, step(run_id(1), 1), last, step(run_id(2), 0)]);
    assert_eq!(door.commit(all).await.unwrap(), Verdict::Committed);
    assert_eq!(world.store.verify_run(run_id(1)).await.unwrap(), 3);
    assert_eq!(world.store.verify_run(run_id(2)).await.unwrap(), 1);
    let row = world.store.run(run_id(1)).await.unwrap().unwrap();
    assert_eq!((row.seq, row.phase.as_str()), (3, "success"));
    // The first of them is compared: all follow it, or none.
    let stale = bundle(vec![step(run_id(1), 2), step(run_id(1), 3)]);
    assert_eq!(door.commit(stale).await.unwrap(), Verdict::Lost(vec![Claim::Run(run_id(1))]));
    let more = bundle(vec![step(run_id(1), 3), step(run_id(1), 4)]);
    assert_eq!(door.commit(more).await.unwrap(), Verdict::Committed);
    assert_eq!(world.store.verify_run(run_id(1)).await.unwrap(), 5);
    for gap in [vec![5, 7], vec![5, 5], vec![6, 5]] {
        let gap = gap.into_iter().map(|seq| step(run_id(1), seq)).collect();
        assert!(matches!(door.commit(bundle(gap)).await, Err(Error::Order(run)) if run == run_id(1)));
    }
}

async fn an_unanswered_commit_is_looked_up(world: World) {
    let plan = Arc::new(Plan::default());
    let door = Door::open(&world.store, plan.clone()).unwrap();
    let planned = [
        vec![Point::AfterCommit],
        vec![Point::BeforeCommit],
        vec![Point::AfterCommit, Point::BeforeReadBack, Point::BeforeReadBack],
        vec![Point::BeforeCommit, Point::AfterCommit],
    ];
    for (seq, breaks) in (0..).zip(planned) {
        plan.breaks.lock().unwrap().clone_from(&breaks);
        assert_eq!(door.commit(step(run_id(1), seq).into()).await.unwrap(), Verdict::Committed, "{breaks:?}");
        assert!(plan.breaks.lock().unwrap().is_empty(), "{breaks:?} did not happen");
        assert_eq!(world.store.verify_run(run_id(1)).await.unwrap(), usize::try_from(seq).unwrap() + 1);
    }
    // Nothing written for as long as anybody tries: that is a failure, and not a doubt.
    *plan.breaks.lock().unwrap() = vec![Point::BeforeCommit; 5];
    let failed = door.commit(step(run_id(1), 4).into()).await.unwrap();
    assert!(matches!(failed, Verdict::Failed(_)), "{failed:?}");
    assert_eq!(door.commit(step(run_id(1), 4).into()).await.unwrap(), Verdict::Committed);
}

async fn a_cause_is_used_up_once(world: World) {
    let door = world.door();
    world.store.receive(vec![arrival(1, "3")]).await.unwrap();
    let delivery =
        world.store.next_deliveries(Timestamp(2_000_000), std::time::Duration::from_secs(9), 1).await.unwrap();
    let delivery = delivery.first().unwrap();
    let done = Consumed::Delivery {
        installation: INSTALLATION,
        id: delivery.id,
        lane: delivery.lane.clone(),
        outcome: "run ci".to_owned(),
        at: Timestamp(5),
    };
    let key = Consumed::Key { installation: INSTALLATION, name: "comment 5:1".to_owned(), at: Timestamp(5) };
    let gate = GateId { scope: INSTALLATION, name: "group ci".to_owned() };
    let gate = |version| Consumed::Gate { gate: gate.clone(), version };
    let hold = |version| Consumed::Hold { installation: INSTALLATION, repo: REPO, number: 3, workflow: None, version };
    for (number, cause) in (1..).zip([done, key, gate(0)]) {
        let with = |run| Bundle {
            transitions: vec![step(run_id(run), 0)],
            consumed: vec![cause.clone()],
            ..Bundle::default()
        };
        let (first, again) = tokio::join!(door.commit(with(number)), door.commit(with(number + 10)));
        let verdicts = [first.unwrap(), again.unwrap()];
        assert_eq!(
            verdicts.iter().filter(|verdict| **verdict == Verdict::Committed).count(),
            1,
            "{cause:?} {verdicts:?}"
        );
    }
    // A pause between reading the holds and making the run: the run is not made.
    let held = HoldWrite {
        installation: INSTALLATION,
        repo: REPO,
        number: 3,
        workflow: None,
        expect: 0,
        held: true,
        actor: "octocat".to_owned(),
        why: "release".to_owned(),
        at: Timestamp(6),
    };
    let pause = Bundle { holds: vec![held], ..Bundle::default() };
    assert_eq!(door.commit(pause).await.unwrap(), Verdict::Committed);
    let late = Bundle { transitions: vec![step(run_id(50), 0)], consumed: vec![hold(0)], ..Bundle::default() };
    assert!(matches!(door.commit(late).await.unwrap(), Verdict::Lost(_)));
    let fresh = Bundle { transitions: vec![step(run_id(50), 0)], consumed: vec![hold(1)], ..Bundle::default() };
    assert_eq!(door.commit(fresh).await.unwrap(), Verdict::Committed);
    assert!(world.store.pr_holds(INSTALLATION, REPO, 3).await.unwrap().first().unwrap().held);
}

async fn a_bad_neighbour_harms_nobody(world: World) {
    let door = world.door();
    let mut bad = step(run_id(0), 0);
    // Refused by MySQL for its length. SQLite takes it: what counts is the others.
    bad.event.actor = "x".repeat(10_000);
    let good = (1..32).map(|number| door.commit(step(run_id(number), 0).into()));
    let (bad, good) = tokio::join!(door.commit(bad.into()), futures_util::future::join_all(good));
    assert_eq!(matches!(bad.unwrap(), Verdict::Failed(_)), world.store.is_mysql());
    assert!(good.into_iter().all(|verdict| verdict.unwrap() == Verdict::Committed));
}

async fn a_journal_that_was_changed_is_seen(world: World) {
    let door = world.door();
    for number in 1..5 {
        for seq in 0..3 {
            door.commit(step(run_id(number), seq).into()).await.unwrap();
        }
    }
    let tampered: [(u8, &'static str); 3] = [
        (1, "UPDATE run_event SET actor = 'mallory' WHERE seq = 2 AND run = x'01010101010101010101010101010101'"),
        (2, "DELETE FROM run_event WHERE seq = 2 AND run = x'02020202020202020202020202020202'"),
        (3, "UPDATE run SET seq = 2 WHERE id = x'03030303030303030303030303030303'"),
    ];
    for (number, sql) in tampered {
        assert_eq!(world.tamper(sql).await, 1);
        let loaded = world.store.load_run(run_id(number)).await;
        assert!(matches!(loaded, Err(Error::Unreadable { .. })), "{sql}");
    }
    assert_eq!(world.store.verify_run(run_id(4)).await.unwrap(), 3);
}

async fn sealed_and_plain_runs_lie_side_by_side(world: World) {
    let key = "0123456789abcdef0123456789abcdef0123456789abcdef";
    let secret = b"the plan of the release";
    let with_secret = |run, seq| {
        let mut step = step(run, seq);
        step.event.body = secret.to_vec();
        step
    };
    world.door().commit(with_secret(run_id(1), 0).into()).await.unwrap();
    let sealed = world.another(&[key]).await;
    sealed.migrate().await.unwrap();
    let door = Door::open(&sealed, Arc::new(crate::store::NoFaults)).unwrap();
    for (run, seq) in [(run_id(1), 1), (run_id(2), 0), (run_id(2), 1)] {
        assert_eq!(door.commit(with_secret(run, seq).into()).await.unwrap(), Verdict::Committed);
        sealed.write_checkpoint(run, seq + 1, secret).await.unwrap();
    }
    for run in [run_id(1), run_id(2)] {
        let loaded = sealed.load_run(run).await.unwrap().unwrap();
        assert_eq!(loaded.checkpoint, Some((2, secret.to_vec())));
        assert_eq!(sealed.verify_run(run).await.unwrap(), 2);
        assert!(sealed.events(run, 0, 10).await.unwrap().iter().all(|event| event.body == secret));
    }
    // Without the key the sealed one stays shut, and the other opens.
    assert!(world.store.load_run(run_id(2)).await.is_err());
    assert!(world.store.load_run(run_id(1)).await.is_ok());
    // Rotation: a new key in front, the old one behind; then the old one may go.
    let new = "fedcba9876543210fedcba9876543210fedcba9876543210";
    let rotating = world.another(&[new, key]).await;
    rotating.migrate().await.unwrap();
    let mut after = None;
    while let Some(last) = rotating.rotate_keys(after).await.unwrap() {
        after = Some(last);
    }
    let rotated = world.another(&[new]).await;
    rotated.migrate().await.unwrap();
    assert_eq!(rotated.verify_run(run_id(2)).await.unwrap(), 2);
    assert!(world.another(&[key]).await.migrate().await.is_err(), "the instance secret is wrapped by the new key");
}

fn effect(name: &str) -> EffectWrite {
    EffectWrite {
        id: uuid::Uuid::from_bytes([9; 16]),
        kind: "reply",
        name: name.to_owned(),
        due_at: Timestamp(1),
        body: b"hi".to_vec(),
    }
}

fn insert(key: &str, claimed: Option<(Incarnation, [u8; 32])>) -> AttemptWrite {
    let (step, agent) = (key.parse().unwrap(), "shell".parse().unwrap());
    AttemptWrite::Insert(AttemptInsert { step, number: 1, agent, due_at: Timestamp(1), held: false, claimed })
}

async fn a_held_attempt_cannot_be_claimed(world: World) {
    let (door, store, me) = (world.door(), &world.store, Incarnation([1; 16]));
    let mut first = step(run_id(1), 0);
    first.attempts = vec![insert("build", None)];
    door.commit(first.into()).await.unwrap();
    let build = AttemptId { run: run_id(1), step: "build".parse().unwrap(), number: 1 };
    let claim = |seq| {
        let mut claim = step(run_id(1), seq);
        claim.attempts.push(AttemptWrite::Claim {
            step: build.step.clone(),
            number: 1,
            owner: me,
            token_hash: [6; 32],
        });
        Bundle {
            transitions: vec![claim],
            consumed: vec![Consumed::Attempt { id: build.clone(), epoch: 1 }],
            ..Bundle::default()
        }
    };
    let mut pause = step(run_id(1), 1);
    pause.hold_attempts = Some(true);
    door.commit(pause.into()).await.unwrap();
    assert!(store.queued_attempts("shell".parse().unwrap(), Timestamp(9), 9).await.unwrap().is_empty());
    assert_eq!(door.commit(claim(2)).await.unwrap(), Verdict::Lost(vec![Claim::Attempt(build.clone())]));
    let mut resume = step(run_id(1), 2);
    resume.hold_attempts = Some(false);
    door.commit(resume.into()).await.unwrap();
    assert_eq!(store.queued_attempts("shell".parse().unwrap(), Timestamp(9), 9).await.unwrap().len(), 1);
    assert_eq!(door.commit(claim(3)).await.unwrap(), Verdict::Committed);
    assert!(matches!(door.commit(claim(4)).await.unwrap(), Verdict::Lost(_)));
    assert!(store.attempt_sent(build.clone(), 2, "task", "http://agent").await.unwrap());
    assert!(!store.attempt_sent(build, 1, "task", "http://agent").await.unwrap(), "an old epoch is fenced");
}

async fn what_shall_stop_keeps_nobody_out_of_the_queue(world: World) {
    let (door, store) = (world.door(), &world.store);
    let mut first = step(run_id(1), 0);
    first.attempts = vec![insert("build", None), insert("lint", None)];
    door.commit(first.into()).await.unwrap();
    let next = async || store.queued_attempts("shell".parse().unwrap(), Timestamp(9), 1).await.unwrap().remove(0).id;
    let stopped = next().await;
    let mut stop = step(run_id(1), 1);
    stop.attempts.push(AttemptWrite::Stop { step: stopped.step.clone(), number: 1 });
    door.commit(stop.into()).await.unwrap();
    assert_ne!(next().await, stopped);
}

async fn the_rows_of_a_transition_can_be_read(world: World) {
    let (door, store, me) = (world.door(), &world.store, Incarnation([1; 16]));
    let gate = GateId { scope: INSTALLATION, name: "runs".to_owned() };
    let mut first = step(run_id(1), 0);
    first.attempts =
        vec![insert("build", None), insert("lint", Some((me, [5; 32]))), insert("test", Some((me, [6; 32])))];
    first.effects.push(effect("comment 1"));
    first.dirty.push(DirtyCheck { head: head(), name: "ci / build".to_owned() });
    first.heads.push(HeadWrite {
        head: head(),
        workflow: "ci".parse().unwrap(),
        expect: 0,
        speaker: Speaker::Run(run_id(1)),
        class: 2,
        source_at: Timestamp(1),
    });
    let key = store.blob_key(run_id(1), b"log").unwrap();
    first.blobs.push(BlobWrite { key, body: b"log".to_vec() });
    first.gates = vec![
        GateWrite::Wait { gate: gate.clone(), holder: "r".to_owned(), priority: 1, source_at: Timestamp(1) },
        GateWrite::TicketInsert { gate: gate.clone(), kind: GateKind::RunLimit, holder: "r2".to_owned() },
    ];
    assert_eq!(door.commit(first.into()).await.unwrap(), Verdict::Committed);
    assert_eq!(store.blob(run_id(1), key).await.unwrap().unwrap(), b"log");
    assert_eq!(store.attempt_by_token([5; 32]).await.unwrap().unwrap().state, "claimed");
    assert_eq!(store.speakers(head()).await.unwrap().first().unwrap().speaker, Speaker::Run(run_id(1)));
    let (version, tickets, waits) = store.gate(gate.clone(), 5).await.unwrap();
    assert_eq!((version, tickets.len(), waits.len()), (0, 1, 1));
    for filter in [RunFilter::All, RunFilter::Repo(REPO), RunFilter::Pull(REPO, 3), RunFilter::Head(REPO, row().sha)] {
        let page = store.list_runs(INSTALLATION, filter.clone(), None, 10).await.unwrap();
        assert_eq!(page.iter().map(|run| run.id).collect::<Vec<_>>(), [run_id(1)], "{filter:?}");
    }
    let live = store.live_runs(None, 10).await.unwrap();
    assert_eq!(live.iter().map(|run| run.id).collect::<Vec<_>>(), [run_id(1)]);
    assert!(store.live_runs(Some(run_id(1)), 10).await.unwrap().is_empty());
    assert_eq!(store.due_runs(Timestamp(50), 10).await.unwrap(), [run_id(1)]);

    let mut last = step(run_id(1), 1);
    last.row.finished_at = Some(Timestamp(200));
    last.row.wake_at = None;
    last.attempts = vec![AttemptWrite::StopAll, AttemptWrite::Delete { step: "lint".parse().unwrap(), number: 1 }];
    last.gates = vec![GateWrite::Leave];
    assert_eq!(door.commit(last.into()).await.unwrap(), Verdict::Committed);
    assert_eq!(store.owned_attempts(me, true).await.unwrap().len(), 1);
    assert!(store.waiting_gates().await.unwrap().is_empty());
    assert_eq!(store.count_live().await.unwrap(), 0);
    while !store.prune(Timestamp(1_000)).await.unwrap().is_empty() {}
    assert_eq!(store.run(run_id(1)).await.unwrap(), None);
    assert!(store.events(run_id(1), 0, 9).await.unwrap().is_empty());
}

async fn a_run_that_is_pruned_cannot_come_back(world: World) {
    let (door, store, limit) = (world.door(), &world.store, Timestamp(1_000));
    let finished = |number, seq| {
        let mut last = step(run_id(number), seq);
        last.row.finished_at = Some(Timestamp(200));
        last
    };
    for number in [1, 2] {
        assert_eq!(door.commit(finished(number, 0).into()).await.unwrap(), Verdict::Committed);
    }
    // One is brought back before its turn comes: it is left alone, whole.
    assert_eq!(door.commit(step(run_id(1), 1).into()).await.unwrap(), Verdict::Committed);
    assert!(!store.condemn(run_id(1), limit).await.unwrap());
    // The other one too late: what was decided on it loses, and it can be decided on no more.
    assert!(store.condemn(run_id(2), limit).await.unwrap());
    let late = door.commit(step(run_id(2), 1).into()).await.unwrap();
    assert_eq!(late, Verdict::Lost(vec![Claim::Run(run_id(2))]));
    assert!(matches!(store.load_run(run_id(2)).await, Err(Error::Unreadable { .. })));
    while !store.prune(limit).await.unwrap().is_empty() {}
    assert_eq!(store.run(run_id(2)).await.unwrap(), None);
    assert_eq!(store.verify_run(run_id(1)).await.unwrap(), 2);
}

async fn a_caller_that_left_changes_nothing(world: World) {
    let door = world.door();
    for number in 0..30_u8 {
        let commit = door.commit(step(run_id(number), 0).into());
        let _ = tokio::time::timeout(std::time::Duration::from_micros(u64::from(number) * 40), commit).await;
    }
    // Taken or not, each run is whole, and its mark is free again.
    for number in 0..30_u8 {
        let seq = loop {
            let seq = world.store.run(run_id(number)).await.unwrap().map_or(0, |run| run.seq);
            match door.commit(step(run_id(number), seq).into()).await.unwrap() {
                Verdict::Committed => break seq + 1,
                Verdict::Lost(_) => {}
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(world.store.verify_run(run_id(number)).await.unwrap(), usize::try_from(seq).unwrap());
    }
}

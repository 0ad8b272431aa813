//! The inbox with its lanes, and the queues whose claims are leases.

use std::time::Duration;

use super::world::{INSTALLATION, REPO, World, arrival, head, run_id, step};
use crate::store::inbox::TRIES_MAX;
use crate::store::{
    Again, Arrived, Budget, Bundle, CheckRow, Claim, Consumed, DirtyCheck, EffectWrite, GateId, GateKind, Incarnation,
    InstallationRow, Mailbox, TicketRow, Verdict,
};
use crate::time::{Clock, Timestamp};

super::on_each!(
    a_delivery_is_stored_once,
    a_lane_is_worked_on_in_order_and_by_one,
    a_late_word_moves_no_lane,
    what_two_read_one_claims,
    what_arrives_while_a_lane_is_found_empty_does_not_wait,
    who_had_a_lane_does_not_have_its_successor,
    a_delivery_that_keeps_failing_is_parked,
    large_bodies_come_back_whole,
    heads_effects_and_checks_are_claimed_once,
    replicas_beat_and_fall_silent,
    global_tickets_and_budgets_have_one_taker,
    a_ticket_counts_only_as_it_was_taken,
    a_quarantined_run_is_left_alone,
);

const LEASE: Duration = Duration::from_secs(10);
const NOW: Timestamp = Timestamp(9_000_000);

async fn a_delivery_is_stored_once(world: World) {
    let mailbox = Mailbox::open(world.store.clone());
    let mut puts = Vec::new();
    for number in 0..40 {
        for copy in 0..4 {
            let mut arrival = arrival(number, "1");
            if copy == 2 {
                // GitHub signs the body only: a replay may carry another guid.
                arrival.guid = format!("forged-{number}");
            }
            if copy == 3 {
                // Sent again after the secret was exchanged: the same body has another tag.
                arrival.tag = [number + 100; 32];
            }
            puts.push(mailbox.put(arrival));
        }
    }
    let answers = futures_util::future::join_all(puts).await;
    let stored = answers.iter().filter(|answer| matches!(answer, Ok(Arrived::Stored(_)))).count();
    let duplicates = answers.iter().filter(|answer| matches!(answer, Ok(Arrived::Duplicate))).count();
    assert_eq!((stored, duplicates), (40, 120));
    let known = world
        .store
        .known_deliveries(1, vec!["guid-0".to_owned(), "guid-99".to_owned(), "guid-1".to_owned()])
        .await
        .unwrap();
    assert!(known.len() <= 2 && !known.contains(&"guid-99".to_owned()), "{known:?}");
}

async fn a_lane_is_worked_on_in_order_and_by_one(world: World) {
    let store = &world.store;
    store.receive(vec![arrival(2, "a"), arrival(1, "a"), arrival(3, "b")]).await.unwrap();
    let (mine, theirs) = tokio::join!(store.next_deliveries(NOW, LEASE, 10), store.next_deliveries(NOW, LEASE, 10));
    let mut claimed: Vec<_> = mine.unwrap().into_iter().chain(theirs.unwrap()).collect();
    claimed.sort_by_key(|delivery| delivery.id);
    let bodies = |claimed: &[crate::store::Delivery]| {
        claimed.iter().map(|d| String::from_utf8(d.body.clone()).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(bodies(&claimed), [r#"{"number":1}"#, r#"{"number":3}"#]);
    let [first, third] = &claimed[..] else { panic!() };
    // While the lease runs nobody else gets the lane; an arrival does not change that.
    store.receive(vec![arrival(4, "a")]).await.unwrap();
    assert!(store.next_deliveries(NOW, LEASE, 10).await.unwrap().is_empty());
    store.delivery_done(first, "nothing to do", NOW).await.unwrap();
    store.delivery_failed(third, "GitHub is away", NOW, NOW.plus(LEASE)).await.unwrap();
    let next = store.next_deliveries(NOW, LEASE, 10).await.unwrap();
    assert_eq!(bodies(&next), [r#"{"number":2}"#], "lane b backs off");
    // The worker died: after its lease the lane is anybody's, and its late word counts for nothing in the lane.
    let later = NOW.plus(LEASE).plus(LEASE);
    let again = store.next_deliveries(later, LEASE, 10).await.unwrap();
    assert_eq!(bodies(&again).len(), 2);
    for delivery in again.iter() {
        store.delivery_done(delivery, "done", later).await.unwrap();
    }
    store.delivery_done(next.first().unwrap(), "late", later).await.unwrap();
    let last = store.next_deliveries(later, LEASE, 10).await.unwrap();
    assert_eq!(bodies(&last), [r#"{"number":4}"#]);
    store.delivery_done(last.first().unwrap(), "done", later).await.unwrap();
    assert!(store.next_deliveries(later, LEASE, 10).await.unwrap().is_empty());
    assert_eq!(store.oldest_pending().await.unwrap(), None);
    // An empty lane is forgotten, and comes back with the next arrival.
    store.receive(vec![arrival(5, "a")]).await.unwrap();
    assert_eq!(store.next_deliveries(later, LEASE, 10).await.unwrap().len(), 1);
}

async fn a_late_word_moves_no_lane(world: World) {
    let store = &world.store;
    store.receive(vec![arrival(1, "a")]).await.unwrap();
    let slow = store.next_deliveries(NOW, LEASE, 1).await.unwrap().remove(0);
    // Its lease is over, and another has the lane.
    let later = NOW.plus(LEASE).plus(LEASE);
    assert_eq!(store.next_deliveries(later, LEASE, 1).await.unwrap().len(), 1);
    store.delivery_failed(&slow, "too slow", later, later).await.unwrap();
    assert!(store.next_deliveries(later, LEASE, 1).await.unwrap().is_empty());
}

async fn what_two_read_one_claims(world: World) {
    let (store, me) = (&world.store, Incarnation([1; 16]));
    store.receive(vec![arrival(1, "a")]).await.unwrap();
    store.mark_dirty(vec![DirtyCheck { head: head(), name: "ci".to_owned() }], NOW).await.unwrap();
    let (id, name) = (uuid::Uuid::from_bytes([9; 16]), "1".to_owned());
    let mut with_effect = step(run_id(1), 0);
    with_effect.effects.push(EffectWrite { id, kind: "reply", name, due_at: NOW, body: b"hi".to_vec() });
    world.door().commit(with_effect.into()).await.unwrap();
    let (installation, lane, arrivals) = on!(store, inbox::due_lanes(NOW.0, 1)).unwrap().remove(0);
    let due = on!(store, heads::due(NOW.0, 1)).unwrap().remove(0);
    let effect = on!(store, effects::due(NOW.0, 1)).unwrap().remove(0);
    let until = NOW.plus(LEASE).0;
    for is_first in [true, false] {
        let (lane, head, epoch) = (lane.clone(), due.head.clone(), due.epoch);
        let lane = on!(store, inbox::claim_oldest((installation, &lane, arrivals), (until, Some(me))));
        assert_eq!(lane.unwrap().is_some(), is_first, "the lane");
        let head = on!(store, heads::claim((&head, epoch), (until, Some(me))));
        assert_eq!(head.unwrap(), is_first, "the head");
        let key = (effect.installation, effect.id, effect.epoch);
        assert_eq!(on!(store, effects::claim(key, me, until)).unwrap(), is_first, "the effect");
    }
}

async fn what_arrives_while_a_lane_is_found_empty_does_not_wait(world: World) {
    let store = &world.store;
    store.receive(vec![arrival(1, "a")]).await.unwrap();
    let first = store.next_deliveries(NOW, LEASE, 10).await.unwrap();
    store.delivery_done(first.first().unwrap(), "done", NOW).await.unwrap();
    // The lane is read; something arrives that is known already; then the lane is claimed and found empty.
    let (installation, lane, arrivals) = on!(store, inbox::due_lanes(NOW.0, 1)).unwrap().remove(0);
    store.receive(vec![arrival(1, "a")]).await.unwrap();
    let claimed = on!(store, inbox::claim_oldest((installation, &lane, arrivals), (NOW.plus(LEASE).0, None))).unwrap();
    assert!(claimed.is_none());
    store.receive(vec![arrival(2, "a")]).await.unwrap();
    assert_eq!(store.next_deliveries(NOW, LEASE, 10).await.unwrap().len(), 1);
}

async fn who_had_a_lane_does_not_have_its_successor(world: World) {
    let store = &world.store;
    store.receive(vec![arrival(1, "1")]).await.unwrap();
    let stale = store.next_deliveries(NOW, LEASE, 10).await.unwrap();
    store.delivery_done(stale.first().unwrap(), "done", NOW).await.unwrap();
    assert!(store.next_deliveries(NOW, LEASE, 10).await.unwrap().is_empty(), "nothing waits: the lane is forgotten");
    store.receive(vec![arrival(2, "1")]).await.unwrap();
    assert_eq!(store.next_deliveries(NOW, LEASE, 10).await.unwrap().len(), 1);
    // Whoever wakes up now, or asks for a second time what was done the first time, touches nobody else's lane.
    store.delivery_waits(stale.first().unwrap(), NOW.plus(LEASE * 100)).await.unwrap();
    let next = store.next_deliveries(NOW.plus(LEASE), LEASE, 10).await.unwrap();
    assert_eq!(next.first().map(|delivery| delivery.guid.as_str()), Some("guid-2"), "its lease alone decides");
}

async fn a_delivery_that_keeps_failing_is_parked(world: World) {
    let store = &world.store;
    store.receive(vec![arrival(1, "a"), arrival(2, "a")]).await.unwrap();
    for tries in 0..TRIES_MAX {
        let claimed = store.next_deliveries(NOW, LEASE, 10).await.unwrap();
        let delivery = claimed.first().unwrap();
        assert_eq!((delivery.guid.as_str(), delivery.tries), ("guid-1", tries));
        store.delivery_failed(delivery, "it does not parse", NOW, NOW).await.unwrap();
    }
    let parked = store.parked().await.unwrap();
    assert_eq!(parked.first().unwrap().reason, "it does not parse");
    assert_eq!(store.next_deliveries(NOW, LEASE, 10).await.unwrap().first().unwrap().guid, "guid-2");
    assert!(store.unpark(INSTALLATION, parked.first().unwrap().id, NOW).await.unwrap());
    assert!(store.parked().await.unwrap().is_empty());
}

async fn large_bodies_come_back_whole(world: World) {
    let mut large = arrival(1, "a");
    // What does not compress: several parts.
    let mut state = 1_u32;
    large.body = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        u8::try_from(state >> 24).unwrap()
    })
    .take(3 << 20)
    .collect();
    world.store.receive(vec![large.clone(), arrival(2, "b")]).await.unwrap();
    let claimed = world.store.next_deliveries(NOW, LEASE, 10).await.unwrap();
    assert!(claimed.iter().any(|delivery| delivery.body == large.body));
}

async fn heads_effects_and_checks_are_claimed_once(world: World) {
    let (store, me) = (&world.store, Incarnation([1; 16]));
    let dirty = |name: &str| vec![DirtyCheck { head: head(), name: name.to_owned() }];
    store.mark_dirty(dirty("ci"), NOW).await.unwrap();
    let due = store.claim_heads(NOW, LEASE, 5).await.unwrap().remove(0);
    assert!(store.claim_heads(NOW, LEASE, 5).await.unwrap().is_empty());
    // Marked again while it was worked on: neither the head nor the name gets lost.
    store.mark_dirty(dirty("ci"), NOW).await.unwrap();
    assert!(store.head_settled(due.clone(), due.dirty.clone(), NOW, None).await.unwrap());
    assert!(
        !store.head_settled(crate::store::HeadDue { epoch: 0, ..due.clone() }, Vec::new(), NOW, None).await.unwrap()
    );
    let due = store.claim_heads(NOW, LEASE, 5).await.unwrap().remove(0);
    assert_eq!(due.dirty, [("ci".to_owned(), 2)]);
    assert!(store.head_settled(due.clone(), due.dirty.clone(), NOW, None).await.unwrap());
    assert_eq!(store.oldest_head().await.unwrap(), None);

    // What is only early is due as soon as it is marked; what cannot be written is not.
    let (later, acting) = (NOW.plus(LEASE), store.clone().acting_as(me));
    for (again, then) in [(Again::Unless(later), NOW), (Again::NotBefore(later), later)] {
        store.mark_dirty(dirty("ci"), NOW).await.unwrap();
        let due = acting.claim_heads(NOW, LEASE, 5).await.unwrap().remove(0);
        assert!(store.head_settled(due.clone(), Vec::new(), NOW, Some(again)).await.unwrap());
        assert_eq!(store.oldest_head().await.unwrap(), Some(later));
        store.mark_dirty(dirty("ci"), NOW).await.unwrap();
        assert_eq!(store.oldest_head().await.unwrap(), Some(then), "{again:?}");
        // Marked while it is claimed: it stays with whoever claimed it.
        let due = acting.claim_heads(then, LEASE, 5).await.unwrap().remove(0);
        store.mark_dirty(dirty("ci"), NOW).await.unwrap();
        assert!(acting.claim_heads(then, LEASE, 5).await.unwrap().is_empty());
        let settled = vec![("ci".to_owned(), due.dirty[0].1 + 1)];
        let due = crate::store::HeadDue { marks: due.marks + 1, ..due };
        assert!(store.head_settled(due, settled, NOW, None).await.unwrap());
        assert_eq!(store.oldest_head().await.unwrap(), None);
    }

    let sending = |version| CheckRow {
        name: "ci".to_owned(),
        generation: 1,
        github_id: None,
        sent_version: version,
        sent_hash: None,
        conclusion: None,
        annotations: 0,
        sent_at: NOW,
    };
    let sent = |version| CheckRow {
        github_id: Some(5),
        sent_hash: Some([1; 32]),
        conclusion: Some("success".to_owned()),
        ..sending(version)
    };
    assert!(store.check_sending(head(), sending(2)).await.unwrap());
    assert!(store.check_sent(head(), sent(2)).await.unwrap());
    assert!(!store.check_sending(head(), sending(1)).await.unwrap(), "never backwards");
    assert!(!store.check_sent(head(), sent(1)).await.unwrap(), "never backwards");
    assert_eq!(store.checks(head()).await.unwrap(), [sent(2)]);

    let mut with_effect = step(run_id(1), 0);
    let id = uuid::Uuid::from_bytes([9; 16]);
    let write = EffectWrite { id, kind: "reply", name: "1".to_owned(), due_at: NOW, body: b"hi".to_vec() };
    with_effect.effects = vec![write.clone(), EffectWrite { id: uuid::Uuid::from_bytes([8; 16]), ..write }];
    world.door().commit(with_effect.into()).await.unwrap();
    let effect = store.claim_effects(NOW, LEASE, me, 5).await.unwrap().remove(0);
    assert_eq!(effect.body, b"hi");
    assert!(store.claim_effects(NOW, LEASE, me, 5).await.unwrap().is_empty(), "one effect per natural key");
    let second = store.claim_effects(NOW.plus(LEASE), LEASE, me, 5).await.unwrap().remove(0);
    assert!(!store.effect_done(&effect, "late", NOW).await.unwrap());
    assert!(store.effect_progress(&second, b"rest", NOW).await.unwrap());
    let third = store.claim_effects(NOW, LEASE, me, 5).await.unwrap().remove(0);
    assert_eq!(third.body, b"rest");
    assert!(store.effect_retry(&third, "503", NOW).await.unwrap());
    let fourth = store.claim_effects(NOW, LEASE, me, 5).await.unwrap().remove(0);
    assert!(store.effect_done(&fourth, "sent", NOW).await.unwrap());
    assert_eq!(store.oldest_effect().await.unwrap(), None);
}

async fn replicas_beat_and_fall_silent(world: World) {
    let (store, clock) = (&world.store, Clock::machine());
    let (me, other) = (Incarnation::draw(), Incarnation::draw());
    store.join(me, "a", &clock).await.unwrap();
    assert!(store.beat(me, &clock).await.unwrap());
    assert!(!store.beat(other, &clock).await.unwrap(), "a replica without a row is fenced");
    assert!(clock.now().since(store.now().await.unwrap()) < Duration::from_secs(2));
    // An attempt of somebody who never joined is an orphan; ours is not. Taking over raises the epoch, once.
    let mut first = step(run_id(1), 0);
    for (key, owner) in [("mine", me), ("theirs", other)] {
        first.attempts.push(crate::store::AttemptWrite::Insert(crate::store::AttemptInsert {
            step: key.parse().unwrap(),
            number: 1,
            agent: "shell".parse().unwrap(),
            due_at: NOW,
            held: false,
            claimed: Some((owner, owner.0.repeat(2).try_into().unwrap())),
        }));
    }
    world.door().commit(first.into()).await.unwrap();
    let orphans = store.orphans(Timestamp(0)).await.unwrap();
    let [orphan] = &orphans[..] else { panic!("{orphans:?}") };
    assert_eq!(orphan.id.step.as_str(), "theirs");
    assert_eq!(store.take_over(orphan.id.clone(), orphan.epoch, me).await.unwrap(), Some(2));
    assert_eq!(store.take_over(orphan.id.clone(), orphan.epoch, other).await.unwrap(), None);
    store.leave(me).await.unwrap();
    assert_eq!(store.orphans(Timestamp(0)).await.unwrap().len(), 2);
    assert!(store.move_bookmark("redeliver", None, "5").await.unwrap());
    assert!(!store.move_bookmark("redeliver", Some("4"), "6").await.unwrap());
    assert_eq!(store.bookmark("redeliver").await.unwrap().as_deref(), Some("5"));
}

async fn global_tickets_and_budgets_have_one_taker(world: World) {
    let store = &world.store;
    let gate = GateId { scope: crate::ids::InstallationId(0), name: "agent shell".to_owned() };
    let ticket =
        |holder: &str| TicketRow { gate: gate.clone(), holder: holder.to_owned(), run: run_id(1), granted_at: NOW };
    for version in 0..3 {
        let (a, b) = tokio::join!(
            store.take_tickets(vec![ticket(&format!("a{version}"))], GateKind::Slot, version),
            store.take_tickets(vec![ticket(&format!("b{version}"))], GateKind::Slot, version),
        );
        assert!(a.unwrap() ^ b.unwrap());
    }
    let (old, new) = (vec![ticket("c"), ticket("d"), ticket("e")], vec![ticket("f"), ticket("c")]);
    assert!(store.take_tickets(old, GateKind::Slot, 3).await.unwrap());
    // All or none: one of them has a taker, and the gate stays as it was.
    assert!(!store.take_tickets(new, GateKind::Slot, 4).await.unwrap());
    assert_eq!(store.gate(gate.clone(), 1).await.unwrap().0, 4);
    assert_eq!(store.old_tickets(gate.scope, Timestamp(NOW.0 + 1)).await.unwrap().len(), 6);
    let row = InstallationRow { id: INSTALLATION, account: "octo".to_owned(), suspended_at: None, removed_at: None };
    store.put_installation(row.clone()).await.unwrap();
    let (me, other) = (Incarnation([1; 16]), Incarnation([2; 16]));
    assert_eq!(store.lease_writer(INSTALLATION, me, NOW, LEASE).await.unwrap(), Some(Budget::default()));
    assert_eq!(store.lease_writer(INSTALLATION, other, NOW, LEASE).await.unwrap(), None);
    let budget = Budget(vec![8, 0]);
    assert!(store.set_budget(INSTALLATION, me, budget.clone()).await.unwrap());
    assert!(!store.set_budget(INSTALLATION, other, Budget::default()).await.unwrap());
    store.put_installation(row).await.unwrap();
    assert_eq!(store.lease_writer(INSTALLATION, other, NOW.plus(LEASE), LEASE).await.unwrap(), Some(budget));
    let repo = crate::store::RepositoryRow {
        installation: INSTALLATION,
        id: REPO,
        name: "octo/hello".parse().unwrap(),
        default_branch: "main".to_owned(),
    };
    store.put_repository(repo.clone()).await.unwrap();
    assert_eq!(store.repository(INSTALLATION, REPO).await.unwrap(), Some(repo));
    store.remove_repository(INSTALLATION, REPO, NOW).await.unwrap();
    assert_eq!(store.repository(INSTALLATION, REPO).await.unwrap(), None);
    let hash = store.put_plan(INSTALLATION, b"plan", Timestamp(1)).await.unwrap();
    assert_eq!(store.plan(INSTALLATION, hash).await.unwrap().unwrap(), b"plan");
}

/// Somebody takes a ticket and falls asleep; the sweeper comes, and another takes it.
async fn a_ticket_counts_only_as_it_was_taken(world: World) {
    let (store, door) = (&world.store, world.door());
    let gate = GateId { scope: crate::ids::InstallationId(0), name: "slot:shell".to_owned() };
    let taken = TicketRow { gate: gate.clone(), holder: "a".to_owned(), run: run_id(1), granted_at: NOW };
    assert!(store.take_tickets(vec![taken.clone()], GateKind::Slot, 0).await.unwrap());
    let claim = |seq: u64, ticket: &TicketRow| {
        let TicketRow { gate, holder, granted_at: stamp, .. } = ticket.clone();
        let consumed = vec![Consumed::Ticket { gate, holder, stamp }];
        door.commit(Bundle { consumed, ..Bundle::from(step(run_id(1), seq)) })
    };
    let lost = Verdict::Lost(vec![Claim::Ticket(gate.clone(), "a".to_owned())]);
    assert_eq!(claim(0, &taken).await.unwrap(), Verdict::Committed);
    let later = NOW.plus(LEASE);
    assert!(store.stamp_ticket(&taken, later).await.unwrap());
    assert!(!store.stamp_ticket(&taken, later).await.unwrap());
    assert_eq!(claim(1, &taken).await.unwrap(), lost);
    // Whoever slept gives nothing back that is not his any more.
    store.drop_ticket(&taken).await.unwrap();
    let stamped = TicketRow { granted_at: later, ..taken };
    assert_eq!(claim(1, &stamped).await.unwrap(), Verdict::Committed);
    store.drop_ticket(&stamped).await.unwrap();
    assert_eq!(claim(2, &stamped).await.unwrap(), lost);
    assert!(store.old_tickets(gate.scope, Timestamp(i64::MAX)).await.unwrap().is_empty());
}

async fn a_quarantined_run_is_left_alone(world: World) {
    let (store, door) = (&world.store, world.door());
    let mut first = step(run_id(1), 0);
    for (kind, name) in [(GateKind::RunLimit, "runs"), (GateKind::Group, "group")] {
        let gate = GateId { scope: INSTALLATION, name: name.to_owned() };
        first.gates.push(crate::store::GateWrite::TicketInsert { gate, kind, holder: "r".to_owned() });
    }
    door.commit(first.into()).await.unwrap();
    store.quarantine(run_id(1), "apply panicked").await.unwrap();
    assert!(store.due_runs(Timestamp(i64::MAX), 10).await.unwrap().is_empty());
    assert_eq!(store.broken_runs().await.unwrap().first().unwrap().broken.as_deref(), Some("apply panicked"));
    let held = store.old_tickets(INSTALLATION, Timestamp(i64::MAX)).await.unwrap();
    assert_eq!(held.iter().map(|ticket| ticket.gate.name.as_str()).collect::<Vec<_>>(), ["group"]);
    assert!(store.mend(run_id(1), NOW).await.unwrap());
    assert_eq!(store.due_runs(NOW, 10).await.unwrap(), [run_id(1)]);
    store.quarantine(run_id(1), "again").await.unwrap();
    assert!(store.bury(run_id(1), "cancelled", NOW).await.unwrap());
    assert!(!store.bury(run_id(1), "cancelled", NOW).await.unwrap());
    assert!(store.old_tickets(INSTALLATION, Timestamp(i64::MAX)).await.unwrap().is_empty());
    assert_eq!(store.count_live().await.unwrap(), 0);
}

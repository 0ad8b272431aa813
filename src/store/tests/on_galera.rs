//! What can go wrong on a cluster only: a node that has not applied yet what another has committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::{Connection as _, Executor as _};
use tokio::runtime::Handle;

use super::world::{INSTALLATION, REPO, World, bundle, run_id, step};
use crate::store::{
    Bundle, Claim, Consumed, Door, Faults, GateId, GateKind, HoldWrite, Point, Store, TicketRow, Verdict,
};
use crate::time::Timestamp;

const TAKEN: Timestamp = Timestamp(5);
/// Takes another node half a second to apply.
const LONG: &str = "INSERT INTO long_work (text) SELECT REPEAT('x', 200) FROM seq_1_to_60000";

/// A rival that comes first, on the first node, right before the second one commits. The second has not seen it by
/// then: it is busy with other work of the first.
struct Rival {
    url: String,
    store: Store,
    door: Door,
    is_done: AtomicBool,
}

impl Faults for Arc<Rival> {
    fn at(&self, point: Point) -> Result<(), sqlx::Error> {
        if point == Point::BeforeCommit && !self.is_done.swap(true, Ordering::SeqCst) {
            tokio::task::block_in_place(|| Handle::current().block_on(self.come_first()));
        }
        Ok(())
    }
}

impl Rival {
    async fn come_first(&self) {
        let mut conn = sqlx::MySqlConnection::connect(&self.url).await.unwrap();
        conn.execute(LONG).await.unwrap();
        let held = Bundle { holds: vec![hold(1, true)], ..bundle(Vec::new()) };
        assert_eq!(self.door.commit(held).await.unwrap(), Verdict::Committed);
        self.store.drop_ticket(&ticket()).await.unwrap();
    }
}

fn hold(expect: u64, held: bool) -> HoldWrite {
    let (actor, why, at) = ("octocat".to_owned(), "release".to_owned(), TAKEN);
    HoldWrite { installation: INSTALLATION, repo: REPO, number: 3, workflow: None, expect, held, actor, why, at }
}

fn ticket() -> TicketRow {
    let gate = GateId { scope: INSTALLATION, name: "slots".to_owned() };
    TicketRow { gate, holder: "a".to_owned(), run: run_id(1), granted_at: TAKEN }
}

async fn loses_on_a_node_that_lags(cause: Consumed, lost: Claim) {
    let Some(world) = World::galera().await else { return };
    world.tamper("CREATE TABLE long_work (id BIGINT AUTO_INCREMENT PRIMARY KEY, text VARCHAR(200))").await;
    let door = world.door();
    // A pause that was lifted again.
    let lifted = Bundle { holds: vec![hold(0, false)], ..bundle(Vec::new()) };
    assert_eq!(door.commit(lifted).await.unwrap(), Verdict::Committed);
    assert!(world.store.take_tickets(vec![ticket()], GateKind::Slot, 0).await.unwrap());

    let other = world.another(&[]).await;
    other.migrate().await.unwrap();
    let (url, store) = (world.url.clone(), world.store.clone());
    let rival = Arc::new(Rival { url, store, door, is_done: AtomicBool::new(false) });
    let late = Door::open(&other, Arc::new(rival.clone())).unwrap();
    let bundle = Bundle { consumed: vec![cause], ..bundle(vec![step(run_id(1), 0)]) };
    assert_eq!(late.commit(bundle).await.unwrap(), Verdict::Lost(vec![lost]));
    assert!(rival.is_done.load(Ordering::SeqCst));
    assert!(other.run(run_id(1)).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_is_not_made_under_a_pause_of_another_node() {
    let cause = Consumed::Hold { installation: INSTALLATION, repo: REPO, number: 3, workflow: None, version: 1 };
    loses_on_a_node_that_lags(cause, Claim::Hold(INSTALLATION, REPO, 3, String::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_ticket_that_another_node_gave_back_does_not_count() {
    let TicketRow { gate, holder, granted_at: stamp, .. } = ticket();
    let lost = Claim::Ticket(gate.clone(), holder.clone());
    loses_on_a_node_that_lags(Consumed::Ticket { gate, holder, stamp }, lost).await;
}

//! The inbox: deliveries as GitHub sent them, until what they cause is durable.
//!
//! A *lane* is what has to stay in order (a pull request, a branch). Lanes are rows of their own with a due time, so a
//! lane that backs off costs nothing to the others, however much waits in it. Claiming a lane moves its due time to the
//! end of a lease; whoever dies in it gives it back when he is off the list of replicas, at the latest at that end.
//!
//! *Invariant:* a delivery leaves the inbox by a mark in the transaction of what it caused, or by [`Store::delivery_done`]
//! when it caused nothing.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::crypt::{DataKey, Place};
use super::open::Store;
use super::{Error, column};
use crate::ids::{InstallationId, RepoId, random_bytes};
use crate::time::Timestamp;

/// One stored part of a body.
pub(super) const PART_BYTES_MAX: usize = 1 << 20;
/// A delivery that failed so often is parked with its reason.
pub(super) const TRIES_MAX: u32 = 20;
/// Deliveries in one insert.
const GROUP_MAX: usize = 64;
/// Bytes in one insert, before compression, unless one delivery alone has more.
const GROUP_BYTES_MAX: usize = 8 << 20;
/// Handlers that wait for their insert.
const WAITING_MAX: usize = 1_024;

/// A delivery as the handler got it.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The installation; 0 where the payload names none.
    pub installation: InstallationId,
    /// Our App's number.
    pub app: i64,
    /// `X-GitHub-Delivery`, at most 64 bytes. It is not signed, so it is not the only key.
    pub guid: String,
    /// The keyed hash of the body.
    pub tag: [u8; 32],
    /// `X-GitHub-Event`, at most 64 bytes.
    pub event: String,
    /// `action` of the payload, at most 64 bytes.
    pub action: Option<String>,
    /// The repository; 0 where the payload names none.
    pub repo: RepoId,
    /// What has to stay in order, within the repository; at most 255 bytes.
    pub lane: String,
    /// The body as it came.
    pub body: Vec<u8>,
    /// When.
    pub received_at: Timestamp,
}

/// What became of an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrived {
    /// It is durable.
    Stored(Uuid),
    /// We have it already.
    Duplicate,
}

/// A lane and our claim of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// The repository.
    pub repo: RepoId,
    /// Its name.
    pub name: String,
    /// The claim's number: a later claim has a higher one.
    pub epoch: u64,
}

/// A delivery to be worked on, with its lane claimed.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The installation.
    pub installation: InstallationId,
    /// Its id; ids sort by arrival.
    pub id: Uuid,
    /// Its lane.
    pub lane: Lane,
    /// The kind of event.
    pub event: String,
    /// GitHub's id of it.
    pub guid: String,
    /// When it arrived.
    pub received_at: Timestamp,
    /// How often it failed.
    pub tries: u32,
    /// The body.
    pub body: Vec<u8>,
}

/// A delivery that was given up.
#[derive(Debug, Clone)]
pub struct Parked {
    /// The installation.
    pub installation: InstallationId,
    /// Its id.
    pub id: Uuid,
    /// The kind of event.
    pub event: String,
    /// GitHub's id of it.
    pub guid: String,
    /// When it was parked.
    pub parked_at: Timestamp,
    /// Why.
    pub reason: String,
}

/// An arrival with its rows made.
pub(super) struct ArrivalFull {
    pub(super) id: Uuid,
    pub(super) arrival: Arrival,
    pub(super) data_key: Vec<u8>,
    pub(super) sealed: Vec<u8>,
}

/// A delivery's row.
pub(super) struct DeliveryRow {
    pub(super) id: Uuid,
    pub(super) event: String,
    pub(super) guid: String,
    pub(super) received_at: i64,
    pub(super) tries: u32,
    pub(super) data_key: Vec<u8>,
}

fn place<'a>(installation: InstallationId, id: &'a Uuid, part: &'static [u8]) -> Place<'a> {
    Place { table: "inbox", installation: installation.0, row: id.as_bytes(), part }
}

impl Store {
    /// Stores arrivals in one transaction; one answer each, in order.
    ///
    /// # Errors
    /// When the database does not take them: none is stored then, and the sender keeps them.
    pub async fn receive(&self, arrivals: Vec<Arrival>) -> Result<Vec<Arrived>, Error> {
        let crypt = self.crypt()?;
        let seal = move |arrival: Arrival| {
            let id = uuid_at(arrival.received_at);
            let (key, data_key) = crypt.new_key(place(arrival.installation, &id, b"key"));
            let sealed = key.seal(place(arrival.installation, &id, b"body"), &arrival.body)?;
            let arrival = Arrival { body: Vec::new(), ..arrival };
            Ok(ArrivalFull { id, arrival, data_key, sealed })
        };
        let rows = arrivals.into_iter().map(seal).collect::<Result<Vec<_>, Error>>()?;
        on!(self, tx inbox::insert(&rows))
    }

    /// Claims up to `limit` lanes that are due, for `lease`, each with its oldest delivery.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn next_deliveries(&self, at: Timestamp, lease: Duration, limit: u32) -> Result<Vec<Delivery>, Error> {
        let crypt = self.crypt()?;
        let claim = (at.plus(lease).0, self.me);
        let mut deliveries = Vec::new();
        for (installation, lane, arrivals) in on!(self, inbox::due_lanes(at.0, limit))? {
            // Claims the lane, and forgets it when nothing is pending in it.
            let claimed = on!(self, inbox::claim_oldest((installation, &lane, arrivals), claim))?;
            let Some((lane, row)) = claimed else { continue };
            let id = row.id;
            let sealed = on!(self, inbox::body(installation, id))?;
            let open = |key: DataKey| key.open(place(installation, &row.id, b"body"), &sealed);
            match crypt.key(place(installation, &row.id, b"key"), &row.data_key).and_then(open) {
                Ok(body) => deliveries.push(Delivery {
                    installation,
                    id,
                    lane,
                    event: row.event,
                    guid: row.guid,
                    received_at: Timestamp(row.received_at),
                    tries: row.tries,
                    body,
                }),
                Err(error) => {
                    tracing::error!(delivery.id = %id, %error, "a delivery cannot be read, parking it");
                    let reason = error.to_string();
                    on!(self, tx inbox::park((installation, &lane, id), &reason, at.0))?;
                }
            }
        }
        Ok(deliveries)
    }

    /// Marks a delivery that caused nothing; its lane goes on.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn delivery_done(&self, delivery: &Delivery, outcome: &str, at: Timestamp) -> Result<(), Error> {
        let (installation, id, lane, outcome) =
            (delivery.installation, delivery.id, delivery.lane.clone(), outcome.to_owned());
        on!(self, tx inbox::done((installation, &lane, id), &outcome, at.0))
    }

    /// Records a failure: its lane waits until `due_at`, or goes on without it when it failed twenty times.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn delivery_failed(
        &self,
        delivery: &Delivery,
        reason: &str,
        at: Timestamp,
        due_at: Timestamp,
    ) -> Result<(), Error> {
        let (installation, id, lane, reason) =
            (delivery.installation, delivery.id, delivery.lane.clone(), reason.to_owned());
        if delivery.tries + 1 >= TRIES_MAX {
            return on!(self, tx inbox::park((installation, &lane, id), &reason, at.0));
        }
        on!(self, tx inbox::failed((installation, &lane, id), &reason, due_at.0))
    }

    /// Lets a lane wait, for no fault of its delivery: no try is counted.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn delivery_waits(&self, delivery: &Delivery, due_at: Timestamp) -> Result<(), Error> {
        let (installation, lane) = (delivery.installation, delivery.lane.clone());
        on!(self, inbox::lane_due(installation, &lane, due_at.0))
    }

    /// Puts a parked delivery back into its lane.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn unpark(&self, installation: InstallationId, id: Uuid, at: Timestamp) -> Result<bool, Error> {
        on!(self, tx inbox::unpark(installation, id, at.0))
    }

    /// What is parked, latest first, at most 100.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn parked(&self) -> Result<Vec<Parked>, Error> {
        on!(self, inbox::parked())
    }

    /// When the oldest delivery that still waits arrived.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn oldest_pending(&self) -> Result<Option<Timestamp>, Error> {
        Ok(column::moment(on!(self, inbox::oldest_pending())?))
    }

    /// Which of these deliveries of GitHub's log we have.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn known_deliveries(&self, app: i64, guids: Vec<String>) -> Result<Vec<String>, Error> {
        on!(self, inbox::known(app, &guids))
    }
}

/// A uuid version 7: rows that come together lie together.
pub(super) fn uuid_at(at: Timestamp) -> Uuid {
    let millis = u64::try_from(at.0 / 1_000).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random_bytes()).into_uuid()
}

type Waiter = (Arrival, oneshot::Sender<Result<Arrived, String>>);

/// The slot of the door that handlers put deliveries through: what arrives while an insert is under way goes into the
/// next one, together. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Mailbox(mpsc::Sender<Waiter>);

impl Mailbox {
    /// Starts the task that inserts.
    #[must_use]
    pub fn open(store: Store) -> Self {
        let (sender, mut arrivals) = mpsc::channel::<Waiter>(WAITING_MAX);
        tokio::spawn(async move {
            while let Some(first) = arrivals.recv().await {
                let mut bytes = first.0.body.len();
                let mut group = vec![first];
                while group.len() < GROUP_MAX
                    && bytes < GROUP_BYTES_MAX
                    && let Ok(next) = arrivals.try_recv()
                {
                    bytes += next.0.body.len();
                    group.push(next);
                }
                insert(&store, group).await;
            }
        });
        Self(sender)
    }

    /// Stores a delivery; it is durable when this returns.
    ///
    /// # Errors
    /// When it is not.
    pub async fn put(&self, arrival: Arrival) -> Result<Arrived, Error> {
        let (answer, stored) = oneshot::channel();
        self.0.send((arrival, answer)).await.map_err(|_| Error::Closed)?;
        stored.await.map_err(|_| Error::Closed)?.map_err(Error::Task)
    }
}

/// Inserts a group; when it is refused, each alone, so that one that does not fit harms nobody.
async fn insert(store: &Store, group: Vec<Waiter>) {
    let (arrivals, answers): (Vec<_>, Vec<_>) = group.into_iter().unzip();
    match store.receive(arrivals.clone()).await {
        Ok(stored) => {
            for (answer, arrived) in answers.into_iter().zip(stored) {
                // A handler that is gone was not answered 202: GitHub has it still, and so do we.
                let _ = answer.send(Ok(arrived));
            }
        }
        Err(error) if arrivals.len() > 1 && !error.is_transient() => {
            for (arrival, answer) in arrivals.into_iter().zip(answers) {
                let stored = store.receive(vec![arrival]).await;
                let _ = answer
                    .send(stored.map_err(|e| e.to_string()).and_then(|a| a.first().copied().ok_or_else(String::new)));
            }
        }
        Err(error) => {
            for answer in answers {
                let _ = answer.send(Err(error.to_string()));
            }
        }
    }
}

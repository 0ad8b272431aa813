//! The door's hands: committers with a connection each, driven by [`Committer`], and the marks that keep two
//! transitions of one run from being under way at once.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard, mpsc, oneshot};

use super::committer::{Batch, Committer, Outcome, Readback, Seen, Step, Ticket, Verdict, Why};
use super::crypt::Crypt;
use super::door::{Bundle, Claim};
use super::open::{Pool, Store, back_off};
use super::rows::Rows;
use super::{Error, mysql, sqlite};
use crate::crash::crashpoint;
use crate::ids::{RunId, random_bytes};

/// Committers on MySQL; SQLite has one writer.
pub(super) const COMMITTERS: usize = 4;
/// Bundles that wait for a committer; whoever comes then waits to be taken.
const QUEUE_MAX: usize = 1_024;
/// Marks: two runs that share one wait for each other, which costs a little time and nothing else.
const MARKS: usize = 4_096;

/// Where a fault may be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Everything is written, COMMIT is not sent.
    BeforeCommit,
    /// COMMIT was answered; the answer is lost.
    AfterCommit,
    /// Before the journal is asked.
    BeforeReadBack,
}

/// Plants faults between us and the database. Production has [`NoFaults`]; the shipped code and the tested code are
/// one.
pub trait Faults: Send + Sync + 'static {
    /// An error here stands for a connection that broke there.
    ///
    /// # Errors
    /// As the plan of the test has it.
    fn at(&self, point: Point) -> Result<(), sqlx::Error>;
}

/// No faults.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFaults;

impl Faults for NoFaults {
    fn at(&self, _: Point) -> Result<(), sqlx::Error> {
        Ok(())
    }
}

struct Job {
    bundle: Bundle,
    answer: oneshot::Sender<Verdict>,
    /// Of its runs; they go with the verdict, even if nobody waits for it any more.
    marks: Vec<OwnedMutexGuard<()>>,
}

/// The one way by which runs change. Cheap to clone; when the last clone is gone, what was taken is still written.
#[derive(Clone)]
pub struct Door {
    committers: Arc<[mpsc::Sender<Job>]>,
    marks: Arc<[Arc<Mutex<()>>]>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Door({} committers)", self.committers.len())
    }
}

impl Door {
    /// Starts the committers.
    ///
    /// # Errors
    /// Before [`Store::migrate`].
    pub fn open(store: &Store, faults: Arc<dyn Faults>) -> Result<Self, Error> {
        let count = if store.is_mysql() { COMMITTERS } else { 1 };
        let crypt = store.crypt()?;
        let committers = (0..count).map(|_| {
            let (sender, jobs) = mpsc::channel(QUEUE_MAX);
            let hands = Hands { store: store.clone(), crypt: crypt.clone(), faults: faults.clone() };
            tokio::spawn(hands.work(jobs));
            sender
        });
        let marks = (0..MARKS).map(|_| Arc::default());
        Ok(Self { committers: committers.collect(), marks: marks.collect() })
    }

    /// Writes a bundle, whole or not at all. Dropping the future does not take it back.
    ///
    /// # Errors
    /// When the bundle is larger than any transaction may be, or the committers are gone.
    pub async fn commit(&self, bundle: Bundle) -> Result<Verdict, Error> {
        bundle.check()?;
        let runs = bundle.runs();
        let lead = runs.first().map_or(0, slot);
        let mut slots: Vec<usize> = runs.iter().map(|run| slot(run) % MARKS).collect();
        slots.sort_unstable();
        slots.dedup();
        // All of them in one order, so that no two bundles hold what the other wants.
        let mut marks = Vec::with_capacity(slots.len());
        for mark in slots.iter().filter_map(|slot| self.marks.get(*slot)) {
            marks.push(mark.clone().lock_owned().await);
        }
        let (answer, verdict) = oneshot::channel();
        let committer = self.committers.get(lead % self.committers.len()).ok_or(Error::Closed)?;
        committer.send(Job { bundle, answer, marks }).await.map_err(|_| Error::Closed)?;
        verdict.await.map_err(|_| Error::Closed)
    }
}

fn slot(run: &RunId) -> usize {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(run);
    usize::try_from(hash >> 16).unwrap_or(0)
}

/// Who waits for a verdict, with the marks that go when it is there.
type Waiting = BTreeMap<Ticket, (oneshot::Sender<Verdict>, Vec<OwnedMutexGuard<()>>)>;

struct Hands {
    store: Store,
    crypt: Arc<Crypt>,
    faults: Arc<dyn Faults>,
}

impl Hands {
    async fn work(self, mut jobs: mpsc::Receiver<Job>) {
        let hands = Arc::new(self);
        let mut core = Committer::default();
        let mut waiting = Waiting::new();
        loop {
            if core.is_idle() {
                let Some(job) = jobs.recv().await else { return };
                take(&mut core, &mut waiting, job);
            }
            // What came while the last COMMIT was under way.
            while waiting.len() < QUEUE_MAX
                && let Ok(job) = jobs.try_recv()
            {
                take(&mut core, &mut waiting, job);
            }
            let Some(batch) = core.next_batch() else { continue };
            let outcome = hands.clone().perform(batch).await;
            for (ticket, verdict) in core.on_outcome(&outcome) {
                if let Some((answer, marks)) = waiting.remove(&ticket) {
                    drop(marks);
                    // Nobody waits any more: the rows say what happened.
                    let _ = answer.send(verdict);
                }
            }
        }
    }

    async fn perform(self: Arc<Self>, batch: Batch) -> Outcome {
        if batch.tries > 0 {
            tokio::time::sleep(back_off(batch.tries)).await;
        }
        // A panic in here must not leave anybody waiting: without an answer, the journal is asked.
        let work = tokio::spawn(async move {
            match batch.step {
                Step::Write => self.write(&batch).await,
                Step::ReadBack => self.read_back(&batch).await,
            }
        });
        work.await.unwrap_or(Outcome::Unknown)
    }
}

fn take(core: &mut Committer, waiting: &mut Waiting, job: Job) {
    let ticket = Ticket(random_bytes());
    waiting.insert(ticket, (job.answer, job.marks));
    core.push(ticket, job.bundle);
}

/// The claims of a batch in the order of locks, and who of it has lost.
fn losers(seen: &Seen, batch: &Batch) -> Vec<(Ticket, Vec<Claim>)> {
    let lost = batch.bundles.iter().map(|(ticket, bundle)| (*ticket, seen.lost(&bundle.claims())));
    lost.filter(|(_, lost)| !lost.is_empty()).collect()
}

fn claims(batch: &Batch) -> Vec<Claim> {
    let mut claims: Vec<Claim> = batch.bundles.iter().flat_map(|(_, bundle)| bundle.claims().into_keys()).collect();
    claims.sort_unstable();
    claims
}

fn rolled_back(error: &Error) -> Outcome {
    Outcome::RolledBack(match error {
        error if error.is_transient() => Why::Transient(error.to_string()),
        error if error.is_duplicate() => Why::Duplicate,
        error => Why::Refused(error.to_string()),
    })
}

fn refused(error: impl Into<Error>) -> Outcome {
    rolled_back(&error.into())
}

/// One transaction and one question, in either dialect.
macro_rules! hands {
    ($dialect:ident, $write:ident, $read_back:ident) => {
        impl Hands {
            async fn $write(&self, pool: &sqlx::Pool<$dialect::Db>, batch: &Batch) -> Outcome {
                let mut conn = match pool.acquire().await {
                    Ok(conn) => conn,
                    Err(error) => return refused(error),
                };
                let written = async {
                    if $dialect::WRITERS_BEGIN {
                        $dialect::q::begin(&mut conn).await?;
                    }
                    let seen = $dialect::q::guard::guard(&mut conn, &claims(batch)).await?;
                    if self.store.is_galera {
                        $dialect::q::guard::touch(&mut conn, &claims(batch)).await?;
                    }
                    let losers = losers(&seen, batch);
                    let winners = batch.bundles.iter().filter(|(ticket, _)| losers.iter().all(|(lost, _)| lost != ticket));
                    let winners = winners.map(|(ticket, bundle)| (*ticket, &**bundle));
                    let rows = Rows::new(&self.crypt, &seen, winners)?;
                    $dialect::q::door::write(&mut conn, &rows).await?;
                    crashpoint!("transition_written_not_committed");
                    self.faults.at(Point::BeforeCommit)?;
                    Ok::<_, Error>(losers)
                };
                let written = written.await;
                let losers = match written {
                    Ok(losers) => losers,
                    Err(error) => {
                        // Closing the connection takes the transaction back.
                        conn.close_on_drop();
                        return rolled_back(&error);
                    }
                };
                let committed = $dialect::q::commit(&mut conn).await;
                crashpoint!("transition_committed_not_answered");
                match committed.and_then(|()| Ok(self.faults.at(Point::AfterCommit)?)) {
                    Ok(()) => Outcome::Committed(losers),
                    Err(error) => {
                        conn.close_on_drop();
                        // Even a plain no may be wrong about a cluster: the journal knows.
                        tracing::warn!(%error, "COMMIT was not answered well");
                        Outcome::Unknown
                    }
                }
            }

            async fn $read_back(&self, pool: &sqlx::Pool<$dialect::Db>, batch: &Batch) -> Result<Outcome, Error> {
                self.faults.at(Point::BeforeReadBack)?;
                // Not from the pool's idle ones: they may hang on the server that is gone.
                let options = pool.connect_options();
                let mut conn = sqlx::ConnectOptions::connect(&*options).await?;
                $dialect::session(&mut conn).await?;
                let mut answers = Vec::with_capacity(batch.bundles.len());
                for (ticket, bundle) in &batch.bundles {
                    let answer = match bundle.transitions.first() {
                        Some(first) => {
                            let seq = super::column::signed(first.expect_seq).saturating_add(1);
                            match $dialect::q::door::read_back(&mut conn, first.run, seq).await? {
                                Some(id) if id == ticket.0 => Readback::Ours,
                                Some(_) => Readback::Anothers,
                                None => Readback::Nothing,
                            }
                        }
                        // Without a journal row: what it compared has changed, or has not.
                        None => {
                            let seen = $dialect::q::guard::guard(&mut conn, &claims(batch)).await?;
                            if seen.lost(&bundle.claims()).is_empty() { Readback::Nothing } else { Readback::Anothers }
                        }
                    };
                    answers.push((*ticket, answer));
                }
                Ok(Outcome::Read(answers))
            }
        }
    };
}

hands!(mysql, write_mysql, read_back_mysql);
hands!(sqlite, write_sqlite, read_back_sqlite);

impl Hands {
    async fn write(&self, batch: &Batch) -> Outcome {
        match &self.store.writers {
            Pool::MySql(pool) => self.write_mysql(pool, batch).await,
            Pool::Sqlite(pool) => self.write_sqlite(pool, batch).await,
        }
    }

    async fn read_back(&self, batch: &Batch) -> Outcome {
        let answer = match &self.store.pool {
            Pool::MySql(pool) => self.read_back_mysql(pool, batch).await,
            Pool::Sqlite(pool) => self.read_back_sqlite(pool, batch).await,
        };
        answer.unwrap_or_else(|error| {
            tracing::warn!(%error, "the outcome of a commit is not known yet");
            Outcome::Unknown
        })
    }
}

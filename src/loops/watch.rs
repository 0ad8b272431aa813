//! Looks after the attempts that agents have: asks how they stand, ends those that ended, stops those that shall.
//!
//! Asking is the truth; a callback only says that asking is worth it now. What is known between two looks is in memory
//! only: whoever takes over begins to count anew.
//!
//! Every look is a piece of work of its own, so an agent that hangs holds up nobody else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::beat::Fence;
use super::driver::Next;
use super::live::Live;
use super::look::{Looked, Looker, Memory};
use super::runs::Runs;
use super::send::Sender;
use crate::agents::Registry;
use crate::ids::{AttemptId, random_bytes};
use crate::store::{AttemptRow, Incarnation, Store};
use crate::time::{Clock, Timestamp};
use crate::wake::{Loop, Wakes};

/// Looks at once.
const LOOKS_AT_ONCE_MAX: usize = 256;
/// Callbacks that are taken in one tick.
const CALLBACKS_MAX: usize = 1_000;
/// Rows are read again after so long, however often we are woken.
const READ_PAUSE: Duration = Duration::from_millis(100);
/// One that was claimed here is on its way; after so long without a sign of that, it is looked for.
const CLAIMED_GRACE: Duration = Duration::from_secs(5);
/// How old a watch is up to which the pause stands: at first everything is expected to end soon.
const PAUSES: [(Duration, Duration); 2] =
    [(Duration::from_secs(10), Duration::from_secs(1)), (Duration::from_secs(120), Duration::from_secs(5))];
const PAUSE_LONGEST: Duration = Duration::from_secs(30);
const PAUSE_STOPPING: Duration = Duration::from_millis(500);

/// What a watcher works with.
pub struct Parts {
    /// Keeps the rows.
    pub store: Store,
    /// Told what agents say.
    pub runs: Runs,
    /// Knows the agents.
    pub registry: Arc<Registry>,
    /// Goes on with what was claimed and not sent.
    pub sender: Sender,
    /// What agents say, for the pages.
    pub live: Live,
    /// Whether we may act.
    pub fence: Fence,
    /// Woken by looks that ended.
    pub wakes: Wakes,
    /// The service's time.
    pub clock: Clock,
    /// Who we are.
    pub me: Incarnation,
    /// Knows which looks are under way.
    pub tasks: TaskTracker,
}

/// The loop.
pub struct Watch {
    store: Store,
    sender: Sender,
    live: Live,
    wakes: Wakes,
    clock: Clock,
    me: Incarnation,
    fence: Fence,
    looker: Arc<Looker>,
    callbacks: Mutex<mpsc::Receiver<AttemptId>>,
    table: Arc<Mutex<Table>>,
    slots: Arc<Semaphore>,
    tasks: TaskTracker,
}

#[derive(Default)]
struct Table {
    /// When the rows were read.
    read_at: Option<Timestamp>,
    watched: BTreeMap<AttemptId, Watched>,
    /// Called back before their rows were read: an agent may be faster than we are.
    called: BTreeSet<AttemptId>,
}

struct Watched {
    row: AttemptRow,
    since: Timestamp,
    next: Timestamp,
    /// Somebody looks; `again` says that something came meanwhile.
    busy: bool,
    again: bool,
    memory: Memory,
}

impl Watch {
    /// A watcher that looks at once at what `callbacks` names.
    #[must_use]
    pub fn new(parts: Parts, callbacks: mpsc::Receiver<AttemptId>) -> Self {
        let Parts { store, runs, registry, sender, live, fence, wakes, clock, me, tasks } = parts;
        let looker = Looker::new((store.clone(), runs), registry, live.clone(), (fence.clone(), clock.clone()));
        Self {
            store,
            sender,
            live,
            wakes,
            clock,
            me,
            fence,
            looker: Arc::new(looker),
            callbacks: Mutex::new(callbacks),
            table: Arc::default(),
            slots: Arc::new(Semaphore::new(LOOKS_AT_ONCE_MAX)),
            tasks,
        }
    }

    /// Reads which attempts are ours, and begins a look at each that is due.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tick(&self) -> anyhow::Result<Next> {
        let now = self.clock.now();
        let read_at = self.table().read_at;
        let early = read_at.map(|at| at.plus(READ_PAUSE)).filter(|next| *next > now);
        if early.is_none() {
            let rows = self.store.owned_attempts(self.me, false).await?;
            self.refresh(rows, now);
        }
        self.called_back(now);
        if self.fence.is_up() {
            return Ok(Next::Period);
        }
        let (due, next) = self.due(now);
        for (row, memory) in due {
            self.look(row, memory);
        }
        Ok([next, early].into_iter().flatten().min().map_or(Next::Period, Next::At))
    }

    /// What the table says is right whatever a panicking holder did: the rows correct it.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refresh(&self, rows: Vec<AttemptRow>, now: Timestamp) {
        let mut table = self.table();
        table.read_at = Some(now);
        let mut before = std::mem::take(&mut table.watched);
        for row in rows {
            let known = before.remove(&row.id);
            let mut watched = match known {
                Some(known) => known.told(row, now),
                None => Watched::new(row, now),
            };
            if watched.row.task.is_some() && table.called.remove(&watched.row.id) {
                watched.hurry(now);
            }
            table.watched.insert(watched.row.id.clone(), watched);
        }
        before.keys().for_each(|over| self.live.remove(over));
    }

    fn called_back(&self, now: Timestamp) {
        let mut callbacks = self.callbacks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut table = self.table();
        let table = &mut *table;
        for _ in 0..CALLBACKS_MAX {
            let Ok(attempt) = callbacks.try_recv() else { return };
            match table.watched.get_mut(&attempt).filter(|watched| watched.row.task.is_some()) {
                Some(watched) => watched.hurry(now),
                None if table.called.len() < CALLBACKS_MAX => drop(table.called.insert(attempt)),
                // They are polled like all others.
                None => table.called.clear(),
            }
        }
    }

    /// What is due now and finds room, and when the next is. Whoever finds none is due when a look ends, which wakes us.
    fn due(&self, now: Timestamp) -> (Vec<(AttemptRow, Memory)>, Option<Timestamp>) {
        let room = self.slots.available_permits();
        let mut table = self.table();
        let waiting = table.watched.values_mut().filter(|watched| !watched.busy && watched.next <= now);
        let due = waiting.take(room).map(|watched| {
            watched.busy = true;
            (watched.row.clone(), std::mem::take(&mut watched.memory))
        });
        let due = due.collect();
        let later = table.watched.values().filter(|watched| !watched.busy && watched.next > now);
        (due, later.map(|watched| watched.next).min())
    }

    fn look(&self, row: AttemptRow, mut memory: Memory) {
        if row.task.is_none() {
            if !self.sender.is_at(&row.id) {
                self.sender.resume(row.id.clone());
            }
            return done(&self.table, &row, memory, Looked::Open, &self.clock);
        }
        let slot = self.slots.clone().try_acquire_owned().ok();
        let (looker, table, clock, wakes) =
            (self.looker.clone(), self.table.clone(), self.clock.clone(), self.wakes.clone());
        let work = async move {
            let looked = looker.look(&row, &mut memory).await.unwrap_or_else(|error| {
                warn!(attempt.id = %row.id, error = format!("{error:#}"), "a look at an attempt failed");
                Looked::Open
            });
            done(&table, &row, memory, looked, &clock);
            drop(slot);
            wakes.wake(Loop::Watch);
        };
        self.tasks.spawn(work.boxed());
    }
}

/// A look is over: what it learned is kept, and the next one is planned.
fn done(table: &Mutex<Table>, row: &AttemptRow, memory: Memory, looked: Looked, clock: &Clock) {
    let now = clock.now();
    let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(watched) = table.watched.get_mut(&row.id) else { return };
    watched.busy = false;
    watched.memory = memory;
    let pause = match looked {
        // Its row is about to go.
        Looked::Over => PAUSE_LONGEST,
        Looked::Open if watched.again => Duration::ZERO,
        Looked::Open if row.task.is_none() => CLAIMED_GRACE,
        Looked::Open if row.stop => PAUSE_STOPPING,
        Looked::Open => jittered(pause_at(now.since(watched.since))),
    };
    watched.again = false;
    watched.next = now.plus(pause);
}

impl Watched {
    fn new(row: AttemptRow, now: Timestamp) -> Self {
        let first = if row.stop { Duration::ZERO } else { first_pause(&row) };
        Self { next: now.plus(first), row, since: now, busy: false, again: false, memory: Memory::default() }
    }

    /// The row was read again.
    fn told(mut self, row: AttemptRow, now: Timestamp) -> Self {
        let changed = (row.stop, row.task.is_some()) != (self.row.stop, self.row.task.is_some());
        if changed && row.task.is_some() && self.row.task.is_none() {
            self.since = now;
            self.next = now.plus(first_pause(&row));
        }
        let stop = row.stop && !self.row.stop;
        self.row = row;
        if stop {
            self.hurry(now);
        }
        self
    }

    fn hurry(&mut self, now: Timestamp) {
        self.again = self.busy;
        self.next = now;
    }
}

fn first_pause(row: &AttemptRow) -> Duration {
    if row.task.is_none() { CLAIMED_GRACE } else { PAUSES[0].1 }
}

fn pause_at(age: Duration) -> Duration {
    PAUSES.iter().find(|(until, _)| age < *until).map_or(PAUSE_LONGEST, |(_, pause)| *pause)
}

/// Nine to eleven tenths of it, so that looks spread.
fn jittered(pause: Duration) -> Duration {
    let [chance] = random_bytes::<1>();
    pause.mul_f64(0.9 + f64::from(chance) / 1_275.0)
}

//! The tasks of a runner: taken once per message, shown live, ended once.
//!
//! *Invariant:* the journal's lock is taken first and covers decision, sync and change together, so what callers see
//! was synced before. Methods that write block: they are called from threads that may.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::journal::{Journal, Record};
use super::log::Tail;
use crate::agents::a2a::{Message, Part, PushConfig, TaskSnapshot, TaskState, TaskStatus};
use crate::agents::{Class, Failure, StepResult};
use crate::time::{Clock, Timestamp};

/// Tasks that have ended and are still shown; the oldest are forgotten.
const ENDED_TASKS_MAX: usize = 256;
/// Tasks that may wait for each one that runs.
const WAITING_PER_RUNNING_MAX: usize = 4;

/// All tasks of a runner.
#[derive(Debug)]
pub(super) struct Tasks {
    journal: Mutex<Journal>,
    table: Mutex<Table>,
    live_max: usize,
    clock: Clock,
}

#[derive(Debug, Default)]
struct Table {
    tasks: BTreeMap<String, Entry>,
    by_message: BTreeMap<String, String>,
    ended: VecDeque<String>,
}

#[derive(Debug)]
struct Entry {
    record: Record,
    live: Live,
    state: watch::Sender<TaskState>,
}

/// What the code that runs a task shares with those who ask about it.
#[derive(Debug, Clone, Default)]
pub(super) struct Live {
    /// Somebody wants the task to stop.
    pub(super) cancel: CancellationToken,
    log: Arc<Mutex<(Tail, Timestamp)>>,
}

impl Live {
    /// The command wrote something.
    pub(super) fn push(&self, chunk: &[u8], at: Timestamp) {
        let mut log = locked(&self.log);
        log.0.push(chunk);
        log.1 = at;
    }

    /// The end of the output, and how long all of it was.
    pub(super) fn tail(&self) -> (String, u64) {
        let log = locked(&self.log);
        (log.0.text(), log.0.total())
    }
}

/// What became of a message.
pub(super) enum Taken {
    /// A new task; this is to be run.
    New(TaskSnapshot, Live),
    /// The message was here before; this is its task.
    Known(TaskSnapshot),
    /// There is no room.
    Full,
}

impl Tasks {
    /// The tasks of a journal. Those that had not ended have lost their processes: they end here as crashed, and are
    /// given back so that whoever waits hears of it.
    pub(super) fn new(
        journal: Journal,
        records: Vec<Record>,
        max_concurrent: usize,
        clock: Clock,
    ) -> io::Result<(Self, Vec<Record>)> {
        let live_max = max_concurrent.saturating_mul(1 + WAITING_PER_RUNNING_MAX);
        let tasks = Self { journal: Mutex::new(journal), table: Mutex::default(), live_max, clock };
        for record in records {
            tasks.table().insert(record);
        }
        let lost = tasks.end_all("the runner was restarted while the task ran; try again")?;
        Ok((tasks, lost))
    }

    /// Ends whatever has not ended as crashed, and gives the records back for the push.
    pub(super) fn end_all(&self, why: &str) -> io::Result<Vec<Record>> {
        let live = |(id, entry): (&String, &Entry)| (!entry.record.task.status.state.is_terminal()).then(|| id.clone());
        let ids: Vec<String> = self.table().tasks.iter().filter_map(live).collect();
        let mut ended = Vec::new();
        for id in ids {
            let error = Some(Failure::new(Class::Crash, why));
            ended.extend(self.end(&id, TaskState::Failed, StepResult { error, ..StepResult::default() })?);
        }
        Ok(ended)
    }

    /// Takes a message: one message makes one task.
    pub(super) fn take(&self, id: String, message: &Message, push: Option<PushConfig>) -> io::Result<Taken> {
        let mut journal = locked(&self.journal);
        {
            let table = self.table();
            if let Some(known) = table.by_message.get(&message.message_id).and_then(|id| table.tasks.get(id)) {
                return Ok(Taken::Known(known.show()));
            }
            if table.tasks.len().saturating_sub(table.ended.len()) >= self.live_max {
                return Ok(Taken::Full);
            }
        }
        let status = TaskStatus { state: TaskState::Submitted, message: None, timestamp: Some(self.now()) };
        let task = TaskSnapshot { id, context_id: message.context_id.clone(), status, artifacts: Vec::new() };
        let record = Record { task: task.clone(), message_id: message.message_id.clone(), push };
        journal.append(&record)?;
        let live = self.table().insert(record);
        Ok(Taken::New(task, live))
    }

    /// The task begins to run.
    pub(super) fn begin(&self, id: &str) -> io::Result<()> {
        self.change(id, |task| task.status.state = TaskState::Working).map(|_| ())
    }

    /// The task ends; `None` when it had ended before. The record is for the push.
    pub(super) fn end(&self, id: &str, state: TaskState, result: StepResult) -> io::Result<Option<Record>> {
        let words = result.error.as_ref().map_or(&result.summary, |error| &error.message).clone();
        self.change(id, |task| {
            task.status.state = state;
            task.status.message = Some(said(task, words));
            task.artifacts = vec![result.artifact()];
        })
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut TaskSnapshot)) -> io::Result<Option<Record>> {
        let mut journal = locked(&self.journal);
        let Some(mut record) = self.table().tasks.get(id).map(|entry| entry.record.clone()) else { return Ok(None) };
        if record.task.status.state.is_terminal() {
            return Ok(None);
        }
        change(&mut record.task);
        record.task.status.timestamp = Some(self.now());
        let written = journal.append(&record);
        let mut table = self.table();
        table.update(&record);
        if journal.is_long() {
            journal.compact(table.tasks.values().map(|entry| &entry.record))?;
        }
        written.map(|()| Some(record))
    }

    /// The task as it stands, with the live end of its output.
    pub(super) fn show(&self, id: &str) -> Option<TaskSnapshot> {
        self.table().tasks.get(id).map(Entry::show)
    }

    /// The tasks of a context, or all of them: oldest first, ids sort by birth. And how many there are.
    pub(super) fn list(&self, context_id: Option<&str>, max: usize) -> (Vec<TaskSnapshot>, usize) {
        let table = self.table();
        let matches = |entry: &&Entry| context_id.is_none_or(|wanted| entry.record.task.context_id == wanted);
        let total = table.tasks.values().filter(matches).count();
        (table.tasks.values().filter(matches).take(max).map(Entry::show).collect(), total)
    }

    /// Asks a task to stop, and gives a way to wait for that; `None` when there is no such task.
    pub(super) fn cancel(&self, id: &str) -> Option<(bool, watch::Receiver<TaskState>)> {
        let table = self.table();
        let entry = table.tasks.get(id)?;
        let ended = entry.record.task.status.state.is_terminal();
        entry.live.cancel.cancel();
        Some((ended, entry.state.subscribe()))
    }

    /// A way to wait for changes of a task.
    pub(super) fn watch(&self, id: &str) -> Option<watch::Receiver<TaskState>> {
        self.table().tasks.get(id).map(|entry| entry.state.subscribe())
    }

    /// How many run, and how many wait.
    pub(super) fn load(&self) -> (usize, usize) {
        let table = self.table();
        let count = |state| table.tasks.values().filter(|entry| entry.record.task.status.state == state).count();
        (count(TaskState::Working), count(TaskState::Submitted))
    }

    fn now(&self) -> String {
        self.clock.now().rfc3339()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        locked(&self.table)
    }
}

impl Table {
    fn insert(&mut self, record: Record) -> Live {
        let id = record.task.id.clone();
        let state = record.task.status.state;
        let live = Live::default();
        self.by_message.insert(record.message_id.clone(), id.clone());
        let entry = Entry { record, live: live.clone(), state: watch::Sender::new(state) };
        self.tasks.insert(id.clone(), entry);
        if state.is_terminal() {
            self.ended(id);
        }
        live
    }

    fn update(&mut self, record: &Record) {
        let Some(entry) = self.tasks.get_mut(&record.task.id) else { return };
        let state = record.task.status.state;
        entry.record = record.clone();
        entry.state.send_replace(state);
        if state.is_terminal() {
            self.ended(record.task.id.clone());
        }
    }

    fn ended(&mut self, id: String) {
        self.ended.push_back(id);
        if self.ended.len() > ENDED_TASKS_MAX
            && let Some(forgotten) = self.ended.pop_front().and_then(|id| self.tasks.remove(&id))
        {
            self.by_message.remove(&forgotten.record.message_id);
        }
    }
}

impl Entry {
    /// While it runs, its last words are the end of its output.
    fn show(&self) -> TaskSnapshot {
        let mut task = self.record.task.clone();
        if !task.status.state.is_terminal() {
            let log = locked(&self.live.log);
            if log.0.total() > 0 {
                task.status.message = Some(said(&task, log.0.text()));
                task.status.timestamp = Some(log.1.rfc3339());
            }
        }
        task
    }
}

fn said(task: &TaskSnapshot, words: String) -> Message {
    Message {
        message_id: format!("{}.status", task.id),
        context_id: task.context_id.clone(),
        task_id: task.id.clone(),
        role: "ROLE_AGENT".to_owned(),
        parts: vec![Part::text(words)],
        ..Message::default()
    }
}

/// Every change under these locks is whole before it is seen, so a poisoned one is taken all the same.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

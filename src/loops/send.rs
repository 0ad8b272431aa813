//! Sends attempts to agents, and finds out what became of them when nobody said.
//!
//! A2A has no deduplication, so the line between *refused* and *unclear* decides: after an unclear answer the context is
//! listed, and what is found there is adopted; only an empty list is reason to send again. The same is done with
//! attempts that another replica had claimed and perhaps sent before it fell silent.
//!
//! Every send is a piece of work of its own, so an agent that hangs holds up nobody else.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};
use url::Url;

use super::beat::Fence;
use super::ending::{Ending, Endings, report_key};
use super::request::{Draft, Need, Refusal, draft, kind};
use super::runs::{Handoff, Runs};
use super::source::Source;
use crate::agents::a2a::{Message, Part, TaskSnapshot, TaskState, TaskStatus};
use crate::agents::{Class, Failure, Kind, Picked, Push, Registry, Sent};
use crate::crash::crashpoint;
use crate::engine::event::AttemptResult;
use crate::ids::{AgentName, AttemptId};
use crate::report::StepReport;
use crate::store::{AttemptRow, Incarnation, Store};
use crate::wake::{Loop, Wakes};

/// Sends under way at once.
const SENDS_MAX: usize = 256;
/// How often one attempt is sent while every answer is unclear and every list is empty.
const TRIES_MAX: u32 = 2;
/// The pauses before each try to list a context: three tries over 15 s.
const LIST_PAUSES: [Duration; 3] = [Duration::ZERO, Duration::from_secs(4), Duration::from_secs(11)];

/// What a sender works with.
pub struct Parts {
    /// Keeps attempts and reports.
    pub store: Store,
    /// Knows what is to be done.
    pub runs: Runs,
    /// Knows the agents.
    pub registry: Arc<Registry>,
    /// Knows where files come from.
    pub source: Source,
    /// Where agents call back; without it they are polled.
    pub callback: Option<Url>,
    /// Whether we may send.
    pub fence: Fence,
    /// Wakes the watcher.
    pub wakes: Wakes,
    /// Who we are.
    pub me: Incarnation,
    /// Ends the waiting; what is under way is finished.
    pub stop: CancellationToken,
    /// Knows what is under way.
    pub tasks: TaskTracker,
}

/// Sends attempts. Cheap to clone.
#[derive(Clone)]
pub struct Sender(Arc<Inner>);

struct Inner {
    parts: Parts,
    endings: Endings,
    slots: Arc<Semaphore>,
    /// Attempts that somebody here is at.
    at_work: Mutex<BTreeSet<AttemptId>>,
}

/// Somebody is at this attempt for as long as this lives.
struct AtWork(Sender, AttemptId);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.0.at_work.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

/// Whether an agent may have heard of an attempt before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    Never,
    Perhaps,
}

impl Sender {
    /// A sender of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let endings = Endings::new(parts.store.clone(), parts.runs.clone());
        let slots = Arc::new(Semaphore::new(SENDS_MAX));
        Self(Arc::new(Inner { parts, endings, slots, at_work: Mutex::default() }))
    }

    /// Sends every attempt that starts on this replica, until the service stops.
    pub async fn send_started(self, mut handed: mpsc::Receiver<Handoff>) {
        let stop = self.0.parts.stop.clone();
        while let Some(Some(Handoff { attempt, token })) = stop.run_until_cancelled(handed.recv()).await {
            let Some(at_work) = self.begin(attempt) else { continue };
            let Ok(slot) = self.0.slots.clone().acquire_owned().await else { return };
            self.spawn(at_work, slot, Some(token), Heard::Never);
        }
    }

    /// Whether somebody here is at an attempt.
    pub(super) fn is_at(&self, attempt: &AttemptId) -> bool {
        self.0.at_work.lock().unwrap_or_else(PoisonError::into_inner).contains(attempt)
    }

    /// Goes on with an attempt of ours that was claimed and not sent, as far as we know. When there is too much to do,
    /// the watcher asks for it again.
    pub(super) fn resume(&self, attempt: AttemptId) {
        if let Some(at_work) = self.begin(attempt)
            && let Ok(slot) = self.0.slots.clone().try_acquire_owned()
        {
            self.spawn(at_work, slot, None, Heard::Perhaps);
        }
    }

    /// Goes on with an attempt that was another's; a lease later, what both of us sent is cancelled but once.
    pub(super) fn take_over(&self, row: AttemptRow, lease: Duration) {
        if row.state != "claimed" {
            return;
        }
        self.resume(row.id.clone());
        let this = self.clone();
        let work = async move {
            if this.0.parts.stop.run_until_cancelled(tokio::time::sleep(lease)).await.is_some() {
                this.cancel_strays(&row).await;
            }
        };
        self.0.parts.tasks.spawn(work.boxed());
    }

    /// Nobody else here begins with this attempt while the answer lives.
    fn begin(&self, attempt: AttemptId) -> Option<AtWork> {
        let fresh = self.0.at_work.lock().unwrap_or_else(PoisonError::into_inner).insert(attempt.clone());
        fresh.then(|| AtWork(self.clone(), attempt))
    }

    fn spawn(&self, at_work: AtWork, slot: OwnedSemaphorePermit, token: Option<[u8; 32]>, heard: Heard) {
        let work = async move {
            let AtWork(this, attempt) = &at_work;
            if let Err(error) = this.send(attempt, token, heard).await {
                // The row says that it was not sent: the watcher finds it and looks again.
                warn!(attempt.id = %attempt, error = format!("{error:#}"), "an attempt was not sent yet");
            }
            drop(slot);
        };
        self.0.parts.tasks.spawn(work.boxed());
    }

    async fn send(&self, attempt: &AttemptId, token: Option<[u8; 32]>, heard: Heard) -> anyhow::Result<()> {
        let Parts { runs, fence, .. } = &self.0.parts;
        let ours = self.row(attempt).await?.filter(|row| row.owner == Some(self.0.parts.me) && row.task.is_none());
        let Some(row) = ours.filter(|_| !fence.is_up()) else { return Ok(()) };
        if heard == Heard::Perhaps {
            let Some(found) = self.find(&row.agent, attempt).await else {
                return self.unknown(&row, "the agent does not list its tasks").await;
            };
            if let Some((picked, tasks)) = found.into_iter().next() {
                return self.adopt(&row, &picked, tasks).await;
            }
        }
        if row.stop {
            return self.end(&row, Ending::bare(AttemptResult::Stopped)).await;
        }
        let draft = match heard {
            Heard::Never => runs.read(attempt.run, |state| draft(state, attempt)).await?,
            Heard::Perhaps => runs.read_newest(attempt.run, |state| draft(state, attempt)).await?,
        };
        let draft = match draft {
            None | Some(Err(Refusal::Over)) => return Ok(()),
            Some(Err(Refusal::Wrong(why))) => {
                return self.end(&row, Ending::failed(Failure::new(Class::Config, why))).await;
            }
            Some(Ok(draft)) => draft,
        };
        self.ask(&row, draft, token).await
    }

    /// Asks the agent; its answer, or the lack of one, says what follows.
    async fn ask(&self, row: &AttemptRow, mut draft: Draft, token: Option<[u8; 32]>) -> anyhow::Result<()> {
        let Parts { registry, source, fence, callback, .. } = &self.0.parts;
        let files = match source.files(row.id.run.installation, &draft.birth).await {
            Ok(files) => files,
            Err(error) => return self.end(row, transient(format!("no files for this step: {error:#}"))).await,
        };
        let needs = std::mem::take(&mut draft.needs);
        let reports = self.reports(&row.id, needs).await?;
        let picked = match registry.pick(&draft.agent, &[]) {
            Ok(picked) => picked,
            Err(unavailable) => {
                let fallback = draft.fallback.clone();
                let message = unavailable.falling_back_to(fallback.clone()).to_string();
                let ending = match fallback {
                    Some(_) => Ending::bare(AttemptResult::Declined { message }),
                    None => Ending::failed(Failure::new(Class::Overloaded, message)),
                };
                return self.end(row, ending).await;
            }
        };
        let kind = draft.kind();
        let push = callback.clone().zip(token).map(|(url, token)| Push { url, token: hex::encode(token).into() });
        let request = draft.finish(files, &reports, push);
        let mut last = String::new();
        for _ in 0..TRIES_MAX {
            if fence.is_up() {
                return Ok(());
            }
            crashpoint!("attempt_claimed_not_sent");
            match picked.client().send(&request).await {
                Sent::Task(task) => {
                    crashpoint!("task_made_not_recorded");
                    picked.answered();
                    return self.sent(row, &picked, &task, kind).await;
                }
                Sent::Message(words) => {
                    picked.answered();
                    return self.end(row, said(&row.id, words, kind)).await;
                }
                Sent::Refused(failure) | Sent::Unusable(failure) => return self.refused(row, &picked, failure).await,
                Sent::Unclear { why } => {
                    picked.failed(&why);
                    match self.listed(&picked, &row.id).await {
                        Some(tasks) if tasks.is_empty() => last = why,
                        Some(tasks) => return self.adopt(row, &picked, tasks).await,
                        None => return self.unknown(row, &why).await,
                    }
                }
            }
        }
        self.end(row, transient(format!("the agent gives no clear answer: {last}"))).await
    }

    /// Nobody knows whether an agent has it. It is not sent again, for that might be twice: whoever comes after us asks
    /// once more, or, when it was the agent that kept silent, this attempt is over.
    async fn unknown(&self, row: &AttemptRow, why: &str) -> anyhow::Result<()> {
        if self.0.parts.stop.is_cancelled() || self.0.parts.fence.is_up() {
            return Ok(());
        }
        let ending = match row.stop {
            true => Ending::bare(AttemptResult::Fenced),
            false => transient(format!("nobody knows whether it began: {why}")),
        };
        self.end(row, ending).await
    }

    async fn refused(&self, row: &AttemptRow, picked: &Picked, failure: Failure) -> anyhow::Result<()> {
        let mut failure = failure;
        if matches!(failure.class, Class::Transient | Class::BadOutput) {
            picked.failed(&failure.message);
            let url = picked.client().endpoint();
            failure.message = format!("Agent not available: {}: {url}: {}", row.agent, failure.message);
        } else {
            picked.answered();
        }
        self.end(row, Ending::failed(failure)).await
    }

    /// An agent has it: recorded under our epoch, or not ours any more.
    async fn sent(&self, row: &AttemptRow, picked: &Picked, task: &TaskSnapshot, kind: Kind) -> anyhow::Result<()> {
        let Parts { store, wakes, .. } = &self.0.parts;
        let endpoint = picked.client().endpoint().as_str();
        if !store.attempt_sent(row.id.clone(), row.epoch, &task.id, endpoint).await? {
            debug!(attempt.id = %row.id, "an attempt is not ours any more");
            return Ok(());
        }
        crashpoint!("task_recorded_not_watched");
        match Ending::of(task, kind, row.id.number, row.stop) {
            Ok(ending) => self.end(row, ending).await,
            Err(_) => {
                wakes.wake(Loop::Watch);
                Ok(())
            }
        }
    }

    /// Of several tasks of one attempt the oldest is the one; the others were sent in doubt.
    async fn adopt(&self, row: &AttemptRow, picked: &Picked, tasks: Vec<TaskSnapshot>) -> anyhow::Result<()> {
        let mut tasks = tasks.into_iter();
        let Some(oldest) = tasks.next() else { return Ok(()) };
        self.cancel(picked, tasks).await;
        let kind = self.0.parts.runs.read_newest(row.id.run, |state| {
            let step = state.find(&row.id.step).and_then(|ix| state.steps.get(ix as usize));
            step.map(|step| kind(state.plan_of(step)))
        });
        let kind = kind.await?.flatten().unwrap_or(Kind::Command);
        self.sent(row, picked, &oldest, kind).await
    }

    async fn cancel(&self, picked: &Picked, tasks: impl Iterator<Item = TaskSnapshot>) {
        for task in tasks.filter(|task| !task.status.state.is_terminal()) {
            if self.0.parts.fence.is_up() {
                return;
            }
            if let Err(error) = picked.client().cancel(&task.id).await {
                debug!(task = task.id, %error, "a second task of one attempt was not cancelled");
            }
        }
    }

    async fn cancel_strays(&self, row: &AttemptRow) {
        let known = match self.row(&row.id).await {
            // One that is over leaves nothing that should go on.
            Ok(None) => None,
            Ok(Some(now)) if now.owner == Some(self.0.parts.me) && now.task.is_some() => now.task,
            Ok(Some(_)) => return,
            Err(error) => return warn!(attempt.id = %row.id, error = format!("{error:#}"), "strays are not looked for"),
        };
        for (picked, tasks) in self.find(&row.agent, &row.id).await.unwrap_or_default() {
            self.cancel(&picked, tasks.into_iter().filter(|task| known.as_ref() != Some(&task.id))).await;
        }
    }

    /// Every endpoint of an agent that knows an attempt, with its tasks; nothing when none does and one did not say.
    async fn find(&self, agent: &AgentName, attempt: &AttemptId) -> Option<Vec<(Picked, Vec<TaskSnapshot>)>> {
        let registry = &self.0.parts.registry;
        let endpoints = registry.endpoints().filter(|endpoint| endpoint.agent() == agent);
        let picked: Vec<Picked> = endpoints.filter_map(|endpoint| registry.at(agent, endpoint.url())).collect();
        let found = picked.into_iter().map(|picked| async move {
            let tasks = self.listed(&picked, attempt).await;
            (picked, tasks)
        });
        let (mut known, mut silent) = (Vec::new(), false);
        for (picked, tasks) in join_all(found).await {
            match tasks {
                Some(tasks) if tasks.is_empty() => {}
                Some(tasks) => known.push((picked, tasks)),
                None => silent = true,
            }
        }
        (!silent || !known.is_empty()).then_some(known)
    }

    /// The tasks of an attempt at an endpoint; nothing when it does not say.
    async fn listed(&self, picked: &Picked, attempt: &AttemptId) -> Option<Vec<TaskSnapshot>> {
        for pause in LIST_PAUSES {
            self.0.parts.stop.run_until_cancelled(tokio::time::sleep(pause)).await?;
            match picked.client().list(&attempt.to_string()).await {
                Ok(tasks) => return Some(tasks),
                Err(error) => debug!(attempt.id = %attempt, %error, "an agent does not list its tasks"),
            }
        }
        None
    }

    async fn row(&self, attempt: &AttemptId) -> anyhow::Result<Option<AttemptRow>> {
        let rows = self.0.parts.store.attempts(attempt.run).await.context("the row of an attempt")?;
        Ok(rows.into_iter().find(|row| row.id == *attempt))
    }

    async fn reports(&self, attempt: &AttemptId, needs: Vec<Need>) -> anyhow::Result<Vec<(Need, StepReport)>> {
        let store = &self.0.parts.store;
        let mut reports = Vec::new();
        for need in needs {
            let of = AttemptId { run: attempt.run, step: need.step.clone(), number: need.attempt };
            let body = store.blob(attempt.run, report_key(store, &of)?).await.context("a report")?;
            if let Some(report) = body.and_then(|body| serde_json::from_slice(&body).ok()) {
                reports.push((need, report));
            }
        }
        Ok(reports)
    }

    async fn end(&self, row: &AttemptRow, ending: Ending) -> anyhow::Result<()> {
        self.0.endings.end(&row.agent, &row.id, ending).await
    }
}

fn transient(message: String) -> Ending {
    Ending::failed(Failure::new(Class::Transient, message))
}

/// An agent that answered at once, without any task.
fn said(attempt: &AttemptId, words: String, kind: Kind) -> Ending {
    let message = Message { parts: vec![Part::text(words)], ..Message::default() };
    let status = TaskStatus { state: TaskState::Completed, message: Some(message), timestamp: None };
    let task = TaskSnapshot { status, ..TaskSnapshot::default() };
    Ending::of(&task, kind, attempt.number, false).unwrap_or_else(|_| transient("the agent said nothing".to_owned()))
}

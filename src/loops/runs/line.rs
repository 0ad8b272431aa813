//! Those who have something to tell one run, while its last transition is on its way to the database: whoever is first
//! when that is over takes all of them along. Four steps that end at once are one transaction, not four.
//!
//! *Invariant:* every act that came into the line is answered, in the order in which they came, even when whoever
//! brought it does not wait any more.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, anyhow, bail};
use futures_util::FutureExt as _;
use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::{Act, Broken, Draft, Place, RACES_MAX, Runs, Slot};
use crate::engine::{Rejected, Transition};
use crate::loops::rows;
use crate::store::{AttemptWrite, GateWrite};

/// Acts in one transaction.
const ACTS_MAX: usize = 64;
/// Bytes of one transaction, unless one act alone has more.
const BYTES_MAX: usize = 1 << 20;

/// What the engine said; nothing where there is no such run.
type Said = Option<Result<Transition, Rejected>>;

/// Acts of one run, in the order in which they came.
#[derive(Default)]
pub(super) struct Line(Mutex<VecDeque<Waiting>>);

struct Waiting {
    act: Act,
    answer: oneshot::Sender<anyhow::Result<Said>>,
}

impl Line {
    fn push(&self, waiting: Waiting) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(waiting);
    }

    fn take(&self) -> VecDeque<Waiting> {
        let mut line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let acts = line.len().min(ACTS_MAX);
        line.drain(..acts).collect()
    }
}

impl Runs {
    /// Decides and writes one act with which nothing else has to land. Dropping the future does not take it back.
    ///
    /// # Errors
    /// As [`Runs::commit`].
    pub async fn note(&self, act: Act) -> anyhow::Result<Said> {
        let slot = self.slot(act.run).await;
        let (answer, said) = oneshot::channel();
        slot.line.push(Waiting { act, answer });
        let runs = self.clone();
        tokio::spawn(async move { runs.serve(&slot).await }.boxed().in_current_span());
        said.await.context("nobody answered for an event; whether it was written, the journal says")?
    }

    async fn serve(&self, slot: &Slot) {
        let mut place = Arc::clone(&slot.cached).lock_owned().await;
        let mut line = slot.line.take();
        while !line.is_empty() {
            let said = self.serve_some(line.make_contiguous(), &mut place).await;
            let answers: Vec<_> = match said {
                Ok(said) => said.into_iter().map(Ok).collect(),
                Err(error) => line.iter().map(|_| Err(same(&error))).collect(),
            };
            for (waiting, said) in line.drain(..answers.len()).zip(answers) {
                // Nobody waits any more: the rows say what happened.
                let _ = waiting.answer.send(said);
            }
        }
    }

    /// What the engine said to the first acts of the line, which are durable.
    async fn serve_some(&self, line: &[Waiting], place: &mut Place) -> anyhow::Result<Vec<Said>> {
        for _ in 0..RACES_MAX {
            if let Some(said) = self.try_some(line, place).await? {
                return Ok(said);
            }
        }
        bail!("an event lost {RACES_MAX} races");
    }

    /// One try. `None`: another replica moved the run first.
    async fn try_some(&self, line: &[Waiting], place: &mut Place) -> anyhow::Result<Option<Vec<Said>>> {
        let Some(first) = line.first() else { return Ok(Some(Vec::new())) };
        let (cached, is_fresh) = self.take(&first.act, place).await?;
        let Some(mut cached) = cached else { return Ok(Some(line.iter().map(|_| None).collect())) };
        let mut draft = Draft::default();
        let mut said = Vec::with_capacity(line.len());
        for waiting in line {
            said.push(Some(self.decide(&waiting.act, &mut cached, &mut draft).await?));
            if draft.is_closed() {
                break;
            }
        }
        // A decision that writes nothing is compared with nothing: an old state must not make it.
        if draft.written.is_empty() && !is_fresh && self.is_old(&cached.state).await? {
            return Ok(None);
        }
        match self.land(draft, std::slice::from_mut(&mut cached)).await? {
            None => {
                **place = Some(cached);
                Ok(Some(said))
            }
            Some(lost) if rows::only_runs(&lost) => Ok(None),
            Some(lost) => bail!("an event lost against {lost:?}"),
        }
    }
}

impl Draft {
    /// Nothing may follow in the same transaction. What the last transition put there, a later one may want to change,
    /// and a transaction writes what is new after what is changed.
    fn is_closed(&self) -> bool {
        let puts = self.bundle.transitions.last().is_some_and(|last| {
            let attempt = last.attempts.iter().any(|write| matches!(write, AttemptWrite::Insert(_)));
            let gate = |write: &GateWrite| matches!(write, GateWrite::Wait { .. } | GateWrite::TicketInsert { .. });
            attempt || last.gates.iter().any(gate)
        });
        puts || self.bundle.bytes() >= BYTES_MAX
    }
}

/// An error, for one more of those whom it concerns.
fn same(error: &anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<Broken>() {
        Some(broken) => broken.clone().into(),
        None => anyhow!("{error:#}"),
    }
}

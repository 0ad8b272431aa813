//! Live attempts: the queue of each agent, who works on what, and what a fallen replica left.
//!
//! A claim is a transition and goes through the door. What is here changes bookkeeping only, compared by epoch: no row
//! changed means fenced.

use super::open::Store;
use super::replicas::Incarnation;
use super::{Error, column};
use crate::ids::{AgentName, AttemptId, RunId};
use crate::time::Timestamp;

/// Rows of one look at most.
const ROWS_MAX: u32 = 500;
/// Attempts that one process works on: all of them are watched.
const OWNED_MAX: u32 = 10_000;

/// An attempt that is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRow {
    /// The attempt.
    pub id: AttemptId,
    /// Whose work it is.
    pub agent: AgentName,
    /// `queued`, `claimed` or `sent`.
    pub state: String,
    /// Raised by every claim and takeover.
    pub epoch: u64,
    /// The process that works on it.
    pub owner: Option<Incarnation>,
    /// Not to be started before.
    pub due_at: Timestamp,
    /// Its run is paused.
    pub held: bool,
    /// It shall end.
    pub stop: bool,
    /// The agent's name for it, once sent.
    pub task: Option<String>,
    /// The address it was sent to.
    pub endpoint: Option<String>,
    /// When it was queued.
    pub created_at: Timestamp,
}

impl Store {
    /// Agents that have something in their queue.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn queued_agents(&self) -> Result<Vec<AgentName>, Error> {
        on!(self, attempts::agents())
    }

    /// Attempts of an agent that may start: queued, due, not held. Longest due first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn queued_attempts(&self, agent: AgentName, at: Timestamp, limit: u32) -> Result<Vec<AttemptRow>, Error> {
        on!(self, attempts::queued(&agent, at.0, limit.min(ROWS_MAX)))
    }

    /// The live attempts of a run.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn attempts(&self, run: RunId) -> Result<Vec<AttemptRow>, Error> {
        on!(self, attempts::of_run(run))
    }

    /// What a process works on; `stopping` only: what it shall cancel.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn owned_attempts(&self, owner: Incarnation, stopping: bool) -> Result<Vec<AttemptRow>, Error> {
        on!(self, attempts::owned(owner, i64::from(stopping), OWNED_MAX))
    }

    /// The attempt whose push token has this hash.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn attempt_by_token(&self, token_hash: [u8; 32]) -> Result<Option<AttemptRow>, Error> {
        on!(self, attempts::by_token(token_hash))
    }

    /// Records that an agent took an attempt; false when we are fenced.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn attempt_sent(&self, id: AttemptId, epoch: u64, task: &str, endpoint: &str) -> Result<bool, Error> {
        let (task, endpoint) = (task.to_owned(), endpoint.to_owned());
        on!(self, attempts::sent((&id, column::signed(epoch)), &task, &endpoint))
    }

    /// Takes an attempt over from a process that fell silent: the new epoch, or none when another was faster.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn take_over(&self, id: AttemptId, epoch: u64, owner: Incarnation) -> Result<Option<u64>, Error> {
        let taken = on!(self, attempts::take_over((&id, column::signed(epoch)), owner))?;
        Ok(taken.then_some(epoch + 1))
    }

    /// Attempts whose owner has not shown a beat since `silent_since`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn orphans(&self, silent_since: Timestamp) -> Result<Vec<AttemptRow>, Error> {
        let alive = on!(self, replicas::alive(silent_since.0))?;
        let mut orphans = Vec::new();
        for owner in on!(self, attempts::owners())? {
            if !alive.contains(&owner) {
                orphans.extend(on!(self, attempts::owned(owner, 0, OWNED_MAX))?);
            }
        }
        Ok(orphans)
    }
}

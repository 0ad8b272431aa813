//! Heads: the commits that we report on, who speaks for each workflow on them, and the holds of pull requests.

use std::time::Duration;

use super::door::{DirtyCheck, Speaker};
use super::open::Store;
use super::{Error, column};
use crate::ids::{CommitSha, InstallationId, RepoId, WorkflowId};
use crate::time::Timestamp;

/// A commit that we report on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeadKey {
    /// The installation.
    pub installation: InstallationId,
    /// The repository.
    pub repo: RepoId,
    /// The commit.
    pub sha: CommitSha,
}

/// A head to be reconciled, claimed.
#[derive(Debug, Clone)]
pub struct HeadDue {
    /// The head.
    pub head: HeadKey,
    /// The claim's number.
    pub epoch: u64,
    /// How often it was marked, so that a mark that comes meanwhile is not lost.
    pub marks: u64,
    /// The names that may look different, with their marks.
    pub dirty: Vec<(String, u64)>,
}

/// Who speaks for a workflow on a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpeakerRow {
    /// The workflow.
    pub workflow: WorkflowId,
    /// The version to compare.
    pub version: u64,
    /// The run, or the reason why none runs.
    pub speaker: Speaker,
    /// The class of the speaker.
    pub class: i64,
    /// The source time that decides within a class.
    pub source_at: Timestamp,
}

/// A pull request's hold, on or off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrHold {
    /// The workflow; none for all of them.
    pub workflow: Option<WorkflowId>,
    /// The version to compare; a hold that is not listed has version 0.
    pub version: u64,
    /// On or off.
    pub held: bool,
    /// Who.
    pub actor: String,
    /// Why, in their words.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

/// When a head is due again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// Then, or as soon as it is marked.
    Unless(Timestamp),
    /// Then, whatever is marked meanwhile: nothing can be written before.
    NotBefore(Timestamp),
}

impl Store {
    /// Claims heads that are due, longest overdue first, for `lease`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn claim_heads(&self, at: Timestamp, lease: Duration, limit: u32) -> Result<Vec<HeadDue>, Error> {
        let claim = (at.plus(lease).0, self.me);
        let mut claimed = Vec::new();
        for due in on!(self, heads::due(at.0, limit))? {
            let (head, epoch) = (due.head.clone(), due.epoch);
            if !on!(self, heads::claim((&head, epoch), claim))? {
                continue;
            }
            let head = due.head.clone();
            let dirty = on!(self, heads::dirty(&head))?;
            claimed.push(HeadDue { epoch: due.epoch + 1, dirty, ..due });
        }
        Ok(claimed)
    }

    /// Ends a claim. `settled` names, of the dirty ones, are clean unless marked meanwhile. A head that is not due again
    /// leaves the queue unless it was marked meanwhile. False: another has claimed it since.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn head_settled(
        &self,
        due: HeadDue,
        settled: Vec<(String, u64)>,
        at: Timestamp,
        again: Option<Again>,
    ) -> Result<bool, Error> {
        on!(self, tx heads::settled(&due, &settled, at.0, again))
    }

    /// Marks checks of heads that may look different, outside of any transition: a slow sweep, a button.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn mark_dirty(&self, mut checks: Vec<DirtyCheck>, at: Timestamp) -> Result<(), Error> {
        checks.sort_unstable();
        checks.dedup();
        on!(self, tx heads::mark(&checks, at.0))
    }

    /// Who speaks on a head, by workflow.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn speakers(&self, head: HeadKey) -> Result<Vec<SpeakerRow>, Error> {
        on!(self, heads::speakers(&head))
    }

    /// The holds of a pull request.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn pr_holds(
        &self,
        installation: InstallationId,
        repo: RepoId,
        number: i64,
    ) -> Result<Vec<PrHold>, Error> {
        on!(self, heads::holds(installation, repo, number))
    }

    /// When the head that is longest overdue was due.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn oldest_head(&self) -> Result<Option<Timestamp>, Error> {
        Ok(column::moment(on!(self, heads::oldest())?))
    }
}

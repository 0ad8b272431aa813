//! Runs: loading a journal, the checkpoints beside it, and the bounded lists that pages and timers read.

use super::crypt::DataKey;
use super::open::Store;
use super::plans::PlanHash;
use super::rows::{EventFull, body_place, key_place, link};
use super::{Error, column};
use crate::ids::{CommitSha, InstallationId, RepoId, RunId, WorkflowId};
use crate::time::Timestamp;

/// Rows of one page at most.
pub(super) const PAGE_MAX: u32 = 100;
/// Journal rows that are read at a time.
pub(super) const EVENTS_MAX: u32 = 500;

/// A run as lists see it.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the columns of RunWrite, as they were written")]
pub struct RunRow {
    pub id: RunId,
    pub seq: u64,
    pub phase: String,
    pub repo: RepoId,
    pub sha: CommitSha,
    pub pull: Option<i64>,
    pub workflow: WorkflowId,
    pub cause: String,
    pub plan: PlanHash,
    pub source_at: Timestamp,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub wake_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// Why it is quarantined.
    pub broken: Option<String>,
}

/// A journal row, opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Its place; the first is 1.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What kind.
    pub kind: String,
    /// Who.
    pub actor: String,
    /// The event and its changes, encoded.
    pub body: Vec<u8>,
}

/// What it takes to have a run in memory.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Its row.
    pub row: RunRow,
    /// The newest saved state with the `seq` it stands at; none: fold from the beginning.
    pub checkpoint: Option<(u64, Vec<u8>)>,
    /// Every event after it, in order, up to the row's `seq`.
    pub tail: Vec<EventRow>,
}

/// Which runs to list, newest first.
#[derive(Debug, Clone, PartialEq)]
pub enum RunFilter {
    /// All of an installation.
    All,
    /// Of a repository.
    Repo(RepoId),
    /// Of a pull request.
    Pull(RepoId, i64),
    /// Of a commit.
    Head(RepoId, CommitSha),
}

/// A journal row as it lies in the table.
pub(super) struct EventStored {
    pub(super) seq: i64,
    pub(super) transition_id: [u8; 16],
    pub(super) at: i64,
    pub(super) kind: String,
    pub(super) actor: String,
    pub(super) chain: [u8; 16],
    pub(super) body: Vec<u8>,
}

/// A run's row with what opens its bodies.
pub(super) struct RunStored {
    pub(super) row: RunRow,
    pub(super) chain: [u8; 16],
    pub(super) data_key: Vec<u8>,
}

fn broken_chain(run: RunId, why: &'static str) -> Error {
    Error::Unreadable { what: format!("the journal of {run}"), why }
}

impl Store {
    /// Loads a run: its newest checkpoint that can be read and the journal after it, with the chain verified.
    ///
    /// # Errors
    /// [`Error::Unreadable`] when the journal has a gap, was tampered with, or was sealed with a key that we lack.
    pub async fn load_run(&self, run: RunId) -> Result<Option<Loaded>, Error> {
        let Some((stored, key)) = self.run_stored(run).await? else { return Ok(None) };
        let checkpoint = match on!(self, runs::checkpoint(run))? {
            Some((seq, body)) => {
                let opened = key.open(body_place("checkpoint", &run, &seq.to_be_bytes()), &body);
                opened
                    .inspect_err(|error| tracing::warn!(run.id = %run, %error, "skipping a checkpoint"))
                    .ok()
                    .map(|b| (seq, b))
            }
            None => None,
        };
        let checkpoint = checkpoint.filter(|(seq, _)| column::unsigned(*seq) <= stored.row.seq);
        let tail = self.verified(&stored, &key, checkpoint.as_ref().map_or(0, |(seq, _)| *seq)).await?;
        let checkpoint = checkpoint.map(|(seq, body)| (column::unsigned(seq), body));
        Ok(Some(Loaded { row: stored.row, checkpoint, tail }))
    }

    /// Verifies and opens the journal after `after`. The row at `after` anchors the chain.
    async fn verified(&self, stored: &RunStored, key: &DataKey, after: i64) -> Result<Vec<EventRow>, Error> {
        let crypt = self.crypt()?;
        let (run, last) = (stored.row.id, column::signed(stored.row.seq));
        let mut events = Vec::new();
        let (mut at, mut before) = (after, (after == 0).then_some([0; 16]));
        while at < last || before.is_none() {
            let from = if before.is_none() { at } else { at + 1 };
            let page = on!(self, runs::events((run, from, last), EVENTS_MAX))?;
            if page.is_empty() {
                return Err(broken_chain(run, "rows are missing"));
            }
            for row in page {
                let Some(previous) = before else {
                    before = Some(row.chain);
                    continue;
                };
                if row.seq != at + 1 {
                    return Err(broken_chain(run, "rows are missing"));
                }
                if link(&crypt, &previous, &row.full(run)) != row.chain {
                    return Err(broken_chain(run, "a row was changed"));
                }
                (at, before) = (row.seq, Some(row.chain));
                events.push(row.opened(run, key)?);
            }
        }
        if before != Some(stored.chain) {
            return Err(broken_chain(run, "the last row is not the one that was written"));
        }
        Ok(events)
    }

    async fn run_stored(&self, run: RunId) -> Result<Option<(RunStored, DataKey)>, Error> {
        let Some(stored) = on!(self, runs::one(run))? else { return Ok(None) };
        let key = self.crypt()?.key(key_place(&run), &stored.data_key)?;
        Ok(Some((stored, key)))
    }

    pub(super) async fn run_key(&self, run: RunId) -> Result<Option<DataKey>, Error> {
        Ok(self.run_stored(run).await?.map(|(_, key)| key))
    }

    /// A run's row.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn run(&self, run: RunId) -> Result<Option<RunRow>, Error> {
        Ok(on!(self, runs::one(run))?.map(|stored| stored.row))
    }

    /// A page of a journal, after `after`, opened but not verified.
    ///
    /// # Errors
    /// When the database does not answer, or a body cannot be opened.
    pub async fn events(&self, run: RunId, after: u64, limit: u32) -> Result<Vec<EventRow>, Error> {
        let Some(key) = self.run_key(run).await? else { return Ok(Vec::new()) };
        let from = column::signed(after).saturating_add(1);
        let page = on!(self, runs::events((run, from, i64::MAX), limit.min(EVENTS_MAX)))?;
        page.into_iter().map(|row| row.opened(run, &key)).collect()
    }

    /// Verifies a whole journal against its chain; how many rows it has.
    ///
    /// # Errors
    /// [`Error::Unreadable`] says what is wrong with it.
    pub async fn verify_run(&self, run: RunId) -> Result<usize, Error> {
        let Some((stored, key)) = self.run_stored(run).await? else { return Ok(0) };
        Ok(self.verified(&stored, &key, 0).await?.len())
    }

    /// Saves a state, after the commit that led to it. An older one never replaces a newer one.
    ///
    /// # Errors
    /// When the database does not take it; nothing depends on it.
    pub async fn write_checkpoint(&self, run: RunId, seq: u64, state: &[u8]) -> Result<(), Error> {
        let Some(key) = self.run_key(run).await? else { return Ok(()) };
        let seq = column::signed(seq);
        let body = key.seal(body_place("checkpoint", &run, &seq.to_be_bytes()), state)?;
        on!(self, runs::write_checkpoint(run, seq, &body))
    }

    /// A page of runs, newest first, before `before`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_runs(
        &self,
        installation: InstallationId,
        filter: RunFilter,
        before: Option<RunId>,
        limit: u32,
    ) -> Result<Vec<RunRow>, Error> {
        on!(self, runs::list(installation, &filter, before, limit.min(PAGE_MAX)))
    }

    /// A page of the runs that have not finished, of every installation, before `before`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn live_runs(&self, before: Option<RunId>, limit: u32) -> Result<Vec<RunRow>, Error> {
        on!(self, runs::live(before, limit.min(PAGE_MAX)))
    }

    /// Runs whose timer may have come, longest overdue first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn due_runs(&self, at: Timestamp, limit: u32) -> Result<Vec<RunId>, Error> {
        on!(self, runs::due(at.0, limit.min(PAGE_MAX)))
    }

    /// Corrects a timer that came too early: nothing was due at `seq`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn set_wake(&self, run: RunId, seq: u64, wake_at: Option<Timestamp>) -> Result<(), Error> {
        on!(self, runs::set_wake(run, column::signed(seq), wake_at.map(|at| at.0)))
    }

    /// How many runs are not finished, over all installations.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_live(&self) -> Result<u64, Error> {
        Ok(column::unsigned(on!(self, runs::count_live())?))
    }

    /// Quarantines a run that cannot be worked on: nothing wakes or claims it, its attempts are told to stop, and its
    /// place in the run limit and its slots are free. Group and environment stay with it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn quarantine(&self, run: RunId, why: &str) -> Result<(), Error> {
        let why: String = why.chars().take(255).collect();
        on!(self, tx runs::quarantine(run, &why))
    }

    /// Takes a run out of quarantine; it is due at once.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn mend(&self, run: RunId, at: Timestamp) -> Result<bool, Error> {
        on!(self, runs::mend(run, at.0))
    }

    /// Ends a quarantined run by its row, without reading its state; it gives everything back.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn bury(&self, run: RunId, phase: &'static str, at: Timestamp) -> Result<bool, Error> {
        on!(self, tx runs::bury(run, phase, at.0))
    }

    /// Wraps the data keys of the next page of runs after `after` by the key that seals today: the cursor for the next
    /// call, none at the end. Bodies are not touched.
    ///
    /// # Errors
    /// When the database does not answer, or a run was sealed with a key that we lack.
    pub async fn rotate_keys(&self, after: Option<RunId>) -> Result<Option<RunId>, Error> {
        let crypt = self.crypt()?;
        let page = on!(self, runs::keys(after, PAGE_MAX))?;
        let last = page.last().map(|(run, _)| *run);
        for (run, old) in page {
            if let Some(new) = crypt.rewrap(key_place(&run), &old)? {
                on!(self, runs::rewrap(run, &old, &new))?;
            }
        }
        Ok(last)
    }

    /// The quarantined runs, at most a page.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn broken_runs(&self) -> Result<Vec<RunRow>, Error> {
        on!(self, runs::broken(PAGE_MAX))
    }
}

impl EventStored {
    fn full(&self, id: RunId) -> EventFull<'_> {
        EventFull {
            id,
            seq: self.seq,
            transition_id: self.transition_id,
            at: self.at,
            kind: &self.kind,
            actor: &self.actor,
            chain: self.chain,
            body: self.body.clone(),
        }
    }

    fn opened(self, run: RunId, key: &DataKey) -> Result<EventRow, Error> {
        let body = key.open(body_place("run_event", &run, &self.seq.to_be_bytes()), &self.body)?;
        let (seq, at) = (column::unsigned(self.seq), Timestamp(self.at));
        Ok(EventRow { seq, at, kind: self.kind, actor: self.actor, body })
    }
}

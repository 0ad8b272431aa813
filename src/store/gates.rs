//! Gates: who waits, who holds, and the version that a decision compares. Decisions land through the door; tickets of
//! the whole service (an agent's slots, all runs at once) are taken in a transaction of their own, before the claim.

use super::door::{GateId, GateKind};
use super::open::Store;
use super::{Error, column};
use crate::ids::{InstallationId, RepoId, RunId};
use crate::time::Timestamp;

/// Rows of one look at most.
const ROWS_MAX: u32 = 500;

/// One who waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitRow {
    /// The run.
    pub run: RunId,
    /// The run or attempt that would hold it.
    pub holder: String,
    /// The repository.
    pub repo: RepoId,
    /// Larger goes first.
    pub priority: i64,
    /// Since when.
    pub asked_at: Timestamp,
    /// The source time of the run.
    pub source_at: Timestamp,
}

/// One who holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketRow {
    /// The gate.
    pub gate: GateId,
    /// The run or attempt.
    pub holder: String,
    /// The run.
    pub run: RunId,
    /// Its stamp: when it was taken, or looked at last.
    pub granted_at: Timestamp,
}

/// A run that holds something, as the rule of a gate sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HolderRow {
    /// The run.
    pub run: RunId,
    /// The repository.
    pub repo: RepoId,
    /// The source time of the run.
    pub source_at: Timestamp,
    /// It is quarantined.
    pub is_broken: bool,
}

impl Store {
    /// Gates that somebody waits for.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn waiting_gates(&self) -> Result<Vec<GateId>, Error> {
        on!(self, gates::waiting())
    }

    /// The version of a gate, who holds it, and the oldest `each` of every installation that wait for it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn gate(&self, gate: GateId, each: u32) -> Result<(u64, Vec<TicketRow>, Vec<WaitRow>), Error> {
        let (version, tickets, waits) = on!(self, gates::look(&gate, each.min(ROWS_MAX)))?;
        Ok((column::unsigned(version), tickets, waits))
    }

    /// What a run waits for: `/why`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn waits_of(&self, run: RunId) -> Result<Vec<(GateId, WaitRow)>, Error> {
        on!(self, gates::of_run(run))
    }

    /// The runs that hold something, in any order; what is gone is absent.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn holders(&self, runs: Vec<RunId>) -> Result<Vec<HolderRow>, Error> {
        on!(self, gates::holders(&runs))
    }

    /// Takes tickets of one gate of the whole service, all or none, if the gate is still as it was read.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn take_tickets(&self, tickets: Vec<TicketRow>, kind: GateKind, version: u64) -> Result<bool, Error> {
        match on!(self, tx gates::take(&tickets, kind, column::signed(version))) {
            Err(error) if error.is_duplicate() => Ok(false),
            result => result,
        }
    }

    /// Gives a ticket back, if it is still as it was read or taken.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn drop_ticket(&self, ticket: &TicketRow) -> Result<(), Error> {
        let ticket = ticket.clone();
        on!(self, gates::drop_ticket(&ticket))
    }

    /// Gives a ticket a new stamp, if it is still as it was read: whoever took it and has not used it yet, cannot use it
    /// any more.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn stamp_ticket(&self, ticket: &TicketRow, at: Timestamp) -> Result<bool, Error> {
        let ticket = ticket.clone();
        on!(self, gates::stamp(&ticket, at.0))
    }

    /// Tickets of a scope older than `before`, oldest first: the sweeper asks whether their holder still lives.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn old_tickets(&self, scope: InstallationId, before: Timestamp) -> Result<Vec<TicketRow>, Error> {
        on!(self, gates::old(scope, before.0, ROWS_MAX))
    }
}

//! Installations and their repositories, with the budget of writes to GitHub: one writer at a time, and what it spent
//! in the row, so that three replicas do not spend three budgets.

use std::time::Duration;

use super::Error;
use super::open::Store;
use super::replicas::Incarnation;
use crate::ids::{InstallationId, RepoId, RepoName};
use crate::time::Timestamp;

/// An installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallationRow {
    /// GitHub's number of it.
    pub id: InstallationId,
    /// Who installed the App.
    pub account: String,
    /// Since when GitHub has it suspended.
    pub suspended_at: Option<Timestamp>,
    /// Since when it is gone.
    pub removed_at: Option<Timestamp>,
}

/// A repository of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryRow {
    /// The installation.
    pub installation: InstallationId,
    /// GitHub's number of it.
    pub id: RepoId,
    /// Its name today.
    pub name: RepoName,
    /// Its default branch.
    pub default_branch: String,
}

/// The budget of an installation, as its writers encode it; empty before the first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Budget(pub Vec<u8>);

impl Store {
    /// Writes an installation.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn put_installation(&self, row: InstallationRow) -> Result<(), Error> {
        on!(self, installs::put(&row))
    }

    /// Reads an installation.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn installation(&self, id: InstallationId) -> Result<Option<InstallationRow>, Error> {
        on!(self, installs::get(id))
    }

    /// Every installation that is not gone, in order of their numbers, after `after`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn installations(&self, after: InstallationId, limit: u32) -> Result<Vec<InstallationRow>, Error> {
        on!(self, installs::list(after, limit))
    }

    /// Writes a repository: it is there, under this name. So is its installation, whether we were told of it or were
    /// away at that moment.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn put_repository(&self, row: RepositoryRow) -> Result<(), Error> {
        on!(self, tx installs::put_repository(&row))
    }

    /// Records that a repository is no longer ours.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn remove_repository(
        &self,
        installation: InstallationId,
        id: RepoId,
        at: Timestamp,
    ) -> Result<(), Error> {
        on!(self, installs::remove_repository(installation, id, at.0))
    }

    /// Reads a repository that is ours.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn repository(&self, installation: InstallationId, id: RepoId) -> Result<Option<RepositoryRow>, Error> {
        on!(self, installs::repository(installation, id))
    }

    /// The repositories of an installation, by number.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn repositories(
        &self,
        installation: InstallationId,
        after: RepoId,
        limit: u32,
    ) -> Result<Vec<RepositoryRow>, Error> {
        on!(self, installs::repositories(installation, after, limit))
    }

    /// Becomes, or stays, the one writer of an installation for `lease`; the budget if so.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn lease_writer(
        &self,
        id: InstallationId,
        me: Incarnation,
        at: Timestamp,
        lease: Duration,
    ) -> Result<Option<Budget>, Error> {
        let until = at.plus(lease);
        if !on!(self, installs::lease(id, me, at.0, until.0))? {
            return Ok(None);
        }
        self.budget(id).await
    }

    /// Writes the budget; only the writer may. False: another is the writer now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn set_budget(&self, id: InstallationId, me: Incarnation, budget: Budget) -> Result<bool, Error> {
        on!(self, installs::set_budget(id, me, &budget.0))
    }

    /// Lets the next writer in at once.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn release_writer(&self, id: InstallationId, me: Incarnation) -> Result<(), Error> {
        on!(self, installs::release(id, me))
    }

    /// Reads the budget: readers obey its block too.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn budget(&self, id: InstallationId) -> Result<Option<Budget>, Error> {
        on!(self, installs::budget(id))
    }
}

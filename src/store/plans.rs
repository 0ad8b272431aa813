//! Plans: immutable, by content, shared by the runs of an installation.

use sha2::{Digest as _, Sha256};

use super::Error;
use super::crypt::Place;
use super::open::Store;
use crate::ids::InstallationId;
use crate::time::Timestamp;

/// The hash of a plan's encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlanHash(pub [u8; 32]);

impl PlanHash {
    /// Hashes an encoding.
    #[must_use]
    pub fn of(encoded: &[u8]) -> Self {
        Self(Sha256::digest(encoded).into())
    }
}

fn place(installation: InstallationId, hash: &PlanHash) -> Place<'_> {
    Place { table: "plan", installation: installation.0, row: &hash.0, part: b"" }
}

impl Store {
    /// Stores a plan, before the run that names it; one that is there already only becomes young again.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn put_plan(
        &self,
        installation: InstallationId,
        encoded: &[u8],
        at: Timestamp,
    ) -> Result<PlanHash, Error> {
        let hash = PlanHash::of(encoded);
        let body = self.crypt()?.seal_alone(place(installation, &hash), encoded)?;
        on!(self, plans::put(installation, hash, &body, at.0))?;
        Ok(hash)
    }

    /// Reads a plan.
    ///
    /// # Errors
    /// When the database does not answer, or the plan cannot be opened.
    pub async fn plan(&self, installation: InstallationId, hash: PlanHash) -> Result<Option<Vec<u8>>, Error> {
        let Some(body) = on!(self, plans::get(installation, hash))? else { return Ok(None) };
        self.crypt()?.open_alone(place(installation, &hash), &body).map(Some)
    }
}

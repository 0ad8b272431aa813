//! One-shot effects: claimed for a lease, done or tried again, compared by epoch.

use std::time::Duration;

use uuid::Uuid;

use super::crypt::Place;
use super::open::Store;
use super::replicas::Incarnation;
use super::{Error, column};
use crate::ids::{InstallationId, RunId};
use crate::time::Timestamp;

/// An effect to be done, claimed.
#[derive(Debug, Clone)]
pub struct Effect {
    /// The installation.
    pub installation: InstallationId,
    /// Its id.
    pub id: Uuid,
    /// The run it belongs to.
    pub run: Option<RunId>,
    /// The kind in a word.
    pub kind: String,
    /// Its natural key.
    pub name: String,
    /// The claim's number.
    pub epoch: u64,
    /// How often it was tried before.
    pub tries: u32,
    /// When it was decided.
    pub created_at: Timestamp,
    /// What to do, encoded.
    pub body: Vec<u8>,
}

pub(super) fn place(installation: InstallationId, id: &Uuid) -> Place<'_> {
    Place { table: "effect", installation: installation.0, row: id.as_bytes(), part: b"" }
}

impl Store {
    /// Claims effects that are due, longest overdue first, for `lease`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn claim_effects(
        &self,
        at: Timestamp,
        lease: Duration,
        owner: Incarnation,
        limit: u32,
    ) -> Result<Vec<Effect>, Error> {
        let crypt = self.crypt()?;
        let until = at.plus(lease);
        let mut claimed = Vec::new();
        for mut effect in on!(self, effects::due(at.0, limit))? {
            let key = (effect.installation, effect.id, effect.epoch);
            if !on!(self, effects::claim(key, owner, until.0))? {
                continue;
            }
            effect.epoch += 1;
            match crypt.open_alone(place(effect.installation, &effect.id), &effect.body) {
                Ok(body) => claimed.push(Effect { body, ..effect }),
                Err(error) => {
                    tracing::error!(effect.id = %effect.id, %error, "an effect cannot be read, giving it up");
                    self.effect_done(&effect, &error.to_string(), at).await?;
                }
            }
        }
        Ok(claimed)
    }

    /// Ends an effect; false when another has claimed it since.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn effect_done(&self, effect: &Effect, outcome: &str, at: Timestamp) -> Result<bool, Error> {
        let key = (effect.installation, effect.id, effect.epoch);
        let outcome: String = outcome.chars().take(500).collect();
        on!(self, effects::done(key, &outcome, at.0))
    }

    /// Puts an effect off; false when another has claimed it since.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn effect_retry(&self, effect: &Effect, why: &str, due_at: Timestamp) -> Result<bool, Error> {
        let key = (effect.installation, effect.id, effect.epoch);
        let why: String = why.chars().take(500).collect();
        on!(self, effects::retry(key, &why, due_at.0))
    }

    /// Replaces what is left to do of a long effect (a sweep) and makes it due again.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn effect_progress(&self, effect: &Effect, body: &[u8], due_at: Timestamp) -> Result<bool, Error> {
        let key = (effect.installation, effect.id, effect.epoch);
        let body = self.crypt()?.seal_alone(place(effect.installation, &effect.id), body)?;
        on!(self, effects::progress(key, &body, due_at.0))
    }

    /// When the effect that is longest overdue was due.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn oldest_effect(&self) -> Result<Option<Timestamp>, Error> {
        Ok(column::moment(on!(self, effects::oldest())?))
    }
}

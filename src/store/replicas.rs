//! The processes of a deployment: each shows a beat, and whoever falls silent gives its work back.

use super::open::Store;
use super::{Error, column};
use crate::ids::random_bytes;
use crate::time::{Clock, Timestamp};

/// One life of one process. Drawn at its start, so that a restarted process is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub [u8; 16]);

impl Incarnation {
    /// Draws a new one.
    #[must_use]
    pub fn draw() -> Self {
        Self(random_bytes())
    }
}

/// A process that showed a beat.
#[derive(Debug, Clone)]
pub struct ReplicaRow {
    /// Which life.
    pub incarnation: Incarnation,
    /// Its name for people.
    pub name: String,
    /// When it started.
    pub started_at: Timestamp,
    /// When it was last heard of, by the database's clock.
    pub beat_at: Timestamp,
}

impl Store {
    /// Shows a beat, and measures the clock against the database on the way. False: our row is gone, we are fenced and
    /// come back as somebody new.
    ///
    /// # Errors
    /// When the database does not answer: after two thirds of a lease the process has to fence itself.
    pub async fn beat(&self, me: Incarnation, clock: &Clock) -> Result<bool, Error> {
        self.measure(clock).await?;
        on!(self, replicas::beat(me))
    }

    /// Enters the list.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn join(&self, me: Incarnation, name: &str, clock: &Clock) -> Result<(), Error> {
        self.measure(clock).await?;
        let name: String = name.chars().take(255).collect();
        on!(self, replicas::join(me, &name))
    }

    /// Leaves the list at once, so that nobody waits a lease for us or for what we had claimed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn leave(&self, me: Incarnation) -> Result<(), Error> {
        let at = self.now().await?;
        on!(self, tx replicas::leave(me, i64::MAX, at.0)).map(drop)
    }

    /// Takes everybody else off the list who has been silent since, with all claims on deliveries, heads, effects and
    /// turns at writing. How many there were.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn remove_silent(&self, me: Incarnation, since: Timestamp) -> Result<usize, Error> {
        let at = self.now().await?;
        let mut gone = 0;
        for silent in on!(self, replicas::silent(me, since.0))? {
            gone += usize::from(on!(self, tx replicas::leave(silent, since.0, at.0))?);
        }
        Ok(gone)
    }

    /// Everybody on the list.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn replicas(&self) -> Result<Vec<ReplicaRow>, Error> {
        on!(self, replicas::all_rows())
    }

    /// The database's clock.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn now(&self) -> Result<Timestamp, Error> {
        Ok(Timestamp(on!(self, schema::now())?))
    }

    async fn measure(&self, clock: &Clock) -> Result<(), Error> {
        let before = clock.local();
        let database = self.now().await?;
        let after = clock.local();
        clock.measured(database, before + (after - before) / 2);
        Ok(())
    }

    /// A value that the whole service keeps once: where a sweep stopped.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn bookmark(&self, name: &'static str) -> Result<Option<String>, Error> {
        Ok(on!(self, schema::app_get(name))?.and_then(|bytes| String::from_utf8(bytes).ok()))
    }

    /// Moves a bookmark if it is still where the caller read it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn move_bookmark(&self, name: &'static str, from: Option<&str>, to: &str) -> Result<bool, Error> {
        let to = to.as_bytes().to_vec();
        match from.map(|from| from.as_bytes().to_vec()) {
            Some(from) => on!(self, schema::app_change(name, &from, &to)),
            None => {
                let new = to.clone();
                Ok(on!(self, schema::app_new(name, &new))? == to)
            }
        }
    }
}

pub(super) fn incarnation(bytes: Vec<u8>) -> Result<Incarnation, Error> {
    column::bytes16(bytes).map(Incarnation)
}

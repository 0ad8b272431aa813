//! What can go wrong between us and the database, sorted by what the caller does next.

use sqlx::error::ErrorKind;
use sqlx::mysql::MySqlDatabaseError;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is none that we know.
    #[error("DATABASE_URL: {0}; write mysql://user:password@host:3306/name or sqlite://path/to/file.db")]
    Url(String),
    /// Another process serves from the same SQLite file.
    #[error("{path} is in use by {holder}; stop that process first, or use MySQL for several replicas")]
    InUse {
        /// The lock file.
        path: String,
        /// What the lock file says of its holder.
        holder: String,
    },
    /// The database or the driver.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    /// A file beside the database.
    #[error("{0}: {1}")]
    File(String, std::io::Error),
    /// The tables are not those of this release.
    #[error("the tables are of schema {found}, this release reads up to {known}: {remedy}")]
    Schema {
        /// The newest migration of the database.
        found: i64,
        /// The newest migration of this binary.
        known: i64,
        /// What to do.
        remedy: &'static str,
    },
    /// A migration failed.
    #[error(
        "migration {version} ({name}) failed: {source}; mend the cause and start again, it goes on where it stopped"
    )]
    Migration {
        /// Its number.
        version: i64,
        /// Its name.
        name: &'static str,
        /// What the database said.
        source: sqlx::Error,
    },
    /// Stored bytes that cannot be read: another key, another release, or somebody changed them.
    #[error("{what} cannot be read: {why}")]
    Unreadable {
        /// Which row.
        what: String,
        /// Why not.
        why: &'static str,
    },
    /// The keys do not fit.
    #[error("ENCRYPTION_KEY: {0}")]
    Key(&'static str),
    /// The store was used before [`crate::store::Store::migrate`] had read its secrets.
    #[error("the store is not ready: run its migrations first")]
    NotReady,
    /// Transitions of one run in a bundle, of which one does not follow the one before.
    #[error("the transitions of run {0} do not follow one another")]
    Order(crate::ids::RunId),
    /// More than a named limit allows.
    #[error("{what} is {got}, the limit is {max}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large it is.
        got: usize,
        /// How large it may be.
        max: usize,
    },
    /// COMMIT was not answered and the database cannot be asked either. Load the run again to learn what happened.
    #[error("the outcome of a commit is not known: {0}")]
    Unknown(String),
    /// The task that held the connection ended without an answer: a panic, or the runtime shuts down.
    #[error("the database task ended without an answer: {0}")]
    Task(String),
    /// The door is shut: the process is stopping.
    #[error("the store is closing")]
    Closed,
}

/// MySQL's numbers after which the whole transaction may be repeated.
const RETRY_NUMBERS: [u16; 16] =
    [1213, 1205, 1020, 1180, 1047, 1290, 1836, 1053, 1317, 1927, 1969, 2003, 2006, 2013, 3024, 4031];

impl Error {
    /// The same transaction may succeed when it is repeated on a fresh connection.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        let Self::Database(error) = self else { return false };
        match error {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed | sqlx::Error::Protocol(_) => {
                true
            }
            sqlx::Error::Database(error) => match error.try_downcast_ref::<MySqlDatabaseError>() {
                Some(mysql) => RETRY_NUMBERS.contains(&mysql.number()),
                // SQLITE_BUSY and SQLITE_LOCKED with their extended codes: the low byte is 5 or 6.
                None => {
                    error.code().and_then(|code| code.parse::<i32>().ok()).is_some_and(|c| matches!(c & 0xff, 5 | 6))
                }
            },
            _ => false,
        }
    }

    /// A row with the same key is there already.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(error)) if error.kind() == ErrorKind::UniqueViolation)
    }
}

//! The dialect of SQLite.

pub(super) use sqlx::Sqlite as Db;

/// Which of two wordings a statement takes.
pub(super) const IS_MYSQL: bool = false;
/// How a transaction that writes begins: a deferred one that turns into a writer fails at once when another wrote.
pub(super) const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";
/// Whether a committer says so too.
pub(super) const WRITERS_BEGIN: bool = true;

#[allow(clippy::duplicate_mod, reason = "one source of queries, compiled once for each dialect")]
#[path = "queries/mod.rs"]
pub(super) mod q;

/// The settings of one session: a file has none.
#[expect(clippy::unused_async, reason = "MySQL's asks the server")]
pub(super) async fn session(_: &mut sqlx::SqliteConnection) -> Result<(), sqlx::Error> {
    Ok(())
}

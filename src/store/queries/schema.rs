//! The tables of the migrations themselves, and what the whole service keeps once.

use sqlx::{AssertSqlSafe, Row as _};

use super::{Conn, Error, IS_MYSQL, all, first, pick, run};

statements! {
    LOCK_ROW = pick(
        "INSERT IGNORE INTO migration_lock (id, owner, until_at) VALUES (1, ?, 0)",
        "INSERT OR IGNORE INTO migration_lock (id, owner, until_at) VALUES (1, ?, 0)",
    );
    LOCK = "UPDATE migration_lock SET owner = ?, until_at = ? WHERE id = 1 AND (owner = ? OR until_at < ?)";
    UNLOCK = "UPDATE migration_lock SET until_at = 0 WHERE id = 1 AND owner = ?";
    APPLIED = "SELECT version FROM migration ORDER BY version";
    RECORD = "INSERT INTO migration (version, name, applied_at) VALUES (?, ?, ?)";
    NOW = pick(
        "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)",
        "SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
    );
    APP_GET = "SELECT value FROM app WHERE name = ?";
    APP_NEW = pick(
        "INSERT IGNORE INTO app (name, value) VALUES (?, ?)",
        "INSERT OR IGNORE INTO app (name, value) VALUES (?, ?)",
    );
    APP_CHANGE = "UPDATE app SET value = ? WHERE name = ? AND value = ?";
}

/// Tables that the migrations stand on; each statement may run any number of times, side by side.
const GROUND: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS migration_lock (id BIGINT NOT NULL, owner BINARY(16) NOT NULL, until_at BIGINT NOT NULL, PRIMARY KEY (id))",
    "CREATE TABLE IF NOT EXISTS migration (version BIGINT NOT NULL, name VARCHAR(100) NOT NULL, applied_at BIGINT NOT NULL, PRIMARY KEY (version))",
];
const TABLE_OPTIONS: &str = " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin";
/// MySQL's numbers for "it is there already" and "it is gone already": a migration whose record was lost in a crash.
const DONE_BEFORE: [u16; 4] = [1050, 1060, 1061, 1091];

/// Runs one statement of a migration.
pub(in crate::store) async fn define(conn: &mut Conn, sql: &'static str) -> Result<(), Error> {
    let is_table = sql.lines().any(|line| line.starts_with("CREATE TABLE"));
    let text = if IS_MYSQL && is_table { format!("{sql}{TABLE_OPTIONS}") } else { sql.to_owned() };
    match run(conn, sqlx::query(AssertSqlSafe(text)).persistent(false)).await {
        Err(error) if done_before(&error) => Ok(()),
        result => result.map(drop),
    }
}

fn done_before(error: &Error) -> bool {
    let Error::Database(sqlx::Error::Database(error)) = error else { return false };
    match error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        Some(mysql) => DONE_BEFORE.contains(&mysql.number()),
        None => error.message().contains("already exists"),
    }
}

/// Makes the tables that migrations need, and the row of their lock.
pub(in crate::store) async fn ground(conn: &mut Conn, owner: [u8; 16]) -> Result<(), Error> {
    for sql in GROUND {
        define(conn, sql).await?;
    }
    run(conn, sql!(LOCK_ROW, owner.to_vec())).await.map(drop)
}

/// Takes or renews the migration lock by the database's clock: one row, compared and set.
pub(in crate::store) async fn lock(conn: &mut Conn, owner: [u8; 16], hold_micros: i64) -> Result<bool, Error> {
    let now = now(conn).await?;
    let owner = owner.to_vec();
    let sql = sql!(LOCK, owner.clone(), now.saturating_add(hold_micros), owner, now);
    Ok(run(conn, sql).await? == 1)
}

/// Gives the migration lock back.
pub(in crate::store) async fn unlock(conn: &mut Conn, owner: [u8; 16]) -> Result<(), Error> {
    run(conn, sql!(UNLOCK, owner.to_vec())).await.map(drop)
}

/// Which migrations ran.
pub(in crate::store) async fn applied(conn: &mut Conn) -> Result<Vec<i64>, Error> {
    all(conn, sql!(APPLIED)).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Records that a migration ran.
pub(in crate::store) async fn record(conn: &mut Conn, version: i64, name: &'static str) -> Result<(), Error> {
    let at = now(conn).await?;
    run(conn, sql!(RECORD, version, name, at)).await.map(drop)
}

/// The database's clock in microseconds.
pub(in crate::store) async fn now(conn: &mut Conn) -> Result<i64, Error> {
    Ok(sql!(NOW).fetch_one(conn).await?.try_get(0)?)
}

/// A value that the whole service keeps once.
pub(in crate::store) async fn app_get(conn: &mut Conn, name: &str) -> Result<Option<Vec<u8>>, Error> {
    first(conn, sql!(APP_GET, name)).await?.map(|row| Ok(row.try_get(0)?)).transpose()
}

/// Writes such a value unless one is there; says what is there now.
pub(in crate::store) async fn app_new(conn: &mut Conn, name: &str, value: &[u8]) -> Result<Vec<u8>, Error> {
    run(conn, sql!(APP_NEW, name, value)).await?;
    app_get(conn, name).await?.ok_or(Error::NotReady)
}

/// Replaces such a value if it is still what the caller read.
pub(in crate::store) async fn app_change(conn: &mut Conn, name: &str, old: &[u8], new: &[u8]) -> Result<bool, Error> {
    Ok(run(conn, sql!(APP_CHANGE, new, name, old)).await? == 1)
}

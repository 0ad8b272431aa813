//! The dialect of MySQL and MariaDB.

pub(super) use sqlx::MySql as Db;
use sqlx::{MySqlConnection, Row as _};

/// Which of two wordings a statement takes.
pub(super) const IS_MYSQL: bool = true;
/// How a transaction that writes begins.
pub(super) const BEGIN_WRITE: &str = "START TRANSACTION";
/// A writer's session is in a transaction with its first statement: one round trip less for each.
pub(super) const WRITERS_BEGIN: bool = false;

#[allow(clippy::duplicate_mod, reason = "one source of queries, compiled once for each dialect")]
#[path = "queries/mod.rs"]
pub(super) mod q;

/// Lock waits are short and no statement runs for ever, so that a stuck rival is an error and not an outage. And a rival
/// of whom nothing is heard, frozen or behind a cable that was cut, does not keep its locks: without the last setting
/// the server would hold them for eight hours. The pool closes what is idle before the server does.
const SESSION: [&str; 4] = [
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET SESSION innodb_lock_wait_timeout = 5",
    "SET SESSION wait_timeout = 60",
    "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES')",
];
/// MariaDB's name, MySQL's name: whichever the server knows.
const STATEMENT_TIME: [&str; 2] = ["SET SESSION max_statement_time = 10", "SET SESSION max_execution_time = 10000"];
/// MariaDB's own way to end a silent rival, as soon as those who wait for it give up. MySQL has none.
const IDLE_TRANSACTION: &str = "SET SESSION idle_transaction_timeout = 5";

/// The settings of one MySQL session.
pub(super) async fn session(conn: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    for sql in SESSION {
        sqlx::query(sql).persistent(false).execute(&mut *conn).await?;
    }
    for sql in STATEMENT_TIME {
        if sqlx::query(sql).persistent(false).execute(&mut *conn).await.is_ok() {
            break;
        }
    }
    let _ = sqlx::query(IDLE_TRANSACTION).persistent(false).execute(&mut *conn).await;
    if is_galera(conn).await? {
        sqlx::query("SET SESSION wsrep_sync_wait = 1").persistent(false).execute(&mut *conn).await?;
    }
    Ok(())
}

/// The same of a committer's session, which knows nothing but transactions.
pub(super) async fn writer(conn: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    session(conn).await?;
    sqlx::query("SET SESSION autocommit = 0").persistent(false).execute(conn).await.map(drop)
}

/// Whether the server is a node of a Galera cluster.
pub(super) async fn is_galera(conn: &mut MySqlConnection) -> Result<bool, sqlx::Error> {
    let wsrep = sqlx::query("SHOW VARIABLES LIKE 'wsrep_on'").persistent(false).fetch_optional(conn).await?;
    Ok(wsrep.is_some_and(|row| row.try_get::<String, _>(1).is_ok_and(|on| on == "ON")))
}

//! The dialect of MySQL and MariaDB.

pub(super) use sqlx::MySql as Db;

/// Which of two wordings a statement takes.
pub(super) const IS_MYSQL: bool = true;
/// How a transaction that writes begins.
pub(super) const BEGIN_WRITE: &str = "START TRANSACTION";

#[path = "queries/mod.rs"]
pub(super) mod q;

//! Settings of the server.

use sqlx::Row as _;

use super::{Conn, Error, IS_MYSQL, all};
use crate::store::doctor::Settings;

const MYSQL: [&str; 2] = [
    "SHOW SESSION VARIABLES WHERE Variable_name IN ('innodb_flush_log_at_trx_commit', 'max_allowed_packet', 'log_bin', 'sync_binlog', 'default_storage_engine', 'innodb_rollback_on_timeout', 'wsrep_on', 'tx_isolation', 'transaction_isolation')",
    "SHOW STATUS LIKE 'wsrep_cluster_size'",
];
const SQLITE: [(&str, &str); 2] = [("journal_mode", "PRAGMA journal_mode"), ("synchronous", "PRAGMA synchronous")];

/// The settings that matter to us.
pub(in crate::store) async fn settings(conn: &mut Conn) -> Result<Settings, Error> {
    let mut settings = Settings::new();
    if IS_MYSQL {
        for sql in MYSQL {
            for row in all(conn, sqlx::query(sql).persistent(false)).await? {
                settings.insert(row.try_get(0)?, row.try_get(1)?);
            }
        }
        return Ok(settings);
    }
    for (name, sql) in SQLITE {
        for row in all(conn, sqlx::query(sql).persistent(false)).await? {
            let value = row.try_get::<String, _>(0).or_else(|_| row.try_get::<i64, _>(0).map(|n| n.to_string()))?;
            settings.insert(name.to_owned(), value);
        }
    }
    Ok(settings)
}

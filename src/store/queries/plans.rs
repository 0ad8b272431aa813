//! Plans.

use sqlx::Row as _;

use super::{Conn, Error, first, pick, run};
use crate::ids::InstallationId;
use crate::store::plans::PlanHash;

statements! {
    PUT = pick(
        "INSERT INTO plan (installation, hash, created_at, body) VALUES (?, ?, ?, ?) ON DUPLICATE KEY UPDATE created_at = VALUES(created_at)",
        "INSERT INTO plan (installation, hash, created_at, body) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET created_at = excluded.created_at",
    );
    GET = "SELECT body FROM plan WHERE installation = ? AND hash = ?";
}

/// Stores a plan.
pub(in crate::store) async fn put(
    conn: &mut Conn,
    installation: InstallationId,
    hash: PlanHash,
    body: &[u8],
    at: i64,
) -> Result<(), Error> {
    run(conn, sql!(PUT, installation.0, hash.0.to_vec(), at, body)).await.map(drop)
}

/// Reads a plan.
pub(in crate::store) async fn get(
    conn: &mut Conn,
    installation: InstallationId,
    hash: PlanHash,
) -> Result<Option<Vec<u8>>, Error> {
    let row = first(conn, sql!(GET, installation.0, hash.0.to_vec())).await?;
    row.map(|row| Ok(row.try_get(0)?)).transpose()
}

//! Replicas.

use sqlx::Row as _;

use super::{Conn, Error, Row, all, pick, run};
use crate::store::replicas::{Incarnation, ReplicaRow, incarnation};
use crate::time::Timestamp;

statements! {
    BEAT = pick(
        "UPDATE replica SET beat_at = CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED) WHERE incarnation = ?",
        "UPDATE replica SET beat_at = CAST(unixepoch('subsec') * 1000000 AS INTEGER) WHERE incarnation = ?",
    );
    JOIN = pick(
        "INSERT INTO replica (incarnation, name, started_at, beat_at) VALUES (?, ?, CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED), CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)) ON DUPLICATE KEY UPDATE name = name",
        "INSERT INTO replica (incarnation, name, started_at, beat_at) VALUES (?, ?, CAST(unixepoch('subsec') * 1000000 AS INTEGER), CAST(unixepoch('subsec') * 1000000 AS INTEGER)) ON CONFLICT DO NOTHING",
    );
    LEAVE = "DELETE FROM replica WHERE incarnation = ?";
    ROWS = "SELECT incarnation, name, started_at, beat_at FROM replica ORDER BY incarnation";
    ALIVE = "SELECT incarnation FROM replica WHERE beat_at >= ?";
}

/// Shows a beat by the database's clock.
pub(in crate::store) async fn beat(conn: &mut Conn, me: Incarnation) -> Result<bool, Error> {
    Ok(run(conn, sql!(BEAT, me.0.to_vec())).await? == 1)
}

/// Enters the list.
pub(in crate::store) async fn join(conn: &mut Conn, me: Incarnation, name: &str) -> Result<(), Error> {
    run(conn, sql!(JOIN, me.0.to_vec(), name)).await.map(drop)
}

/// Leaves the list.
pub(in crate::store) async fn leave(conn: &mut Conn, me: Incarnation) -> Result<(), Error> {
    run(conn, sql!(LEAVE, me.0.to_vec())).await.map(drop)
}

/// The list.
pub(in crate::store) async fn all_rows(conn: &mut Conn) -> Result<Vec<ReplicaRow>, Error> {
    let read = |row: &Row| {
        Ok(ReplicaRow {
            incarnation: incarnation(row.try_get(0)?)?,
            name: row.try_get(1)?,
            started_at: Timestamp(row.try_get(2)?),
            beat_at: Timestamp(row.try_get(3)?),
        })
    };
    all(conn, sql!(ROWS)).await?.iter().map(read).collect()
}

/// Who showed a beat since.
pub(in crate::store) async fn alive(conn: &mut Conn, since: i64) -> Result<Vec<Incarnation>, Error> {
    all(conn, sql!(ALIVE, since)).await?.iter().map(|row| incarnation(row.try_get(0)?)).collect()
}

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
    SILENT = "SELECT incarnation FROM replica WHERE beat_at < ? AND incarnation <> ?";
    LEAVE = "DELETE FROM replica WHERE incarnation = ? AND beat_at < ?";
    FREE_LANES = "UPDATE lane SET due_at = ? WHERE due_at > ? AND owner = ?";
    FREE_HEADS = "UPDATE head SET due_at = ? WHERE due_at > ? AND owner = ?";
    FREE_EFFECTS = "UPDATE effect SET due_at = ?, owner = NULL WHERE due_at > ? AND owner = ?";
    FREE_WRITERS = "UPDATE installation SET writer_until = 0 WHERE writer = ?";
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

/// Everybody else who has not shown a beat since.
pub(in crate::store) async fn silent(conn: &mut Conn, me: Incarnation, since: i64) -> Result<Vec<Incarnation>, Error> {
    let rows = all(conn, sql!(SILENT, since, me.0.to_vec())).await?;
    rows.iter().map(|row| incarnation(row.try_get(0)?)).collect()
}

/// Takes one off the list who has not shown a beat since, and gives free what he had claimed. False: he is not there,
/// or has come back.
pub(in crate::store) async fn leave(conn: &mut Conn, who: Incarnation, since: i64, at: i64) -> Result<bool, Error> {
    if run(conn, sql!(LEAVE, who.0.to_vec(), since)).await? == 0 {
        return Ok(false);
    }
    // In the order in which whoever claims locks them, each by the index of what is due: few rows lie ahead.
    for free in [sql!(FREE_LANES, at, at), sql!(FREE_HEADS, at, at), sql!(FREE_EFFECTS, at, at), sql!(FREE_WRITERS)] {
        run(conn, free.bind(who.0.to_vec())).await?;
    }
    Ok(true)
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

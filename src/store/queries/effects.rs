//! Effects.

use sqlx::Row as _;
use uuid::Uuid;

use super::{Conn, Error, Query, Row, all, first, run};
use crate::ids::{InstallationId, RunId};
use crate::store::column;
use crate::store::effects::Effect;
use crate::store::replicas::Incarnation;
use crate::time::Timestamp;

statements! {
    DUE = "SELECT installation, id, run, kind, name, epoch, tries, created_at, body FROM effect WHERE due_at <= ? ORDER BY due_at LIMIT ?";
    CLAIM = "UPDATE effect SET epoch = epoch + 1, owner = ?, due_at = ? WHERE installation = ? AND id = ? AND epoch = ? AND due_at IS NOT NULL";
    DONE = "UPDATE effect SET due_at = NULL, owner = NULL, ended_at = ?, outcome = ? WHERE installation = ? AND id = ? AND epoch = ?";
    RETRY = "UPDATE effect SET tries = tries + 1, owner = NULL, outcome = ?, due_at = ? WHERE installation = ? AND id = ? AND epoch = ?";
    PROGRESS = "UPDATE effect SET tries = 0, owner = NULL, body = ?, due_at = ? WHERE installation = ? AND id = ? AND epoch = ?";
    OLDEST = "SELECT due_at FROM effect WHERE due_at > 0 ORDER BY due_at LIMIT 1";
}

/// An effect as it was claimed.
type Key = (InstallationId, Uuid, u64);

fn key(query: Query<'_>, (installation, id, epoch): Key) -> Query<'_> {
    query.bind(installation.0).bind(id.as_bytes().to_vec()).bind(column::signed(epoch))
}

/// What is due.
pub(in crate::store) async fn due(conn: &mut Conn, at: i64, limit: u32) -> Result<Vec<Effect>, Error> {
    let read = |row: &Row| {
        let installation = InstallationId(row.try_get(0)?);
        let run = row.try_get::<Option<Vec<u8>>, _>(2)?.map(column::uuid).transpose()?;
        Ok(Effect {
            installation,
            id: column::uuid(row.try_get(1)?)?,
            run: run.map(|uuid| RunId { installation, uuid }),
            kind: row.try_get(3)?,
            name: row.try_get(4)?,
            epoch: column::unsigned(row.try_get(5)?),
            tries: column::number(row.try_get(6)?),
            created_at: Timestamp(row.try_get(7)?),
            body: row.try_get(8)?,
        })
    };
    all(conn, sql!(DUE, at, i64::from(limit))).await?.iter().map(read).collect()
}

/// Claims one as it was read.
pub(in crate::store) async fn claim(conn: &mut Conn, id: Key, owner: Incarnation, until: i64) -> Result<bool, Error> {
    Ok(run(conn, key(sql!(CLAIM, owner.0.to_vec(), until), id)).await? == 1)
}

/// Ends one.
pub(in crate::store) async fn done(conn: &mut Conn, id: Key, outcome: &str, at: i64) -> Result<bool, Error> {
    Ok(run(conn, key(sql!(DONE, at, outcome), id)).await? == 1)
}

/// Puts one off.
pub(in crate::store) async fn retry(conn: &mut Conn, id: Key, why: &str, due_at: i64) -> Result<bool, Error> {
    Ok(run(conn, key(sql!(RETRY, why, due_at), id)).await? == 1)
}

/// Replaces what is left to do.
pub(in crate::store) async fn progress(conn: &mut Conn, id: Key, body: &[u8], due_at: i64) -> Result<bool, Error> {
    Ok(run(conn, key(sql!(PROGRESS, body, due_at), id)).await? == 1)
}

/// When the longest overdue was due.
pub(in crate::store) async fn oldest(conn: &mut Conn) -> Result<Option<i64>, Error> {
    first(conn, sql!(OLDEST)).await?.map(|row| Ok(row.try_get(0)?)).transpose()
}

//! Attempts.

use sqlx::Row as _;

use super::{Conn, Error, Query, Row, all, first, run as execute};
use crate::ids::{AgentName, AttemptId, RunId};
use crate::store::attempts::AttemptRow;
use crate::store::column;
use crate::store::replicas::Incarnation;
use crate::time::Timestamp;

/// The columns of an attempt in the order that `read` expects.
macro_rules! select {
    ($tail:literal) => {
        concat!("SELECT installation, run, step, number, agent, state, epoch, owner, due_at, held, stop, task, endpoint, created_at FROM attempt ", $tail)
    };
}

statements! {
    AGENTS = "SELECT DISTINCT agent FROM attempt WHERE state = 'queued'";
    QUEUED = select!("WHERE state = 'queued' AND agent = ? AND held = 0 AND stop = 0 AND due_at <= ? ORDER BY due_at LIMIT ?");
    OF_RUN = select!("WHERE installation = ? AND run = ? ORDER BY step, number");
    OWNED = select!("WHERE owner = ? AND stop >= ? ORDER BY stop LIMIT ?");
    BY_TOKEN = select!("WHERE token_hash = ?");
    OWNERS = "SELECT DISTINCT owner FROM attempt WHERE owner IS NOT NULL";
    SENT = "UPDATE attempt SET state = 'sent', task = ?, endpoint = ? WHERE installation = ? AND run = ? AND step = ? AND number = ? AND epoch = ?";
    TAKE_OVER = "UPDATE attempt SET epoch = epoch + 1, owner = ? WHERE installation = ? AND run = ? AND step = ? AND number = ? AND epoch = ?";
}

/// An attempt as it was read.
type Key<'a> = (&'a AttemptId, i64);

fn key<'q>(query: Query<'q>, (id, epoch): Key<'q>) -> Query<'q> {
    let run = query.bind(id.run.installation.0).bind(id.run.bytes().to_vec());
    run.bind(id.step.as_str()).bind(i64::from(id.number)).bind(epoch)
}

fn read(row: &Row) -> Result<AttemptRow, Error> {
    let owner = row.try_get::<Option<Vec<u8>>, _>(7)?.map(column::bytes16).transpose()?;
    Ok(AttemptRow {
        id: AttemptId {
            run: column::run(row.try_get(0)?, row.try_get(1)?)?,
            step: column::parse(&row.try_get::<String, _>(2)?)?,
            number: column::number(row.try_get(3)?),
        },
        agent: column::parse(&row.try_get::<String, _>(4)?)?,
        state: row.try_get(5)?,
        epoch: column::unsigned(row.try_get(6)?),
        owner: owner.map(Incarnation),
        due_at: Timestamp(row.try_get(8)?),
        held: row.try_get::<i64, _>(9)? != 0,
        stop: row.try_get::<i64, _>(10)? != 0,
        task: row.try_get(11)?,
        endpoint: row.try_get(12)?,
        created_at: Timestamp(row.try_get(13)?),
    })
}

async fn many(conn: &mut Conn, query: Query<'_>) -> Result<Vec<AttemptRow>, Error> {
    all(conn, query).await?.iter().map(read).collect()
}

/// Agents with a queue.
pub(in crate::store) async fn agents(conn: &mut Conn) -> Result<Vec<AgentName>, Error> {
    all(conn, sql!(AGENTS)).await?.iter().map(|row| column::parse(&row.try_get::<String, _>(0)?)).collect()
}

/// What an agent may start.
pub(in crate::store) async fn queued(
    conn: &mut Conn,
    agent: &AgentName,
    at: i64,
    limit: u32,
) -> Result<Vec<AttemptRow>, Error> {
    many(conn, sql!(QUEUED, agent.as_str(), at, i64::from(limit))).await
}

/// The attempts of a run.
pub(in crate::store) async fn of_run(conn: &mut Conn, run: RunId) -> Result<Vec<AttemptRow>, Error> {
    many(conn, sql!(OF_RUN, run.installation.0, run.bytes().to_vec())).await
}

/// The attempts of a process, from this mark of stopping up.
pub(in crate::store) async fn owned(
    conn: &mut Conn,
    owner: Incarnation,
    stop: i64,
    limit: u32,
) -> Result<Vec<AttemptRow>, Error> {
    many(conn, sql!(OWNED, owner.0.to_vec(), stop, i64::from(limit))).await
}

/// The attempt of a token.
pub(in crate::store) async fn by_token(conn: &mut Conn, hash: [u8; 32]) -> Result<Option<AttemptRow>, Error> {
    first(conn, sql!(BY_TOKEN, hash.to_vec())).await?.as_ref().map(read).transpose()
}

/// Every process that owns something.
pub(in crate::store) async fn owners(conn: &mut Conn) -> Result<Vec<Incarnation>, Error> {
    let rows = all(conn, sql!(OWNERS)).await?;
    rows.iter().map(|row| Ok(Incarnation(column::bytes16(row.try_get(0)?)?))).collect()
}

/// An agent took it.
pub(in crate::store) async fn sent(conn: &mut Conn, id: Key<'_>, task: &str, endpoint: &str) -> Result<bool, Error> {
    Ok(execute(conn, key(sql!(SENT, task, endpoint), id)).await? == 1)
}

/// Another process goes on with it.
pub(in crate::store) async fn take_over(conn: &mut Conn, id: Key<'_>, owner: Incarnation) -> Result<bool, Error> {
    Ok(execute(conn, key(sql!(TAKE_OVER, owner.0.to_vec()), id)).await? == 1)
}

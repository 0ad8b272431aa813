//! Runs, their journals, their checkpoints.

use sqlx::Row as _;

use super::{Conn, Error, Query, Row, all, first, pick, run as execute};
use crate::ids::{InstallationId, RepoId, RunId};
use crate::store::column;
use crate::store::plans::PlanHash;
use crate::store::runs::{EventStored, RunFilter, RunRow, RunStored};
use crate::time::Timestamp;

/// The columns of a run in the order that `read` expects.
macro_rules! select {
    ($tail:literal) => {
        concat!(
            "SELECT installation, id, seq, phase, repo, sha, pull, workflow, cause, plan, source_at, created_at, updated_at, wake_at, finished_at, broken, chain, data_key FROM run ",
            $tail
        )
    };
}

statements! {
    ONE = select!("WHERE installation = ? AND id = ?");
    ALL_OF = select!("WHERE installation = ? AND id < ? ORDER BY id DESC LIMIT ?");
    LIVE = select!("WHERE live = 1 AND (installation < ? OR installation = ? AND id < ?) ORDER BY installation DESC, id DESC LIMIT ?");
    BY_REPO = select!("WHERE installation = ? AND repo = ? AND id < ? ORDER BY id DESC LIMIT ?");
    BY_PULL = select!("WHERE installation = ? AND repo = ? AND pull = ? AND id < ? ORDER BY id DESC LIMIT ?");
    BY_HEAD = select!("WHERE installation = ? AND repo = ? AND sha = ? AND id < ? ORDER BY id DESC LIMIT ?");
    BROKEN = select!("WHERE broken > '' ORDER BY broken LIMIT ?");
    DUE = "SELECT installation, id FROM run WHERE wake_at <= ? ORDER BY wake_at LIMIT ?";
    COUNT_LIVE = "SELECT COUNT(*) FROM run WHERE live = 1";
    SET_WAKE = "UPDATE run SET wake_at = ? WHERE installation = ? AND id = ? AND seq = ? AND finished_at IS NULL AND broken IS NULL";
    QUARANTINE = "UPDATE run SET broken = ?, wake_at = NULL WHERE installation = ? AND id = ?";
    STOP = "UPDATE attempt SET stop = 1 WHERE installation = ? AND run = ?";
    CLOSE = "DELETE FROM attempt WHERE installation = ? AND run = ? AND state = 'queued'";
    FREE = "DELETE FROM gate_ticket WHERE installation = ? AND run = ? AND kind IN ('run_limit', 'slot')";
    FREE_ALL = "DELETE FROM gate_ticket WHERE installation = ? AND run = ?";
    LEAVE = "DELETE FROM gate_wait WHERE installation = ? AND run = ?";
    MEND = "UPDATE run SET broken = NULL, wake_at = ? WHERE installation = ? AND id = ? AND broken IS NOT NULL AND finished_at IS NULL";
    BURY = "UPDATE run SET phase = ?, finished_at = ?, updated_at = ?, live = NULL, wake_at = NULL WHERE installation = ? AND id = ? AND broken IS NOT NULL AND finished_at IS NULL";
    KEYS = "SELECT installation, id, data_key FROM run WHERE installation > ? OR (installation = ? AND id > ?) ORDER BY installation, id LIMIT ?";
    REWRAP = "UPDATE run SET data_key = ? WHERE installation = ? AND id = ? AND data_key = ?";
    EVENTS = "SELECT seq, transition_id, at, kind, actor, chain, body FROM run_event WHERE installation = ? AND run = ? AND seq >= ? AND seq <= ? ORDER BY seq LIMIT ?";
    CHECKPOINT = "SELECT seq, body FROM checkpoint WHERE installation = ? AND run = ?";
    WRITE_CHECKPOINT = pick(
        "INSERT INTO checkpoint (installation, run, seq, body) VALUES (?, ?, ?, ?) ON DUPLICATE KEY UPDATE body = IF(VALUES(seq) > seq, VALUES(body), body), seq = GREATEST(seq, VALUES(seq))",
        "INSERT INTO checkpoint (installation, run, seq, body) VALUES (?, ?, ?, ?) ON CONFLICT (installation, run) DO UPDATE SET body = excluded.body, seq = excluded.seq WHERE excluded.seq > seq",
    );
}

fn key(query: Query<'_>, run: RunId) -> Query<'_> {
    query.bind(run.installation.0).bind(run.bytes().to_vec())
}

fn read(row: &Row) -> Result<RunStored, Error> {
    let row = RunStored {
        row: RunRow {
            id: column::run(row.try_get(0)?, row.try_get(1)?)?,
            seq: column::unsigned(row.try_get(2)?),
            phase: row.try_get(3)?,
            repo: RepoId(row.try_get(4)?),
            sha: column::parse(&row.try_get::<String, _>(5)?)?,
            pull: row.try_get(6)?,
            workflow: column::parse(&row.try_get::<String, _>(7)?)?,
            cause: row.try_get(8)?,
            plan: PlanHash(column::bytes32(row.try_get(9)?)?),
            source_at: Timestamp(row.try_get(10)?),
            created_at: Timestamp(row.try_get(11)?),
            updated_at: Timestamp(row.try_get(12)?),
            wake_at: column::moment(row.try_get(13)?),
            finished_at: column::moment(row.try_get(14)?),
            broken: row.try_get(15)?,
        },
        chain: column::bytes16(row.try_get(16)?)?,
        data_key: row.try_get(17)?,
    };
    Ok(row)
}

/// One run.
pub(in crate::store) async fn one(conn: &mut Conn, run: RunId) -> Result<Option<RunStored>, Error> {
    first(conn, key(sql!(ONE), run)).await?.as_ref().map(read).transpose()
}

/// A page of runs.
pub(in crate::store) async fn list(
    conn: &mut Conn,
    installation: InstallationId,
    filter: &RunFilter,
    before: Option<RunId>,
    limit: u32,
) -> Result<Vec<RunRow>, Error> {
    let before = before.map_or([0xff; 16], |run| run.bytes()).to_vec();
    let sql = match filter {
        RunFilter::All => sql!(ALL_OF, installation.0),
        RunFilter::Repo(repo) => sql!(BY_REPO, installation.0, repo.0),
        RunFilter::Pull(repo, pull) => sql!(BY_PULL, installation.0, repo.0, pull),
        RunFilter::Head(repo, sha) => sql!(BY_HEAD, installation.0, repo.0, sha.as_str()),
    };
    let rows = all(conn, sql.bind(before).bind(i64::from(limit))).await?;
    rows.iter().map(|row| Ok(read(row)?.row)).collect()
}

/// A page of live runs, of all installations.
pub(in crate::store) async fn live(conn: &mut Conn, before: Option<RunId>, limit: u32) -> Result<Vec<RunRow>, Error> {
    let (installation, id) = before.map_or((i64::MAX, [0xff; 16]), |run| (run.installation.0, run.bytes()));
    let rows = all(conn, sql!(LIVE, installation, installation, id.to_vec(), i64::from(limit))).await?;
    rows.iter().map(|row| Ok(read(row)?.row)).collect()
}

/// Quarantined runs.
pub(in crate::store) async fn broken(conn: &mut Conn, limit: u32) -> Result<Vec<RunRow>, Error> {
    all(conn, sql!(BROKEN, i64::from(limit))).await?.iter().map(|row| Ok(read(row)?.row)).collect()
}

/// Runs whose timer may have come.
pub(in crate::store) async fn due(conn: &mut Conn, at: i64, limit: u32) -> Result<Vec<RunId>, Error> {
    let rows = all(conn, sql!(DUE, at, i64::from(limit))).await?;
    rows.iter().map(|row| column::run(row.try_get(0)?, row.try_get(1)?)).collect()
}

/// How many runs are live.
pub(in crate::store) async fn count_live(conn: &mut Conn) -> Result<i64, Error> {
    Ok(sql!(COUNT_LIVE).fetch_one(conn).await?.try_get(0)?)
}

/// Corrects a timer.
pub(in crate::store) async fn set_wake(conn: &mut Conn, run: RunId, seq: i64, at: Option<i64>) -> Result<(), Error> {
    execute(conn, key(sql!(SET_WAKE, at), run).bind(seq)).await.map(drop)
}

/// Marks a run broken.
pub(in crate::store) async fn quarantine(conn: &mut Conn, run: RunId, why: &str) -> Result<(), Error> {
    for sql in [sql!(QUARANTINE, why), sql!(STOP), sql!(FREE)] {
        execute(conn, key(sql, run)).await?;
    }
    Ok(())
}

/// Takes the mark off.
pub(in crate::store) async fn mend(conn: &mut Conn, run: RunId, at: i64) -> Result<bool, Error> {
    Ok(execute(conn, key(sql!(MEND, at), run)).await? == 1)
}

/// Ends a broken run.
pub(in crate::store) async fn bury(conn: &mut Conn, run: RunId, phase: &str, at: i64) -> Result<bool, Error> {
    if execute(conn, key(sql!(BURY, phase, at, at), run)).await? == 0 {
        return Ok(false);
    }
    for sql in [sql!(CLOSE), sql!(STOP), sql!(FREE_ALL), sql!(LEAVE)] {
        execute(conn, key(sql, run)).await?;
    }
    Ok(true)
}

/// A stretch of a journal, both ends included.
pub(in crate::store) async fn events(
    conn: &mut Conn,
    (run, from, to): (RunId, i64, i64),
    limit: u32,
) -> Result<Vec<EventStored>, Error> {
    let rows = all(conn, key(sql!(EVENTS), run).bind(from).bind(to).bind(i64::from(limit))).await?;
    let read = |row: &Row| {
        Ok(EventStored {
            seq: row.try_get(0)?,
            transition_id: column::bytes16(row.try_get(1)?)?,
            at: row.try_get(2)?,
            kind: row.try_get(3)?,
            actor: row.try_get(4)?,
            chain: column::bytes16(row.try_get(5)?)?,
            body: row.try_get(6)?,
        })
    };
    rows.iter().map(read).collect()
}

/// The saved state of a run.
pub(in crate::store) async fn checkpoint(conn: &mut Conn, run: RunId) -> Result<Option<(i64, Vec<u8>)>, Error> {
    let row = first(conn, key(sql!(CHECKPOINT), run)).await?;
    row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
}

/// Saves a state unless a newer one is there.
pub(in crate::store) async fn write_checkpoint(
    conn: &mut Conn,
    run: RunId,
    seq: i64,
    body: &[u8],
) -> Result<(), Error> {
    execute(conn, key(sql!(WRITE_CHECKPOINT), run).bind(seq).bind(body)).await.map(drop)
}

/// A page of wrapped keys.
pub(in crate::store) async fn keys(
    conn: &mut Conn,
    after: Option<RunId>,
    limit: u32,
) -> Result<Vec<(RunId, Vec<u8>)>, Error> {
    let (installation, id) = after.map_or((i64::MIN, vec![0; 16]), |run| (run.installation.0, run.bytes().to_vec()));
    let rows = all(conn, sql!(KEYS, installation, installation, id, i64::from(limit))).await?;
    rows.iter().map(|row| Ok((column::run(row.try_get(0)?, row.try_get(1)?)?, row.try_get(2)?))).collect()
}

/// Replaces a wrapped key as it was read.
pub(in crate::store) async fn rewrap(conn: &mut Conn, run: RunId, old: &[u8], new: &[u8]) -> Result<(), Error> {
    execute(conn, key(sql!(REWRAP, new), run).bind(old)).await.map(drop)
}

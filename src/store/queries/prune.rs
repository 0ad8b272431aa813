//! Bounded deletes by primary key.

use sqlx::Row as _;

use super::{Conn, Error, Query, Row, all, change_each, run as execute};
use crate::ids::{InstallationId, RepoId, RunId};
use crate::store::column;
use crate::store::heads::HeadKey;
use crate::store::prune::{GONE, ROWS_MAX};
use uuid::Uuid;

statements! {
    RUNS = "SELECT installation, id FROM run WHERE finished_at < ? ORDER BY finished_at LIMIT ?";
    CONDEMN = "UPDATE run SET seq = seq + 1, broken = ? WHERE installation = ? AND id = ? AND finished_at < ?";
    EVENTS = "SELECT seq FROM run_event WHERE installation = ? AND run = ? ORDER BY seq LIMIT ?";
    EVENTS_DROP = "DELETE FROM run_event WHERE installation = ? AND run = ? AND seq <= ?";
    BLOBS = "SELECT mac FROM run_blob WHERE installation = ? AND run = ? LIMIT ?";
    CHECKPOINT_DROP = "DELETE FROM checkpoint WHERE installation = ? AND run = ?";
    ATTEMPTS_DROP = "DELETE FROM attempt WHERE installation = ? AND run = ?";
    RUN_DROP = "DELETE FROM run WHERE installation = ? AND id = ? AND finished_at IS NOT NULL";
    DELIVERIES = "SELECT installation, id FROM inbox WHERE done_at < ? ORDER BY done_at LIMIT ?";
    PARTS_DROP = "DELETE FROM inbox_part WHERE installation = ? AND inbox = ?";
    DELIVERY_DROP = "DELETE FROM inbox WHERE installation = ? AND id = ?";
    HEADS = "SELECT installation, repo, sha FROM head WHERE seen_at < ? AND due_at IS NULL ORDER BY seen_at LIMIT ?";
    SPEAKERS_DROP = "DELETE FROM head_workflow WHERE installation = ? AND repo = ? AND sha = ?";
    CHECKS_DROP = "DELETE FROM head_check WHERE installation = ? AND repo = ? AND sha = ?";
    DIRTY_DROP = "DELETE FROM check_dirty WHERE installation = ? AND repo = ? AND sha = ?";
    HEAD_DROP = "DELETE FROM head WHERE installation = ? AND repo = ? AND sha = ?";
    EFFECTS = "SELECT installation, id FROM effect WHERE ended_at < ? ORDER BY ended_at LIMIT ?";
    KEYS = "SELECT installation, name FROM consumed_key WHERE at < ? ORDER BY at LIMIT ?";
    REPLICAS_DROP = "DELETE FROM replica WHERE beat_at < ?";
    PLANS = "SELECT installation, hash FROM plan p WHERE created_at < ? AND NOT EXISTS (SELECT 1 FROM run r WHERE r.installation = p.installation AND r.plan = p.hash) ORDER BY created_at LIMIT ?";
    PLAN_DROP = "DELETE FROM plan WHERE installation = ? AND hash = ? AND created_at < ? AND NOT EXISTS (SELECT 1 FROM run r WHERE r.installation = plan.installation AND r.plan = plan.hash)";
    @sized {
        BLOBS_DROP = sizes!("DELETE FROM run_blob WHERE ", "(installation = ? AND run = ? AND mac = ?)", " OR ");
        EFFECTS_DROP = sizes!("DELETE FROM effect WHERE ", "(installation = ? AND id = ?)", " OR ");
        KEYS_DROP = sizes!("DELETE FROM consumed_key WHERE ", "(installation = ? AND name = ?)", " OR ");
    }
}

fn key(query: Query<'_>, run: RunId) -> Query<'_> {
    query.bind(run.installation.0).bind(run.bytes().to_vec())
}

/// Old runs.
pub(in crate::store) async fn runs(conn: &mut Conn, before: i64, limit: u32) -> Result<Vec<RunId>, Error> {
    let rows = all(conn, sql!(RUNS, before, i64::from(limit))).await?;
    rows.iter().map(|row| column::run(row.try_get(0)?, row.try_get(1)?)).collect()
}

/// Shuts the door for a run, if it is still old: whatever was decided on it loses, and nobody decides anew.
pub(in crate::store) async fn condemn(conn: &mut Conn, run: RunId, before: i64) -> Result<bool, Error> {
    Ok(execute(conn, key(sql!(CONDEMN, GONE), run).bind(before)).await? == 1)
}

/// The oldest part of a journal.
pub(in crate::store) async fn events(conn: &mut Conn, run: RunId) -> Result<u64, Error> {
    let rows = all(conn, key(sql!(EVENTS), run).bind(i64::from(ROWS_MAX))).await?;
    let Some(last) = rows.last() else { return Ok(0) };
    let seq: i64 = last.try_get(0)?;
    execute(conn, key(sql!(EVENTS_DROP), run).bind(seq)).await
}

/// Some blobs of a run.
pub(in crate::store) async fn blobs(conn: &mut Conn, run: RunId) -> Result<u64, Error> {
    let rows = all(conn, key(sql!(BLOBS), run).bind(i64::from(ROWS_MAX))).await?;
    let macs = rows.iter().map(|row| Ok((run, row.try_get(0)?))).collect::<Result<Vec<(RunId, Vec<u8>)>, Error>>()?;
    change_each(conn, &BLOBS_DROP, &macs, |q, (run, mac)| key(q, *run).bind(mac)).await
}

/// A run, when its journal and blobs are gone.
pub(in crate::store) async fn run(conn: &mut Conn, run: RunId) -> Result<u64, Error> {
    execute(conn, key(sql!(CHECKPOINT_DROP), run)).await?;
    execute(conn, key(sql!(ATTEMPTS_DROP), run)).await?;
    execute(conn, key(sql!(RUN_DROP), run)).await
}

/// Old deliveries.
pub(in crate::store) async fn deliveries(conn: &mut Conn, before: i64, limit: u32) -> Result<Vec<(i64, Uuid)>, Error> {
    let rows = all(conn, sql!(DELIVERIES, before, i64::from(limit))).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, column::uuid(row.try_get(1)?)?))).collect()
}

/// A delivery with its body.
pub(in crate::store) async fn delivery(conn: &mut Conn, installation: i64, id: Uuid) -> Result<u64, Error> {
    execute(conn, sql!(PARTS_DROP, installation, id.as_bytes().to_vec())).await?;
    execute(conn, sql!(DELIVERY_DROP, installation, id.as_bytes().to_vec())).await
}

/// Old heads.
pub(in crate::store) async fn heads(conn: &mut Conn, before: i64, limit: u32) -> Result<Vec<HeadKey>, Error> {
    let read = |row: &Row| {
        let (installation, repo) = (InstallationId(row.try_get(0)?), RepoId(row.try_get(1)?));
        Ok(HeadKey { installation, repo, sha: column::parse(&row.try_get::<String, _>(2)?)? })
    };
    all(conn, sql!(HEADS, before, i64::from(limit))).await?.iter().map(read).collect()
}

/// A head with its checks.
pub(in crate::store) async fn head(conn: &mut Conn, head: &HeadKey) -> Result<u64, Error> {
    let key = |q: Query<'static>| q.bind(head.installation.0).bind(head.repo.0).bind(head.sha.as_str().to_owned());
    for sql in [sql!(SPEAKERS_DROP), sql!(CHECKS_DROP), sql!(DIRTY_DROP)] {
        execute(conn, key(sql)).await?;
    }
    execute(conn, key(sql!(HEAD_DROP))).await
}

/// Rows with a key of an installation and one more value.
async fn pairs<T>(conn: &mut Conn, look: &'static str, before: i64) -> Result<Vec<(i64, T)>, Error>
where
    T: for<'r> sqlx::Decode<'r, super::super::Db> + sqlx::Type<super::super::Db> + Send + Sync,
{
    let rows = all(conn, sql!(look, before, i64::from(ROWS_MAX))).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Old effects.
pub(in crate::store) async fn effects(conn: &mut Conn, before: i64) -> Result<u64, Error> {
    let rows = pairs::<Vec<u8>>(conn, EFFECTS, before).await?;
    change_each(conn, &EFFECTS_DROP, &rows, |q, (installation, id)| q.bind(installation).bind(id)).await
}

/// Old keys of meaning.
pub(in crate::store) async fn keys(conn: &mut Conn, before: i64) -> Result<u64, Error> {
    let rows = pairs::<String>(conn, KEYS, before).await?;
    change_each(conn, &KEYS_DROP, &rows, |q, (installation, name)| q.bind(installation).bind(name)).await
}

/// Replicas that are long gone.
pub(in crate::store) async fn replicas(conn: &mut Conn, before: i64) -> Result<u64, Error> {
    execute(conn, sql!(REPLICAS_DROP, before)).await
}

/// Old plans that no run names.
pub(in crate::store) async fn plans(conn: &mut Conn, before: i64) -> Result<u64, Error> {
    let mut dropped = 0;
    for (installation, hash) in pairs::<Vec<u8>>(conn, PLANS, before).await? {
        dropped += execute(conn, sql!(PLAN_DROP, installation, hash, before)).await?;
    }
    Ok(dropped)
}

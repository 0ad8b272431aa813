//! Checks.

use sqlx::Row as _;

use super::{Conn, Error, Query, Row, all, pick, run as execute};
use crate::store::checks::CheckRow;
use crate::store::column;
use crate::store::heads::HeadKey;
use crate::time::Timestamp;

statements! {
    OF_HEAD = "SELECT name, generation, github_id, sent_version, sent_hash, conclusion, annotations, sent_at FROM head_check WHERE installation = ? AND repo = ? AND sha = ? ORDER BY name, generation";
    NEW = pick(
        "INSERT INTO head_check (installation, repo, sha, name, generation, sent_version, annotations, sent_at) VALUES (?, ?, ?, ?, ?, -1, 0, 0) ON DUPLICATE KEY UPDATE name = name",
        "INSERT INTO head_check (installation, repo, sha, name, generation, sent_version, annotations, sent_at) VALUES (?, ?, ?, ?, ?, -1, 0, 0) ON CONFLICT DO NOTHING",
    );
    SENDING = "UPDATE head_check SET sent_version = ?, sent_hash = NULL, sent_at = ? WHERE installation = ? AND repo = ? AND sha = ? AND name = ? AND generation = ? AND sent_version < ?";
    SENT = "UPDATE head_check SET github_id = COALESCE(?, github_id), sent_hash = ?, conclusion = ?, annotations = ?, sent_at = ? WHERE installation = ? AND repo = ? AND sha = ? AND name = ? AND generation = ? AND sent_version = ?";
}

fn key<'q>(query: Query<'q>, head: &'q HeadKey, check: &'q CheckRow) -> Query<'q> {
    let query = query.bind(head.installation.0).bind(head.repo.0).bind(head.sha.as_str());
    query.bind(&check.name).bind(i64::from(check.generation))
}

/// The checks of a head.
pub(in crate::store) async fn of_head(conn: &mut Conn, head: &HeadKey) -> Result<Vec<CheckRow>, Error> {
    let read = |row: &Row| {
        Ok(CheckRow {
            name: row.try_get(0)?,
            generation: column::number(row.try_get(1)?),
            github_id: row.try_get(2)?,
            sent_version: column::unsigned(row.try_get(3)?),
            sent_hash: row.try_get::<Option<Vec<u8>>, _>(4)?.map(column::bytes32).transpose()?,
            conclusion: row.try_get(5)?,
            annotations: column::number(row.try_get(6)?),
            sent_at: Timestamp(row.try_get(7)?),
        })
    };
    let sql = sql!(OF_HEAD, head.installation.0, head.repo.0, head.sha.as_str());
    all(conn, sql).await?.iter().map(read).collect()
}

/// Records what is about to be sent.
pub(in crate::store) async fn sending(conn: &mut Conn, head: &HeadKey, check: &CheckRow) -> Result<bool, Error> {
    execute(conn, key(sql!(NEW), head, check)).await?;
    let version = column::signed(check.sent_version);
    let sql = sql!(SENDING, version, check.sent_at.0);
    Ok(execute(conn, key(sql, head, check).bind(version)).await? == 1)
}

/// Records what GitHub has.
pub(in crate::store) async fn sent(conn: &mut Conn, head: &HeadKey, check: &CheckRow) -> Result<bool, Error> {
    let sql = sql!(SENT, check.github_id, check.sent_hash.map(|hash| hash.to_vec()), check.conclusion.as_deref());
    let sql = sql.bind(i64::from(check.annotations)).bind(check.sent_at.0);
    Ok(execute(conn, key(sql, head, check).bind(column::signed(check.sent_version))).await? == 1)
}

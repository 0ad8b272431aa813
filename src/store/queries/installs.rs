//! Installations and repositories.

use sqlx::Row as _;

use super::{Conn, Error, Row, all, first, pick, run};
use crate::ids::{InstallationId, RepoId};
use crate::store::column;
use crate::store::installs::{Budget, InstallationRow, RepositoryRow};
use crate::store::replicas::Incarnation;

statements! {
    PUT = pick(
        "INSERT INTO installation (id, account, suspended_at, removed_at, writer_until) VALUES (?, ?, ?, ?, 0) ON DUPLICATE KEY UPDATE account = VALUES(account), suspended_at = VALUES(suspended_at), removed_at = VALUES(removed_at)",
        "INSERT INTO installation (id, account, suspended_at, removed_at, writer_until) VALUES (?, ?, ?, ?, 0) ON CONFLICT DO UPDATE SET account = excluded.account, suspended_at = excluded.suspended_at, removed_at = excluded.removed_at",
    );
    MEET = pick(
        "INSERT INTO installation (id, account, writer_until) VALUES (?, ?, 0) ON DUPLICATE KEY UPDATE id = id",
        "INSERT INTO installation (id, account, writer_until) VALUES (?, ?, 0) ON CONFLICT DO NOTHING",
    );
    GET = "SELECT id, account, suspended_at, removed_at FROM installation WHERE id = ?";
    LIST = "SELECT id, account, suspended_at, removed_at FROM installation WHERE id > ? AND removed_at IS NULL ORDER BY id LIMIT ?";
    PUT_REPOSITORY = pick(
        "INSERT INTO repository (installation, id, name, default_branch) VALUES (?, ?, ?, ?) ON DUPLICATE KEY UPDATE name = VALUES(name), default_branch = VALUES(default_branch), removed_at = NULL",
        "INSERT INTO repository (installation, id, name, default_branch) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET name = excluded.name, default_branch = excluded.default_branch, removed_at = NULL",
    );
    REMOVE_REPOSITORY = "UPDATE repository SET removed_at = ? WHERE installation = ? AND id = ?";
    REPOSITORY = "SELECT installation, id, name, default_branch FROM repository WHERE installation = ? AND id = ? AND removed_at IS NULL";
    REPOSITORIES = "SELECT installation, id, name, default_branch FROM repository WHERE installation = ? AND id > ? AND removed_at IS NULL ORDER BY id LIMIT ?";
    LEASE = "UPDATE installation SET writer = ?, writer_until = ? WHERE id = ? AND (writer = ? OR writer_until <= ?)";
    RELEASE = "UPDATE installation SET writer_until = 0 WHERE id = ? AND writer = ?";
    SET_BUDGET = "UPDATE installation SET budget = ? WHERE id = ? AND writer = ?";
    BUDGET = "SELECT budget FROM installation WHERE id = ?";
}

fn read(row: &Row) -> Result<InstallationRow, Error> {
    Ok(InstallationRow {
        id: InstallationId(row.try_get(0)?),
        account: row.try_get(1)?,
        suspended_at: column::moment(row.try_get(2)?),
        removed_at: column::moment(row.try_get(3)?),
    })
}

fn read_repository(row: &Row) -> Result<RepositoryRow, Error> {
    Ok(RepositoryRow {
        installation: InstallationId(row.try_get(0)?),
        id: RepoId(row.try_get(1)?),
        name: column::parse(&row.try_get::<String, _>(2)?)?,
        default_branch: row.try_get(3)?,
    })
}

/// Writes an installation.
pub(in crate::store) async fn put(conn: &mut Conn, row: &InstallationRow) -> Result<(), Error> {
    let sql = sql!(PUT, row.id.0, &row.account, row.suspended_at.map(|at| at.0), row.removed_at.map(|at| at.0));
    run(conn, sql).await.map(drop)
}

/// Reads an installation.
pub(in crate::store) async fn get(conn: &mut Conn, id: InstallationId) -> Result<Option<InstallationRow>, Error> {
    first(conn, sql!(GET, id.0)).await?.as_ref().map(read).transpose()
}

/// A page of installations.
pub(in crate::store) async fn list(
    conn: &mut Conn,
    after: InstallationId,
    limit: u32,
) -> Result<Vec<InstallationRow>, Error> {
    all(conn, sql!(LIST, after.0, i64::from(limit))).await?.iter().map(read).collect()
}

/// Writes a repository, and its installation if nobody has told us of that.
pub(in crate::store) async fn put_repository(conn: &mut Conn, row: &RepositoryRow) -> Result<(), Error> {
    run(conn, sql!(MEET, row.installation.0, row.name.owner())).await?;
    let sql = sql!(PUT_REPOSITORY, row.installation.0, row.id.0, row.name.as_str(), &row.default_branch);
    run(conn, sql).await.map(drop)
}

/// A repository is gone.
pub(in crate::store) async fn remove_repository(
    conn: &mut Conn,
    installation: InstallationId,
    id: RepoId,
    at: i64,
) -> Result<(), Error> {
    run(conn, sql!(REMOVE_REPOSITORY, at, installation.0, id.0)).await.map(drop)
}

/// Reads a repository.
pub(in crate::store) async fn repository(
    conn: &mut Conn,
    installation: InstallationId,
    id: RepoId,
) -> Result<Option<RepositoryRow>, Error> {
    first(conn, sql!(REPOSITORY, installation.0, id.0)).await?.as_ref().map(read_repository).transpose()
}

/// A page of repositories.
pub(in crate::store) async fn repositories(
    conn: &mut Conn,
    installation: InstallationId,
    after: RepoId,
    limit: u32,
) -> Result<Vec<RepositoryRow>, Error> {
    let rows = all(conn, sql!(REPOSITORIES, installation.0, after.0, i64::from(limit))).await?;
    rows.iter().map(read_repository).collect()
}

/// Becomes or stays the writer.
pub(in crate::store) async fn lease(
    conn: &mut Conn,
    id: InstallationId,
    me: Incarnation,
    at: i64,
    until: i64,
) -> Result<bool, Error> {
    Ok(run(conn, sql!(LEASE, me.0.to_vec(), until, id.0, me.0.to_vec(), at)).await? == 1)
}

/// Writes the budget.
pub(in crate::store) async fn set_budget(
    conn: &mut Conn,
    id: InstallationId,
    me: Incarnation,
    budget: &[u8],
) -> Result<bool, Error> {
    Ok(run(conn, sql!(SET_BUDGET, budget, id.0, me.0.to_vec())).await? == 1)
}

/// Stops being the writer.
pub(in crate::store) async fn release(conn: &mut Conn, id: InstallationId, me: Incarnation) -> Result<(), Error> {
    run(conn, sql!(RELEASE, id.0, me.0.to_vec())).await.map(drop)
}

/// Reads the budget.
pub(in crate::store) async fn budget(conn: &mut Conn, id: InstallationId) -> Result<Option<Budget>, Error> {
    let row = first(conn, sql!(BUDGET, id.0)).await?;
    row.map(|row| Ok(Budget(row.try_get::<Option<Vec<u8>>, _>(0)?.unwrap_or_default()))).transpose()
}

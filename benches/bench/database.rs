//! The MariaDB of a benchmark: a database for each contestant, the server's own counters, and its own transactions as a
//! limit.

use std::collections::BTreeMap;

use anyhow::Context as _;
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection};

use super::load::Worker;

/// Names the server, as for the tests.
pub const URL: &str = "TEST_MYSQL_URL";
/// What Debian's server has unless somebody says otherwise.
const BUFFER_BYTES: u64 = 1 << 30;

/// The server's address, without the name of a database.
fn server() -> anyhow::Result<String> {
    let mut url = url::Url::parse(&std::env::var(URL).context("TEST_MYSQL_URL names no server")?)?;
    url.set_path("");
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Makes an empty database of this name, and tells its address.
pub async fn fresh(name: &str) -> anyhow::Result<String> {
    let server = server()?;
    let mut root = MySqlConnection::connect(&server).await?;
    for sql in [
        format!("SET GLOBAL innodb_buffer_pool_size = {BUFFER_BYTES}"),
        format!("DROP DATABASE IF EXISTS {name}"),
        format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"),
    ] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut root).await?;
    }
    root.close().await?;
    Ok(format!("{server}/{name}"))
}

/// What each table of a database takes on the disk with its indexes, in bytes, the largest first.
pub async fn tables(name: &str) -> anyhow::Result<Vec<(String, u64)>> {
    let mut root = MySqlConnection::connect(&server()?).await?;
    let sql = "SELECT table_name, CAST(data_length + index_length AS UNSIGNED) AS bytes FROM information_schema.tables WHERE table_schema = ? ORDER BY bytes DESC";
    let tables: Vec<(String, u64)> = sqlx::query_as(sql).bind(name).fetch_all(&mut root).await?;
    for (table, _) in &tables {
        let sql = format!("ANALYZE TABLE {name}.{table}");
        sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut root).await?;
    }
    Ok(sqlx::query_as(sql).bind(name).fetch_all(&mut root).await?)
}

/// What the server says of itself.
pub async fn version() -> anyhow::Result<String> {
    let mut root = MySqlConnection::connect(&server()?).await?;
    let words =
        "SELECT CONCAT('MariaDB ', VERSION(), ', innodb_flush_log_at_trx_commit = ', @@innodb_flush_log_at_trx_commit)";
    Ok(sqlx::query_scalar(words).fetch_one(&mut root).await?)
}

/// Counters of the server: commits, and statements that clients sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counters {
    /// Transactions committed by clients.
    pub commits: u64,
    /// Statements that clients sent; each is a round trip.
    pub questions: u64,
    /// Syncs of the log and of data to the disk.
    pub syncs: u64,
}

impl Counters {
    /// What they show now.
    pub async fn read() -> anyhow::Result<Self> {
        let mut root = MySqlConnection::connect(&server()?).await?;
        let sql = "SHOW GLOBAL STATUS WHERE Variable_name IN ('Com_commit', 'Questions', 'Innodb_os_log_fsyncs', 'Innodb_data_fsyncs')";
        let rows: Vec<(String, String)> = sqlx::query_as(sql).fetch_all(&mut root).await?;
        let all: BTreeMap<String, u64> =
            rows.into_iter().map(|(name, value)| (name, value.parse().unwrap_or(0))).collect();
        let of = |name: &str| all.get(name).copied().unwrap_or(0);
        Ok(Self {
            commits: of("Com_commit"),
            questions: of("Questions"),
            syncs: of("Innodb_os_log_fsyncs").max(of("Innodb_data_fsyncs")),
        })
    }

    /// Both together.
    pub fn plus(self, more: Self) -> Self {
        Self {
            commits: self.commits + more.commits,
            questions: self.questions + more.questions,
            syncs: self.syncs + more.syncs,
        }
    }

    /// What was counted since.
    pub fn since(self, before: Self) -> Self {
        Self {
            commits: self.commits.saturating_sub(before.commits),
            questions: self.questions.saturating_sub(before.questions),
            syncs: self.syncs.saturating_sub(before.syncs),
        }
    }
}

/// The database's own transactions, one by one: lock a row, update it, insert another, commit.
pub struct OneByOne {
    connection: MySqlConnection,
    row: u64,
}

impl OneByOne {
    /// So many connections, each with a row of its own.
    pub async fn several(count: u64, url: &str) -> anyhow::Result<Vec<Self>> {
        let mut root = MySqlConnection::connect(url).await?;
        for sql in [
            "CREATE TABLE IF NOT EXISTS guarded (id BIGINT PRIMARY KEY, seq BIGINT NOT NULL)",
            "CREATE TABLE IF NOT EXISTS journal (run BIGINT, seq BIGINT, body VARBINARY(500) NOT NULL, PRIMARY KEY (run, seq))",
            "TRUNCATE guarded",
            "TRUNCATE journal",
        ] {
            sqlx::query(sql).execute(&mut root).await?;
        }
        let mut all = Vec::new();
        for row in 0..count {
            sqlx::query("INSERT INTO guarded VALUES (?, 0)").bind(row).execute(&mut root).await?;
            all.push(Self { connection: MySqlConnection::connect(url).await?, row });
        }
        Ok(all)
    }
}

impl Worker for OneByOne {
    async fn once(&mut self) -> anyhow::Result<()> {
        let conn = &mut self.connection;
        sqlx::raw_sql("BEGIN").execute(&mut *conn).await?;
        let lock = sqlx::query_scalar("SELECT seq FROM guarded WHERE id = ? FOR UPDATE");
        let seq: i64 = lock.bind(self.row).fetch_one(&mut *conn).await?;
        let update = sqlx::query("UPDATE guarded SET seq = ? WHERE id = ?");
        update.bind(seq + 1).bind(self.row).execute(&mut *conn).await?;
        let insert = sqlx::query("INSERT INTO journal VALUES (?, ?, ?)");
        insert.bind(self.row).bind(seq + 1).bind([7_u8; 200].as_slice()).execute(&mut *conn).await?;
        sqlx::raw_sql("COMMIT").execute(&mut *conn).await?;
        Ok(())
    }
}

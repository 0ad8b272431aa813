//! Opening a database: pools, the settings of each connection, the lock of an SQLite file, and the shield under which
//! every operation runs.

use std::fs::{File, OpenOptions};
use std::future::Future;
use std::io::{Read as _, Seek as _, Write as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::str::FromStr as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::ConnectOptions as _;
use sqlx::Connection as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::crypt::{Crypt, MasterKey};
use super::driver::COMMITTERS;
use super::replicas::Incarnation;
use super::{Error, mysql};
use crate::ids::random_bytes;

/// How often one transaction is tried.
pub(super) const TRIES_MAX: u32 = 5;
/// The first wait before a repetition; each further one doubles it.
const RETRY_WAIT: Duration = Duration::from_millis(20);
const LOCK_WAIT: Duration = Duration::from_secs(5);
const ACQUIRE_WAIT: Duration = Duration::from_secs(10);
/// A connection that was idle for so long is asked whether it still stands before it is used. One that was used a moment
/// ago is not: that would double the round trips, and an operation that meets a broken one is repeated.
const IDLE_TRUSTED: Duration = Duration::from_secs(1);
/// A connection that was idle for so long is closed, before the server does it.
const IDLE_MAX: Duration = Duration::from_secs(20);
/// Prepared statements of one connection. Three replicas with twenty connections each stay below what a server allows
/// by default, 16,382.
const STATEMENTS_MAX: usize = 256;

/// How to open a store.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Connections at most; SQLite uses a few of them for reading.
    pub connections_max: u32,
    /// This process serves: it takes the lock file of an SQLite database for itself.
    pub serve: bool,
    /// `ENCRYPTION_KEY`: the first seals, all of them open. None: rows are kept in the clear.
    pub keys: Vec<MasterKey>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { connections_max: 16, serve: false, keys: Vec::new() }
    }
}

/// A database, opened. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(super) pool: Pool,
    /// The committers' connections. On MySQL they are in a transaction as soon as they say something.
    pub(super) writers: Pool,
    /// The server is one of several that lock rows each for itself: what is compared has to be written, too.
    pub(super) is_galera: bool,
    pub(super) keys: Arc<[MasterKey]>,
    crypt: Arc<OnceLock<Arc<Crypt>>>,
    /// In whose name things are claimed.
    pub(super) me: Option<Incarnation>,
    /// Held for as long as a clone lives.
    lock: Option<Arc<File>>,
}

#[derive(Clone)]
pub(super) enum Pool {
    MySql(MySqlPool),
    Sqlite(SqlitePool),
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_mysql() { "Store(mysql)" } else { "Store(sqlite)" })
    }
}

impl Store {
    /// Connects. Nothing is read or changed yet: [`Store::migrate`] comes next.
    ///
    /// # Errors
    /// When the address is none of ours, the database does not answer, or another process serves from the same file.
    pub async fn open(url: &SecretString, options: StoreOptions) -> Result<Self, Error> {
        let (pool, writers, is_galera, lock) = match url.expose_secret().split_once(':').map(|(scheme, _)| scheme) {
            Some("mysql" | "mariadb") => {
                let (pool, writers, is_galera) = open_mysql(url, &options).await?;
                (Pool::MySql(pool), Pool::MySql(writers), is_galera, None)
            }
            Some("sqlite") => {
                let (pool, lock) = open_sqlite(url, &options).await?;
                (Pool::Sqlite(pool.clone()), Pool::Sqlite(pool), false, lock)
            }
            Some("postgres" | "postgresql") => {
                return Err(Error::Url("PostgreSQL is not supported: use MySQL, MariaDB or SQLite".to_owned()));
            }
            _ => return Err(Error::Url("no scheme that we know".to_owned())),
        };
        let (keys, lock) = (options.keys.into(), lock.map(Arc::new));
        Ok(Self { pool, writers, is_galera, keys, crypt: Arc::default(), me: None, lock })
    }

    /// The same store for one replica: what it claims bears its name, and is free as soon as it is off the list.
    #[must_use]
    pub fn acting_as(self, me: Incarnation) -> Self {
        Self { me: Some(me), ..self }
    }

    /// Whether no other process can serve from this database, since we hold the lock of its file.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.lock.is_some()
    }

    /// True for MySQL and MariaDB, false for SQLite.
    #[must_use]
    pub fn is_mysql(&self) -> bool {
        matches!(self.pool, Pool::MySql(_))
    }

    /// Closes every connection, after the operations that are under way, and leaves an SQLite file to the next process.
    pub async fn close(&self) {
        for pool in [&self.writers, &self.pool] {
            match pool {
                Pool::MySql(pool) => pool.close().await,
                Pool::Sqlite(pool) => pool.close().await,
            }
        }
        // Not when the last clone is gone: whoever is slow to let go of his shall not keep the next process out.
        if let Some(Err(error)) = self.lock.as_ref().map(|lock| lock.unlock()) {
            tracing::warn!(%error, "the lock of the database's file is kept until this process ends");
        }
    }

    pub(super) fn crypt(&self) -> Result<Arc<Crypt>, Error> {
        self.crypt.get().cloned().ok_or(Error::NotReady)
    }

    pub(super) fn set_crypt(&self, crypt: Crypt) {
        // The instance secret never changes: whoever came first set the same.
        let _ = self.crypt.set(Arc::new(crypt));
    }
}

/// The pool, that of the committers, and whether the server belongs to a Galera cluster.
async fn open_mysql(url: &SecretString, options: &StoreOptions) -> Result<(MySqlPool, MySqlPool, bool), Error> {
    let text = url.expose_secret().replacen("mariadb:", "mysql:", 1);
    let connect = MySqlConnectOptions::from_str(&text).map_err(|e| Error::Url(e.to_string()))?;
    let connect = connect.statement_cache_capacity(STATEMENTS_MAX);
    let pool = |connections_max: u32| {
        MySqlPoolOptions::new()
            .max_connections(connections_max)
            .acquire_timeout(ACQUIRE_WAIT)
            .idle_timeout(IDLE_MAX)
            .test_before_acquire(false)
            .before_acquire(|conn, connection| {
                Box::pin(async move { Ok(connection.idle_for < IDLE_TRUSTED || conn.ping().await.is_ok()) })
            })
    };
    // The committers' are part of what the operator allows; those who are more than their connections take turns.
    let writers = (options.connections_max / 2).clamp(1, u32::try_from(COMMITTERS).unwrap_or(1));
    let others = pool(options.connections_max.saturating_sub(writers).max(2));
    let opening = others.after_connect(|conn, _| Box::pin(mysql::session(conn))).connect_with(connect.clone());
    let writers =
        pool(writers).after_connect(|conn, _| Box::pin(mysql::writer(conn))).connect_lazy_with(connect.clone());
    let opened = shield(async {
        let pool = opening.await?;
        let is_galera = mysql::is_galera(&mut *pool.acquire().await?).await?;
        Ok((pool, writers, is_galera))
    })
    .await;
    match opened {
        // The pool tried for as long as it may, and tells no reason; one more try does.
        Err(Error::Database(sqlx::Error::PoolTimedOut)) => {
            shield(async move { Ok(connect.connect().await?.close().await?) }).await.and(opened)
        }
        opened => opened,
    }
}

async fn open_sqlite(url: &SecretString, options: &StoreOptions) -> Result<(SqlitePool, Option<File>), Error> {
    let connect = SqliteConnectOptions::from_str(url.expose_secret())
        .map_err(|e| Error::Url(e.to_string()))?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(LOCK_WAIT)
        .statement_cache_capacity(STATEMENTS_MAX)
        .foreign_keys(true);
    let lock = if options.serve { Some(lock_file(connect.get_filename())?) } else { None };
    let pool = SqlitePoolOptions::new()
        .max_connections(options.connections_max.clamp(2, 8))
        .acquire_timeout(ACQUIRE_WAIT)
        .test_before_acquire(false)
        .connect_with(connect);
    Ok((shield(async { Ok(pool.await?) }).await?, lock))
}

/// One serving process per file: the second one refuses and names the first.
fn lock_file(database: &Path) -> Result<File, Error> {
    let path = format!("{}.lock", database.display());
    let refused = |e| Error::File(path.clone(), e);
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(refused)?;
    if let Err(error) = file.try_lock() {
        let mut holder = String::new();
        let _ = (&mut file).take(200).read_to_string(&mut holder);
        return Err(match error {
            std::fs::TryLockError::WouldBlock => Error::InUse { path, holder },
            std::fs::TryLockError::Error(e) => Error::File(path, e),
        });
    }
    file.set_len(0).and_then(|()| file.rewind()).map_err(refused)?;
    write!(file, "process {}", std::process::id()).map_err(refused)?;
    Ok(file)
}

/// Runs a database operation in a task of its own, which goes on when the caller is dropped.
pub(super) async fn shield<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    let (answer, answered) = oneshot::channel();
    // One kind of task for all operations: every kind that `tokio::spawn` sees costs a hundred functions to compile.
    let work = async move { drop(answer.send(work.await)) }.boxed();
    let task = tokio::spawn(work.in_current_span());
    match answered.await {
        Ok(result) => result,
        Err(silent) => Err(Error::Task(task.await.err().map_or(silent.to_string(), |error| error.to_string()))),
    }
}

/// Whether to try once more; waits before it says so.
pub(super) async fn again<T>(tries: &mut u32, result: Result<T, Error>) -> ControlFlow<Result<T, Error>> {
    match result {
        Err(error) if error.is_transient() && *tries + 1 < TRIES_MAX => {
            tracing::warn!(tries, %error, "the database refused, trying again");
            tokio::time::sleep(back_off(*tries)).await;
            *tries += 1;
            ControlFlow::Continue(())
        }
        result => ControlFlow::Break(result),
    }
}

/// How long to wait before repetition `tries`, with jitter so that rivals do not meet again.
pub(super) fn back_off(tries: u32) -> Duration {
    let [jitter] = random_bytes::<1>();
    let wait = RETRY_WAIT.saturating_mul(1 << tries.min(8));
    wait + wait.mul_f64(f64::from(jitter) / 512.0)
}

/// `on!(store, module::query(args))` runs a query of either dialect under the shield and repeats it on transient
/// errors; `on!(store, tx module::query(args))` does so in a transaction. A connection that saw an error is closed.
/// The arguments are evaluated anew for each try, so they are references or `Copy`.
macro_rules! on {
    (@go $pool:ident, $dialect:ident, $tx:literal, $module:ident::$f:ident($($arg:expr),*)) => {{
        let pool = $pool.clone();
        $crate::store::open::shield(async move {
            let mut tries = 0;
            loop {
                let result = async {
                    let mut conn = pool.acquire().await?;
                    let result = async {
                        if $tx {
                            $crate::store::$dialect::q::begin(&mut conn).await?;
                        }
                        let done = $crate::store::$dialect::q::$module::$f(&mut conn, $($arg),*).await?;
                        if $tx {
                            $crate::store::$dialect::q::commit(&mut conn).await?;
                        }
                        Ok(done)
                    }
                    .await;
                    if result.is_err() {
                        conn.close_on_drop();
                    }
                    result
                }
                .await;
                if let std::ops::ControlFlow::Break(result) = $crate::store::open::again(&mut tries, result).await {
                    break result;
                }
            }
        })
        .await
    }};
    ($store:expr, tx $module:ident::$f:ident($($arg:expr),* $(,)?)) => {
        match &$store.pool {
            $crate::store::open::Pool::MySql(p) => on!(@go p, mysql, true, $module::$f($($arg),*)),
            $crate::store::open::Pool::Sqlite(p) => on!(@go p, sqlite, true, $module::$f($($arg),*)),
        }
    };
    ($store:expr, $module:ident::$f:ident($($arg:expr),* $(,)?)) => {
        match &$store.pool {
            $crate::store::open::Pool::MySql(p) => on!(@go p, mysql, false, $module::$f($($arg),*)),
            $crate::store::open::Pool::Sqlite(p) => on!(@go p, sqlite, false, $module::$f($($arg),*)),
        }
    };
}

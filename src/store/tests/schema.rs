//! Tables, statements, plans of queries, and opening.

use std::time::Duration;

use sqlx::{Executor as _, Row as _, SqlSafeStr as _};

use super::world::{INSTALLATION, World};
use crate::store::open::{Pool, Store};
use crate::store::{Error, StoreOptions, mysql, sqlite};
use crate::time::Clock;

super::on_each!(
    every_statement_prepares,
    three_processes_migrate_at_once,
    a_healthy_database_has_no_findings_of_note,
    a_dropped_caller_leaves_a_clean_pool
);

async fn every_statement_prepares(world: World) {
    let prepared = match &world.store.pool {
        Pool::MySql(pool) => {
            let statements = mysql::q::every();
            for (module, name, sql) in &statements {
                let prepared = pool.prepare(sql.into_sql_str()).await;
                assert!(prepared.is_ok(), "{module}::{name}: {:?}", prepared.err());
            }
            statements.len()
        }
        Pool::Sqlite(pool) => {
            let statements = sqlite::q::every();
            for (module, name, sql) in &statements {
                let prepared = pool.prepare(sql.into_sql_str()).await;
                assert!(prepared.is_ok(), "{module}::{name}: {:?}", prepared.err());
            }
            statements.len()
        }
    };
    assert!(prepared > 150, "only {prepared} statements were found");
}

async fn three_processes_migrate_at_once(world: World) {
    let fresh = world.empty_neighbour().await;
    let (b, c) = (fresh.another(&[]).await, fresh.another(&[]).await);
    let (first, second, third) = tokio::join!(fresh.store.migrate(), b.migrate(), c.migrate());
    for migrated in [first, second, third] {
        migrated.unwrap();
    }
    for store in [&fresh.store, &b, &c] {
        assert!(store.pending().await.unwrap().is_empty());
        // One secret for all three.
        assert_eq!(
            store.mac(crate::store::Purpose::Page, &[b"x"]).unwrap(),
            b.mac(crate::store::Purpose::Page, &[b"x"]).unwrap()
        );
    }
}

async fn a_healthy_database_has_no_findings_of_note(world: World) {
    let findings = world.store.check(&Clock::machine()).await.unwrap();
    assert!(findings.iter().all(|finding| finding.severity < crate::store::Severity::Refuse), "{findings:?}");
}

async fn a_dropped_caller_leaves_a_clean_pool(world: World) {
    for number in 0..40_u8 {
        let store = world.store.clone();
        let receive = async move { store.receive(vec![super::world::arrival(number, "1")]).await };
        // Dropped at a different instant each time.
        let patience = std::time::Duration::from_micros(u64::from(number) * 50);
        let _ = tokio::time::timeout(patience, receive).await;
    }
    // Every connection of the pool serves, and whatever was begun has ended: this takes each lane's lock.
    for _ in 0..20 {
        world.store.oldest_pending().await.unwrap();
    }
    assert_eq!(world.store.receive(vec![super::world::arrival(200, "1")]).await.unwrap().len(), 1);
}

#[test]
fn the_list_of_migrations_is_the_folder() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap().trim_end_matches(".sql").to_owned())
        .collect();
    files.sort();
    let listed: Vec<&str> = crate::store::migrate::FILES.iter().map(|(name, _)| *name).collect();
    assert_eq!(files, listed);
    for (name, sql) in crate::store::migrate::FILES {
        assert!(crate::store::migrate::version(name) > 1_000, "{name}");
        assert_eq!(sql.matches("CREATE ").count(), 1, "{name} holds one statement");
    }
}

#[tokio::test]
async fn queues_read_their_index_on_mariadb() {
    queues_read_their_index(World::mariadb().await).await;
}

#[tokio::test]
async fn queues_read_their_index_on_mysql() {
    if let Some(world) = World::mysql().await {
        queues_read_their_index(world).await;
    }
}

/// A process that is frozen in the middle of a transaction, or behind a cable that was cut, holds its locks; the server
/// must not wait for it as long as for an idle client.
#[tokio::test]
async fn a_rival_of_whom_nothing_is_heard_keeps_no_locks_on_mariadb() {
    let world = World::mariadb().await;
    world.tamper("CREATE TABLE silent (id INT PRIMARY KEY, n INT)").await;
    world.tamper("INSERT INTO silent VALUES (1, 0)").await;
    let Pool::MySql(pool) = &world.store.pool else { panic!("not MySQL") };
    let (mut silent, mut rival) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    sqlx::query("START TRANSACTION").execute(&mut *silent).await.unwrap();
    sqlx::query("UPDATE silent SET n = 1").execute(&mut *silent).await.unwrap();
    let given_up = async {
        while let Err(error) = sqlx::query("UPDATE silent SET n = 2").execute(&mut *rival).await {
            assert!(Error::from(error).is_transient());
        }
    };
    tokio::time::timeout(Duration::from_secs(60), given_up).await.expect("the lock is free again");
    let error = sqlx::query("COMMIT").execute(&mut *silent).await.unwrap_err();
    assert!(Error::from(error).is_transient(), "the silent one learns that nothing was written");
}

#[tokio::test]
async fn a_silent_session_is_ended_on_mysql() {
    let Some(world) = World::mysql().await else { return };
    let Pool::MySql(pool) = &world.store.pool else { panic!("not MySQL") };
    let wait: u64 = sqlx::query_scalar("SELECT @@SESSION.wait_timeout").fetch_one(pool).await.unwrap();
    assert_eq!(wait, 60);
}

/// A queue reads its index in its order: no filesort, no scan of the table.
async fn queues_read_their_index(world: World) {
    let Pool::MySql(pool) = &world.store.pool else { panic!("not MySQL") };
    let mut conn = pool.acquire().await.unwrap();
    // MySQL draws a tree by default; MariaDB has the table only, and does not know the setting.
    let _ = sqlx::query("SET SESSION explain_format = 'TRADITIONAL'").execute(&mut *conn).await;
    let queues = [
        ("inbox", "DUE", "lane_due"),
        ("inbox", "OLDEST", "inbox_lane"),
        ("inbox", "OLDEST_PENDING", "inbox_pending"),
        ("runs", "DUE", "run_wake"),
        ("runs", "LIVE", "run_live"),
        ("runs", "BY_PULL", "run_pull"),
        ("runs", "BY_HEAD", "run_head"),
        ("attempts", "QUEUED", "attempt_queue"),
        ("attempts", "OWNED", "attempt_owner"),
        ("gates", "WAITS", "gate_wait_queue"),
        ("gates", "OLD", "gate_ticket_old"),
        ("heads", "DUE", "head_due"),
        ("effects", "DUE", "effect_due"),
        ("prune", "RUNS", "run_finished"),
        ("prune", "DELIVERIES", "inbox_done"),
        ("prune", "EFFECTS", "effect_ended"),
    ];
    for (module, name, index) in queues {
        let (_, _, sql) = mysql::q::every().into_iter().find(|(m, n, _)| (*m, *n) == (module, name)).unwrap();
        // The planner looks at no rows here, so the index is named; what is tested is that it serves the order.
        let table = sql.split(" FROM ").nth(1).unwrap().split(' ').next().unwrap();
        let forced = sql.replacen(&format!(" FROM {table}"), &format!(" FROM {table} FORCE INDEX ({index})"), 1);
        let literal = forced.replace("LIMIT ?", "LIMIT 10").replace("id < ?", "id < 0xff").replace('?', "'1'");
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN {literal}"))).fetch_all(&mut *conn).await.unwrap();
        for row in rows {
            let key: Option<String> = row.try_get("key").unwrap();
            let extra: Option<String> = row.try_get("Extra").unwrap();
            assert_eq!(key.as_deref(), Some(index), "{module}::{name}");
            assert!(!extra.clone().unwrap_or_default().contains("filesort"), "{module}::{name}: {extra:?}");
        }
    }
}

#[tokio::test]
async fn a_second_server_on_one_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let url = secrecy::SecretString::from(format!("sqlite://{}/store.db", dir.path().display()));
    let serve = StoreOptions { serve: true, ..StoreOptions::default() };
    let first = Store::open(&url, serve.clone()).await.unwrap();
    let second = Store::open(&url, serve.clone()).await;
    let Err(Error::InUse { holder, .. }) = second else { panic!("two servers on one file: {second:?}") };
    assert_eq!(holder, format!("process {}", std::process::id()));
    first.close().await;
    drop(first);
    Store::open(&url, serve).await.unwrap();
}

#[tokio::test]
async fn wrong_addresses_say_what_is_right() {
    for (url, words) in [("postgres://x", "PostgreSQL is not supported"), ("nonsense", "mysql://user:password@host")] {
        let error = Store::open(&url.into(), StoreOptions::default()).await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let unready = World::empty_sqlite().await;
    let refused = unready.store.blob_key(super::world::run_id(1), b"x");
    assert!(matches!(refused, Err(Error::NotReady)), "{refused:?} {INSTALLATION}");
}

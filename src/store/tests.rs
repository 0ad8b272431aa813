//! The store on SQLite, on MariaDB and on Oracle's MySQL, from one body each.

mod door;
mod on_galera;
mod queues;
mod schema;
pub(super) mod world;

/// One test on each database. Oracle's MySQL cannot be had everywhere: where it is missing, its tests say so.
macro_rules! on_each {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::store::tests::world::World::sqlite().await).await;
            })*
        }
        mod on_mariadb {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::store::tests::world::World::mariadb().await).await;
            })*
        }
        mod on_mysql {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(world) = crate::store::tests::world::World::mysql().await {
                    super::$name(world).await;
                }
            })*
        }
    };
}
use on_each;

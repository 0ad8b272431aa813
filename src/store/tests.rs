//! The store on SQLite and on MariaDB, from one body each.

mod door;
mod queues;
mod schema;
pub(super) mod world;

/// One test on both databases.
macro_rules! on_both {
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
                super::$name(crate::store::tests::world::World::mysql().await).await;
            })*
        }
    };
}
use on_both;

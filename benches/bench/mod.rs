//! What the benchmarks share: load, percentiles, tables, and the processes that they measure.
//!
//! A benchmark is never a test: it prints what it saw, beside a peer or a limit of the same run, and asserts nothing of
//! time. What is missing is said in its row.

#![allow(dead_code, reason = "each benchmark uses its part")]
#![allow(unreachable_pub, reason = "nothing of a program is reached from outside")]
#![allow(
    clippy::disallowed_methods,
    reason = "measuring is reading a clock, and settings here are for whoever measures"
)]

pub mod agent;
pub mod database;
pub mod load;
pub mod process;
pub mod room;
pub mod table;

use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Runs a benchmark with a MariaDB, and with peers where it wants some. Where they are not there yet, the scripts that
/// bring them start this program once more.
pub fn main<F: Future<Output = anyhow::Result<()>>>(peers: bool, bench: impl FnOnce() -> F) -> anyhow::Result<()> {
    // `cargo test --benches` runs benchmarks, too, to see that they start; `cargo bench` says what it wants.
    if !std::env::args().any(|word| word == "--bench") && std::env::var_os(process::ROLE).is_none() {
        return Ok(());
    }
    let missing = |name: &str| std::env::var_os(name).is_none();
    let mut words: Vec<String> = Vec::new();
    for (script, wanted) in [("peers", peers && missing("PEERS_ASKED")), ("mariadb", missing(database::URL))] {
        if wanted {
            words.extend([
                format!("{}/scripts/{script}", env!("CARGO_MANIFEST_DIR")),
                "run".to_owned(),
                "--".to_owned(),
            ]);
        }
    }
    if let Some((first, rest)) = words.split_first() {
        let mut again = Command::new(first);
        again.args(rest).arg(std::env::current_exe()?).args(std::env::args_os().skip(1)).env("PEERS_ASKED", "1");
        return Err(again.exec().into());
    }
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(bench())
}

/// Now.
pub fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// A number from the environment, for whoever wants more or less of it.
pub fn setting(name: &str, default: u64) -> u64 {
    text(name).and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A word from the environment.
pub fn text(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

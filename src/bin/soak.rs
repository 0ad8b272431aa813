//! Long tests, for nights: what the suite does for a minute, done for hours. Not part of the service.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::{Parser, Subcommand};
use pointsman::sim::{Figures, live};

/// So many lives between two lines of progress.
const LINE: u64 = 1_000;

/// Tests the service for as long as you like.
#[derive(Debug, Parser)]
#[command(name = "soak", max_term_width = 100)]
struct Soak {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Simulated lives of the service: replicas die, the database forgets to answer, and the laws are held.
    Sim {
        /// How many lives.
        #[arg(long, default_value_t = 100_000)]
        seeds: u64,
        /// The first of them.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// One life only, told event by event.
        #[arg(long, conflicts_with_all = ["seeds", "from"])]
        seed: Option<u64>,
    },
}

fn main() -> io::Result<ExitCode> {
    match Soak::parse().what {
        What::Sim { seed: Some(seed), .. } => tell(seed),
        What::Sim { seeds, from, seed: None } => sim(from, from.saturating_add(seeds)),
    }
}

/// One life, as a story.
fn tell(seed: u64) -> io::Result<ExitCode> {
    fn line(words: &str) {
        // Whoever closed the pipe has read enough.
        let _ = writeln!(io::stdout(), "{words}");
    }
    match live(seed, Some(line)) {
        Ok(figures) => writeln!(io::stdout(), "\nthe laws were kept: {figures:?}").map(|()| ExitCode::SUCCESS),
        Err(broken) => writeln!(io::stdout(), "\nBROKEN: {broken}").map(|()| ExitCode::FAILURE),
    }
}

/// Many lives, on all cores, up to the first that breaks a law.
fn sim(from: u64, to: u64) -> io::Result<ExitCode> {
    let (next, all, broken) = (AtomicU64::new(from), Mutex::new(Figures::default()), Mutex::new(None));
    let worker = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= to {
                return;
            }
            match live(seed, None) {
                Ok(figures) => *all.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += figures,
                Err(why) => {
                    next.store(to, Ordering::Relaxed);
                    *broken.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some((seed, why));
                    return;
                }
            }
            if (seed + 1 - from).is_multiple_of(LINE) {
                let _ = writeln!(io::stderr(), "{} lives", seed + 1 - from);
            }
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        (0..threads).for_each(|_| drop(scope.spawn(worker)));
    });
    let all = all.into_inner().unwrap_or_default();
    match broken.into_inner().unwrap_or_default() {
        None => writeln!(io::stdout(), "{} lives kept the laws: {all:?}", to - from).map(|()| ExitCode::SUCCESS),
        Some((seed, why)) => {
            writeln!(io::stdout(), "BROKEN by seed {seed}: {why}\n\ncargo run --bin soak -- sim --seed {seed}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

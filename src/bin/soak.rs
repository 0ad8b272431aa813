//! Long tests, for nights: what the suite does for a minute, done for hours. Not part of the service.

use std::io::{self, Write as _};
use std::ops::Range;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use pointsman::sim::{live, many};

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
        What::Sim { seeds, from, seed: None } => sim(from..from.saturating_add(seeds)),
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

/// Many lives.
fn sim(seeds: Range<u64>) -> io::Result<ExitCode> {
    let told = |lives: u64| {
        if lives.is_multiple_of(LINE) {
            let _ = writeln!(io::stderr(), "{lives} lives");
        }
    };
    let lives = seeds.end - seeds.start;
    match many(seeds, told) {
        Ok(all) => writeln!(io::stdout(), "{lives} lives kept the laws: {all:?}").map(|()| ExitCode::SUCCESS),
        Err(broken) => writeln!(io::stdout(), "BROKEN by {broken}").map(|()| ExitCode::FAILURE),
    }
}

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

const SEEDS: u64 = 2_000;

#[test]
fn two_thousand_lives_keep_the_laws() {
    let (next, threads) = (AtomicU64::new(0), std::thread::available_parallelism().unwrap());
    let worker = || {
        let mut figures = Figures::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= SEEDS {
                return figures;
            }
            match live(seed, None) {
                Ok(more) => figures += more,
                Err(broken) => panic!("{broken}\n\ncargo run --bin soak -- sim --seed {seed}"),
            }
        }
    };
    let mut all = Figures::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.get()).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().for_each(|worker| all += worker.join().unwrap());
    });
    println!("{SEEDS} lives: {all:?}");
    // A storm that nobody notices proves nothing.
    assert!(all.transitions > 200 * SEEDS && all.events > 300 * SEEDS, "{all:?}");
    assert!(all.kills > SEEDS && all.freezes > SEEDS && all.faults > 10 * SEEDS, "{all:?}");
    assert!(all.takeovers > SEEDS && all.sends > 30 * SEEDS, "{all:?}");
}

#[test]
fn a_life_depends_on_its_seed_alone() {
    assert_eq!(live(7, None), live(7, None));
    assert_ne!(live(7, None), live(8, None));
}

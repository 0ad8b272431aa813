use super::*;

const SEEDS: u64 = 2_000;

#[test]
fn two_thousand_lives_keep_the_laws() {
    let all = many(0..SEEDS, |_| ()).unwrap_or_else(|broken| panic!("{broken}"));
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

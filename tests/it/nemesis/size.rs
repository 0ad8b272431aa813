//! How much is done, in which order: figures from the environment, chance from a seed.

use std::str::FromStr;
use std::time::Duration;

use pointsman::ids::random_bytes;

/// What befalls a replica, or the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blow {
    /// `kill -9`, and a new start soon after.
    Kill,
    /// The same; the database dies while the new one starts.
    KillBoth,
    /// SIGTERM, and a new start.
    Roll,
    /// SIGSTOP for three leases and more, then CONT.
    Freeze,
    /// Connections to the database are closed and refused, for three leases and more.
    Cut,
    /// Nothing comes through to the database any more, and nobody says so.
    Silence,
    /// The way to the database is slow for a while.
    Slow,
    /// Killed, and started with its clock wrong by an hour or a day.
    Clock,
    /// The database dies by `kill -9` and starts again.
    Database,
    /// `KILL CONNECTION` for every connection that there is.
    Connections,
    /// GitHub does what it was asked, and the line breaks before it says so; and bad gateways.
    Weather,
}

/// How much.
#[derive(Debug, Clone)]
pub struct Size {
    pub seed: u64,
    pub replicas: usize,
    /// Pull requests at most.
    pub pulls: usize,
    /// Those of which it goes on opening new ones while the blows fall.
    pub at_once: usize,
    /// Each blow, so many times.
    pub blows: Vec<(Blow, usize)>,
    /// The storm ends by then, whatever is left to do.
    pub seconds: u64,
    /// Between two blows on one replica, at most.
    pub pause: Duration,
    /// The same for the database.
    pub database_pause: Duration,
    /// Clean requests that each replica must answer afterwards.
    pub requests: usize,
    /// Figures that depend on the machine's speed are judged, not only told.
    pub strict: bool,
}

impl Size {
    /// For the suite, unless the environment says otherwise.
    pub fn read() -> Self {
        let seed = figure("SOAK_SEED", u64::from_be_bytes(random_bytes()) >> 32);
        let Some(kills) = maybe::<usize>("SOAK_KILLS") else { return Self::suite(seed) };
        let part = |name, of: usize| figure(name, (kills / of).max(1));
        let blows = vec![
            (Blow::Kill, kills - (kills / 25).min(kills)),
            (Blow::KillBoth, kills / 25),
            (Blow::Roll, part("SOAK_ROLLS", 25)),
            (Blow::Freeze, part("SOAK_FREEZES", 10)),
            (Blow::Cut, part("SOAK_CUTS", 20)),
            (Blow::Silence, part("SOAK_SILENCES", 20)),
            (Blow::Slow, part("SOAK_SLOWS", 20)),
            (Blow::Clock, part("SOAK_CLOCKS", 10)),
            (Blow::Database, part("SOAK_DATABASE_KILLS", 12)),
            (Blow::Connections, part("SOAK_KILL_CONNECTIONS", 5)),
            (Blow::Weather, part("SOAK_WEATHERS", 5)),
        ];
        Self {
            seed,
            replicas: figure("SOAK_REPLICAS", 3),
            pulls: figure("SOAK_PULLS", kills.saturating_mul(2)),
            at_once: figure("SOAK_PULLS_AT_ONCE", 8),
            blows,
            seconds: figure("SOAK_SECONDS", 24 * 3_600),
            pause: Duration::from_millis(figure("SOAK_PAUSE_MS", 4_000)),
            database_pause: Duration::from_millis(figure("SOAK_DATABASE_PAUSE_MS", 4_000)),
            requests: 1_000,
            strict: true,
        }
    }

    fn suite(seed: u64) -> Self {
        let blows = vec![
            (Blow::Kill, 4),
            (Blow::KillBoth, 1),
            (Blow::Roll, 1),
            (Blow::Freeze, 1),
            (Blow::Cut, 1),
            (Blow::Clock, 2),
            (Blow::Database, 2),
            (Blow::Connections, 2),
            (Blow::Weather, 2),
        ];
        let replicas = 3;
        Self {
            seed,
            replicas,
            pulls: 12,
            at_once: 8,
            blows,
            seconds: 60,
            pause: Duration::from_millis(1_200),
            database_pause: Duration::from_millis(1_200),
            requests: 50,
            strict: false,
        }
    }

    /// The blows of one kind of victim, in the order of this seed.
    pub fn deck(&self, of: impl Fn(Blow) -> bool) -> Vec<Blow> {
        let mut deck: Vec<Blow> =
            self.blows.iter().filter(|(blow, _)| of(*blow)).flat_map(|(blow, times)| vec![*blow; *times]).collect();
        let mut dice = Dice::new(self.seed, "deck");
        for last in (1..deck.len()).rev() {
            deck.swap(last, dice.below(last + 1));
        }
        deck
    }
}

fn figure<T: FromStr>(name: &str, otherwise: T) -> T {
    maybe(name).unwrap_or(otherwise)
}

#[expect(clippy::disallowed_methods, reason = "the tests have no config")]
pub fn said(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn maybe<T: FromStr>(name: &str) -> Option<T> {
    said(name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Chance that is the same for the same seed and name: SplitMix64.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64, name: &str) -> Self {
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        Self(name.bytes().fold(seed ^ 0xCBF2_9CE4_8422_2325, mix))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound.max(1) as u64)).unwrap()
    }

    pub fn percent(&mut self, chance: u64) -> bool {
        self.next() % 100 < chance
    }

    pub fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.next() % (most - least).max(1))
    }
}

//! Settings: what an operator may say, read once at start and handed on as plain values.
//!
//! The environment comes first, a TOML file (`--config`) second; the file uses the same names in lower case, so that
//! there is one vocabulary and one page about it (`docs/settings.md`, made from [`names::NAMES`]). Everything that is
//! wrong is told at once, each with what to do about it: an operator should need one restart, not seven.
//!
//! *Invariant:* [`Settings::read`] is pure; only [`environment`] and [`open`] touch the process and the disk.
//! *Invariant:* no secret stands in a [`Problem`], a notice or a `Debug` output.

mod agents;
mod database;
mod encryption;
mod github;
mod limits;
mod logging;
pub mod names;
mod reader;
mod server;
mod units;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;

pub use agents::Agent;
pub use database::{Database, Kind};
pub use github::GitHub;
pub use limits::Limits;
pub use logging::{Format, Logging};
use reader::Reader;
use secrecy::SecretString;
pub use server::Server;

/// Everything that `pointsman serve` is told.
#[derive(Debug)]
pub struct Settings {
    /// Where it listens and how it stops.
    pub server: Server,
    /// Where it keeps what it knows.
    pub database: Database,
    /// Which App it is.
    pub github: GitHub,
    /// Who does the work.
    pub agents: Vec<Agent>,
    /// How much at once, how long, how many.
    pub limits: Limits,
    /// With which keys it encrypts what it keeps: the first writes, all read. None: nothing is encrypted.
    pub encryption_keys: Vec<SecretString>,
    /// What it says, and how.
    pub logging: Logging,
    /// `NODE_ENV=production`: `dev` is refused.
    pub production: bool,
    /// What was understood but looks odd; to be logged once as warnings.
    pub notices: Vec<String>,
}

/// One thing that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting, or the line of the file.
    pub name: String,
    /// What is wrong. Never the value of a secret.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.name, self.what, self.remedy)
    }
}

/// Where settings come from.
pub struct Sources<'a> {
    /// The environment, or what a caller puts in its place.
    pub env: &'a BTreeMap<String, String>,
    /// The text of the TOML file.
    pub file: Option<&'a str>,
    /// How a file that a setting names is read: [`open`], but for tests.
    pub open: &'a dyn Fn(&Path) -> io::Result<String>,
}

impl Settings {
    /// Reads all settings, as `serve` needs them.
    ///
    /// # Errors
    /// Every problem that there is, in the order of `docs/settings.md`.
    pub fn read(sources: &Sources<'_>) -> Result<Self, Vec<Problem>> {
        let mut r = Reader::new(sources);
        let server = Server::read(&mut r);
        let database = Database::read(&mut r);
        let github = GitHub::read(&mut r);
        let agents = agents::read(&mut r);
        let limits = Limits::read(&mut r);
        let encryption_keys = encryption::read(&mut r);
        let logging = Logging::read(&mut r);
        let production = r.text("NODE_ENV").as_deref() == Some("production");
        if r.get("ENABLE_ALERTS", units::switch) == Some(true) {
            r.problem("ENABLE_ALERTS", "there are no alerts yet", "unset it, and alert on /metrics");
        }
        if r.text("OTEL_EXPORTER_OTLP_ENDPOINT").is_some() {
            r.notice("OTEL_EXPORTER_OTLP_ENDPOINT is set, but traces are not exported yet: it has no effect");
        }
        let (problems, notices) = r.finish();
        match (server, database, github, limits, logging) {
            (Some(server), Some(database), Some(github), Some(limits), Some(logging)) if problems.is_empty() => {
                Ok(Self { server, database, github, agents, limits, encryption_keys, logging, production, notices })
            }
            _ => Err(problems),
        }
    }
}

impl Database {
    /// Reads the settings of the database alone, as `migrate` needs them.
    ///
    /// # Errors
    /// Every problem of the database's settings.
    pub fn alone(sources: &Sources<'_>) -> Result<Self, Vec<Problem>> {
        let mut r = Reader::new(sources);
        let database = Self::read(&mut r);
        let (problems, _) = r.finish();
        database.filter(|_| problems.is_empty()).ok_or(problems)
    }
}

/// The environment of the process. Names and values that are not UTF-8 are not ours and left out.
#[must_use]
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Reads a file that a setting names, up to [`FILE_BYTES_MAX`].
///
/// # Errors
/// When it cannot be read, is too large or no UTF-8.
pub fn open(path: &Path) -> io::Result<String> {
    use io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 1 MiB"));
    }
    Ok(text)
}

/// The largest file of settings or secrets.
pub const FILE_BYTES_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests;

//! What the database's own settings make of our promises: findings with a remedy each, for the start and `doctor`.

use super::Error;
use super::open::Store;
use crate::time::{Clock, micros};
use std::time::Duration;

/// A packet has to hold a bundle.
const PACKET_BYTES_MIN: i64 = 32 << 20;
/// Beyond this, people wonder about times in logs; the service itself goes by the database's clock.
const SKEW_MAX: Duration = Duration::from_secs(5);

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// A promise is weaker than it could be.
    Warning,
    /// A promise would be broken: `serve` refuses unless told otherwise.
    Refuse,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What is so.
    pub what: String,
    /// What it means and what to do.
    pub remedy: &'static str,
}

/// Settings of the server by name.
pub(super) type Settings = std::collections::BTreeMap<String, String>;

impl Store {
    /// Looks at the database's settings; worst first, nothing when all is well.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn check(&self, clock: &Clock) -> Result<Vec<Finding>, Error> {
        let settings = on!(self, doctor::settings())?;
        let mut findings = if self.is_mysql() { mysql(&settings) } else { sqlite(&settings) };
        let pending = self.pending().await?.len();
        if pending > 0 {
            let what = format!("{pending} migrations have not run");
            findings.push(Finding { severity: Severity::Refuse, what, remedy: "run `pointsman migrate`" });
        }
        let skew = micros(SKEW_MAX);
        if let Some(off) = Some(clock.local() - self.now().await?.0).filter(|off| off.abs() > skew) {
            findings.push(Finding {
                severity: Severity::Warning,
                what: format!("this machine's clock is {} s off the database's", off / 1_000_000),
                remedy: "times come from the database, so nothing breaks; run NTP on both so that logs agree",
            });
        }
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        Ok(findings)
    }
}

fn sqlite(settings: &Settings) -> Vec<Finding> {
    let want = [("journal_mode", "wal"), ("synchronous", "2")];
    let wrong = want.iter().filter(|(name, value)| settings.get(*name).is_none_or(|is| is != value));
    let finding = |(name, value): &(&str, &str)| Finding {
        severity: Severity::Refuse,
        what: format!("SQLite's {name} is not {value}"),
        remedy: "acknowledged webhooks could be lost at a power cut: keep the file on a local disk that supports WAL",
    };
    wrong.map(finding).collect()
}

fn mysql(settings: &Settings) -> Vec<Finding> {
    let is = |name: &str| settings.get(name).map(String::as_str);
    let number = |name: &str| is(name).and_then(|value| value.parse::<i64>().ok());
    let mut findings = Vec::new();
    let mut add = |found: bool, severity, name: &str, remedy| {
        if found {
            let what = format!("{name} is {}", is(name).unwrap_or("unknown"));
            findings.push(Finding { severity, what, remedy });
        }
    };
    add(
        number("innodb_flush_log_at_trx_commit") != Some(1),
        Severity::Refuse,
        "innodb_flush_log_at_trx_commit",
        "acknowledged webhooks can be lost in a crash of the server: set it to 1",
    );
    add(
        number("max_allowed_packet").is_some_and(|bytes| bytes < PACKET_BYTES_MIN),
        Severity::Warning,
        "max_allowed_packet",
        "large deliveries and bundles may be refused: set it to 32M or more",
    );
    add(
        is("log_bin") == Some("ON") && number("sync_binlog") != Some(1),
        Severity::Warning,
        "sync_binlog",
        "a crash may leave replicas of the database without the last transactions: set it to 1",
    );
    add(
        is("default_storage_engine").is_some_and(|engine| engine != "InnoDB"),
        Severity::Warning,
        "default_storage_engine",
        "our tables name InnoDB themselves; other tools' tables will not be transactional",
    );
    add(
        is("innodb_rollback_on_timeout") == Some("ON"),
        Severity::Info,
        "innodb_rollback_on_timeout",
        "nothing to do: a transaction that waited too long is taken back and repeated either way",
    );
    add(
        is("wsrep_on") == Some("ON") && number("wsrep_cluster_size").is_some_and(|size| size < 3),
        Severity::Warning,
        "wsrep_cluster_size",
        "a cluster of fewer than three nodes cannot lose one: add nodes",
    );
    let isolation = is("tx_isolation").or_else(|| is("transaction_isolation")).unwrap_or("unknown");
    if isolation != "READ-COMMITTED" {
        findings.push(Finding {
            severity: Severity::Refuse,
            what: format!("the session's isolation is {isolation}"),
            remedy: "something between us and the server changes session settings: connect without that proxy",
        });
    }
    findings
}

#[cfg(test)]
mod tests;

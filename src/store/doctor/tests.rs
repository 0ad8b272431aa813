//! Findings from settings.

use super::*;

fn check(settings: &[(&str, &str)], expected: &[(Severity, &str)]) {
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let found = mysql(&settings);
    let found: Vec<_> = found.iter().map(|finding| (finding.severity, finding.what.as_str())).collect();
    assert_eq!(found, expected);
}

#[test]
fn settings_that_break_promises_are_found() {
    let good = [
        ("innodb_flush_log_at_trx_commit", "1"),
        ("tx_isolation", "READ-COMMITTED"),
        ("max_allowed_packet", "67108864"),
    ];
    check(&good, &[]);
    check(&[good[1]], &[(Severity::Refuse, "innodb_flush_log_at_trx_commit is unknown")]);
    check(
        &[good[0], ("tx_isolation", "REPEATABLE-READ")],
        &[(Severity::Refuse, "the session's isolation is REPEATABLE-READ")],
    );
    check(
        &[good[0], good[1], ("max_allowed_packet", "16777216")],
        &[(Severity::Warning, "max_allowed_packet is 16777216")],
    );
    check(&[good[0], good[1], ("log_bin", "ON"), ("sync_binlog", "0")], &[(Severity::Warning, "sync_binlog is 0")]);
    check(
        &[good[0], good[1], ("wsrep_on", "ON"), ("wsrep_cluster_size", "2")],
        &[(Severity::Warning, "wsrep_cluster_size is 2")],
    );
}

use super::*;

#[test]
fn durations_read_well() {
    let check = |millis, expected: &str| assert_eq!(human(Duration::from_millis(millis)), expected);
    check(0, "0 s");
    check(340, "340 ms");
    check(12_900, "12 s");
    check(250_000, "4 m 10 s");
    check(3_600_000, "1 h");
    check(7_500_000, "2 h 5 m");
    check(273_600_000, "3 d 4 h");
}

#[test]
fn moments_never_overflow() {
    assert_eq!(Timestamp(i64::MAX).plus(Duration::MAX), Timestamp(i64::MAX));
    assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
    assert_eq!(Timestamp(0).rfc3339(), "1970-01-01T00:00:00Z");
    assert_eq!(Timestamp::parse_rfc3339("2026-11-22T07:00:00Z").unwrap().rfc3339(), "2026-11-22T07:00:00Z");
    let _ = Timestamp(i64::MAX).rfc3339();
}

#[test]
fn a_manual_clock_moves_only_when_told() {
    let clock = Clock::manual(Timestamp(7));
    assert_eq!(clock.now(), Timestamp(7));
    clock.jump(Duration::from_secs(1));
    assert_eq!(clock.clone().now(), Timestamp(1_000_007));
}

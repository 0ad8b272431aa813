use super::*;

#[test]
fn durations() {
    let check = |text, millis| assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
    check("500ms", 500);
    check("90s", 90_000);
    check("10m", 600_000);
    check("1h30m", 5_400_000);
    check("1h 30 m", 5_400_000);
    check("30d", 30 * 24 * 3_600_000);
    check("60000", 60_000);
    check("1000", 1_000);
    for wrong in ["", " ", "0s", "31d", "-1s", "10 minutes", "1.5h", "s", "1h30", "99999999999999999999s", "9e9", "١s"]
    {
        assert!(duration(wrong).is_err(), "{wrong}");
    }
    assert_eq!(duration("10").unwrap_err(), "10 means 10 ms; write 10s or 10m");
    assert!(duration("999").is_err());
    assert!(duration(&"9999999999999999h".repeat(100)).is_err());
}

#[test]
fn sizes() {
    let check = |text, size| assert_eq!(bytes(text), Ok(size), "{text}");
    check("512MB", 512 << 20);
    check("2 GB", 2 << 30);
    check("1.5gib", 3 << 29);
    check("1b", 1);
    for wrong in ["", "2", "0MB", "2XB", "-1GB", "1.2345GB", ".GB", "1..2GB", "99999999999999999TB"] {
        assert!(bytes(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn cores() {
    let check = |text, millis| assert_eq!(cpu_millis(text), Ok(millis), "{text}");
    check("2 cores", 2_000);
    check("1 core", 1_000);
    check("0.5", 500);
    check("4", 4_000);
    check("250m", 250);
    for wrong in ["", "0", "two", "1.5m", "-1", "99999999999", "0.0001"] {
        assert!(cpu_millis(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn decimals() {
    assert_eq!(decimal("5", 6), Some(5_000_000));
    assert_eq!(decimal("0.25", 6), Some(250_000));
    assert_eq!(decimal(".5", 6), Some(500_000));
    assert_eq!(decimal(".", 6), None);
    assert_eq!(decimal("1e3", 6), None);
}

use jiff::tz::TimeZoneDatabase;
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

use super::*;

fn zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).unwrap()
}

/// The moments after `from` as clocks in the zone show them.
#[track_caller]
fn check(line: &str, in_zone: &str, from: &str, expected: &[&str]) {
    let (cron, zone) = (Cron::parse(line).unwrap(), zone(in_zone));
    let mut at = Timestamp::parse_rfc3339(from).unwrap();
    let mut seen = Vec::new();
    for _ in expected {
        at = cron.next_after(at, &zone).unwrap();
        let local = jiff::Timestamp::from_microsecond(at.0).unwrap().to_zoned(zone.clone());
        seen.push(local.strftime("%a %Y-%m-%d %H:%M%:z").to_string());
    }
    assert_eq!(seen, expected, "{line}");
}

#[test]
fn lines() {
    let from = "2026-11-23T03:16:59Z"; // a Monday
    check("17 3 * * 1", "UTC", from, &["Mon 2026-11-23 03:17+00:00", "Mon 2026-11-30 03:17+00:00"]);
    check("*/15 * * * *", "UTC", from, &["Mon 2026-11-23 03:30+00:00", "Mon 2026-11-23 03:45+00:00"]);
    check("20/15 3 * * *", "UTC", from, &["Mon 2026-11-23 03:20+00:00", "Mon 2026-11-23 03:35+00:00"]);
    check("0 9-17/4 * * mon-FRI", "UTC", from, &["Mon 2026-11-23 09:00+00:00", "Mon 2026-11-23 13:00+00:00"]);
    check("0 0 1,15 jan,DEC *", "UTC", from, &["Tue 2026-12-01 00:00+00:00", "Tue 2026-12-15 00:00+00:00"]);
    check("0 0 * * 7", "UTC", from, &["Sun 2026-11-29 00:00+00:00"]);
    check("@daily", "Asia/Tokyo", from, &["Tue 2026-11-24 00:00+09:00"]);
    check("@Weekly", "UTC", from, &["Sun 2026-11-29 00:00+00:00"]);
    check("@yearly", "UTC", from, &["Fri 2027-01-01 00:00+00:00"]);
    check("0 0 29 2 *", "UTC", from, &["Tue 2028-02-29 00:00+00:00", "Sun 2032-02-29 00:00+00:00"]);
    // Day and weekday: either is enough, unless one of them begins with a star.
    check("0 0 13 * 5", "UTC", from, &["Fri 2026-11-27 00:00+00:00", "Fri 2026-12-04 00:00+00:00"]);
    check("0 0 */2 * 5", "UTC", from, &["Fri 2026-11-27 00:00+00:00", "Fri 2026-12-11 00:00+00:00"]);
}

/// In Berlin the clocks go from 2:00 to 3:00 on 29 March 2026, and from 3:00 back to 2:00 on 25 October.
#[test]
fn clock_changes() {
    let march = "2026-03-28T12:00:00Z";
    check("30 2 * * *", "Europe/Berlin", march, &["Sun 2026-03-29 03:30+02:00", "Mon 2026-03-30 02:30+02:00"]);
    let gap = ["Sun 2026-03-29 01:45+01:00", "Sun 2026-03-29 03:00+02:00", "Sun 2026-03-29 03:15+02:00"];
    check("*/15 * * * *", "Europe/Berlin", "2026-03-29T00:30:00Z", &gap);
    let october = "2026-10-24T12:00:00Z";
    check("30 2 * * *", "Europe/Berlin", october, &["Sun 2026-10-25 02:30+02:00", "Mon 2026-10-26 02:30+01:00"]);
    // Every hour goes on through the hour that comes twice.
    let twice = [
        "Sun 2026-10-25 02:00+02:00",
        "Sun 2026-10-25 02:30+02:00",
        "Sun 2026-10-25 02:00+01:00",
        "Sun 2026-10-25 02:30+01:00",
        "Sun 2026-10-25 03:00+01:00",
    ];
    check("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", &twice);
    // A night of half an hour more, and a country that left out a whole day.
    check("15 * * * *", "Australia/Lord_Howe", "2026-04-04T14:00:00Z", &["Sun 2026-04-05 01:15+11:00"]);
    check("0 12 * * *", "Pacific/Apia", "2011-12-29T23:00:00Z", &["Sat 2011-12-31 12:00+14:00"]);
}

#[test]
fn slips_are_told() {
    let check = |line: &str, expected: &str| assert_eq!(Cron::parse(line).unwrap_err(), expected, "{line}");
    let shape = "is no cron line: minute, hour, day, month and day of the week are wanted";
    check("17 3 * *", &format!("17 3 * * {shape}"));
    check("", &format!(" {shape}"));
    check("@noon", &format!("@noon {shape}"));
    check("60 3 * * *", "60 is no minute; it goes from 0 to 59");
    check("0 24 * * *", "24 is no hour; it goes from 0 to 23");
    check("0 0 0 * *", "0 is no day; it goes from 1 to 31");
    check("0 0 * foo *", "foo is no month; it goes from 1 to 12");
    check("0 0 * * 8", "8 is no day of the week; it goes from 0 to 7");
    check("0 5-1 * * *", "5-1 goes backwards; write both ends as a list");
    check("+5 0 * * *", "+5 is no minute; it goes from 0 to 59");
    check("*/0 * * * *", "*/0 is no minute; it goes from 0 to 59");
    check("0,, 0 * * *", " is no minute; it goes from 0 to 59");
    check("* * * * *", "* * * * * comes more often than every 5 minutes");
    check("58,0 * * * *", "58,0 * * * * comes more often than every 5 minutes");
    check("0 0 31 2 *", "0 0 31 2 * never comes: no month has such a day");
    check(&"9".repeat(201), "a cron line has at most 200 bytes");
}

proptest! {
    /// Whatever the line and the moment: the next one is later, names what the line names, and nothing lies between.
    #[test]
    fn the_next_moment_is_the_first(
        minute in 0_u32..60, hour in 0_u32..24, day in 1_u32..32, month in 1_u32..13, weekday in 0_u32..8,
        stars in 0_u32..32, at in 0_i64..4_000_000_000,
    ) {
        let part = |bit: u32, number: u32| if stars & (1 << bit) == 0 { number.to_string() } else { "*".to_owned() };
        let minute = minute.to_string();
        let line = [minute, part(1, hour), part(2, day), part(3, month), part(4, weekday)].join(" ");
        let Ok(cron) = Cron::parse(&line) else { return Ok(()) };
        let at = Timestamp(at * 1_000_000);
        let next = cron.next_after(at, &TimeZone::UTC).unwrap();
        prop_assert!(next > at);
        let just_before = Timestamp(next.0 - 60_000_000).max(at);
        prop_assert_eq!(cron.next_after(just_before, &TimeZone::UTC), Some(next));
        let halfway = Timestamp(at.0 + (next.0 - at.0) / 2);
        prop_assert_eq!(cron.next_after(halfway, &TimeZone::UTC), Some(next));
    }

    #[test]
    fn any_text_is_read_or_refused(line in "[-0-9*/, @a-z]{0,30}") {
        let _ = Cron::parse(&line);
    }
}

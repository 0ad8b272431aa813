use super::*;
use crate::workflow::file;

fn read(yaml: &str) -> (Vec<Schedule>, Vec<String>) {
    let mut problems = Problems::default();
    let schedules = Schedule::read_all(&file::read(yaml).unwrap(), &mut problems);
    (schedules, problems.sorted().iter().map(ToString::to_string).collect())
}

fn next(schedule: &Schedule, repository: i64, workflow: &str) -> String {
    let at = Timestamp::parse_rfc3339("2026-11-23T12:00:00Z").unwrap();
    schedule.next_after(at, RepoId(repository), &workflow.parse().unwrap()).unwrap().rfc3339()
}

#[track_caller]
fn check(yaml: &str, expected: &str) {
    let (schedules, problems) = read(yaml);
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(schedules.iter().map(|schedule| next(schedule, 7, "ci")).collect::<Vec<_>>().join(" "), expected);
}

#[test]
fn forms() {
    check("[{ cron: '17 3 * * 1', timezone: Europe/Berlin }]", "2026-11-30T02:17:00Z");
    check("{ cron: '17 3 * * 1' }", "2026-11-30T03:17:00Z");
    check("'@daily'", "2026-11-24T00:00:00Z");
    check("['@daily', { cron: '0 1 * * *' }]", "2026-11-24T00:00:00Z 2026-11-24T01:00:00Z");
    check("hourly", "2026-11-23T12:53:00Z");
    check("daily", "2026-11-24T00:53:00Z");
    check("daily around 3:00", "2026-11-24T03:59:00Z");
    check("Daily around noon", "2026-11-23T12:59:00Z");
    check("daily around midnight", "2026-11-24T00:59:00Z");
    check("weekly", "2026-11-25T00:53:00Z");
    check("weekly on wednesday around 23:30", "2026-11-26T00:29:00Z"); // 59 minutes later
    check("{ cron: weekly on mon, timezone: America/New_York }", "2026-11-30T05:53:00Z");
}

/// Words become a minute of the workflow's own: another for each, always the same for one.
#[test]
fn words_are_spread() {
    let (schedules, _) = read("daily around 3:00");
    let moments: Vec<String> = (0..400).map(|repository| next(&schedules[0], repository, "ci")).collect();
    assert_eq!(moments, (0..400).map(|repository| next(&schedules[0], repository, "ci")).collect::<Vec<_>>());
    assert!(moments.iter().all(|at| ("2026-11-24T02:00:00Z".."2026-11-24T04:00:01Z").contains(&at.as_str())));
    let different: std::collections::BTreeSet<_> = moments.iter().collect();
    assert!(different.len() > 100, "{} minutes of 121", different.len());
    assert_ne!(next(&schedules[0], 7, "ci"), next(&schedules[0], 7, "nightly"));
}

#[test]
fn slips_are_told() {
    let check = |yaml, expected: &[&str]| assert_eq!(read(yaml).1, expected, "{yaml}");
    let words = "write hourly, daily around 3:00 or weekly on monday around 3:00";
    check("daily at 3", &[&format!("1:1 bad-value: schedule: daily at 3 is no schedule; {words}")]);
    check("daily around 25:00", &[&format!("1:1 bad-value: schedule: daily around 25:00 is no schedule; {words}")]);
    check("weekly on someday", &[&format!("1:1 bad-value: schedule: weekly on someday is no schedule; {words}")]);
    check("hourly around 3:00", &[&format!("1:1 bad-value: schedule: hourly around 3:00 is no schedule; {words}")]);
    check(
        "{ cron: '0 3 * * *', timezone: Berlin, tz: x }",
        &[
            "1:32 bad-value: timezone: there is no time zone Berlin; write one such as Europe/Berlin or UTC",
            "1:40 unknown-field: schedule has no field tz (it has cron, timezone)",
        ],
    );
    check("{ timezone: UTC }", &["1:1 missing-field: a schedule has no cron (write cron: \"17 3 * * 1\")"]);
    let none = "schedule says no time (write schedule: [{ cron: \"17 3 * * 1\" }] or schedule: daily around 3:00)";
    check("[]", &[&format!("1:1 missing-field: {none}")]);
    check(&format!("[{}]", ["hourly"; 11].join(", ")), &["1:1 too-large: schedule has at most 10 entries"]);
}

use proptest::prelude::*;

use super::*;
use crate::github::Limit;

const START: Timestamp = Timestamp(1_795_330_800_000_000);

fn pace() -> Pace {
    Pace { content_gap: Duration::ZERO, ..Pace::default() }
}

#[test]
fn eighty_at_once_and_then_a_minute_of_peace() {
    let mut budget = Budget::default();
    for _ in 0..80 {
        budget.admit(Cost::Content, &pace(), START).unwrap();
    }
    let wait = budget.admit(Cost::Content, &pace(), START).unwrap_err();
    assert!(wait.until >= START.plus(MINUTE), "{wait:?}");
    assert!(wait.until <= START.plus(MINUTE + Duration::from_secs(5)), "{wait:?}");
    budget.admit(Cost::Read, &pace(), START).unwrap();
    assert_eq!(budget.admit(Cost::Content, &pace(), Timestamp(wait.until.0 - 1)), Err(wait));
    budget.admit(Cost::Content, &pace(), wait.until).unwrap();
}

#[test]
fn points_are_counted_too() {
    let mut budget = Budget::default();
    for _ in 0..180 {
        budget.admit(Cost::Write, &pace(), START).unwrap();
    }
    assert!(budget.admit(Cost::Read, &pace(), START).is_err());
}

#[test]
fn a_gap_is_kept_between_writes() {
    let pace = Pace { content_gap: Duration::from_secs(1), ..Pace::default() };
    let mut budget = Budget::default();
    budget.admit(Cost::Content, &pace, START).unwrap();
    let wait = budget.admit(Cost::Content, &pace, START.plus(Duration::from_millis(300))).unwrap_err();
    assert_eq!(wait.until, START.plus(Duration::from_secs(1)));
    budget.admit(Cost::Read, &pace, START).unwrap();
    budget.admit(Cost::Content, &pace, wait.until).unwrap();
}

#[test]
fn a_limit_of_githubs_stops_everything() {
    let mut budget = Budget::default();
    let until = START.plus(Duration::from_secs(57));
    budget.learned(&Error::RateLimited { until, limit: Limit::Secondary });
    budget.learned(&Error::RateLimited { until: START, limit: Limit::Secondary });
    budget.learned(&Error::Unavailable("no".into()));
    assert_eq!(budget.admit(Cost::Read, &pace(), START), Err(Wait { until }));
    assert_eq!(budget.blocked_until(START), Some(until));
    assert_eq!(budget.blocked_until(until), None);
    budget.admit(Cost::Read, &pace(), until).unwrap();
    let reset = until.plus(Duration::from_secs(600));
    budget.learned_rate(Rate { limit: 5_000, remaining: 1, reset });
    budget.admit(Cost::Read, &pace(), until).unwrap();
    budget.learned_rate(Rate { limit: 5_000, remaining: 0, reset });
    assert_eq!(budget.admit(Cost::Content, &pace(), until), Err(Wait { until: reset }));
}

#[test]
fn a_clock_that_goes_back_frees_nothing() {
    let mut budget = Budget::default();
    let tight = Pace { content_per_minute: 1, ..pace() };
    budget.admit(Cost::Content, &tight, START).unwrap();
    assert!(budget.admit(Cost::Content, &tight, Timestamp(START.0 - 3_600_000_000)).is_err());
}

#[test]
fn it_is_small_and_comes_back_the_same() {
    let mut budget = Budget::default();
    for second in 0..4_000 {
        let _ = budget.admit(Cost::Content, &pace(), START.plus(Duration::from_secs(second)));
    }
    let bytes = minicbor::to_vec(&budget).unwrap();
    assert!(bytes.len() < 160, "{}", bytes.len());
    assert_eq!(minicbor::decode::<Budget>(&bytes).unwrap(), budget);
    assert_eq!(serde_json::from_str::<Budget>(&serde_json::to_string(&budget).unwrap()).unwrap(), budget);
}

/// The most that any window of that length holds; windows worth looking at end with an admission.
fn fullest(admitted: &[Timestamp], length: Duration) -> usize {
    let within = |end: &Timestamp| admitted.iter().filter(|at| *at <= end && end.since(**at) < length).count();
    admitted.iter().map(within).max().unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever the pattern of wishes, no window of a minute holds more than 80 and none of an hour more than 500;
    /// and a wait is obeyed: asking at its end succeeds, or names a later one.
    #[test]
    fn no_window_is_overfull(gaps in proptest::collection::vec((0_u64..90_000, 1_usize..120), 1..40), offset in 0_i64..60_000_000) {
        let mut budget = Budget::default();
        let mut at = Timestamp(START.0 + offset);
        let mut admitted = Vec::new();
        for (gap, wishes) in gaps {
            at = at.plus(Duration::from_millis(gap));
            for _ in 0..wishes {
                match budget.admit(Cost::Content, &pace(), at) {
                    Ok(()) => admitted.push(at),
                    Err(wait) => {
                        prop_assert!(wait.until > at);
                        prop_assert!(wait.until <= at.plus(HOUR + HOUR / 12));
                        break;
                    }
                }
            }
        }
        prop_assert!(fullest(&admitted, MINUTE) <= 80);
        prop_assert!(fullest(&admitted, HOUR) <= 500);
    }

    /// Waiting as told always ends: what is wished for is admitted, and soon.
    #[test]
    fn a_patient_writer_gets_through(writes in 1_usize..700) {
        let mut budget = Budget::default();
        let mut at = START;
        let mut waits = 0;
        for _ in 0..writes {
            while let Err(wait) = budget.admit(Cost::Content, &pace(), at) {
                at = wait.until;
                waits += 1;
            }
        }
        prop_assert!(waits <= writes);
        prop_assert!(at <= START.plus(HOUR * 2), "{}", at.since(START).as_secs());
    }
}

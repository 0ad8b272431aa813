use super::*;

#[test]
fn ids_read_back_what_they_print() {
    let run: RunId = "r_42_0190a1b2c3d47e5f8a9b0c1d2e3f4a5b".parse().unwrap();
    assert_eq!(run.to_string(), "r_42_0190a1b2c3d47e5f8a9b0c1d2e3f4a5b");
    let attempt = AttemptId { run, step: "ship.rollback".parse().unwrap(), number: 3 };
    assert_eq!(attempt.to_string().parse::<AttemptId>().unwrap(), attempt);
}

#[test]
fn hostile_texts_are_refused() {
    for text in ["", "a b", "a\n", "../x", "é", &"x".repeat(141)] {
        assert!(text.parse::<StepKey>().is_err(), "{text:?}");
    }
    for text in ["r_1", "r_x_0190a1b2c3d47e5f8a9b0c1d2e3f4a5b", "r_1_zz", "run"] {
        assert!(text.parse::<RunId>().is_err(), "{text:?}");
    }
    assert!(CommitSha::full("abc123").is_err());
    assert!(CommitSha::full(&"a".repeat(40)).is_ok());
    assert!(CommitSha::full(&"A".repeat(40)).is_err());
}

use super::*;

#[track_caller]
fn check(word: &str, expected: Option<&str>) {
    let known = ["timeout", "retries", "needs", "on", "id", "fallback_agents", "if"];
    assert_eq!(closest(word, known), expected);
}

#[test]
fn slips_are_mended() {
    check("tiemout", Some("timeout"));
    check("Timeout", Some("timeout"));
    check("need", Some("needs"));
    check("fallback-agents", Some("fallback_agents"));
    check("fi", Some("if"));
}

#[test]
fn what_is_far_off_is_not_guessed() {
    check("container", None);
    check("x", None);
    check("", None);
    check(&"timeout".repeat(1_000), None);
}

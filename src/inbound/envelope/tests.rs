use std::time::Duration;

use proptest::prelude::*;

use super::*;

const GUID: &str = "72d3162e-cc78-11e3-81ab-4c9367dc0958";
const SHA: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";

fn read(event: &str, body: &str) -> Result<Envelope, Refused> {
    Envelope::read(event, GUID, body.as_bytes())
}

#[test]
fn headers_are_checked_before_anything_is_stored() {
    for event in ["", "Push", "push ", "push\n", "../x", "é", &"x".repeat(65)] {
        assert_eq!(read(event, "{}"), Err(Refused::Event), "{event:?}");
    }
    for guid in ["", "7", &GUID[1..], &GUID.replace('-', ""), &format!("{{{GUID}}}"), &"g".repeat(36)] {
        assert_eq!(Envelope::read("push", guid, b"{}"), Err(Refused::Delivery), "{guid:?}");
    }
    assert_eq!(read("an_event_of_next_year", "{}").unwrap().event, "an_event_of_next_year");
}

#[test]
fn lanes_are_number_else_ref_else_commit() {
    let check = |event, body: &str, expected: &str| assert_eq!(read(event, body).unwrap().lane.to_string(), expected);
    check("pull_request", &format!(r#"{{"pull_request":{{"number":7,"head":{{"sha":"{SHA}"}}}}}}"#), "#7");
    check("issue_comment", r#"{"issue":{"number":8},"comment":{"id":9}}"#, "#8");
    check("push", &format!(r#"{{"ref":"refs/heads/main","after":"{SHA}"}}"#), "refs/heads/main");
    check("check_run", &format!(r#"{{"check_run":{{"head_sha":"{SHA}"}}}}"#), SHA);
    check(
        "merge_group",
        r#"{"merge_group":{"head_ref":"refs/heads/gh-readonly-queue/main/pr-1-x"}}"#,
        "refs/heads/gh-readonly-queue/main/pr-1-x",
    );
    check("installation", r#"{"installation":{"id":1}}"#, "-");
    let long = format!(r#"{{"ref":"refs/heads/{}"}}"#, "x".repeat(1_000_000));
    assert!(read("push", &long).unwrap().lane.to_string().len() <= TEXT_BYTES_MAX);
}

#[test]
fn a_ref_that_is_gone_has_no_commit() {
    let body = format!(
        r#"{{"ref":"refs/heads/x","after":"{}","repository":{{"id":5,"pushed_at":1557933657}}}}"#,
        "0".repeat(40)
    );
    let envelope = read("push", &body).unwrap();
    assert_eq!(envelope.sha, None);
    assert_eq!(envelope.repository, Some(RepoId(5)));
    assert_eq!(envelope.at, Some(Timestamp(1_557_933_657_000_000)));
    assert_eq!(read("check_run", &body).unwrap().at, None, "only a push happened when the repository was pushed to");
}

#[test]
fn fields_of_another_type_or_place_are_absent_not_errors() {
    let body = r#"{"installation":{"id":"1"},"repository":[{"id":2}],"action":7,"issue":{"number":-1},
        "check_run":{"head_sha":"abc","external_id":""},"x":{"action":"no","ref":"no","after":"no"}}"#;
    let envelope = read("check_run", body).unwrap();
    assert_eq!((envelope.installation, envelope.repository, envelope.action), (None, None, None));
    assert_eq!((envelope.number, envelope.sha, envelope.external_id), (None, None, None));
    assert_eq!(envelope.lane, Lane::Whole);
}

/// S-08.
#[test]
fn what_is_not_decent_json_is_refused_at_once() {
    let why = |body: &str| match read("push", body) {
        Err(Refused::NotJson { why, .. }) => why,
        other => panic!("{body:.80}: {other:?}"),
    };
    for body in ["", " ", "x", "{", "{}x", "[]", "1", "\"x\"", "null", "{'a':1}", "{\"a\":1,}", "{\"a\":\u{feff}1}"] {
        assert_eq!(why(body), "a syntax error", "{body:?}");
    }
    assert_eq!(why(r#"{"a":1e999999}"#), "a syntax error");
    assert_eq!(why(r#"{"a":"\ud800"}"#), "a syntax error");
    assert_eq!(why(r#"{"a":"\udc00\ud800"}"#), "a syntax error");
    assert_eq!(why("{\"a\":\"\0\"}"), "a syntax error");
    assert_eq!(why(r#"{"a":"x\u0000"}"#), NUL);
    assert_eq!(why(r#"{"a\u0000":1}"#), NUL);
    assert_eq!(why(r#"{"a":1,"b":{"c":[{"d":1,"e":2,"d":3}]}}"#), TWICE);
    assert_eq!(why(r#"{"ab":1,"a\u0062":2}"#), TWICE);
    let why = "a byte that is no UTF-8";
    assert_eq!(Envelope::read("push", GUID, b"{\"a\":\n \"\xff\"}"), Err(Refused::NotJson { why, line: 2, column: 3 }));
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert!(read("push", &nested(DEPTH_MAX)).is_ok());
    assert_eq!(read("push", &nested(DEPTH_MAX + 1)), Err(Refused::TooDeep));
    assert_eq!(read("push", &nested(100_000)), Err(Refused::TooDeep));
    assert_eq!(read("push", &format!("{{\"a\":{}", "[".repeat(1_000_000))), Err(Refused::TooDeep));
    assert_eq!(read("push", &r#"{"a":"#.repeat(1_000_000)), Err(Refused::TooDeep));
    let text = format!(r#"{{"a":"{}\"{}"}}"#, "[{".repeat(1_000), "[".repeat(1_000));
    assert!(read("push", &text).is_ok(), "brackets inside a text do not nest");
}

#[test]
fn errors_say_where_and_never_quote_the_body() {
    let error = read("push", "{\"token\":\n \"ghs_secret\" \"ghs_secret\"}").unwrap_err();
    insta::assert_snapshot!(error, @"the body is not JSON that we take: a syntax error at line 2, column 15");
    assert!(matches!(read("push", "{\"a\":1,\n\"a\":2}"), Err(Refused::NotJson { line: 2, .. })));
    assert_eq!(Envelope::read("push", GUID, &vec![b' '; BODY_BYTES_MAX + 1]), Err(Refused::TooLarge));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Envelope::read("push", GUID, &body);
    }

    #[test]
    fn the_walk_agrees_with_the_parser_on_what_is_json(body in r#"[{}\[\]":,a1 \\]{0,24}"#) {
        let ours = read("push", &body).is_ok();
        let theirs = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&body).is_ok();
        // We refuse more (keys that stand twice), never less.
        prop_assert!(!ours || theirs);
    }
}

#[test]
fn a_body_of_the_largest_size_is_walked_in_flat_time() {
    let item =
        r#"{"id":1,"sha":"ec26c3e57ca3a959ca5aad62de7213c562f8c821","message":"some words here","files":["a","b"]},"#;
    let body = format!("{{\"commits\":[{}0]}}", item.repeat(20_000_000 / item.len()));
    let clock = crate::time::Clock::machine();
    let start = clock.now();
    assert!(read("push", &body).is_ok());
    let took = clock.now().since(start);
    assert!(took < Duration::from_secs(5), "{took:?} for {} bytes", body.len());
}

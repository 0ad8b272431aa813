use proptest::prelude::*;
use serde_json::json;

use super::*;

#[track_caller]
fn check(text: &str, expected: Value) {
    let node = read(text).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(node.to_value(), expected);
}

/// The problems as `line:column code`.
#[track_caller]
fn wrong(text: &str, expected: &[&str]) {
    let problems = read(text).expect_err("is wrong");
    let seen: Vec<_> = problems.iter().map(|p| format!("{}:{} {}", p.line, p.column, p.code)).collect();
    assert_eq!(seen, expected, "{problems:#?}");
}

#[test]
fn scalars_mean_what_yaml_1_2_says() {
    check("on: push", json!({ "on": "push" }));
    check(
        "a: [NO, yes, off, 012, '1', true, ~, 7, -1.5, 0x1f]",
        json!({
            "a": ["NO", "yes", "off", "012", "1", true, null, 7, -1.5, 31]
        }),
    );
    check("a: |\n  x\n  y\nb: >-\n  x\n  y\n", json!({ "a": "x\ny\n", "b": "x y" }));
    check("a:\nb: ''\nc: {}\nd: []", json!({ "a": null, "b": "", "c": {}, "d": [] }));
    check("---\na: 1\n", json!({ "a": 1 }));
    check("\u{feff}a: 1\r\nb: 2\r\n", json!({ "a": 1, "b": 2 }));
}

#[test]
fn what_is_written_is_kept() {
    let Shape::Map(entries) = read("version: 1.10\nport: 08\nid: 1e3").unwrap().shape else { panic!() };
    let written: Vec<_> = entries.iter().map(|e| e.node.written.as_str()).collect();
    assert_eq!(written, ["1.10", "08", "1e3"]);
}

#[test]
fn everything_knows_its_place() {
    let Shape::Map(entries) = read("a: 1\n\nsteps:\n  - id: x\n    run:  hello\n").unwrap().shape else { panic!() };
    let Shape::List(steps) = &entries[1].node.shape else { panic!() };
    let Shape::Map(step) = &steps[0].shape else { panic!() };
    assert_eq!(entries[1].place, Place { line: 3, column: 1, file: 0 });
    assert_eq!(
        (step[1].place, step[1].node.place),
        (Place { line: 5, column: 5, file: 0 }, Place { line: 5, column: 11, file: 0 })
    );
}

#[test]
fn what_hides_its_meaning_is_refused() {
    wrong("a: &x 1\nb: *x", &["1:4 not-plain", "2:4 not-plain"]);
    wrong("a: {x: 1}\nb:\n  <<: {y: 2}", &["3:3 not-plain"]);
    wrong("a: !!python/object:os.system x", &["1:4 not-plain"]);
    wrong("a: !!str 1", &["1:4 not-plain"]);
    wrong("a: 1\n---\nb: 2\n", &["2:1 not-plain"]);
    wrong("a: 1\nb: 2\na: 3\n", &["3:1 duplicate-key"]);
    wrong("a: {b: 1, b: 2}", &["1:11 duplicate-key"]);
    wrong("1: x", &["1:1 bad-key"]);
    wrong("a: 1\ntrue: x", &["2:1 bad-key"]);
    wrong("? [a]\n: x", &["1:3 bad-key"]);
    wrong("", &["1:1 syntax"]);
    wrong("# only words\n", &["1:1 syntax"]);
}

#[test]
fn what_cannot_be_seen_is_refused() {
    wrong("a: \"x\\0\"", &["1:4 bad-character"]);
    wrong("a: x\u{0}", &["1:5 bad-character"]);
    wrong("a: 1\rb: 2\r", &["1:5 bad-character"]);
    wrong("a: 1\n# b\r\r\n", &["2:4 bad-character"]);
    wrong("ok: 1\na: x\u{202e}y", &["2:5 bad-character"]);
    wrong("a: \u{200b}", &["1:4 bad-character"]);
    wrong("a: \"\\u202e\"", &["1:4 bad-character"]);
    check("a: 👩‍🚀 é ü\tx", json!({ "a": "👩‍🚀 é ü\tx" }));
}

#[test]
fn bombs_do_not_go_off() {
    let laughs = "a: &a [x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n";
    assert!(read(laughs).expect_err("is a bomb").iter().all(|p| p.code == Code::NotPlain));
    for open in ["[", "{a: ", "- ", "? ", "{", "a: [", "\n ["] {
        let problems = read(&open.repeat(FILE_BYTES_MAX / open.len())).expect_err("is a bomb");
        assert!(matches!(problems[0].code, Code::TooLarge | Code::Syntax), "{open:?} {problems:?}");
    }
    wrong(&"x".repeat(FILE_BYTES_MAX + 1), &["1:1 too-large"]);
    let long = format!("a: {}", "x".repeat(FILE_BYTES_MAX - 3));
    assert!(read(&long).is_ok());
    let many = format!("[{}]", "1,".repeat(FILE_BYTES_MAX / 2 - 1));
    assert!(read(&many).is_ok());
}

#[test]
fn syntax_errors_have_places() {
    let problems = read("a: 1\n b: [1\nc: }").expect_err("is wrong");
    assert_eq!(problems[0].code, Code::Syntax);
    assert!(problems[0].line > 1);
}

proptest! {
    #[test]
    fn random_text_never_panics(text in any::<String>()) {
        _ = read(&text);
    }

    #[test]
    fn yaml_soup_never_panics(
        words in prop::collection::vec(prop::sample::select(vec![
            "a", "b", ": ", ":", "- ", "\n", "\n  ", "\n    ", "[", "]", "{", "}", ",", "&x ", "*x", "!t ", "? ", "| ",
            ">-", "'", "\"", "#", " #", "%", "---", "...", "1", "true", "~", "<<", "\t", "é", "\\", "@", "`", "\r\n",
        ]), 0..40)
    ) {
        let text = words.concat();
        if let Ok(node) = read(&text) {
            // What is accepted means the same to the parser of record.
            prop_assert_eq!(node.to_value(), serde_yaml::from_str::<Value>(&text).expect("is accepted"));
        }
    }
}

use super::super::view::Check;
use super::*;

fn typed(keys: &str) -> (Line, Vec<Key>) {
    let mut line = Line::default();
    let done = keys.bytes().map(|byte| line.key(byte)).filter(|key| *key != Key::More).collect();
    (line, done)
}

#[track_caller]
fn check_keys(keys: &str, expected: &str) {
    let (line, done) = typed(keys);
    assert_eq!((line.text().as_str(), done.as_slice()), (expected, [].as_slice()), "{keys:?}");
}

#[test]
fn keys_make_a_line() {
    check_keys("/retri\u{7f}y", "/retry");
    check_keys("grün\u{7f}\u{7f}\u{8}", "g");
    check_keys("\u{7f}a", "a");
    check_keys("one two \u{17}", "one ");
    check_keys("one\u{15}two", "two");
    check_keys("a\tb\u{1}\u{0}", "a bc".strip_suffix('c').unwrap());
    // Arrows, Home, F5, Alt-x: no key of ours.
    check_keys("a\u{1b}[Ab\u{1b}OHc\u{1b}[15~d\u{1b}xe", "abcde");
    assert_eq!(typed("a\nb\r").1, [Key::Enter("a".to_owned()), Key::Enter("b".to_owned())]);
    assert_eq!(typed("\u{4}").1, [Key::End]);
    assert_eq!(typed("a\u{4}").1, [], "only on an empty line");
    assert_eq!(typed(&"x".repeat(LINE_BYTES_MAX + 9)).0.text().len(), LINE_BYTES_MAX);
}

fn view() -> View {
    let check = |id, name: &str, buttons: &[&str]| Check {
        id,
        name: name.to_owned(),
        buttons: buttons.iter().map(|one| (*one).to_owned()).collect(),
        ..Check::default()
    };
    View { checks: vec![check(7, "ci / test", &["retry"]), check(8, "ci", &[])], ..View::default() }
}

#[track_caller]
fn check(line: &str, expected: &Typed<'_>) {
    assert_eq!(read(line, &view()), *expected, "{line}");
}

#[test]
fn lines_mean_something() {
    check("  ", &Typed::Nothing);
    check("help", &Typed::Help);
    check("quit", &Typed::Quit);
    check("/retry ci", &Typed::Comment { by: "bob", body: "/retry ci" });
    check("help me", &Typed::Comment { by: "bob", body: "help me" });
    check("as rita: /retry", &Typed::Comment { by: "rita", body: "/retry" });
    check("as @rita : /retry", &Typed::Comment { by: "rita", body: "/retry" });
    check("as I said: no", &Typed::Comment { by: "bob", body: "as I said: no" });
    check("as eve: push", &Typed::Push { by: "eve" });
    check("push", &Typed::Push { by: "bob" });
    check("clicked it", &Typed::Comment { by: "bob", body: "clicked it" });
    check("as ann:", &Typed::Wrong("what does ann say? as ann: /retry".to_owned()));
    for line in ["click ci/test retry", "click ci / test retry"] {
        check(line, &Typed::Click { by: "bob", check: 7, button: "retry".to_owned() });
    }
    let buttons = Typed::Wrong("the buttons now: click ci/test retry".to_owned());
    for line in ["click", "click ci", "click ci retry", "click ci/test cancel", "click nothing retry"] {
        check(line, &buttons);
    }
}

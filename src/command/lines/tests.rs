use super::*;

fn check(comment: &str, expected: &[&str]) {
    let lines: Vec<_> = candidates(comment).into_iter().filter(|line| !line.marked_up).map(|line| line.text).collect();
    assert_eq!(lines, expected, "{comment:?}");
}

#[test]
fn a_line_of_a_paragraph_is_a_candidate() {
    check("/retry", &["/retry"]);
    check("thanks!\n/retry lint  \nbye", &["/retry lint"]);
    check("/retry\r\n/cancel\r\n", &["/retry", "/cancel"]);
    check("some *emphasis*\n\n/retry `x` no\n\n/cancel", &["/cancel"]);
    check("a <b>bold</b> word, a line<br>break\n\n/retry", &["/retry"]);
    check("/run ci a=$x b=$y", &["/run ci a=$x b=$y"]);
    check("/approve _x_", &["/approve _x_"]);
}

#[test]
fn only_the_first_character_of_a_line_counts() {
    for comment in [
        " /retry",
        "\t/retry",
        "please /retry",
        "\u{200b}/retry",
        "\u{feff}/retry",
        "／retry",
        "&#47;retry",
        "\\/retry",
    ] {
        check(comment, &[]);
    }
}

#[test]
fn what_speaks_about_commands_is_none() {
    for comment in [
        "> /retry",
        "> quoted\n/retry",
        ">\n> a\n\n> b\n/retry",
        "```\n/retry\n```",
        "~~~\n/retry\n~~~",
        "```\n/retry",
        "    /retry",
        "`a\n/retry\nb`",
        "``a\n/retry\nb``",
        "<!-- \n/retry\n-->",
        "<!-- \n\n/retry\n\n-->",
        "<!-- /retry",
        "<!--\n\n/retry",
        "text <!--\n/retry\n-->",
        "<details>\n/retry\n</details>",
        "<details>\n\n/retry\n\n</details>",
        "<blockquote>\n\n/retry\n\n</blockquote>",
        "<div\nclass=x>\n\n/retry\n\n</div>",
        "<pre>\n\n/retry\n\n</pre>",
        "some <del>\n/retry\n</del>",
        "some <kbd>\n\n/retry",
        "<DIV>\n\n</P>\n\n/retry",
        "- /retry",
        "- item\n/retry",
        "- item\n\n  /retry",
        "1. /retry",
        "* [ ] /retry",
        "# /retry",
        "/retry\n===",
        "/retry\n---",
        "[a\n/retry\nb](http://x)",
        "![a\n/retry\nb](http://x)",
        "~~a\n/retry\nb~~",
        "$$\n/retry\n$$",
        "| a |\n|---|\n/retry",
        "[^1]: note\n/retry\n\n[^1]",
        "[a]: http://x\n'\n/retry\n'\n",
    ] {
        check(comment, &[]);
    }
}

#[test]
fn what_ends_before_the_line_does_not_matter() {
    check("> quoted\n\n/retry", &["/retry"]);
    check("```\n/cancel\n```\n/retry", &["/retry"]);
    check("> quoted\n> \n/retry", &["/retry"]);
    check("<!-- \n<div>\n-->\n/retry", &["/retry"]);
    check("<details>\n\n/cancel\n\n</details>\n\n/retry", &["/retry"]);
    check("> <details>\n\n/retry", &["/retry"]);
    check("some <del>\n/cancel\n</del>\n/retry", &["/retry"]);
}

#[test]
fn lines_are_numbered_as_people_count() {
    let numbers: Vec<_> = candidates("a\n\n/x\r\n/y\n\n\n/z").iter().map(|line| line.number).collect();
    assert_eq!(numbers, [3, 4, 7]);
}

#[test]
fn markup_in_a_line_is_noticed_in_that_line_alone() {
    let marked = |comment: &str| candidates(comment).iter().map(|line| line.marked_up).collect::<Vec<_>>();
    assert_eq!(marked("/a `x`\n/b\n/c <b>\n"), [true, false, true]);
    assert_eq!(marked("a `x` b\n/b\n/c [x](y)\n/d"), [false, true, false]);
    assert_eq!(marked("/a <https://x.y>\n/b ![x](y)"), [true, true]);
}

#[test]
fn a_hostile_comment_costs_what_it_is_long() {
    for piece in
        ["<a>", "</b><a>", "> ", "`", "[", "![", "<!--", "*", "~~", "$", "/retry\n", "[^1]: ", "| a\n", "- ", "<a "]
    {
        let comment = piece.repeat(60_000 / piece.len());
        let clock = crate::time::Clock::machine();
        let start = clock.now();
        let _ = candidates(&comment);
        let took = clock.now().since(start);
        assert!(took < std::time::Duration::from_secs(2), "{piece:?}: {took:?}");
    }
}

use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag};

use super::*;

/// C-07: what agents and strangers write.
const HOSTILE: [&str; 12] = [
    "@everyone @octocat",
    "![x](http://x.y/?leak)",
    "[x](javascript:alert)",
    "<img src=http://x.y><script>alert(1)</script>",
    "`` ` ``` code",
    "`",
    "line\n\n# heading\n\n![x](http://x.y)",
    "\u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7}",
    "::set-output name=x::y",
    "fixes #1, https://x.y",
    "\u{202e}txet desrever\u{200b}",
    "--> <!-- pointsman:x -->",
];

#[test]
fn foreign_text_in_a_line() {
    let all: Vec<_> = HOSTILE.iter().map(|text| code(text)).collect();
    insta::assert_snapshot!(all.join("\n"), @r#"
    `@everyone @octocat`
    `![x](http://x.y/?leak)`
    `[x](javascript:alert)`
    `<img src=http://x.y><script>alert(1)</script>`
    ```` `` ` ``` code ````
    `` ` ``
    `line  # heading  ![x](http://x.y)`
    `red ]0;title`
    `::set-output name=x::y`
    `fixes #1, https://x.y`
    `txet desrever`
    `--> <!-- pointsman:x -->`
    "#);
    assert_eq!(code(""), "*(nothing)*");
    assert_eq!(code(" \n\u{200b} "), "*(nothing)*");
}

#[test]
fn foreign_text_in_a_block() {
    insta::assert_snapshot!(block("a\r\n```\n@octocat\n````\n\u{1b}[1mbold\u{1b}[m\n"), @r#"
    `````text
    a
    ```
    @octocat
    ````
    bold
    `````
    "#);
}

#[test]
fn text_is_cut_between_characters() {
    let check = |text: &str, max, expected: &str| assert_eq!(cut(text, max), expected);
    check("héllo", 5, "héllo");
    check("héllo", 4, "hél…");
    check("😀😀😀", 2, "😀…");
    check("abc", 1, "…");
    check("abc", 0, "");
    check("", 0, "");
}

/// Whether GitHub shows this as code alone, between our own words.
fn is_code_alone(markdown: &str) -> bool {
    Parser::new_ext(markdown, Options::all()).all(|event| match event {
        Event::Start(tag) => matches!(tag, Tag::Paragraph | Tag::CodeBlock(_) | Tag::Emphasis),
        Event::Text(text) => !text.contains('@') || markdown.contains("```"),
        Event::End(_) | Event::Code(_) => true,
        _ => false,
    })
}

#[test]
fn hostile_text_is_code_alone() {
    for text in HOSTILE {
        assert!(is_code_alone(&format!("by {} here", code(text))), "{text:?}");
        assert!(is_code_alone(&block(text)), "{text:?}");
    }
}

proptest! {
    #[test]
    fn no_text_leaves_its_code(text in r"([`@!\[\]()<>*_#\\ \n|~$-]|a|é|http://x|\u{1b}\[1m){0,30}") {
        let line = format!("by {} here", code(&text));
        let events: Vec<_> = Parser::new_ext(&line, Options::all()).collect();
        // A paragraph, our word, the code, our word, the end.
        prop_assert!(events.len() == 5 && matches!(events[2], Event::Code(_)) || code(&text) == "*(nothing)*", "{:?}", events);
        let block = block(&text);
        let blocks = Parser::new(&block).filter(|event| matches!(event, Event::Start(_))).count();
        prop_assert_eq!(blocks, 1);
    }

    #[test]
    fn cuts_never_exceed(text in any::<String>(), max in 0_usize..40) {
        prop_assert!(cut(&text, max).chars().count() <= max);
    }
}

//! The parts that need no process.

use std::path::Path;

use crate::runner::log::{Tail, plain};
use crate::runner::output::{Annotations, parse_outputs};

#[test]
fn outputs_are_lines_blocks_or_json() {
    let check = |text: &str, expected: &str| {
        let found = parse_outputs(text).map(|outputs| serde_json::to_string(&outputs).unwrap());
        assert_eq!(found.unwrap_or_else(|why| why), expected, "{text:?}");
    };
    check("", "{}");
    check("a=1\n\nb=x=y\na=2\n", r#"{"a":"2","b":"x=y"}"#);
    check("a=1<<2\nb<<E\n=\nE\n", r#"{"a":"1<<2","b":"="}"#);
    check(" {\"a\": [1, {\"b\": null}]}", r#"{"a":[1,{"b":null}]}"#);
    check("a<<\n", "$POINTSMAN_OUTPUT line 1: expected key=value or key<<END");
    check("a<<E\nx\n", "$POINTSMAN_OUTPUT: \"E\" does not end \"a\"");
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(9_000), "]".repeat(9_000));
    assert!(parse_outputs(&deep).unwrap_err().contains("recursion limit"));
}

#[test]
fn annotations_are_workflow_commands() {
    let check = |text: &str, expected: &[&str]| {
        // Byte by byte, as a slow pipe gives it.
        let mut annotations = Annotations::default();
        for byte in text.as_bytes() {
            annotations.push(&[*byte], Path::new("/w/source"));
        }
        let found: Vec<String> = annotations
            .finish(Path::new("/w/source"))
            .iter()
            .map(|a| format!("{:?} {}:{}-{} {:?} {:?}", a.level, a.path, a.start_line, a.end_line, a.title, a.message))
            .collect();
        assert_eq!(found, expected, "{text:?}");
    };
    check("::notice file=a.rs::m", &["Notice a.rs:1-1 None \"m\""]);
    check("  ::warning file=/w/source/b/c.rs,line=9,col=3::m%250A\r\n", &["Warning b/c.rs:9-9 None \"m%0A\""]);
    check("::error line=2,endLine=1,file=./a,title=x%2Cy::\n", &["Failure a:2-2 Some(\"x,y\") \"\""]);
    check("\u{1b}[31m::error file=a::m\n", &[]);
    check("::error::no file\n::debug file=a::m\nx ::error file=a::m\n::error file=/etc/x::m\n", &[]);
    check("::stop-commands::T\n::error file=a::m\n::T::\n::error file=b::m\n", &["Failure b:1-1 None \"m\""]);
    check(
        &format!("::error file=a::{}\n", "é".repeat(9_000)),
        &[&format!("Failure a:1-1 None {:?}", "é".repeat(2_048))],
    );
    let flood = "::error file=a::m\n".repeat(2_000);
    let mut annotations = Annotations::default();
    annotations.push(flood.as_bytes(), Path::new("/"));
    assert_eq!(annotations.finish(Path::new("/")).len(), crate::agents::ANNOTATIONS_MAX);
}

#[test]
fn a_tail_keeps_the_end_in_whole_lines() {
    let mut tail = Tail::default();
    for number in 0..20_000 {
        tail.push(format!("line {number}\n").as_bytes());
    }
    let text = tail.text();
    assert!(text.len() <= 64 * 1024 && text.starts_with("line ") && text.ends_with("line 19999\n"));
    tail.push(&[0xff; 200_000]);
    assert!(tail.text().len() <= 64 * 1024 && tail.total() > 200_000);
}

#[test]
fn a_log_is_plain_text() {
    let check = |text: &str, expected: &str| assert_eq!(plain(text), expected, "{text:?}");
    check("a\u{1b}[1;31mred\u{1b}[0m\tb\r\n", "ared\tb\n");
    check("10%\r20%\r\n", "10%\n20%\n");
    check("\u{1b}]8;;http://x\u{7}link\u{1b}]8;;\u{1b}\\ \u{0}\u{8}!", "link !");
    check("\u{1b}[", "");
    check("\u{1b}[31", "");
    check("\u{1b}[3\nnext", "\nnext");
}

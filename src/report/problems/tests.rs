use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::*;
use crate::workflow::defaults::Operator;
use crate::workflow::parse::{FileKind, kind_of};
use crate::workflow::problem::Code;
use crate::workflow::{parse, policy};

fn looked(path: &str, text: &str) -> Looked {
    let problems = match parse(&"ci".parse().unwrap(), text, &Operator::default()) {
        Ok(workflow) => workflow.warnings,
        Err(problems) => problems,
    };
    Looked { path: path.to_owned(), text: text.to_owned(), problems }
}

fn told(text: &str) -> String {
    human(&[looked(".workflows/ci.yml", text)], Paint::Plain)
}

const SLIPS: &str =
    "steps:\n  - id: build\n    run: make\n    timout: 5m\n  - id: test\n    needs: [biuld]\n    run: make test\n";

#[test]
fn people_see_the_line_and_what_to_do() {
    insta::assert_snapshot!(told(SLIPS), @r"
    error[unknown-field]: a step has no field timout
     --> .workflows/ci.yml:4:5
      |
    4 |     timout: 5m
      |     ^^^^^^
      = help: did you mean timeout?

    error[unknown-need]: test needs biuld, but there is no such step
     --> .workflows/ci.yml:6:13
      |
    6 |     needs: [biuld]
      |             ^^^^^
      = help: did you mean build?

    2 errors in 1 file
    more about one of them: pointsman validate --explain unknown-field
    ");
    insta::assert_snapshot!(told("steps:\n  - id: build\n    run: make\n"), @"1 file is fine");
}

#[test]
fn a_line_is_shown_so_that_the_mark_stands_below_its_place() {
    let marked = |text: &str, line, column| {
        let found = excerpt::excerpt(text, line, column).unwrap();
        format!("{}\n{}{}", found.line, " ".repeat(found.indent), "^".repeat(found.width))
    };
    insta::assert_snapshot!(marked("a: 1\n\tkey: value\n", 2, 7), @r"
    key: value
         ^^^^^
    ");
    insta::assert_snapshot!(marked("name: 日本語 x: y\n", 1, 11), @r"
    name: 日本語 x: y
                 ^
    ");
    insta::assert_snapshot!(marked("run: \"a b\" # c\n", 1, 6), @r#"
    run: "a b" # c
         ^^^^^
    "#);
    insta::assert_snapshot!(marked("evil: \u{1b}[2J\u{202e}x\n", 1, 7), @r"
    evil: \u{1b}[2J\u{202e}x
          ^^^^^^^^^^^^^^^^^^
    ");
    insta::assert_snapshot!(marked(&format!("{}here{}", "x ".repeat(100), " y".repeat(100)), 1, 201), @r"
    … x x x x x x x x x x x x x x x x x x x here y y y y y y y y y y y y y y y y y y y y y y y y y y y …
                                            ^^^^
    ");
    insta::assert_snapshot!(marked("short\n", 1, 99), @r"
    short
         ^
    ");
    assert_eq!(excerpt::excerpt("one line", 2, 1), None);
    assert_eq!(excerpt::excerpt("one line", 0, 1), None);
}

#[test]
fn actions_get_annotations_that_a_file_cannot_end() {
    let mut one = looked("a,b:c.yml", "steps:\n  - id: x\n    run: make\n    zz%\u{0}: 1\n");
    one.problems[0].message = "50%\r\n::error::planted".to_owned();
    insta::assert_snapshot!(as_annotations(&[one]), @"::error file=a%2Cb%3Ac.yml,line=4,col=8,title=bad-character::50%25%0D%0A::error::planted%0Ahelp: remove it");
    insta::assert_snapshot!(as_annotations(&[looked(".workflows/ci.yml", SLIPS)]), @r"
    ::error file=.workflows/ci.yml,line=4,col=5,title=unknown-field::a step has no field timout%0Ahelp: did you mean timeout?
    ::error file=.workflows/ci.yml,line=6,col=13,title=unknown-need::test needs biuld, but there is no such step%0Ahelp: did you mean build?
    ");
}

#[test]
fn programs_get_one_document() {
    let value: serde_json::Value = serde_json::from_str(&as_json(&[looked("ci.yml", SLIPS)])).unwrap();
    insta::assert_json_snapshot!(value, @r#"
    {
      "errors": 2,
      "files": [
        {
          "path": "ci.yml",
          "problems": [
            {
              "code": "unknown-field",
              "column": 5,
              "help": "did you mean timeout?",
              "line": 4,
              "message": "a step has no field timout",
              "severity": "error"
            },
            {
              "code": "unknown-need",
              "column": 13,
              "help": "did you mean build?",
              "line": 6,
              "message": "test needs biuld, but there is no such step",
              "severity": "error"
            }
          ]
        }
      ],
      "warnings": 0
    }
    "#);
}

#[test]
fn code_scanning_gets_sarif() {
    let value: serde_json::Value = serde_json::from_str(&sarif(&[looked("my files/ci.yml", SLIPS)])).unwrap();
    let run = &value["runs"][0];
    assert_eq!(run["tool"]["driver"]["rules"].as_array().unwrap().len(), crate::workflow::problem::Code::ALL.len());
    insta::assert_json_snapshot!(run["results"][0], @r#"
    {
      "level": "error",
      "locations": [
        {
          "physicalLocation": {
            "artifactLocation": {
              "uri": "my%20files/ci.yml"
            },
            "region": {
              "startColumn": 5,
              "startLine": 4
            }
          }
        }
      ],
      "message": {
        "text": "a step has no field timout (did you mean timeout?)"
      },
      "ruleId": "unknown-field"
    }
    "#);
}

/// A file of `tests/golden/wrong-files.txt`, and what is said of it.
fn judged(head: &str, source: &str) -> Looked {
    let (name, _) = head.split_once(": ").unwrap();
    let text = visible(source);
    let problems = match kind_of(&format!(".workflows/{name}")) {
        FileKind::Workflow(id) => parse(&id, &text, &Operator::default()).map_or_else(|found| found, |w| w.warnings),
        FileKind::Policy => policy::parse(&text).map_or_else(|found| found, |policy| policy.warnings),
        FileKind::Other => vec![Problem::of_name(name)],
    };
    Looked { path: format!(".workflows/{name}"), text, problems }
}

/// What nobody sees stands as its number: `\u{200b}`.
fn visible(source: &str) -> String {
    let mut parts = source.split("\\u{");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |text, part| {
        let (number, rest) = part.split_once('}').unwrap();
        let letter = char::from_u32(u32::from_str_radix(number, 16).unwrap()).unwrap();
        format!("{text}{letter}{rest}")
    })
}

/// `UPDATE_GOLDEN=1 cargo test report::problems` writes what is said anew; read the difference as a stranger would.
#[test]
fn wrong_files_are_told_as_written() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/wrong-files.txt");
    let golden = fs::read_to_string(&path).unwrap();
    let mut parts = golden.split("\n==== ");
    let (mut told, mut codes) = (parts.next().unwrap().to_owned(), BTreeSet::new());
    let files: Vec<&str> = parts.collect();
    for file in &files {
        let (head, rest) = file.split_once('\n').unwrap();
        let (source, _) = rest.split_once("----\n").unwrap_or_else(|| panic!("{head}: no ----"));
        let looked = judged(head, source);
        assert!(!looked.problems.is_empty(), "{head}: nothing is wrong with it");
        codes.extend(looked.problems.iter().map(|problem| problem.code));
        let said = human(&[looked], Paint::Plain);
        let (said, _) = said.rsplit_once("\n\n").unwrap();
        write!(told, "\n==== {head}\n{source}----\n{said}\n").unwrap();
    }
    assert!(files.len() >= 60, "{} files", files.len());
    assert_eq!(codes, BTreeSet::from(Code::ALL), "a code that no file shows");
    if told != golden && std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, told).unwrap();
    } else if told != golden {
        let at = told.lines().zip(golden.lines()).take_while(|(now, then)| now == then).count();
        panic!("line {} is told otherwise:\n{}\nit was:\n{}", at + 1, line(&told, at), line(&golden, at));
    }
}

fn line(text: &str, at: usize) -> &str {
    text.lines().nth(at).unwrap_or("(the end)")
}

#[test]
fn a_long_help_goes_on_below() {
    let mut one = looked("ci.yml", SLIPS);
    one.problems.truncate(1);
    one.problems[0].help = Some("word ".repeat(40).trim().to_owned());
    let told = human(&[one], Paint::Plain);
    let lines: Vec<&str> = told.lines().filter(|line| line.contains("word")).collect();
    assert_eq!(lines.len(), 3, "{told}");
    assert!(lines[0].starts_with("  = help: word") && lines[1].starts_with("          word"), "{told}");
    assert!(lines.iter().all(|line| line.len() <= 106), "{told}");
}

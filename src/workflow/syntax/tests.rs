use proptest::prelude::*;

use crate::workflow::file;

/// What is said of a text that is no YAML.
fn said(text: &str) -> String {
    file::read(text).unwrap_err().iter().map(|problem| format!("{problem}\n")).collect()
}

#[test]
fn a_slip_is_told_where_it_stands() {
    insta::assert_snapshot!(said("steps:\n  - id: a\n    run: |\n\tmake\n"), @"4:1 syntax: a tab stands here, and YAML counts blanks (indent with blanks)");
    insta::assert_snapshot!(said("on: push\nsteps:\n  - id:build\n    run: make\n"), @"3:7 syntax: a blank is missing behind this colon (write id: build)");
    insta::assert_snapshot!(said("steps:\n  - id: a\n    run: |\n    make\n    make test\n"), @"4:5 syntax: the text of run: | is not indented (begin each of its lines in column 7, two blanks behind run)");
    insta::assert_snapshot!(said("steps:\n  - id: a\n    needs: [b, c\n    run: make\n"), @"3:12 syntax: this [ is not closed (write ] where it ends)");
    insta::assert_snapshot!(said("steps:\n  - id: a\n    name: 'Build'n test\n"), @"3:18 syntax: the text has ended with its quote, and more stands behind it (put all of it between quotes)");
    let long = "x".repeat(2_000);
    insta::assert_snapshot!(said(&format!("a:b{long}\nc: d\n")), @"1:2 syntax: a blank is missing behind this colon (write one)");
    insta::assert_snapshot!(said(&format!("steps: [\n\"a\"\n{long}:\tb\t\n")), @"2:1 syntax: this line does not stand below its neighbours (begin the fields of one mapping in one column, and the entries of one list)");
    insta::assert_snapshot!(said("name: \"CI\n"), @"1:7 syntax: this quote is not closed (close it where the text ends; a quote that is part of a text stands between quotes of the other kind)");
}

proptest! {
    #[test]
    fn whatever_stands_in_a_file_is_told_at_a_place_in_it_and_with_help(
        text in "(  |- |[a-c]|: |:|\\[|\\]|\\{|\\}|'|\"|\\||#|\\*|&|@|!|<<<<<<< |\n|\t|日){0,60}",
    ) {
        for problem in file::read(&text).err().into_iter().flatten() {
            let lines = text.lines().count().max(1);
            let line = problem.line as usize;
            prop_assert!((1..=lines + 1).contains(&line), "{problem}");
            prop_assert!(problem.column >= 1 && problem.help.is_some(), "{problem}");
        }
    }
}

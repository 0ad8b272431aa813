use proptest::prelude::*;

use crate::workflow::file;

/// What is said of a text that is no YAML.
fn said(text: &str) -> String {
    file::read(text).unwrap_err().iter().map(|problem| format!("{problem}\n")).collect()
}

#[test]
fn a_slip_is_told_where_it_stands() {
    insta::assert_snapshot!(said("steps:\n  - id: a\n    run: |\n\tmake\n"), @"");
    insta::assert_snapshot!(said("on: push\nsteps:\n  - id:build\n    run: make\n"), @"");
    insta::assert_snapshot!(said("steps:\n  - id: a\n    run: |\n    make\n    make test\n"), @"");
    insta::assert_snapshot!(said("steps:\n  - id: a\n    needs: [b, c\n    run: make\n"), @"");
    insta::assert_snapshot!(said("steps:\n  - id: a\n    name: 'Build'n test\n"), @"");
    insta::assert_snapshot!(said("name: \"CI\n"), @"");
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

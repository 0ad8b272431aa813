use super::*;
use crate::github::File;

fn files(all: &[(&str, &str)]) -> Files {
    let file = |(path, text): &(&str, &str)| File {
        path: format!(".workflows/{path}"),
        oid: "0".to_owned(),
        size: 0,
        content: Content::Text((*text).to_owned()),
    };
    Files { tree_oid: Some("1".to_owned()), files: all.iter().map(file).collect(), left_out: 0 }
}

const CI: (&str, &str) = ("ci.yml", "steps: [{ id: a, uses: ./lib/test.yml }]");

#[test]
fn steps_of_the_library_come_from_the_same_commit() {
    let files = files(&[CI, ("lib/test.yml", "steps: [{ id: unit, run: make test }]")]);
    let sha = CommitSha::full(&"a".repeat(40)).unwrap();
    let found = definitions(&files, sha, "main".to_owned(), &Operator::default());
    assert_eq!(found.workflows.len(), 1, "a file of the library is no workflow");
    let workflow = found.workflows.values().next().unwrap().workflow.as_ref().unwrap();
    assert_eq!(workflow.plan.steps[0].key.as_str(), "a.unit");
}

/// A pull request that touches a file of the library hears what that file does to the workflows that use it.
#[test]
fn problems_stand_in_the_file_that_has_them() {
    let shown = |head: &Files, touched: &[&str]| {
        let touched: Vec<String> = touched.iter().map(|path| format!(".workflows/{path}")).collect();
        let one = |file: FileProblems| {
            let notes = file.problems.iter().map(|note| format!("{}:{} {}", note.path, note.start_line, note.message));
            (file.path, notes.collect::<Vec<_>>())
        };
        problems(head, &touched, &Operator::default()).into_iter().map(one).collect::<Vec<_>>()
    };
    let bad = files(&[CI, ("b.yml", CI.1), ("lib/test.yml", "steps:\n- { id: unit, run: make, tiemout: 1s }")]);
    let note = ".workflows/lib/test.yml:2 a step has no field tiemout\ndid you mean timeout?".to_owned();
    assert_eq!(shown(&bad, &["lib/test.yml"]), [(".workflows/lib/test.yml".to_owned(), vec![note.clone()])]);
    assert_eq!(shown(&bad, &["ci.yml"]), [(".workflows/ci.yml".to_owned(), vec![note])]);
    let good = files(&[CI, ("lib/test.yml", "steps: [{ id: unit, run: make }]"), ("lib/old.yml", "steps: [")]);
    // Nobody uses the other.
    let none = |path: &str| (format!(".workflows/{path}"), Vec::new());
    assert_eq!(shown(&good, &["lib/test.yml", "lib/old.yml"]), [none("lib/test.yml"), none("lib/old.yml")]);
}

use super::*;
use crate::workflow::file::FILE_BYTES_MAX;

fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// What is said of a folder: each file with its codes, or why nothing was looked at.
fn said(files: &[(&str, &str)]) -> String {
    let dir = tree(files);
    let shown = |text: String| text.replace(&dir.path().display().to_string(), "DIR");
    match look(&[dir.path().to_owned()]) {
        Ok(files) => {
            let codes =
                |file: &Looked| file.problems.iter().map(|problem| format!(" {}", problem.code)).collect::<String>();
            files.iter().map(|file| shown(format!("{}:{}\n", file.path, codes(file)))).collect()
        }
        Err(failure) => shown(format!("{} ({})", failure.text().trim_end(), failure.code())),
    }
}

const FINE: &str = "steps:\n  - id: build\n    run: make\n";

#[test]
fn a_folder_is_read_as_a_repository_has_it() {
    let files = [("ci.yml", FINE), ("config.yml", "definition_rf: base\n"), ("notes.txt", "?"), ("b c.yml", FINE)];
    insta::assert_snapshot!(said(&files), @r"
    DIR/b c.yml: bad-id
    DIR/ci.yml:
    DIR/config.yml: unknown-field
    ");
    insta::assert_snapshot!(said(&[("ci.yaml", FINE)]), @"error: DIR/ci.yaml would not be read: files of workflows end in .yml; rename it (2)");
    insta::assert_snapshot!(said(&[("notes.txt", "")]), @"error: DIR holds no .yml files; `pointsman init` writes a first workflow (2)");
}

#[test]
fn a_file_that_is_too_large_is_read_no_further() {
    insta::assert_snapshot!(said(&[("ci.yml", &"#\n".repeat(FILE_BYTES_MAX))]), @"DIR/ci.yml: too-large");
}

#[test]
fn what_is_not_there_is_wrong_usage() {
    let failure = look(&["/nowhere/ci.yml".into()]).unwrap_err();
    assert_eq!(
        (failure.text().as_str(), failure.code()),
        ("error: there is no file /nowhere/ci.yml; give files, or a folder of them\n", 2)
    );
}

#[test]
fn a_code_is_explained_and_a_slip_gets_the_list() {
    assert_eq!(code("circle"), Ok(Code::Circle));
    assert!(code("cirle").unwrap_err().starts_with("there is no such code; there are syntax, "));
}

#[test]
fn a_file_that_no_step_uses_yet_is_looked_at() {
    let dir = tree(&[("a.yml", FINE)]);
    fs::create_dir(dir.path().join("lib")).unwrap();
    let text = "inputs: { os: { required: true } }\nsteps:\n  - id: x\n    needs: [y]\n    env: { OS: \"${{ inputs.os }}\" }\n    run: make\n";
    fs::write(dir.path().join("lib/later.yml"), text).unwrap();
    let files = look(&[dir.path().to_owned()]).unwrap();
    let told: Vec<String> = files[1].problems.iter().map(ToString::to_string).collect();
    assert_eq!((files.len(), files[1].path.as_str()), (2, ".workflows/lib/later.yml"));
    insta::assert_snapshot!(told.join("\n"), @"4:13 unknown-need: lib.x needs lib.y, but there is no such step");
}

#[test]
fn what_is_wrong_with_a_used_file_is_told_there_and_once() {
    let dir = tree(&[
        ("a.yml", "steps:\n  - id: a\n    uses: ./lib/all.yml\n"),
        ("b.yml", "steps:\n  - id: b\n    uses: ./lib/all.yml\n"),
    ]);
    fs::create_dir(dir.path().join("lib")).unwrap();
    fs::write(dir.path().join("lib/all.yml"), "steps:\n  - id: x\n    run: make\n    timout: 1m\n").unwrap();
    let files = look(&[dir.path().to_owned()]).unwrap();
    let told = human(&files, crate::report::problems::Paint::Plain);
    insta::assert_snapshot!(told, @r"
    error[unknown-field]: a step has no field timout
     --> .workflows/lib/all.yml:4:5
      |
    4 |     timout: 1m
      |     ^^^^^^
      = help: did you mean timeout?

    1 error in 3 files
    more about one of them: pointsman validate --explain unknown-field
    ");
    let alone = look(&[dir.path().join("lib/all.yml")]).unwrap();
    assert_eq!(alone, files[1..2]);
}

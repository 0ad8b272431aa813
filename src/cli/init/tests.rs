use super::*;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn init(folder: &tempfile::TempDir, force: bool) -> Result<(), String> {
    let init = Init { folder: folder.path().to_owned(), force, print: false };
    init.run().map_err(|failure| failure.text().replace(&folder.path().display().to_string(), "DIR"))
}

#[test]
fn it_writes_once_and_replaces_only_when_told_to() {
    let dir = folder(&[("Cargo.toml", "[package]\n"), (".git/refs/heads/master", "0\n")]);
    init(&dir, false).unwrap();
    let path = dir.path().join(FILE);
    let written = fs::read_to_string(&path).unwrap();
    assert!(written.contains("cargo test") && written.contains("branches: [master]"), "{written}");
    let named =
        written.lines().next().and_then(|line| line.strip_prefix("# yaml-language-server: $schema=./")).unwrap();
    let schema = fs::read_to_string(path.with_file_name(named)).unwrap();
    assert_eq!(schema, schema::workflow());
    fs::write(&path, "mine").unwrap();
    insta::assert_snapshot!(init(&dir, false).unwrap_err(), @"error: DIR/.workflows/ci.yml is there already, and was left alone; --force replaces it, --print shows what would be written");
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    init(&dir, true).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), written);
}

#[test]
fn the_branch_is_what_the_origin_calls_its_default() {
    let dir = folder(&[(".git/refs/remotes/origin/HEAD", "ref: refs/remotes/origin/trunk\n")]);
    assert_eq!(branch(dir.path()), "trunk");
    assert_eq!(branch(folder(&[]).path()), "main");
}

#[test]
fn what_is_no_folder_is_said() {
    let missing = Init { folder: "/nowhere/at/all".into(), force: false, print: false };
    insta::assert_snapshot!(missing.run().unwrap_err().text(), @"error: cannot look into /nowhere/at/all: No such file or directory (os error 2)");
}

#[test]
fn people_are_told_what_was_found_and_what_to_do_next() {
    let made = Starter { text: String::new(), found: vec!["Rust".to_owned(), "Go".to_owned()] };
    insta::assert_snapshot!(said(Path::new(".workflows/ci.yml"), &made), @r"
    wrote .workflows/ci.yml: for Rust, Go
    wrote .workflows/workflow.schema.json: for editors

    next:
      pointsman validate     whether it is right
      pointsman plan ci      what it does, and how long it may take
      pointsman run ci       does it here, on the working tree

    Then commit it: it counts as soon as it is on the default branch.
    ");
}

//! Commands that only look and tell: `pointsman rehearse` and `pointsman explain`, the binary itself.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

const CI: &str = "on: push\nsteps:\n  - { id: build, run: make }\n  - { id: test, run: make test, needs: [build] }\n";

/// The exit code of a command in a folder, and what it writes to both.
fn pointsman(folder: &Path, args: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pointsman"))
        .args(args)
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who reads nothing has ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn repository() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join(".workflows")).unwrap();
    fs::write(folder.path().join(".workflows/ci.yml"), CI).unwrap();
    fs::write(folder.path().join("story.txt"), "test: fail \"red\"\n").unwrap();
    fs::write(folder.path().join("paths.txt"), "src/a.rs\n").unwrap();
    folder
}

#[test]
fn a_run_is_rehearsed() {
    let folder = repository();
    for file in ["ci", ".workflows/ci.yml", "-"] {
        let args = ["rehearse", file, "--script-file", "story.txt", "--script", "build: ok 10s"];
        let (code, told, wrong) = pointsman(folder.path(), &args, CI);
        assert_eq!((code, wrong.as_str()), (Some(0), ""), "{file}");
        assert!(told.contains("00:10  build is done after 10 s\n"), "{told}");
        assert!(told.contains("test failed after 2 m 30 s: red; a verdict is not tried again\n"), "{told}");
        assert!(!told.contains('\u{1b}'), "no colours but on a terminal\n{told}");
    }
    let (code, told, _) =
        pointsman(folder.path(), &["rehearse", "pr_processing", "--format", "json", "--seed", "7"], "");
    let story: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((code, &story["conclusion"]), (Some(0), &"success".into()), "{told}");
}

#[test]
fn what_cannot_be_rehearsed_says_why() {
    let folder = repository();
    fs::write(folder.path().join("bad.yml"), "on: push\nstpes: []\n").unwrap();
    let cases: [(&[&str], i32, &str); 6] = [
        (&["rehearse", "cj"], 2, "there is no file cj and no .workflows/cj.yml; built in are"),
        (&["rehearse", "bad.yml"], 1, "--> bad.yml:2:1"),
        (&["rehearse", "ci", "--script", "tset: fail"], 2, "script:1:1: there is no step tset (did you mean test?)"),
        (&["rehearse", "ci", "--script-file", "nowhere"], 1, "--script-file nowhere"),
        (&["rehearse", "-", "--script-file", "-"], 2, "cannot both be standard input"),
        (&["rehearse", "ci", "--seed", "x"], 2, "invalid value 'x' for '--seed"),
    ];
    for (args, expected, part) in cases {
        let (code, told, wrong) = pointsman(folder.path(), args, "");
        assert_eq!((code, told.as_str()), (Some(expected), ""), "{args:?}: {wrong}");
        assert!(wrong.contains(part), "{args:?}: {part:?} is missing in {wrong}");
    }
}

const PUSH: &str = r#"{
    "ref": "refs/heads/main",
    "before": "1111111111111111111111111111111111111111", "after": "2222222222222222222222222222222222222222",
    "repository": { "id": 1, "full_name": "octo/hello", "private": false, "pushed_at": 1767225600 }
}"#;

#[test]
fn a_payload_is_explained() {
    let folder = repository();
    let (code, told, wrong) =
        pointsman(folder.path(), &["explain", "--event", "-", "--changed-files", "paths.txt"], PUSH);
    assert_eq!((code, wrong.as_str()), (Some(0), ""), "{told}");
    assert!(told.starts_with("push: refs/heads/main of octo/hello is at 2222222 now\n\nci  ✔ runs"), "{told}");
    let json = ["explain", ".workflows/ci.yml", "--event", "-", "--format", "json"];
    let (_, told, _) = pointsman(folder.path(), &json, PUSH);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["workflows"][0]["workflow"], &told["workflows"][0]["runs"]), (&"ci".into(), &"yes".into()));
}

#[test]
fn what_cannot_be_explained_says_why() {
    let folder = repository();
    let cases: [(&[&str], &str, i32, &str); 6] = [
        (&["explain", "--event", "-"], "{}", 2, "give one of pull_request, push, issue_comment"),
        (&["explain", "--event", "-"], "no", 1, "the payload is no JSON"),
        (&["explain", "--event", "-", "--event-name", "pull"], PUSH, 2, "did you mean push? Something depends on"),
        (&["explain", "--event", "-", "--event-name", "pull_request"], PUSH, 1, "does not fit the event pull_request"),
        (&["explain", "nowhere", "--event", "-"], PUSH, 1, "cannot read nowhere"),
        (&["explain", "--event", "nowhere.json"], "", 1, "--event nowhere.json"),
    ];
    for (args, input, expected, part) in cases {
        let (code, told, wrong) = pointsman(folder.path(), args, input);
        assert_eq!((code, told.as_str()), (Some(expected), ""), "{args:?}: {wrong}");
        assert!(wrong.contains(part), "{args:?}: {part:?} is missing in {wrong}");
    }
}

use serde_json::{Value, json};

use super::*;
use crate::github::stub::{Answer, SHA, SHA2, Stub, answer, ok, repo, sha};

fn entry(name: &str, kind: &str, object: Value) -> Value {
    json!({ "name": name, "path": format!(".workflows/{name}"), "type": kind, "mode": 33188, "oid": format!("oid-{name}"), "object": object })
}

fn blob(text: Value, size: u64, binary: Value, truncated: bool) -> Value {
    json!({ "oid": "x", "byteSize": size, "isBinary": binary, "isTruncated": truncated, "text": text })
}

/// A directory with everything that can be in one.
fn tree() -> Value {
    let mut link = entry("link.yml", "blob", blob(json!("ci.yml"), 6, json!(false), false));
    link["mode"] = json!(40960);
    json!({ "oid": "tree1", "entries": [
        entry("nested", "tree", json!({})),
        entry("ci.yml", "blob", blob(json!("on: push\n"), 9, json!(false), false)),
        entry("logo.png", "blob", blob(Value::Null, 500, json!(true), false)),
        entry("odd.yml", "blob", blob(Value::Null, 5, Value::Null, false)),
        entry("huge.yml", "blob", blob(json!("cut"), 600_000, json!(false), true)),
        entry("large.yml", "blob", blob(json!("whole"), FILE_BYTES_MAX + 1, json!(false), false)),
        entry("vendored", "commit", Value::Null),
        link,
    ] })
}

fn shown(files: &Files) -> Vec<(String, u64, Content)> {
    files.files.iter().map(|file| (file.path.clone(), file.size, file.content.clone())).collect()
}

fn data(repository: Value) -> Answer {
    ok(json!({ "data": { "repository": repository } }))
}

#[tokio::test]
async fn a_directory_in_one_request() {
    let stub =
        Stub::start(|asked| (asked.path == "/graphql").then(|| data(json!({ "c0": { "oid": SHA }, "t0": tree() }))))
            .await;
    let installation = stub.installation().await;
    let files = installation.workflow_files(&repo(), &sha()).await.unwrap();
    assert_eq!((files.tree_oid.as_deref(), files.left_out), (Some("tree1"), 0));
    assert_eq!(files.files[0].oid, "oid-ci.yml");
    assert_eq!(
        shown(&files),
        [
            (".workflows/ci.yml".into(), 9, Content::Text("on: push\n".into())),
            (".workflows/huge.yml".into(), 600_000, Content::TooBig),
            (".workflows/large.yml".into(), FILE_BYTES_MAX + 1, Content::TooBig),
            (".workflows/link.yml".into(), 0, Content::NotAFile),
            (".workflows/logo.png".into(), 500, Content::Binary),
            (".workflows/nested".into(), 0, Content::NotAFile),
            (".workflows/odd.yml".into(), 5, Content::Binary),
            (".workflows/vendored".into(), 0, Content::NotAFile),
        ]
    );
    // A commit's tree never changes.
    assert!(Arc::ptr_eq(&files, &installation.workflow_files(&repo(), &sha()).await.unwrap()));
    assert_eq!(stub.lines(), ["POST /graphql"]);
    insta::assert_snapshot!(stub.asked()[0].body["query"].as_str().unwrap(), @"query($o:String!,$r:String!,$c0:String!,$e0:String!){repository(owner:$o,name:$r){ c0:object(expression:$c0){oid} t0:object(expression:$e0){...on Tree{oid entries{name path type mode oid object{...on Blob{oid byteSize isBinary isTruncated text}}}}}}}");
    let variables = json!({ "o": "octo", "r": "railway", "c0": SHA, "e0": format!("{SHA}:.workflows") });
    assert_eq!(stub.asked()[0].body["variables"], variables);
}

#[tokio::test]
async fn two_commits_in_one_request_and_one_tree_in_memory() {
    let stub = Stub::start(|asked| {
        (asked.path == "/graphql").then(|| match asked.body["variables"].get("c1") {
            Some(_) => data(json!({ "c0": { "oid": SHA }, "t0": tree(), "c1": { "oid": SHA2 }, "t1": tree() })),
            None => data(json!({ "c0": { "oid": "x" }, "t0": Value::Null })),
        })
    })
    .await;
    let installation = stub.installation().await;
    let second = CommitSha::full(SHA2).unwrap();
    let third = CommitSha::full(&"a".repeat(40)).unwrap();
    let both = installation.workflow_files_of(&repo(), &[sha(), second.clone()]).await.unwrap();
    assert!(Arc::ptr_eq(&both[0], &both[1]));
    // Only the one that is not known is asked for, and the order stays.
    let all = installation.workflow_files_of(&repo(), &[sha(), third, second]).await.unwrap();
    assert_eq!(all.iter().map(|files| files.files.len()).collect::<Vec<_>>(), [8, 0, 8]);
    assert_eq!(*all[1], Files::default());
    let asked = stub.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].body["variables"]["e1"], format!("{SHA2}:.workflows"));
    assert_eq!(asked[1].body["variables"].as_object().unwrap().len(), 4);
}

#[tokio::test]
async fn a_file_in_the_directorys_place_is_no_directory() {
    let stub =
        Stub::start(|asked| (asked.path == "/graphql").then(|| data(json!({ "c0": { "oid": SHA }, "t0": {} })))).await;
    assert_eq!(*stub.installation().await.workflow_files(&repo(), &sha()).await.unwrap(), Files::default());
}

/// GitHub's replicas lag: a commit that is not there yet is not one without workflows, and is asked for again.
#[tokio::test]
async fn an_unknown_commit_is_an_error_and_not_remembered() {
    let stub = Stub::start(|asked| {
        let known = if asked.before == 0 { Value::Null } else { json!({ "oid": SHA }) };
        (asked.path == "/graphql").then(|| data(json!({ "c0": known, "t0": Value::Null })))
    })
    .await;
    let installation = stub.installation().await;
    let error = installation.workflow_files(&repo(), &sha()).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error:?}");
    assert_eq!(*installation.workflow_files(&repo(), &sha()).await.unwrap(), Files::default());
}

#[tokio::test]
async fn rest_where_there_is_no_graphql() {
    let stub = Stub::start(|asked| {
        let file = |path: &str, mode: &str, kind: &str, size: u64| json!({ "path": path, "mode": mode, "type": kind, "sha": format!("oid-{path}"), "size": size });
        match asked.path.strip_prefix("/repos/octo/railway/git/")? {
            path if path == format!("trees/{SHA}") || path == format!("trees/{SHA2}") => Some(ok(json!({ "sha": "root", "truncated": false, "tree": [
                file("README.md", "100644", "blob", 3),
                { "path": ".workflows", "mode": "040000", "type": "tree", "sha": "tree1" },
            ] }))),
            "trees/tree1" => Some(ok(json!({ "sha": "tree1", "truncated": false, "tree": [
                file("logo.png", "100644", "blob", 4),
                file("ci.yml", "100755", "blob", 9),
                file("huge.yml", "100644", "blob", 600_000),
                file("link.yml", "120000", "blob", 6),
                { "path": "nested", "mode": "040000", "type": "tree", "sha": "t" },
            ] }))),
            "blobs/oid-ci.yml" => Some(ok(json!({ "encoding": "base64", "content": "b246IHB1\nc2gK\n" }))),
            "blobs/oid-logo.png" => Some(ok(json!({ "encoding": "base64", "content": "iVBORw==" }))),
            _ => None,
        }
    })
    .await;
    let installation = stub.installation().await;
    let files = installation.workflow_files(&repo(), &sha()).await.unwrap();
    assert_eq!(files.tree_oid.as_deref(), Some("tree1"));
    assert_eq!(
        shown(&files),
        [
            (".workflows/ci.yml".into(), 9, Content::Text("on: push\n".into())),
            (".workflows/huge.yml".into(), 600_000, Content::TooBig),
            (".workflows/link.yml".into(), 6, Content::NotAFile),
            (".workflows/logo.png".into(), 4, Content::Binary),
            (".workflows/nested".into(), 0, Content::NotAFile),
        ]
    );
    // Another commit with the same directory: its root tree is enough.
    let before = stub.asked().len();
    let again = installation.workflow_files(&repo(), &CommitSha::full(SHA2).unwrap()).await.unwrap();
    assert!(Arc::ptr_eq(&files, &again));
    assert_eq!(
        stub.lines()[before..],
        ["POST /graphql".to_owned(), format!("GET /repos/octo/railway/git/trees/{SHA2}")]
    );
    let unknown = installation.workflow_files(&repo(), &CommitSha::full(&"b".repeat(40)).unwrap()).await.unwrap_err();
    assert!(matches!(unknown, Error::NotFound(_)));
}

#[tokio::test]
async fn a_limit_is_no_reason_to_ask_rest() {
    let stub = Stub::start(|asked| {
        let body = json!({ "message": "You have exceeded a secondary rate limit" });
        (asked.path == "/graphql").then(|| answer(403, body))
    })
    .await;
    let error = stub.installation().await.workflow_files(&repo(), &sha()).await.unwrap_err();
    assert!(matches!(error, Error::RateLimited { .. }), "{error:?}");
    assert_eq!(stub.lines(), ["POST /graphql"]);
}

#[tokio::test]
async fn a_crowded_directory_is_read_in_part() {
    let stub = Stub::start(|asked| {
        let many: Vec<Value> =
            (0..130).map(|n| entry(&format!("{n:03}.yml"), "blob", blob(json!("a"), 1, json!(false), false))).collect();
        (asked.path == "/graphql").then(|| data(json!({ "c0": { "oid": SHA }, "t0": { "oid": "t", "entries": many } })))
    })
    .await;
    let files = stub.installation().await.workflow_files(&repo(), &sha()).await.unwrap();
    assert_eq!((files.files.len(), files.left_out), (FILES_MAX, 30));
    assert_eq!(files.files[99].path, ".workflows/099.yml");
}

/// A library is read with the directory that it lies in, by the id of its tree, and only where a workflow names it.
#[tokio::test]
async fn a_library_is_read_where_it_is_named() {
    let start = |text: &'static str| {
        Stub::start(move |asked| {
            (asked.path == "/graphql").then(|| match asked.body["variables"].get("e") {
                Some(oid) => {
                    assert_eq!(*oid, "oid-lib");
                    let test = entry("test.yml", "blob", blob(json!("steps: []\n"), 10, json!(false), false));
                    data(json!({ "library": { "oid": "oid-lib", "entries": [test] } }))
                }
                None => {
                    let ci = entry("ci.yml", "blob", blob(json!(text), 9, json!(false), false));
                    let tree = json!({ "oid": "tree1", "entries": [entry("lib", "tree", json!({})), ci] });
                    data(json!({ "c0": { "oid": SHA }, "t0": tree }))
                }
            })
        })
    };
    let stub = start("steps: [{ id: a, uses: ./lib/test.yml }]").await;
    let files = stub.installation().await.workflow_files(&repo(), &sha()).await.unwrap();
    let paths: Vec<_> = files.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, [".workflows/ci.yml", ".workflows/lib", ".workflows/lib/test.yml"]);
    assert_eq!(files.files[2].content, Content::Text("steps: []\n".to_owned()));
    assert_eq!(stub.lines(), ["POST /graphql", "POST /graphql"]);
    let stub = start("steps: [{ id: a, run: make }]").await;
    let files = stub.installation().await.workflow_files(&repo(), &sha()).await.unwrap();
    assert_eq!((files.files.len(), stub.lines().len()), (2, 1));
}

//! What a repository may do to a checkout: nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use axum::Router;
use axum::routing::get;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use url::Url;

use super::bench::{Bench, git, repository};
use crate::agents::{Checkout, Class, Conclusion};
use crate::ids::CommitSha;

#[tokio::test]
async fn a_dirty_repository_runs_nothing() {
    let bench = Bench::start().await;
    let canary = bench.path("canary");
    let evil = bench.path("evil");
    let touch = format!("touch '{}'; cat", canary.display());
    let sha = repository(
        &evil,
        &[
            ("file.txt", "text\n"),
            (".gitattributes", "*.txt filter=evil diff=evil merge=evil\n"),
            (".gitmodules", "[submodule \"m\"]\n\tpath = m\n\turl = ./sub\n\tupdate = !touch canary\n"),
            (".gitconfig", "[core]\n\tfsmonitor = touch canary\n"),
        ],
    );
    // A submodule in the tree, and every hook and setting that a repository can hold.
    let link = format!("160000,{sha},m");
    git(&evil, &["update-index", "--add", "--cacheinfo", &link]);
    git(&evil, &["commit", "--quiet", "--message=with a submodule"]);
    let sha = CommitSha::full(git(&evil, &["rev-parse", "HEAD"]).trim()).unwrap();
    for hook in ["post-checkout", "reference-transaction", "post-index-change", "pre-auto-gc", "fsmonitor-watchman"] {
        let path = evil.join(".git/hooks").join(hook);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{touch}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for (name, value) in [
        ("core.fsmonitor", touch.as_str()),
        ("filter.evil.smudge", &touch),
        ("filter.evil.process", &touch),
        ("uploadpack.packObjectsHook", &touch),
        ("core.sshCommand", &touch),
        ("submodule.recurse", "true"),
    ] {
        git(&evil, &["config", name, value]);
    }
    // What the repository's own settings do to the git of its owner is not measured here.
    fs::remove_file(&canary).ok();
    let mut request = bench.request("cat file.txt; ls -A m; git status --porcelain; git log -1 --format=%H");
    request.step.repo.head_sha = sha.clone();
    request.step.checkout = Some(Checkout::Git { url: evil.display().to_string(), sha: sha.clone() });
    let result = bench.run_request(&request).await;
    assert_eq!(result.conclusion, Conclusion::Success, "{result:?}");
    assert!(result.log_tail.ends_with(&format!("text\n{sha}\n")), "{}", result.log_tail);
    assert!(!canary.exists(), "something of the repository was executed");
}

#[tokio::test]
async fn a_source_without_the_commit_is_told_so() {
    let bench = Bench::start().await;
    let absent: CommitSha = "0123456789012345678901234567890123456789".parse().unwrap();
    let mut request = bench.request("true");
    request.step.repo.head_sha = absent.clone();
    let error = bench.run_request(&request).await.error.unwrap();
    assert_eq!(error.class, Class::Validation, "{error:?}");
    request = bench.request("true");
    request.step.repo.head_sha = absent.clone();
    request.step.checkout = Some(Checkout::Git { url: bench.repo().display().to_string(), sha: absent });
    let error = bench.run_request(&request).await.error.unwrap();
    assert!(error.message.starts_with("git fetch failed"), "{error:?}");
    for url in ["ext::sh -c true", "--upload-pack=touch", "ssh://host/x", "http://169.254.169.254/x", "git://h/x"] {
        let mut request = bench.request("true");
        request.step.checkout = Some(Checkout::Git { url: url.to_owned(), sha: bench.sha.clone() });
        let error = bench.run_request(&request).await.error.unwrap();
        assert_eq!(error.class, Class::Validation, "{url}: {error:?}");
    }
}

#[tokio::test]
async fn a_bundle_is_checked_and_unpacked() {
    let bench = Bench::start().await;
    let file = bench.path("commit.bundle");
    git(&bench.repo(), &["bundle", "create", "--quiet", file.to_str().unwrap(), "HEAD"]);
    let bytes = fs::read(file).unwrap();
    let sha256 = hex::encode(Sha256::digest(&bytes));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/commit.bundle", listener.local_addr().unwrap())).unwrap();
    let app = Router::new().route("/commit.bundle", get(async move || bytes));
    let engine = tokio::spawn(async { axum::serve(listener, app).await });
    let mut request = bench.request("cat hello.txt");
    request.step.checkout = Some(Checkout::Bundle { url: url.clone(), sha256 });
    let result = bench.run_request(&request).await;
    assert!(result.log_tail.ends_with("hello\n"), "{result:?}");
    let mut request = bench.request("cat hello.txt");
    request.step.checkout = Some(Checkout::Bundle { url, sha256: "00".repeat(32) });
    let error = bench.run_request(&request).await.error.unwrap();
    assert!(error.message.contains("SHA-256"), "{error:?}");
    engine.abort();
}

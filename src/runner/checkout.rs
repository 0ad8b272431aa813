//! A fresh checkout of exactly one commit, from a source that nobody trusts.
//!
//! Git obeys many things: system and user settings, templates, hooks, filters, credential helpers, submodules, helper
//! programs of transports. None of them is in reach here. The commit's own `.gitattributes` may name filters, but a
//! filter is a command of a setting, and the settings are ours.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use url::Url;

use super::jail::PATH;
use super::workspace::Workspace;
use crate::agents::{Checkout, Class, Failure, Reach, head, http_client};
use crate::ids::CommitSha;

/// How long a checkout may take.
const TIMEOUT: Duration = Duration::from_secs(600);
/// Bytes of a bundle.
const BUNDLE_BYTES_MAX: u64 = 2 << 30;
/// The login under which GitHub takes an installation's token.
const TOKEN_LOGIN: &str = "x-access-token";
/// Bytes of git's words in an error.
const WORDS_BYTES_MAX: usize = 2_000;

/// What git may never do, whatever a repository says.
const SAFE: [&str; 10] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.sshCommand=/bin/false",
    "core.askPass=/bin/false",
    "credential.helper=",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "init.defaultBranch=main",
];

/// Puts the commit's files into the workspace.
pub(super) async fn checkout(from: &Checkout, head: &CommitSha, workspace: &Workspace) -> Result<(), Failure> {
    match tokio::time::timeout(TIMEOUT, fetch_and_check_out(from, head, workspace)).await {
        Ok(done) => done,
        Err(_) => Err(transient(format!("the checkout took longer than {} s", TIMEOUT.as_secs()))),
    }
}

async fn fetch_and_check_out(from: &Checkout, head: &CommitSha, workspace: &Workspace) -> Result<(), Failure> {
    let source = workspace.source();
    let git = Git { workspace, source: &source };
    tokio::fs::create_dir_all(&source).await.map_err(|error| config(format!("the workspace: {error}")))?;
    git.run(&["init", "--quiet", "--template=", "--initial-branch=main"]).await?;
    match from {
        Checkout::Bundle { url, sha256 } => {
            let bundle = workspace.bundle();
            download(url, sha256, &bundle).await?;
            git.run(&["bundle", "unbundle", path(&bundle)?]).await?;
            tokio::fs::remove_file(&bundle).await.map_err(|error| config(format!("the workspace: {error}")))?;
        }
        Checkout::Git { url, sha } => {
            if sha != head {
                return Err(validation(format!("checkout.sha {sha} is not repo.head_sha {head}")));
            }
            let url = git_source(url)?;
            let fetch =
                ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--depth=1"];
            let words: Vec<&str> = fetch.into_iter().chain(["--", &url, sha.as_str()]).collect();
            git.run(&words).await?;
        }
    }
    let commit = format!("{head}^{{commit}}");
    let found = git.run(&["rev-parse", "--verify", "--quiet", "--end-of-options", &commit]).await;
    let missing = |_| validation(format!("the source does not hold commit {head}"));
    if found.map_err(missing)?.trim() != head.as_str() {
        return Err(validation(format!("the source does not hold commit {head}")));
    }
    git.run(&["checkout", "--quiet", "--detach", "--force", head.as_str()]).await?;
    let now = git.run(&["rev-parse", "HEAD"]).await?;
    if now.trim() == head.as_str() {
        Ok(())
    } else {
        Err(transient(format!("git checked out {now} in place of {head}")))
    }
}

/// A local path as it is; an address only of a scheme that runs no helper of anybody's choice.
fn git_source(url: &str) -> Result<String, Failure> {
    if url.starts_with('/') {
        return Ok(url.to_owned());
    }
    let parsed = Url::parse(url).map_err(|error| validation(format!("checkout.url: {error}")))?;
    match parsed.scheme() {
        "file" => Ok(url.to_owned()),
        "http" | "https" => {
            // The token of a checkout comes as its login. It goes no further than git, which does not show it.
            let mut parsed = parsed;
            if parsed.scheme() == "https" && parsed.username() == TOKEN_LOGIN {
                let stripped = parsed.set_username("").and_then(|()| parsed.set_password(None));
                stripped.map_err(|()| validation("checkout.url: takes no login".to_owned()))?;
            }
            Reach::Private.check(&parsed).map_err(|error| validation(format!("checkout.url: {error}")))?;
            Ok(url.to_owned())
        }
        other => Err(validation(format!("checkout.url: {other:.20}: only file, http and https are fetched"))),
    }
}

async fn download(url: &Url, sha256: &str, to: &Path) -> Result<(), Failure> {
    Reach::Private.check(url).map_err(|error| validation(format!("checkout.url: {error}")))?;
    let client = http_client(&Reach::Private, TIMEOUT).map_err(|error| config(error.to_string()))?;
    let lost = |error: reqwest::Error| transient(format!("the bundle: {}", error.without_url()));
    let mut response = client.get(url.clone()).send().await.map_err(lost)?;
    if !response.status().is_success() {
        return Err(transient(format!("the bundle: the engine answered {}", response.status())));
    }
    let disk = |error: std::io::Error| config(format!("the bundle cannot be kept: {error}"));
    let mut file = tokio::fs::File::create(to).await.map_err(disk)?;
    let (mut hash, mut bytes) = (Sha256::new(), 0_u64);
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        bytes += chunk.len() as u64;
        if bytes > BUNDLE_BYTES_MAX {
            return Err(Failure::new(Class::Policy, format!("the bundle has more than {BUNDLE_BYTES_MAX} bytes")));
        }
        hash.update(&chunk);
        file.write_all(&chunk).await.map_err(disk)?;
    }
    file.flush().await.map_err(disk)?;
    let found = hex::encode(hash.finalize());
    if found.eq_ignore_ascii_case(sha256) {
        Ok(())
    } else {
        Err(transient(format!("the bundle has SHA-256 {found}, not {:.64}", sha256)))
    }
}

struct Git<'a> {
    workspace: &'a Workspace,
    source: &'a Path,
}

impl Git<'_> {
    async fn run(&self, words: &[&str]) -> Result<String, Failure> {
        let mut command = Command::new("git");
        for setting in SAFE {
            command.args(["-c", setting]);
        }
        command.args(words).current_dir(self.source).stdin(Stdio::null()).process_group(0).kill_on_drop(true);
        command.env_clear().env("PATH", PATH).env("HOME", self.workspace.home()).env("LC_ALL", "C.UTF-8");
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_ATTR_NOSYSTEM", "1");
        command.env("GIT_ALLOW_PROTOCOL", "file:http:https").env("GIT_TERMINAL_PROMPT", "0");
        command.env("GIT_LFS_SKIP_SMUDGE", "1").env("GIT_CEILING_DIRECTORIES", self.workspace.root());
        let output = command.output().await.map_err(|error| config(format!("git cannot be started: {error}")))?;
        if output.status.success() {
            return String::from_utf8(output.stdout).map_err(|_| transient("git answered no text".to_owned()));
        }
        let words_of_git = String::from_utf8_lossy(&output.stderr);
        let what = words.first().copied().unwrap_or_default();
        Err(transient(format!("git {what} failed: {}", head(words_of_git.trim(), WORDS_BYTES_MAX))))
    }
}

fn path(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| config("the working directory's path is not UTF-8".to_owned()))
}

fn transient(message: String) -> Failure {
    Failure::new(Class::Transient, message)
}

fn config(message: String) -> Failure {
    Failure::new(Class::Config, message)
}

fn validation(message: String) -> Failure {
    Failure::new(Class::Validation, message)
}

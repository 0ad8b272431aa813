//! One bare repository, read and written with the `git` program.
//!
//! *Invariant:* the same acts give the same commit ids on every machine: no user or system configuration is read (but by
//! the clone of a repository of theirs), and author, committer and their times are all given.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::Error;

/// The tree that holds nothing; git knows it without being told.
const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/// A bare repository on disk.
#[derive(Debug, Clone)]
pub(crate) struct Git {
    dir: PathBuf,
}

/// One file to write: its path, content and whether it may be executed.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) content: Vec<u8>,
    pub(crate) executable: bool,
}

/// A commit to make.
#[derive(Debug)]
pub(crate) struct NewCommit<'a> {
    pub(crate) branch: &'a str,
    /// The parent: a commit, or none for the first commit of a repository.
    pub(crate) parent: Option<&'a str>,
    pub(crate) author: (&'a str, &'a str),
    /// Seconds since 1970.
    pub(crate) at: i64,
    pub(crate) message: &'a str,
    pub(crate) files: &'a [File],
    pub(crate) deleted: &'a [String],
}

/// A commit as git knows it.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub(crate) sha: String,
    pub(crate) tree: String,
    pub(crate) parents: Vec<String>,
    pub(crate) author: Signature,
    pub(crate) committer: Signature,
    pub(crate) message: String,
}

/// Who made a commit, and when.
#[derive(Debug, Clone)]
pub(crate) struct Signature {
    pub(crate) name: String,
    pub(crate) email: String,
    /// RFC 3339.
    pub(crate) at: String,
}

/// One entry of a tree.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) mode: String,
    /// `blob`, `tree` or `commit` (a submodule).
    pub(crate) kind: String,
    pub(crate) sha: String,
    /// Bytes, for blobs only.
    pub(crate) size: Option<u64>,
    pub(crate) path: String,
}

/// One changed file between two commits.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) path: String,
    pub(crate) previous: Option<String>,
    /// GitHub's word: `added`, `removed`, `modified`, `renamed`, `copied`, `changed`.
    pub(crate) status: &'static str,
    pub(crate) sha: String,
    pub(crate) additions: u64,
    pub(crate) deletions: u64,
}

fn command() -> Command {
    let mut command = Command::new("git");
    for inherited in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"] {
        command.env_remove(inherited);
    }
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0");
    command.env("LC_ALL", "C").stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn finish(mut command: Command, words: &[&str], input: Option<Vec<u8>>) -> Result<Vec<u8>, Error> {
    let failed = |said: String| Error::Git { command: words.join(" "), said };
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::NoGit,
        _ => failed(format!("cannot start it: {error}")),
    })?;
    // A thread of its own feeds the input: git may answer before it has read everything.
    let feeder =
        child.stdin.take().zip(input).map(|(mut pipe, input)| std::thread::spawn(move || pipe.write_all(&input)));
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    let fed = feeder.is_none_or(|feeder| feeder.join().is_ok_and(|written| written.is_ok()));
    if output.status.success() && fed {
        return Ok(output.stdout);
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

impl Git {
    /// Makes an empty repository whose HEAD is `default_branch`.
    pub(crate) fn init(dir: PathBuf, default_branch: &str) -> Result<Self, Error> {
        let place = dir.display().to_string();
        let words = ["init", "--quiet", "--bare", "--template=", "--initial-branch", default_branch, &place];
        let mut init = command();
        init.args(words);
        finish(init, &words, None)?;
        Ok(Self { dir })
    }

    /// Copies a repository of this machine, its branches and tags. The source is only read.
    pub(crate) fn clone_of(source: &Path, dir: PathBuf) -> Result<Self, Error> {
        let (from, to) = (source.display().to_string(), dir.display().to_string());
        let words = ["clone", "--quiet", "--bare", "--template=", "--no-hardlinks", "--", &from, &to];
        let mut clone = command();
        // The one place for the user's own settings: `safe.directory` says whose repositories may be read.
        clone.env_remove("GIT_CONFIG_GLOBAL").env_remove("GIT_CONFIG_NOSYSTEM");
        clone.args(words);
        finish(clone, &words, None)?;
        Ok(Self { dir })
    }

    /// Where it lies.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    fn bytes(&self, words: &[&str], input: Option<Vec<u8>>) -> Result<Vec<u8>, Error> {
        let mut git = command();
        git.arg("--git-dir").arg(&self.dir).args(words);
        finish(git, words, input)
    }

    pub(crate) fn run(&self, words: &[&str]) -> Result<String, Error> {
        Ok(String::from_utf8_lossy(&self.bytes(words, None)?).into_owned())
    }

    /// The object that a revision names, or none.
    pub(crate) fn resolve(&self, revision: &str) -> Option<String> {
        if revision.contains(['\n', '\0']) {
            return None;
        }
        let found = self.run(&["rev-parse", "--verify", "--quiet", "--end-of-options", revision]).ok()?;
        let sha = found.trim().to_owned();
        // rev-parse echoes any 40 digits: ask whether the object exists.
        self.kind(&sha).map(|_| sha)
    }

    /// The commit that a branch, tag or commit id names, or none.
    pub(crate) fn commit_of(&self, reference: &str) -> Option<String> {
        self.resolve(&format!("{reference}^{{commit}}"))
    }

    /// `commit`, `tree`, `blob` or `tag`, or none if there is no such object.
    pub(crate) fn kind(&self, sha: &str) -> Option<String> {
        if sha.is_empty() || !sha.chars().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        self.run(&["cat-file", "-t", sha]).ok().map(|kind| kind.trim().to_owned())
    }

    pub(crate) fn set_ref(&self, name: &str, sha: &str) -> Result<(), Error> {
        self.run(&["update-ref", name, sha]).map(drop)
    }

    pub(crate) fn delete_ref(&self, name: &str) -> Result<(), Error> {
        self.run(&["update-ref", "-d", name]).map(drop)
    }

    /// Takes over the objects of a commit from another repository, as GitHub's forks share theirs.
    pub(crate) fn fetch(&self, from: &Self, sha: &str, into: &str) -> Result<(), Error> {
        let source = from.dir.display().to_string();
        self.run(&["fetch", "--quiet", "--no-tags", &source, &format!("+{sha}:{into}")]).map(drop)
    }

    /// Makes a commit on a branch and returns its id.
    pub(crate) fn commit(&self, new: &NewCommit<'_>) -> Result<String, Error> {
        let mut script = Vec::new();
        let (name, email) = new.author;
        script.extend(format!("commit refs/heads/{}\n", new.branch).bytes());
        for role in ["author", "committer"] {
            script.extend(format!("{role} {name} <{email}> {} +0000\n", new.at).bytes());
        }
        script.extend(format!("data {}\n{}\n", new.message.len(), new.message).bytes());
        if let Some(parent) = new.parent {
            script.extend(format!("from {parent}\n").bytes());
        }
        for path in new.deleted {
            script.extend(format!("D {path}\n").bytes());
        }
        for file in new.files {
            let mode = if file.executable { "100755" } else { "100644" };
            script.extend(format!("M {mode} inline {}\ndata {}\n", file.path, file.content.len()).bytes());
            script.extend(&file.content);
            script.push(b'\n');
        }
        self.bytes(&["fast-import", "--quiet", "--force"], Some(script))?;
        self.commit_of(&format!("refs/heads/{}", new.branch)).ok_or_else(|| Error::missing("branch", new.branch))
    }

    /// Merges two commits into a commit with the given identity, without touching any ref.
    pub(crate) fn merge(&self, base: &str, head: &str, new: &NewCommit<'_>) -> Result<String, Error> {
        let tree = self.run(&["merge-tree", "--write-tree", base, head])?;
        let words = ["commit-tree", tree.trim(), "-p", base, "-p", head, "-m", new.message];
        let mut git = command();
        let date = format!("{} +0000", new.at);
        for role in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{role}_NAME"), new.author.0).env(format!("GIT_{role}_EMAIL"), new.author.1);
            git.env(format!("GIT_{role}_DATE"), &date);
        }
        git.arg("--git-dir").arg(&self.dir).args(words);
        Ok(String::from_utf8_lossy(&finish(git, &words, None)?).trim().to_owned())
    }

    /// The entries of a tree (or of a commit's tree), in git's order.
    pub(crate) fn tree(&self, tree: &str, recursive: bool) -> Result<Vec<Entry>, Error> {
        let mut words = vec!["ls-tree", "-z", "-l"];
        if recursive {
            words.extend(["-r", "-t"]);
        }
        words.push(tree);
        let listed = self.run(&words)?;
        let entry = |line: &str| {
            let (facts, path) = line.split_once('\t')?;
            let mut facts = facts.split_whitespace().map(str::to_owned);
            let (mode, kind, sha) = (facts.next()?, facts.next()?, facts.next()?);
            Some(Entry { mode, kind, sha, size: facts.next()?.parse().ok(), path: path.to_owned() })
        };
        Ok(listed.split('\0').filter_map(entry).collect())
    }

    /// The contents of many blobs with one program started; what is missing is left out.
    pub(crate) fn blobs(&self, shas: &[String]) -> Result<BTreeMap<String, Vec<u8>>, Error> {
        let mut found = BTreeMap::new();
        if shas.is_empty() {
            return Ok(found);
        }
        let output = self.bytes(&["cat-file", "--batch"], Some(format!("{}\n", shas.join("\n")).into_bytes()))?;
        let mut rest = output.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let header = String::from_utf8_lossy(&rest[..end]).into_owned();
            rest = &rest[end + 1..];
            let mut words = header.split(' ');
            let (Some(sha), Some(_), Some(size)) = (words.next(), words.next(), words.next()) else { continue };
            let Some(content) = size.parse().ok().and_then(|size: usize| rest.get(..size)) else { break };
            found.insert(sha.to_owned(), content.to_vec());
            rest = rest.get(content.len() + 1..).unwrap_or_default();
        }
        Ok(found)
    }

    /// Commits from newest to oldest: `git log` of a range or a single revision.
    pub(crate) fn log(&self, range: &str, max: usize) -> Result<Vec<Commit>, Error> {
        let format = "--format=%H%x1f%T%x1f%P%x1f%an%x1f%ae%x1f%aI%x1f%cn%x1f%ce%x1f%cI%x1f%B";
        let out = self.run(&["log", "-z", &format!("--max-count={max}"), format, "--end-of-options", range, "--"])?;
        let commit = |record: &str| {
            let mut parts = record.split('\x1f').map(str::to_owned);
            let (sha, tree, parents) = (parts.next()?, parts.next()?, parts.next()?);
            let mut signature =
                || Some(Signature { name: parts.next()?, email: parts.next()?, at: zulu(parts.next()?) });
            let (author, committer) = (signature()?, signature()?);
            let message = parts.next()?.trim_end().to_owned();
            let parents = parents.split_whitespace().map(str::to_owned).collect();
            Some(Commit { sha, tree, parents, author, committer, message })
        };
        Ok(out.split('\0').filter_map(commit).collect())
    }

    pub(crate) fn merge_base(&self, one: &str, other: &str) -> Option<String> {
        self.run(&["merge-base", one, other]).ok().map(|sha| sha.trim().to_owned())
    }

    /// How many commits `range` has.
    pub(crate) fn count(&self, range: &str) -> u64 {
        self.run(&["rev-list", "--count", "--end-of-options", range, "--"])
            .ok()
            .and_then(|count| count.trim().parse().ok())
            .unwrap_or(0)
    }

    /// What changed between two commits; without `base`, against nothing.
    pub(crate) fn diff(&self, base: Option<&str>, head: &str) -> Result<Vec<Change>, Error> {
        let base = base.unwrap_or(EMPTY_TREE);
        let raw = self.run(&["diff", "--raw", "--numstat", "--no-abbrev", "-z", "-M", base, head, "--"])?;
        let mut parts = raw.split('\0').filter(|part| !part.is_empty());
        let (mut changes, mut counted) = (Vec::new(), 0);
        while let Some(part) = parts.next() {
            if let Some(facts) = part.strip_prefix(':') {
                changes.extend(raw_change(facts, &mut parts));
                continue;
            }
            let mut columns = part.split('\t');
            let mut number = || columns.next().and_then(|text| text.parse().ok()).unwrap_or(0);
            let (additions, deletions) = (number(), number());
            if columns.next().is_some_and(str::is_empty) {
                // A rename: the two paths follow in parts of their own.
                parts.nth(1);
            }
            if let Some(Change { additions: plus, deletions: minus, .. }) = changes.get_mut(counted) {
                (*plus, *minus) = (additions, deletions);
            }
            counted += 1;
        }
        Ok(changes)
    }
}

fn raw_change<'a>(facts: &str, parts: &mut impl Iterator<Item = &'a str>) -> Option<Change> {
    let mut facts = facts.split(' ');
    let (_, _, old, new, letter) = (facts.next()?, facts.next()?, facts.next()?, facts.next()?, facts.next()?);
    let first = parts.next()?.to_owned();
    let (status, moved) = match letter.as_bytes().first()? {
        b'A' => ("added", false),
        b'D' => ("removed", false),
        b'R' => ("renamed", true),
        b'C' => ("copied", true),
        b'T' => ("changed", false),
        _ => ("modified", false),
    };
    let sha = if status == "removed" { old } else { new }.to_owned();
    let (path, previous) = if moved { (parts.next()?.to_owned(), Some(first)) } else { (first, None) };
    Some(Change { path, previous, status, sha, additions: 0, deletions: 0 })
}

/// GitHub writes UTC as `Z`; git writes `+00:00`.
fn zulu(at: String) -> String {
    at.strip_suffix("+00:00").map_or(at.clone(), |bare| format!("{bare}Z"))
}

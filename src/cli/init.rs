//! `pointsman init`: a first workflow, fitting what lies in the repository.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::Failure;
use crate::workflow::schema;
use crate::workflow::starter::{Starter, Top, starter};

/// Where it is written; the name of the file is the name of the workflow, and of its check.
const FILE: &str = ".workflows/ci.yml";
/// What editors check and complete workflows with. It lies beside them: so it needs no network, and is of this release.
const SCHEMA: &str = "workflow.schema.json";
/// Files and folders at the top of a repository that are looked at.
const NAMES_MAX: usize = 10_000;
/// What is read of a file that says how the repository is built.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;

/// Write a first workflow that fits the repository, .workflows/ci.yml.
///
/// It looks for Cargo.toml, package.json, pyproject.toml, go.mod and their kin, and writes what people of each language
/// run by hand before they push.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// The repository.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Replace the file if it is there already.
    #[arg(long)]
    force: bool,
    /// Print the workflow, and write nothing.
    #[arg(long, conflicts_with = "force")]
    print: bool,
}

impl Init {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let made = made(&self.folder)?;
        let mut out = io::stdout().lock();
        if self.print {
            return Ok(out.write_all(made.text.as_bytes())?);
        }
        let path = self.folder.join(FILE);
        write(&path, &format!("# yaml-language-server: $schema=./{SCHEMA}\n{}", made.text), self.force)?;
        // Nobody writes it by hand: one that is there is of another release at most.
        write(&path.with_file_name(SCHEMA), &schema::workflow(), true)?;
        Ok(out.write_all(said(&path, &made).as_bytes())?)
    }
}

fn made(folder: &Path) -> anyhow::Result<Starter> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot look into {}", folder.display()))?;
    let names = entries.flatten().take(NAMES_MAX).filter_map(|entry| entry.file_name().into_string().ok());
    let names: BTreeSet<String> = names.collect();
    let read = |name: &str| text(&folder.join(name));
    Ok(starter(&Top { names: &names, read: &read, branch: &branch(folder) }))
}

fn text(path: &Path) -> Option<String> {
    let mut text = String::new();
    fs::File::open(path).ok()?.take(MANIFEST_BYTES_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The branch that the repository calls its default: what its origin says, or what is usual.
fn branch(folder: &Path) -> String {
    let origin = text(&folder.join(".git/refs/remotes/origin/HEAD"));
    let named = origin.and_then(|head| head.trim().strip_prefix("ref: refs/remotes/origin/").map(str::to_owned));
    let master = folder.join(".git/refs/heads/master").exists() && !folder.join(".git/refs/heads/main").exists();
    named.unwrap_or_else(|| if master { "master" } else { "main" }.to_owned())
}

fn write(path: &Path, text: &str, force: bool) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut options = fs::OpenOptions::new();
    // Without --force the system itself refuses, so that nothing slips in between a look and the write.
    options.write(true).create_new(!force).create(force).truncate(force);
    let file = options.open(path);
    if file.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists) {
        let shown = path.display();
        anyhow::bail!(
            "{shown} is there already, and was left alone; --force replaces it, --print shows what would be written"
        );
    }
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn said(path: &Path, made: &Starter) -> String {
    let found = match made.found.as_slice() {
        [] => "nothing here says how it is built, so it holds a place to begin".to_owned(),
        found => format!("for {}", found.join(", ")),
    };
    let next = "  pointsman validate     whether it is right\n  pointsman plan ci      what it does, and how long it may take\n  pointsman run ci       does it here, on the working tree\n";
    format!(
        "wrote {}: {found}\nwrote {}: for editors\n\nnext:\n{next}\nThen commit it: it counts as soon as it is on the default branch.\n",
        path.display(),
        path.with_file_name(SCHEMA).display()
    )
}

#[cfg(test)]
mod tests;

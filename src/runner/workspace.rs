//! The directory of one task: made empty, removed whole, whatever the command left in it.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The directory of one task.
#[derive(Debug, Clone)]
pub(super) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// Makes it, empty and for us alone.
    pub(super) fn create(root: PathBuf) -> io::Result<Self> {
        remove(&root)?;
        let workspace = Self { root };
        let mut builder = DirBuilder::new();
        builder.mode(0o700).recursive(true);
        for path in [workspace.home(), workspace.tmp()] {
            builder.create(path)?;
        }
        Ok(workspace)
    }

    /// The whole of it.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The files of the commit.
    pub(super) fn source(&self) -> PathBuf {
        self.root.join("source")
    }

    /// `HOME` of the command.
    pub(super) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// `TMPDIR` of the command.
    pub(super) fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// `POINTSMAN_OUTPUT` of the command.
    pub(super) fn output(&self) -> PathBuf {
        self.root.join("output")
    }

    /// `POINTSMAN_REQUEST` of a command that the workflow did not write.
    pub(super) fn request(&self) -> PathBuf {
        self.root.join("request.json")
    }

    /// Where a bundle is put while it is unpacked.
    pub(super) fn bundle(&self) -> PathBuf {
        self.root.join("bundle")
    }

    /// Removes it, read-only directories included: module caches love them.
    pub(super) fn remove(&self) -> io::Result<()> {
        remove(&self.root)
    }
}

/// Removes a directory with all in it; fine if there is none.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            make_writable(path);
            fs::remove_dir_all(path)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Opens every directory below for us. A stack of its own: a command can nest deeper than ours goes.
fn make_writable(path: &Path) {
    let mut waiting = vec![path.to_owned()];
    while let Some(path) = waiting.pop() {
        // What cannot be opened is told by the removal that follows.
        if fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).is_err() {
            continue;
        }
        let Ok(entries) = fs::read_dir(&path) else { continue };
        let directories = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        waiting.extend(directories.map(|entry| entry.path()));
    }
}

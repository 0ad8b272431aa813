//! The journal: one line of JSON for each change of a task, synced to disk before anybody is told of it.
//!
//! A file in place of a database: a runner has few tasks, each changes three times, and the last line of a task is
//! the whole of it. A line that `kill -9` cut short was never answered for, so it is dropped.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::options::Error;
use crate::agents::a2a::{PushConfig, TaskSnapshot};

/// A journal longer than this is written anew, with the last line of each task.
const BYTES_MAX: u64 = 64 << 20;

/// A task as the journal keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    /// The task as callers see it.
    pub(super) task: TaskSnapshot,
    /// The message that made it.
    pub(super) message_id: String,
    /// Who wants to hear of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) push: Option<PushConfig>,
}

/// The file, open for appending, and the lock that makes it ours.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines.
    bytes: u64,
    /// Half a line may stand behind them: whatever followed would be glued to it, and lost.
    torn: bool,
    _lock: File,
}

impl Journal {
    /// Opens the journal of a working directory and reads it: the tasks in the order of their last change.
    pub(super) fn open(workdir: &Path) -> Result<(Self, Vec<Record>), Error> {
        let wrong = |source| Error::Workdir { path: workdir.to_owned(), source };
        fs::create_dir_all(workdir).map_err(wrong)?;
        let lock = private().write(true).open(workdir.join("lock")).map_err(wrong)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::InUse(workdir.to_owned())),
            Err(TryLockError::Error(source)) => return Err(wrong(source)),
        }
        let path = workdir.join("journal.jsonl");
        let records = read(&path).map_err(wrong)?;
        let (file, bytes) = rewrite(&path, records.iter()).map_err(wrong)?;
        Ok((Self { path, file, bytes, torn: false, _lock: lock }, records))
    }

    /// Appends a line and syncs it. One that a full disk cut short is taken back; where even that fails, nothing more is
    /// appended until the journal is written anew.
    pub(super) fn append(&mut self, record: &Record) -> io::Result<()> {
        let line = line(record)?;
        if self.torn {
            return Err(io::Error::other("the end of the journal is torn; mend the disk and start the runner again"));
        }
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => self.bytes += line.len() as u64,
            Err(_) => self.torn = self.file.set_len(self.bytes).is_err(),
        }
        written
    }

    /// Whether it should be written anew.
    pub(super) fn is_long(&self) -> bool {
        self.bytes > BYTES_MAX
    }

    /// Writes it anew with these tasks only.
    pub(super) fn compact<'a>(&mut self, records: impl Iterator<Item = &'a Record>) -> io::Result<()> {
        (self.file, self.bytes) = rewrite(&self.path, records)?;
        self.torn = false;
        Ok(())
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).mode(0o600);
    options
}

fn line(record: &Record) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    Ok(line)
}

fn read(path: &Path) -> io::Result<Vec<Record>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut records: BTreeMap<String, (usize, Record)> = BTreeMap::new();
    for (number, line) in BufReader::new(file).split(b'\n').enumerate() {
        match serde_json::from_slice::<Record>(&line?) {
            Ok(record) => {
                records.insert(record.task.id.clone(), (number, record));
            }
            Err(error) => tracing::warn!(line = number + 1, %error, "a line of the journal is not readable; dropped"),
        }
    }
    let mut records: Vec<(usize, Record)> = records.into_values().collect();
    records.sort_by_key(|(number, _)| *number);
    Ok(records.into_iter().map(|(_, record)| record).collect())
}

/// Writes a new file beside the old one and puts it in its place, so that a crash leaves one or the other.
fn rewrite<'a>(path: &Path, records: impl Iterator<Item = &'a Record>) -> io::Result<(File, u64)> {
    let beside = path.with_extension("new");
    let mut file = private().append(true).open(&beside)?;
    file.set_len(0)?;
    let mut bytes = 0;
    for record in records {
        let line = line(record)?;
        file.write_all(&line)?;
        bytes += line.len() as u64;
    }
    file.sync_all()?;
    fs::rename(&beside, path)?;
    if let Some(parent) = path.parent() {
        File::open(parent)?.sync_all()?;
    }
    Ok((file, bytes))
}

#[cfg(test)]
mod tests;

//! What the journal holds after a disk failed.

use super::*;

fn record(id: &str) -> Record {
    let task = TaskSnapshot { id: id.to_owned(), ..TaskSnapshot::default() };
    Record { task, message_id: format!("{id}.m1"), push: None }
}

fn reopened(workdir: &Path) -> Vec<String> {
    let (_, records) = Journal::open(workdir).unwrap();
    records.into_iter().map(|record| record.task.id).collect()
}

#[test]
fn nothing_is_glued_to_half_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(dir.path()).unwrap();
    journal.append(&record("a")).unwrap();
    // The disk is full in the middle of a line, and cannot even be cut: a device that takes nothing and has no length.
    let full = File::options().append(true).open("/dev/full").unwrap();
    let mut file = std::mem::replace(&mut journal.file, full);
    file.write_all(b"{\"task\":{\"id\":\"b").unwrap();
    assert_eq!(journal.append(&record("b")).unwrap_err().kind(), io::ErrorKind::StorageFull);
    journal.file = file;
    journal.append(&record("c")).unwrap_err();
    journal.compact([&record("a")].into_iter()).unwrap();
    journal.append(&record("d")).unwrap();
    drop(journal);
    assert_eq!(reopened(dir.path()), ["a", "d"]);
}

#[test]
fn a_line_that_failed_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(dir.path()).unwrap();
    journal.append(&record("a")).unwrap();
    // A hole up to four bytes below the largest size of a file: there a line is cut short.
    let largest = (0..63).rev().fold(0, |len, bit| match journal.file.set_len(len | 1 << bit) {
        Ok(()) => len | 1 << bit,
        Err(_) => len,
    });
    journal.file.set_len(largest - 4).unwrap();
    assert_eq!(journal.append(&record("b")).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    assert_eq!(journal.file.metadata().unwrap().len(), journal.bytes);
    journal.append(&record("c")).unwrap();
    drop(journal);
    assert_eq!(reopened(dir.path()), ["a", "c"]);
}

//! What stands on a page, beside what a browser gets (`http/tests/pages.rs`).

use std::fmt::Write as _;

use super::model::JournalRow;
use super::*;
use crate::report::demo::{CI, Drive, START};
use crate::report::layout::STEPS_MAX;

fn page(drive: &Drive) -> Page {
    let row = |(seq, (at, row)): (u64, &(crate::time::Timestamp, crate::engine::encode::Row))| JournalRow {
        seq,
        at: *at,
        actor: String::new(),
        row: Ok(row.clone()),
    };
    let journal: Vec<JournalRow> = (1..).zip(&drive.journal).map(row).collect();
    let birth = drive.state.birth.clone().unwrap();
    Page::new(&drive.view(), &birth, &journal, ("https://github.example", START))
}

#[test]
fn the_graph_says_where_each_step_stands() {
    let mut drive = Drive::new("ci", CI);
    drive.done("build", 2).done("lint", 1).after(3);
    let picture = page(&drive).picture.unwrap();
    let boxes: Vec<String> = picture.boxes.iter().map(|b| format!("{} {} {}", b.key, b.look.class, b.state)).collect();
    assert_eq!(
        boxes,
        ["build good done · 2 s", "lint good done · 1 s", "test runs running · 4 s", "report waits waiting"]
    );
    let lines: Vec<&str> = picture.lines.iter().map(|line| line.class).collect();
    assert_eq!(lines, ["lit", "lit moving", "lit", "dim"]);
}

#[test]
fn a_large_graph_is_a_table_alone() {
    let mut yaml = "name: Large\non: push\nsteps:\n".to_owned();
    for n in 0..STEPS_MAX {
        let _ = writeln!(yaml, "  - {{ id: s{n}, run: make }}");
    }
    assert!(page(&Drive::new("large", &yaml)).picture.is_some());
    yaml.push_str("  - { id: last, run: make }\n");
    let page = page(&Drive::new("large", &yaml));
    assert!(page.picture.is_none());
    assert_eq!(page.steps.len(), STEPS_MAX + 1);
}

#[test]
fn a_row_that_cannot_be_read_is_told() {
    let drive = Drive::new("ci", CI);
    let birth = drive.state.birth.clone().unwrap();
    let row = JournalRow { seq: 9, at: START, actor: String::new(), row: crate::engine::encode::read_row(&[9]) };
    let page = Page::new(&drive.view(), &birth, &[row], ("https://github.example", START));
    assert_eq!(page.events[0].words, "Row 9 written in format 9 by a later release; this one reads format 1");
    assert_eq!(page.events_left_out, 8);
}

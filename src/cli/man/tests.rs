use clap::CommandFactory as _;

use super::*;
use crate::cli::Cli;

#[test]
fn every_command_has_a_page_with_all_that_its_help_says() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("man1");
    write(Cli::command(), &inner).unwrap();
    let page = |name: &str| fs::read_to_string(inner.join(format!("{name}.1"))).unwrap();
    let commands = Cli::command();
    let mut pages = 1;
    for command in commands.get_subcommands() {
        let page = page(&format!("pointsman-{}", command.get_name()));
        for long in command.get_arguments().filter_map(clap::Arg::get_long) {
            // A dash of its own kind stands in the source of a page.
            assert!(page.contains(&format!("\\-\\-{}", long.replace('-', "\\-"))), "{}: --{long}", command.get_name());
        }
        assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{page}");
        pages += 1;
    }
    // What `serve --help` lists, its page lists.
    assert!(page("pointsman-serve").contains("GITHUB_WEBHOOK_SECRET"));
    assert!(page("pointsman").contains("pointsman\\-validate(1)"));
    assert_eq!(fs::read_dir(&inner).unwrap().count(), pages, "a page of no command");
}

#[test]
fn a_folder_that_cannot_be_is_told() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let below = file.path().join("man1");
    let error = write(Cli::command(), &below).unwrap_err().to_string();
    assert_eq!(error, format!("cannot make {}", below.display()));
}

//! A comment on a pull request. What is a command in it stands on a line of its own and is ASCII.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman::command::{COMMANDS_MAX, parse};

fuzz_target!(|text: &str| {
    for bare in [false, true] {
        let given = parse(text, bare);
        assert!(given.len() <= COMMANDS_MAX + 1, "{} commands", given.len());
        if !text.contains('/') {
            assert!(given.is_empty(), "no command has no slash: {given:?}");
        }
    }
});

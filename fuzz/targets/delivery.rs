//! A webhook whose signature was right: the envelope that decides where it is stored, then its meaning.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman::inbound::envelope::Envelope;
use pointsman::inbound::parse;

const GUID: &str = "01234567-89ab-cdef-0123-456789abcdef";
const EVENTS: [&str; 8] = [
    "pull_request", "push", "issue_comment", "check_run", "check_suite", "merge_group", "installation", "repository",
];

fuzz_target!(|input: &[u8]| {
    let Some((which, body)) = input.split_first() else { return };
    let event = EVENTS[usize::from(*which) % EVENTS.len()];
    let taken = Envelope::read(event, GUID, body);
    let json = serde_json::from_slice::<serde_json::Value>(body);
    assert!(taken.is_err() || json.is_ok(), "what is taken is JSON for every parser: {taken:?}");
    if taken.is_ok() {
        _ = parse(event, body);
    }
});

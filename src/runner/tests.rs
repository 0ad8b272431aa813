//! The runner as a caller meets it: over loopback, through the real client, with real git and real processes.

mod bench;
mod checkouts;
mod commands;
mod parts;
mod serving;

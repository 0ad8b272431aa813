//! Everything that is tested from outside, in one binary: it links once.

#![allow(unreachable_pub, reason = "nothing outside reaches a test binary")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod attempts;
#[cfg(debug_assertions)]
mod crash;
mod dev;
mod files;
mod fleet;
mod gates;
mod nemesis;
mod payloads;
mod reconcile;
mod service;
mod shell;
mod stub;
mod talk;
mod tidy;
mod wire;

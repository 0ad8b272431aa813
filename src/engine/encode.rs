//! The encoding of what lives as long as the rows: CBOR with numbered fields behind a version byte.
//!
//! Variants and fields are added, never altered or reused, so release N reads what N+1 writes unless it uses
//! something new; then the bytes cannot be read, and the run is left alone until the newer release is back.
//!
//! *Invariant:* the golden bytes of every released version stay readable; a test holds them.

use std::convert::Infallible;

use minicbor::{CborLen, Decode, Encode};

use super::change::Change;
use super::event::Event;
use super::state::RunData;

/// The version byte of this release.
const VERSION: u8 = 1;

/// Bytes that cannot be read: of a later release, or damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// No byte at all.
    #[error("nothing stands there")]
    Empty,
    /// A version that this release does not know.
    #[error("written in format {0} by a later release; this one reads format {VERSION}")]
    Version(u8),
    /// It does not decode.
    #[error("cannot be read: {0}")]
    Damaged(String),
}

/// A journal row's body: the event and what it changed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Row {
    /// What happened.
    #[n(0)]
    pub event: Event,
    /// What it changed.
    #[n(1)]
    pub changes: Vec<Change>,
}

/// Encodes a journal row's body.
#[must_use]
pub fn row(row: &Row) -> Vec<u8> {
    encode(row)
}

/// Encodes a checkpoint.
#[must_use]
pub fn checkpoint(data: &RunData) -> Vec<u8> {
    encode(data)
}

/// Decodes a journal row's body.
///
/// # Errors
/// When the bytes are of a later release, or damaged.
pub fn read_row(bytes: &[u8]) -> Result<Row, Unreadable> {
    decode(bytes)
}

/// Decodes a checkpoint.
///
/// # Errors
/// When the bytes are of a later release, or damaged. A checkpoint never decides: skip it and fold the journal.
pub fn read_checkpoint(bytes: &[u8]) -> Result<RunData, Unreadable> {
    decode(bytes)
}

fn encode<T: Encode<()> + CborLen<()>>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(minicbor::len(value) + 1);
    bytes.push(VERSION);
    let written: Result<(), minicbor::encode::Error<Infallible>> = minicbor::encode(value, &mut bytes);
    debug_assert!(written.is_ok(), "a vector takes every byte, and no encoder of ours fails");
    bytes
}

fn decode<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, Unreadable> {
    match bytes {
        [] => Err(Unreadable::Empty),
        [VERSION, body @ ..] => minicbor::decode(body).map_err(|error| Unreadable::Damaged(error.to_string())),
        [version, ..] => Err(Unreadable::Version(*version)),
    }
}

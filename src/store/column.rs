//! From columns to our types. A value that does not fit was not written by us: the row is unreadable, never guessed.

use std::str::FromStr;

use uuid::Uuid;

use super::Error;
use crate::ids::{InstallationId, RunId};
use crate::time::Timestamp;

/// A keyed hash, an id or a link of 16 bytes.
pub(super) fn bytes16(bytes: Vec<u8>) -> Result<[u8; 16], Error> {
    bytes.try_into().map_err(|_| unreadable("is not 16 bytes long"))
}

/// A hash of 32 bytes.
pub(super) fn bytes32(bytes: Vec<u8>) -> Result<[u8; 32], Error> {
    bytes.try_into().map_err(|_| unreadable("is not 32 bytes long"))
}

/// A uuid.
pub(super) fn uuid(bytes: Vec<u8>) -> Result<Uuid, Error> {
    Ok(Uuid::from_bytes(bytes16(bytes)?))
}

/// A run.
pub(super) fn run(installation: i64, id: Vec<u8>) -> Result<RunId, Error> {
    Ok(RunId { installation: InstallationId(installation), uuid: uuid(id)? })
}

/// A name.
pub(super) fn parse<T: FromStr>(text: &str) -> Result<T, Error> {
    text.parse().map_err(|_| unreadable("is not a name of its kind"))
}

/// A count, a version, a sequence number: the database has signed numbers only.
pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A small number.
pub(super) fn number(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(0)
}

/// A count on its way into the database.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A moment that may be absent.
pub(super) fn moment(value: Option<i64>) -> Option<Timestamp> {
    value.map(Timestamp)
}

fn unreadable(why: &'static str) -> Error {
    Error::Unreadable { what: "a column".to_owned(), why }
}

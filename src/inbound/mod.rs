//! What GitHub sends: who signed it, where it belongs, and what it says in our words.
//!
//! A delivery is read three times, each time a little more is believed: [`verify`] looks at bytes only, [`envelope`]
//! finds the few fields that the inbox needs before it stores the body, and [`parse`] turns a stored body into an
//! [`Event`]. The webhook handler stops after the second.
//!
//! *Invariant:* nothing is parsed before its signature holds.
//! *Invariant:* what only looks like JSON is refused at the door; a shape that does not fit its event is stored first
//! and rejected later, because a refused delivery would be asked for again and again.

pub mod envelope;
pub mod event;
mod meaning;
mod parse;
mod payload;
pub mod skip;
pub mod verify;

pub use envelope::Envelope;
pub use event::Event;
pub use parse::{Unfit, parse};

#[cfg(test)]
mod tests;

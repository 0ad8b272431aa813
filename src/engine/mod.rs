//! The engine: one run as a pure state machine. [`apply`] decides, [`evolve`] assigns.
//!
//! An event comes in with its time and a bit of chance; changes and effects go out. The journal keeps event and
//! changes; loading a run folds the changes, so no rule runs twice and recovery is nothing special.
//!
//! *Invariant:* no clock, no I/O, no async, no randomness.
//! *Invariant:* `fold(evolve, changes) == state`, after every event.
//! *Invariant:* a held run starts nothing; a superseded run never wakes.
#![deny(clippy::wildcard_enum_match_arm)]

pub mod change;
pub mod effect;
pub mod encode;
pub mod event;
pub mod gate;
mod index;
pub mod state;
pub mod step;

mod evolve;

mod apply;
mod attempts;
mod retry;
mod round;
mod schedule;
mod scope;
mod seats;
mod timer;

pub mod view;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod script;

pub use apply::{Ctx, Rejected, Transition, apply, phase_in_words};
pub use change::Change;
pub use effect::{Effect, Notice};
pub use event::Event;
pub use evolve::evolve;
pub use index::Counts;
pub use schedule::agent_of;
pub use scope::{StepScope, status_word};
pub use state::RunState;
pub use timer::{Timer, next_timer};
pub use view::RunView;

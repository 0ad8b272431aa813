//! The loops: each compares what is with what should be and does the difference, over and over.
//!
//! They look alike: [`driver`] gives each its period, its wake, its back-off and its status, and a loop is one function
//! that does a bounded piece of work and says when it wants to be called again.
//!
//! *Invariant:* a loop may be killed between any two lines; the next one, here or on another replica, goes on.

pub mod admit;
pub mod advance;
mod answer;
pub mod beat;
pub mod deliver;
pub mod dispatch;
pub mod driver;
mod ending;
mod facts;
pub mod health;
mod installs;
pub mod intake;
pub mod live;
mod look;
pub mod measure;
mod obey;
mod page;
mod place;
pub mod prune;
pub mod reconcile;
pub mod redeliver;
mod request;
pub mod rows;
pub mod runs;
pub mod send;
pub mod source;
mod status;
pub mod sweep;
pub(crate) mod tickets;
pub mod watch;
pub mod writer;

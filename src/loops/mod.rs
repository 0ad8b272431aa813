//! The loops: each compares what is with what should be and does the difference, over and over.
//!
//! They look alike: [`driver`] gives each its period, its wake, its back-off and its status, and a loop is one function
//! that does a bounded piece of work and says when it wants to be called again.
//!
//! *Invariant:* a loop may be killed between any two lines; the next one, here or on another replica, goes on.

pub mod deliver;
pub mod driver;
mod facts;
pub mod intake;
mod obey;
pub mod reconcile;
pub mod redeliver;
pub mod rows;
pub mod runs;
mod status;
pub mod writer;

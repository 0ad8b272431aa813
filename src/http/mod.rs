//! The HTTP server: the door for GitHub, the door for agents, and what people and machines may look at.
//!
//! [`router`] is the one table of addresses. Each handler gets a narrow struct with what it uses and nothing else.
//!
//! *Invariant:* a handler that takes something in stores it, or says that it did not; it decides nothing.
//! *Invariant:* whatever is read from the network has a limit in bytes and in time, and what is over it is refused.
//! *Invariant:* nothing that a request says about itself (`X-Forwarded-*`, `Host`) is believed.

mod callback;
mod error;
mod health;
mod pages;
mod router;
mod serve;
mod webhook;

pub use callback::{Callback, LOOKS_MAX};
pub use health::Health;
pub use pages::{Pages, page_url};
pub use router::{State, metrics_router, router};
pub use serve::{Limits, serve};
pub use webhook::Webhook;

#[cfg(test)]
mod tests;

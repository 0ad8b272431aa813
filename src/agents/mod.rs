//! Agents behind a port: the A2A 1.0 client, the registry of endpoints, their health and their load.
//!
//! The loops dispatch and watch; this module knows how one agent is spoken to. A2A has no deduplication, so whatever
//! leaves a doubt whether the agent started is told as *unclear* and never as a refusal: the dispatcher then lists
//! the context before it sends again.
//!
//! *Invariant:* nothing here knows the engine, the store or GitHub.
//! *Invariant:* every answer is bounded in bytes and time, and follows no redirect.
//! *Invariant:* a connection goes only to an address that was checked after resolution.

pub mod a2a;

mod address;
mod balance;
mod client;
mod health;
mod outcome;
mod registry;
mod request;
mod result;
mod text;

pub use address::{BadAddress, Reach};
pub use balance::{Breaker, Gate};
pub use client::{Client, Fault, Sent};
pub use health::{Health, check};
pub use outcome::Outcome;
pub use registry::{BadSettings, Down, Endpoint, Picked, Registry, Settings, Unavailable};
pub use request::{Checkout, Command, Kind, Limits, Policy, Push, Repo, Step, StepRequest, Trust};
pub use result::{
    ANNOTATIONS_MAX, About, Annotation, Class, Conclusion, Failure, LOG_TAIL_BYTES_MAX, Level, OUTPUTS_BYTES_MAX,
    SUMMARY_BYTES_MAX, StepResult, Usage,
};

pub(crate) use address::http_client;
pub(crate) use result::{ANNOTATION_BYTES_MAX, ANNOTATION_TITLE_BYTES_MAX, check_outputs};
pub(crate) use text::head;

#[cfg(test)]
mod tests;

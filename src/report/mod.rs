//! What GitHub should show of a commit: derived from runs and reasons, never emitted by them. And what a plan looks like
//! before any run.
//!
//! Check runs are not effects. What a commit should show is a function of the state; a loop compares it with what was
//! sent last and writes the difference. So a lost write heals, a burst costs one write, and nothing goes backwards.
//!
//! *Invariant:* a workflow that reports on a commit gets a conclusion there, whatever happens.
//! *Invariant:* nothing passes by not running: `skipped` and `neutral` come only from a workflow's own filters and
//! from steps that say so themselves.

mod check;
mod config;
mod diff;
mod dirty;
pub mod layout;
mod markdown;
pub mod plan;
pub mod problems;
mod reason;
mod run;
mod step;
mod words;

pub use check::{Annotation, Button, Check, Conclusion, Level, Status, StepReport};
pub use config::{CONFIG_CHECK, FileProblems, config_check};
pub use diff::{Shown, Write, diff};
pub use dirty::{Dirty, dirty};
pub use markdown::{cut, escape, fence, plain};
pub use reason::{Reason, reason_check};
pub use run::{Notes, names, run_check, run_title, workflow_check};
pub use step::{cancelled, log_tail, step_check, step_check_name, step_title};
pub use words::in_words;

#[cfg(test)]
pub(crate) mod demo;
#[cfg(test)]
mod tests;

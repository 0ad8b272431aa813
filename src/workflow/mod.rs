//! The workflow language: from the text of `.workflows/<id>.yml` to a checked plan, or to every problem at once.
//!
//! ```text
//! text → file (a tree with places) → parse, steps, work (lowering) → planner (the graph) → plan
//!                                      ↘ trigger, pattern             ↘ names (what expressions see)
//! ```
//!
//! *Invariant:* reading a file is pure and total: hostile text gives problems, never a panic, and its size, depth and
//! every list in it are bounded by named constants.
//! *Invariant:* nothing in a file is ignored: what is not understood is an error, and what this release reads but does
//! not act on is a warning.

pub mod builtin;
pub mod cron;
pub mod defaults;
pub mod expr;
pub mod fields;
pub mod file;
pub mod forecast;
pub mod graph;
mod hints;
pub mod inputs;
pub mod matrix;
pub mod names;
mod overlay;
pub mod parse;
pub mod pattern;
pub mod plan;
pub mod planner;
pub mod policy;
pub mod problem;
pub mod read;
pub mod schedule;
pub mod schema;
pub mod starter;
pub mod steps;
pub(crate) mod suggest;
mod syntax;
pub mod trigger;
pub(crate) mod units;
pub mod uses;
pub mod work;

pub use parse::{Workflow, parse, parse_with};
pub use uses::Library;

//! The workflow language: files, problems, expressions, plans.

pub mod defaults;
pub mod expr;
pub mod file;
pub mod pattern;
pub mod plan;
pub mod problem;
pub mod read;
mod suggest;
pub mod trigger;
pub(crate) mod units;

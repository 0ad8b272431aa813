//! The workflow language: files, problems, expressions, plans.

pub mod expr;
pub mod file;
pub mod plan;
pub mod problem;
mod suggest;

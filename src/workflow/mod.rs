//! The workflow language: files, problems, expressions, plans.

pub mod expr;
pub mod plan;
mod suggest;

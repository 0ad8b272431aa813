//! Conversations on pull requests: what people do, and what they see, over the whole service and a GitHub that behaves
//! as GitHub does.

mod commands;
mod runs;
mod trust;
mod world;

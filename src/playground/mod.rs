//! A GitHub that lives on this machine: the base of `pointsman dev` and of every test that speaks to GitHub.
//!
//! It behaves as GitHub really does where that surprises people: a completed check run cannot be reopened, annotations
//! append, a fork's checks name no pull request, webhooks are signed and never retried, limits are enforced. What it
//! does not know is a 404 and is remembered, so that a test can assert that nothing unknown was asked.
//!
//! [`GitHub`] is the handle, [`Person`] acts (`ann.comment(7, "/retry")`), [`State`] is what there is to see.
//!
//! *Invariant:* no other module imports this one, but for tests and the command line.
//! *Invariant:* nothing leaves this machine: it listens on 127.0.0.1, and git reads only folders.
//! *Invariant:* requests go through one handler and one table (`routes.rs`); a resource never sees the network.

mod acts;
mod cast;
mod check_lists;
mod check_rules;
mod checks;
mod comments;
mod courier;
mod error;
mod git;
mod github;
mod graphql;
mod hooks;
mod key;
mod ledger;
mod people;
mod pulls;
mod rehearsal;
mod reply;
mod repos;
mod routes;
mod server;
mod setup;
mod shapes;
mod state;
mod tokens;
mod view;
mod weather;

pub use error::Error;
pub use github::{GitHub, Options};
pub use hooks::{Delivering, Order};
pub use ledger::Request;
pub use people::{Files, Person};
pub use rehearsal::{REHEARSED, Rehearsal};
pub use state::{Permission, State};
pub use tokens::TokenFormat;
pub use view::{CheckView, CommentView, PullView};
pub use weather::Weather;

#[cfg(test)]
mod tests;

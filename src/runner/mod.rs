//! `pointsman agent`: serves A2A 1.0 and runs the commands of steps, each in a fresh checkout of exactly its commit.
//!
//! What a command does is a stranger's code. It gets a clean environment, a workspace of its own and, where the
//! machine allows, a process namespace of its own; when it ends, is cancelled or runs out of time, every process that
//! it started is killed, and the result says whether any was left.
//!
//! *Invariant:* a task that was answered for is in the journal, and survives `kill -9`.
//! *Invariant:* one message makes one task, however often it is sent.
//! *Invariant:* a task ends once; only the code that runs it ends it.
//! *Invariant:* no setting, hook, filter or submodule of a checkout is obeyed before the command itself starts.

mod checkout;
mod driver;
mod exec;
mod jail;
mod journal;
mod log;
mod options;
mod output;
mod push;
mod rpc;
mod serve;
mod tasks;
mod tree;
mod workspace;

pub use driver::{Driver, UnknownDriver};
pub use options::{Error, Options, Place, Sandbox};
pub use serve::{Runner, serve};

#[cfg(test)]
mod tests;

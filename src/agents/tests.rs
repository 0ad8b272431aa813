//! The agents' side: addresses, choices, answers, and the client against servers that misbehave.

mod choices;
mod client;
mod outcomes;
mod requests;

//! A run acted out in virtual time: the engine that ships, played agents, and a script of what they answer and what
//! people do. What comes of it is a story.
//!
//! ```text
//! workflow + script → stage (engine events by virtual time) → tell (lines, bars) → show (text, JSON)
//! ```
//!
//! *Invariant:* the same workflow, script and seed give the same story: no clock, no chance but the seed's.
//! *Invariant:* what is told comes from the changes that the engine made, never from what the script wanted.
//! *Invariant:* a crash loses everything but the encoded journal, and the run that is folded from it must be the same.

mod answer;
mod birth;
mod chart;
mod look;
mod people;
mod scan;
mod script;
mod show;
mod stage;
mod story;
mod tell;
mod words;

pub use answer::{Answer, Deed};
pub use look::Look;
pub use scan::Mistake;
pub use script::{SCRIPT_BYTES_MAX, Script};
pub use show::text;
pub use stage::{Fault, rehearse};
pub use story::{Bar, BarKind, Line, StepEnd, Story, Tone};

#[cfg(test)]
mod tests;

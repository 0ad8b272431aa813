//! The difference between what a check shows and what it should show.

use super::check::{Check, Status};

/// What was sent last under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Which check run of that name on that commit, from 1.
    pub generation: u32,
    /// Whether it completed.
    pub completed: bool,
    /// The fingerprint of what was sent. Absent while the outcome of a write is unknown.
    pub fingerprint: Option<[u8; 32]>,
    /// The conclusion that was sent, as GitHub's word.
    pub same_conclusion: bool,
}

/// What to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// Nothing: it shows what it should.
    Nothing,
    /// A new check run of this generation.
    Create(u32),
    /// Other contents for the check run of this generation.
    Update(u32),
}

/// What to write so that a name shows what it should. A completed check run is never opened again, and a conclusion is
/// never exchanged for another: that is a new check run.
#[must_use]
pub fn diff(shown: Option<&Shown>, desired: &Check, fingerprint: &[u8; 32]) -> Write {
    match shown {
        None => Write::Create(1),
        Some(shown) if shown.fingerprint.as_ref() == Some(fingerprint) => Write::Nothing,
        Some(shown) if shown.completed && !(completed(desired) && shown.same_conclusion) => {
            Write::Create(shown.generation + 1)
        }
        Some(shown) => Write::Update(shown.generation),
    }
}

fn completed(check: &Check) -> bool {
    matches!(check.status, Status::Completed(_))
}

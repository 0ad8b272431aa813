//! What is answered to a command: a reaction that it was seen, one that says how it went, and words where they help.

use crate::command::Command;
use crate::command::reply::Voice;
use crate::engine::Rejected;
use crate::github::Reaction;
use crate::ids::{CommitSha, InstallationId, RepoName};
use crate::store::EffectWrite;
use crate::time::Timestamp;

use super::deliver::Outgoing;
use super::intake::effect_id;
use super::runs::Decided;

/// How one command is answered.
#[derive(Clone)]
pub(super) struct Told {
    /// Whether it was obeyed.
    pub(super) good: bool,
    /// What is said, if anything has to be.
    pub(super) words: Option<String>,
}

/// Where an answer goes: the pull request, and the comment that asked, if one did.
#[derive(Clone)]
pub(super) struct Back {
    pub(super) repo: RepoName,
    pub(super) number: Option<i64>,
    pub(super) comment: Option<i64>,
    pub(super) key: String,
}

/// What a command is answered, from what the runs said to it. A command that one of several runs took was obeyed.
pub(super) fn told(command: &Command, voice: Voice, head: &CommitSha, decided: &Decided) -> Told {
    let rejected: Vec<&Rejected> = decided.values().filter_map(|one| one.as_ref().err()).collect();
    if rejected.len() < decided.len() || decided.is_empty() {
        return Told { good: true, words: None };
    }
    let words = match rejected.first() {
        Some(Rejected::NothingToRetry) => voice.nothing_to_retry(head),
        Some(Rejected::Superseded) => voice.superseded(command, head),
        Some(Rejected::Ended | Rejected::Stopping) => voice.nothing_runs(command),
        Some(other) => format!("`/{}` changed nothing: {other}.", command.verb()),
        None => return Told { good: true, words: None },
    };
    Told { good: false, words: Some(words) }
}

/// The rows of an answer: the reaction that says it was seen, the one that says how it went, and words if there are any.
pub(super) fn effects(
    back: &Back,
    told: &Told,
    installation: InstallationId,
    at: Timestamp,
) -> Vec<(InstallationId, EffectWrite)> {
    let mut outgoing = Vec::new();
    if let Some(comment) = back.comment {
        let repo = &back.repo;
        let reaction = |content| Outgoing::Reaction { repo: repo.clone(), comment, content };
        outgoing.push(("eyes", reaction(Reaction::Eyes)));
        outgoing.push(match told.good {
            true => ("rocket", reaction(Reaction::Rocket)),
            false => ("minus", reaction(Reaction::ThumbsDown)),
        });
    }
    if let (Some(number), Some(words)) = (back.number, &told.words) {
        let (repo, key, text) = (back.repo.clone(), back.key.clone(), words.clone());
        outgoing.push(("reply", Outgoing::Reply { repo, number, key, text }));
    }
    // One microsecond after the other, so that they are done in this order.
    let write = |(place, (what, outgoing)): (i64, (&str, Outgoing))| {
        let name = format!("{}:{what}", back.key);
        let body = serde_json::to_vec(&outgoing).ok()?;
        let due_at = Timestamp(at.0 + place);
        Some((installation, EffectWrite { id: effect_id(at), kind: outgoing.kind(), name, due_at, body }))
    };
    (0..).zip(outgoing).filter_map(write).collect()
}

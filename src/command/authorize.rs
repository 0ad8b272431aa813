//! Who may give which command.
//!
//! Rights are GitHub's permission on the repository at the moment of the command, never `author_association`, which is
//! wrong for private members. Buttons, re-runs and the API ask here too, so no way around the table exists.
//!
//! *Invariant:* any doubt denies: an unknown permission, a bot, a role that contradicts its permission.
//! *Invariant:* trust of a commit needs write, by a person who did not open the pull request; a repository's
//! `config.yml` can demand more, never less.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::given::{Approved, Command};
use super::verb::Verb;
use crate::inbound::event::Account;

/// What GitHub lets a person do in a repository, ascending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// Nothing.
    None,
    /// Look. In a public repository, everybody.
    Read,
    /// Sort issues and pull requests.
    Triage,
    /// Push.
    Write,
    /// Run the repository.
    Maintain,
    /// Everything.
    Admin,
}

impl Permission {
    /// Reads `permission` and `role_name` of `GET /repos/{o}/{r}/collaborators/{u}/permission`. The first is coarse
    /// (maintain is `write`, triage is `read`) but certain; the second is finer and may be a custom role, so it is
    /// believed only where it refines the first. `None`: GitHub said something unheard of.
    #[must_use]
    pub fn from_github(permission: &str, role_name: Option<&str>) -> Option<Self> {
        Some(match (permission, role_name) {
            ("admin", _) => Self::Admin,
            ("write", Some("maintain")) => Self::Maintain,
            ("write", _) => Self::Write,
            ("read", Some("triage")) => Self::Triage,
            ("read", _) => Self::Read,
            ("none", _) => Self::None,
            _ => return None,
        })
    }

    /// The permission of this name, as `config.yml` writes it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Read, Self::Triage, Self::Write, Self::Maintain, Self::Admin]
            .into_iter()
            .find(|permission| permission.as_str() == name)
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Triage => "triage",
            Self::Write => "write",
            Self::Maintain => "maintain",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What gives a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A person.
    Human,
    /// A GitHub App, or a person through one, by the App's number.
    App(i64),
    /// A bot that is no App we could name.
    Bot,
}

impl Actor {
    /// What stands behind an account of an event, and the App through which it acted. A deleted account and anything
    /// else that is not plainly a person is a bot.
    #[must_use]
    pub fn behind(account: Option<&Account>, app_id: Option<i64>) -> Self {
        match (account, app_id) {
            (_, Some(id)) => Self::App(id),
            (Some(account), None) if !account.is_bot() => Self::Human,
            (_, None) => Self::Bot,
        }
    }
}

/// Who gives a command, by what GitHub says at that moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person {
    /// What gives it.
    pub actor: Actor,
    /// The permission on the repository. `None`: GitHub did not answer, or nothing that we understand.
    pub permission: Option<Permission>,
    /// Whether this is the author of the pull request.
    pub is_author: bool,
    /// Whether the commit that the command is about is trusted.
    pub commit_trusted: bool,
}

/// What the repository's `config.yml`, on the branch that counts, says about rights.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overrides {
    /// The least permission of a verb. A verb that stands here has no exceptions for authors.
    pub needs: BTreeMap<Verb, Permission>,
    /// Apps that may give commands, by number, as if they had write. Trust they never give: an App can be talked
    /// into it.
    pub apps: BTreeSet<i64>,
}

impl Overrides {
    /// The least permission that this verb needs here, exceptions for authors aside.
    #[must_use]
    pub fn least(&self, verb: Verb) -> Permission {
        let needs = self.needs.get(&verb).copied().unwrap_or(verb.spec().needs);
        if approves(verb) { needs.max(Permission::Write) } else { needs }
    }

    /// Whether the author of a pull request may do this with less.
    #[must_use]
    pub fn authors_may(&self, verb: Verb) -> bool {
        matches!(verb, Verb::Retry | Verb::Cancel) && !self.needs.contains_key(&verb)
    }
}

fn approves(verb: Verb) -> bool {
    matches!(verb, Verb::Approve | Verb::Reject)
}

/// Why a command is not obeyed. The sentence is `reply`'s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denied {
    /// The command.
    pub verb: Verb,
    /// The least permission that would do.
    pub needs: Permission,
    /// The permission there is, if it is known.
    pub has: Option<Permission>,
    /// Whether the author of the pull request may do it with less.
    pub authors_may: bool,
    /// What stands against it.
    pub why: Why,
}

/// What stands against a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The permission is too low.
    Permission,
    /// The permission is not known.
    Unknown,
    /// An App that `config.yml` does not allow.
    App(i64),
    /// A bot that no configuration can allow.
    Bot,
    /// Only a person may approve.
    NotAPerson,
    /// The author of a pull request may not trust its commits.
    OwnPullRequest,
}

/// Whether this person may give this command.
///
/// # Errors
/// Why not.
pub fn authorize(command: &Command, person: &Person, overrides: &Overrides) -> Result<(), Denied> {
    let verb = command.verb();
    let approves = approves(verb);
    let needs = overrides.least(verb);
    let deny = |why| Err(Denied { verb, needs, has: person.permission, authors_may: overrides.authors_may(verb), why });
    let permission = match person.actor {
        Actor::Human => person.permission,
        Actor::Bot => return deny(Why::Bot),
        Actor::App(id) if !overrides.apps.contains(&id) => return deny(Why::App(id)),
        Actor::App(_) if approves => return deny(Why::NotAPerson),
        // GitHub knows no permission of an App as a collaborator; being listed gives it this much.
        Actor::App(_) => Some(Permission::Write),
    };
    let Some(has) = permission else { return deny(Why::Unknown) };
    let own = person.is_author && overrides.authors_may(verb);
    let as_author = own && (has >= Permission::Triage || has == Permission::Read && person.commit_trusted);
    match command {
        _ if has < needs && !as_author => deny(Why::Permission),
        Command::Approve(Approved::Commit(_)) if person.is_author => deny(Why::OwnPullRequest),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;

//! The names of things: every identifier that crosses a module border has a type of its own here.
//!
//! *Invariant:* an identifier that is seen outside carries its installation, so that no query can forget it.
//! *Invariant:* [`random_bytes`] is the only source of randomness; layer 1 may not call it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {why}: {text:?}")]
pub struct BadId {
    /// What was expected, in words.
    pub kind: &'static str,
    /// What is wrong with it.
    pub why: &'static str,
    /// The text, cut at 80 characters.
    pub text: String,
}

impl BadId {
    fn new(kind: &'static str, why: &'static str, text: &str) -> Self {
        Self { kind, why, text: text.chars().take(80).collect() }
    }
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, minicbor::Encode, minicbor::Decode, minicbor::CborLen)]
        #[serde(transparent)]
        #[cbor(transparent)]
        pub struct $name(#[n(0)] pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

number_id! {
    /// An installation of the App, as GitHub numbers it.
    InstallationId
}
number_id! {
    /// A repository, as GitHub numbers it. It survives renames and transfers.
    RepoId
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $max:literal, $ok:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                let ok: fn(char) -> bool = $ok;
                if text.is_empty() {
                    return Err(BadId::new($kind, "is empty", text));
                }
                if text.len() > $max {
                    return Err(BadId::new($kind, concat!("is longer than ", $max, " bytes"), text));
                }
                if !text.chars().all(ok) {
                    return Err(BadId::new($kind, "has a character that is not allowed", text));
                }
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(text: String) -> Result<Self, BadId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.str(&self.0)?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                d.str()?.parse().map_err(|_| minicbor::decode::Error::message(concat!("not a ", $kind)))
            }
        }

        impl<C> minicbor::CborLen<C> for $name {
            fn cbor_len(&self, ctx: &mut C) -> usize {
                minicbor::CborLen::<C>::cbor_len(&*self.0, ctx)
            }
        }
    };
}

fn word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

text_id! {
    /// A workflow: the name of its file in `.workflows/` without `.yml`.
    WorkflowId, "workflow id", 100, |c| word(c) || c == '.'
}
text_id! {
    /// A step of a plan, or an instance of a fan-out: `lint`, `review_each[3]`, `ship.rollback`.
    StepKey, "step key", 140, |c| word(c) || matches!(c, '.' | '[' | ']')
}
text_id! {
    /// An agent, as the server's settings name it: `claude-code`.
    AgentName, "agent name", 64, word
}
text_id! {
    /// A GitHub login: `octocat`, `renovate[bot]`.
    Login, "login", 100, |c| word(c) || matches!(c, '[' | ']')
}
text_id! {
    /// A commit, in full: 40 hexadecimal digits (64 in SHA-256 repositories), lower case.
    CommitSha, "commit", 64, |c| matches!(c, '0'..='9' | 'a'..='f')
}
text_id! {
    /// A repository by name: `owner/name`.
    RepoName, "repository", 200, |c| word(c) || matches!(c, '.' | '/')
}

impl CommitSha {
    /// A whole commit id, and nothing shorter: short ones can be forged.
    ///
    /// # Errors
    /// When it is not exactly 40 or 64 lower-case hexadecimal digits.
    pub fn full(text: &str) -> Result<Self, BadId> {
        let sha: Self = text.parse()?;
        if matches!(text.len(), 40 | 64) { Ok(sha) } else { Err(BadId::new("commit", "is not 40 or 64 digits", text)) }
    }

    /// The first seven digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..7).unwrap_or(&self.0)
    }
}

impl RepoName {
    /// `owner` of `owner/name`.
    #[must_use]
    pub fn owner(&self) -> &str {
        self.0.split_once('/').map_or("", |(owner, _)| owner)
    }

    /// `name` of `owner/name`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or(&*self.0, |(_, name)| name)
    }
}

/// One execution of a plan for one commit: `r_<installation>_<uuid>`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode, minicbor::CborLen,
)]
pub struct RunId {
    /// The installation at the run's birth; it never changes.
    #[n(0)]
    pub installation: InstallationId,
    /// A UUID version 7, so that runs sort by birth.
    #[cbor(n(1), with = "cbor_uuid")]
    pub uuid: Uuid,
}

impl RunId {
    /// The key of the rows of this run.
    #[must_use]
    pub fn bytes(&self) -> [u8; 16] {
        self.uuid.into_bytes()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r_{}_{}", self.installation, self.uuid.simple())
    }
}

impl FromStr for RunId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let parts = text.strip_prefix("r_").and_then(|rest| rest.split_once('_'));
        let (installation, uuid) = parts.ok_or_else(|| BadId::new("run id", "is not r_<installation>_<uuid>", text))?;
        let installation =
            installation.parse().map_err(|_| BadId::new("run id", "has no installation number", text))?;
        let uuid = Uuid::try_parse(uuid).map_err(|_| BadId::new("run id", "has no uuid", text))?;
        Ok(Self { installation: InstallationId(installation), uuid })
    }
}

/// One try of a step by one agent. Computed, never drawn: the same try has the same id on every replica,
/// so it is idempotency key and fence at once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId {
    /// The run.
    pub run: RunId,
    /// The step, or the instance of a fan-out.
    pub step: StepKey,
    /// Counts from 1 and only grows, over rounds too.
    pub number: u32,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.a{}", self.run, self.step, self.number)
    }
}

impl FromStr for AttemptId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let bad = || BadId::new("attempt id", "is not <run>.<step>.a<number>", text);
        let (rest, number) = text.rsplit_once(".a").ok_or_else(bad)?;
        let (run, step) = rest.split_once('.').ok_or_else(bad)?;
        Ok(Self { run: run.parse()?, step: step.parse()?, number: number.parse().map_err(|_| bad())? })
    }
}

/// `uuid` as 16 bytes in CBOR.
mod cbor_uuid {
    use minicbor::decode::Error as DecodeError;
    use minicbor::encode::{Error as EncodeError, Write};
    use minicbor::{Decoder, Encoder};
    use uuid::Uuid;

    pub(super) fn encode<C, W: Write>(id: &Uuid, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.bytes(id.as_bytes())?.ok()
    }

    pub(super) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Uuid, DecodeError> {
        Uuid::from_slice(d.bytes()?).map_err(|_| DecodeError::message("not a uuid"))
    }

    pub(super) fn cbor_len<C>(_: &Uuid, _: &mut C) -> usize {
        17
    }
}

/// Random bytes from the operating system. The only randomness of the crate, besides what its libraries draw.
///
/// # Panics
/// When the operating system has none to give: nothing safe can follow.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::expect_used, reason = "without randomness no token is safe; there is nothing to recover to")]
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

#[cfg(test)]
mod tests;

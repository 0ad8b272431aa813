//! The few fields that the inbox needs before a body is stored, found in one pass.
//!
//! The pass is also where a body proves to be decent JSON: at most [`DEPTH_MAX`] deep, no key twice in one object, no
//! NUL, no lone surrogate, no number beyond a double. What passes can be read again later by any parser with the same
//! result. A body of 25 MB is walked without being built.
//!
//! *Invariant:* a field of another type than expected is absent, not an error: whether a shape fits its event is
//! decided after the delivery is stored.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::ids::{CommitSha, InstallationId, RepoId};
use crate::time::Timestamp;

/// The largest body that is taken. GitHub does not deliver more than 25 MB at all.
pub const BODY_BYTES_MAX: usize = 25 * 1024 * 1024;
/// The deepest nesting that is taken. GitHub's own payloads stay below ten.
pub const DEPTH_MAX: usize = 64;
/// The longest text that an envelope keeps. Longer ones are nothing of ours.
pub const TEXT_BYTES_MAX: usize = 255;
const EVENT_BYTES_MAX: usize = 64;

/// Why a delivery cannot be taken. All of them are answered 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// `X-GitHub-Event` is no name of an event.
    #[error("X-GitHub-Event is not a name of lower-case letters and underscores")]
    Event,
    /// `X-GitHub-Delivery` is no GUID.
    #[error("X-GitHub-Delivery is not a GUID")]
    Delivery,
    /// More than [`BODY_BYTES_MAX`]; answered 413 where it is noticed before.
    #[error("the body is larger than {BODY_BYTES_MAX} bytes")]
    TooLarge,
    /// Nested more than [`DEPTH_MAX`] deep.
    #[error("the body is nested more than {DEPTH_MAX} deep")]
    TooDeep,
    /// Not JSON, or JSON that two parsers could read differently.
    #[error("the body is not JSON that we take: {why} at line {line}, column {column}")]
    NotJson {
        /// What is wrong, without a word of the body.
        why: &'static str,
        /// Counts from 1.
        line: usize,
        /// Counts from 1, in bytes.
        column: usize,
    },
}

/// Where a delivery belongs, by its headers and the fields that decide it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The event's name, from its header. Names that we do not know are taken as well.
    pub event: String,
    /// GitHub's id of the delivery. A redelivery has the same.
    pub delivery: Uuid,
    /// The installation that it was sent for.
    pub installation: Option<InstallationId>,
    /// The repository that it speaks of.
    pub repository: Option<RepoId>,
    /// What happened, in GitHub's word.
    pub action: Option<String>,
    /// The pull request or issue.
    pub number: Option<u64>,
    /// The ref in full: of a push, or of a merge group's head.
    pub git_ref: Option<String>,
    /// The commit that it speaks of. Absent where a push deletes its ref.
    pub sha: Option<CommitSha>,
    /// What we wrote into the check that it speaks of.
    pub external_id: Option<String>,
    /// When it happened, by its own word. Check and merge group events do not say.
    pub at: Option<Timestamp>,
    /// Which deliveries it must not overtake.
    pub lane: Lane,
}

/// One delivery of a lane is handled at a time, oldest first. Lanes are within (installation, repository).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// A pull request or issue.
    Number(u64),
    /// A ref.
    Ref(String),
    /// A commit. The store moves it to the lane of the pull request with that head, if it knows one.
    Sha(CommitSha),
    /// The repository or the installation as a whole.
    Whole,
}

impl fmt::Display for Lane {
    /// The lane as a key: `#7`, `refs/heads/main`, a commit, or `-`; at most [`TEXT_BYTES_MAX`] bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "#{number}"),
            Self::Ref(name) if name.len() > TEXT_BYTES_MAX => write!(f, "ref:{}", hex::encode(Sha256::digest(name))),
            Self::Ref(name) => f.write_str(name),
            Self::Sha(sha) => write!(f, "{sha}"),
            Self::Whole => f.write_str("-"),
        }
    }
}

impl Envelope {
    /// Reads the two headers and walks the body once.
    ///
    /// # Errors
    /// When a header is malformed or the body is not decent JSON.
    pub fn read(event: &str, delivery: &str, body: &[u8]) -> Result<Self, Refused> {
        let name = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        if event.is_empty() || event.len() > EVENT_BYTES_MAX || !event.bytes().all(name) {
            return Err(Refused::Event);
        }
        let hyphenated = delivery.len() == uuid::fmt::Hyphenated::LENGTH;
        let delivery = Uuid::try_parse(delivery).ok().filter(|_| hyphenated).ok_or(Refused::Delivery)?;
        if body.len() > BODY_BYTES_MAX {
            return Err(Refused::TooLarge);
        }
        let found = walk(body)?;
        let at = found.at.or(found.pushed_at.filter(|_| event == "push"));
        let lane = match (found.number, &found.git_ref, &found.sha) {
            (Some(number), _, _) => Lane::Number(number),
            (None, Some(name), _) => Lane::Ref(name.clone()),
            (None, None, Some(sha)) => Lane::Sha(sha.clone()),
            (None, None, None) => Lane::Whole,
        };
        Ok(Self {
            event: event.to_owned(),
            delivery,
            installation: found.installation.map(InstallationId),
            repository: found.repository.map(RepoId),
            action: found.action,
            number: found.number,
            git_ref: found.git_ref,
            sha: found.sha,
            external_id: found.external_id,
            at,
            lane,
        })
    }
}

fn walk(body: &[u8]) -> Result<Found, Refused> {
    let mut found = Found::default();
    // Once for the whole body is quicker than once for each text in it.
    let text = std::str::from_utf8(body).map_err(|error| not_utf8(&body[..error.valid_up_to()]))?;
    let mut json = serde_json::Deserializer::from_str(text);
    let walk = Walk { at: At::Top, left: DEPTH_MAX, found: &mut found };
    match walk.deserialize(&mut json).and_then(|()| json.end()) {
        Ok(()) => Ok(found),
        Err(error) => Err(refused(&error)),
    }
}

fn not_utf8(before: &[u8]) -> Refused {
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    Refused::NotJson { why: "a byte that is no UTF-8", line, column }
}

fn refused(error: &serde_json::Error) -> Refused {
    let text = error.to_string();
    if text.starts_with(DEEP) {
        return Refused::TooDeep;
    }
    let why = [TWICE, NUL].into_iter().find(|why| text.starts_with(why)).unwrap_or("a syntax error");
    Refused::NotJson { why, line: error.line(), column: error.column() }
}

const DEEP: &str = "it is nested too deep";
const TWICE: &str = "a key stands twice in one object";
const NUL: &str = "a text holds NUL";

#[derive(Default)]
struct Found {
    installation: Option<i64>,
    repository: Option<i64>,
    action: Option<String>,
    number: Option<u64>,
    git_ref: Option<String>,
    sha: Option<CommitSha>,
    external_id: Option<String>,
    at: Option<Timestamp>,
    pushed_at: Option<Timestamp>,
}

impl Found {
    fn number(&mut self, at: At, number: i64) {
        match at {
            At::InstallationId => self.installation = Some(number),
            At::RepositoryId => self.repository = Some(number),
            At::Number => self.number = u64::try_from(number).ok(),
            At::PushTime => self.pushed_at = Some(Timestamp(number.saturating_mul(1_000_000))),
            _ => {}
        }
    }

    fn text(&mut self, at: At, text: &str) {
        let short = || (text.len() <= TEXT_BYTES_MAX).then(|| text.to_owned());
        match at {
            At::Action => self.action = short(),
            At::Ref => self.git_ref = Some(text.to_owned()),
            At::Sha => self.sha = CommitSha::full(text).ok().filter(|_| text.bytes().any(|digit| digit != b'0')),
            At::ExternalId => self.external_id = short().filter(|id| !id.is_empty()),
            At::Moment => self.at = Timestamp::parse_rfc3339(text).ok(),
            At::PushTime => self.pushed_at = Timestamp::parse_rfc3339(text).ok(),
            _ => {}
        }
    }
}

/// Where in the body the walk is, as far as that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Top,
    Installation,
    InstallationId,
    Repository,
    RepositoryId,
    PushTime,
    Action,
    PullRequest,
    Head,
    Issue,
    Comment,
    Check,
    MergeGroup,
    Number,
    Ref,
    Sha,
    ExternalId,
    Moment,
    Elsewhere,
}

impl At {
    /// What stands under `key` here.
    fn child(self, key: &str) -> Self {
        match (self, key) {
            (Self::Top, "installation") => Self::Installation,
            (Self::Top, "repository") => Self::Repository,
            (Self::Top, "action") => Self::Action,
            (Self::Top, "pull_request") => Self::PullRequest,
            (Self::Top, "issue") => Self::Issue,
            (Self::Top, "comment") => Self::Comment,
            (Self::Top, "check_run" | "check_suite") => Self::Check,
            (Self::Top, "merge_group") => Self::MergeGroup,
            (Self::Top, "ref") => Self::Ref,
            (Self::Top, "after") => Self::Sha,
            (Self::Installation, "id") => Self::InstallationId,
            (Self::Repository, "id") => Self::RepositoryId,
            (Self::Repository, "pushed_at") => Self::PushTime,
            (Self::PullRequest | Self::Issue, "number") => Self::Number,
            (Self::PullRequest, "updated_at") | (Self::Comment, "created_at") => Self::Moment,
            (Self::PullRequest, "head") => Self::Head,
            (Self::Head, "sha") => Self::Sha,
            (Self::Check, "external_id") => Self::ExternalId,
            (Self::Check | Self::MergeGroup, "head_sha") => Self::Sha,
            (Self::MergeGroup, "head_ref") => Self::Ref,
            _ => Self::Elsewhere,
        }
    }
}

/// One value of the body, seen at its place.
struct Walk<'a> {
    at: At,
    /// How many more lists and objects may be inside each other here.
    left: usize,
    found: &'a mut Found,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        // A body that is a list or a bare value is no delivery, so the top asks for an object.
        if self.at == At::Top { json.deserialize_map(self) } else { json.deserialize_any(self) }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let left = self.left.checked_sub(1).ok_or_else(|| A::Error::custom(DEEP))?;
        let mut keys = Vec::new();
        while let Some(Key(key)) = map.next_key()? {
            map.next_value_seed(Walk { at: self.at.child(&key), left, found: self.found })?;
            keys.push(key);
        }
        keys.sort_unstable();
        if keys.windows(2).any(|pair| pair[0] == pair[1]) { Err(A::Error::custom(TWICE)) } else { Ok(()) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let left = self.left.checked_sub(1).ok_or_else(|| A::Error::custom(DEEP))?;
        while list.next_element_seed(Walk { at: At::Elsewhere, left, found: self.found })?.is_some() {}
        Ok(())
    }

    /// A text without escapes. It holds no NUL: a bare one is a syntax error.
    fn visit_borrowed_str<E>(self, text: &str) -> Result<(), E> {
        self.found.text(self.at, text);
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        if text.contains('\0') {
            return Err(E::custom(NUL));
        }
        self.found.text(self.at, text);
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        if let Ok(number) = i64::try_from(number) {
            self.found.number(self.at, number);
        }
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A key, borrowed from the body where it holds no escape.
struct Key<'de>(Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_str<E: Error>(self, key: &str) -> Result<Key<'de>, E> {
                if key.contains('\0') { Err(E::custom(NUL)) } else { Ok(Key(Cow::Owned(key.to_owned()))) }
            }
        }
        json.deserialize_str(Read)
    }
}

#[cfg(test)]
mod tests;

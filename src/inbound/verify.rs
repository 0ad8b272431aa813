//! Whether GitHub signed a body: HMAC-SHA256 over its raw bytes, compared in constant time.
//!
//! GitHub signs the body alone: neither the headers nor the time. A body that was signed once verifies for ever under
//! any event name and delivery id, so whoever acts on a delivery also asks whether it was seen before; the [`Tag`]
//! that verification gives serves for that.
//!
//! *Invariant:* every secret is tried and every comparison is made to its end, so time tells neither how much of a
//! signature was right nor which secret made it.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// The header that carries the signature. `X-Hub-Signature` (SHA-1) is ignored.
pub const SIGNATURE_HEADER: &str = "x-hub-signature-256";

/// Secrets at once: the current one and, while rotating, the one before; room for a slip.
pub const SECRETS_MAX: usize = 4;

const PREFIX: &[u8] = b"sha256=";
const MAC_BYTES: usize = 32;

/// Why a delivery is not believed. All of them are answered 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// There is no signature at all.
    #[error("there is no X-Hub-Signature-256 header; set a secret in the App's webhook settings")]
    Missing,
    /// The header is not `sha256=` and 64 lower-case hexadecimal digits, or it stands there twice.
    #[error("the X-Hub-Signature-256 header is not `sha256=` and 64 lower-case hexadecimal digits")]
    Malformed,
    /// No secret of ours gives this signature.
    #[error("the signature fits none of our secrets; compare GITHUB_WEBHOOK_SECRET with the App's webhook settings")]
    Mismatch,
}

/// Why a list of secrets cannot verify anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSecrets {
    /// The list, or one secret in it, is empty: everybody could sign with it.
    #[error("a webhook secret is empty; set GITHUB_WEBHOOK_SECRET to the secret of the App's webhook settings")]
    Empty,
    /// More than [`SECRETS_MAX`].
    #[error("there are more than {SECRETS_MAX} webhook secrets; keep the new one and, while rotating, the old one")]
    TooMany,
}

/// The webhook secrets, newest first.
#[derive(Clone)]
pub struct Secrets(Vec<SecretString>);

impl Secrets {
    /// Takes the secrets, newest first.
    ///
    /// # Errors
    /// When the list is empty or too long, or a secret in it is empty.
    pub fn new(secrets: Vec<SecretString>) -> Result<Self, BadSecrets> {
        if secrets.is_empty() || secrets.iter().any(|secret| secret.expose_secret().is_empty()) {
            return Err(BadSecrets::Empty);
        }
        if secrets.len() > SECRETS_MAX {
            return Err(BadSecrets::TooMany);
        }
        Ok(Self(secrets))
    }

    /// The signature that the newest secret gives, as GitHub writes it: for whoever plays GitHub.
    #[must_use]
    pub fn sign(&self, body: &[u8]) -> String {
        let mac = self.0.first().and_then(|secret| keyed(secret, body)).map(|mac| mac.finalize().into_bytes());
        format!("sha256={}", hex::encode(mac.unwrap_or_default()))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

/// The MAC of a body under the newest secret: the same body has the same tag, whatever its headers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag(pub [u8; MAC_BYTES]);

/// A well-formed signature. It can be had from the headers alone, so a delivery without one costs no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; MAC_BYTES]);

impl Signature {
    /// Reads all values of [`SIGNATURE_HEADER`]; there must be exactly one.
    ///
    /// # Errors
    /// [`Unverified::Missing`] or [`Unverified::Malformed`].
    pub fn from_headers<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, Unverified> {
        let mut values = values.into_iter();
        let value = values.next().ok_or(Unverified::Missing)?;
        let digits = value.strip_prefix(PREFIX).ok_or(Unverified::Malformed)?;
        let lower = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        let mut mac = [0; MAC_BYTES];
        if values.next().is_some() || !lower || hex::decode_to_slice(digits, &mut mac).is_err() {
            return Err(Unverified::Malformed);
        }
        Ok(Self(mac))
    }

    /// Whether one of `secrets` signed these raw bytes.
    ///
    /// # Errors
    /// [`Unverified::Mismatch`].
    pub fn verify(&self, secrets: &Secrets, body: &[u8]) -> Result<Tag, Unverified> {
        let mut signed = false;
        let mut tag = None;
        for mac in secrets.0.iter().filter_map(|secret| keyed(secret, body)) {
            signed |= mac.clone().verify_slice(&self.0).is_ok();
            tag = tag.or_else(|| Some(Tag(mac.finalize().into_bytes().into())));
        }
        tag.filter(|_| signed).ok_or(Unverified::Mismatch)
    }
}

/// HMAC takes keys of any length, so this is never `None`.
fn keyed(secret: &SecretString, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).ok()?;
    Some(mac.chain_update(body))
}

#[cfg(test)]
mod tests;

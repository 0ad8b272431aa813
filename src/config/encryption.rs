//! The keys that encrypt what is kept.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretBox};

use super::reader::{Reader, list};

/// While a key is rotated there are two.
const KEYS_MAX: usize = 2;

/// A master key.
pub type Key = SecretBox<[u8; 32]>;

/// The keys that encrypt what is kept; none: nothing is encrypted.
#[derive(Debug, Default)]
pub struct Encryption {
    /// The first writes, all read.
    pub keys: Vec<Key>,
}

pub(super) fn read(r: &mut Reader<'_>) -> Encryption {
    const NAME: &str = "ENCRYPTION_KEY";
    let Some(text) = r.secret(NAME) else { return Encryption::default() };
    let keys: Vec<Option<Key>> = list(text.expose_secret()).map(key).collect();
    if keys.is_empty() || keys.len() > KEYS_MAX {
        r.problem(NAME, "it is not one key or two", "separate the new and the old one with a comma");
    } else if keys.iter().any(Option::is_none) {
        r.problem(NAME, "it is not 32 bytes in Base64 or hexadecimal", "make one: openssl rand -base64 32");
    }
    Encryption { keys: keys.into_iter().flatten().collect() }
}

fn key(text: &str) -> Option<Key> {
    let base64 =
        || [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].iter().find_map(|code| code.decode(text).ok());
    let bytes = zeroize::Zeroizing::new(hex::decode(text).ok().or_else(base64)?);
    let bytes: [u8; 32] = bytes.as_slice().try_into().ok()?;
    Some(SecretBox::new(Box::new(bytes)))
}

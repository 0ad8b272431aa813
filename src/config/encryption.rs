//! The keys that encrypt what is kept.

use secrecy::{ExposeSecret as _, SecretString};

use super::reader::{Reader, list};

/// While a key is rotated there are two.
const KEYS_MAX: usize = 2;
/// 32 random bytes in Base64 have 44 characters, in hexadecimal 64.
const KEY_CHARS_MIN: usize = 32;

/// The keys that encrypt what is kept; the first writes, all read. None: nothing is encrypted.
pub(super) fn read(r: &mut Reader<'_>) -> Vec<SecretString> {
    const NAME: &str = "ENCRYPTION_KEY";
    let Some(text) = r.secret(NAME) else { return Vec::new() };
    let keys: Vec<&str> = list(text.expose_secret()).collect();
    if keys.is_empty() || keys.len() > KEYS_MAX {
        r.problem(NAME, "it is not one key or two", "separate the new and the old one with a comma");
    } else if keys.iter().any(|key| key.len() < KEY_CHARS_MIN) {
        r.problem(NAME, "it is too short to be safe", "make one: openssl rand -base64 32");
    }
    keys.into_iter().map(SecretString::from).collect()
}

//! What is needed to speak with a GitHub: three addresses, who we are, and the key that proves it.
//!
//! The addresses are separate settings because they differ in kind: github.com, GitHub Enterprise Server, GHE.com and
//! the playground each have other ones. Every error says what to mend, for these are met on the first day.

use std::fmt;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use url::Url;

use crate::time::Timestamp;

/// How to reach GitHub, and as whom.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The REST address: `https://api.github.com`, `https://HOST/api/v3`.
    pub api_url: Url,
    /// The GraphQL address: `https://api.github.com/graphql`, `https://HOST/api/graphql`.
    pub graphql_url: Url,
    /// What people open: `https://github.com`. Clone addresses and links begin with it.
    pub web_url: Url,
    /// Who we are: the App's client id (recommended by GitHub) or its number.
    pub issuer: String,
    /// The App's private key as PEM, PKCS#1 (as GitHub gives it) or PKCS#8. Line breaks may be the two characters `\n`.
    pub private_key: SecretString,
}

/// What is wrong with a setting, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSettings {
    /// An address cannot be used.
    #[error("{name} is {text:?}, which is no http(s) address; write it like {example}")]
    Address {
        /// The setting.
        name: &'static str,
        /// What it holds.
        text: String,
        /// One that works.
        example: &'static str,
    },
    /// The issuer is missing or has characters that no id has.
    #[error(
        "the App's id is empty or has blanks; set GITHUB_CLIENT_ID or GITHUB_APP_ID to the value on the App's page"
    )]
    Issuer,
    /// The private key cannot sign.
    #[error("the App's private key {0}")]
    Key(&'static str),
    /// The HTTP client could not be built.
    #[error("no HTTPS client: {0}; install the system's CA certificates (package ca-certificates)")]
    Client(String),
}

/// Signs as the App.
#[derive(Clone)]
pub(super) struct Signer {
    issuer: String,
    key: EncodingKey,
}

/// Allows for a clock that is fast: GitHub refuses a token from its future.
const ISSUED_BEFORE_SECONDS: i64 = 60;
/// GitHub allows ten minutes after now; one is kept for clocks that are slow.
const EXPIRES_AFTER_SECONDS: i64 = 540;

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    iat: i64,
    exp: i64,
}

impl Settings {
    /// Checks all of it, down to one signature.
    pub(super) fn signer(&self) -> Result<Signer, BadSettings> {
        address("GITHUB_API_URL", &self.api_url, "https://api.github.com")?;
        address("GITHUB_GRAPHQL_URL", &self.graphql_url, "https://api.github.com/graphql")?;
        address("GITHUB_SERVER_URL", &self.web_url, "https://github.com")?;
        if self.issuer.is_empty() || self.issuer.contains(char::is_whitespace) {
            return Err(BadSettings::Issuer);
        }
        let signer = Signer { issuer: self.issuer.clone(), key: private_key(self.private_key.expose_secret())? };
        match signer.token(Timestamp(0)) {
            Some(_) => Ok(signer),
            None => Err(BadSettings::Key("cannot sign: it is damaged; make a new one on the App's page")),
        }
    }
}

impl Signer {
    /// A JSON Web Token for the next nine minutes. None only for a key that [`Settings::signer`] would have refused.
    pub(super) fn token(&self, at: Timestamp) -> Option<SecretString> {
        let now = at.0.div_euclid(1_000_000);
        let claims = Claims { iss: &self.issuer, iat: now - ISSUED_BEFORE_SECONDS, exp: now + EXPIRES_AFTER_SECONDS };
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key).ok().map(SecretString::from)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

fn address(name: &'static str, url: &Url, example: &'static str) -> Result<(), BadSettings> {
    let usable = matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.is_empty());
    if usable && url.username().is_empty() && url.password().is_none() {
        return Ok(());
    }
    let mut shown = url.clone();
    // Fails only for addresses that cannot have a password.
    let _ = shown.set_password(None);
    Err(BadSettings::Address { name, text: shown.to_string(), example })
}

/// Reads the key; for what is no key at all, says what it seems to be.
fn private_key(pem: &str) -> Result<EncodingKey, BadSettings> {
    let pem = pem.trim().trim_matches(['"', '\'']).replace("\\n", "\n").replace('\r', "");
    if let Some(remedy) = no_private_key(&pem) {
        return Err(BadSettings::Key(remedy));
    }
    let unread =
        "cannot be read; it must be whole, from -----BEGIN to -----END, with its line breaks (or \\n for each)";
    EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_| BadSettings::Key(unread))
}

/// What somebody took for the private key, and what to give in its place.
fn no_private_key(text: &str) -> Option<&'static str> {
    let remedy = if text.is_empty() {
        "is empty; set GITHUB_PRIVATE_KEY, or GITHUB_PRIVATE_KEY_PATH to its file"
    } else if text.contains("PUBLIC KEY") {
        "is a public key; give the file that GitHub let you download, it begins with -----BEGIN RSA PRIVATE KEY-----"
    } else if text.contains("ENCRYPTED") {
        "is locked with a passphrase; unlock it with `openssl pkey -in key.pem -out open.pem`"
    } else if text.contains("BEGIN OPENSSH") || text.contains("BEGIN EC") {
        "is of another kind; GitHub gives each App an RSA key, download it on the App's page"
    } else if text.starts_with("SHA256:") {
        "is only the fingerprint of a key; download the key itself on the App's page"
    } else if !text.contains("-----BEGIN") {
        "is no PEM text; if it is the path of a file, set GITHUB_PRIVATE_KEY_PATH in its place"
    } else {
        return None;
    };
    Some(remedy)
}

#[cfg(test)]
mod tests;

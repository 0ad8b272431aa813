//! The App's keys: an RSA pair as GitHub hands it out (PKCS#1 PEM), and the signatures of webhooks.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::hmac;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;

use super::error::Error;

/// The App's private key as its owner downloads it, and the public half that checks its JWTs.
pub(crate) struct AppKey {
    pub(crate) pem: SecretString,
    /// PKCS#1 DER.
    pub(crate) public: Vec<u8>,
}

impl AppKey {
    /// Draws a new key of 2048 bits, as GitHub does.
    pub(crate) fn generate() -> Result<Self, Error> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| Error::Key)?;
        let pkcs8 = AsDer::as_der(&pair).map_err(|_| Error::Key)?;
        let private = pkcs1(pkcs8.as_ref()).ok_or(Error::Key)?;
        Ok(Self { pem: pem(private).into(), public: pair.public_key().as_ref().to_vec() })
    }
}

/// The RSAPrivateKey inside a PKCS#8 envelope: what follows the version, the algorithm and the header of the octets.
/// The header is of fixed length for every key whose parts need two bytes of length, as 2048 bits do.
fn pkcs1(pkcs8: &[u8]) -> Option<&[u8]> {
    const HEADER: usize = 26;
    let octets = pkcs8.get(HEADER - 4..HEADER)?;
    if octets.first() == Some(&0x04) && octets.get(1) == Some(&0x82) { pkcs8.get(HEADER..) } else { None }
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n", lines.join("\n"))
}

/// `X-Hub-Signature-256` and the legacy `X-Hub-Signature` of a body.
pub(crate) fn signatures(secret: &str, body: &[u8]) -> (String, String) {
    let tag = |algorithm| hex::encode(hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), body));
    (format!("sha256={}", tag(hmac::HMAC_SHA256)), format!("sha1={}", tag(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY)))
}

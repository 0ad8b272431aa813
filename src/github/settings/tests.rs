use super::*;
use crate::github::stub::{NOW, PKCS1, PKCS8, PUBLIC, claims, settings};

fn with_key(key: &str) -> Result<Signer, BadSettings> {
    Settings { private_key: SecretString::from(key), ..settings("https://api.github.com") }.signer()
}

#[test]
fn signs_for_nine_minutes_from_a_minute_ago() {
    for key in [PKCS1, PKCS8, &PKCS1.replace('\n', "\\n"), &format!("\"{}\"\r\n", PKCS8.replace('\n', "\r\n"))] {
        let jwt = with_key(key).unwrap().token(NOW).unwrap();
        let seconds = NOW.0 / 1_000_000;
        assert_eq!(
            claims(jwt.expose_secret()),
            serde_json::json!({ "iss": "Iv23liPOINTSMAN", "iat": seconds - 60, "exp": seconds + 540 })
        );
    }
}

#[test]
fn says_what_a_wrong_key_seems_to_be() {
    let check = |key: &str, remedy: &str| {
        let error = with_key(key).unwrap_err().to_string();
        assert!(error.contains(remedy), "{error}");
        assert!(key.len() < 20 || !error.contains(&key[10..]), "{error}");
    };
    check("", "is empty; set GITHUB_PRIVATE_KEY");
    check(PUBLIC, "is a public key");
    check("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIE", "passphrase");
    check("-----BEGIN OPENSSH PRIVATE KEY-----\nMIIE", "another kind");
    check("-----BEGIN EC PRIVATE KEY-----\nMIIE", "another kind");
    check("SHA256:p6fE0wLUiXJ0nWRDVwkKDPQ4mVHzAJGPpYJqKqdbNYk=", "fingerprint");
    check("/etc/pointsman/key.pem", "GITHUB_PRIVATE_KEY_PATH");
    check(&PKCS1[..200], "must be whole");
    check("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----", "must be whole");
    // Whole, but its numbers do not belong together.
    let line = PKCS1.lines().nth(3).unwrap();
    check(&PKCS1.replace(line, &line.chars().rev().collect::<String>()), "is damaged");
}

#[test]
fn says_which_address_is_wrong() {
    let bad = Settings { api_url: "ftp://user:hunter2@host/".parse().unwrap(), ..settings("https://api.github.com") };
    let error = bad.signer().unwrap_err().to_string();
    assert!(error.starts_with("GITHUB_API_URL is") && !error.contains("hunter2"), "{error}");
    let bad = Settings { issuer: "Iv1 abc".into(), ..settings("https://api.github.com") };
    assert_eq!(bad.signer().unwrap_err(), BadSettings::Issuer);
}

#[test]
fn no_debug_shows_the_key() {
    let settings = settings("https://api.github.com");
    let signer = settings.signer().unwrap();
    let shown = format!("{settings:?} {signer:?}");
    assert!(!shown.contains("BEGIN") && !shown.contains(&PKCS1[100..140]), "{shown}");
}

use super::*;

fn secrets(list: &[&str]) -> Secrets {
    Secrets::new(list.iter().map(|&secret| secret.into()).collect()).unwrap()
}

fn check(header: &[&str], list: &[&str], body: &[u8]) -> Result<(), Unverified> {
    Signature::from_headers(header.iter().map(|value| value.as_bytes()))?.verify(&secrets(list), body).map(drop)
}

const SECRET: &str = "It's a Secret to Everybody";
const BODY: &[u8] = b"Hello, World!";
const SIGNED: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

#[test]
fn the_vector_that_github_publishes() {
    assert_eq!(check(&[SIGNED], &[SECRET], BODY), Ok(()));
    assert_eq!(secrets(&[SECRET]).sign(BODY), SIGNED);
}

#[test]
fn every_secret_is_accepted_while_rotating_and_none_afterwards() {
    assert_eq!(check(&[SIGNED], &["new", SECRET], BODY), Ok(()));
    assert_eq!(check(&[SIGNED], &[SECRET, "old"], BODY), Ok(()));
    assert_eq!(check(&[SIGNED], &["new"], BODY), Err(Unverified::Mismatch));
}

#[test]
fn only_the_exact_form_is_read() {
    let malformed = [
        "",
        "sha256=",
        "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        "sha1=757107ea0eb2509fc211221cce984b8a37570b6d",
        "SHA256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        "sha256=757107EA0EB2509FC211221CCE984B8A37570B6D7586C22C46F4379C8B043E17",
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e1",
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17 ",
        " sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e1\u{0660}",
    ];
    for header in malformed {
        assert_eq!(check(&[header], &[SECRET], BODY), Err(Unverified::Malformed), "{header:?}");
    }
    let double = format!("{SIGNED},{SIGNED}");
    assert_eq!(check(&[&double], &[SECRET], BODY), Err(Unverified::Malformed));
    assert_eq!(check(&[SIGNED, SIGNED], &[SECRET], BODY), Err(Unverified::Malformed));
    assert_eq!(check(&[], &[SECRET], BODY), Err(Unverified::Missing));
    assert_eq!(Signature::from_headers([&b"sha256=\xff"[..]]), Err(Unverified::Malformed));
}

#[test]
fn the_signature_is_bound_to_the_raw_bytes() {
    for body in [&b""[..], b"Hello, World", b"Hello, World!\n", b"hello, World!"] {
        assert_eq!(check(&[SIGNED], &[SECRET], body), Err(Unverified::Mismatch));
    }
    for at in 0..64 {
        let mut guess = SIGNED.to_owned().into_bytes();
        guess[7 + at] = if guess[7 + at] == b'0' { b'1' } else { b'0' };
        let guess = String::from_utf8(guess).unwrap();
        assert_eq!(check(&[&guess], &[SECRET], BODY), Err(Unverified::Mismatch), "digit {at}");
    }
}

#[test]
fn a_tag_names_the_body_whichever_secret_signed_it() {
    let tag = |header: &str, list: &[&str], body: &[u8]| {
        Signature::from_headers([header.as_bytes()]).unwrap().verify(&secrets(list), body).unwrap()
    };
    let by_new = tag(&secrets(&["new"]).sign(BODY), &["new", SECRET], BODY);
    assert_eq!(tag(SIGNED, &["new", SECRET], BODY), by_new);
    let other = secrets(&["new"]).sign(b"other");
    assert_ne!(tag(&other, &["new", SECRET], b"other"), by_new);
}

#[test]
fn empty_secrets_are_refused_and_none_is_printed() {
    assert_eq!(Secrets::new(vec![]).unwrap_err(), BadSecrets::Empty);
    assert_eq!(Secrets::new(vec!["a".into(), "".into()]).unwrap_err(), BadSecrets::Empty);
    assert_eq!(Secrets::new(vec!["a".into(); 5]).unwrap_err(), BadSecrets::TooMany);
    assert_eq!(format!("{:?}", secrets(&["hunter2"])), "1 secrets");
}

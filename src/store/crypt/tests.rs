//! What is sealed opens in its own place only.

use proptest::prelude::*;

use super::*;

fn master(text: &str) -> MasterKey {
    MasterKey::new(&text.repeat(40).into()).unwrap()
}

fn place(part: &[u8]) -> Place<'_> {
    Place { table: "run_event", installation: 7, row: b"run", part }
}

#[test]
fn a_short_key_is_refused_and_no_key_is_printed() {
    assert!(MasterKey::new(&"short".into()).is_err());
    let key = master("k");
    assert!(!format!("{key:?}").contains("kkk"));
}

#[test]
fn another_place_another_key_and_other_bytes_do_not_open() {
    let crypt = Crypt::new(vec![master("a")].into(), &[1; 32]);
    let (key, wrapped) = crypt.new_key(place(b"key"));
    let sealed = key.seal(place(b"1"), b"hello").unwrap();
    assert_eq!(crypt.key(place(b"key"), &wrapped).unwrap().open(place(b"1"), &sealed).unwrap(), b"hello");
    assert!(key.open(place(b"2"), &sealed).is_err());
    assert!(crypt.key(place(b"other"), &wrapped).is_err());
    assert!(Crypt::new(vec![master("b")].into(), &[1; 32]).key(place(b"key"), &wrapped).is_err());
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(key.open(place(b"1"), &changed).is_err(), "byte {at}");
    }
    // Nobody swaps a body in the clear in for a sealed one.
    let plain = DataKey(None).seal(place(b"1"), b"forged").unwrap();
    assert!(key.open(place(b"1"), &plain).is_err());
    assert!(DataKey(None).open(place(b"1"), &sealed).is_err());
}

#[test]
fn macs_differ_by_purpose_and_by_the_cut_of_their_parts() {
    let crypt = Crypt::new(Vec::new().into(), &[1; 32]);
    assert_ne!(crypt.mac(Purpose::Page, &[b"x"]), crypt.mac(Purpose::Token, &[b"x"]));
    assert_ne!(crypt.mac(Purpose::Page, &[b"ab", b"c"]), crypt.mac(Purpose::Page, &[b"a", b"bc"]));
}

#[test]
fn the_instance_secret_moves_under_a_key_and_stays_the_same() {
    let plain = Crypt::wrap_secret(&[], &[3; 32]).unwrap();
    let keys = [master("a")];
    assert!(Crypt::is_wrapped_by_first(&[], &plain) && !Crypt::is_wrapped_by_first(&keys, &plain));
    let wrapped = Crypt::wrap_secret(&keys, &Crypt::unwrap_secret(&keys, &plain).unwrap()).unwrap();
    assert_eq!(*Crypt::unwrap_secret(&keys, &wrapped).unwrap(), [3; 32]);
    assert!(Crypt::unwrap_secret(&[], &wrapped).is_err());
}

proptest! {
    #[test]
    fn bodies_come_back(body in prop::collection::vec(any::<u8>(), 0..5_000), sealed: bool) {
        let masters = if sealed { vec![master("a")] } else { Vec::new() };
        let crypt = Crypt::new(masters.into(), &[1; 32]);
        let stored = crypt.seal_alone(place(b"x"), &body).unwrap();
        prop_assert_eq!(crypt.open_alone(place(b"x"), &stored).unwrap(), body);
    }

    #[test]
    fn hostile_bytes_are_errors(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let crypt = Crypt::new(vec![master("a")].into(), &[1; 32]);
        prop_assert!(crypt.open_alone(place(b"x"), &bytes).is_err());
        prop_assert!(crypt.key(place(b"x"), &bytes).is_err() || bytes == [0; 4]);
        let _ = DataKey(None).open(place(b"x"), &bytes);
    }
}

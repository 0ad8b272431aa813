use proptest::prelude::*;

use super::*;

#[test]
fn cuts_between_characters() {
    // Four bytes each.
    assert_eq!(cut("🚂🚃🚃", 8), "🚂🚃");
    assert_eq!(cut("🚂🚃🚃", 7), "🚂");
    assert_eq!(cut("🚂🚃🚃", 3), "");
    assert_eq!(cut("abc", 3), "abc");
    assert_eq!(cut("abc", 0), "");
}

#[test]
fn an_ellipsis_counts() {
    assert_eq!(shortened("abcdef", 6), "abcdef");
    assert_eq!(shortened("abcdefg", 6), "abc…");
    assert_eq!(shortened("🚂🚃🚃", 11), "🚂🚃…");
    assert_eq!(shortened("abcd", 2), "ab");
}

#[test]
fn a_summary_of_trains_fits_in_bytes() {
    let trains = "🚂".repeat(40_000);
    let shown = shortened(&trains, TEXT_BYTES_MAX);
    assert!(shown.len() <= TEXT_BYTES_MAX && shown.len() > TEXT_BYTES_MAX - 8, "{}", shown.len());
    assert!(shown.ends_with("🚂…"));
}

proptest! {
    #[test]
    fn never_longer_than_allowed(text in ".{0,40}", max in 0_usize..60) {
        let short = shortened(&text, max);
        prop_assert!(short.len() <= max);
        prop_assert!(text.starts_with(cut(&text, max)));
        prop_assert_eq!(short == text, text.len() <= max);
    }
}

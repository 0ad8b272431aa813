//! GitHub's limits on what we write, and cutting to them.
//!
//! They are kept here too, although reports are made to fit: a check that GitHub refuses for one character too many
//! would never report, and a check that never reports blocks a pull request for ever.

/// `summary` and `text` of a check. Documented as characters, enforced as bytes.
pub const TEXT_BYTES_MAX: usize = 65_535;
/// `name` and `title` of a check. GitHub names no limit; this is what its own database is known to hold.
pub const TITLE_BYTES_MAX: usize = 255;
/// A comment.
pub const COMMENT_BYTES_MAX: usize = 65_535;
/// `message` and `raw_details` of an annotation: 64 KB.
pub const ANNOTATION_BYTES_MAX: usize = 64_000;
/// `title` of an annotation.
pub const ANNOTATION_TITLE_BYTES_MAX: usize = 255;
/// Annotations in one request. Further ones go in further requests, each of which appends.
pub const ANNOTATIONS_PER_REQUEST_MAX: usize = 50;
/// Annotations of one check. Ours: each fifty cost a write, and nobody reads the five hundredth.
pub const ANNOTATIONS_MAX: usize = 500;
/// Buttons of one check.
pub const ACTIONS_MAX: usize = 3;
/// The label of a button.
pub const ACTION_LABEL_BYTES_MAX: usize = 20;
/// The description of a button.
pub const ACTION_DESCRIPTION_BYTES_MAX: usize = 40;
/// The identifier of a button, which comes back with its click. It is never cut: a cut one names something else.
pub const ACTION_IDENTIFIER_BYTES_MAX: usize = 20;

/// Appended where something is missing.
const ELLIPSIS: &str = "…";

/// The longest beginning of `text` of at most `bytes_max` bytes that ends between two characters.
#[must_use]
pub fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text)
}

/// `text` if it fits, else its beginning with an ellipsis; never more than `bytes_max` bytes.
#[must_use]
pub fn shortened(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    match bytes_max.checked_sub(ELLIPSIS.len()) {
        Some(room) => format!("{}{ELLIPSIS}", cut(text, room)),
        None => cut(text, bytes_max).to_owned(),
    }
}

#[cfg(test)]
mod tests;

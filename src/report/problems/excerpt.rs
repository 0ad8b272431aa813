//! The line of a file that a problem is about, fit to be shown, and where in it to point.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Columns of a line that are shown; of longer lines, those around the place.
const SHOWN_MAX: usize = 100;
/// Columns before the place that stay where a line is cut.
const BEFORE_MAX: usize = 40;
const TAB: &str = "    ";
const CUT: &str = "…";

/// A line as it is shown, and the underlined part of it, in columns of the terminal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    pub(super) line: String,
    pub(super) indent: usize,
    pub(super) width: usize,
}

/// Lines and columns count from 1, columns in characters. `None` where the file has no such line.
pub(super) fn excerpt(text: &str, line: u32, column: u32) -> Option<Excerpt> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let source: Vec<char> = text.lines().nth(line.checked_sub(1)? as usize)?.trim_end().chars().collect();
    let at = (column.saturating_sub(1) as usize).min(source.len());
    let end = at + word(&source[at..]);
    let (before, marked, after) = (shown(&source[..at]), shown(&source[at..end]), shown(&source[end..]));
    let before = if before.width() > SHOWN_MAX - BEFORE_MAX { tail(&before) } else { before };
    let indent = before.width();
    let marked = head(&marked, SHOWN_MAX.saturating_sub(indent).max(1));
    let width = marked.width().max(1);
    let after = head(&after, SHOWN_MAX.saturating_sub(indent + width));
    Some(Excerpt { line: format!("{before}{marked}{after}").trim_end().to_owned(), indent, width })
}

/// How many characters the word has that begins here: to the end of its quotes, or to what ends a plain one in YAML.
fn word(rest: &[char]) -> usize {
    let ends = |c: &char| c.is_whitespace() || matches!(c, ',' | ':' | ']' | '}');
    let length = match rest.first() {
        Some(quote @ ('"' | '\'')) => rest.iter().skip(1).position(|c| c == quote).map_or(rest.len(), |at| at + 2),
        Some('[' | '{') => 1,
        _ => rest.iter().position(ends).unwrap_or(rest.len()),
    };
    length.max(1).min(rest.len())
}

/// What a terminal shows as it stands: a tab as four columns, everything that it would obey or hide as its number.
fn shown(source: &[char]) -> String {
    let one = |c: &char| match c {
        '\t' => TAB.to_owned(),
        c if c.is_control() || c.width().unwrap_or(0) == 0 => format!("\\u{{{:x}}}", u32::from(*c)),
        c if is_direction(*c) => format!("\\u{{{:x}}}", u32::from(*c)),
        c => c.to_string(),
    };
    source.iter().map(one).collect()
}

fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn head(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut width = CUT.width();
    let fits = |c: &char| {
        width += c.width().unwrap_or(0);
        width <= columns
    };
    text.chars().take_while(fits).chain(CUT.chars()).collect()
}

fn tail(text: &str) -> String {
    let mut width = CUT.width();
    let fits = |c: &char| {
        width += c.width().unwrap_or(0);
        width <= BEFORE_MAX
    };
    let kept: Vec<char> = text.chars().rev().take_while(fits).collect();
    CUT.chars().chain(kept.into_iter().rev()).collect()
}

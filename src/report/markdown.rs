//! Text that people or agents wrote, made safe to stand in our Markdown.
//!
//! Mentions are broken so that nobody is called, images are taken out because loading one tells a secret to its
//! server, and nothing can close the table, fence or comment it stands in.

/// The longest summary or text of a check, in bytes: GitHub counts bytes, whatever it says.
const BODY_BYTES_MAX: usize = 65_535;

/// One line of somebody's text for a table cell or a sentence: no Markdown, no HTML, no line ends.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => safe.push(' '),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '+' | '!' | '|' | '~' | '>' => {
                safe.push('\\');
                safe.push(c);
            }
            '<' => safe.push_str("&lt;"),
            '&' => safe.push_str("&amp;"),
            // A zero-width space behind the sign: it reads the same, and GitHub calls nobody.
            '@' => safe.push_str("@\u{200b}"),
            c if c.is_control() => {}
            c => safe.push(c),
        }
    }
    safe
}

/// Somebody's text as it is, in a fence that it cannot close; control characters of terminals are taken out.
#[must_use]
pub fn fence(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\n' | '\t' => clean.push(c),
            c if c.is_control() => {}
            c => clean.push(c),
        }
    }
    let longest = clean.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let ticks = "`".repeat(longest.max(2) + 1);
    format!("{ticks}text\n{}\n{ticks}", clean.trim_end_matches('\n'))
}

/// Skips the rest of a terminal's escape sequence: `ESC [ … letter`.
fn skip_escape(chars: &mut std::str::Chars<'_>) {
    if chars.clone().next() == Some('[') {
        for c in chars.by_ref().skip(1) {
            if c.is_ascii_alphabetic() {
                break;
            }
        }
    }
}

/// The end of a text that is too long, on a line's start where there is one; the end of a log says most.
#[must_use]
pub(super) fn tail(text: &str, bytes_max: usize) -> &str {
    if text.len() <= bytes_max {
        return text;
    }
    let from = text.ceil_char_boundary(text.len() - bytes_max);
    let end = text.get(from..).unwrap_or_default();
    end.split_once('\n').map_or(end, |(_, lines)| lines)
}

/// A Markdown body that GitHub takes: cut where a character ends, and it says so.
#[must_use]
pub fn cut(body: String) -> String {
    if body.len() <= BODY_BYTES_MAX {
        return body;
    }
    let note = "\n\n… cut here: GitHub takes no more.";
    let end = body.floor_char_boundary(BODY_BYTES_MAX - note.len());
    format!("{}{note}", body.get(..end).unwrap_or_default())
}

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
            c if c.is_control() || turns_direction(c) => {}
            c => safe.push(c),
        }
    }
    safe
}

/// Somebody's text as it is, in a fence that it cannot close.
#[must_use]
pub fn fence(text: &str) -> String {
    let clean = plain(text);
    let longest = clean.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let ticks = "`".repeat(longest.max(2) + 1);
    format!("{ticks}text\n{}\n{ticks}", clean.trim_end_matches('\n'))
}

/// Somebody's text as a terminal would leave it standing: sequences of the terminal and other control characters are
/// taken out, and a line that was written over (a progress bar) shows what was written last.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        let line = line.trim_end_matches('\r');
        let mut chars = line.rsplit('\r').next().unwrap_or_default().chars();
        while let Some(c) = chars.next() {
            match c {
                '\u{1b}' => skip_escape(&mut chars),
                '\t' => clean.push(c),
                c if c.is_control() || turns_direction(c) => {}
                c => clean.push(c),
            }
        }
        clean.push_str(end);
    }
    clean
}

/// Signs that make what follows read from the other side: text would not say what it shows.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Skips the rest of a terminal's sequence: `ESC [ … letter`, `ESC ] … BEL`, or one sign.
fn skip_escape(chars: &mut std::str::Chars<'_>) {
    match chars.clone().next() {
        Some('[') => {
            chars.next();
            chars.by_ref().find(|c| matches!(c, '@'..='~'));
        }
        Some(']') => {
            chars.by_ref().find(|c| matches!(c, '\u{7}' | '\u{1b}'));
            if chars.clone().next() == Some('\\') {
                chars.next();
            }
        }
        Some(_) => {
            chars.next();
        }
        None => {}
    }
}

/// Somebody's Markdown as a quotation that does no harm: it calls nobody, loads nothing, and holds no HTML.
#[must_use]
pub(super) fn quote(text: &str) -> String {
    let clean = plain(text);
    let mut quoted = String::with_capacity(clean.len() + 64);
    for line in clean.trim().lines() {
        quoted.push_str(if quoted.is_empty() { "> " } else { "\n> " });
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            quoted.push(c);
            let next = chars.peek().copied().unwrap_or(' ');
            let harmful = match c {
                '@' => true,
                '!' => next == '[',
                '<' | '&' => next.is_ascii_alphabetic() || matches!(next, '/' | '!' | '?' | '#'),
                _ => false,
            };
            // A zero-width space behind the sign: it reads the same, inside code too, and means nothing any more.
            if harmful {
                quoted.push('\u{200b}');
            }
        }
    }
    quoted
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

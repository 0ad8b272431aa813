//! What is wrong with text that is no YAML, in the words of those who wrote it.
//!
//! A parser says what it expected, and where it gave up; that is often a line behind the slip. People slip in a dozen
//! ways, and each shows in the lines around that place: so the lines are looked at, one slip after the other.

use super::problem::{Code, Place, Problems};

/// Lines that are looked at above the place where the parser gave up.
const ROWS_MAX: usize = 50;
/// Longer texts are not written out again in a help.
const QUOTED_CHARS_MAX: usize = 60;

/// Notes what is wrong: a known slip with its own place, or else what the parser says.
pub(super) fn explain(text: &str, info: &str, place: Place, problems: &mut Problems) {
    let slips: [fn(&Page<'_>) -> Option<Slip>; 12] =
        [merge, tab, quote, escape, behind_a_quote, first_letter, expression, bracket, block, no_blank, colon, indent];
    let page = Page { lines: text.lines().collect(), info, row: place.line as usize, column: place.column as usize };
    let found = slips.into_iter().find_map(|slip| slip(&page));
    let slip = found.unwrap_or_else(|| Slip {
        row: page.row,
        column: page.column,
        message: format!("this is no YAML: {info}"),
        help: "most often it is indentation, or a : or # in text without quotes".to_owned(),
    });
    let small = |number: usize| u32::try_from(number.max(1)).unwrap_or(u32::MAX);
    let place = Place { line: small(slip.row), column: small(slip.column), ..place };
    problems.error(Code::Syntax, place, slip.message).help(slip.help);
}

struct Slip {
    row: usize,
    column: usize,
    message: String,
    help: String,
}

/// The file, and where its parser gave up. Rows and columns count from 1.
struct Page<'a> {
    lines: Vec<&'a str>,
    /// What the parser says.
    info: &'a str,
    row: usize,
    column: usize,
}

impl<'a> Page<'a> {
    fn line(&self, row: usize) -> &'a str {
        row.checked_sub(1).and_then(|at| self.lines.get(at)).copied().unwrap_or_default()
    }

    fn here(&self) -> Line<'a> {
        Line::of(self.line(self.row))
    }

    /// The lines above a row that say something, the nearest first.
    fn above(&self, row: usize) -> impl Iterator<Item = (usize, Line<'a>)> {
        let rows = (1..row).rev().take(ROWS_MAX).map(|row| (row, Line::of(self.line(row))));
        rows.filter(|(_, line)| !line.body.is_empty() && !line.body.starts_with('#'))
    }

    fn says(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.info.contains(word))
    }

    /// What stands in the row before the place, and what from there on.
    fn parted(&self) -> (&'a str, &'a str) {
        let line = self.line(self.row);
        let at = line.char_indices().nth(self.column.saturating_sub(1)).map_or(line.len(), |(at, _)| at);
        line.split_at(at)
    }

    fn slip(&self, row: usize, column: usize, message: impl Into<String>, help: impl Into<String>) -> Option<Slip> {
        Some(Slip { row, column, message: message.into(), help: help.into() })
    }

    fn slip_here(&self, message: impl Into<String>, help: impl Into<String>) -> Option<Slip> {
        self.slip(self.row, self.column, message, help)
    }
}

/// A line without its indentation and the dashes of lists.
#[derive(Clone, Copy)]
struct Line<'a> {
    /// The column of its first letter behind them, from 1.
    column: usize,
    body: &'a str,
}

impl<'a> Line<'a> {
    fn of(line: &'a str) -> Self {
        let mut body = line.trim_start_matches([' ', '\t']);
        while let Some(rest) = body.strip_prefix("- ") {
            body = rest.trim_start();
        }
        Self { column: line.len() - body.len() + 1, body: body.trim_end() }
    }

    /// Its field, and what stands behind the colon.
    fn field(self) -> Option<(&'a str, &'a str)> {
        let (key, value) = self.body.split_once(':')?;
        let plain = !key.is_empty()
            && can_be_told(key)
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        (plain && (value.is_empty() || value.starts_with(' '))).then_some((key, value.trim()))
    }
}

/// Whether a help can hold this piece of a file.
fn can_be_told(text: &str) -> bool {
    text.chars().count() <= QUOTED_CHARS_MAX
}

/// A text in quotes, where that is short enough to be shown.
fn in_quotes(text: &str) -> String {
    if can_be_told(text) && !text.contains(['\'', '\\']) {
        format!("put it in quotes: '{text}'")
    } else {
        "put it in quotes".to_owned()
    }
}

fn merge(page: &Page<'_>) -> Option<Slip> {
    let at = page.lines.iter().position(|line| line.starts_with("<<<<<<< "))?;
    let help = "keep one of them, and remove the lines <<<<<<<, ======= and >>>>>>>";
    page.slip(at + 1, 1, "a merge left two versions here", help)
}

fn tab(page: &Page<'_>) -> Option<Slip> {
    // Texts below a | may hold tabs; of them a parser says nothing.
    let rows = page.row..=page.row + usize::from(page.says(&["tab"]));
    rows.into_iter().find_map(|row| {
        let line = page.line(row);
        let at = line.find(|c| c != ' ').filter(|at| line[*at..].starts_with('\t'))?;
        page.slip(row, at + 1, "a tab stands here, and YAML counts blanks", "indent with blanks")
    })
}

fn quote(page: &Page<'_>) -> Option<Slip> {
    let open = page.says(&[
        "invalid indentation in quoted scalar",
        "quoted scalar, found unexpected end of stream",
        "quoted scalar, found unexpected document indicator",
    ]);
    let help = "close it where the text ends; a quote that is part of a text stands between quotes of the other kind";
    if open { page.slip_here("this quote is not closed", help) } else { None }
}

fn escape(page: &Page<'_>) -> Option<Slip> {
    if !page.says(&["unknown escape character", "expected hexadecimal number", "invalid Unicode character escape"]) {
        return None;
    }
    let help = "write single quotes, where a backslash is a backslash, or write it twice";
    page.slip_here("between double quotes a backslash begins an escape, and this is none", help)
}

fn behind_a_quote(page: &Page<'_>) -> Option<Slip> {
    // What the parser says of the other kind of quotes is what it says of many a slip.
    let goes_on = |value: &str| {
        let rest = value.strip_prefix('\'').and_then(|text| text.split_once('\'')).map_or("", |(_, rest)| rest.trim());
        // Two in a row are one of the text.
        !rest.is_empty() && !rest.starts_with(['#', '\''])
    };
    if !page.here().field().is_some_and(|(_, value)| goes_on(value)) && !page.says(&["trailing content after"]) {
        return None;
    }
    page.slip_here("the text has ended with its quote, and more stands behind it", "put all of it between quotes")
}

fn first_letter(page: &Page<'_>) -> Option<Slip> {
    if !page.says(&["unknown anchor", "anchor or alias", "unexpected character"]) {
        return None;
    }
    let (_, rest) = page.parted();
    let letter = rest.chars().next()?;
    let end = if page.line(page.row).contains(['[', '{']) { rest.find([',', ']', '}']) } else { None };
    let word = rest[..end.unwrap_or(rest.len())].trim_end();
    page.slip_here(format!("a text cannot begin with {letter} here"), in_quotes(word))
}

fn expression(page: &Page<'_>) -> Option<Slip> {
    if !page.says(&["flow mapping", "flow sequence"]) {
        return None;
    }
    let line = page.line(page.row);
    let at = line.find("${{").filter(|at| !line[..*at].trim_end().ends_with(['"', '\'']))?;
    let inside = line[..at].contains(['{', '[']);
    let help = "put it in quotes: \"${{ … }}\"";
    let column = line[..at].chars().count() + 1;
    if inside { page.slip(page.row, column, "among brackets an expression needs quotes", help) } else { None }
}

fn bracket(page: &Page<'_>) -> Option<Slip> {
    if !page.says(&["flow", "illegal placement", "unexpected eof", "misplaced bracket"]) {
        return None;
    }
    let rows = (1..=page.row).rev().take(ROWS_MAX);
    rows.into_iter().find_map(|row| {
        let (column, open) = unclosed(page.line(row))?;
        let close = if open == '[' { ']' } else { '}' };
        page.slip(row, column, format!("this {open} is not closed"), format!("write {close} where it ends"))
    })
}

/// The innermost bracket of a line that has no counterpart in it.
fn unclosed(line: &str) -> Option<(usize, char)> {
    let mut open: Vec<(usize, char)> = Vec::new();
    let (mut quote, mut before) = (None, ' ');
    for (at, c) in line.chars().enumerate() {
        match (quote, c) {
            (Some(end), c) if c == end => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => open.push((at + 1, c)),
            // One that closes another kind leaves its own open.
            (None, ']') if open.last().is_some_and(|(_, open)| *open == '[') => _ = open.pop(),
            (None, '}') if open.last().is_some_and(|(_, open)| *open == '{') => _ = open.pop(),
            (None, '#') if before.is_whitespace() => break,
            (None, _) => {}
        }
        before = c;
    }
    open.pop()
}

/// `run: |` with a script below it that is not indented.
fn block(page: &Page<'_>) -> Option<Slip> {
    let ends = |value: &str| matches!(value, "|" | "|-" | "|+" | ">" | ">-" | ">+");
    let (row, key) = page.above(page.row + 1).find(|(_, line)| line.field().is_some_and(|(_, value)| ends(value)))?;
    let (name, mark) = key.field()?;
    let below = (row + 1..=page.row).find(|row| !page.line(*row).trim().is_empty())?;
    let text = Line::of(page.line(below));
    if text.column > key.column || text.field().is_some() {
        return None;
    }
    let column = key.column + 2;
    let help = format!("begin each of its lines in column {column}, two blanks behind {name}");
    page.slip(below, text.column, format!("the text of {name}: {mark} is not indented"), help)
}

/// `id:build`.
fn no_blank(page: &Page<'_>) -> Option<Slip> {
    let rows = [Some((page.row, page.here())), page.above(page.row).next()];
    rows.into_iter().flatten().find_map(|(row, line)| {
        let (key, value) = line.body.split_once(':')?;
        let slip = !key.is_empty()
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
            && value.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '[' | '{' | '"' | '\''));
        let column = line.column + key.len();
        let help = if can_be_told(line.body) { format!("write {key}: {value}") } else { "write one".to_owned() };
        if slip { page.slip(row, column, "a blank is missing behind this colon", help) } else { None }
    })
}

/// `name: CI: build`, and a field below a field that has its value.
fn colon(page: &Page<'_>) -> Option<Slip> {
    if !page.says(&["mapping values are not allowed"]) {
        return None;
    }
    let here = page.here();
    let second = here.field().filter(|(_, value)| value.contains(": ") || value.ends_with(':'));
    if let Some((key, value)) = second {
        let help = match key {
            "run" => "write run: | and the command in the line below, or put all of it in quotes".to_owned(),
            _ => in_quotes(value),
        };
        return page.slip_here("a second colon stands here, so this is no text any more", help);
    }
    let (_, above) = page.above(page.row).next()?;
    let (key, _) = above.field().filter(|(_, value)| !value.is_empty())?;
    let message = format!("this line is indented deeper than {key}, which has its value already");
    page.slip(page.row, here.column, message, format!("begin it in column {}, below {key}", above.column))
}

fn indent(page: &Page<'_>) -> Option<Slip> {
    if page.says(&["simple key"]) {
        let help = "write name: value, or - value in a list";
        return page.slip_here("a line stands here that is neither a field nor an entry of a list", help);
    }
    if !page.says(&["'-' indicator", "expected key", "entries are not allowed", "invalid indentation"]) {
        return None;
    }
    let here = page.here();
    let help = match page.above(page.row).find_map(|(_, line)| Some((line.field()?.0, line.column))) {
        Some((key, column)) if column != here.column => format!("begin it in column {column}, below {key}"),
        Some(_) | None => "begin the fields of one mapping in one column, and the entries of one list".to_owned(),
    };
    page.slip(page.row, here.column, "this line does not stand below its neighbours", help)
}

#[cfg(test)]
mod tests;

//! The lines of a comment that may be commands: those that GitHub shows as plain text of a top-level paragraph.
//!
//! Everything else speaks *about* commands: quotes, code, HTML and what it encloses, lists, tables, footnotes,
//! headings, links, images, text that is struck through. The Markdown decides that, not a pattern: a lazy line behind
//! a quote belongs to the quote, a row behind a table to the table.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// A line that starts with `/` in plain text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Its number in the comment, from 1.
    pub(super) number: u32,
    /// Its text, without the end of the line.
    pub(super) text: &'a str,
    /// Whether code, a link, an image or HTML stands in it.
    pub(super) marked_up: bool,
}

/// The candidates of a comment, in order.
pub(super) fn candidates(comment: &str) -> Vec<Line<'_>> {
    let Plain { paragraphs, marked_up, hidden } = Plain::read(comment);
    let mut lines = Vec::new();
    let mut start = 0;
    let mut next_paragraph = paragraphs.iter().peekable();
    let mut marked_up = Cursor::new(&marked_up);
    let mut hidden = Cursor::new(&hidden);
    for (index, whole) in comment.split_inclusive('\n').enumerate() {
        let end = start + whole.len();
        while next_paragraph.next_if(|paragraph| paragraph.end <= start).is_some() {}
        let plain = next_paragraph.peek().is_some_and(|paragraph| paragraph.start <= start);
        // Both cursors must move, so neither question may be skipped.
        let begins_inside = hidden.covers(start) | marked_up.covers(start);
        let text = whole.trim_end_matches(['\n', '\r', ' ', '\t']);
        if plain && text.starts_with('/') && !begins_inside {
            let number = u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1);
            lines.push(Line { number, text, marked_up: marked_up.touches(start..end) });
        }
        start = end;
    }
    lines
}

/// What of a comment is plain, as byte ranges in ascending order.
#[derive(Default)]
struct Plain {
    /// Paragraphs that stand in nothing else.
    paragraphs: Vec<Range<usize>>,
    /// Code, links, images and HTML inside them.
    marked_up: Vec<Range<usize>>,
    /// What takes its text out of the conversation without changing its letters: struck through, mathematics, and
    /// everything between an HTML tag and its end.
    hidden: Vec<Range<usize>>,
}

impl Plain {
    fn read(comment: &str) -> Self {
        // What GitHub turns on. Without tables, say, a row that starts with `/` would look like a paragraph.
        let options = Options::ENABLE_TABLES
            | Options::ENABLE_FOOTNOTES
            | Options::ENABLE_STRIKETHROUGH
            | Options::ENABLE_TASKLISTS
            | Options::ENABLE_MATH
            | Options::ENABLE_GFM;
        let mut plain = Self::default();
        let mut html = OpenTags::default();
        let (mut depth, mut containers) = (0_usize, 0_usize);
        for (event, range) in Parser::new_ext(comment, options).into_offset_iter() {
            match event {
                Event::Start(tag) => {
                    match tag {
                        Tag::Paragraph if depth == 0 => plain.paragraphs.push(range),
                        Tag::HtmlBlock if depth == 0 => plain.hidden.extend(html.read(comment, range)),
                        Tag::Link { .. } | Tag::Image { .. } => plain.marked_up.push(range),
                        Tag::Strikethrough => plain.hidden.push(range),
                        // An element that is opened in one of these is closed with it.
                        Tag::BlockQuote(_) | Tag::List(_) | Tag::Table(_) | Tag::FootnoteDefinition(_) => {
                            containers += 1;
                        }
                        _ => {}
                    }
                    depth += 1;
                }
                Event::End(tag) => {
                    depth = depth.saturating_sub(1);
                    if let TagEnd::BlockQuote(_) | TagEnd::List(_) | TagEnd::Table | TagEnd::FootnoteDefinition = tag {
                        containers = containers.saturating_sub(1);
                    }
                }
                Event::Code(_) => plain.marked_up.push(range),
                Event::InlineHtml(_) => {
                    plain.marked_up.push(range.clone());
                    if containers == 0 {
                        plain.hidden.extend(html.read(comment, range));
                    }
                }
                Event::InlineMath(_) | Event::DisplayMath(_) => plain.hidden.push(range),
                Event::Html(_)
                | Event::Text(_)
                | Event::FootnoteReference(_)
                | Event::SoftBreak
                | Event::HardBreak
                | Event::Rule
                | Event::TaskListMarker(_) => {}
            }
        }
        plain.hidden.extend(html.since.map(|since| since..comment.len()));
        plain.hidden.sort_unstable_by_key(|range| range.start);
        plain
    }
}

/// Walks ranges that ascend by start, for places that ascend too, so that a comment costs what it is long.
struct Cursor<'a> {
    rest: &'a [Range<usize>],
    covered_until: usize,
}

impl<'a> Cursor<'a> {
    fn new(ranges: &'a [Range<usize>]) -> Self {
        Self { rest: ranges, covered_until: 0 }
    }

    /// Whether a range that starts before `place` reaches over it.
    fn covers(&mut self, place: usize) -> bool {
        while let [first, rest @ ..] = self.rest
            && first.start < place
        {
            self.covered_until = self.covered_until.max(first.end);
            self.rest = rest;
        }
        self.covered_until > place
    }

    /// Whether a range starts in `line`.
    fn touches(&self, line: Range<usize>) -> bool {
        self.rest.first().is_some_and(|first| line.contains(&first.start))
    }
}

/// HTML elements that are open: what stands in them is theirs, though Markdown calls it a paragraph. A quote may be
/// written as `<blockquote>`, and `<details>` hides what it holds.
#[derive(Default)]
struct OpenTags {
    open: Vec<String>,
    /// Where the outermost one was opened.
    since: Option<usize>,
}

/// Deeper than anybody nests by hand; what goes beyond stays open to the end of the comment.
const OPEN_TAGS_MAX: usize = 64;
/// Elements that enclose nothing.
const VOID: [&str; 6] = ["br", "hr", "img", "input", "wbr", "source"];

impl OpenTags {
    /// Reads a piece of HTML; gives what it encloses together with earlier pieces, once that is closed. Comments and
    /// declarations enclose nothing; a closing tag that was never opened means nothing.
    fn read(&mut self, comment: &str, range: Range<usize>) -> Option<Range<usize>> {
        let mut rest = comment.get(range.clone()).unwrap_or_default();
        while let Some((_, after)) = rest.split_once('<') {
            if let Some(hidden) = after.strip_prefix("!--") {
                rest = hidden.split_once("-->").map_or("", |(_, after)| after);
                continue;
            }
            let (tag, after) = after.split_once('>').unwrap_or((after, ""));
            rest = after;
            self.tag(tag);
        }
        if self.open.is_empty() {
            return self.since.take().map(|since| since..range.end);
        }
        self.since.get_or_insert(range.start);
        None
    }

    fn tag(&mut self, tag: &str) {
        let closing = tag.strip_prefix('/');
        let name: String = closing.unwrap_or(tag).chars().take_while(char::is_ascii_alphanumeric).collect();
        let name = name.to_ascii_lowercase();
        if name.is_empty() || VOID.contains(&&*name) || self.open.len() > OPEN_TAGS_MAX {
            return;
        }
        if closing.is_none() {
            // HTML has no `<div/>`: the slash is ignored there, so it is here.
            self.open.push(name);
        } else if let Some(opened) = self.open.iter().rposition(|open| *open == name) {
            self.open.truncate(opened);
        }
    }
}

#[cfg(test)]
mod tests;

//! Lines for a terminal, out of what there is to see. Pure: the same view, time and size give the same lines.
//!
//! *Invariant:* nothing here writes; a line is never wider than the screen, so that it can be taken back.

use std::fmt::Write as _;
use std::time::Duration;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::view::{Check, News, View};
use crate::time::{Timestamp, human};

const SPINNER: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
/// How wide the column of names gets at most.
const NAME_WIDTH_MAX: usize = 44;
/// Lines of a comment that are shown; its page has the rest.
const COMMENT_LINES_MAX: usize = 40;

/// What the lines are for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Screen {
    /// Columns. Where nobody looks live there is no end to a line.
    pub(super) width: usize,
    /// Rows that live lines may use.
    pub(super) height: usize,
    pub(super) colours: bool,
    /// Where the spinner stands; nothing where lines are not redrawn.
    pub(super) tick: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paint {
    Plain,
    Good,
    Bad,
    Busy,
    Quiet,
    Loud,
}

type Spans = Vec<(Paint, String)>;

impl Screen {
    /// The live lines: a line for each check. Where they do not fit, those that are over give way first.
    pub(super) fn checks(&self, view: &View, now: Timestamp) -> Vec<String> {
        let over = |check: &&Check| check.over;
        let mut shown: Vec<&Check> = view.checks.iter().collect();
        let room = self.height.max(2) - 1;
        let mut hidden = 0;
        while shown.len() > room && self.tick.is_some() {
            // The last one is the workflow check.
            let at = shown.iter().take(shown.len() - 1).position(over).unwrap_or(0);
            shown.remove(at);
            hidden += 1;
        }
        let widest = shown.iter().map(|check| check.name.width()).max().unwrap_or(0).min(NAME_WIDTH_MAX);
        let mut lines: Vec<String> = Vec::new();
        if hidden > 0 {
            lines.push(self.paint(vec![(Paint::Quiet, format!("  … and {hidden} more"))]));
        }
        let widest_word = shown.iter().map(|check| check.word.width()).max().unwrap_or(0);
        lines.extend(shown.iter().map(|check| self.paint(self.check(check, (widest, widest_word), now))));
        lines
    }

    fn check(&self, check: &Check, (widest, widest_word): (usize, usize), now: Timestamp) -> Spans {
        let (icon, paint) = self.icon(check);
        let pad = " ".repeat(widest.saturating_sub(check.name.width()));
        let mut spans = vec![
            (Paint::Plain, "  ".to_owned()),
            (paint, icon.to_string()),
            (Paint::Plain, format!(" {}{pad}  ", check.name)),
            (paint, check.word.clone()),
            (Paint::Plain, " ".repeat(widest_word.saturating_sub(check.word.width()))),
        ];
        if let (Some(started), false, true) = (check.started, check.over, self.tick.is_some()) {
            let seconds = Duration::from_secs(now.since(started).as_secs());
            spans.push((Paint::Plain, format!("  {}", human(seconds))));
        }
        if !check.title.is_empty() {
            let loud = if check.title.starts_with("rehearsed") { Paint::Loud } else { Paint::Quiet };
            spans.push((loud, format!("  {}", check.title)));
        }
        spans
    }

    fn icon(&self, check: &Check) -> (char, Paint) {
        match (check.word.as_str(), self.tick) {
            ("success", _) => ('✔', Paint::Good),
            ("neutral", _) => ('◼', Paint::Quiet),
            ("skipped", _) => ('⊘', Paint::Quiet),
            ("action required", _) => ('!', Paint::Bad),
            ("cancelled" | "stale", _) => ('⊝', Paint::Bad),
            ("queued", _) => ('○', Paint::Quiet),
            _ if check.over => ('✘', Paint::Bad),
            (_, Some(tick)) => (SPINNER[tick % SPINNER.len()], Paint::Busy),
            (_, None) => ('◉', Paint::Busy),
        }
    }

    /// The same screen for lines that stay: they may be as long as they like.
    fn endless(&self) -> Self {
        Self { width: usize::MAX, ..*self }
    }

    /// The lines that tell news once. A check that changes is told only where no live line shows it.
    pub(super) fn news(&self, news: &News<'_>, now: Timestamp) -> Vec<String> {
        self.endless().news_lines(news, now)
    }

    fn news_lines(&self, news: &News<'_>, now: Timestamp) -> Vec<String> {
        match news {
            News::Head(sha) => vec![self.paint(vec![(Paint::Loud, format!("  now at {sha:.12}"))])],
            News::Page(url) => vec![self.address("run page", url)],
            News::Changed(_) if self.tick.is_some() => Vec::new(),
            News::Changed(check) => vec![self.paint(self.check(check, (0, 0), now))],
            News::Red(check) => self.red(check),
            News::Said(comment) => {
                let mut lines = comment.body.lines();
                let first = format!("  {}", lines.next().unwrap_or_default());
                let mut said =
                    vec![self.paint(vec![(Paint::Loud, format!("  @{}", comment.author)), (Paint::Plain, first)])];
                let rest =
                    lines.take(COMMENT_LINES_MAX).map(|line| self.paint(vec![(Paint::Plain, format!("    {line}"))]));
                said.extend(rest);
                said
            }
            News::Reacted { on, with } => {
                let to = on.body.lines().next().unwrap_or_default();
                vec![self.paint(vec![(Paint::Quiet, format!("    {} on \"{to}\"", reaction(with)))])]
            }
        }
    }

    fn red(&self, check: &Check) -> Vec<String> {
        let mut lines = vec![self.paint(vec![(Paint::Bad, format!("  ── {}: {}", check.name, check.title))])];
        let mut add = |paint, text: String| lines.push(self.paint(vec![(paint, text)]));
        for line in &check.log {
            add(Paint::Plain, format!("  │ {line}"));
        }
        for annotation in &check.annotations {
            add(Paint::Bad, format!("  ▸ {annotation}"));
        }
        lines
    }

    /// A name and where it leads; never cut, for nobody can follow half an address.
    pub(super) fn address(&self, what: &str, url: &str) -> String {
        let pad = " ".repeat(14_usize.saturating_sub(what.width()));
        self.endless().paint(vec![(Paint::Quiet, format!("  {what}{pad}")), (Paint::Plain, url.to_owned())])
    }

    /// A sentence of ours.
    pub(super) fn sentence(&self, text: &str) -> String {
        self.endless().paint(vec![(Paint::Loud, text.to_owned())])
    }

    /// What is being typed: its end, where it is too long.
    pub(super) fn prompt(&self, typed: &str) -> String {
        let room = self.width.saturating_sub("bob> ".len() + 1);
        let mut width = 0;
        let fits = |c: &char| {
            width += c.width().unwrap_or(0);
            width <= room
        };
        let end: Vec<char> = typed.chars().rev().take_while(fits).collect();
        format!("bob> {}", end.into_iter().rev().collect::<String>())
    }

    /// One line, cut to the screen.
    fn paint(&self, spans: Spans) -> String {
        let mut room = self.width.saturating_sub(1);
        let mut line = String::new();
        for (paint, text) in spans {
            let text = if text.width() > room { cut(&text, room) } else { text };
            room -= text.width().min(room);
            let code = match paint {
                Paint::Plain => "",
                Paint::Good => "32",
                Paint::Bad => "31",
                Paint::Busy => "36",
                Paint::Quiet => "2",
                Paint::Loud => "1",
            };
            if self.colours && !code.is_empty() && !text.is_empty() {
                let _ = write!(line, "\u{1b}[{code}m{text}\u{1b}[0m");
            } else {
                line.push_str(&text);
            }
        }
        line.trim_end().to_owned()
    }
}

fn cut(text: &str, room: usize) -> String {
    let mut width = 0;
    let fits = |c: &char| {
        width += c.width().unwrap_or(0);
        width < room
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    if room > 0 {
        cut.push('…');
    }
    cut
}

fn reaction(content: &str) -> &str {
    match content {
        "+1" => "👍",
        "-1" => "👎",
        "eyes" => "👀",
        "rocket" => "🚀",
        other => other,
    }
}

#[cfg(test)]
mod tests;

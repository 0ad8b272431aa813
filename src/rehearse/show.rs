//! The story as text for a terminal or a file, and as JSON for programs.

use std::time::Duration;

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr as _;

use super::chart::chart;
use super::look::{Look, Paint};
use super::story::{BarKind, StepEnd, Story, Tone};
use super::words::{dollars, one_line};
use crate::ids::StepKey;
use crate::report::Conclusion;
use crate::time::human;

/// The whole story, ending with a line feed.
#[must_use]
pub fn text(story: &Story, look: Look) -> String {
    let mut lines = Vec::new();
    for line in &story.lines {
        let paint = match line.tone {
            Tone::Plain => Paint::Plain,
            Tone::Good => Paint::Good,
            Tone::Bad => Paint::Bad,
            Tone::Quiet => Paint::Quiet,
            Tone::Loud => Paint::Loud,
        };
        let at = look.paint(Paint::Quiet, &stamp(line.at, story.took));
        lines.push(format!("{at}  {}", look.paint(paint, &printable(&line.text))));
    }
    lines.push(String::new());
    lines.extend(steps(story, look));
    lines.push(String::new());
    let bars = chart(story, look);
    if !bars.is_empty() {
        lines.extend(bars);
        lines.push(String::new());
    }
    lines.extend(last_words(story).iter().map(|line| look.paint(Paint::Loud, line)));
    lines.extend(story.notes.iter().map(|note| format!("note: {}", printable(note))));
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Words of strangers may not move the cursor.
fn printable(text: &str) -> String {
    crate::report::plain(text).replace(['\n', '\t'], " ")
}

/// `01:30`; with hours where the story has some.
fn stamp(at: Duration, longest: Duration) -> String {
    let seconds = at.as_secs();
    let (hours, minutes, seconds) = (seconds / 3_600, seconds % 3_600 / 60, seconds % 60);
    let width = (longest.as_secs() / 3_600).to_string().len();
    match longest.as_secs() >= 3_600 {
        true => format!("{hours:width$}:{minutes:02}:{seconds:02}"),
        false => format!("{minutes:02}:{seconds:02}"),
    }
}

/// A table of the steps: how each ended.
fn steps(story: &Story, look: Look) -> Vec<String> {
    let name = |end: &StepEnd| format!("{}{}", if end.instance { "  " } else { "" }, end.step);
    let widest = story.steps.iter().map(|end| name(end).width()).max().unwrap_or(0);
    let word = |end: &StepEnd| end.conclusion.map_or("-", conclusion_word);
    let widest_word = story.steps.iter().map(|end| word(end).width()).max().unwrap_or(0);
    let row = |end: &StepEnd| {
        let (name, word) = (name(end), word(end));
        let pad = |text: &str, to: usize| " ".repeat(to.saturating_sub(text.width()));
        let agent = end.agent.as_ref().filter(|agent| !end.title.contains(agent.as_str()));
        let agent = agent.map_or_else(String::new, |agent| format!(" ({agent})"));
        let (mark, paint) = mark(end.conclusion);
        let word = look.paint(paint, &format!("{mark} {word}{}", pad(word, widest_word)));
        format!("{name}{}  {word}  {}{agent}", pad(&name, widest), printable(&end.title))
    };
    story.steps.iter().map(row).collect()
}

fn mark(conclusion: Option<Conclusion>) -> (char, Paint) {
    match conclusion {
        Some(Conclusion::Success) => ('✔', Paint::Good),
        Some(Conclusion::Neutral) => ('◼', Paint::Quiet),
        Some(Conclusion::Skipped) => ('⊘', Paint::Quiet),
        Some(Conclusion::Failure | Conclusion::TimedOut) => ('✘', Paint::Bad),
        Some(Conclusion::Cancelled) => ('⊝', Paint::Bad),
        Some(Conclusion::ActionRequired) => ('!', Paint::Bad),
        None => ('○', Paint::Quiet),
    }
}

fn conclusion_word(conclusion: Conclusion) -> &'static str {
    match conclusion {
        Conclusion::Success => "success",
        Conclusion::Neutral => "neutral",
        Conclusion::Skipped => "skipped",
        Conclusion::Failure => "failure",
        Conclusion::Cancelled => "cancelled",
        Conclusion::TimedOut => "timed out",
        Conclusion::ActionRequired => "action required",
    }
}

fn last_words(story: &Story) -> Vec<String> {
    let word = story.conclusion.map_or("not over", conclusion_word);
    let cost = if story.cost_micros > 0 { format!(", for {}", dollars(story.cost_micros)) } else { String::new() };
    let path: Vec<&str> = story.critical_path.iter().map(StepKey::as_str).collect();
    let (took, longest) = (human(story.took), human(story.longest));
    let against = match story.took.checked_sub(story.longest) {
        None | Some(Duration::ZERO) => format!("It took {took}{cost}. Its critical path takes at most {longest}"),
        Some(more) => {
            format!("It took {took}{cost}, {} longer than its critical path takes at most, {longest}", human(more))
        }
    };
    vec![
        format!("{}: {word}. {}.", story.workflow, one_line(&story.title)),
        format!("{against}: {}.", path.join(" → ")),
    ]
}

impl Story {
    /// The story for programs. Times are milliseconds from the beginning.
    #[must_use]
    pub fn json(&self) -> Value {
        let millis = |at: Duration| u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        let tone = |tone: Tone| match tone {
            Tone::Plain => "plain",
            Tone::Good => "good",
            Tone::Bad => "bad",
            Tone::Quiet => "quiet",
            Tone::Loud => "loud",
        };
        let kind = |kind: BarKind| match kind {
            BarKind::Work => "work",
            BarKind::Vain => "vain",
            BarKind::Wait => "wait",
        };
        json!({
            "workflow": self.workflow,
            "started_by": self.started_by,
            "conclusion": self.conclusion,
            "title": self.title,
            "took_ms": millis(self.took),
            "critical_path": self.critical_path,
            "critical_path_ms": millis(self.longest),
            "cost_usd_micros": self.cost_micros,
            "events": self.lines.iter().map(|line| json!({
                "at_ms": millis(line.at), "step": line.step, "tone": tone(line.tone), "text": line.text,
            })).collect::<Vec<_>>(),
            "steps": self.steps.iter().map(|end| json!({
                "step": end.step, "conclusion": end.conclusion, "title": end.title,
                "attempts": end.attempts, "agent": end.agent,
            })).collect::<Vec<_>>(),
            "bars": self.bars.iter().map(|bar| json!({
                "step": bar.step, "kind": kind(bar.kind), "from_ms": millis(bar.from), "to_ms": millis(bar.to),
            })).collect::<Vec<_>>(),
            "notes": self.notes,
        })
    }
}

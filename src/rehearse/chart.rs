//! The run as bars: a row a step, time from left to right.

use std::collections::BTreeMap;
use std::time::Duration;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::look::{Look, Paint};
use super::story::{Bar, BarKind, Story};
use crate::ids::StepKey;
use crate::time::human;

/// How wide the names get at most.
const NAME_WIDTH_MAX: usize = 28;
/// How wide the bars get, at least and at most.
const BARS_WIDTH: (usize, usize) = (12, 100);
/// A tick of the axis for about so many columns.
const TICK_COLUMNS: usize = 20;

/// The rows, with an axis above and what the signs mean below. Nothing when nothing was done.
pub(super) fn chart(story: &Story, look: Look) -> Vec<String> {
    let total = story.bars.iter().map(|bar| bar.to).max().unwrap_or_default();
    if total.is_zero() {
        return Vec::new();
    }
    let rows: Vec<&StepKey> = story.steps.iter().map(|end| &end.step).filter(|step| worked(story, step)).collect();
    let widest = rows.iter().map(|step| step.as_str().width()).max().unwrap_or(0).min(NAME_WIDTH_MAX);
    let room = look.width.saturating_sub(widest + 3);
    let scale = Scale { total, columns: room.clamp(BARS_WIDTH.0, BARS_WIDTH.1) };
    let mut lines = vec![format!("{}  {}", " ".repeat(widest), look.paint(Paint::Quiet, &scale.axis()))];
    let mut bars: BTreeMap<&StepKey, Vec<&Bar>> = BTreeMap::new();
    story.bars.iter().for_each(|bar| bars.entry(&bar.step).or_default().push(bar));
    for step in rows {
        let cells = scale.cells(bars.get(step).map_or(&[], Vec::as_slice));
        lines.push(format!("{}  {}", fitted(step.as_str(), widest), painted(&cells, look)));
    }
    lines.push(format!("{}  {}", " ".repeat(widest), look.paint(Paint::Quiet, &legend(&story.bars))));
    lines
}

fn worked(story: &Story, step: &StepKey) -> bool {
    story.bars.iter().any(|bar| bar.step == *step)
}

/// A name in exactly so many columns.
fn fitted(name: &str, columns: usize) -> String {
    if name.width() <= columns {
        return format!("{name}{}", " ".repeat(columns - name.width()));
    }
    let mut width = 1;
    let fits = |c: &char| {
        width += c.width().unwrap_or(0);
        width <= columns
    };
    let cut: String = name.chars().take_while(fits).collect();
    let left = columns.saturating_sub(cut.width() + 1);
    format!("{cut}…{}", " ".repeat(left))
}

struct Scale {
    total: Duration,
    columns: usize,
}

impl Scale {
    /// The column in which a moment falls.
    fn column(&self, at: Duration) -> usize {
        let column = at.as_micros() * self.columns as u128 / self.total.as_micros().max(1);
        usize::try_from(column).unwrap_or(self.columns).min(self.columns)
    }

    fn cells(&self, bars: &[&Bar]) -> Vec<Option<BarKind>> {
        let mut cells = vec![None; self.columns];
        // What was worked on shows, however short it was; waiting only fills what is left.
        for waits in [true, false] {
            for bar in bars.iter().filter(|bar| (bar.kind == BarKind::Wait) == waits) {
                let from = self.column(bar.from).min(self.columns - 1);
                let to = self.column(bar.to).max(from + 1);
                cells[from..to].fill(Some(bar.kind));
            }
        }
        cells
    }

    /// Times above the columns in which they fall, as many as there is room for.
    fn axis(&self) -> String {
        let ticks = (self.columns / TICK_COLUMNS).max(1);
        let mut axis = String::new();
        for tick in 0..=ticks {
            let part = u32::try_from(tick).unwrap_or(0);
            let whole = u32::try_from(ticks).unwrap_or(1);
            let label = human(rounded(self.total * part / whole));
            let column =
                if tick == ticks { self.columns.saturating_sub(label.width()) } else { self.columns * tick / ticks };
            if tick > 0 && axis.width() + 1 > column {
                continue;
            }
            axis.push_str(&" ".repeat(column.saturating_sub(axis.width())));
            axis.push_str(&label);
        }
        axis
    }
}

/// Whole seconds, as soon as there are some.
fn rounded(at: Duration) -> Duration {
    if at.as_secs() == 0 { at } else { Duration::from_secs(at.as_secs()) }
}

fn sign(kind: Option<BarKind>) -> (char, Paint) {
    match kind {
        None => (' ', Paint::Plain),
        Some(BarKind::Work) => ('█', Paint::Good),
        Some(BarKind::Vain) => ('▒', Paint::Bad),
        Some(BarKind::Wait) => ('·', Paint::Quiet),
    }
}

fn painted(cells: &[Option<BarKind>], look: Look) -> String {
    let end = cells.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    let mut line = String::new();
    for run in cells[..end].chunk_by(|a, b| a == b) {
        let (c, paint) = sign(run[0]);
        line.push_str(&look.paint(paint, &String::from(c).repeat(run.len())));
    }
    line
}

fn legend(bars: &[Bar]) -> String {
    let kinds = [(BarKind::Work, "works"), (BarKind::Vain, "in vain"), (BarKind::Wait, "waits")];
    let used = kinds.into_iter().filter(|(kind, _)| bars.iter().any(|bar| bar.kind == *kind));
    let parts: Vec<String> = used.map(|(kind, word)| format!("{} {word}", sign(Some(kind)).0)).collect();
    parts.join("   ")
}

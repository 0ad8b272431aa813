//! A plan as a table for a terminal: waves as groups, the critical path marked, and below it what is worth knowing.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::json::severity;
use super::{approval, count, fan_out, going};
use crate::time::human;
use crate::workflow::forecast::{Bottleneck, Forecast, Wave, Weight};
use crate::workflow::plan::{Limits, Plan, PlanIx, Resources, Step};

/// What the table is written on.
#[derive(Debug, Clone, Copy)]
pub struct Paper {
    /// Columns.
    pub width: usize,
    /// Whether it knows colours.
    pub colours: bool,
}

/// Between two columns.
const GAP: usize = 2;
/// How narrow the columns that can be cut get: the lists before the step.
const COLUMN_MIN: usize = 9;
/// How wide a list gets where there is room.
const COLUMN_MAX: usize = 44;
/// More bottlenecks are counted only.
const BOTTLENECKS_MAX: usize = 6;
/// Where the sentences below the table begin.
const INDENT: usize = 17;
const HEADS: [&str; 7] = ["wave", "step", "agents", "needs", "timeout", "retries", "slack"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Paint {
    Plain,
    Loud,
    Quiet,
    Bad,
    Hot,
}

/// The lines of a row, in cells.
struct Row {
    cells: [String; 7],
    critical: bool,
    /// What else there is to say, below it.
    notes: Vec<String>,
}

/// The plan as a table. The words of strangers in it hold no control characters.
#[must_use]
pub fn table(plan: &Plan, forecast: &Forecast, paper: Paper) -> String {
    let mut out = Out { text: String::new(), paper };
    let id = if plan.name == plan.workflow.as_str() { String::new() } else { format!("{}, ", plan.workflow) };
    let size = format!("  {id}{} in {}", count(going(plan), "step"), count(forecast.waves.len(), "wave"));
    out.spans(&[(Paint::Loud, &plain(&plan.name)), (Paint::Quiet, &size)]);
    out.line("");
    let widths = widths(plan, forecast, paper.width);
    let heads = HEADS.map(str::to_owned);
    let head = format!("{}  {}{}", lead(&heads, &widths), pad(&heads[1], widths[1]), tail(&heads, &widths));
    out.spans(&[(Paint::Quiet, &head)]);
    for (at, wave) in forecast.waves.iter().enumerate() {
        for (nth, ix) in wave.steps.iter().enumerate() {
            out.row(&row(plan, forecast, *ix, (nth == 0).then_some(at + 1), &widths), &widths);
        }
    }
    out.line("");
    below(&mut out, plan, forecast);
    out.text
}

/// How wide each column is: as wide as it wants, and those that can be cut share what room there is.
fn widths(plan: &Plan, forecast: &Forecast, room: usize) -> [usize; 7] {
    let mut widths = HEADS.map(|head| head.width());
    for (ix, step) in (0..).zip(&plan.steps).filter(|(_, step)| step.rollback_of.is_none()) {
        let cells = cells(plan, forecast, ix, step, &[usize::MAX; 7]);
        for (width, cell) in widths.iter_mut().zip(&cells) {
            *width = (*width).max(cell.width());
        }
    }
    for list in [2, 3] {
        widths[list] = widths[list].min(COLUMN_MAX);
    }
    // The margin, the mark of the critical path, and the gaps.
    let fixed = 2 + 2 + GAP * 6;
    let room = room.saturating_sub(fixed);
    while widths.iter().sum::<usize>() > room {
        let widest = |columns: &[usize]| {
            let widest = columns.iter().copied().max_by_key(|column| widths[*column]);
            widest.filter(|column| widths[*column] > COLUMN_MIN)
        };
        match widest(&[2, 3]).or_else(|| widest(&[1])) {
            Some(column) => widths[column] -= 1,
            None => break,
        }
    }
    widths
}

fn row(plan: &Plan, forecast: &Forecast, ix: PlanIx, wave: Option<usize>, widths: &[usize; 7]) -> Row {
    let step = &plan.steps[ix as usize];
    let mut cells = cells(plan, forecast, ix, step, widths);
    cells[0] = wave.map(|wave| wave.to_string()).unwrap_or_default();
    let mut notes = Vec::new();
    notes.extend(fan_out(step));
    notes.extend(step.condition.as_ref().map(|condition| format!("if {}", condition.source())));
    let mut gates: Vec<String> = Vec::new();
    gates.extend(step.environment.as_ref().map(|name| format!("environment {name}")));
    gates.extend(step.approval.as_ref().map(approval));
    gates.extend(step.exclusion_group.as_ref().map(|group| format!("never beside others of {group}")));
    gates.extend((!step.parallel).then(|| "runs alone".to_owned()));
    gates.extend((!step.critical).then(|| "may fail".to_owned()));
    gates.extend(wants(step.resources));
    if !gates.is_empty() {
        notes.push(gates.join(" · "));
    }
    let undo = plan.steps.iter().find(|other| other.rollback_of == Some(ix));
    notes.extend(undo.map(|undo| format!("if it fails: {} by {}, {}", undo.key, undo.agent, human(undo.timeout))));
    let notes = notes.into_iter().map(|note| plain(&note)).collect();
    Row { cells, critical: forecast.critical_path.contains(&ix), notes }
}

fn cells(plan: &Plan, forecast: &Forecast, ix: PlanIx, step: &Step, widths: &[usize; 7]) -> [String; 7] {
    let agents = [&step.agent].into_iter().chain(&step.fallback_agents).map(|agent| agent.as_str());
    let needs = step.needs.iter().map(|need| plan.steps[*need as usize].key.as_str());
    let slack = forecast.timings[ix as usize].map(|timing| timing.slack).filter(|slack| !slack.is_zero());
    [
        String::new(),
        cut(step.key.as_str(), widths[1]),
        listed(&agents.collect::<Vec<_>>(), " → ", widths[2]),
        listed(&needs.collect::<Vec<_>>(), ", ", widths[3]),
        human(step.timeout),
        step.retry.retries.to_string(),
        slack.map(human).unwrap_or_default(),
    ]
}

/// `2 GB memory, 1.5 cores`.
fn wants(resources: Resources) -> Option<String> {
    let Resources { memory_bytes, cpu_millis, disk_bytes } = resources;
    let mut said = Vec::new();
    said.extend((memory_bytes > 0).then(|| format!("{} memory", bytes(memory_bytes))));
    let unit = if cpu_millis == 1_000 { "core" } else { "cores" };
    said.extend((cpu_millis > 0).then(|| format!("{} {unit}", cores(cpu_millis.into()))));
    said.extend((disk_bytes > 0).then(|| format!("{} disk", bytes(disk_bytes))));
    (!said.is_empty()).then(|| said.join(", "))
}

fn bytes(bytes: u64) -> String {
    let units = [("GB", 1_u64 << 30), ("MB", 1 << 20), ("KB", 1 << 10)];
    let (unit, size) = units.into_iter().find(|(_, size)| bytes >= *size).unwrap_or(("B", 1));
    format!("{} {unit}", tenths(u128::from(bytes) * 10 / u128::from(size)))
}

fn cores(millis: u64) -> String {
    tenths(u128::from(millis) / 100)
}

fn tenths(tenths: u128) -> String {
    match tenths % 10 {
        0 => (tenths / 10).to_string(),
        part => format!("{}.{part}", tenths / 10),
    }
}

/// The sentences below the table.
fn below(out: &mut Out, plan: &Plan, forecast: &Forecast) {
    let key = |ix: &PlanIx| plan.steps[*ix as usize].key.as_str();
    let path: Vec<&str> = forecast.critical_path.iter().map(key).collect();
    out.said("● critical path", Paint::Hot, &format!("{}: {}", human(forecast.longest), path.join(" → ")));
    let (sum, within) = (human(forecast.one_by_one), human(forecast.within_limits));
    let saved = forecast.saved();
    if saved.is_zero() {
        out.said("  side by side", Paint::Plain, &format!("saves nothing: {sum} in any order"));
    } else {
        out.said("  side by side", Paint::Plain, &format!("saves {} of {sum}", human(saved)));
    }
    if forecast.within_limits > forecast.longest {
        out.said("  limits", Paint::Plain, &format!("make it {within}: not all that could run at once may"));
    }
    if forecast.within_limits > plan.timeout {
        let message = format!("the run ends after {}, before its steps have used their timeouts", human(plan.timeout));
        out.said("  timeout", Paint::Bad, &message);
    }
    for (at, found) in forecast.bottlenecks.iter().take(BOTTLENECKS_MAX).enumerate() {
        let paint = if found.weight == Weight::High { Paint::Bad } else { Paint::Plain };
        out.said(if at == 0 { "  bottlenecks" } else { "" }, paint, &bottleneck(plan, found));
    }
    let more = forecast.bottlenecks.len().saturating_sub(BOTTLENECKS_MAX);
    if more > 0 {
        out.said("", Paint::Plain, &format!("and {more} more"));
    }
    for (at, peak) in peaks(plan, forecast).iter().enumerate() {
        out.said(if at == 0 { "  at most" } else { "" }, Paint::Plain, peak);
    }
}

/// `run_tests: timeout 15 m (high)`.
fn bottleneck(plan: &Plan, found: &Bottleneck) -> String {
    let mut why = Vec::new();
    why.extend(found.dependants.map(|waiting| format!("{waiting} steps wait for it")));
    why.extend(found.timeout.map(|timeout| format!("timeout {}", human(timeout))));
    let key = plan.steps.get(found.step as usize).map_or("", |step| step.key.as_str());
    format!("{key}: {} ({})", why.join(", "), severity(found.weight))
}

/// The waves that want most at once, beside what the run may use.
fn peaks(plan: &Plan, forecast: &Forecast) -> Vec<String> {
    let most = &plan.limits;
    let peak = |of: &dyn Fn(&Wave) -> u64| {
        // Of equal ones the first.
        let waves = forecast.waves.iter().enumerate().rev();
        waves.map(|(at, wave)| (of(wave), at + 1)).max_by_key(|(wanted, _)| *wanted).filter(|(wanted, _)| *wanted > 0)
    };
    let told = |peak: Option<(u64, usize)>, limit: u64, what: &str, words: &dyn Fn(u64) -> String| {
        let (wanted, wave) = peak?;
        let told = words(wanted);
        Some(match words(limit) {
            _ if limit == 0 => format!("{told} {what} in wave {wave}"),
            most if wanted > limit => format!("{told} {what} in wave {wave}, but only {most} at once: some wait"),
            most => format!("{told} of {most} {what} in wave {wave}"),
        })
    };
    let Limits { steps, resources: Resources { memory_bytes, cpu_millis, disk_bytes } } = *most;
    let all = [
        told(peak(&|wave| wave.steps.len() as u64), steps.into(), "steps", &|steps| steps.to_string()),
        told(peak(&|wave| wave.wants.memory_bytes), memory_bytes, "memory", &bytes),
        told(peak(&|wave| wave.wants.cpu_millis.into()), cpu_millis.into(), "cores", &cores),
        told(peak(&|wave| wave.wants.disk_bytes), disk_bytes, "disk", &bytes),
    ];
    all.into_iter().flatten().collect()
}

/// Lines on paper.
struct Out {
    text: String,
    paper: Paper,
}

impl Out {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn spans(&mut self, spans: &[(Paint, &str)]) {
        let line: String = spans.iter().map(|(paint, text)| self.painted(*paint, text)).collect();
        self.line(&line);
    }

    fn painted(&self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Plain => "",
            Paint::Loud => "1",
            Paint::Quiet => "2",
            Paint::Bad => "31",
            Paint::Hot => "36",
        };
        if code.is_empty() || text.is_empty() || !self.paper.colours {
            return text.to_owned();
        }
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    fn row(&mut self, row: &Row, widths: &[usize; 7]) {
        let (mark, paint) = if row.critical { ("● ", Paint::Hot) } else { ("○ ", Paint::Plain) };
        let name = format!("{mark}{}", pad(&row.cells[1], widths[1]));
        self.spans(&[
            (Paint::Quiet, &lead(&row.cells, widths)),
            (paint, &name),
            (Paint::Plain, &tail(&row.cells, widths)),
        ]);
        let indent = 2 + widths[0] + GAP + 2;
        for note in &row.notes {
            for (at, line) in wrapped(note, self.paper.width.saturating_sub(indent + 2)).iter().enumerate() {
                let lead = if at == 0 { "↳ " } else { "  " };
                let line = format!("{}{lead}{line}", " ".repeat(indent));
                self.spans(&[(Paint::Quiet, &line)]);
            }
        }
    }

    /// `● critical path  22 m: a → b`, with as many lines as it takes.
    fn said(&mut self, what: &str, paint: Paint, text: &str) {
        for (at, line) in wrapped(text, self.paper.width.saturating_sub(2 + INDENT)).iter().enumerate() {
            let lead = pad(if at == 0 { what } else { "" }, INDENT);
            self.spans(&[(Paint::Quiet, &format!("  {lead}")), (paint, line)]);
        }
    }
}

/// The wave of a row.
fn lead(cells: &[String; 7], widths: &[usize; 7]) -> String {
    format!("  {:>width$}{}", cells[0], " ".repeat(GAP), width = widths[0])
}

/// What stands behind the step: words to the left, numbers to the right.
fn tail(cells: &[String; 7], widths: &[usize; 7]) -> String {
    let cell = |column: usize| {
        let (cell, room) = (&cells[column], " ".repeat(widths[column].saturating_sub(cells[column].width())));
        let text = if column < 4 { format!("{cell}{room}") } else { format!("{room}{cell}") };
        format!("{}{text}", " ".repeat(GAP))
    };
    (2..7).map(cell).collect()
}

fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// As many of them as there is room for: `a, b, +3`.
fn listed(names: &[&str], between: &str, width: usize) -> String {
    for shown in (1..=names.len()).rev() {
        let more = if shown < names.len() { format!("{between}+{}", names.len() - shown) } else { String::new() };
        let text = format!("{}{more}", names[..shown].join(between));
        if text.width() <= width {
            return text;
        }
    }
    names.first().map(|first| cut(first, width)).unwrap_or_default()
}

fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut room = width.saturating_sub(1);
    let fits = |c: &char| {
        let wide = c.width().unwrap_or(0);
        let fits = wide <= room;
        room = room.saturating_sub(wide);
        fits
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

/// Words in lines of a width; a word that is longer has a line of its own.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Words of strangers on a terminal: what would move the cursor is shown as a blank.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

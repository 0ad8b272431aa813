//! A plan as a picture that stands by itself: light and dark, no script, nothing from elsewhere, every text escaped.

use std::fmt::Write as _;

use super::{Drawing, count, fan_out, going, items, kind_name};
use crate::report::layout::{HEIGHT, Layout, WIDTH, layout, left};
use crate::time::human;
use crate::workflow::defaults::KINDS;
use crate::workflow::forecast::Forecast;
use crate::workflow::plan::{Kind, Plan, Step};

/// Around everything.
const PAD: f32 = 22.0;
/// Above the graph: the name, what there is to say of the whole, and the numbers of the waves.
const HEAD: f32 = 92.0;
/// Below it: what the colours mean.
const FOOT: f32 = 46.0;
/// The narrowest picture, so that its head has room.
const WIDTH_MIN: f32 = 520.0;
/// Characters that fit into a box, beside its colour; of the agent, beside the timeout; and into a badge.
const KEY_CHARS_MAX: usize = 20;
const AGENT_CHARS_MAX: usize = 16;
const BADGE_CHARS_MAX: usize = 12;
const TITLE_CHARS_MAX: usize = 60;

const STYLE: &str = "
:root{--paper:#fdfcfa;--card:#fff;--ink:#1d1f23;--soft:#666a72;--line:#dcd8cf;--wire:#b5b1a7;--hot:#d4570c;--asks:#8a5200;--place:#3f4650}
@media(prefers-color-scheme:dark){:root{--paper:#14161a;--card:#1d2026;--ink:#e9e7e2;--soft:#9ca2ab;--line:#353a42;--wire:#565d67;--hot:#ff9d52;--asks:#e8b25c;--place:#c3c9d1}}
text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','DejaVu Sans',sans-serif;fill:var(--ink);font-size:12px}
.paper{fill:var(--paper);stroke:var(--line)}
.title{font-size:19px;font-weight:650}
.soft,.wave{fill:var(--soft)}
.wave{font-size:11px}
.key{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'Noto Sans Mono','DejaVu Sans Mono',monospace;font-size:13px;font-weight:600}
.end{text-anchor:end}
.box{fill:var(--card);stroke:var(--line);stroke-width:1.25}
.hot .box{stroke:var(--hot);stroke-width:1.75}
.undo .box{stroke:var(--wire);stroke-dasharray:5 4;fill:none}
.undo .key{fill:var(--soft)}
.wire{fill:none;stroke:var(--wire);stroke-width:1.5}
.wire.hot{stroke:var(--hot);stroke-width:2.5}
.wire.undo{stroke-dasharray:5 4}
.tip{fill:var(--wire)}
.tip.hot,.hotword{fill:var(--hot)}
.badge{fill:var(--card);stroke:var(--place)}
.badgeword{font-size:10px;fill:var(--place);text-anchor:middle}
.place .badge{fill:var(--place)}
.place .badgeword{fill:var(--card)}
.asks .badge{stroke:var(--asks)}
.asks .badgeword{fill:var(--asks)}
";

/// The colour of a step type, in light and in dark.
pub(super) fn colour(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Analysis => ("#2f6fdb", "#6aa5f8"),
        Kind::Generation => ("#7c4dd8", "#b08cf5"),
        Kind::Deployment => ("#bd2f7a", "#ee7ab8"),
        Kind::Validation => ("#0a8585", "#45c4c4"),
        Kind::Testing => ("#1b7f4d", "#43bd80"),
        Kind::Security => ("#b3261e", "#f2716a"),
        Kind::Performance => ("#8a6d00", "#d9b73c"),
        Kind::Other => ("#8b9099", "#7d848e"),
    }
}

/// The plan as a picture.
#[must_use]
pub fn svg(plan: &Plan, forecast: &Forecast) -> String {
    let drawing = Drawing::new(plan, forecast);
    let mut needs = vec![Vec::new(); plan.steps.len()];
    for line in &drawing.lines {
        needs[line.to as usize].push(line.from);
    }
    let layout = layout(&needs);
    let kinds = kinds(plan);
    let foot = if kinds.is_empty() { PAD - 6.0 } else { FOOT };
    let (width, height) = ((layout.width + 2.0 * PAD).max(WIDTH_MIN), layout.height + HEAD + foot);
    let mut out = String::new();
    let name = xml(&plan.name);
    // A String takes everything that is written to it.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"{name}\">\n<title>{name}</title>\n<style>{STYLE}"
    );
    kind_styles(&mut out);
    out.push_str("</style>\n<defs>");
    for (id, class) in [("tip", "tip"), ("hot", "tip hot")] {
        let _ = write!(
            out,
            "<marker id=\"{id}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
             markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path class=\"{class}\" d=\"M0 0L8 4L0 8z\"/></marker>"
        );
    }
    let (inner, down) = (width - 1.0, height - 1.0);
    let _ = writeln!(
        out,
        "</defs>\n<rect class=\"paper\" x=\".5\" y=\".5\" width=\"{inner:.0}\" height=\"{down:.0}\" rx=\"12\"/>"
    );
    head(&mut out, plan, forecast);
    let _ = writeln!(out, "<g transform=\"translate({:.1} {HEAD:.1})\">", (width - layout.width) / 2.0);
    graph(&mut out, &drawing, forecast, &layout);
    out.push_str("</g>\n");
    legend(&mut out, &kinds, height - FOOT / 2.0 + 4.0);
    out.push_str("</svg>\n");
    out
}

fn kind_styles(out: &mut String) {
    let all = || KINDS.iter().map(|facts| facts.kind).chain([Kind::Other]);
    for kind in all() {
        let _ = write!(out, ".{}{{fill:{}}}", kind_name(kind), colour(kind).0);
    }
    out.push_str("\n@media(prefers-color-scheme:dark){");
    for kind in all() {
        let _ = write!(out, ".{}{{fill:{}}}", kind_name(kind), colour(kind).1);
    }
    out.push_str("}\n");
}

fn head(out: &mut String, plan: &Plan, forecast: &Forecast) {
    let title = xml(&cut(&plan.name, TITLE_CHARS_MAX));
    let waves = count(forecast.waves.len(), "wave");
    let mut said = format!("{} in {waves}", count(going(plan), "step"));
    let saved = forecast.saved();
    if !saved.is_zero() {
        let _ = write!(said, " · side by side saves {}", human(saved));
    }
    let _ = writeln!(
        out,
        "<text class=\"title\" x=\"{PAD}\" y=\"36\">{title}</text>\n<text class=\"soft\" x=\"{PAD}\" y=\"57\">\
         <tspan class=\"hotword\">critical path {}</tspan> · {said}</text>",
        human(forecast.longest)
    );
}

fn graph(out: &mut String, drawing: &Drawing<'_>, forecast: &Forecast, layout: &Layout) {
    if layout.layers > 1 {
        for wave in 0..forecast.waves.len().min(layout.layers) {
            let x = left(wave) + WIDTH / 2.0;
            let _ =
                writeln!(out, "<text class=\"wave\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"-8\">{}</text>", wave + 1);
        }
    }
    // The lines of a drawing are reduced already, so that a layout has the same in the same order.
    let mut lines: Vec<_> = drawing.lines.iter().zip(&layout.lines).collect();
    // What matters most is drawn last, above the rest.
    lines.sort_by_key(|(need, _)| need.critical);
    for (need, line) in lines {
        let (class, tip) = match (need.critical, need.rollback) {
            (true, _) => ("wire hot", "hot"),
            (false, true) => ("wire undo", "tip"),
            (false, false) => ("wire", "tip"),
        };
        let _ = writeln!(out, "<path class=\"{class}\" marker-end=\"url(#{tip})\" d=\"{}\"/>", line.path);
    }
    for ((ix, step), place) in drawing.steps().zip(&layout.steps) {
        step_box(out, drawing.plan, step, drawing.critical[ix as usize], *place);
    }
}

fn step_box(out: &mut String, plan: &Plan, step: &Step, critical: bool, (x, y): (f32, f32)) {
    let class = match (critical, step.rollback_of) {
        (true, _) => " class=\"hot\"",
        (false, Some(_)) => " class=\"undo\"",
        (false, None) => "",
    };
    let _ = write!(out, "<g{class} transform=\"translate({x:.1} {y:.1})\"><title>{}</title>", xml(&told(plan, step)));
    if step.for_each.is_some() {
        // Above the box, not beside it: that is where the lines run.
        for off in [8.0, 4.0] {
            let width = WIDTH - 2.0 * off;
            let _ = write!(
                out,
                "<rect class=\"box\" x=\"{off}\" y=\"-{off}\" width=\"{width}\" height=\"{HEIGHT}\" rx=\"9\"/>"
            );
        }
    }
    let (key, agent) = (xml(&cut(step.key.as_str(), KEY_CHARS_MAX)), xml(&cut(step.agent.as_str(), AGENT_CHARS_MAX)));
    let right = WIDTH - 12.0;
    let _ = write!(
        out,
        "<rect class=\"box\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"9\"/><rect class=\"{}\" x=\"8\" y=\"11\" width=\"4\" \
         height=\"32\" rx=\"2\"/><text class=\"key\" x=\"21\" y=\"23\">{key}</text><text class=\"soft\" x=\"21\" y=\"41\">\
         {agent}</text><text class=\"soft end\" x=\"{right}\" y=\"41\">{}</text>",
        kind_name(step.kind),
        human(step.timeout)
    );
    badges(out, step);
    out.push_str("</g>\n");
}

/// Pills on the lower edge of a box, from its right end.
fn badges(out: &mut String, step: &Step) {
    let mut right = WIDTH - 10.0;
    let mut pill = |class: &str, word: &str| {
        let word = cut(word, BADGE_CHARS_MAX);
        let width = word.chars().count() as f32 * 5.6 + 14.0;
        let (x, y) = (right - width, HEIGHT - 7.5);
        let (middle, base) = (x + width / 2.0, y + 11.2);
        right = x - 5.0;
        let _ = write!(
            out,
            "<g class=\"{class}\"><rect class=\"badge\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"15\" \
             rx=\"7.5\"/><text class=\"badgeword\" x=\"{middle:.1}\" y=\"{base:.1}\">{}</text></g>",
            xml(&word)
        );
    };
    if let Some(environment) = &step.environment {
        pill("place", environment);
    }
    if step.approval.is_some() {
        pill("asks", "approval");
    }
    if let Some(list) = &step.for_each {
        pill("each", &items(list).map_or_else(|| "for each".to_owned(), |count| format!("× {count}")));
    }
}

/// All that a box has no room for.
fn told(plan: &Plan, step: &Step) -> String {
    let mut said = vec![format!("{}: {}", step.key, step.name)];
    let agents: Vec<&str> = [&step.agent].into_iter().chain(&step.fallback_agents).map(|name| name.as_str()).collect();
    said.push(format!("{}, by {}", kind_name(step.kind), agents.join(", then ")));
    said.push(format!("timeout {}, {}", human(step.timeout), retries(step.retry.retries)));
    said.extend(fan_out(step));
    said.extend(step.approval.as_ref().map(super::approval));
    said.extend(step.environment.as_ref().map(|name| format!("environment {name}")));
    said.extend(step.condition.as_ref().map(|condition| format!("if {}", condition.source())));
    let undone = step.rollback_of.and_then(|ix| plan.steps.get(ix as usize));
    said.extend(undone.map(|undone| format!("runs when {} fails", undone.key)));
    said.join("\n")
}

fn retries(number: u32) -> String {
    match number {
        0 => "no retry".to_owned(),
        1 => "1 retry".to_owned(),
        number => format!("{number} retries"),
    }
}

/// The step types that there are; none where no step says what it is.
fn kinds(plan: &Plan) -> Vec<Kind> {
    let all = KINDS.iter().map(|facts| facts.kind).chain([Kind::Other]);
    let kinds: Vec<Kind> = all.filter(|kind| plan.steps.iter().any(|step| step.kind == *kind)).collect();
    if kinds == [Kind::Other] { Vec::new() } else { kinds }
}

/// What the colours mean.
fn legend(out: &mut String, kinds: &[Kind], y: f32) {
    let mut x = PAD + 4.0;
    for kind in kinds {
        let name = kind_name(*kind);
        let (middle, word) = (y - 4.0, x + 9.0);
        let _ = writeln!(
            out,
            "<circle class=\"{name}\" cx=\"{x:.1}\" cy=\"{middle:.1}\" r=\"4\"/><text class=\"wave\" x=\"{word:.1}\" \
             y=\"{y:.1}\">{name}</text>"
        );
        x += name.chars().count() as f32 * 6.2 + 28.0;
    }
}

fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some(_) => text.chars().take(chars - 1).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

/// Text as it may stand in XML: a character that no XML may have becomes the one that says so.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push('\n'),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

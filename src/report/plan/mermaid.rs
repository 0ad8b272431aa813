//! A plan as Mermaid, which GitHub draws in every Markdown file and comment.

use std::fmt::Write as _;

use super::{Drawing, approval, fan_out, kind_name, who};
use crate::workflow::defaults::KINDS;
use crate::workflow::forecast::Forecast;
use crate::workflow::plan::{Plan, Step};

/// The plan as a flow chart. Nodes are called by number: an id such as `end` would be a word of the language.
#[must_use]
pub fn mermaid(plan: &Plan, forecast: &Forecast) -> String {
    let drawing = Drawing::new(plan, forecast);
    let mut out = String::from("flowchart LR\n");
    for (ix, step) in drawing.steps() {
        let (open, close) = match (step.rollback_of, &step.for_each) {
            (Some(_), _) => ("([", "])"),
            (None, Some(_)) => ("[[", "]]"),
            (None, None) => ("[", "]"),
        };
        let class = if drawing.critical[ix as usize] { ":::critical" } else { "" };
        // A String takes everything that is written to it.
        let _ = writeln!(out, "    s{ix}{open}\"{}\"{close}{class}", label(step));
    }
    for line in &drawing.lines {
        let arrow = match (line.rollback, line.critical) {
            (true, _) => "-. if it fails .->",
            (false, true) => "==>",
            (false, false) => "-->",
        };
        let _ = writeln!(out, "    s{} {arrow} s{}", line.from, line.to);
    }
    for facts in &KINDS {
        let of_kind = drawing.steps().filter(|(_, step)| step.kind == facts.kind);
        let nodes: Vec<String> = of_kind.map(|(ix, _)| format!("s{ix}")).collect();
        if !nodes.is_empty() {
            let name = kind_name(facts.kind);
            let _ = writeln!(out, "    classDef {name} stroke:{}", super::svg::colour(facts.kind).0);
            let _ = writeln!(out, "    class {} {name}", nodes.join(","));
        }
    }
    out.push_str("    classDef critical stroke-width:3px\n");
    out
}

fn label(step: &Step) -> String {
    let mut lines = vec![escaped(step.key.as_str()), escaped(&who(step))];
    lines.extend(fan_out(step).map(|text| escaped(&text)));
    lines.extend(step.approval.as_ref().map(|wanted| escaped(&approval(wanted))));
    lines.extend(step.environment.as_ref().map(|name| escaped(&format!("environment {name}"))));
    lines.join("<br/>")
}

/// Text that is neither HTML nor Markdown nor the end of the label.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '#' | '"' | '&' | '<' | '>' | '`' | '*' | '[' | ']' | '{' | '}' | '\\' | ';' => {
                // A String takes everything that is written to it.
                let _ = write!(out, "#{};", u32::from(c));
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

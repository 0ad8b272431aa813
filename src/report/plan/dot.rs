//! A plan for Graphviz.

use std::fmt::Write as _;

use super::{Drawing, approval, fan_out, who};
use crate::workflow::forecast::Forecast;
use crate::workflow::plan::{Plan, Step};

/// The plan in the language of Graphviz.
#[must_use]
pub fn dot(plan: &Plan, forecast: &Forecast) -> String {
    let drawing = Drawing::new(plan, forecast);
    let mut out = format!("digraph {} {{\n", quoted(&[plan.workflow.as_str()]));
    out.push_str("  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"sans-serif\", fontsize=11];\n");
    out.push_str("  edge [color=\"#8b919b\", arrowsize=0.7];\n");
    let key = |ix: u32| quoted(&[plan.steps[ix as usize].key.as_str()]);
    for (ix, step) in drawing.steps() {
        let mut looks = vec![format!("label={}", label(step))];
        if step.rollback_of.is_some() {
            looks.push("style=\"rounded,dashed\"".to_owned());
        }
        if step.for_each.is_some() {
            looks.push("peripheries=2".to_owned());
        }
        if drawing.critical[ix as usize] {
            looks.push("color=\"#d4570c\", penwidth=2".to_owned());
        }
        // A String takes everything that is written to it.
        let _ = writeln!(out, "  {} [{}];", key(ix), looks.join(", "));
    }
    for line in &drawing.lines {
        let look = match (line.rollback, line.critical) {
            (true, _) => " [style=dashed]",
            (false, true) => " [color=\"#d4570c\", penwidth=2]",
            (false, false) => "",
        };
        let _ = writeln!(out, "  {} -> {}{look};", key(line.from), key(line.to));
    }
    out.push_str("}\n");
    out
}

fn label(step: &Step) -> String {
    let mut lines = vec![step.key.to_string(), who(step)];
    lines.extend(fan_out(step));
    lines.extend(step.approval.as_ref().map(approval));
    lines.extend(step.environment.as_ref().map(|name| format!("environment {name}")));
    quoted(&lines.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Lines as one text: quotes and backslashes mean themselves.
fn quoted(lines: &[&str]) -> String {
    let escape = |line: &&str| line.replace('\\', "\\\\").replace('"', "\\\"").replace(['\n', '\r'], " ");
    format!("\"{}\"", lines.iter().map(escape).collect::<Vec<_>>().join("\\n"))
}

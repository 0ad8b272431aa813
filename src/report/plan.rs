//! How a plan looks before any run of it: a table for the terminal, Mermaid, dot, a picture, and JSON for programs.
//!
//! *Invariant:* pure text of the plan and its forecast. The same file looks the same on every machine; names of
//! strangers are escaped by the rules of each form.
//!
//! Drawings show the needs that do not follow from others; JSON has them all.

mod dot;
mod json;
mod mermaid;
mod svg;
mod table;

use std::time::Duration;

pub use dot::dot;
pub use json::json;
pub use mermaid::mermaid;
pub use svg::svg;
pub use table::{Paper, table};

use super::layout::reduced;
use crate::time::human;
use crate::workflow::expr::{Expr, Scope, Status};
use crate::workflow::forecast::Forecast;
use crate::workflow::plan::{Approval, Kind, Plan, PlanIx, Step};
use crate::workflow::planner::graph_of;

/// What a drawing shows of a plan.
struct Drawing<'a> {
    plan: &'a Plan,
    /// From the step that is needed to the one that needs it.
    lines: Vec<Line>,
    /// For each step whether it is on the critical path.
    critical: Vec<bool>,
}

/// A need.
#[derive(Clone, Copy)]
struct Line {
    from: PlanIx,
    to: PlanIx,
    /// It leads from one step of the critical path to the next.
    critical: bool,
    /// It leads to a rollback.
    rollback: bool,
}

impl<'a> Drawing<'a> {
    fn new(plan: &'a Plan, forecast: &Forecast) -> Self {
        let graph = graph_of(plan.steps.iter().map(|step| step.needs.as_slice()));
        let order = graph.order().unwrap_or_default();
        let mut next = vec![None; plan.steps.len()];
        let mut critical = vec![false; plan.steps.len()];
        for ix in &forecast.critical_path {
            critical[*ix as usize] = true;
        }
        for pair in forecast.critical_path.windows(2) {
            next[pair[0] as usize] = Some(pair[1]);
        }
        let line = |to: PlanIx, from: PlanIx| Line {
            from,
            to,
            critical: next[from as usize] == Some(to),
            rollback: plan.steps[to as usize].rollback_of.is_some(),
        };
        let needs = reduced(&graph, &order);
        let lines = (0..).zip(&needs).flat_map(|(to, needs)| needs.iter().map(move |from| (to, *from)));
        Self { plan, lines: lines.map(|(to, from)| line(to, from)).collect(), critical }
    }

    fn steps(&self) -> impl Iterator<Item = (PlanIx, &'a Step)> {
        (0..).zip(&self.plan.steps)
    }
}

/// The name of a step type in a file.
fn kind_name(kind: Kind) -> &'static str {
    crate::workflow::defaults::of_kind(kind).map_or("other", |facts| facts.name)
}

/// How many instances a fan-out has, when its list stands in the file.
fn items(list: &Expr) -> Option<usize> {
    struct Nothing;
    impl Scope for Nothing {
        fn value(&self, _: &str) -> Option<serde_json::Value> {
            None
        }
        fn status(&self) -> Status {
            Status::Success
        }
    }
    list.eval(&Nothing).ok().and_then(|value| value.as_array().map(Vec::len))
}

/// `for each of 3, 2 at once`.
fn fan_out(step: &Step) -> Option<String> {
    let list = step.for_each.as_ref()?;
    let each = match items(list) {
        Some(count) => format!("for each of {count}"),
        None => format!("for each of {}", list.source()),
    };
    Some(step.max_parallel.map_or(each.clone(), |most| format!("{each}, {most} at once")))
}

/// `approval by maintain, not the author`.
fn approval(approval: &Approval) -> String {
    let author = if approval.not_author { ", not the author" } else { "" };
    format!("approval by {}{author}", approval.from)
}

/// `claude-code · 1 m`.
fn who(step: &Step) -> String {
    format!("{} · {}", step.agent, human(step.timeout))
}

/// `6 steps`, `1 step`.
fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Steps that run when nothing fails.
fn going(plan: &Plan) -> usize {
    plan.steps.iter().filter(|step| step.rollback_of.is_none()).count()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

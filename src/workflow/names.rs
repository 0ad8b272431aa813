//! What expressions may name, and whether they do: a slip in a name must be told when the file is read, not in the
//! middle of a run.

use serde_json::Value;

use super::expr::{Expr, Scope, Status};
use super::graph::Graph;
use super::problem::{Code, Place, Problems};
use super::steps::{Draft, Mention};

/// What every expression sees of the event that made the run.
///
/// | name | value |
/// |---|---|
/// | `event` | `pull_request`, `push` |
/// | `pr` | see [`PR_FIELDS`]; `null` where there is no pull request |
/// | `repo` | `owner/name` |
/// | `actor` | who caused it |
/// | `sha` | the commit, all its digits |
/// | `ref` | `refs/heads/main`, `refs/pull/7/head` |
pub const EVENT_ROOTS: [&str; 6] = ["event", "pr", "repo", "actor", "sha", "ref"];
/// What the expressions of steps see beside it: the ids of the workflow and of the run.
pub const RUN_ROOTS: [&str; 2] = ["workflow", "run"];
/// The fields of `pr`.
pub const PR_FIELDS: [&str; 7] = ["number", "title", "author", "draft", "labels", "head", "base"];
/// The fields of `pr.head` and `pr.base`; `fork` only of the head.
pub const BRANCH_FIELDS: [&str; 3] = ["ref", "sha", "fork"];
/// Steps that this one needs, directly or not, by their id.
pub const STEPS: &str = "steps";
/// The fields of `steps.<id>`.
pub const STEP_FIELDS: [&str; 2] = ["status", "outputs"];
/// The item of a fan-out.
pub const ITEM: &str = "item";
/// What the language will have.
const PLANNED: [&str; 3] = ["inputs", "matrix", "env"];
/// What Actions calls otherwise, and how it is called here.
const ELSEWHERE: [(&str, &str); 4] = [
    ("github", "github.sha is sha here, github.ref is ref, github.repository is repo, github.event.pull_request is pr"),
    ("needs", "needs.x.outputs is steps.x.outputs here"),
    ("secrets", "secrets reach a step by its secrets: list, never by text"),
    ("job", "there are steps, and no jobs around them"),
];

/// Checks an expression that is evaluated before there is a run, such as a concurrency group.
pub(crate) fn check_outside(expr: &Expr, place: Place, problems: &mut Problems) {
    for name in expr.names() {
        if !EVENT_ROOTS.contains(&name.as_str()) {
            unknown(&name, &EVENT_ROOTS, place, problems);
        }
    }
    fields(expr, place, problems);
}

/// Fields that are not there would be `null` for ever, and nobody would notice.
fn fields(expr: &Expr, place: Place, problems: &mut Problems) {
    for (root, path) in expr.reaches() {
        let (of, field, known): (_, _, &[&str]) = match (root, path.as_slice()) {
            ("pr", [branch @ ("head" | "base"), field, ..]) => (format!("pr.{branch}"), field, &BRANCH_FIELDS),
            ("pr", [field, ..]) => ("pr".to_owned(), field, &PR_FIELDS),
            (STEPS, [step, field, ..]) => (format!("steps.{step}"), field, &STEP_FIELDS),
            _ => continue,
        };
        if !known.iter().any(|known| known.eq_ignore_ascii_case(field)) {
            let all = || Some(format!("it has {}", known.join(", ")));
            let problem = problems.error(Code::BadExpression, place, format!("{of} has no {field}"));
            problem.did_you_mean(field, known.iter().copied(), all);
        }
    }
}

/// Whether an expression that looks at nothing but the pull request gives nothing where there is none.
pub(crate) fn is_null_without_pr(expr: &Expr) -> bool {
    struct NoPullRequest;
    impl Scope for NoPullRequest {
        fn value(&self, _: &str) -> Option<Value> {
            Some(Value::Null)
        }
        fn status(&self) -> Status {
            Status::Success
        }
    }
    expr.truthy(&NoPullRequest).is_ok_and(|truthy| !truthy)
}

/// Checks every expression of every step, and marks the steps whose outputs are named.
pub(crate) fn check_steps(drafts: &mut [Draft], graph: &Graph, problems: &mut Problems) {
    let mut used = vec![false; drafts.len()];
    for (ix, draft) in (0..).zip(drafts.iter()) {
        // Asked for only where a step names others: for most it would be work for nothing.
        let mut before: Option<Vec<bool>> = None;
        for mention in &draft.mentions {
            roots(mention, problems);
            fields(&mention.expr, mention.place, problems);
            if !mention.expr.names().contains(STEPS) {
                continue;
            }
            let before = before.get_or_insert_with(|| graph.upstream(ix));
            for name in mention.expr.steps_named() {
                match drafts.iter().position(|other| other.step.key.as_str() == name) {
                    Some(at) if before[at] => used[at] = true,
                    Some(_) => {
                        let message = format!("{} does not wait for {name}, so steps.{name} is empty", draft.step.key);
                        problems.error(Code::BadExpression, mention.place, message);
                        problems.help(format!("add it: needs: [{name}]"));
                    }
                    None => {
                        let message = format!("there is no step {name}");
                        problems.error(Code::BadExpression, mention.place, message).did_you_mean(
                            &name,
                            drafts.iter().map(|other| other.step.key.as_str()),
                            || None,
                        );
                    }
                }
            }
            if mention.expr.any_step_meant() {
                let message = "steps are reached one by one, by their ids";
                problems.error(Code::BadExpression, mention.place, message).help("write steps.<id>.outputs");
            }
        }
    }
    drafts.iter_mut().zip(used).for_each(|(draft, used)| draft.step.outputs_used = used);
}

fn roots(mention: &Mention, problems: &mut Problems) {
    for name in mention.expr.names() {
        let always = EVENT_ROOTS.iter().chain(&RUN_ROOTS).any(|known| *known == name);
        let here = always || name == STEPS || (name == ITEM && mention.item);
        if here {
            continue;
        }
        if name == ITEM {
            let message = "item is there only in the texts of a step with for_each";
            problems.error(Code::BadExpression, mention.place, message);
            continue;
        }
        let known = [&EVENT_ROOTS[..], &RUN_ROOTS, &[STEPS, ITEM]].concat();
        unknown(&name, &known, mention.place, problems);
    }
}

fn unknown(name: &str, known: &[&str], place: Place, problems: &mut Problems) {
    if PLANNED.contains(&name) {
        problems.error(Code::NotYet, place, format!("{name} is not there yet in expressions"));
        return;
    }
    let problem = problems.error(Code::BadExpression, place, format!("there is no {name} here"));
    match ELSEWHERE.iter().find(|(other, _)| *other == name) {
        Some((_, help)) => problem.help(*help),
        None => problem.did_you_mean(name, known.iter().copied(), || Some(format!("there are {}", known.join(", ")))),
    };
}

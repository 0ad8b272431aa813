//! What expressions may name, and whether they do: a slip in a name must be told when the file is read, not in the
//! middle of a run.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::expr::{Compared, Expr, Reach, Scope, Status};
use super::graph::Graph;
use super::inputs::{InputKind, Inputs};
use super::plan;
use super::problem::{Code, Problems};
use super::steps::{Draft, Mention, Sees};

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
/// The combination of a matrix.
pub const MATRIX: &str = "matrix";
/// What a person gave, or the defaults of what nobody gave.
pub const INPUTS: &str = "inputs";
/// The values of `event`.
pub const EVENTS: [&str; 6] = ["pull_request", "push", "merge_group", "schedule", "manual", "comment"];
/// The values of `steps.<id>.status`; the last four are never seen by a step that waits for the other.
pub const STATUSES: [&str; 10] =
    ["success", "neutral", "failure", "timed_out", "cancelled", "skipped", "waiting", "queued", "running", "retrying"];
/// What Actions calls otherwise, and how it is called here.
const ELSEWHERE: [(&str, &str); 7] = [
    ("github", "github.sha is sha here, github.ref is ref, github.repository is repo, github.event.pull_request is pr"),
    ("needs", "needs.x.outputs is steps.x.outputs here"),
    ("secrets", "secrets reach a step by its secrets: list, never by text"),
    ("job", "there are steps, and no jobs around them"),
    ("env", "what stands in env: reaches a command as its environment: write \"$NAME\" there"),
    ("vars", "write the value, or declare an input with a default"),
    ("strategy", "the values of the combination are in matrix"),
];

/// Checks an expression that is evaluated before there is a run, such as a concurrency group.
pub(crate) fn check_outside(mention: &Mention, inputs: &Inputs, problems: &mut Problems) {
    for reach in mention.expr.reaches() {
        match reach.root {
            root if EVENT_ROOTS.contains(&root) => {}
            INPUTS if !inputs.is_empty() => {}
            _ => unknown(&reach, &EVENT_ROOTS, mention, problems),
        }
        fields(&reach, mention, problems);
    }
    check_inputs(mention, inputs, problems);
}

/// Checks what an expression says of inputs.
pub(crate) fn check_inputs(mention: &Mention, inputs: &Inputs, problems: &mut Problems) {
    for reach in mention.expr.reaches().iter().filter(|reach| reach.root == INPUTS) {
        let found = reach.path.first().map(|(name, at)| (*name, *at, inputs.get(name)));
        match (found, reach.path.get(1)) {
            (Some((name, at, None)), _) => {
                problems.error(Code::BadExpression, mention.at(at), inputs.unknown(name));
            }
            (Some((name, _, Some(_))), Some((field, at))) => {
                let message = format!("inputs.{name} is one value; it has no {field}");
                problems.error(Code::BadExpression, mention.at(*at), message);
            }
            (Some((_, _, Some(_))) | None, _) => {}
        }
    }
    for compared in mention.expr.comparisons() {
        let (INPUTS, [(name, _)]) = (compared.reach.root, compared.reach.path.as_slice()) else { continue };
        let values = match inputs.get(name).map(|input| &input.kind) {
            Some(InputKind::Choice(options)) => options.iter().map(|option| Value::from(option.as_str())).collect(),
            Some(InputKind::Flag) => vec![Value::Bool(true), Value::Bool(false)],
            Some(InputKind::Text | InputKind::Number | InputKind::Environment) | None => continue,
        };
        never(&compared, &values, mention, problems);
    }
}

/// Fields that are not there would be `null` for ever, and nobody would notice.
fn fields(reach: &Reach<'_>, mention: &Mention, problems: &mut Problems) {
    let known: (&str, &[&str], usize) = match (reach.root, reach.path.as_slice()) {
        ("pr", [("head", _), ..]) => ("pr.head", &BRANCH_FIELDS, 1),
        ("pr", [("base", _), ..]) => ("pr.base", &BRANCH_FIELDS[..2], 1),
        ("pr", [("number" | "title" | "author" | "draft", _), _, ..]) => ("one value of pr", &[], 1),
        ("pr", _) => ("pr", &PR_FIELDS, 0),
        ("event" | "repo" | "actor" | "sha" | "ref" | "workflow" | "run", _) => (reach.root, &[], 0),
        (STEPS, [(_, _), ("status", _), ..]) => ("a status", &[], 2),
        (STEPS, _) => ("a step", &STEP_FIELDS, 1),
        _ => return,
    };
    let (of, known, depth) = known;
    let Some((field, at)) = reach.path.get(depth) else { return };
    if known.iter().any(|known| known.eq_ignore_ascii_case(field)) {
        return;
    }
    let of = match (reach.root, reach.path.first()) {
        (STEPS, Some((step, _))) if depth == 1 => format!("{STEPS}.{step}"),
        _ => of.to_owned(),
    };
    if known.is_empty() {
        problems.error(Code::BadExpression, mention.at(*at), format!("{of} is text; it has no {field}"));
        return;
    }
    let all = || Some(format!("it has {}", known.join(", ")));
    let problem = problems.error(Code::BadExpression, mention.at(*at), format!("{of} has no {field}"));
    problem.did_you_mean(field, known.iter().copied(), all);
}

/// A comparison whose sides can never be equal says nothing, and most often is a slip.
fn never(compared: &Compared<'_>, values: &[Value], mention: &Mention, problems: &mut Problems) {
    if values.iter().any(|value| super::expr::equal(value, compared.value)) {
        return;
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let path: Vec<&str> = compared.reach.path.iter().map(|(name, _)| *name).collect();
    let what = [&[compared.reach.root], path.as_slice()].concat().join(".");
    let always = if compared.negated { "always" } else { "never" };
    let message = format!("this is {always} true: {what} is never {}", text(compared.value));
    let texts: Vec<String> = values.iter().map(text).collect();
    let all = || Some(format!("it is one of {}", texts.join(", ")));
    let problem = problems.warning(Code::NeverTrue, mention.at(compared.reach.at), message);
    problem.did_you_mean(&text(compared.value), texts.iter().map(String::as_str), all);
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
pub(crate) fn check_steps(drafts: &mut [Draft], graph: &Graph, inputs: &Inputs, problems: &mut Problems) {
    let by_key: BTreeMap<&str, usize> =
        drafts.iter().enumerate().map(|(ix, draft)| (draft.step.key.as_str(), ix)).collect();
    let mut used = vec![false; drafts.len()];
    for (ix, draft) in (0..).zip(drafts.iter()) {
        // Asked for only where a step names others: for most it would be work for nothing.
        let mut before: Option<Vec<bool>> = None;
        for mention in &draft.mentions {
            for reach in mention.expr.reaches() {
                root(&reach, &draft.step, mention, problems);
                fields(&reach, mention, problems);
                let (STEPS, Some((name, at))) = (reach.root, reach.path.first()) else { continue };
                let Some(&other) = by_key.get(name) else {
                    let message = format!("there is no step {name}");
                    let problem = problems.error(Code::BadExpression, mention.at(*at), message);
                    problem.did_you_mean(name, drafts.iter().map(|other| other.step.key.as_str()), || None);
                    continue;
                };
                if before.get_or_insert_with(|| graph.upstream(ix))[other] {
                    used[other] = true;
                    output(&reach, &drafts[other].step, mention, problems);
                } else {
                    let message = format!("{} does not wait for {name}, so steps.{name} is empty", draft.step.key);
                    problems.error(Code::BadExpression, mention.at(*at), message);
                    problems.help(format!("add it: needs: [{name}]"));
                }
            }
            check_inputs(mention, inputs, problems);
            comparisons(mention, &draft.step, problems);
        }
    }
    drafts.iter_mut().zip(used).for_each(|(draft, used)| draft.step.outputs_used = used);
}

/// Whether a step that says which outputs it has, has this one.
fn output(reach: &Reach<'_>, step: &plan::Step, mention: &Mention, problems: &mut Problems) {
    let [_, ("outputs", _), (name, at), ..] = reach.path.as_slice() else { return };
    if step.outputs.is_empty() || step.outputs.keys().any(|known| known.eq_ignore_ascii_case(name)) {
        return;
    }
    let names = || step.outputs.keys().map(String::as_str);
    let message = format!("{} declares no output {name}", step.key);
    let all = || Some(format!("it declares {}", names().collect::<Vec<_>>().join(", ")));
    problems.error(Code::BadExpression, mention.at(*at), message).did_you_mean(name, names(), all);
}

/// Comparisons of what has few values.
fn comparisons(mention: &Mention, step: &plan::Step, problems: &mut Problems) {
    for compared in mention.expr.comparisons() {
        let path: Vec<&str> = compared.reach.path.iter().map(|(name, _)| *name).collect();
        let values: Vec<Value> = match (compared.reach.root, path.as_slice()) {
            ("event", []) => EVENTS.map(Value::from).into(),
            (STEPS, [_, "status"]) => STATUSES.map(Value::from).into(),
            (MATRIX, [axis]) if !step.matrix.is_empty() => {
                let value = |one: &plan::Combination| one.values.get(*axis).cloned().unwrap_or_default();
                step.matrix.iter().map(value).collect()
            }
            _ => continue,
        };
        if compared.reach.root == MATRIX {
            let unique: BTreeSet<String> = values.iter().map(ToString::to_string).collect();
            let values: Vec<Value> = unique.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
            never(&compared, &values, mention, problems);
        } else {
            never(&compared, &values, mention, problems);
        }
    }
}

/// Whether an expression of this kind sees such a name at all.
fn root(reach: &Reach<'_>, step: &plan::Step, mention: &Mention, problems: &mut Problems) {
    let always = EVENT_ROOTS.iter().chain(&RUN_ROOTS).any(|known| *known == reach.root);
    let of_instance = mention.sees != Sees::Step;
    let wrong = match reach.root {
        MATRIX if of_instance && !step.matrix.is_empty() => return axis(reach, step, mention, problems),
        _ if mention.sees == Sees::Name => {
            "a name is the same in every run: it sees matrix and the inputs of a used file only"
        }
        ITEM if of_instance && step.for_each.is_some() => return,
        STEPS if reach.path.is_empty() => {
            let message = "steps are reached one by one, by their ids";
            problems.error(Code::BadExpression, mention.at(reach.at), message).help("write steps.<id>.outputs");
            return;
        }
        STEPS | INPUTS => return,
        _ if always => return,
        ITEM => "item is there only in the texts and the if of a step with for_each",
        MATRIX => "matrix is there only in the texts and the if of a step with matrix",
        _ => {
            let known = [&EVENT_ROOTS[..], &RUN_ROOTS, &[STEPS, INPUTS, ITEM, MATRIX]].concat();
            return unknown(reach, &known, mention, problems);
        }
    };
    problems.error(Code::BadExpression, mention.at(reach.at), wrong);
}

fn axis(reach: &Reach<'_>, step: &plan::Step, mention: &Mention, problems: &mut Problems) {
    let Some((name, at)) = reach.path.first() else { return };
    let names: BTreeSet<&str> = step.matrix.iter().flat_map(|one| one.values.keys().map(String::as_str)).collect();
    if names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return;
    }
    let all = || Some(format!("it has {}", names.iter().copied().collect::<Vec<_>>().join(", ")));
    let problem = problems.error(Code::BadExpression, mention.at(*at), format!("the matrix has no {name}"));
    problem.did_you_mean(name, names.iter().copied(), all);
}

fn unknown(reach: &Reach<'_>, known: &[&str], mention: &Mention, problems: &mut Problems) {
    let name = reach.root;
    let problem = problems.error(Code::BadExpression, mention.at(reach.at), format!("there is no {name} here"));
    match ELSEWHERE.iter().find(|(other, _)| *other == name) {
        Some((_, help)) => problem.help(*help),
        None => problem.did_you_mean(name, known.iter().copied(), || Some(format!("there are {}", known.join(", ")))),
    };
}

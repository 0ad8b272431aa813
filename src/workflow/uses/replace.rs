//! Replacing names in the expressions of steps, where a file is put in the place of a step that uses it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::workflow::expr::{Error, Expr, Reach, Template};
use crate::workflow::names;
use crate::workflow::problem::{Code, Place, Problems};
use crate::workflow::steps::{Draft, Mention};

/// What stands for a step that uses a file.
pub(super) struct Group {
    /// The steps of the file that none of its others needs: who needs the group needs these.
    pub(super) ends: Vec<String>,
    pub(super) outputs: BTreeMap<String, Expr>,
}

/// By the ids of the steps that use files; `None` for one whose file cannot be used, which was told already.
pub(super) type Groups = BTreeMap<String, Option<Group>>;

/// How names are replaced: an expression, and how many names of the path it stands for.
pub(super) type Replace<'r> = dyn Fn(&Reach<'_>) -> Option<(Expr, usize)> + 'r;

/// Puts the steps of used files in the place of the steps that use them, in what a step needs and names.
pub(super) fn join(draft: &mut Draft, groups: &Groups, problems: &mut Problems) {
    if draft.needs.iter().any(|(name, _)| groups.contains_key(name)) {
        let needs = std::mem::take(&mut draft.needs).into_iter();
        draft.needs = needs
            .flat_map(|(name, place)| match groups.get(&name) {
                Some(group) => {
                    let ends = group.iter().flat_map(|group| &group.ends);
                    ends.map(|end| (end.clone(), place)).collect()
                }
                None => vec![(name, place)],
            })
            .collect();
    }
    for mention in &draft.mentions {
        report_groups(mention, groups, problems);
    }
    if let Err(error) = rewrite(draft, &|reach| of_group(reach, groups)) {
        too_long(&error, draft.place, problems);
    }
}

/// Says where an expression looks for something else of a used file than an output that it declares.
pub(super) fn report_groups(mention: &Mention, groups: &Groups, problems: &mut Problems) {
    for reach in mention.expr.reaches() {
        let (names::STEPS, Some((id, at))) = (reach.root, reach.path.first()) else { continue };
        let Some(Some(group)) = groups.get(*id) else { continue };
        match reach.path.get(1..).unwrap_or_default() {
            [("outputs", _), (name, _), ..] if group.outputs.contains_key(*name) => {}
            [("outputs", _), (name, at), ..] => {
                let names = || group.outputs.keys().map(String::as_str);
                let all = || Some(format!("it declares {}", names().collect::<Vec<_>>().join(", ")));
                let message = format!("the file that {id} uses declares no output {name}");
                problems.error(Code::BadExpression, mention.at(*at), message).did_you_mean(name, names(), all);
            }
            _ => {
                let message = format!("{id} uses a file; only its outputs are seen, one by one");
                problems
                    .error(Code::BadExpression, mention.at(*at), message)
                    .help(format!("write steps.{id}.outputs.<name>"));
            }
        }
    }
}

pub(super) fn of_group(reach: &Reach<'_>, groups: &Groups) -> Option<(Expr, usize)> {
    let (names::STEPS, [(id, _), rest @ ..]) = (reach.root, reach.path.as_slice()) else { return None };
    let group = groups.get(*id)?;
    let declared = match rest {
        [("outputs", _), (name, _), ..] => group.as_ref().and_then(|group| group.outputs.get(*name).cloned()),
        _ => None,
    };
    match declared {
        Some(expr) => Some((expr, 3)),
        // It was told already.
        None => Some((Expr::literal(&Value::Null).ok()?, reach.path.len())),
    }
}

/// Replaces names in all expressions of a step.
pub(super) fn rewrite(draft: &mut Draft, replace: &Replace<'_>) -> Result<(), Error> {
    let step = &mut draft.step;
    let exprs = step.condition.iter_mut().chain(&mut step.for_each).chain(&mut step.required_context);
    for expr in exprs {
        *expr = expr.replaced(replace)?;
    }
    for text in step.action.env.values_mut().chain([&mut step.name]) {
        rewrite_text(text, replace)?;
    }
    for value in step.action.with.values_mut() {
        rewrite_value(value, replace)?;
    }
    for mention in &mut draft.mentions {
        // What the user of a file gives is checked where it is given.
        let expr = mention.expr.replaced(&|reach| match reach.root {
            names::INPUTS => replace(reach).and_then(|(_, hops)| Some((Expr::literal(&Value::Null).ok()?, hops))),
            _ => replace(reach),
        })?;
        mention.exact &= expr == mention.expr;
        mention.expr = expr;
    }
    Ok(())
}

fn rewrite_value(value: &mut Value, replace: &Replace<'_>) -> Result<(), Error> {
    match value {
        Value::String(text) => rewrite_text(text, replace),
        Value::Array(items) => items.iter_mut().try_for_each(|item| rewrite_value(item, replace)),
        Value::Object(fields) => fields.values_mut().try_for_each(|field| rewrite_value(field, replace)),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn rewrite_text(text: &mut String, replace: &Replace<'_>) -> Result<(), Error> {
    if text.contains("${{") {
        *text = Template::parse(text)?.rewritten(|expr| expr.replaced(replace))?;
    }
    Ok(())
}

pub(super) fn too_long(error: &Error, place: Place, problems: &mut Problems) {
    problems.error(Code::BadExpression, place, format!("with what is put in, {}", error.message));
}

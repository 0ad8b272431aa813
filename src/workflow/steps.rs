//! `steps:` — from one entry of the list to a step of the plan, with its rollback behind it.

use super::defaults::Operator;
use super::expr::{Expr, Template};
use super::file::{Node, Shape};
use super::plan::{Approval, Resources, Step};
use super::problem::{Code, Place, Problems};
use super::read::{self, Fields};
use super::units;
use super::work::{FileDefaults, Work};
use crate::ids::StepKey;

/// Needs of one step.
pub const NEEDS_MAX: usize = 64;
/// Instances of one fan-out at once.
pub const MAX_PARALLEL_MAX: u32 = 256;
/// The longest id of a step; `.rollback` and the number of an instance still fit into a key.
pub const ID_BYTES_MAX: usize = 100;

/// A step whose needs are still names.
pub(crate) struct Draft {
    pub(crate) step: Step,
    pub(crate) place: Place,
    pub(crate) needs: Vec<(String, Place)>,
    pub(crate) mentions: Vec<Mention>,
}

/// An expression of a step, whose names are looked at when all steps are known.
pub(crate) struct Mention {
    pub(crate) expr: Expr,
    pub(crate) place: Place,
    /// Whether it is evaluated for each item of a fan-out.
    pub(crate) item: bool,
}

/// Stands for an id that is missing or wrong. No file can say it.
pub(crate) const NO_ID: &str = "[]";

/// Fields that Actions or the design have and this release has not.
const PLANNED: [&str; 9] = [
    "matrix",
    "uses",
    "outputs",
    "continue-on-error",
    "working-directory",
    "shell",
    "container",
    "services",
    "permissions",
];

/// Reads a step. Its rollback comes second.
pub(crate) fn read(node: &Node, defaults: &FileDefaults, operator: &Operator, problems: &mut Problems) -> Vec<Draft> {
    let Some(mut fields) = Fields::of(node, "a step", problems) else { return Vec::new() };
    let key = id(&mut fields, problems);
    let name = fields.take("name").and_then(|node| read::name(node, "name", problems));
    let needs = fields
        .take_either("needs", "dependencies", problems)
        .map_or_else(Vec::new, |node| read::texts(node, "needs", NEEDS_MAX, problems));
    let for_each = fields.take("for_each").and_then(|node| Some((read::expr(node, "for_each", problems)?, node.place)));
    let condition = fields.take("if").and_then(|node| Some((read::expr(node, "if", problems)?, node.place)));
    let mut work = Work::read(&mut fields, defaults, for_each.is_some(), problems);
    for (expr, place) in for_each.iter().chain(&condition) {
        work.mentions.push(Mention { expr: expr.clone(), place: *place, item: false });
    }
    let rollback = fields.take("rollback").and_then(|node| rollback(node, &work, defaults, problems));
    let mut step = work.step(key.clone(), name);
    step.condition = condition.map(|(expr, _)| expr);
    step.for_each = for_each.map(|(expr, _)| expr);
    flow(&mut step, &mut fields, problems);
    step.resources = fields.take("resources").map(|node| resources(node, operator, problems)).unwrap_or_default();
    let place = fields.place;
    fields.finish(&PLANNED, problems);
    let mentions = work.mentions;
    let behind = rollback.and_then(|work| Some((work, format!("{key}.rollback").parse::<StepKey>().ok()?)));
    let behind = behind.map(|(mut work, key)| {
        let name = format!("Roll back {}", step.name);
        let mentions = std::mem::take(&mut work.mentions);
        let undo = work.step(key, Some(name));
        let needs = vec![(step.key.to_string(), place)];
        Draft { step: Step { critical: false, ..undo }, place, needs, mentions }
    });
    [Draft { step, place, needs, mentions }].into_iter().chain(behind).collect()
}

/// Marks a rollback; called when numbers are known.
pub(crate) fn mark_rollback(step: &mut Step) {
    if step.key.as_str().ends_with(".rollback") {
        step.rollback_of = step.needs.first().copied();
    }
}

/// The id, or one that cannot stand in a file, so that the step's other problems are still found.
fn id(fields: &mut Fields<'_>, problems: &mut Problems) -> StepKey {
    let place = fields.place;
    let read = match fields.take("id") {
        None => {
            problems.error(Code::MissingField, place, "a step has no id").help("name it, as in id: lint");
            None
        }
        Some(node) => read::text(node, "id", problems).and_then(|text| step_id(&text, node.place, problems)),
    };
    #[expect(clippy::expect_used, reason = "the text is a constant")]
    read.unwrap_or_else(|| NO_ID.parse().expect("is a key"))
}

fn step_id(text: &str, place: Place, problems: &mut Problems) -> Option<StepKey> {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if !starts || !plain || text.len() > ID_BYTES_MAX {
        let message = format!("{text:?} is no id of a step");
        let rule = format!("letters, digits, _ and -, beginning with a letter or _, at most {ID_BYTES_MAX}");
        problems.error(Code::BadId, place, message).help(rule);
        return None;
    }
    read::parsed(text, place, problems)
}

/// When and beside whom it may run.
fn flow(step: &mut Step, fields: &mut Fields<'_>, problems: &mut Problems) {
    let mut flag = |name| fields.take(name).and_then(|node| read::flag(node, name, problems));
    step.parallel = flag("parallel").unwrap_or(true);
    step.critical = flag("critical").unwrap_or(true);
    let mut name = |name| fields.take(name).and_then(|node| read::name(node, name, problems));
    step.exclusion_group = name("exclusion_group");
    step.environment = name("environment");
    let priority = fields.take("priority").and_then(|node| read::whole(node, "priority", -1_000..=1_000, problems));
    step.priority = priority.and_then(|number| i32::try_from(number).ok()).unwrap_or(0);
    step.approval = fields.take("approval").and_then(|node| approval(node, problems));
    if let Some(node) = fields.take("max_parallel") {
        step.max_parallel = read::count(node, "max_parallel", 1..=MAX_PARALLEL_MAX, problems);
        if step.for_each.is_none() {
            problems.error(Code::NoEffect, node.place, "max_parallel means nothing without for_each");
        }
    }
}

/// `approval: true` or who may give it.
fn approval(node: &Node, problems: &mut Problems) -> Option<Approval> {
    const FROM: [(&str, &str); 3] = [("write", "write"), ("maintain", "maintain"), ("admin", "admin")];
    match node.shape {
        Shape::Bool(true) => return Some(Approval { from: "write".to_owned(), not_author: false }),
        Shape::Bool(false) => return None,
        Shape::Null | Shape::Number(_) | Shape::Text | Shape::List(_) | Shape::Map(_) => {}
    }
    let mut fields = Fields::of(node, "approval", problems)?;
    let from = fields.take("from").map_or(Some("write"), |node| read::choice(node, "from", &FROM, problems));
    let not_author = fields.take("not_author").map_or(Some(false), |node| read::flag(node, "not_author", problems));
    fields.finish(&[], problems);
    Some(Approval { from: from?.to_owned(), not_author: not_author? })
}

fn resources(node: &Node, operator: &Operator, problems: &mut Problems) -> Resources {
    let Some(mut fields) = Fields::of(node, "resources", problems) else { return Resources::default() };
    let found = Resources {
        memory_bytes: fields.take("memory").and_then(|n| read::with(n, "memory", units::bytes, problems)).unwrap_or(0),
        cpu_millis: fields.take("cpu").and_then(|n| read::with(n, "cpu", units::cpu_millis, problems)).unwrap_or(0),
        disk_bytes: fields.take("disk").and_then(|n| read::with(n, "disk", units::bytes, problems)).unwrap_or(0),
    };
    fields.finish(&[], problems);
    let most = operator.limits.resources;
    let beyond = found.memory_bytes > most.memory_bytes
        || found.cpu_millis > most.cpu_millis
        || found.disk_bytes > most.disk_bytes;
    if beyond {
        let message = "this step alone needs more than the server allows one run, so it could never start";
        problems.error(Code::BadValue, node.place, message).help("ask for less, or the operator for more");
    }
    found
}

fn rollback(node: &Node, work: &Work, defaults: &FileDefaults, problems: &mut Problems) -> Option<Work> {
    let mut fields = Fields::of(node, "rollback", problems)?;
    // Without a word about it, who did the step undoes it.
    let defaults = FileDefaults { agent: Some(work.agent.clone()), ..defaults.clone() };
    let work = Work::read(&mut fields, &defaults, false, problems);
    fields.finish(&[], problems);
    Some(work)
}

/// The expressions in a text.
pub(crate) fn mentions_in(text: &str, place: Place, item: bool, problems: &mut Problems) -> Vec<Mention> {
    match Template::parse(text) {
        Ok(template) => template.exprs().map(|expr| Mention { expr: expr.clone(), place, item }).collect(),
        Err(error) => {
            read::bad_expression(&error, text, place, problems);
            Vec::new()
        }
    }
}

/// The expressions in all texts of a value.
pub(crate) fn mentions_below(node: &Node, item: bool, problems: &mut Problems) -> Vec<Mention> {
    match &node.shape {
        Shape::Text => mentions_in(&node.written, node.place, item, problems),
        Shape::List(items) => items.iter().flat_map(|each| mentions_below(each, item, problems)).collect(),
        Shape::Map(entries) => entries.iter().flat_map(|each| mentions_below(&each.node, item, problems)).collect(),
        Shape::Null | Shape::Bool(_) | Shape::Number(_) => Vec::new(),
    }
}

//! `steps:` — from one entry of the list to a step of the plan, with its rollback behind it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::defaults::Operator;
use super::expr::{Expr, Scope, Status, Template};
use super::file::{Node, Shape};
use super::inputs::is_name;
use super::matrix::Matrix;
use super::names;
use super::plan::{Approval, Combination, Join, Output, OutputKind, Permissions, Resources, Step};
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

/// Inputs, outputs and other lists of names that one step may have.
pub const OUTPUTS_MAX: usize = 64;
/// What one step may require of its context, and each list of its permissions.
pub const REQUIRED_MAX: usize = 64;

/// A step whose needs are still names.
pub(crate) struct Draft {
    pub(crate) step: Step,
    pub(crate) place: Place,
    pub(crate) needs: Vec<(String, Place)>,
    pub(crate) mentions: Vec<Mention>,
    /// It is the rollback of the step before it.
    pub(crate) undoes: bool,
}

/// An expression of a step, whose names are looked at when all steps are known.
#[derive(Clone)]
pub(crate) struct Mention {
    pub(crate) expr: Expr,
    /// Where its source begins; or the text that it stands in, where the file writes that in another way.
    pub(crate) place: Place,
    /// Whether `place` is where its source begins.
    pub(crate) exact: bool,
    pub(crate) sees: Sees,
}

/// What an expression of a step sees beside the event, the run and the steps before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sees {
    /// Nothing: it is asked once.
    Step,
    /// The item or the combination: it is asked for each instance.
    Instance,
    /// The combination and nothing else: it is a name.
    Name,
}

impl Mention {
    /// An expression that begins at this byte of a node's text.
    pub(crate) fn new(expr: Expr, offset: usize, node: &Node, sees: Sees) -> Self {
        let place = node.place_of(offset);
        Self { expr, place: place.unwrap_or(node.place), exact: place.is_some(), sees }
    }

    /// Where a byte of its source stands in the file, as exactly as that is known.
    pub(crate) fn at(&self, offset: usize) -> Place {
        let before = self.expr.source().get(..offset).filter(|_| self.exact).map_or(0, |before| before.chars().count());
        let column = self.place.column.saturating_add(u32::try_from(before).unwrap_or(0));
        Place { column, ..self.place }
    }
}

/// Stands for an id that is missing or wrong. No file can say it.
pub(crate) const NO_ID: &str = "[]";

/// Fields of Actions that are not ours: an agent brings its own machine.
const PLANNED: [&str; 2] = ["container", "services"];

/// Reads a step. Its rollback comes second.
pub(crate) fn read(node: &Node, defaults: &FileDefaults, operator: &Operator, problems: &mut Problems) -> Vec<Draft> {
    let Some(mut fields) = Fields::of(node, "a step", problems) else { return Vec::new() };
    let key = id(&mut fields, problems);
    let title = fields.take("name").and_then(|node| Some((read::title(node, "name", problems)?, node)));
    let needs = fields
        .take_either("needs", "dependencies", problems)
        .map_or_else(Vec::new, |node| read::texts(node, "needs", NEEDS_MAX, problems));
    let mut own = Vec::new();
    let mut expr = |name: &'static str, sees, problems: &mut Problems| {
        let node = fields.take(name)?;
        let (expr, offset) = read::expr(node, name, problems)?;
        own.push(Mention::new(expr.clone(), offset, node, sees));
        Some(expr)
    };
    let for_each = expr("for_each", Sees::Step, problems);
    let condition = expr("if", Sees::Instance, problems);
    let mut work = Work::read(&mut fields, defaults, problems);
    work.mentions.extend(own);
    if let Some((title, node)) = &title
        && title.contains("${{")
    {
        work.mentions.extend(mentions_in(node, Sees::Name, problems));
    }
    let rollback = fields.take("rollback").and_then(|node| rollback(node, &work, defaults, problems));
    let mut step = work.step(key.clone(), title.map(|(title, _)| title));
    step.condition = condition;
    step.for_each = for_each;
    instances(&mut step, &mut fields, problems);
    flow(&mut step, &mut fields, problems);
    result(&mut step, &mut work.mentions, &mut fields, problems);
    step.resources = fields.take("resources").map(|node| resources(node, operator, problems)).unwrap_or_default();
    let place = fields.place;
    fields.finish(&PLANNED, problems);
    let mentions = work.mentions;
    let behind = rollback.and_then(|work| Some((work, format!("{key}.rollback").parse::<StepKey>().ok()?)));
    let behind = behind.map(|(mut work, key)| {
        // It is one for all combinations, so it has none of their names.
        let of_each = !step.matrix.is_empty() && step.name.contains("${{");
        let name = format!("Roll back {}", if of_each { step.key.as_str() } else { &step.name });
        let mentions = std::mem::take(&mut work.mentions);
        let undo = work.step(key, Some(name));
        let needs = vec![(step.key.to_string(), place)];
        Draft { step: Step { critical: false, ..undo }, place, needs, mentions, undoes: true }
    });
    [Draft { step, place, needs, mentions, undoes: false }].into_iter().chain(behind).collect()
}

/// Writes the names of instances, and takes expressions out of the step's own.
pub(crate) fn finish_name(step: &mut Step) {
    struct Values<'a>(&'a Combination);
    impl Scope for Values<'_> {
        fn value(&self, root: &str) -> Option<Value> {
            (root == names::MATRIX).then(|| json!(self.0.values))
        }
        fn status(&self) -> Status {
            Status::Success
        }
    }
    if !step.name.contains("${{") {
        return;
    }
    let name = std::mem::replace(&mut step.name, step.key.to_string());
    let Ok(template) = Template::parse(&name) else { return };
    if step.matrix.is_empty() {
        let nothing = Combination { title: String::new(), values: BTreeMap::new() };
        step.name = template.render(&Values(&nothing)).unwrap_or_else(|_| step.key.to_string());
    }
    for combination in &mut step.matrix {
        if let Ok(title) = template.render(&Values(combination)) {
            combination.title = title.chars().take(read::NAME_CHARS_MAX).collect();
        }
    }
}

/// The id, or one that cannot stand in a file, so that the step's other problems are still found.
pub(crate) fn id(fields: &mut Fields<'_>, problems: &mut Problems) -> StepKey {
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

/// `critical: false`, which Actions calls `continue-on-error: true`.
pub(crate) fn critical(fields: &mut Fields<'_>, problems: &mut Problems) -> bool {
    let goes_on = fields.take_either("continue-on-error", "continue_on_error", problems);
    let critical = fields.take("critical");
    if let (Some(node), Some(_)) = (goes_on, critical) {
        problems.error(
            Code::Conflict,
            node.place,
            "continue-on-error is another name of critical: false: use one of them",
        );
    }
    let goes_on = goes_on.and_then(|node| read::flag(node, "continue-on-error", problems)).unwrap_or(false);
    critical.and_then(|node| read::flag(node, "critical", problems)).unwrap_or(!goes_on)
}

/// When and beside whom it may run.
fn flow(step: &mut Step, fields: &mut Fields<'_>, problems: &mut Problems) {
    step.critical = critical(fields, problems);
    if let Some(node) = fields.take("join") {
        step.join = read::choice(node, "join", &Join::WORDS, problems).unwrap_or_default();
    }
    step.parallel = fields.take("parallel").and_then(|node| read::flag(node, "parallel", problems)).unwrap_or(true);
    let mut name = |name| fields.take(name).and_then(|node| read::name(node, name, problems));
    step.exclusion_group = name("exclusion_group");
    step.environment = name("environment");
    let priority = fields.take("priority").and_then(|node| read::whole(node, "priority", -1_000..=1_000, problems));
    step.priority = priority.and_then(|number| i32::try_from(number).ok()).unwrap_or(0);
    step.approval = fields.take("approval").and_then(|node| approval(node, problems));
}

/// `matrix:` or `strategy: { matrix: … }`, and the limits of a fan-out: beside it or inside.
fn instances(step: &mut Step, fields: &mut Fields<'_>, problems: &mut Problems) {
    let mut node = fields.take("matrix");
    let mut limits = Limits::read(fields, problems);
    if let Some(strategy) = fields.take("strategy")
        && let Some(mut inner) = Fields::of(strategy, "strategy", problems)
    {
        let second = inner.take("matrix");
        if let (Some(_), Some(second)) = (node, second) {
            problems.error(Code::Conflict, second.place, "matrix stands twice: use one of them");
        }
        node = node.or(second);
        limits = limits.or(Limits::read(&mut inner, problems), problems);
        inner.finish(&[], problems);
    }
    if let Some(matrix) = node.and_then(|node| Matrix::read(node, problems)) {
        if step.for_each.is_some() {
            problems.error(Code::Conflict, matrix.place, "matrix and for_each exclude each other");
        }
        let inside =
            Limits { max_parallel: matrix.max_parallel, fail_fast: matrix.fail_fast, place: Some(matrix.place) };
        limits = limits.or(inside, problems);
        step.matrix = matrix.combinations;
    }
    if let (Some(place), true) = (limits.place, step.for_each.is_none() && node.is_none()) {
        problems.error(Code::NoEffect, place, "max_parallel and fail_fast mean nothing without matrix or for_each");
    }
    (step.max_parallel, step.fail_fast) = (limits.max_parallel, limits.fail_fast.unwrap_or(false));
}

/// The limits of a fan-out.
#[derive(Default)]
struct Limits {
    max_parallel: Option<u32>,
    fail_fast: Option<bool>,
    /// Where one of them stands.
    place: Option<Place>,
}

impl Limits {
    fn read(fields: &mut Fields<'_>, problems: &mut Problems) -> Self {
        let max_parallel = fields.take_either("max_parallel", "max-parallel", problems);
        let fail_fast = fields.take_either("fail_fast", "fail-fast", problems);
        Self {
            place: max_parallel.or(fail_fast).map(|node| node.place),
            max_parallel: max_parallel
                .and_then(|node| read::count(node, "max_parallel", 1..=MAX_PARALLEL_MAX, problems)),
            fail_fast: fail_fast.and_then(|node| read::flag(node, "fail_fast", problems)),
        }
    }

    fn or(self, other: Self, problems: &mut Problems) -> Self {
        let twice =
            self.max_parallel.and(other.max_parallel).is_some() || self.fail_fast.and(other.fail_fast).is_some();
        if let (true, Some(place)) = (twice, other.place) {
            problems.error(Code::Conflict, place, "max_parallel or fail_fast stands twice: use one of them");
        }
        Self {
            max_parallel: self.max_parallel.or(other.max_parallel),
            fail_fast: self.fail_fast.or(other.fail_fast),
            place: self.place.or(other.place),
        }
    }
}

/// What must be there before it starts, what it may touch, and what it must give.
fn result(step: &mut Step, mentions: &mut Vec<Mention>, fields: &mut Fields<'_>, problems: &mut Problems) {
    if let Some(node) = fields.take("required_context") {
        let items = match &node.shape {
            Shape::List(items) => items.as_slice(),
            Shape::Null | Shape::Bool(_) | Shape::Number(_) | Shape::Text | Shape::Map(_) => std::slice::from_ref(node),
        };
        if items.len() > REQUIRED_MAX {
            problems.error(Code::TooLarge, node.place, format!("required_context has at most {REQUIRED_MAX} entries"));
        }
        for item in items.iter().take(REQUIRED_MAX) {
            let Some((expr, offset)) = read::expr(item, "required_context", problems) else { continue };
            mentions.push(Mention::new(expr.clone(), offset, item, Sees::Instance));
            step.required_context.push(expr);
        }
    }
    if let Some(node) = fields.take("permissions") {
        step.permissions = permissions(node, problems);
    }
    if let Some(node) = fields.take("outputs") {
        step.outputs = outputs(node, problems);
    }
}

/// `permissions:` — what an agent may touch.
pub(crate) fn permissions(node: &Node, problems: &mut Problems) -> Permissions {
    let Some(mut fields) = Fields::of(node, "permissions", problems) else { return Permissions::default() };
    let mut list = |name| {
        let texts = fields.take(name).map(|node| read::texts(node, name, REQUIRED_MAX, problems)).unwrap_or_default();
        texts.into_iter().map(|(text, _)| text).collect()
    };
    let found = Permissions { network: list("network"), write_paths: list("write_paths"), tools: list("tools") };
    fields.finish(&[], problems);
    found
}

/// `outputs:` — names, or names with their types.
fn outputs(node: &Node, problems: &mut Problems) -> BTreeMap<String, Output> {
    let any = Output { kind: OutputKind::Any, required: true };
    let mut found = BTreeMap::new();
    let mut put = |name: &str, place, output: Option<Output>, problems: &mut Problems| {
        if !is_name(name) {
            problems
                .error(Code::BadId, place, format!("{name:?} is no name of an output"))
                .help("letters, digits, _ and -");
        } else if let Some(output) = output
            && found.insert(name.to_owned(), output).is_some()
        {
            problems.error(Code::DuplicateKey, place, format!("there is already an output {name}"));
        }
    };
    match &node.shape {
        Shape::Map(entries) if entries.len() <= OUTPUTS_MAX => {
            for entry in entries {
                put(&entry.key, entry.place, output(&entry.node, problems), problems);
            }
        }
        Shape::Map(_) => {
            problems.error(Code::TooLarge, node.place, format!("outputs has at most {OUTPUTS_MAX} entries"));
        }
        Shape::Null | Shape::Bool(_) | Shape::Number(_) | Shape::Text | Shape::List(_) => {
            for (name, place) in read::texts(node, "outputs", OUTPUTS_MAX, problems) {
                put(&name, place, Some(any), problems);
            }
        }
    }
    found
}

/// `string`, or `{ type: string, required: false }`.
fn output(node: &Node, problems: &mut Problems) -> Option<Output> {
    let words = &OutputKind::WORDS;
    if node.shape == Shape::Text {
        return Some(Output { kind: read::choice(node, "the type of an output", words, problems)?, required: true });
    }
    let mut fields = Fields::of(node, "an output", problems)?;
    let kind = fields.take("type").map_or(Some(OutputKind::Any), |node| read::choice(node, "type", words, problems));
    let required = fields.take("required").and_then(|node| read::flag(node, "required", problems)).unwrap_or(true);
    // For people, who read it in the file.
    let _ = fields.take("description").and_then(|node| read::text(node, "description", problems));
    fields.finish(&[], problems);
    Some(Output { kind: kind?, required })
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
    let work = Work::read(&mut fields, &defaults, problems);
    fields.finish(&[], problems);
    Some(work)
}

/// The expressions in a text.
pub(crate) fn mentions_in(node: &Node, sees: Sees, problems: &mut Problems) -> Vec<Mention> {
    match Template::parse(&node.written) {
        Ok(template) => template.exprs_at().map(|(expr, at)| Mention::new(expr.clone(), at, node, sees)).collect(),
        Err(error) => {
            read::bad_expression(&error, node, problems);
            Vec::new()
        }
    }
}

/// The expressions in all texts of a value.
pub(crate) fn mentions_below(node: &Node, problems: &mut Problems) -> Vec<Mention> {
    match &node.shape {
        Shape::Text => mentions_in(node, Sees::Instance, problems),
        Shape::List(items) => items.iter().flat_map(|each| mentions_below(each, problems)).collect(),
        Shape::Map(entries) => entries.iter().flat_map(|each| mentions_below(&each.node, problems)).collect(),
        Shape::Null | Shape::Bool(_) | Shape::Number(_) => Vec::new(),
    }
}

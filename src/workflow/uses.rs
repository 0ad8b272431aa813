//! `uses:` in a step — the steps of a file in `.workflows/lib/`, put in its place when the workflow is read.
//!
//! The steps of the file become steps of the workflow, `id.` before their own ids. What the file calls `inputs.x` is
//! replaced by the value or the expression that the step gives with `with:`, and what others call
//! `steps.id.outputs.y` by the expression that the file declares for it. So nothing of it is left for a run: a plan is
//! whole in itself.
//!
//! *Invariant:* files are given as texts; nothing is fetched here. Depth, number and size of what is put in are
//! bounded, and a circle is told with its way.

mod replace;

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value;

use super::defaults::Operator;
use super::expr::{Expr, Reach, Template};
use super::file::{self, Node, Shape};
use super::inputs::{Inputs, is_name};
use super::names;
use super::problem::{Code, Place, Problems};
use super::read::{self, Fields};
use super::steps::{self, Draft, Mention, OUTPUTS_MAX, Sees};
use super::work::FileDefaults;
use crate::ids::{StepKey, WorkflowId};
use replace::{Group, Groups, Replace, join, of_group, report_groups, rewrite, too_long};

/// The texts that steps may use, by their whole paths: `.workflows/lib/test.yml`.
pub type Library = BTreeMap<String, String>;

/// Where these files lie.
pub const LIBRARY: &str = ".workflows/lib/";
/// Files inside each other.
pub const DEPTH_MAX: usize = 4;
/// Steps of one workflow that use a file, those inside used files counted each time.
pub const USES_MAX: usize = 100;
/// The longest id of a step with what stands before it; `.rollback` and the number of an instance still fit into a key.
pub const KEY_BYTES_MAX: usize = 115;

/// Whether a path is that of a file that steps may use.
#[must_use]
pub fn is_library(path: &str) -> bool {
    let name = path.strip_prefix(LIBRARY).and_then(|name| name.strip_suffix(".yml"));
    name.is_some_and(|name| !name.starts_with('.') && name.parse::<WorkflowId>().is_ok())
}

/// Reads steps, those of used files among them.
pub(crate) struct Reader<'a> {
    operator: &'a Operator,
    library: &'a Library,
    trees: BTreeMap<String, Option<Rc<Node>>>,
    /// The files that are being read, each used by the one before.
    way: Vec<String>,
    uses: usize,
    steps: usize,
}

/// A step that uses a file, as far as it stands in the using file.
struct Call {
    id: StepKey,
    name: Option<String>,
    place: Place,
    needs: Vec<(String, Place)>,
    condition: Option<Expr>,
    critical: bool,
    /// The expressions of `with` and `if`, to be checked where they stand.
    mentions: Vec<Mention>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(operator: &'a Operator, library: &'a Library) -> Self {
        Self { operator, library, trees: BTreeMap::new(), way: Vec::new(), uses: 0, steps: 0 }
    }

    /// Reads the list under `steps:`.
    pub(crate) fn read(&mut self, node: &Node, defaults: &FileDefaults, problems: &mut Problems) -> Vec<Draft> {
        self.list(node, defaults, problems).0
    }

    fn list(&mut self, node: &Node, defaults: &FileDefaults, problems: &mut Problems) -> (Vec<Draft>, Groups) {
        let (mut drafts, mut groups) = (Vec::new(), Groups::new());
        let Shape::List(items) = &node.shape else {
            read::wrong_kind(node, "steps", "a list", problems);
            return (drafts, groups);
        };
        if items.is_empty() {
            let help = "write - id: build, and run: make below id";
            problems.error(Code::MissingField, node.place, "a workflow has at least one step").help(help);
        }
        for item in items {
            let Some(uses) = uses_of(item) else {
                let found = steps::read(item, defaults, self.operator, problems);
                self.steps += found.len();
                drafts.extend(found);
                continue;
            };
            if let Some((id, group, inner)) = self.used(item, uses, defaults, problems) {
                drafts.extend(inner);
                if groups.insert(id.clone(), group).is_some() && id != steps::NO_ID {
                    let problem =
                        problems.error(Code::DuplicateId, item.place, format!("there is already a step {id}"));
                    problem.help("give one of them another id");
                }
            }
        }
        let named = drafts.iter().filter(|draft| draft.step.key.as_str() != steps::NO_ID);
        for draft in named.filter(|draft| groups.contains_key(draft.step.key.as_str())) {
            let message = format!("there is already a step {}, which uses a file", draft.step.key);
            problems.error(Code::DuplicateId, draft.place, message).help("give one of them another id");
        }
        if !groups.is_empty() {
            drafts.iter_mut().for_each(|draft| join(draft, &groups, problems));
        }
        (drafts, groups)
    }

    fn used(
        &mut self,
        item: &Node,
        uses: &Node,
        defaults: &FileDefaults,
        problems: &mut Problems,
    ) -> Option<(String, Option<Group>, Vec<Draft>)> {
        let mut fields = Fields::of(item, "a step that uses a file", problems)?;
        let _ = fields.take("uses");
        let with = fields.take_either("with", "config", problems);
        let mut call = Call::read(&mut fields, problems);
        fields.finish(&[], problems);
        let id = call.id.to_string();
        Some(match self.put(&mut call, (uses, with), defaults, problems) {
            Some((group, drafts)) => (id, Some(group), drafts),
            None => (id, None, Vec::new()),
        })
    }

    /// The steps of the file that is used, as steps of the using one.
    fn put(
        &mut self,
        call: &mut Call,
        (uses, with): (&Node, Option<&Node>),
        defaults: &FileDefaults,
        problems: &mut Problems,
    ) -> Option<(Group, Vec<Draft>)> {
        let path = self.path(uses, problems)?;
        let tree = self.tree(&path, uses.place, problems)?;
        self.way.push(path);
        let file = self.file(&tree, defaults, problems);
        self.way.pop();
        let (inputs, outputs, (mut drafts, groups)) = file?;
        let given = given(with, &inputs, call, problems);
        for mention in drafts.iter().flat_map(|draft| &draft.mentions) {
            names::check_inputs(mention, &inputs, problems);
            for reach in mention.expr.reaches().iter().filter(|r| r.root == names::INPUTS && r.path.is_empty()) {
                let message = "in a file of the library inputs are reached one by one, by their names";
                problems.error(Code::BadExpression, mention.at(reach.at), message).help("write inputs.<name>");
            }
        }
        let outputs = declared(outputs, &drafts, &groups, problems);
        let inside = |reach: &Reach<'_>| inside(reach, call.id.as_str(), &given);
        let outputs = outputs.into_iter().filter_map(|(name, expr)| {
            let replaced = expr.replaced(&inside);
            replaced.map_err(|error| too_long(&error, call.place, problems)).ok().map(|expr| (name, expr))
        });
        let outputs = outputs.collect();
        let ends = ends(&drafts, call.id.as_str());
        for draft in &mut drafts {
            call.put_in(draft, &inside, problems);
        }
        if let Some(first) = drafts.first_mut() {
            first.mentions.append(&mut call.mentions);
        }
        Some((Group { ends, outputs }, drafts))
    }

    /// The whole path of what `uses` names.
    fn path(&mut self, uses: &Node, problems: &mut Problems) -> Option<String> {
        let text = read::text(uses, "uses", problems)?;
        let path = text.strip_prefix("./lib/").map(|name| format!("{LIBRARY}{name}")).filter(|path| is_library(path));
        let Some(path) = path else {
            let message = format!("{text} is no file that a step can use");
            let problem = problems.error(Code::BadValue, uses.place, message);
            problem.help(match super::builtin::text(&text) {
                Some(_) => format!("write uses: {text} at the top of the file, or ./lib/NAME.yml here"),
                None => format!("write ./lib/NAME.yml for {LIBRARY}NAME.yml; Actions of GitHub do not run here"),
            });
            return None;
        };
        self.uses += 1;
        if let Some(start) = self.way.iter().position(|before| *before == path) {
            let way: Vec<&str> =
                self.way[start..].iter().chain([&path]).map(|path| &path[".workflows/".len()..]).collect();
            let message = format!("Circular dependency detected: {}", way.join(" -> "));
            problems.error(Code::Circle, uses.place, message).help("take one of these uses away");
            return None;
        }
        if self.way.len() >= DEPTH_MAX || self.uses > USES_MAX || self.steps > self.operator.steps_max {
            let message = format!("files may use files {DEPTH_MAX} deep, and {USES_MAX} times in one workflow");
            problems.error(Code::TooLarge, uses.place, message);
            return None;
        }
        Some(path)
    }

    fn tree(&mut self, path: &str, place: Place, problems: &mut Problems) -> Option<Rc<Node>> {
        if let Some(known) = self.trees.get(path) {
            return known.clone();
        }
        let tree = match self.library.get(path).map(|text| file::read(text)) {
            None => {
                let problem = problems.error(Code::BadValue, place, format!("there is no file {path}"));
                let folder = || Some("files to use lie in .workflows/lib".to_owned());
                problem.did_you_mean(path, self.library.keys().map(String::as_str), folder);
                None
            }
            Some(Err(found)) => {
                problems.adopt(path, found);
                None
            }
            Some(Ok(mut node)) => {
                node.place_in(problems.file(path));
                Some(Rc::new(node))
            }
        };
        self.trees.insert(path.to_owned(), tree.clone());
        tree
    }

    /// Reads a used file: its inputs, its declared outputs, its steps.
    fn file<'n>(&mut self, root: &'n Node, defaults: &FileDefaults, problems: &mut Problems) -> Option<Used<'n>> {
        let mut fields = Fields::of(root, "a file of the library", problems)?;
        let _ = fields.take("name").and_then(|node| read::name(node, "name", problems));
        let _ = fields.take("description").and_then(|node| read::text(node, "description", problems));
        let inputs = fields.take("inputs").map(|node| Inputs::read(node, problems)).unwrap_or_default();
        let outputs = fields.take("outputs");
        let defaults = match fields.take("defaults") {
            Some(node) => super::parse::defaults(node, problems).or(defaults),
            None => defaults.clone(),
        };
        let env = fields.take("env").map(|node| super::parse::env(node, &inputs, problems)).unwrap_or_default();
        if let Some(node) = fields.take("on") {
            let message = "a file of the library is started by no event: it has no on";
            problems.error(Code::Conflict, node.place, message).help("move the file to .workflows/, or remove on");
        }
        let list = fields.take("steps");
        if list.is_none() {
            problems.error(Code::MissingField, fields.place, "a file of the library has no steps");
        }
        fields.finish(&[], problems);
        let (mut drafts, groups) = self.list(list?, &defaults, problems);
        for draft in &mut drafts {
            draft.step.inherit(&env, &Default::default());
        }
        Some((inputs, outputs, (drafts, groups)))
    }
}

/// What a used file says: its inputs, its declared outputs, its steps.
type Used<'n> = (Inputs, Option<&'n Node>, (Vec<Draft>, Groups));

/// What a step uses, if it does.
fn uses_of(item: &Node) -> Option<&Node> {
    let Shape::Map(entries) = &item.shape else { return None };
    entries.iter().find(|entry| entry.key == "uses").map(|entry| &entry.node)
}

impl Call {
    fn read(fields: &mut Fields<'_>, problems: &mut Problems) -> Self {
        let place = fields.place;
        let id = steps::id(fields, problems);
        let name = fields.take("name").and_then(|node| read::name(node, "name", problems));
        let needs = fields.take_either("needs", "dependencies", problems);
        let needs = needs.map_or_else(Vec::new, |node| read::texts(node, "needs", steps::NEEDS_MAX, problems));
        let mut mentions = Vec::new();
        let mut condition = None;
        if let Some(node) = fields.take("if")
            && let Some((expr, at)) = read::expr(node, "if", problems)
        {
            if expr.tolerates_failure() {
                let message = "the if of a file cannot ask for failures: each of its steps would answer for itself";
                problems.error(Code::BadExpression, node.place, message).help("write it into the steps of the file");
            }
            mentions.push(Mention::new(expr.clone(), at, node, Sees::Step));
            condition = Some(expr);
        }
        let critical = steps::critical(fields, problems);
        Self { id, name, place, needs, condition, critical, mentions }
    }

    /// Makes a step of the file one of the workflow.
    fn put_in(&self, draft: &mut Draft, inside: &Replace<'_>, problems: &mut Problems) {
        let id = self.id.as_str();
        let key = format!("{id}.{}", draft.step.key);
        let bare = key.strip_suffix(".rollback").filter(|_| draft.undoes).unwrap_or(&key).len();
        let parsed =
            key.parse::<StepKey>().ok().filter(|_| bare <= KEY_BYTES_MAX || draft.step.key.as_str() == steps::NO_ID);
        let Some(parsed) = parsed else {
            let message = format!("{key} is too long for an id");
            problems
                .error(Code::BadId, self.place, message)
                .help(format!("at most {KEY_BYTES_MAX} letters: shorten one"));
            return;
        };
        if let Err(error) = rewrite(draft, inside) {
            too_long(&error, self.place, problems);
        }
        let step = &mut draft.step;
        match &self.name {
            Some(name) => step.name = format!("{name} / {}", step.name).chars().take(read::NAME_CHARS_MAX).collect(),
            None if step.name == step.key.as_str() => step.name.clone_from(&key),
            None => {}
        }
        step.key = parsed;
        step.critical &= self.critical;
        if let Some(condition) = self.condition.as_ref().filter(|_| !draft.undoes) {
            match &step.condition {
                None => step.condition = Some(condition.clone()),
                Some(own) => match Expr::parse(&format!("({}) && ({})", condition.source(), own.source())) {
                    Ok(both) => step.condition = Some(both),
                    Err(error) => too_long(&error, self.place, problems),
                },
            }
        }
        if draft.needs.is_empty() {
            draft.needs.clone_from(&self.needs);
        } else {
            draft.needs.iter_mut().for_each(|(name, _)| *name = format!("{id}.{name}"));
        }
    }
}

/// What a name of a used file means in the using one.
fn inside(reach: &Reach<'_>, id: &str, given: &BTreeMap<String, Expr>) -> Option<(Expr, usize)> {
    let (name, _) = reach.path.first()?;
    match reach.root {
        names::INPUTS => {
            let value =
                given.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone());
            // One that is not there was told already.
            value.or_else(|| Expr::literal(&Value::Null).ok()).map(|value| (value, 1))
        }
        names::STEPS => Some((Expr::property(names::STEPS, &format!("{id}.{name}")).ok()?, 1)),
        _ => None,
    }
}

/// The value of each input of the file: what the step gives, or the default.
fn given(with: Option<&Node>, inputs: &Inputs, call: &mut Call, problems: &mut Problems) -> BTreeMap<String, Expr> {
    let entries = match with.map(|node| (&node.shape, node)) {
        Some((Shape::Map(entries), _)) => entries.as_slice(),
        Some((Shape::Null, _)) | None => &[],
        Some((_, node)) => {
            read::wrong_kind(node, "with", "a mapping", problems);
            &[]
        }
    };
    let mut values = BTreeMap::new();
    for entry in entries {
        let Some(input) = inputs.get(&entry.key) else {
            problems.error(Code::UnknownField, entry.place, inputs.unknown(&entry.key));
            continue;
        };
        let node = &entry.node;
        let value = if node.shape == Shape::Text && node.written.contains("${{") {
            call.mentions.extend(steps::mentions_in(node, Sees::Step, problems));
            Template::parse(&node.written).and_then(Template::into_expr).ok()
        } else {
            let written = if node.written.is_empty() { node.to_value() } else { Value::from(node.written.clone()) };
            let accepted = input.accept(&written);
            let accepted = accepted.map_err(|why| _ = problems.error(Code::BadValue, node.place, why)).ok();
            accepted.and_then(|value| Expr::literal(&value).ok())
        };
        values.extend(value.map(|value| (input.name.clone(), value)));
    }
    for (name, value) in inputs.defaults() {
        let missing = !entries.iter().any(|entry| entry.key.eq_ignore_ascii_case(&name));
        let required = inputs.get(&name).is_some_and(|input| input.required && input.default.is_none());
        if missing && required {
            problems.error(Code::MissingField, call.place, format!("the input {name} is missing"));
        }
        if let (true, Ok(value)) = (missing, Expr::literal(&value)) {
            values.insert(name, value);
        }
    }
    values
}

/// The outputs that a file declares, in its own names.
fn declared(node: Option<&Node>, drafts: &[Draft], groups: &Groups, problems: &mut Problems) -> BTreeMap<String, Expr> {
    let mut outputs = BTreeMap::new();
    let Some(node) = node else { return outputs };
    let Shape::Map(entries) = &node.shape else {
        read::wrong_kind(node, "outputs", "a mapping", problems);
        return outputs;
    };
    if entries.len() > OUTPUTS_MAX {
        problems.error(Code::TooLarge, node.place, format!("outputs has at most {OUTPUTS_MAX} entries"));
    }
    for entry in entries.iter().take(OUTPUTS_MAX) {
        if !is_name(&entry.key) {
            problems.error(Code::BadId, entry.place, format!("{:?} is no name of an output", entry.key));
            continue;
        }
        let Some(value) = value_of(&entry.node, problems) else { continue };
        let Some((expr, at)) = read::expr(value, "an output", problems) else { continue };
        let mention = Mention::new(expr, at, value, Sees::Step);
        report_groups(&mention, groups, problems);
        for reach in mention.expr.reaches().iter().filter(|reach| reach.root == names::STEPS) {
            let known = |name: &str| groups.contains_key(name) || drafts.iter().any(|d| d.step.key.as_str() == name);
            let Some((name, at)) = reach.path.first().filter(|(name, _)| !known(name)) else { continue };
            let problem = problems.error(Code::BadExpression, mention.at(*at), format!("there is no step {name}"));
            problem.did_you_mean(name, drafts.iter().map(|draft| draft.step.key.as_str()), || None);
        }
        match mention.expr.replaced(&|reach| of_group(reach, groups)) {
            Ok(expr) => _ = outputs.insert(entry.key.clone(), expr),
            Err(error) => too_long(&error, value.place, problems),
        }
    }
    outputs
}

/// `${{ … }}`, or `{ value: ${{ … }}, description: … }` as Actions has it.
fn value_of<'n>(node: &'n Node, problems: &mut Problems) -> Option<&'n Node> {
    if node.shape == Shape::Text {
        return Some(node);
    }
    let mut fields = Fields::of(node, "an output", problems)?;
    let value = fields.take("value");
    let _ = fields.take("description").and_then(|node| read::text(node, "description", problems));
    fields.finish(&[], problems);
    if value.is_none() {
        problems
            .error(Code::MissingField, node.place, "an output has no value")
            .help("write ${{ steps.<id>.outputs.<name> }}");
    }
    value
}

/// The steps at the end of a file, by the keys that they get.
fn ends(drafts: &[Draft], id: &str) -> Vec<String> {
    let needed =
        |key: &str| drafts.iter().any(|draft| !draft.undoes && draft.needs.iter().any(|(name, _)| name == key));
    let forward = drafts.iter().filter(|draft| !draft.undoes).map(|draft| draft.step.key.as_str());
    forward.filter(|key| !needed(key)).map(|key| format!("{id}.{key}")).collect()
}

#[cfg(test)]
mod tests;

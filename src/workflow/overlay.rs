//! `uses:` at the top of a file — a built-in workflow with some of it said otherwise.
//!
//! The built-in's text is the ground, the file lies over it: a field of the file takes the place of the built-in's
//! field, and under `steps:` an entry with the id of a built-in's step takes the place of those of its fields that it
//! names. Entries with new ids come behind, and `remove:` takes steps away. What results is read like any other file.

use super::builtin::{BUILTINS, text};
use super::file::{self, Entry, Node, Shape};
use super::problem::{Code, Problems};
use super::read;

/// Steps that are taken away.
pub(super) const REMOVE_MAX: usize = 100;

/// The file with what it uses under it; the file itself where it uses nothing.
pub(crate) fn lay(mut root: Node, problems: &mut Problems) -> Node {
    let Shape::Map(entries) = &mut root.shape else { return root };
    let uses = take(entries, "uses");
    let remove = take(entries, "remove");
    let Some(uses) = uses else {
        if let Some(remove) = remove {
            problems.error(Code::NoEffect, remove.place, "remove is for a file that uses a built-in workflow");
        }
        return root;
    };
    let Some(mut ground) = ground(&uses.node, problems) else { return root };
    for over in std::mem::take(entries) {
        match ground.iter_mut().find(|under| under.key == over.key) {
            Some(under) if over.key == "steps" => lay_steps(under, over.node),
            Some(under) => *under = over,
            None => ground.push(over),
        }
    }
    if let Some(remove) = remove {
        take_away(&mut ground, &remove.node, problems);
    }
    root.shape = Shape::Map(ground);
    root
}

fn take(entries: &mut Vec<Entry>, key: &str) -> Option<Entry> {
    let at = entries.iter().position(|entry| entry.key == key)?;
    Some(entries.remove(at))
}

/// The fields of the built-in. Its places are of another file, so all of it stands where it is named.
fn ground(uses: &Node, problems: &mut Problems) -> Option<Vec<Entry>> {
    let name = read::text(uses, "uses", problems)?;
    let Some(text) = text(&name) else {
        let known = || BUILTINS.iter().map(|(id, _)| *id);
        let all = || {
            Some(format!(
                "there are {}; a file of the library is used by a step",
                known().collect::<Vec<_>>().join(", ")
            ))
        };
        let problem = problems.error(Code::BadValue, uses.place, format!("there is no built-in workflow {name}"));
        problem.did_you_mean(&name, known(), all);
        return None;
    };
    let mut node = file::read(text).ok()?;
    node.place_at(uses.place);
    match node.shape {
        Shape::Map(entries) => Some(entries),
        Shape::Null | Shape::Bool(_) | Shape::Number(_) | Shape::Text | Shape::List(_) => None,
    }
}

fn id_of(step: &Node) -> Option<&str> {
    let Shape::Map(entries) = &step.shape else { return None };
    entries.iter().find(|entry| entry.key == "id").map(|entry| entry.node.written.as_str())
}

fn lay_steps(under: &mut Entry, over: Node) {
    let (Shape::List(below), Shape::List(above)) = (&mut under.node.shape, &over.shape) else {
        under.node = over;
        return;
    };
    for step in above {
        let same = below.iter_mut().find(|one| id_of(step).is_some_and(|id| id_of(one) == Some(id)));
        match (same, &step.shape) {
            (Some(one), Shape::Map(fields)) => {
                one.place = step.place;
                let Shape::Map(old) = &mut one.shape else { continue };
                for field in fields {
                    // A name and its alias say the same, so either takes the other's place.
                    old.retain(|known| canonical(&known.key) != canonical(&field.key));
                    old.push(field.clone());
                }
            }
            (_, _) => below.push(step.clone()),
        }
    }
    under.place = over.place;
    under.node.place = over.place;
}

fn canonical(key: &str) -> &str {
    match key {
        "dependencies" => "needs",
        "config" => "with",
        "retry_count" => "retries",
        "continue-on-error" | "continue_on_error" => "critical",
        key => key,
    }
}

/// Takes steps away; who needed one of them needs what that one needed.
fn take_away(ground: &mut [Entry], remove: &Node, problems: &mut Problems) {
    let Some(steps) = ground.iter_mut().find(|entry| entry.key == "steps") else { return };
    let Shape::List(steps) = &mut steps.node.shape else { return };
    for (id, place) in read::texts(remove, "remove", REMOVE_MAX, problems) {
        let Some(at) = steps.iter().position(|step| id_of(step) == Some(&id)) else {
            let problem = problems.error(Code::UnknownNeed, place, format!("there is no step {id} to remove"));
            problem.did_you_mean(&id, steps.iter().filter_map(id_of), || None);
            continue;
        };
        let gone = steps.remove(at);
        let instead = needs(&gone).cloned().unwrap_or_default();
        for step in steps.iter_mut() {
            let Shape::Map(fields) = &mut step.shape else { continue };
            let Some(field) = fields.iter_mut().find(|field| canonical(&field.key) == "needs") else { continue };
            let Shape::List(needs) = &mut field.node.shape else { continue };
            if needs.iter().any(|need| need.written == id) {
                needs.retain(|need| need.written != id);
                let new = instead.iter().filter(|need| needs.iter().all(|known| known.written != need.written));
                let new: Vec<Node> = new.cloned().collect();
                needs.extend(new);
            }
        }
    }
}

fn needs(step: &Node) -> Option<&Vec<Node>> {
    let Shape::Map(fields) = &step.shape else { return None };
    match &fields.iter().find(|field| canonical(&field.key) == "needs")?.node.shape {
        Shape::List(needs) => Some(needs),
        Shape::Null | Shape::Bool(_) | Shape::Number(_) | Shape::Text | Shape::Map(_) => None,
    }
}

#[cfg(test)]
mod tests;

//! The table as the second half of `docs/workflows.md`.

use std::fmt::Write as _;

use super::{Field, Group, LIBRARY, POLICY, Shape, WORKFLOW, kinds, mappings};

/// All fields, a table for each mapping.
#[must_use]
pub fn page() -> String {
    let mut page = String::new();
    let mut told: Vec<&str> = Vec::new();
    for (title, root) in [
        ("Workflow files: `.workflows/NAME.yml`", &WORKFLOW),
        ("Library files: `.workflows/lib/NAME.yml`", &LIBRARY),
        ("Policy: `.workflows/config.yml`", &POLICY),
    ] {
        let _ = write!(page, "## {title}\n\n{}\n\n", root.meaning);
        rows(root, &mut page);
        let all = mappings(root);
        for (path, group) in all.iter().skip(1) {
            if told.contains(&group.name) {
                continue;
            }
            told.push(group.name);
            let places = all.iter().filter(|(other, same)| same.name == group.name && other != path);
            let places: Vec<String> = places.map(|(other, _)| format!("`{other}`")).collect();
            let also = if places.is_empty() { String::new() } else { format!(" The same at {}.", places.join(", ")) };
            let with = if *path == "steps[]" && group.name == "call" { " with `uses`" } else { "" };
            let _ = write!(page, "### `{path}`{with}\n\n{}{also}\n\n", group.meaning);
            rows(group, &mut page);
        }
    }
    page
}

fn rows(group: &Group, page: &mut String) {
    page.push_str("| Field | Takes | Default | Meaning |\n|---|---|---|---|\n");
    for field in group.fields() {
        let Field { name, shape, meaning, default, example, aliases, old } = field;
        let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
        let mut more = String::new();
        if !example.is_empty() {
            let _ = write!(more, " Such as `{}`.", written(example));
        }
        for alias in *aliases {
            let _ = write!(more, " Also `{alias}`.");
        }
        for old in *old {
            let _ = write!(more, " Once `{old}`, which still works.");
        }
        let _ = writeln!(page, "| `{name}` | {} | {default} | {meaning}{more} |", takes(shape));
    }
    if let Some(rest) = group.rest {
        let _ = writeln!(page, "| *your names* | {} | | |", takes(rest));
    }
    page.push('\n');
}

/// An example as people write it: what the table holds as JSON has quotes that YAML does not need.
fn written(example: &str) -> String {
    // A pipe would end the cell.
    let plain = |text: &str| text.replace("{\"", "{ ").replace("\":", ":").replace('|', "\\|");
    let example = plain(example);
    match example.strip_suffix('}').filter(|_| example.starts_with('{')) {
        Some(open) => format!("{open} }}"),
        None => example,
    }
}

fn takes(shape: &Shape) -> String {
    match shape {
        Shape::Text | Shape::Plain | Shape::Line => "text".to_owned(),
        Shape::Expression => "expression".to_owned(),
        Shape::Id => "id".to_owned(),
        Shape::Agent => "agent".to_owned(),
        Shape::Flag => "`true`, `false`".to_owned(),
        Shape::Whole(min, i64::MAX) => format!("number from {min}"),
        Shape::Whole(min, max) => format!("number, {min} to {max}"),
        Shape::Measure(measure) => {
            format!("{}: `{}`", measure.word(), measure.examples().join("`, `"))
        }
        Shape::Word(words) => format!("`{}`", words.join("`, `")),
        Shape::Kind => format!("`{}`", kinds().collect::<Vec<_>>().join("`, `")),
        Shape::Any => "anything".to_owned(),
        Shape::Map(_) | Shape::Having(..) => "mapping".to_owned(),
        Shape::Each(inner) => format!("names of your own, each: {}", takes(inner)),
        Shape::Named(names, inner) => format!("`{}`, each: {}", names.join("`, `"), takes(inner)),
        Shape::List(inner, _) => format!("list of: {}", takes(inner)),
        Shape::OneOrList(inner, _) => format!("one or a list of: {}", takes(inner)),
        Shape::Either(shapes) => shapes.iter().map(takes).collect::<Vec<_>>().join("; or "),
    }
}

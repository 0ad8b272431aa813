//! Where a command gets the text of a workflow from.

use std::io::{self, Read as _};
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::ids::WorkflowId;
use crate::workflow::{builtin, file::FILE_BYTES_MAX};

/// The folder of a repository's workflows.
const FOLDER: &str = ".workflows";
/// What stands for standard input, and the id of a workflow that comes from there.
const STDIN: (&str, &str) = ("-", "stdin");

/// The text of a workflow.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// Its id: the name of its file.
    pub(super) id: WorkflowId,
    /// What to call it to people.
    pub(super) name: String,
    pub(super) text: String,
}

/// What `wanted` names: standard input, a file, a workflow below `folder`, or a built-in.
pub(super) fn find(wanted: &str, folder: &Path) -> anyhow::Result<Source> {
    if wanted == STDIN.0 {
        return Ok(Source { id: STDIN.1.parse()?, name: STDIN.1.to_owned(), text: limited(io::stdin().lock())? });
    }
    let own = format!("{FOLDER}/{wanted}.yml");
    for name in [wanted, &own] {
        let path = folder.join(name);
        if path.is_file() {
            let text = std::fs::File::open(&path).map_err(Into::into).and_then(limited);
            let text = text.with_context(|| format!("cannot read {name}"))?;
            return Ok(Source { id: id_of(Path::new(name))?, name: name.to_owned(), text });
        }
    }
    match builtin::text(wanted) {
        Some(text) => Ok(Source { id: wanted.parse()?, name: format!("{wanted} (built in)"), text: text.to_owned() }),
        None => {
            let known: Vec<&str> = builtin::BUILTINS.iter().map(|(id, _)| *id).collect();
            bail!("there is no file {wanted} and no {own}; built in are {}", known.join(", "))
        }
    }
}

fn id_of(path: &Path) -> anyhow::Result<WorkflowId> {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    stem.parse().with_context(|| format!("{stem:?} cannot be the id of a workflow; rename the file"))
}

/// At most one byte more than the language allows, which then says what is wrong.
fn limited(from: impl io::Read) -> anyhow::Result<String> {
    let mut text = String::new();
    from.take(FILE_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests;

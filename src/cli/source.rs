//! Where a command gets a workflow from.

use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};

use super::Failure;
use crate::config;
use crate::ids::WorkflowId;
use crate::report::problems::{Looked, Paint, human};
use crate::workflow::defaults::Operator;
use crate::workflow::parse::FILES_MAX;
use crate::workflow::problem::Problem;
use crate::workflow::{Library, Workflow, builtin, file::FILE_BYTES_MAX, parse_with, uses};

/// The folder of a repository's workflows.
pub(super) const FOLDER: &str = ".workflows";
/// What stands for standard input, and the id of a workflow that comes from there.
pub(super) const STDIN: (&str, &str) = ("-", "stdin");

/// The text of a workflow, and of what its steps may use.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// Its id: the name of its file.
    pub(super) id: WorkflowId,
    /// What to call it to people.
    pub(super) name: String,
    pub(super) text: String,
    pub(super) library: Library,
}

/// What `wanted` names: standard input, a file, a workflow below `folder`, or a built-in.
pub(super) fn find(wanted: &str, folder: &Path) -> Result<Source, Failure> {
    let library = |beside: &Path| library(&beside.join("lib"));
    if wanted == STDIN.0 {
        let text = text(io::stdin().lock(), "standard input")?;
        let library = library(&folder.join(FOLDER))?;
        return Ok(Source { id: STDIN.1.parse()?, name: STDIN.1.to_owned(), text, library });
    }
    let own = format!("{FOLDER}/{wanted}.yml");
    for name in [wanted, &own] {
        let path = folder.join(name);
        if path.is_file() {
            let text = read(&path)?;
            let library = library(path.parent().unwrap_or(folder))?;
            return Ok(Source { id: id_of(Path::new(name))?, name: name.to_owned(), text, library });
        }
    }
    let Some(text) = builtin::text(wanted) else {
        let known = builtin::BUILTINS.map(|(id, _)| id).join(", ");
        return Err(Failure::Usage(format!("there is no file {wanted} and no {own}; built in are {known}")));
    };
    let name = format!("{wanted} (built in)");
    Ok(Source { id: wanted.parse()?, name, text: text.to_owned(), library: Library::new() })
}

impl Source {
    /// Reads it. What is wrong is told on standard error.
    pub(super) fn workflow(&self) -> Result<Workflow, Failure> {
        self.parsed().map_err(|problems| {
            // Nobody is left to be told when standard error is closed.
            let _ = io::stderr().write_all(self.told(problems, paint(io::stderr().is_terminal())).as_bytes());
            Failure::Told
        })
    }

    pub(super) fn parsed(&self) -> Result<Workflow, Vec<Problem>> {
        parse_with(&self.id, &self.text, &Operator::default(), &self.library)
    }

    /// Problems, each with its line.
    pub(super) fn told(&self, problems: Vec<Problem>, paint: Paint) -> String {
        human(&looked((&self.name, &self.text), problems, &self.library), paint)
    }
}

/// Each file with the problems that are its own: those of a used file name it.
pub(super) fn looked((path, text): (&str, &str), problems: Vec<Problem>, library: &Library) -> Vec<Looked> {
    let (own, others): (Vec<_>, Vec<_>) = problems.into_iter().partition(|problem| problem.file.is_none());
    let mut files = vec![Looked { path: path.to_owned(), text: text.to_owned(), problems: own }];
    for mut problem in others {
        let path = problem.file.take().unwrap_or_default();
        match files.iter_mut().find(|file| file.path == path) {
            Some(file) => file.problems.push(problem),
            None => {
                let text = library.get(&path).cloned().unwrap_or_default();
                files.push(Looked { path, text, problems: vec![problem] });
            }
        }
    }
    files
}

/// The files that steps may use, by the paths that they have in a repository; none where there is no such folder.
pub(super) fn library(folder: &Path) -> anyhow::Result<Library> {
    let mut library = Library::new();
    for path in ymls(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        library.insert(format!("{}{name}", uses::LIBRARY), read(&path)?);
    }
    Ok(library)
}

/// The files of a folder that end in .yml, by name.
pub(super) fn ymls(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).with_context(|| format!("cannot look into {}", folder.display()))?;
    let files = entries.flatten().map(|entry| entry.path());
    let mut paths: Vec<PathBuf> =
        files.filter(|path| path.is_file() && path.extension().is_some_and(|suffix| suffix == "yml")).collect();
    paths.sort();
    if paths.len() > FILES_MAX {
        bail!("{} holds {} files; a repository has at most {FILES_MAX}", folder.display(), paths.len());
    }
    Ok(paths)
}

/// Whether to use the colours of the terminal.
pub(super) fn paint(is_terminal: bool) -> Paint {
    let env = config::environment();
    let said = |name: &str| env.get(name).is_some_and(|value| !value.is_empty());
    let dumb = env.get("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
    if is_terminal && !dumb && !said("NO_COLOR") { Paint::Colours } else { Paint::Plain }
}

fn id_of(path: &Path) -> anyhow::Result<WorkflowId> {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    stem.parse().with_context(|| format!("{stem:?} cannot be the id of a workflow; rename the file"))
}

pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    let name = path.display().to_string();
    text(File::open(path).with_context(|| format!("cannot read {name}"))?, &name)
}

/// The text of a workflow file, at most one byte more than the language allows, which then says what is wrong.
pub(super) fn text(from: impl io::Read, name: &str) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    from.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).with_context(|| format!("cannot read {name}"))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        // Cut in the middle of a character: what is left is too large all the same.
        Err(error) if error.as_bytes().len() > FILE_BYTES_MAX => {
            Ok(String::from_utf8_lossy(error.as_bytes()).into_owned())
        }
        Err(_) => Err(anyhow!("{name} is no UTF-8")),
    }
}

/// All of a text of another kind, up to its limit.
pub(super) fn whole(from: impl io::Read, name: &str, bytes_max: usize) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    from.take(bytes_max as u64 + 1).read_to_end(&mut bytes).with_context(|| format!("cannot read {name}"))?;
    if bytes.len() > bytes_max {
        bail!("{name} is larger than {bytes_max} bytes");
    }
    String::from_utf8(bytes).map_err(|_| anyhow!("{name} is no UTF-8"))
}

#[cfg(test)]
mod tests;

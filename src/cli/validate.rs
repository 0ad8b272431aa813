//! `pointsman validate`: what is wrong with the workflows of a working tree, before anybody pushes them.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::Failure;
use super::source::{self, FOLDER, STDIN};
use crate::report::problems::{Looked, as_annotations, as_json, counts, human, sarif};
use crate::workflow::defaults::Operator;
use crate::workflow::parse::{FileKind, kind_of};
use crate::workflow::problem::{Code, Problem};
use crate::workflow::{Library, parse_with, policy, uses};

/// Check workflow files, and say everything that is wrong with them at once.
///
/// Ends with 0 where all files can be used, 1 where one cannot, 2 where there is nothing to look at.
#[derive(Debug, Args)]
pub(super) struct Validate {
    /// Files, or folders with workflows; `-` is standard input. Without any: .workflows
    paths: Vec<PathBuf>,
    /// How it is told.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Warnings count as errors.
    #[arg(long)]
    strict: bool,
    /// Print what a code is about, with an example and the example mended.
    #[arg(long, value_name = "CODE", value_parser = code, conflicts_with_all = ["paths", "strict", "format"])]
    explain: Option<Code>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// With the line of the file and a mark below the place.
    Human,
    /// One document.
    Json,
    /// Annotations for GitHub Actions.
    Github,
    /// SARIF 2.1.0, for code scanning and editors.
    Sarif,
}

impl Validate {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        if let Some(code) = self.explain {
            return Ok(writeln!(out, "{code}\n\n{}", code.page())?);
        }
        let files = look(&self.paths)?;
        let paint = source::paint(out.is_terminal());
        let told = match self.format {
            Format::Human => human(&files, paint),
            Format::Json => as_json(&files),
            Format::Github => as_annotations(&files),
            Format::Sarif => sarif(&files),
        };
        out.write_all(told.as_bytes())?;
        match counts(&files) {
            (0, 0) => Ok(()),
            (0, _) if !self.strict => Ok(()),
            _ => Err(Failure::Told),
        }
    }
}

fn code(text: &str) -> Result<Code, String> {
    let all = || Code::ALL.map(|code| code.to_string()).join(", ");
    Code::ALL
        .into_iter()
        .find(|code| code.to_string() == text)
        .ok_or_else(|| format!("there is no such code; there are {}", all()))
}

/// Every file that is meant, with what is wrong with it.
fn look(paths: &[PathBuf]) -> Result<Vec<Looked>, Failure> {
    if paths.is_empty() {
        if !Path::new(FOLDER).is_dir() {
            let words = "there is no folder .workflows here; `pointsman init` writes a first workflow into it";
            return Err(Failure::Usage(words.to_owned()));
        }
        return folder(Path::new(FOLDER));
    }
    let mut files = Vec::new();
    for path in paths {
        if path.as_os_str() == STDIN.0 {
            let text = source::text(io::stdin().lock(), "standard input")?;
            files.extend(looked(
                Path::new(&format!("{}.yml", STDIN.1)),
                &text,
                &source::library(&Path::new(FOLDER).join("lib"))?,
            ));
        } else if path.is_dir() {
            files.extend(folder(path)?);
        } else if path.is_file() {
            let folder = path.parent().unwrap_or(Path::new(""));
            if folder.ends_with("lib") {
                files.push(used(path, &source::library(folder)?)?);
            } else {
                files.extend(looked(path, &source::read(path)?, &source::library(&folder.join("lib"))?));
            }
        } else {
            return Err(Failure::Usage(format!(
                "there is no file {}; give files, or a folder of them",
                path.display()
            )));
        }
    }
    Ok(files)
}

/// The files of a folder that count as workflows in a repository, by name.
fn folder(path: &Path) -> Result<Vec<Looked>, Failure> {
    let entries = fs::read_dir(path).with_context(|| format!("cannot look into {}", path.display()))?;
    // Actions takes these, so people write them; here they would be passed over in silence.
    let mut names = entries.flatten().map(|entry| entry.path());
    if let Some(long) = names.find(|path| path.extension().is_some_and(|extension| extension == "yaml")) {
        let words = format!("{} would not be read: files of workflows end in .yml; rename it", long.display());
        return Err(Failure::Usage(words));
    }
    let paths = source::ymls(path)?;
    if paths.is_empty() {
        let words = format!("{} holds no .yml files; `pointsman init` writes a first workflow", path.display());
        return Err(Failure::Usage(words));
    }
    let library = source::library(&path.join("lib"))?;
    let mut files: Vec<Looked> = Vec::new();
    for path in &paths {
        for file in looked(path, &source::read(path)?, &library) {
            // What several workflows use is wrong once.
            match files.iter_mut().find(|known| known.path == file.path) {
                Some(known) => {
                    let fresh = file.problems.into_iter().filter(|problem| !known.problems.contains(problem));
                    let fresh: Vec<Problem> = fresh.collect();
                    known.problems.extend(fresh);
                }
                None => files.push(file),
            }
        }
    }
    for path in source::ymls(&path.join("lib"))? {
        let file = used(&path, &library)?;
        if !files.iter().any(|known| known.path == file.path) {
            files.push(file);
        }
    }
    Ok(files)
}

/// A file for steps to use, looked at through a step that does.
fn used(path: &Path, library: &Library) -> anyhow::Result<Looked> {
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let own = format!("{}{name}", uses::LIBRARY);
    let user = format!("steps: [{{ id: lib, uses: ./lib/{name} }}]");
    let found = match parse_with(&"lib".parse()?, &user, &Operator::default(), library) {
        Ok(workflow) => workflow.warnings,
        Err(problems) => problems,
    };
    // What is wrong with that step, such as inputs that it does not give, is nobody's.
    let found = found.into_iter().filter(|problem| problem.file.as_ref() == Some(&own));
    let problems = match uses::is_library(&own) {
        true => found.map(|problem| Problem { file: None, ..problem }).collect(),
        false => vec![Problem::of_name(&name)],
    };
    Ok(Looked { text: library.get(&own).cloned().unwrap_or_default(), path: own, problems })
}

/// By the file's name, wherever it lies: what is tried out need not be in the folder yet.
fn looked(path: &Path, text: &str, library: &Library) -> Vec<Looked> {
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let problems = match kind_of(&format!("{FOLDER}/{name}")) {
        FileKind::Policy => policy::parse(text).err().unwrap_or_default(),
        FileKind::Workflow(id) => match parse_with(&id, text, &Operator::default(), library) {
            Ok(workflow) => workflow.warnings,
            Err(problems) => problems,
        },
        FileKind::Other => vec![Problem::of_name(&name)],
    };
    source::looked((&path.display().to_string(), text), problems, library)
}

#[cfg(test)]
mod tests;

//! `pointsman validate`: what is wrong with the workflows of a working tree, before anybody pushes them.

use std::fs;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::Failure;
use crate::config;
use crate::report::problems::{Looked, Paint, as_annotations, as_json, counts, human, sarif};
use crate::workflow::defaults::Operator;
use crate::workflow::file::FILE_BYTES_MAX;
use crate::workflow::parse::{FILES_MAX, FileKind, kind_of};
use crate::workflow::problem::{Code, Problem};
use crate::workflow::{parse, policy};

const FOLDER: &str = ".workflows";
const STDIN: &str = "-";

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
        let paint = if out.is_terminal() && config::environment().get("NO_COLOR").is_none_or(String::is_empty) {
            Paint::Colours
        } else {
            Paint::Plain
        };
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
        if path.as_os_str() == STDIN {
            files.push(looked(path, read(io::stdin().lock())?));
        } else if path.is_dir() {
            files.extend(folder(path)?);
        } else {
            let file = fs::File::open(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
            files.push(looked(path, read(file).with_context(|| format!("cannot read {}", path.display()))?));
        }
    }
    Ok(files)
}

/// The files of a folder that count as workflows in a repository, by name.
fn folder(path: &Path) -> Result<Vec<Looked>, Failure> {
    let entries = fs::read_dir(path).with_context(|| format!("cannot look into {}", path.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    paths.sort();
    // Actions takes these, so people write them; here they would be passed over in silence.
    if let Some(long) = paths.iter().find(|path| path.extension().is_some_and(|extension| extension == "yaml")) {
        let words = format!("{} would not be read: files of workflows end in .yml; rename it", long.display());
        return Err(Failure::Usage(words));
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yml"));
    if paths.is_empty() {
        let words = format!("{} holds no .yml files; `pointsman init` writes a first workflow", path.display());
        return Err(Failure::Usage(words));
    }
    if paths.len() > FILES_MAX {
        let words = format!("{} holds {} files; a repository has at most {FILES_MAX}", path.display(), paths.len());
        return Err(Failure::Usage(words));
    }
    let all = paths.iter().map(|path| {
        let file = fs::File::open(path).and_then(read).with_context(|| format!("cannot read {}", path.display()));
        file.map(|text| looked(path, text))
    });
    Ok(all.collect::<Result<_, _>>()?)
}

/// One byte more than a file may have, so that a larger one is refused by the same words as on GitHub.
fn read(from: impl io::Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    from.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn looked(path: &Path, text: String) -> Looked {
    let problems = problems(path, &text);
    Looked { path: path.display().to_string(), text, problems }
}

/// By the file's name, wherever it lies: what is tried out need not be in the folder yet.
fn problems(path: &Path, text: &str) -> Vec<Problem> {
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let name = if name == STDIN { "stdin.yml".to_owned() } else { name };
    match kind_of(&format!("{FOLDER}/{name}")) {
        FileKind::Policy => policy::parse(text).err().unwrap_or_default(),
        FileKind::Workflow(id) => match parse(&id, text, &Operator::default()) {
            Ok(workflow) => workflow.warnings,
            Err(problems) => problems,
        },
        FileKind::Other => vec![Problem::of_name(&name)],
    }
}

#[cfg(test)]
mod tests;

//! The workflow that a person means: a file, an id in `.workflows/`, a built-in's name, or `-` for standard input.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};

use super::Failure;
use crate::ids::WorkflowId;
use crate::workflow::defaults::Operator;
use crate::workflow::{Workflow, builtin, file, parse};

/// Where a repository has its workflows.
const FOLDER: &str = ".workflows";
/// What a workflow from standard input is called.
const UNNAMED: &str = "workflow";

/// A text, and what to call it.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) id: WorkflowId,
    /// Where it was found, for people.
    pub(super) from: String,
    pub(super) text: String,
}

impl Chosen {
    /// Finds and reads it. A file counts before an id, and that before a built-in.
    pub(super) fn find(word: &str) -> Result<Self, Failure> {
        if word == "-" {
            let text = text(io::stdin(), "standard input", file::FILE_BYTES_MAX)?;
            return Ok(Self { id: UNNAMED.parse()?, from: "standard input".to_owned(), text });
        }
        let in_folder = Path::new(FOLDER).join(format!("{word}.yml"));
        for path in [Path::new(word), &in_folder] {
            if path.is_file() {
                let id = path.file_stem().unwrap_or_default().to_string_lossy();
                let id = id.parse().with_context(|| format!("{}: its name is the workflow's id", path.display()))?;
                let from = path.display().to_string();
                let opened = File::open(path).with_context(|| from.clone())?;
                return Ok(Self { id, text: text(opened, &from, file::FILE_BYTES_MAX)?, from });
            }
        }
        let Some(text) = builtin::text(word) else {
            let known = builtin::BUILTINS.map(|(id, _)| id).join(", ");
            let message = format!("{word}: there is no such file, no {}, and no such built-in", in_folder.display());
            return Err(anyhow!("{message}; the built-ins are {known}").into());
        };
        Ok(Self { id: word.parse()?, from: format!("the built-in {word}"), text: text.to_owned() })
    }

    /// Reads it as a workflow; what is wrong is told by place.
    pub(super) fn workflow(&self) -> Result<Workflow, Failure> {
        parse(&self.id, &self.text, &Operator::default()).map_err(|problems| {
            let lines: String = problems.iter().map(|problem| format!("\n  {}:{problem}", self.from)).collect();
            Failure::from(anyhow!("{} is no workflow{lines}", self.from))
        })
    }
}

/// All of it, up to a limit.
pub(super) fn text(from: impl io::Read, name: &str, bytes_max: usize) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    from.take(bytes_max as u64 + 1).read_to_end(&mut bytes).with_context(|| name.to_owned())?;
    if bytes.len() > bytes_max {
        bail!("{name}: it is larger than {bytes_max} bytes");
    }
    String::from_utf8(bytes).map_err(|_| anyhow!("{name}: it is no UTF-8"))
}

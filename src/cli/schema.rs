//! `pointsman schema`: what a file may hold, as JSON Schema, for editors.

use std::io::{self, Write as _};

use clap::{Args, ValueEnum};

use super::Failure;
use crate::workflow::schema;

/// Print the JSON Schema of a kind of file, for editors: `pointsman schema > .workflows/workflow.schema.json`.
///
/// An editor with a YAML language server uses it where the workflow begins with the line
/// `# yaml-language-server: $schema=./workflow.schema.json`.
#[derive(Debug, Args)]
pub struct Schema {
    /// Which kind.
    #[arg(value_enum, default_value_t = Kind::Workflow)]
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// .workflows/NAME.yml
    Workflow,
    /// .workflows/lib/NAME.yml
    Library,
    /// .workflows/config.yml
    Config,
}

impl Schema {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let text = match self.kind {
            Kind::Workflow => schema::workflow(),
            Kind::Library => schema::library(),
            Kind::Config => schema::config(),
        };
        Ok(io::stdout().lock().write_all(text.as_bytes())?)
    }
}

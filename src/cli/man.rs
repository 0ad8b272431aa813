//! `pointsman man`: the manual pages of every subcommand, from the very definitions that read the command line.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Command};

use super::Failure;

/// Write the manual pages of all commands: `pointsman man /usr/local/share/man/man1`, then `man pointsman-validate`.
///
/// Without a folder the page of the program itself is printed: `pointsman man | man -l -`.
#[derive(Debug, Args)]
pub(super) struct Man {
    /// Where they are written; it is made where it is missing, and pages of these names are replaced.
    folder: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(&self, program: Command) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        let Some(folder) = &self.folder else {
            let mut page = Vec::new();
            clap_mangen::Man::new(program).render(&mut page)?;
            return Ok(out.write_all(&page)?);
        };
        write(program, folder)?;
        Ok(writeln!(out, "wrote the pages to {0}; read one with: man {0}/pointsman.1", folder.display())?)
    }
}

fn write(program: Command, folder: &Path) -> anyhow::Result<()> {
    let cannot = |what: &str| format!("cannot {what} {}", folder.display());
    fs::create_dir_all(folder).with_context(|| cannot("make"))?;
    clap_mangen::generate_to(program, folder).with_context(|| cannot("write into"))
}

#[cfg(test)]
mod tests;

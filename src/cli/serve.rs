//! The arguments of every subcommand that reads settings: the file, and the two settings that are handy to type.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::config::{self, Database, Problem, Settings, Sources};

/// The file of settings.
#[derive(Debug, Args)]
struct File {
    /// A TOML file of settings; the environment comes first.
    #[arg(long, value_name = "FILE", env = "POINTSMAN_CONFIG")]
    config: Option<PathBuf>,
}

/// Where the settings of the database come from.
#[derive(Debug, Args)]
#[command(after_long_help = config::names::help(Some("Database")))]
pub struct DatabaseArgs {
    #[command(flatten)]
    file: File,
}

/// Where all settings come from.
#[derive(Debug, Args)]
#[command(after_long_help = config::names::help(None))]
pub struct SettingsArgs {
    #[command(flatten)]
    file: File,
    /// The address to listen on, in place of `API_HOST`.
    #[arg(long)]
    host: Option<String>,
    /// The port to listen on, in place of `API_PORT`.
    #[arg(long)]
    port: Option<String>,
}

impl SettingsArgs {
    /// All settings, as `serve` needs them.
    ///
    /// # Errors
    /// All problems at once.
    pub fn read(&self) -> Result<Settings, Failure> {
        self.file.read(&self.over(config::environment()), Settings::read)
    }

    /// The environment with the arguments laid over it: what was typed last counts.
    pub(super) fn over(&self, mut env: BTreeMap<String, String>) -> BTreeMap<String, String> {
        let typed = [("API_HOST", &self.host), ("API_PORT", &self.port)];
        env.extend(typed.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))));
        env
    }
}

impl DatabaseArgs {
    /// The settings of the database alone, as `migrate` needs them.
    ///
    /// # Errors
    /// All problems at once.
    pub fn read(&self) -> Result<Database, Failure> {
        self.file.read(&config::environment(), Database::alone)
    }
}

impl File {
    fn read<T>(
        &self,
        env: &BTreeMap<String, String>,
        read: impl FnOnce(&Sources<'_>) -> Result<T, Vec<Problem>>,
    ) -> Result<T, Failure> {
        let file = self.config.as_ref().map(|path| {
            config::open(path).map_err(|why| {
                let (name, remedy) = ("--config".to_owned(), "give a TOML file that this user may read".to_owned());
                Failure::Settings(vec![Problem { name, what: format!("{}: {why}", path.display()), remedy }])
            })
        });
        let file = file.transpose()?;
        read(&Sources { env, file: file.as_deref(), open: &config::open }).map_err(Failure::Settings)
    }
}

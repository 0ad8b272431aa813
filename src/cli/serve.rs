//! The arguments of every subcommand that reads settings: the file, and the two settings that are handy to type.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::config::{self, Database, Problem, Settings, Sources};

/// Where settings come from.
#[derive(Debug, Args)]
#[command(after_long_help = config::names::help())]
pub struct SettingsArgs {
    /// A TOML file of settings; the environment comes first.
    #[arg(long, value_name = "FILE", env = "POINTSMAN_CONFIG")]
    config: Option<PathBuf>,
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
        self.sources(Settings::read)
    }

    /// The settings of the database alone, as `migrate` needs them.
    ///
    /// # Errors
    /// All problems at once.
    pub fn database(&self) -> Result<Database, Failure> {
        self.sources(Database::alone)
    }

    fn sources<T>(&self, read: impl FnOnce(&Sources<'_>) -> Result<T, Vec<Problem>>) -> Result<T, Failure> {
        let env = self.over(config::environment());
        let file = self.config.as_ref().map(|path| {
            config::open(path).map_err(|why| {
                let (name, remedy) = ("--config".to_owned(), "give a TOML file that this user may read".to_owned());
                Failure::Settings(vec![Problem { name, what: format!("{}: {why}", path.display()), remedy }])
            })
        });
        let file = file.transpose()?;
        read(&Sources { env: &env, file: file.as_deref(), open: &config::open }).map_err(Failure::Settings)
    }

    /// The environment with the arguments laid over it: what was typed last counts.
    pub(super) fn over(&self, mut env: BTreeMap<String, String>) -> BTreeMap<String, String> {
        let typed = [("API_HOST", &self.host), ("API_PORT", &self.port)];
        env.extend(typed.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))));
        env
    }
}

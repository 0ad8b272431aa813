use std::collections::BTreeMap;

use clap::{Args as _, FromArgMatches as _};

use super::*;

/// `serve` and its kin with these arguments.
fn settings(args: &[&str]) -> SettingsArgs {
    let command = SettingsArgs::augment_args(clap::Command::new("serve")).no_binary_name(true);
    SettingsArgs::from_arg_matches(&command.try_get_matches_from(args).unwrap()).unwrap()
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
    SettingsArgs::augment_args(clap::Command::new("serve")).debug_assert();
}

#[test]
fn help_lists_every_setting() {
    let help = SettingsArgs::augment_args(clap::Command::new("serve")).render_long_help().to_string();
    for name in crate::config::names::NAMES.iter().flat_map(|group| group.names) {
        assert!(help.contains(name.name), "{} is missing in {help}", name.name);
    }
}

#[test]
fn what_is_typed_counts_before_the_environment() {
    let env = BTreeMap::from([("API_PORT".to_owned(), "1".to_owned()), ("API_HOST".to_owned(), "::".to_owned())]);
    let over = settings(&["--port", "2"]).over(env);
    assert_eq!((over["API_PORT"].as_str(), over["API_HOST"].as_str()), ("2", "::"));
}

#[test]
fn a_missing_file_is_a_problem_of_the_settings() {
    let failure = settings(&["--config", "does/not/exist.toml"]).read().unwrap_err();
    assert_eq!(failure.code(), 2);
    insta::assert_snapshot!(failure.text(), @r"
    error: settings
      --config: does/not/exist.toml: No such file or directory (os error 2); give a TOML file that this user may read
    `pointsman serve --help` lists all settings.
    ");
}

#[test]
fn help_of_migrate_lists_what_it_reads() {
    let help = DatabaseArgs::augment_args(clap::Command::new("migrate")).render_long_help().to_string();
    assert!(help.contains("DATABASE_URL") && help.contains("--config"), "{help}");
    assert!(!help.contains("GITHUB_") && !help.contains("--port"), "{help}");
}

#[test]
fn a_cause_is_told_once() {
    let error = anyhow::anyhow!("no such file").context("the driver: no such file").context("cannot open it");
    assert_eq!(Failure::Failed(error).text(), "error: cannot open it: the driver: no such file\n");
}

#[test]
fn completions_come_for_every_shell() {
    for shell in <clap_complete::Shell as clap::ValueEnum>::value_variants() {
        let mut script = Vec::new();
        clap_complete::generate(*shell, &mut Cli::command(), "pointsman", &mut script);
        assert!(String::from_utf8(script).unwrap().contains("completions"), "{shell}");
    }
}

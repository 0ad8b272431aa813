//! The one table of settings: `serve --help` and `docs/settings.md` are made from it, defaults are read from it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Name {
    /// Its name in the environment; lower case in the file. `<AGENT>` stands for each agent.
    pub name: &'static str,
    /// What holds when nothing is said; empty where that is nothing.
    pub default: &'static str,
    /// Whether it is a secret: then `NAME_FILE` may name a file that holds it.
    pub secret: bool,
    /// What it does, in a sentence.
    pub meaning: &'static str,
}

/// Settings that belong together.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// A headline.
    pub title: &'static str,
    /// Its settings.
    pub names: &'static [Name],
}

const fn open(name: &'static str, default: &'static str, meaning: &'static str) -> Name {
    Name { name, default, secret: false, meaning }
}

const fn secret(name: &'static str, meaning: &'static str) -> Name {
    Name { name, default: "", secret: true, meaning }
}

/// The agents that are known by name, as they stand in `<AGENT>_ENDPOINT`.
pub const AGENTS: [&str; 4] = ["CLAUDE_CODE", "CODEGEN", "AIDER", "GOOSE"];

/// Every setting.
pub const NAMES: &[Group] = &[
    Group {
        title: "Server",
        names: &[
            open("API_HOST", "0.0.0.0", "The address to listen on."),
            open("API_PORT", "3000", "The port to listen on. `PORT` is read where this is not set."),
            open("PORT", "", "The port, as platforms say it; `API_PORT` comes first."),
            open(
                "PUBLIC_URL",
                "",
                "Where people and agents reach this server, such as `https://pointsman.example.org`. Without it checks carry no links and agents are polled.",
            ),
            open(
                "METRICS_BIND",
                "",
                "Serve `/metrics` on this address and port, and nowhere else. By default it is on the main one.",
            ),
            open("ENABLE_WORKFLOW_METRICS", "true", "`false`: `/metrics` is 404."),
            open("ENABLE_MONITORING", "true", "`false`: `/metrics` is 404."),
            open("ENABLE_ALERTS", "false", "`true` is refused: there are no alerts yet."),
            open("DRAIN_TIMEOUT", "25s", "How long a stop waits for what is under way. Kill it later than that."),
            open(
                "HEARTBEAT_INTERVAL",
                "10s",
                "How often a replica says that it lives; three silent beats free what it held. The same on all replicas.",
            ),
        ],
    },
    Group {
        title: "Database",
        names: &[
            secret(
                "DATABASE_URL",
                "`mysql://user:password@host/name` (MySQL 8, MariaDB 10.6 or later) or `sqlite://file`. Without any of these settings: `sqlite://pointsman.db`, in the working folder.",
            ),
            open(
                "DATABASE_TYPE",
                "",
                "`mysql`, `mariadb` or `sqlite`, in place of a URL. Default: `mysql` where another part is set.",
            ),
            open("DATABASE_HOST", "localhost", "In place of a URL: the server."),
            open("DATABASE_PORT", "3306", "In place of a URL: its port."),
            open("DATABASE_NAME", "workflow_db", "In place of a URL: the database; for `sqlite` the file."),
            open("DATABASE_USERNAME", "workflow_user", "In place of a URL: the user."),
            secret("DATABASE_PASSWORD", "In place of a URL: the password."),
            open("DATABASE_MAX_CONNECTIONS", "16", "Connections at once, for each replica."),
            open(
                "DATABASE_RELAXED_DURABILITY",
                "false",
                "`true`: start although the server may lose commits (`innodb_flush_log_at_trx_commit` is not 1). Acknowledged webhooks can then be lost.",
            ),
        ],
    },
    Group {
        title: "GitHub",
        names: &[
            open("GITHUB_APP_ID", "", "The App's id. This or `GITHUB_CLIENT_ID` must be set."),
            open("GITHUB_CLIENT_ID", "", "The App's client id, which GitHub recommends over its id."),
            secret("GITHUB_PRIVATE_KEY", "The App's private key (PEM; `\\n` may stand for line ends). Must be set."),
            open("GITHUB_PRIVATE_KEY_PATH", "", "The file of the private key; the same as `GITHUB_PRIVATE_KEY_FILE`."),
            secret("GITHUB_WEBHOOK_SECRET", "The webhook's secret; two, comma separated, while rotating. Must be set."),
            open(
                "GITHUB_API_URL",
                "https://api.github.com",
                "The REST API. On GitHub Enterprise Server `https://HOST/api/v3`.",
            ),
            open("GITHUB_GRAPHQL_URL", "", "The GraphQL API. Default: found from `GITHUB_API_URL`."),
            open("GITHUB_SERVER_URL", "", "The web pages. Default: found from `GITHUB_API_URL`."),
        ],
    },
    Group {
        title: "Agents",
        names: &[
            open(
                "CLAUDE_CODE_ENDPOINT",
                "http://localhost:3001",
                "Where the agent `claude-code` speaks A2A; several addresses, comma separated. Set, but empty: there is no such agent.",
            ),
            open("CODEGEN_ENDPOINT", "http://localhost:3002", "The same for `codegen`."),
            open("AIDER_ENDPOINT", "http://localhost:3003", "The same for `aider`."),
            open("GOOSE_ENDPOINT", "http://localhost:3004", "The same for `goose`."),
            open(
                "AGENTS",
                "",
                "More agents, by name, comma separated: `AGENTS=my-agent` is reached at `MY_AGENT_ENDPOINT`.",
            ),
            secret("<AGENT>_API_KEY", "The bearer token that the agent asks for."),
            open(
                "<AGENT>_TIMEOUT",
                "",
                "How long one attempt may take where the workflow does not say. Defaults: claude-code 300s, codegen 120s, aider 180s, goose 240s, others 300s.",
            ),
            open(
                "<AGENT>_MAX_CONCURRENT",
                "",
                "Attempts at once, over all replicas. Defaults: claude-code 3, codegen 5, aider 2, goose 2, others 1.",
            ),
        ],
    },
    Group {
        title: "Limits",
        names: &[
            open(
                "MAX_CONCURRENT_WORKFLOWS",
                "10",
                "Running runs at once, over all replicas; held and waiting ones do not count.",
            ),
            open(
                "MAX_CONCURRENT_WORKFLOWS_PER_INSTALLATION",
                "",
                "The same for each installation. By default there is no such limit.",
            ),
            open(
                "DEFAULT_WORKFLOW_TIMEOUT",
                "1h",
                "How long a run may take where its workflow does not say. A bare number is milliseconds.",
            ),
            open(
                "MAX_CONCURRENT_STEPS",
                "5",
                "Steps of one run at once: default and ceiling of `max_concurrent_steps`.",
            ),
            open(
                "PARALLEL_MEMORY_LIMIT",
                "4GB",
                "Memory of the running steps of one run: default and ceiling of `memory_limit`.",
            ),
            open("PARALLEL_CPU_LIMIT", "4 cores", "The same for `cpu_limit`."),
            open("PARALLEL_DISK_LIMIT", "20GB", "The same for `disk_space`."),
            open("MAX_WORKFLOW_STEPS", "1000", "Steps of one workflow, after expansion."),
            open("RETENTION_DAYS", "30", "Days that a finished run is kept."),
            open(
                "ENABLE_WORKFLOW_RECOVERY",
                "true",
                "`false`: runs left over at start are held, \"recovery is off\", until `/resume`.",
            ),
        ],
    },
    Group {
        title: "Encryption",
        names: &[secret(
            "ENCRYPTION_KEY",
            "Encrypts what is kept of webhooks, outputs and logs: `openssl rand -base64 32`. Two, comma separated, while rotating: the first writes, both read. Without it nothing is encrypted.",
        )],
    },
    Group {
        title: "Logging",
        names: &[
            open("LOG_LEVEL", "info", "`error`, `warn`, `info`, `debug` or `trace`."),
            open("LOG_FORMAT", "", "`text` or `json`. Default: `text`; with `NODE_ENV=production` `json`."),
            open(
                "DEBUG_MODE",
                "false",
                "`true`: at least level `debug`, and why each decision was taken. Never bodies or secrets.",
            ),
            open("NODE_ENV", "", "`production`: JSON logs, and `dev` is refused."),
            open("OTEL_EXPORTER_OTLP_ENDPOINT", "", "Accepted; traces are not exported yet."),
        ],
    },
];

/// The default of a name, where there is one.
#[must_use]
pub fn default_of(name: &str) -> Option<String> {
    let mut names = NAMES.iter().flat_map(|group| group.names);
    names.find(|known| known.name == name && !known.default.is_empty()).map(|known| known.default.to_owned())
}

/// Every name that is understood: `<AGENT>` filled in with [`AGENTS`] and `more`, `_FILE` variants added.
#[must_use]
pub fn all(more: &[String]) -> BTreeSet<String> {
    let mut all = BTreeSet::from(["POINTSMAN_CONFIG".to_owned()]);
    all.extend(more.iter().map(|agent| format!("{agent}_ENDPOINT")));
    let agents: Vec<&str> = AGENTS.into_iter().chain(more.iter().map(String::as_str)).collect();
    for name in NAMES.iter().flat_map(|group| group.names) {
        let suffixes: &[&str] = if name.secret { &["", "_FILE"] } else { &[""] };
        for suffix in suffixes {
            if name.name.contains("<AGENT>") {
                all.extend(agents.iter().map(|agent| name.name.replace("<AGENT>", agent) + suffix));
            } else {
                all.insert(format!("{}{suffix}", name.name));
            }
        }
    }
    all
}

/// What stands before `_ENDPOINT` for an agent: `MY_AGENT` for `my-agent`.
#[must_use]
pub fn prefix(agent: &str) -> String {
    agent.to_ascii_uppercase().replace('-', "_")
}

/// The settings for `--help`: all, or those of one group.
#[must_use]
pub fn help(only: Option<&str>) -> String {
    let mut text = "Settings (environment; or a TOML file by --config, the same names in lower case):\n".to_owned();
    for group in NAMES.iter().filter(|group| only.is_none_or(|title| group.title == title)) {
        let _ = write!(text, "\n{}:\n", group.title);
        for Name { name, default, secret, meaning } in group.names {
            let meaning = meaning.replace('`', "");
            let default = if default.is_empty() { String::new() } else { format!(" [{default}]") };
            let secret = if *secret { " (or by file: …_FILE)" } else { "" };
            let _ = write!(text, "  {name}{default}{secret}\n      {meaning}\n");
        }
    }
    text
}

/// All settings as the tables of `docs/settings.md`.
#[must_use]
pub fn tables() -> String {
    let mut text = String::new();
    for group in NAMES {
        let _ = write!(text, "## {}\n\n| Name | Default | Meaning |\n|---|---|---|\n", group.title);
        for Name { name, default, secret, meaning } in group.names {
            let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
            let secret = if *secret { " *Secret.*" } else { "" };
            let _ = writeln!(text, "| `{name}` | {default} | {meaning}{secret} |");
        }
        text.push('\n');
    }
    text
}

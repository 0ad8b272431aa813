use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use secrecy::ExposeSecret as _;

use super::*;

/// Passes for a key where nothing is signed; a sequence with a zero.
const PEM: &str = "-----BEGIN RSA PRIVATE KEY-----\\nMAMCAQA=\\n-----END RSA PRIVATE KEY-----";

/// The least that `serve` needs, and then `more`.
fn env(more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let least = [("GITHUB_APP_ID", "7"), ("GITHUB_PRIVATE_KEY", PEM), ("GITHUB_WEBHOOK_SECRET", "s3cret")];
    least.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn read(env: &BTreeMap<String, String>, file: Option<&str>) -> Result<Settings, Vec<Problem>> {
    let open = |path: &Path| match path.to_str() {
        Some("/run/secrets/key") => Ok(PEM.replace("\\n", "\n")),
        Some("/run/secrets/db") => Ok("mysql://u:hunter2@db/p\n".to_owned()),
        Some("/run/secrets/empty") => Ok("\n".to_owned()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    Settings::read(&Sources { env, file, open: &open })
}

fn good(more: &[(&str, &str)]) -> Settings {
    read(&env(more), None).unwrap()
}

/// What is said about `more`, one problem a line.
fn bad(more: &[(&str, &str)]) -> String {
    told(read(&env(more), None))
}

fn told(read: Result<Settings, Vec<Problem>>) -> String {
    read.unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_least_gives_the_defaults() {
    let settings = good(&[]);
    insta::assert_debug_snapshot!((&settings.server.listen(), &settings.server.drain, &settings.server.metrics), @r"
    (
        0.0.0.0:3000,
        25s,
        true,
    )
    ");
    insta::assert_debug_snapshot!(settings.limits, @r"
    Limits {
        runs: 10,
        runs_per_installation: None,
        run_timeout: 3600s,
        run: Limits {
            steps: 5,
            resources: Resources {
                memory_bytes: 4294967296,
                cpu_millis: 4000,
                disk_bytes: 21474836480,
            },
        },
        plan_steps: 1000,
        retention: 2592000s,
        recovery: true,
    }
    ");
    insta::assert_debug_snapshot!(settings.logging, @r"
    Logging {
        level: Level(
            Info,
        ),
        format: Text,
        decisions: false,
    }
    ");
    assert_eq!(settings.database.url.expose_secret(), "sqlite://pointsman.db");
    assert_eq!(settings.github.graphql_url.as_str(), "https://api.github.com/graphql");
    assert_eq!(settings.github.web_url.as_str(), "https://github.com/");
    assert!(settings.encryption_keys.is_empty());
    assert!(settings.notices.is_empty());
    let agents: Vec<_> = settings
        .agents
        .iter()
        .map(|a| format!("{} {} {:?} {}", a.name, a.endpoints[0], a.timeout, a.max_concurrent))
        .collect();
    insta::assert_debug_snapshot!(agents, @r#"
    [
        "claude-code http://localhost:3001/ 300s 3",
        "codegen http://localhost:3002/ 120s 5",
        "aider http://localhost:3003/ 180s 2",
        "goose http://localhost:3004/ 240s 2",
    ]
    "#);
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_a_remedy() {
    let wrong = BTreeMap::from(
        [
            ("API_HOST", "everywhere"),
            ("API_PORT", "70000"),
            ("PUBLIC_URL", "pointsman.example.org"),
            ("DATABASE_TYPE", "postgresql"),
            ("MAX_CONCURRENT_WORKFLOWS", "0"),
            ("DEFAULT_WORKFLOW_TIMEOUT", "60"),
            ("PARALLEL_MEMORY_LIMIT", "much"),
            ("PARALLEL_CPU_LIMIT", "4 horses"),
            ("ENABLE_ALERTS", "true"),
            ("ENCRYPTION_KEY", "short"),
            ("LOG_LEVEL", "loud"),
            ("GOOSE_ENDPOINT", "goose"),
            ("CLAUD_CODE_ENDPOINT", "http://localhost:1"),
            ("POINTSMAN_API_PORT", "3000"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    insta::assert_snapshot!(told(read(&wrong, None)), @r#"
    CLAUD_CODE_ENDPOINT: is no setting; did you mean CLAUDE_CODE_ENDPOINT?
    POINTSMAN_API_PORT: is no setting; did you mean API_PORT?
    API_HOST: "everywhere" is not understood; give an address of this machine, 0.0.0.0 or :: for all of them, 127.0.0.1 for none but itself
    API_PORT: "70000" is not understood; give a port from 1 to 65535
    PUBLIC_URL: "pointsman.example.org" is not understood; give an address such as https://example.org, without query or login
    DATABASE_TYPE: "postgresql" is not supported; set it to mysql, mariadb or sqlite
    GITHUB_CLIENT_ID: neither it nor GITHUB_APP_ID is set; copy the client id from the App's settings on GitHub (docs/install.md)
    GITHUB_PRIVATE_KEY: it is not set; generate a private key in the App's settings, and give the .pem by GITHUB_PRIVATE_KEY_PATH
    GITHUB_WEBHOOK_SECRET: it is not set; make one (openssl rand -hex 32), and give it to the App's webhook, too
    GOOSE_ENDPOINT: "goose" is not understood; give an address such as https://example.org, without query or login
    MAX_CONCURRENT_WORKFLOWS: "0" is not understood; give a whole number of at least 1
    DEFAULT_WORKFLOW_TIMEOUT: "60" is not understood; 60 means 60 ms; write 60s or 60m
    PARALLEL_MEMORY_LIMIT: "much" is not understood; write a size such as 512MB or 4GB
    PARALLEL_CPU_LIMIT: "4 horses" is not understood; write a number of cores such as "4 cores" or 0.5
    ENCRYPTION_KEY: it is too short to be safe; make one: openssl rand -base64 32
    LOG_LEVEL: "loud" is not understood; write error, warn, info, debug or trace
    ENABLE_ALERTS: there are no alerts yet; unset it, and alert on /metrics
    "#);
}

#[test]
fn a_database_is_named_by_url_or_by_parts() {
    let url = |more: &[(&str, &str)]| good(more).database.url.expose_secret().to_owned();
    assert_eq!(url(&[("DATABASE_HOST", "db")]), "mysql://workflow_user@db:3306/workflow_db");
    assert_eq!(
        url(&[("DATABASE_TYPE", "mariadb"), ("DATABASE_HOST", "::1"), ("DATABASE_PASSWORD", "a/b@c")]),
        "mysql://workflow_user:a%2Fb%40c@[::1]:3306/workflow_db"
    );
    assert_eq!(url(&[("DATABASE_TYPE", "sqlite"), ("DATABASE_NAME", "/var/lib/p.db")]), "sqlite:///var/lib/p.db");
    assert_eq!(url(&[("DATABASE_URL_FILE", "/run/secrets/db")]), "mysql://u:hunter2@db/p");

    let both = good(&[("DATABASE_URL", "sqlite://x.db"), ("DATABASE_HOST", "db")]);
    assert_eq!(both.notices, ["DATABASE_HOST has no effect beside DATABASE_URL"]);

    insta::assert_snapshot!(bad(&[("DATABASE_URL", "postgres://u:hunter2@db/p")]), @"DATABASE_URL: PostgreSQL is not supported; use mysql://user:password@host/name (MySQL 8, MariaDB 10.6 or later) or sqlite://file");
    insta::assert_snapshot!(bad(&[("DATABASE_URL", "mysql://u:hunter2@db")]), @"DATABASE_URL: it names no database; use mysql://user:password@host/name (MySQL 8, MariaDB 10.6 or later) or sqlite://file");
    insta::assert_snapshot!(bad(&[("DATABASE_URL", "mysql://u:hunter2@db:x/p")]), @"DATABASE_URL: it cannot be read: invalid port number; use mysql://user:password@host/name (MySQL 8, MariaDB 10.6 or later) or sqlite://file");
    insta::assert_snapshot!(bad(&[("DATABASE_URL", "sqlite://x"), ("DATABASE_TYPE", "mysql")]), @"DATABASE_TYPE: it is not what DATABASE_URL says; unset it: the URL is enough");
    insta::assert_snapshot!(bad(&[("DATABASE_HOST", "http://db")]), @r#"DATABASE_HOST: "http://db" is no host name; give the name or address of the server alone"#);
}

#[test]
fn secrets_come_from_files_and_never_come_out() {
    let settings = good(&[
        ("DATABASE_URL", "mysql://u:hunter2@db/p"),
        ("ENCRYPTION_KEY", &"ab".repeat(32)),
        ("GOOSE_API_KEY", "hunter2"),
        ("GITHUB_WEBHOOK_SECRET", "hunter2, hunter1"),
    ]);
    assert_eq!(settings.github.webhook_secrets.len(), 2);
    let debug = format!("{settings:?}");
    for secret in ["hunter", "abab", "MAMCAQA="] {
        assert!(!debug.contains(secret), "{secret} stands in {debug}");
    }

    let mut by_file = env(&[("GITHUB_PRIVATE_KEY_PATH", "/run/secrets/key")]);
    assert!(told(read(&by_file, None)).contains("keep one of them"));
    by_file.remove("GITHUB_PRIVATE_KEY");
    assert!(read(&by_file, None).unwrap().github.private_key.expose_secret().contains('\n'));

    insta::assert_snapshot!(
        bad(&[
            ("GOOSE_API_KEY_FILE", "/run/secrets/none"),
            ("AIDER_API_KEY_FILE", "/run/secrets/empty"),
            ("ENCRYPTION_KEY", "hunter2"),
            ("GITHUB_WEBHOOK_SECRET", "hunter1,hunter2,hunter3"),
            ("GITHUB_PRIVATE_KEY", "hunter2"),
        ]),
        @r"
        GITHUB_PRIVATE_KEY: it is no RSA key in PEM; give the .pem as GitHub made it, its first and last line included
        GITHUB_WEBHOOK_SECRET: it is not one secret or two; separate the new and the old one with a comma
        AIDER_API_KEY_FILE: /run/secrets/empty is empty; put the secret into it
        GOOSE_API_KEY_FILE: /run/secrets/none cannot be read: entity not found; give a file that this user may read
        ENCRYPTION_KEY: it is too short to be safe; make one: openssl rand -base64 32
        "
    );
}

#[test]
fn the_file_says_what_the_environment_does_not() {
    let file = "api_port = 4_000\nmax_concurrent_steps = 9\nagents = [\"my-agent\"]\nmy_agent_endpoint = \"http://a\"\nenable_monitoring = false\n";
    let settings = read(&env(&[("MAX_CONCURRENT_STEPS", "2")]), Some(file)).unwrap();
    assert_eq!((settings.server.port, settings.limits.run.steps, settings.server.metrics), (4000, 2, false));
    assert_eq!(settings.agents[4].name.as_str(), "my-agent");

    let wrong = "api_prot = 1\nAPI_PORT = 1\n[server]\nport = 1\n[public_url]\n";
    insta::assert_snapshot!(told(read(&env(&[]), Some(wrong))), @r"
    line 1 of the file: api_prot is no setting; did you mean api_port?
    line 2 of the file: API_PORT is no setting; did you mean api_port?
    line 3 of the file: server is no setting; docs/settings.md lists all settings; in the file they are lower case
    line 5 of the file: public_url is neither text, number, switch nor list of texts; quote it
    ");
    insta::assert_snapshot!(told(read(&env(&[]), Some("api_port = 1\napi_port = 2\n"))), @"line 2 of the file: duplicate key; mend the TOML");
    insta::assert_snapshot!(told(read(&env(&[]), Some("x"))), @"line 1 of the file: key with no value, expected `=`; mend the TOML");
}

#[test]
fn agents_are_told_apart() {
    let settings = good(&[
        ("AIDER_ENDPOINT", ""),
        ("GOOSE_ENDPOINT", "http://a:1, http://b:2"),
        ("GOOSE_TIMEOUT", "120000"),
        ("GOOSE_MAX_CONCURRENT", "9"),
        ("S3_ENDPOINT", "http://elsewhere"),
    ]);
    let names: Vec<_> = settings.agents.iter().map(|agent| agent.name.as_str()).collect();
    assert_eq!(names, ["claude-code", "codegen", "goose"]);
    let goose = &settings.agents[2];
    assert_eq!((goose.endpoints.len(), goose.timeout.as_secs(), goose.max_concurrent), (2, 120, 9));
    assert_eq!(goose.weight_percent, 70);
    insta::assert_snapshot!(bad(&[("AGENTS", "mine, no good")]), @r#"
    MINE_ENDPOINT: it is not set, but AGENTS names the agent; give its address, such as http://localhost:3005
    AGENTS: "no good" is no name of an agent; use letters, digits, - and _
    "#);
}

#[test]
fn a_platform_says_the_port_and_production_means_json() {
    assert_eq!(good(&[("PORT", "8080")]).server.port, 8080);
    assert_eq!(good(&[("PORT", "8080"), ("API_PORT", "9")]).server.port, 9);
    let settings = good(&[("NODE_ENV", "production"), ("DEBUG_MODE", "true")]);
    assert!(settings.production);
    assert_eq!(settings.logging, Logging { level: tracing::Level::DEBUG, format: Format::Json, decisions: true });
    assert_eq!(good(&[("DEBUG_MODE", "1"), ("LOG_LEVEL", "trace")]).logging.level, tracing::Level::TRACE);
}

#[test]
fn an_enterprise_server_has_its_own_addresses() {
    let github = good(&[("GITHUB_API_URL", "https://ghe.example.org/api/v3/"), ("GITHUB_CLIENT_ID", "Iv1.x")]).github;
    assert_eq!(github.api_url.as_str(), "https://ghe.example.org/api/v3");
    assert_eq!(github.graphql_url.as_str(), "https://ghe.example.org/api/graphql");
    assert_eq!(github.web_url.as_str(), "https://ghe.example.org/");
    assert_eq!(github.issuer(), "Iv1.x");
}

#[test]
fn likely_typos_are_named() {
    assert_eq!(
        good(&[("DATABSE_URL", "x"), ("POINTSMAN_OUTPUT", "x"), ("HOME", "/")]).notices,
        ["DATABSE_URL is no setting and has no effect; did you mean DATABASE_URL?"]
    );
}

#[test]
fn migrate_needs_the_database_alone() {
    let env = BTreeMap::from([("DATABASE_URL".to_owned(), "sqlite://x.db".to_owned())]);
    let open = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
    let database = Database::alone(&Sources { env: &env, file: None, open: &open }).unwrap();
    assert_eq!(database.kind, Kind::Sqlite);
}

#[test]
fn every_default_of_the_table_is_understood() {
    // A default that cannot be read would be a problem without a value to blame.
    assert_eq!(good(&[]).notices, Vec::<String>::new());
    let described = names::tables();
    for group in names::NAMES {
        for name in group.names {
            assert!(described.contains(name.name) && names::help(None).contains(name.name), "{}", name.name);
            assert!(name.meaning.ends_with('.'), "{}: a sentence ends with a full stop", name.name);
        }
    }
}

//! What the files around the code say, held against the binary: subcommands, settings, ports, paths, times.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pointsman::config::names;
use pointsman::workflow::{fields, schema};

/// Subcommands that the files name and the binary does not have yet. A test fails when one of them exists.
const NOT_YET: &[&str] = &[];

/// Names in capitals that are no settings of the server.
const OTHERS: &[&str] = &["TEST_MYSQL_URL", "TEST_MYSQL9_URL", "VERIFY_CA", "POINTSMAN_OUTPUT"];

/// Files whose every line is meant literally.
const PLAIN: &[&str] = &["Dockerfile", "fly.toml", "deploy/compose.yml", "deploy/pointsman.service"];
/// Files of which code counts.
const MARKDOWN: &[&str] =
    &["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/install.md", "docs/settings.md", "docs/workflows.md"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|why| panic!("{path}: {why}"))
}

/// What a file says in code: of Markdown the fenced blocks and the spans, of others all but the comments.
fn code(path: &str) -> String {
    let text = text(path);
    if !path.ends_with(".md") {
        return text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .map(|line| line.to_owned() + "\n")
            .collect();
    }
    let mut code = String::new();
    for (at, block) in text.split("```").enumerate() {
        if at % 2 == 1 {
            // The first line names the language.
            code.push_str(block.split_once('\n').map_or(block, |(_, code)| code));
        } else {
            code.extend(block.split('`').skip(1).step_by(2).map(|span| span.to_owned() + "\n"));
        }
    }
    code
}

/// The words after `pointsman`, where a line calls it.
fn subcommands_in(code: &str) -> BTreeSet<String> {
    let code = code.replace("cargo run --", "pointsman").replace(['"', '[', ']', ','], " ");
    let mut found = BTreeSet::new();
    for line in code.lines() {
        let mut words = line.split_whitespace().peekable();
        while let Some(word) = words.next() {
            let called = word == "pointsman" || word.ends_with("/bin/pointsman");
            let next = words.peek().copied().unwrap_or_default();
            if called && !next.is_empty() && next.bytes().all(|b| b.is_ascii_lowercase()) {
                found.insert(next.to_owned());
            }
        }
    }
    found
}

/// Names in capitals with an underscore.
fn settings_in(code: &str) -> BTreeSet<String> {
    let part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    code.split(|c: char| !part(c))
        .filter(|word| word.contains('_') && word.starts_with(|c: char| c.is_ascii_uppercase()))
        .map(str::to_owned)
        .collect()
}

fn pointsman(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_pointsman")).args(args).env_clear().output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}

/// The subcommands that the binary has.
fn subcommands() -> BTreeSet<String> {
    let (_, help) = pointsman(&["--help"]);
    let list = help.split_once("Commands:\n").unwrap().1;
    list.lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next().map(str::to_owned))
        .collect()
}

#[test]
fn every_subcommand_that_is_named_exists() {
    let known = subcommands();
    assert!(known.contains("completions"), "{known:?}");
    for name in NOT_YET {
        assert!(!known.contains(*name), "{name} exists now: take it out of NOT_YET");
    }
    for path in PLAIN.iter().chain(MARKDOWN) {
        for name in subcommands_in(&code(path)) {
            let exists = known.contains(&name) || NOT_YET.contains(&name.as_str());
            assert!(exists, "{path} names `pointsman {name}`, which does not exist");
        }
    }
}

#[test]
fn every_setting_that_is_named_exists() {
    let known = names::all(&["MY_AGENT".to_owned()]);
    for path in PLAIN.iter().chain(MARKDOWN) {
        for name in settings_in(&code(path)) {
            // The other image of the compose file has settings of its own.
            let other = OTHERS.contains(&name.as_str()) || name.starts_with("MARIADB_");
            assert!(other || known.contains(&name), "{path} names {name}, which is no setting");
        }
    }
}

/// The number that follows `key` in `path`.
fn number(path: &str, key: &str) -> u64 {
    let text = code(path);
    let behind = text.split_once(key).unwrap_or_else(|| panic!("{path} has no {key}")).1;
    let digits: String = behind.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[test]
fn ports_are_the_one_that_the_server_listens_on() {
    let port: u64 = names::default_of("API_PORT").unwrap().parse().unwrap();
    for (path, key) in [
        ("Dockerfile", "EXPOSE"),
        ("fly.toml", "internal_port ="),
        ("fly.toml", "[metrics]\nport ="),
        ("deploy/compose.yml", "ports:"),
        ("docs/install.md", "docker run --init -p"),
    ] {
        assert_eq!(number(path, key), port, "{path}: {key}");
    }
}

#[test]
fn who_stops_the_server_waits_longer_than_it_drains() {
    let drain: u64 = names::default_of("DRAIN_TIMEOUT").unwrap().trim_end_matches('s').parse().unwrap();
    for (path, key) in [
        ("fly.toml", "kill_timeout ="),
        ("deploy/compose.yml", "stop_grace_period:"),
        ("deploy/pointsman.service", "TimeoutStopSec="),
    ] {
        assert!(number(path, key) > drain, "{path}: {key} is not above {drain} s");
    }
}

#[test]
fn the_image_is_not_root_and_knows_its_health() {
    let file = code("Dockerfile");
    for line in ["USER 10001:10001", r#"CMD ["pointsman", "health"]"#, r#"CMD ["pointsman", "serve"]"#, "WORKDIR /data"]
    {
        assert!(file.contains(line), "{line}");
    }
    let user = file.find("\nUSER ").unwrap();
    assert!(
        user < file.find("\nCMD ").unwrap() && file[user..].find("\nRUN ").is_none(),
        "nothing runs as root at last"
    );
}

#[test]
fn the_files_of_deployments_can_be_read() {
    let fly: toml::Table = text("fly.toml").parse().unwrap();
    assert_eq!(fly["deploy"]["release_command"].as_str(), Some("pointsman migrate"));
    assert_eq!(fly["http_service"]["checks"][0]["path"].as_str(), Some("/ready"));
    let compose: serde_yaml::Value = serde_yaml::from_str(&text("deploy/compose.yml")).unwrap();
    assert!(compose["services"]["pointsman"]["build"].is_string());
}

/// What the build reads must be in the image's context.
#[test]
fn the_image_gets_every_file_that_is_compiled_in() {
    let ignore = text(".dockerignore");
    let allowed: BTreeSet<&str> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // Files for tests are not in the image.
            if path.extension().is_none_or(|ext| ext != "rs") || path.ends_with("tests.rs") {
                continue;
            }
            let source = fs::read_to_string(&path).unwrap();
            for included in ["include_str!(\"", "include_bytes!(\""].iter().flat_map(|call| source.split(call).skip(1))
            {
                let file = path.parent().unwrap().join(included.split('"').next().unwrap()).canonicalize().unwrap();
                let top = file.strip_prefix(root()).unwrap().iter().next().unwrap().to_str().unwrap();
                assert!(allowed.contains(top), "{}: {top} is not let in by .dockerignore", path.display());
            }
        }
    }
}

#[test]
fn the_settings_page_is_the_table() {
    const MARK: &str = "rewrites it. -->\n\n";
    let page = text("docs/settings.md");
    let (words, tables) = page.split_once(MARK).unwrap();
    if tables.trim() != names::tables().trim() {
        fs::write(root().join("docs/settings.md"), format!("{words}{MARK}{}\n", names::tables().trim())).unwrap();
        panic!("docs/settings.md was not what src/config/names.rs says; it is now: look at it, and commit it");
    }
}

#[test]
fn the_page_of_workflows_is_the_table() {
    const MARK: &str = "rewrites it. -->\n\n";
    let page = text("docs/workflows.md");
    let (words, tables) = page.split_once(MARK).unwrap();
    if tables.trim() != fields::page().trim() {
        fs::write(root().join("docs/workflows.md"), format!("{words}{MARK}{}\n", fields::page().trim())).unwrap();
        panic!(
            "docs/workflows.md was not what src/workflow/fields/table.rs says; it is now: look at it, and commit it"
        );
    }
}

#[test]
fn the_schemas_are_the_table() {
    let all = [("workflow", schema::workflow()), ("library", schema::library()), ("config", schema::config())];
    for (name, made) in all {
        let path = format!("docs/{name}.schema.json");
        if fs::read_to_string(root().join(&path)).unwrap_or_default() != made {
            fs::write(root().join(&path), made).unwrap();
            panic!("{path} was not what src/workflow/fields/table.rs says; it is now: look at it, and commit it");
        }
    }
}

#[test]
fn editors_know_what_the_examples_may_hold() {
    let folder = root().join(".workflows-example");
    let examples: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let examples = examples.iter().filter(|path| path.extension().is_some_and(|ext| ext == "yml"));
    let mut count = 0;
    for path in examples {
        let text = fs::read_to_string(path).unwrap();
        let schema = text.strip_prefix("# yaml-language-server: $schema=").and_then(|text| text.lines().next());
        let schema = schema.unwrap_or_else(|| panic!("{} names no schema", path.display()));
        assert_eq!(folder.join(schema), root().join(".workflows-example/../docs/workflow.schema.json"));
        count += 1;
    }
    assert!(count >= 7, "{count} examples");
}

#[test]
fn every_link_leads_somewhere() {
    for path in MARKDOWN {
        let folder: PathBuf = root().join(path).parent().unwrap().to_owned();
        for target in text(path).split("](").skip(1).filter_map(|rest| rest.split(')').next().map(str::to_owned)) {
            let file = target.split('#').next().unwrap();
            let ours = !target.contains("://") && !file.is_empty();
            assert!(!ours || folder.join(file).exists(), "{path} leads to {target}, which does not exist");
        }
    }
}

#[test]
fn exit_codes_are_what_the_readme_says() {
    assert_eq!(pointsman(&["--version"]).0, Some(0));
    assert_eq!(pointsman(&["fly"]).0, Some(2));
    assert_eq!(pointsman(&[]).0, Some(2));
    // A port that nobody listens on any more.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, said) = pointsman(&["health", &format!("http://{nobody}/health")]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("does not answer"), "{said}");
}

#[test]
fn planted_names_are_found() {
    let said =
        "CMD [\"pointsman\", \"fly\"]\ncargo run -- jump --once\n/usr/local/bin/pointsman swim\npointsman --help";
    assert_eq!(subcommands_in(said), ["fly", "jump", "swim"].map(str::to_owned).into());
    assert_eq!(settings_in("A_B=1 ${C_D} e_f G"), ["A_B", "C_D"].map(str::to_owned).into());
}

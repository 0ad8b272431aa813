//! A first workflow for a repository, from what lies at its top.
//!
//! It holds what people of each language run by hand before they push, with comments that say what may be changed; who
//! knows better finds the line at once. Every step gets a fresh checkout, so each brings its own dependencies.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

/// What lies at the top of a repository.
#[derive(Clone, Copy)]
pub struct Top<'a> {
    /// The names of files and folders.
    pub names: &'a BTreeSet<String>,
    /// The text of a file; `None` where it cannot be read.
    pub read: &'a dyn Fn(&str) -> Option<String>,
    /// The branch that pull requests are merged into.
    pub branch: &'a str,
}

/// A first workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Starter {
    /// The text of the file.
    pub text: String,
    /// What was found, for people: `Rust`, `Node (pnpm)`.
    pub found: Vec<String>,
}

/// What a language brings.
struct Kit {
    /// For people.
    name: String,
    /// In front of the ids of steps, where there is more than one kit.
    id: &'static str,
    steps: Vec<Step>,
}

struct Step {
    id: &'static str,
    name: &'static str,
    lines: Vec<String>,
    /// Starts when these have ended well.
    needs: Vec<&'static str>,
}

/// Writes a first workflow.
#[must_use]
pub fn starter(top: &Top<'_>) -> Starter {
    let languages = [rust, node, python, go, java, ruby, php, dotnet, elixir, swift];
    let mut kits: Vec<Kit> = languages.into_iter().filter_map(|kit| kit(top)).collect();
    // A Makefile or a Dockerfile beside them says the same once more.
    if kits.is_empty() {
        kits.extend(make(top).or_else(|| image(top)));
    }
    let found = kits.iter().map(|kit| kit.name.clone()).collect();
    if kits.is_empty() {
        kits.push(plain());
    }
    Starter { text: text(top.branch, &kits), found }
}

impl Top<'_> {
    fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    fn any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.has(name))
    }

    fn with_suffix(&self, suffix: &str) -> bool {
        self.names.iter().any(|name| name.ends_with(suffix))
    }

    fn says(&self, file: &str, word: &str) -> bool {
        self.has(file) && (self.read)(file).is_some_and(|text| text.contains(word))
    }
}

fn step(id: &'static str, name: &'static str, lines: &[&str]) -> Step {
    Step { id, name, lines: lines.iter().map(|line| (*line).to_owned()).collect(), needs: Vec::new() }
}

fn rust(top: &Top<'_>) -> Option<Kit> {
    let locked = if top.has("Cargo.lock") { " --locked" } else { "" };
    top.has("Cargo.toml").then(|| Kit {
        name: "Rust".to_owned(),
        id: "rust",
        steps: vec![
            step("format", "Format", &["cargo fmt --check"]),
            step("lint", "Lints", &[&format!("cargo clippy{locked} --all-targets -- -D warnings")]),
            step("test", "Tests", &[&format!("cargo test{locked}")]),
        ],
    })
}

/// What `npm init` writes where there is no test.
const NPM_NO_TEST: &str = "no test specified";

fn node(top: &Top<'_>) -> Option<Kit> {
    let package: Value = serde_json::from_str(&(top.read)("package.json")?).unwrap_or_default();
    let managers = [
        ("pnpm-lock.yaml", "pnpm", "pnpm install --frozen-lockfile"),
        (".yarnrc.yml", "yarn", "yarn install --immutable"),
        ("yarn.lock", "yarn", "yarn install --frozen-lockfile"),
        ("bun.lock", "bun", "bun install --frozen-lockfile"),
        ("bun.lockb", "bun", "bun install --frozen-lockfile"),
        ("package-lock.json", "npm", "npm ci"),
    ];
    let known = managers.into_iter().find(|(file, ..)| top.has(file));
    let (_, manager, install) = known.unwrap_or(("", "npm", "npm install"));
    let has = |script: &str| {
        let said = package["scripts"][script].as_str();
        said.is_some_and(|said| !said.contains(NPM_NO_TEST))
    };
    let run = |script: &str| format!("{manager} run {script}");
    let mut steps = Vec::new();
    for (id, name, scripts) in [
        ("lint", "Lints", ["lint", "eslint"].as_slice()),
        ("types", "Types", &["typecheck", "type-check", "check-types", "tsc"]),
        ("test", "Tests", &["test"]),
    ] {
        if let Some(script) = scripts.iter().find(|script| has(script)) {
            steps.push(step(id, name, &[install, &run(script)]));
        }
    }
    if has("build") {
        let needs = steps.iter().map(|step| step.id).collect();
        steps.push(Step { needs, ..step("build", "Build", &[install, &run("build")]) });
    }
    if steps.is_empty() {
        steps.push(step("install", "Install", &[install]));
    }
    Some(Kit { name: format!("Node ({manager})"), id: "node", steps })
}

fn python(top: &Top<'_>) -> Option<Kit> {
    if !top.any(&["pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "Pipfile"]) {
        return None;
    }
    let (tool, mut install, run) = python_tool(top);
    let project = "pyproject.toml";
    let pytest = top.any(&["pytest.ini", "conftest.py", "tox.ini"])
        || [project, "setup.cfg", "requirements.txt", "requirements-dev.txt"]
            .iter()
            .any(|file| top.says(file, "pytest"));
    let ruff = top.any(&["ruff.toml", ".ruff.toml"]) || top.says(project, "ruff");
    let mypy = top.has("mypy.ini") || top.says(project, "mypy");
    if tool == "pip" {
        let tools: Vec<&str> = [(pytest, "pytest"), (ruff, "ruff"), (mypy, "mypy")]
            .into_iter()
            .filter_map(|(is, tool)| is.then_some(tool))
            .collect();
        if !tools.is_empty() {
            install.push(format!("pip install {}", tools.join(" ")));
        }
    }
    let with = |id, name, command: &str| {
        let lines: Vec<&str> = install.iter().map(String::as_str).collect();
        step(id, name, &[lines.as_slice(), &[&format!("{run}{command}")]].concat())
    };
    let mut steps = Vec::new();
    if ruff {
        steps.push(with("lint", "Lints", "ruff check ."));
    }
    if mypy {
        steps.push(with("types", "Types", "mypy ."));
    }
    steps.push(with("test", "Tests", if pytest { "pytest" } else { "python -m unittest discover" }));
    Some(Kit { name: format!("Python ({tool})"), id: "python", steps })
}

/// What brings the dependencies of a Python project, how, and what stands in front of its commands.
fn python_tool(top: &Top<'_>) -> (&'static str, Vec<String>, &'static str) {
    let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    let project = |word| top.says("pyproject.toml", word);
    if top.has("uv.lock") {
        ("uv", lines(&["uv sync --locked"]), "uv run ")
    } else if project("[tool.uv") {
        ("uv", lines(&["uv sync"]), "uv run ")
    } else if top.has("poetry.lock") || project("[tool.poetry") {
        ("poetry", lines(&["poetry install --no-interaction"]), "poetry run ")
    } else if top.has("Pipfile") {
        ("pipenv", lines(&["pipenv install --dev"]), "pipenv run ")
    } else {
        let needed = if top.has("requirements.txt") { "pip install -r requirements.txt" } else { "pip install -e ." };
        ("pip", lines(&["python3 -m venv .venv", ". .venv/bin/activate", needed]), "")
    }
}

fn go(top: &Top<'_>) -> Option<Kit> {
    top.has("go.mod").then(|| Kit {
        name: "Go".to_owned(),
        id: "go",
        steps: vec![
            step("format", "Format", &["test -z \"$(gofmt -l . | tee /dev/stderr)\""]),
            step("lint", "Vet", &["go vet ./..."]),
            step("test", "Tests", &["go test ./..."]),
        ],
    })
}

fn java(top: &Top<'_>) -> Option<Kit> {
    let (name, command) = if top.has("pom.xml") {
        ("Java (Maven)", if top.has("mvnw") { "./mvnw -B verify" } else { "mvn -B verify" })
    } else if top.any(&["build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts"]) {
        ("Java (Gradle)", if top.has("gradlew") { "./gradlew check" } else { "gradle check" })
    } else {
        return None;
    };
    Some(Kit { name: name.to_owned(), id: "java", steps: vec![step("test", "Build and test", &[command])] })
}

fn ruby(top: &Top<'_>) -> Option<Kit> {
    if !top.has("Gemfile") {
        return None;
    }
    let install = "bundle install";
    let mut steps = Vec::new();
    if top.has(".rubocop.yml") {
        steps.push(step("lint", "Lints", &[install, "bundle exec rubocop"]));
    }
    let test = if top.any(&["spec", ".rspec"]) { "bundle exec rspec" } else { "bundle exec rake test" };
    steps.push(step("test", "Tests", &[install, test]));
    Some(Kit { name: "Ruby".to_owned(), id: "ruby", steps })
}

fn php(top: &Top<'_>) -> Option<Kit> {
    let package: Value = serde_json::from_str(&(top.read)("composer.json")?).unwrap_or_default();
    let install = "composer install --no-interaction --no-progress";
    let has = |script: &str| !package["scripts"][script].is_null();
    let mut steps = Vec::new();
    if has("lint") {
        steps.push(step("lint", "Lints", &[install, "composer run-script lint"]));
    }
    let test = if has("test") { "composer run-script test" } else { "vendor/bin/phpunit" };
    steps.push(step("test", "Tests", &[install, test]));
    Some(Kit { name: "PHP".to_owned(), id: "php", steps })
}

fn dotnet(top: &Top<'_>) -> Option<Kit> {
    [".sln", ".slnx", ".csproj", ".fsproj"].iter().any(|suffix| top.with_suffix(suffix)).then(|| Kit {
        name: ".NET".to_owned(),
        id: "dotnet",
        steps: vec![
            step("format", "Format", &["dotnet format --verify-no-changes"]),
            step("test", "Tests", &["dotnet test"]),
        ],
    })
}

fn elixir(top: &Top<'_>) -> Option<Kit> {
    top.has("mix.exs").then(|| Kit {
        name: "Elixir".to_owned(),
        id: "elixir",
        steps: vec![
            step("format", "Format", &["mix format --check-formatted"]),
            step("test", "Tests", &["mix deps.get", "mix test"]),
        ],
    })
}

fn swift(top: &Top<'_>) -> Option<Kit> {
    top.has("Package.swift").then(|| Kit {
        name: "Swift".to_owned(),
        id: "swift",
        steps: vec![step("test", "Tests", &["swift test"])],
    })
}

fn make(top: &Top<'_>) -> Option<Kit> {
    let file = ["Makefile", "makefile", "GNUmakefile"].into_iter().find(|name| top.has(name))?;
    let text = (top.read)(file)?;
    let has =
        |target: &str| text.lines().any(|line| line.strip_prefix(target).is_some_and(|rest| rest.starts_with(':')));
    let mut steps = Vec::new();
    for (id, name) in [("lint", "Lints"), ("check", "Check"), ("test", "Tests")] {
        if has(id) {
            steps.push(step(id, name, &[&format!("make {id}")]));
        }
    }
    if steps.is_empty() {
        steps.push(step("build", "Build", &["make"]));
    }
    Some(Kit { name: "make".to_owned(), id: "make", steps })
}

fn image(top: &Top<'_>) -> Option<Kit> {
    let file = ["Dockerfile", "Containerfile"].into_iter().find(|name| top.has(name))?;
    Some(Kit {
        name: file.to_owned(),
        id: "image",
        steps: vec![step("build", "Image", &[&format!("docker build --pull --file {file} .")])],
    })
}

fn plain() -> Kit {
    let lines = ["echo \"put here what must hold before a pull request is merged\"", "ls"];
    Kit { name: String::new(), id: "plain", steps: vec![step("check", "Check", &lines)] }
}

const HEAD: &str = "\
# What runs for every pull request. Each step is a check of its own there, and gets a fresh checkout of the commit; `ci` is
# the check that stands for them all: ask for it in branch protection.
name: Continuous integration

on:
  pull_request:                    # opened, synchronize and reopened, as on GitHub Actions
    branches: [@BRANCH@]
  push:
    branches: [@BRANCH@]

# A new push to the same pull request takes the place of the run before.
concurrency:
  group: ${{ pr.number || sha }}
  on_conflict: replace_running

timeout: 1h                        # the whole run

defaults:
  timeout: 15m                     # each try of each step

# Steps that do not need each other run side by side; `needs: [lint]` makes one wait. Faults of the machine are tried
# again by themselves, red tests are not.
steps:
";

fn text(branch: &str, kits: &[Kit]) -> String {
    let mut text = HEAD.replace("@BRANCH@", &quoted(branch));
    let several = kits.len() > 1;
    let id = |kit: &Kit, id: &str| if several { format!("{}-{id}", kit.id) } else { id.to_owned() };
    let mut first = true;
    for kit in kits {
        for step in &kit.steps {
            if !std::mem::take(&mut first) {
                text.push('\n');
            }
            let name = if several { format!("{}: {}", kit.name, step.name) } else { step.name.to_owned() };
            // Writing to a String does not fail.
            let _ = writeln!(text, "  - id: {}\n    name: {}", id(kit, step.id), quoted(&name));
            if !step.needs.is_empty() {
                let needs: Vec<String> = step.needs.iter().map(|need| id(kit, need)).collect();
                let _ = writeln!(text, "    needs: [{}]", needs.join(", "));
            }
            match step.lines.as_slice() {
                [line] => _ = writeln!(text, "    run: {}", quoted(line)),
                lines => {
                    text.push_str("    run: |\n      set -eu\n");
                    lines.iter().for_each(|line| _ = writeln!(text, "      {line}"));
                }
            }
        }
    }
    text
}

/// A text as YAML has it, in quotes only where it needs them.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || " ./_-()@".contains(c);
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '.' || c == '/');
    // What one or the other reader of YAML takes for something else than text.
    let word = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"].contains(&&*text.to_ascii_lowercase());
    if starts && !word && text.chars().all(plain) && !text.ends_with(' ') {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

#[cfg(test)]
mod tests;

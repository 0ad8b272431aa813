use super::*;
use crate::workflow::defaults::Operator;
use crate::workflow::parse;

/// The workflow for a repository with these files; it is read back without a problem.
fn check(files: &[(&str, &str)]) -> Starter {
    let names = files.iter().map(|(name, _)| (*name).to_owned()).collect();
    let read = |wanted: &str| files.iter().find(|(name, _)| *name == wanted).map(|(_, text)| (*text).to_owned());
    let made = starter(&Top { names: &names, read: &read, branch: "main" });
    let id = "ci".parse().unwrap();
    let workflow = parse(&id, &made.text, &Operator::default());
    let workflow = workflow.unwrap_or_else(|problems| panic!("{problems:#?}\n{}", made.text));
    assert_eq!(workflow.warnings, []);
    made
}

/// What stands behind `steps:`.
fn steps(files: &[(&str, &str)]) -> String {
    let made = check(files);
    made.text.split_once("steps:\n").unwrap().1.to_owned()
}

#[test]
fn a_repository_of_rust() {
    let made = check(&[("Cargo.toml", ""), ("Cargo.lock", ""), ("Makefile", "test:\n")]);
    assert_eq!(made.found, ["Rust"]);
    insta::assert_snapshot!(made.text, @r#"
    # What runs for every pull request. Each step is a check of its own there, and gets a fresh checkout of the commit; `ci` is
    # the check that stands for them all: ask for it in branch protection.
    name: Continuous integration

    on:
      pull_request:                    # opened, synchronize and reopened, as on GitHub Actions
        branches: [main]
      push:
        branches: [main]

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
      - id: format
        name: Format
        run: cargo fmt --check

      - id: lint
        name: Lints
        run: cargo clippy --locked --all-targets -- -D warnings

      - id: test
        name: Tests
        run: cargo test --locked
    "#);
}

#[test]
fn a_repository_of_node_has_the_scripts_that_its_package_names() {
    let package = r#"{ "scripts": { "lint": "eslint .", "test": "vitest", "build": "vite build" } }"#;
    insta::assert_snapshot!(steps(&[("package.json", package), ("pnpm-lock.yaml", "")]), @r"
    - id: lint
      name: Lints
      run: |
        set -eu
        pnpm install --frozen-lockfile
        pnpm run lint

    - id: test
      name: Tests
      run: |
        set -eu
        pnpm install --frozen-lockfile
        pnpm run test

    - id: build
      name: Build
      needs: [lint, test]
      run: |
        set -eu
        pnpm install --frozen-lockfile
        pnpm run build
    ");
    let fresh = r#"{ "scripts": { "test": "echo \"Error: no test specified\" && exit 1" } }"#;
    insta::assert_snapshot!(steps(&[("package.json", fresh), ("package-lock.json", "")]), @r"
    - id: install
      name: Install
      run: npm ci
    ");
    insta::assert_snapshot!(steps(&[("package.json", "{ broken")]), @r"
    - id: install
      name: Install
      run: npm install
    ");
}

#[test]
fn a_repository_of_python_is_run_by_its_own_tool() {
    let project = "[tool.ruff]\n[dependency-groups]\ndev = ['pytest']\n";
    insta::assert_snapshot!(steps(&[("pyproject.toml", project), ("uv.lock", "")]), @r"
    - id: lint
      name: Lints
      run: |
        set -eu
        uv sync --locked
        uv run ruff check .

    - id: test
      name: Tests
      run: |
        set -eu
        uv sync --locked
        uv run pytest
    ");
    insta::assert_snapshot!(steps(&[("requirements.txt", "flask\n")]), @r"
    - id: test
      name: Tests
      run: |
        set -eu
        python3 -m venv .venv
        . .venv/bin/activate
        pip install -r requirements.txt
        python -m unittest discover
    ");
}

#[test]
fn several_languages_keep_their_steps_apart() {
    let made = check(&[("go.mod", ""), ("package.json", r#"{ "scripts": { "test": "jest" } }"#), ("yarn.lock", "")]);
    assert_eq!(made.found, ["Node (yarn)", "Go"]);
    insta::assert_snapshot!(made.text.split_once("steps:\n").unwrap().1, @r#"
    - id: node-test
      name: 'Node (yarn): Tests'
      run: |
        set -eu
        yarn install --frozen-lockfile
        yarn run test

    - id: go-format
      name: 'Go: Format'
      run: 'test -z "$(gofmt -l . | tee /dev/stderr)"'

    - id: go-lint
      name: 'Go: Vet'
      run: go vet ./...

    - id: go-test
      name: 'Go: Tests'
      run: go test ./...
    "#);
}

#[test]
fn every_other_language_gives_a_workflow_that_is_right() {
    for (found, files) in [
        ("Java (Maven)", [("pom.xml", ""), ("mvnw", "")]),
        ("Java (Gradle)", [("build.gradle.kts", ""), ("gradlew", "")]),
        ("Ruby", [("Gemfile", ""), (".rubocop.yml", "")]),
        ("PHP", [("composer.json", r#"{ "scripts": { "lint": "x" } }"#), ("vendor", "")]),
        (".NET", [("App.sln", ""), ("src", "")]),
        ("Elixir", [("mix.exs", ""), ("lib", "")]),
        ("Swift", [("Package.swift", ""), ("Sources", "")]),
        ("Dockerfile", [("Dockerfile", ""), ("src", "")]),
        ("Python (poetry)", [("pyproject.toml", "[tool.poetry]\n"), ("src", "")]),
        ("Python (uv)", [("pyproject.toml", "[tool.uv]\n"), ("src", "")]),
        ("make", [("Makefile", "all:\n\nlint: all\ntest:\n\techo\n"), ("src", "")]),
    ] {
        assert_eq!(check(&files).found, [found]);
    }
}

#[test]
fn a_repository_of_nothing_that_we_know_gets_a_place_to_begin() {
    let made = check(&[("README.md", "")]);
    assert_eq!(made.found, [""; 0]);
    insta::assert_snapshot!(made.text.split_once("steps:\n").unwrap().1, @r#"
    - id: check
      name: Check
      run: |
        set -eu
        echo "put here what must hold before a pull request is merged"
        ls
    "#);
}

#[test]
fn a_branch_may_have_any_name() {
    for branch in ["release/1.0", "it's: a [trap]", "0x10", "-x", "null"] {
        let names = BTreeSet::new();
        let made = starter(&Top { names: &names, read: &|_| None, branch });
        let read = parse(&"ci".parse().unwrap(), &made.text, &Operator::default());
        assert!(read.is_ok(), "{branch}: {read:?}");
    }
}

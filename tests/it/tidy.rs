//! The rules of the house that no compiler holds: layers, purity, sizes, where SQL and YAML may stand.
//!
//! Each rule is a function of one file; beside each stands a planted example that it must find.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The layers, each in its order: a module imports from lower layers and from earlier modules of its own.
const LAYERS: &[&[&str]] = &[
    &["ids", "time", "crash"],
    &["inbound", "workflow", "command", "engine", "report", "route", "explain", "rehearse"],
    &["store", "github", "agents", "wake", "metrics"],
    &["loops"],
    &["http", "runner", "playground", "sim"],
    &["config", "app", "cli"],
];
const PURE_LAYER: usize = 1;
/// What layer 1 may not name: it is told everything and decides only.
const IMPURE: &[&str] = &[
    "tokio",
    "sqlx",
    "reqwest",
    "octocrab",
    "random_bytes",
    "crashpoint",
    ".await",
    "now(",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
];
/// Lines of code in one file, without blank ones and comments.
const FILE_LINES_MAX: usize = 400;
const SQL: &[&str] = &["SELECT ", "INSERT INTO", "INSERT IGNORE", "DELETE FROM", "CREATE TABLE", "FOR UPDATE"];

/// A file of Rust, with what a rule needs to know of it.
struct Source {
    /// From the root of the repository: `src/store/runs.rs`.
    path: String,
    text: String,
    /// The text with comments and literals blanked out, line by line as before.
    code: String,
    /// The contents of string literals.
    strings: Vec<String>,
    /// Compiled for tests only.
    test: bool,
}

impl Source {
    fn new(path: &str, text: &str, test: bool) -> Self {
        let (code, strings) = lex(text);
        Self { path: path.to_owned(), text: text.to_owned(), code, strings, test }
    }

    /// The names from the crate's root to this file's module: `["store", "runs"]`.
    fn module(&self) -> Vec<&str> {
        let path = self.path.strip_prefix("src/").unwrap_or_default();
        let path = path.strip_suffix(".rs").unwrap_or(path);
        path.strip_suffix("/mod")
            .unwrap_or(path)
            .split('/')
            .filter(|part| !matches!(*part, "" | "lib" | "main"))
            .collect()
    }

    /// Layer and place in it of the module that this file belongs to.
    fn place(&self) -> Option<(usize, usize)> {
        place(self.module().first()?)
    }
}

fn place(module: &str) -> Option<(usize, usize)> {
    let layers = LAYERS.iter().enumerate();
    layers
        .flat_map(|(layer, names)| names.iter().enumerate().map(move |(at, name)| (*name, (layer, at))))
        .find_map(|(name, place)| (name == module).then_some(place))
}

/// Splits Rust into code with comments and literals blanked out, and the contents of its string literals.
fn lex(text: &str) -> (String, Vec<String>) {
    let (mut code, mut strings) = (String::new(), Vec::new());
    let mut rest = text;
    let blank =
        |code: &mut String, skipped: &str| code.extend(skipped.chars().map(|c| if c == '\n' { c } else { ' ' }));
    while let Some(c) = rest.chars().next() {
        let word_before = code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let hashes = rest.strip_prefix('r').map_or(0, |raw| raw.len() - raw.trim_start_matches('#').len());
        let (end, string) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), None)
        } else if rest.starts_with("/*") {
            (rest.find("*/").map_or(rest.len(), |end| end + 2), None)
        } else if !word_before && c == 'r' && rest[1 + hashes..].starts_with('"') {
            let (start, close) = (hashes + 2, format!("\"{}", "#".repeat(hashes)));
            let end = rest[start..].find(&close).map_or(rest.len(), |end| start + end);
            ((end + close.len()).min(rest.len()), Some(&rest[start..end]))
        } else if c == '"' {
            let end = closing(&rest[1..], '"').map_or(rest.len(), |end| end + 2);
            (end, Some(rest[1..end].trim_end_matches('"')))
        } else if c == '\'' && is_char_literal(rest) {
            (closing(&rest[1..], '\'').map_or(rest.len(), |end| end + 2), None)
        } else {
            code.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        strings.extend(string.map(str::to_owned));
        blank(&mut code, &rest[..end]);
        rest = &rest[end..];
    }
    (code, strings)
}

/// Where an unescaped `quote` stands.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let found = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        found.then_some(at)
    })
}

/// `'x'` and `'\n'`, not the lifetime `'x`.
fn is_char_literal(text: &str) -> bool {
    let mut chars = text.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) => true,
        (_, next) => next == Some('\''),
    }
}

/// Where `needle` stands as whole words.
fn words<'t>(code: &'t str, needle: &'t str) -> impl Iterator<Item = usize> + 't {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(needle).map(|(at, _)| at).filter(move |at| {
        let before = code[..*at].ends_with(part) && needle.starts_with(part);
        let after = code[at + needle.len()..].starts_with(part) && needle.ends_with(part);
        !before && !after
    })
}

/// The modules of the crate that a file names, by `crate::` or by enough `super::`.
fn imports(source: &Source) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    let word = |text: &str| -> String { text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    for at in words(&source.code, "crate::") {
        let path = &source.code[at + "crate::".len()..];
        let Some(group) = path.strip_prefix('{') else {
            named.insert(word(path));
            continue;
        };
        let mut depth = 0;
        let mut start = true;
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                c if start && !c.is_whitespace() => {
                    named.insert(word(&group[at..]));
                    start = false;
                }
                _ => {}
            }
        }
    }
    let root = "super::".repeat(source.module().len());
    let above = words(&source.code, &root).map(|at| word(&source.code[at + root.len()..]));
    named.extend(above.filter(|name| !root.is_empty() && place(name).is_some()));
    named
}

fn layers(source: &Source) -> Vec<String> {
    let Some(own) = source.place().filter(|_| !source.test) else { return Vec::new() };
    let module = source.module()[0].to_owned();
    let wrong = imports(source).into_iter().filter(|name| *name != module).filter_map(|name| match place(&name) {
        None => Some(format!("names crate::{name}, which is in no layer: add it to the table")),
        Some(other) if other >= own => Some(format!("{module} imports {name}, which is above or after it")),
        Some(_) => None,
    });
    wrong.collect()
}

fn purity(source: &Source) -> Vec<String> {
    if source.test || source.place().is_none_or(|(layer, _)| layer != PURE_LAYER) {
        return Vec::new();
    }
    let named = IMPURE.iter().filter(|word| words(&source.code, word).next().is_some());
    named.map(|word| format!("layer 1 is pure, but this names {word}")).collect()
}

fn size(source: &Source) -> Vec<String> {
    let lines = source.code.lines().filter(|line| !line.trim().is_empty()).count();
    let long = !source.test && lines > FILE_LINES_MAX;
    long.then(|| format!("{lines} lines of code, at most {FILE_LINES_MAX}: split it")).into_iter().collect()
}

fn debts(source: &Source) -> Vec<String> {
    let marks = [concat!("FIX", "ME"), concat!("TO", "DO")];
    let found = marks.iter().filter(|mark| words(&source.text, mark).next().is_some());
    found.map(|mark| format!("{mark}: do it now, or write an issue")).collect()
}

fn sql(source: &Source) -> Vec<String> {
    if source.test || source.path.starts_with("src/store") {
        return Vec::new();
    }
    let found = SQL.iter().filter(|word| source.strings.iter().any(|text| text.contains(**word)));
    found.map(|word| format!("SQL ({}) outside of store/", word.trim())).collect()
}

fn yaml(source: &Source) -> Vec<String> {
    let named = words(&source.code, "serde_yaml").next().is_some();
    let wrong = named && !source.test && source.path != "src/workflow/file.rs";
    wrong.then(|| "only workflow/file.rs names serde_yaml".to_owned()).into_iter().collect()
}

fn tests_that_cheat(source: &Source) -> Vec<String> {
    let mut wrong = Vec::new();
    if source.code.contains(concat!("#[ig", "nore")) {
        wrong.push("a test that is ignored proves nothing".to_owned());
    }
    // Those of the nemesis wait between its blows: what comes when is the test.
    let deals_blows = source.path.starts_with("tests/it/nemesis");
    if source.test && !deals_blows && words(&source.code, "sleep").next().is_some() {
        wrong.push("a test that sleeps is slow or flaky: wait for the event".to_owned());
    }
    wrong
}

type Rule = fn(&Source) -> Vec<String>;
const RULES: &[Rule] = &[layers, purity, size, debts, sql, yaml, tests_that_cheat];

/// Every file of Rust in `src` and `tests`.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    let mut folders = vec![root.join("src"), root.join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                files.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    let only_tests = test_modules(&files);
    let is_test = |path: &str| path.starts_with("tests/") || only_tests.iter().any(|module| within(path, module));
    files.iter().map(|(path, text)| Source::new(path, text, is_test(path))).collect()
}

/// The modules that stand behind `#[cfg(test)]`, as paths without `.rs`.
fn test_modules(files: &[(String, String)]) -> Vec<String> {
    let mut modules = Vec::new();
    for (path, text) in files {
        let folder = path.strip_suffix(".rs").unwrap_or(path);
        let folder = ["/mod", "/lib", "/main"].iter().find_map(|end| folder.strip_suffix(end)).unwrap_or(folder);
        for behind in text.split("#[cfg(test)]").skip(1) {
            let name = behind.trim_start().strip_prefix("mod ").and_then(|rest| rest.split_once(';'));
            modules.extend(name.map(|(name, _)| format!("{folder}/{name}")));
        }
    }
    modules
}

fn within(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

#[test]
fn the_house_is_tidy() {
    let sources = sources();
    let wrong: Vec<String> = sources
        .iter()
        .flat_map(|source| RULES.iter().flat_map(|rule| rule(source)).map(|what| format!("{}: {what}", source.path)))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(sources.len() > 10, "the walk found only {} files", sources.len());
}

#[test]
fn the_table_of_layers_is_the_list_of_modules() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let modules: BTreeSet<&str> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(modules, LAYERS.iter().flat_map(|names| names.iter().copied()).collect());
    // The page that people read says the same, in the same order.
    let rows =
        lib.lines().filter(|line| line.strip_prefix("//! | ").is_some_and(|row| row.starts_with(char::is_numeric)));
    let told: Vec<Vec<&str>> = rows.map(|row| row.split('`').skip(1).step_by(2).collect()).collect();
    assert_eq!(told, LAYERS);
}

/// What a rule says of a planted file.
fn said(rule: Rule, path: &str, text: &str) -> String {
    rule(&Source::new(path, text, path.contains("tests"))).join("; ")
}

#[test]
fn planted_imports_are_found() {
    let check = |path, text, expected: &str| assert_eq!(said(layers, path, text), expected, "{path}: {text}");
    let above = |module, other| format!("{module} imports {other}, which is above or after it");
    check("src/engine/apply.rs", "use crate::store::Store;", &above("engine", "store"));
    check(
        "src/workflow/plan.rs",
        "use crate::{ids::RunId, engine::{State, Event}, time};",
        &above("workflow", "engine"),
    );
    check("src/workflow/mod.rs", "fn f() -> crate::report::Check {}", &above("workflow", "report"));
    check("src/workflow/mod.rs", "use super::report::Check;", &above("workflow", "report"));
    check("src/workflow/plan/graph.rs", "use super::super::super::report::Check;", &above("workflow", "report"));
    check("src/route.rs", "use crate::nowhere::X;", "names crate::nowhere, which is in no layer: add it to the table");
    check("src/route.rs", "use crate::{engine::Event, report, time::Clock}; use super::ids;", "");
    check("src/engine/apply.rs", "// crate::store\nconst S: &str = \"crate::store\"; use crate::engine::state;", "");
    check("src/engine/tests.rs", "use crate::store::Store;", "");
}

#[test]
fn planted_impurities_are_found() {
    let check = |text, expected: &str| assert_eq!(said(purity, "src/engine/apply.rs", text), expected, "{text}");
    check("async fn f() { g().await }", "layer 1 is pure, but this names .await");
    check("let at = Timestamp::now();", "layer 1 is pure, but this names now(");
    check("use std::fs;", "layer 1 is pure, but this names std::fs");
    check("use crate::ids::random_bytes;", "layer 1 is pure, but this names random_bytes");
    check("use tokio::sync::Notify;", "layer 1 is pure, but this names tokio");
    check(
        "fn known() {} // tokio\nconst S: &str = r#\"sqlx \"quoted\" \"#; const C: char = '\"'; fn f<'a>(now: &'a str) {}",
        "",
    );
    assert_eq!(said(purity, "src/store/mod.rs", "use tokio::sync::Notify;"), "");
}

#[test]
fn planted_sizes_and_debts_are_found() {
    assert_eq!(said(size, "src/a.rs", &"let x = 1;\n".repeat(401)), "401 lines of code, at most 400: split it");
    assert_eq!(said(size, "src/a.rs", &"let x = 1;\n\n// why\n".repeat(400)), "");
    assert_eq!(said(size, "src/a/tests.rs", &"let x = 1;\n".repeat(401)), "");
    assert_eq!(
        said(debts, "src/a.rs", concat!("// TO", "DO: later")),
        concat!("TO", "DO: do it now, or write an issue")
    );
    assert_eq!(said(debts, "src/a.rs", concat!("// FIX", "ME")), concat!("FIX", "ME: do it now, or write an issue"));
}

#[test]
fn planted_sql_and_yaml_are_found() {
    assert_eq!(said(sql, "src/loops/prune.rs", r##"q(r#"SELECT id FROM run"#)"##), "SQL (SELECT) outside of store/");
    assert_eq!(said(sql, "src/http/api.rs", r#"q("DELETE FROM run")"#), "SQL (DELETE FROM) outside of store/");
    assert_eq!(said(sql, "src/store/runs.rs", r#"q("DELETE FROM run")"#), "");
    assert_eq!(said(yaml, "src/config.rs", "serde_yaml::from_str(text)"), "only workflow/file.rs names serde_yaml");
    assert_eq!(said(yaml, "src/workflow/file.rs", "serde_yaml::from_str(text)"), "");
}

#[test]
fn planted_tests_that_cheat_are_found() {
    let ignored = concat!("#[ig", "nore = \"slow\"]\nfn f() {}");
    assert_eq!(said(tests_that_cheat, "src/a.rs", ignored), "a test that is ignored proves nothing");
    let sleeps = said(tests_that_cheat, "tests/it/a.rs", "tokio::time::sleep(SECOND).await");
    assert_eq!(sleeps, "a test that sleeps is slow or flaky: wait for the event");
    assert_eq!(said(tests_that_cheat, "src/a.rs", "tokio::time::sleep(SECOND).await"), "");
    assert_eq!(said(tests_that_cheat, "tests/it/a.rs", "run(\"sleep 60\")"), "");
}

#[test]
fn modules_for_tests_are_known_by_their_attribute() {
    let files = [("src/engine/mod.rs".to_owned(), "#[cfg(test)]\nmod properties;\nmod apply;".to_owned())];
    assert_eq!(test_modules(&files), ["src/engine/properties"]);
    assert!(within("src/engine/properties/oracle.rs", "src/engine/properties"));
    assert!(!within("src/engine/properties_of.rs", "src/engine/properties"));
}

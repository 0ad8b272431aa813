use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(patterns: &[&str], yes: &[&str], no: &[&str]) {
    let patterns = Patterns(patterns.iter().map(|p| Pattern::parse(p).unwrap()).collect());
    for text in yes {
        assert!(patterns.match_text(text), "{patterns} does not match {text}");
    }
    for text in no {
        assert!(!patterns.match_text(text), "{patterns} matches {text}");
    }
}

/// The rows of GitHub's own cheat sheet of filter patterns.
#[test]
fn githubs_cheat_sheet() {
    check(&["feature/*"], &["feature/my-branch", "feature/"], &["feature/beta-a/my-branch", "feature"]);
    check(&["feature/**"], &["feature/beta-a/my-branch", "feature/my-branch"], &["feature"]);
    check(&["main", "releases/mona-the-octocat"], &["main", "releases/mona-the-octocat"], &["mainly"]);
    check(&["*"], &["main", "releases"], &["all/the/branches"]);
    check(&["**"], &["main", "all/the/branches"], &[]);
    check(&["*feature"], &["mona-feature", "feature", "ver-10-feature"], &["my/feature"]);
    check(&["v2*"], &["v2", "v2.0", "v2.9"], &["v3"]);
    check(&["v[12].[0-9]+.[0-9]+"], &["v1.10.1", "v2.0.0"], &["v3.0.0", "v1.x.0", "v1..0"]);
    check(&["*.jsx?"], &["page.js", "page.jsx"], &["page.jsxx", "a/page.js"]);
    check(&["**.js"], &["index.js", "js/index.js", "src/js/app.js"], &["index.ts"]);
    check(&["docs/*"], &["docs/README.md", "docs/file.txt"], &["docs/a/b.md"]);
    check(&["docs/**"], &["docs/README.md", "docs/mona/octocat.txt"], &["doc/x"]);
    check(&["docs/**/*.md"], &["docs/README.md", "docs/mona/hello-world.md", "docs/a/markdown/file.md"], &["docs.md"]);
    check(&["**/docs/**"], &["docs/hello.md", "dir/docs/my-file.txt", "space/docs/plan/space.doc"], &["mydocs/x"]);
    check(&["**/README.md"], &["README.md", "js/README.md"], &["xREADME.md"]);
    check(&["**/*src/**"], &["a/src/app.js", "my-src/code/js/app.js"], &["source/x"]);
    check(&["**/*-post.md"], &["my-post.md", "path/their-post.md"], &["my-post.mdx"]);
    check(&["**/migrate-*.sql"], &["migrate-10909.sql", "db/migrate-v1.0.sql", "db/sept/migrate-v1.sql"], &[]);
    check(&["*.md", "!README.md"], &["hello.md"], &["README.md", "docs/hello.md"]);
    check(&["*.md", "!README.md", "README*"], &["hello.md", "README.md", "README.doc"], &[]);
    check(&["releases/**-alpha"], &["releases/beta/3-alpha", "releases/1-alpha"], &["releases/beta"]);
    check(&["src/**", "!**/*.md"], &["src/a.rs"], &["src/a.md", "src/x/a.md"]);
    check(&["\\*\\?"], &["*?"], &["ab"]);
}

#[test]
fn slips_are_told() {
    for wrong in ["", "!", "+a", "*?", "[", "[]", "[z-a]", "a\\", "a?+", &"x".repeat(PATTERN_BYTES_MAX + 1)] {
        assert!(Pattern::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn hostile_patterns_take_linear_time() {
    let pattern = Pattern::parse(&format!("{}b", "a+**".repeat(60))).unwrap();
    assert!(!pattern.matches(&"a".repeat(10_000)));
}

proptest! {
    #[test]
    fn random_patterns_never_panic(pattern in any::<String>(), text in any::<String>()) {
        if let Ok(pattern) = Pattern::parse(&pattern) {
            _ = pattern.matches(&text);
        }
    }

    #[test]
    fn letters_match_themselves(text in "[a-z0-9/._-]{1,40}", other in "[a-z0-9/._-]{1,40}") {
        let pattern = Pattern::parse(&text).unwrap();
        prop_assert_eq!(pattern.matches(&other), text == other);
        prop_assert!(pattern.matches(&text));
    }
}

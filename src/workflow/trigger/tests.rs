use super::*;
use crate::workflow::file;

fn triggers(yaml: &str) -> (Triggers, Vec<String>) {
    let mut problems = Problems::default();
    let triggers = Triggers::read(&file::read(yaml).unwrap(), &mut problems);
    (triggers, problems.sorted().iter().map(ToString::to_string).collect())
}

#[track_caller]
fn check(yaml: &str, subject: Subject<'_>, expected: &str) {
    let (triggers, problems) = triggers(yaml);
    assert!(problems.is_empty(), "{problems:?}");
    let seen = match matches(&triggers, &subject) {
        Verdict::Run => "run".to_owned(),
        Verdict::Filtered(why) => why,
        Verdict::NoTrigger => "no trigger".to_owned(),
    };
    assert_eq!(seen, expected, "{yaml}");
}

fn pr(action: &'static str) -> Subject<'static> {
    Subject::PullRequest { action, base: "main", paths: None }
}

fn push(reference: &str) -> Subject<'_> {
    Subject::Push { reference, paths: None }
}

#[test]
fn pull_requests() {
    for yaml in ["pull_request", "[push, pull_request]", "pull_request:", "{ pull_request: { branches: main } }"] {
        check(yaml, pr("opened"), "run");
        check(yaml, pr("synchronize"), "run");
        check(yaml, pr("reopened"), "run");
        check(yaml, pr("ready_for_review"), "no trigger");
        check(yaml, pr("closed"), "no trigger");
    }
    check("pull_request: { types: [ready_for_review] }", pr("ready_for_review"), "run");
    check("pull_request: { types: [ready_for_review] }", pr("opened"), "no trigger");
    check("push", pr("opened"), "no trigger");
    let only = "the base branch main is not among branches: dev, release/**";
    check("pull_request: { branches: [dev, 'release/**'] }", pr("opened"), only);
    let ignored = "the base branch main is among branches-ignore: m*";
    check("pull_request: { branches-ignore: ['m*'] }", pr("opened"), ignored);
    check("pull_request: { branches_ignore: ['m*'] }", pr("opened"), ignored);
}

#[test]
fn paths() {
    let changed = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
    let check = |yaml, paths: &[&str], expected| {
        let paths = changed(paths);
        check(yaml, Subject::PullRequest { action: "opened", base: "main", paths: Some(&paths) }, expected);
    };
    let only = "pull_request: { paths: ['src/**', '!**/*.md'] }";
    check(only, &["src/a.rs"], "run");
    check(only, &["src/a.md", "src/a.rs"], "run");
    check(only, &["src/a.md", "x"], "no changed file is among paths: src/**, !**/*.md");
    check(only, &[], "no changed file is among paths: src/**, !**/*.md");
    let ignore = "pull_request: { paths-ignore: ['**.md'] }";
    check(ignore, &["a.md", "b.rs"], "run");
    check(ignore, &["a.md", "docs/b.md"], "every changed file is among paths-ignore: **.md");
}

#[test]
fn pushes() {
    check("push", push("refs/heads/main"), "run");
    check("push", push("refs/tags/v1"), "run");
    check("push: { branches: [main] }", push("refs/heads/main"), "run");
    check("push: { branches: [main] }", push("refs/tags/v1"), "no trigger");
    check("push: { branches: [main] }", push("refs/heads/x/y"), "the branch x/y is not among branches: main");
    check("push: { tags: ['v*'] }", push("refs/heads/main"), "no trigger");
    check("push: { tags: ['v*'] }", push("refs/tags/v1"), "run");
    check("push: { tags: ['v*'] }", push("refs/tags/w1"), "the tag w1 is not among tags: v*");
    check("push: { branches: [main], tags: ['v*'] }", push("refs/tags/v1"), "run");
    check("pull_request", push("refs/heads/main"), "no trigger");
    let paths = ["a".to_owned()];
    let at = |reference| Subject::Push { reference, paths: Some(&paths) };
    check("push: { paths: [b] }", at("refs/heads/main"), "no changed file is among paths: b");
    check("push: { paths: [b] }", at("refs/tags/v1"), "run");
}

#[test]
fn slips_are_told() {
    let check = |yaml, expected: &[&str]| assert_eq!(triggers(yaml).1, expected, "{yaml}");
    check("pul_request", &["1:1 bad-value: there is no event pul_request (did you mean pull_request?)"]);
    check(
        "{ push: , merge_group: {} }",
        &["1:11 not-yet: the event merge_group is not there yet (remove it for now; pull_request and push are there)"],
    );
    check(
        "pull_request: { type: [opened] }",
        &["1:17 unknown-field: pull_request has no field type (did you mean types?)"],
    );
    check(
        "pull_request:\n  types: [open, closed]",
        &[
            "2:11 bad-value: there is no type open; there are opened, synchronize, reopened, ready_for_review, \
             converted_to_draft, edited, labeled, unlabeled (did you mean opened?)",
            "2:17 not-yet: the type closed is not there yet",
        ],
    );
    check("pull_request: { types: [] }", &["1:24 bad-value: types names none, so nothing would ever start"]);
    check(
        "push: { branches: [a], branches-ignore: [b] }",
        &["1:41 conflict: branches and branches-ignore exclude each other (write ! patterns in branches)"],
    );
    check(
        "push: { branches: ['!a'] }",
        &["1:19 bad-value: branches matches nothing: at least one pattern must not begin with ! (begin the list \
              with \"**\")"],
    );
}

use super::*;
use crate::workflow::file;
use crate::workflow::problem::Problems;

fn triggers(yaml: &str) -> (Triggers, Vec<String>) {
    let mut problems = Problems::default();
    let triggers = Triggers::read(&file::read(yaml).unwrap(), &mut problems);
    (triggers, problems.sorted().iter().map(ToString::to_string).collect())
}

#[track_caller]
fn check(yaml: &str, subject: Subject<'_>, expected: &str) {
    let (triggers, problems) = triggers(yaml);
    assert!(problems.iter().all(|problem| problem.contains("warning: not-yet")), "{problems:?}");
    let seen = match matches(&triggers, &subject) {
        Verdict::Run => "run".to_owned(),
        Verdict::Filtered(why) => why,
        Verdict::NoTrigger => "no trigger".to_owned(),
    };
    assert_eq!(seen, expected, "{yaml}");
}

fn pr(action: &'static str) -> Subject<'static> {
    Subject::PullRequest { action, base: "main", paths: None, labels: None }
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
        check(
            yaml,
            Subject::PullRequest { action: "opened", base: "main", paths: Some(&paths), labels: None },
            expected,
        );
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
        "pull_request_targt",
        &[
            "1:1 bad-value: there is no event pull_request_targt (there are pull_request, push, merge_group, schedule, manual, comment)",
        ],
    );
    check("release", &["1:1 bad-value: there is no event release (write push: { tags: [\"v*\"] })"]);
    check(
        "pull_request: { type: [opened] }",
        &["1:17 unknown-field: pull_request has no field type (did you mean types?)"],
    );
    check(
        "pull_request:\n  types: [open, closed]",
        &[
            "2:11 bad-value: there is no type open (did you mean opened?)",
            "2:17 warning: not-yet: this release cancels what runs for a closed pull request and starts nothing for it",
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

#[test]
fn labels() {
    let check = |yaml: &str, labels: &[&str], expected: &str| {
        let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        let subject = Subject::PullRequest { action: "labeled", base: "main", paths: None, labels: Some(&labels) };
        check(yaml, subject, expected);
    };
    let wanted = "pull_request: { labels: [deploy, Ship it, '!wip'] }";
    check(wanted, &["Deploy"], "run");
    check(wanted, &["a", "ship it"], "run");
    check(wanted, &["a"], "it has none of the labels deploy, Ship it");
    check(wanted, &["deploy", "WIP"], "it has the label wip, which labels excludes");
    // Only what is wanted makes the giving of a label an event that starts something.
    check("pull_request: { labels: ['!wip'] }", &[], "no trigger");
    check("pull_request: { labels: ['!wip'], types: [labeled] }", &[], "run");
    check("pull_request: { labels: [a], types: [opened] }", &["a"], "no trigger");
}

#[test]
fn merge_groups() {
    let group = Subject::MergeGroup { base: "main" };
    for yaml in ["merge_group", "{ merge_group: { types: [checks_requested], branches: [main] } }"] {
        check(yaml, group, "run");
    }
    check("merge_group: { branches: ['r*'] }", group, "the base branch main is not among branches: r*");
    check("pull_request", group, "no trigger");
    let wrong = triggers("merge_group: { types: [destroyed] }").1;
    assert_eq!(wrong[1], "1:24 bad-value: merge_group has the type checks_requested, not destroyed");
}

#[test]
fn clocks_and_people() {
    check("schedule: hourly", Subject::Schedule, "run");
    check("push", Subject::Schedule, "no trigger");
    check("manual", Subject::Manual, "run");
    check("workflow_dispatch: { inputs: { a: {} } }", Subject::Manual, "run");
    check("push", Subject::Manual, "no trigger");
    let (found, _) = triggers("manual: { inputs: { where: { type: choice, options: [a, b] } } }");
    assert!(found.manual.unwrap().get("where").is_some());
}

#[test]
fn comments() {
    let check = |yaml: &str, lines: &[&str], permission, expected: &str| {
        check(yaml, Subject::Comment { lines, permission }, expected);
    };
    let write = Some(Permission::Write);
    let wanted = "comment: { commands: [deploy], phrases: [Ship it!] }";
    check(wanted, &["Well,", "  /deploy now"], write, "run");
    check(wanted, &["ship IT! "], Some(Permission::Admin), "run");
    for none in ["/deployment", "deploy", "please /deploy", "I would ship it!", "/Deploy", "/", ""] {
        check(wanted, &[none], write, "no trigger");
    }
    check(wanted, &["/deploy"], Some(Permission::Triage), "who wrote it may not: it takes write");
    check(wanted, &["/deploy"], None, "who wrote it may not: it takes write");
    check("comment: { commands: /deploy, from: triage }", &["/deploy"], Some(Permission::Triage), "run");
    check("comment: [deploy, undo]", &["/undo"], write, "run");
    check("push", &["/deploy"], write, "no trigger");
    let wrong = |yaml: &str, expected: &str| assert!(triggers(yaml).1.contains(&expected.to_owned()), "{yaml}");
    wrong(
        "comment",
        "1:1 missing-field: comment names nothing that somebody would write (write comment: { commands: [deploy] } for a line /deploy)",
    );
    wrong("comment: { commands: [retry] }", "1:23 conflict: /retry is a command of its own; choose another word");
    wrong("comment: { commands: [a b] }", "1:23 bad-value: \"a b\" is no word of a command (write deploy for /deploy)");
    wrong("comment: { phrases: [/a] }", "1:22 bad-value: /a is a command (write it into commands:)");
    wrong("comment: { phrases: [''] }", "1:22 bad-value: a phrase is one line of at most 100 characters");
}

/// What this release does not start is checked all the same, and says so.
#[test]
fn what_is_not_started_says_so() {
    let (found, problems) = triggers("{ push: , merge_group: , schedule: hourly, manual: , comment: [a] }");
    assert!(found.push.is_some() && found.merge_group.is_some() && found.comment.is_some());
    assert_eq!(
        problems,
        [
            "1:11 warning: not-yet: this release checks merge_group but starts no workflow for the merge queue yet",
            "1:26 warning: not-yet: this release checks schedule but starts no workflow by the clock yet",
            "1:44 warning: not-yet: this release checks manual but starts no workflow with inputs yet",
            "1:54 warning: not-yet: this release checks comment but starts no workflow by a comment of its own yet",
        ]
    );
    let both = triggers("{ manual: , workflow_dispatch: }").1;
    assert!(both.contains(&"1:13 conflict: workflow_dispatch is another name of manual: use one of them".to_owned()));
}

use super::*;

fn check(id: i64, name: &str, word: &str) -> Check {
    let over = !matches!(word, "queued" | "in progress");
    Check { id, name: name.to_owned(), word: word.to_owned(), over, ..Check::default() }
}

fn view(head: &str, checks: &[Check]) -> View {
    View { head: head.to_owned(), checks: checks.to_vec(), comments: Vec::new() }
}

fn said(body: &str, reactions: &[&str]) -> Comment {
    let reactions = reactions.iter().map(|one| (*one).to_owned()).collect();
    Comment { id: 1, author: "bob".to_owned(), body: body.to_owned(), reactions }
}

#[track_caller]
fn check_verdict(words: &[(&str, &str)], expected: Option<Verdict>) {
    let checks: Vec<Check> = words.iter().map(|(name, word)| check(1, name, word)).collect();
    let workflows = ["ci", "docs"].map(|id| id.parse().unwrap());
    assert_eq!(view("a", &checks).verdict(&workflows), expected, "{words:?}");
}

#[test]
fn all_workflows_together_have_one_verdict() {
    check_verdict(&[], None);
    check_verdict(&[("ci", "success")], None);
    check_verdict(&[("ci", "success"), ("docs", "in progress")], None);
    check_verdict(&[("ci", "success"), ("docs", "success")], Some(Verdict::Green));
    check_verdict(&[("ci", "success"), ("docs", "skipped")], Some(Verdict::Green));
    check_verdict(&[("ci", "success"), ("docs", "neutral")], Some(Verdict::Green));
    check_verdict(&[("ci", "skipped"), ("docs", "neutral")], Some(Verdict::Neutral));
    check_verdict(&[("ci", "skipped"), ("docs", "skipped")], Some(Verdict::Red));
    check_verdict(&[("ci", "success"), ("docs", "action required")], Some(Verdict::Red));
    check_verdict(&[("ci", "success"), ("docs", "a word that GitHub may invent")], Some(Verdict::Red));
}

#[test]
fn each_change_is_news_once() {
    let before = view("a", &[check(1, "ci / build", "in progress"), check(2, "ci", "in progress")]);
    let after = view("a", &[check(1, "ci / build", "success"), check(2, "ci", "in progress")]);
    assert_eq!(after.news(&before), [News::Changed(&after.checks[0])]);
    assert_eq!(after.news(&after), []);
    // A retry is another check of the same name, even where it ended alike.
    let again = view("a", &[check(3, "ci / build", "success"), check(2, "ci", "in progress")]);
    assert_eq!(again.news(&after), [News::Changed(&again.checks[0])]);
    // The same words on another commit are news.
    let pushed = view("b", &[check(4, "ci", "in progress")]);
    assert_eq!(pushed.news(&again), [News::Head("b"), News::Changed(&pushed.checks[0])]);
}

#[test]
fn a_red_step_tells_why_once_for_each_try() {
    let red = |id| Check { log: vec!["FAILED".to_owned()], ..check(id, "ci / test", "failure") };
    let (before, after) = (view("a", &[check(1, "ci / test", "in progress")]), view("a", &[red(1)]));
    assert_eq!(after.news(&before), [News::Changed(&after.checks[0]), News::Red(&after.checks[0])]);
    let later = view("a", &[Check { title: "Failed in 2 s".to_owned(), ..red(1) }]);
    assert_eq!(later.news(&after), [News::Changed(&later.checks[0])]);
    let again = view("a", &[red(2)]);
    assert_eq!(again.news(&later).len(), 2);
    // What never ran has nothing to tell.
    let never = view("a", &[check(3, "ci / report", "cancelled")]);
    assert_eq!(never.news(&view("a", &[])), [News::Changed(&never.checks[0])]);
}

#[test]
fn comments_and_reactions_are_news() {
    let before = View { comments: vec![said("/retry", &[])], ..View::default() };
    let after = View { comments: vec![said("/retry", &["eyes", "rocket"])], ..View::default() };
    let on = &after.comments[0];
    assert_eq!(before.news(&View::default()), [News::Said(&before.comments[0])]);
    assert_eq!(after.news(&before), [News::Reacted { on, with: "eyes" }, News::Reacted { on, with: "rocket" }]);
    let edited = View { comments: vec![said("/retry ci", &["eyes", "rocket"])], ..View::default() };
    assert_eq!(edited.news(&after), [News::Said(&edited.comments[0])]);
}

#[test]
fn the_page_of_a_run_is_told_once() {
    let with = |url: &str| {
        let page = Some(url.to_owned());
        view(
            "a",
            &[
                Check { page: page.clone(), ..check(1, "ci / build", "success") },
                Check { page, ..check(2, "ci", "success") },
            ],
        )
    };
    let first = with("http://one");
    let pages = |news: Vec<News<'_>>| news.iter().filter(|news| matches!(news, News::Page(_))).count();
    assert_eq!(pages(first.news(&View::default())), 1);
    assert_eq!(pages(first.news(&first)), 0);
    assert_eq!(pages(with("http://two").news(&first)), 1);
    // The check of a step may come long before that of its workflow.
    let alone = Check { page: Some("http://one".to_owned()), ..check(1, "ci / build", "success") };
    let alone = view("a", &[alone]);
    assert_eq!((pages(alone.news(&View::default())), pages(first.news(&alone))), (1, 0));
}

#[test]
fn the_log_is_what_stands_in_the_fence() {
    assert_eq!(log_of("### Log\n\n```\none\n  two\t.\n```\n"), ["one", "  two    ."]);
    assert_eq!(log_of("````\n```\ninside\n```\n````"), ["```", "inside", "```"]);
    assert_eq!(log_of("no log"), [""; 0]);
    assert_eq!(log_of("```"), [""; 0]);
    let long: String = (0..100).map(|line| format!("{line}\n")).collect();
    let shown = log_of(&format!("```\n{long}```"));
    assert_eq!((shown.len(), shown.last().map(String::as_str)), (LOG_LINES_MAX, Some("99")));
}

#[test]
fn a_strangers_text_does_nothing_to_the_terminal() {
    assert_eq!(clean("\u{1b}[2J\u{7}a\r\u{202e}b\u{9b}c\u{200b}"), "[2Jabc");
}

#[test]
fn a_check_is_found_by_either_name() {
    let view = view("a", &[check(7, "ci / test", "failure"), check(8, "ci", "failure")]);
    let id = |name| view.check(name).map(|check| check.id);
    assert_eq!((id("ci/test"), id("ci / test"), id("ci"), id("test")), (Some(7), Some(7), Some(8), None));
}

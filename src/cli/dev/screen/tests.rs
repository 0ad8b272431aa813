use super::super::view::Comment;
use super::*;

fn check(name: &str, word: &str, title: &str) -> Check {
    let over = !matches!(word, "queued" | "in progress");
    let started = (word != "queued").then_some(Timestamp(0));
    let (name, word, title) = (name.to_owned(), word.to_owned(), title.to_owned());
    Check { name, word, title, over, started, ..Check::default() }
}

fn view(checks: Vec<Check>) -> View {
    View { checks, ..View::default() }
}

const NOW: Timestamp = Timestamp(2_400_000);

fn screen(width: usize, tick: Option<usize>) -> Screen {
    Screen { width, height: 20, colours: false, tick }
}

fn side_by_side() -> View {
    view(vec![
        check("ci / build", "success", "Done in 1 s"),
        check("ci / lint", "in progress", "Running"),
        check("ci / test", "in progress", "Running"),
        check("ci", "in progress", "1 of 4 steps done"),
    ])
}

#[test]
fn two_side_by_side_are_seen_side_by_side() {
    let lines = screen(80, Some(2)).checks(&side_by_side(), NOW);
    insta::assert_snapshot!(lines.join("\n"), @r"
      ✔ ci / build  success      Done in 1 s
      ⠹ ci / lint   in progress  2 s  Running
      ⠹ ci / test   in progress  2 s  Running
      ⠹ ci          in progress  2 s  1 of 4 steps done
    ");
}

#[test]
fn every_word_of_github_has_a_sign() {
    let words =
        ["queued", "success", "neutral", "skipped", "failure", "timed out", "cancelled", "action required", "new"];
    let checks = words.map(|word| check("ci", word, ""));
    insta::assert_snapshot!(screen(80, None).checks(&view(checks.to_vec()), NOW).join("\n"), @r"
      ○ ci  queued
      ✔ ci  success
      ◼ ci  neutral
      ⊘ ci  skipped
      ✘ ci  failure
      ✘ ci  timed out
      ⊝ ci  cancelled
      ! ci  action required
      ✘ ci  new
    ");
}

#[test]
fn no_line_is_wider_than_the_screen() {
    let wide =
        view(vec![check("ci / build", "in progress", "幅の広い文字で終わる題名です"), check("ci", "queued", "")]);
    for width in 0..60 {
        for line in screen(width, Some(0)).checks(&wide, NOW) {
            assert!(line.width() <= width.saturating_sub(1), "{width}: {line}");
        }
        assert!(screen(width, Some(0)).prompt("/retry 幅の広い").width() <= width.max("bob> ".len()));
    }
}

#[test]
fn what_is_over_gives_way_where_the_screen_is_low() {
    let low = Screen { height: 3, ..screen(80, Some(0)) };
    insta::assert_snapshot!(low.checks(&side_by_side(), NOW).join("\n"), @r"
      … and 2 more
      ⠋ ci / test  in progress  2 s  Running
      ⠋ ci         in progress  2 s  1 of 4 steps done
    ");
}

#[test]
fn colours_are_only_where_they_are_wanted() {
    let one = view(vec![check("ci", "success", "All done")]);
    let coloured = Screen { colours: true, ..screen(80, Some(0)) }.checks(&one, NOW);
    assert_eq!(coloured, ["  \u{1b}[32m✔\u{1b}[0m ci  \u{1b}[32msuccess\u{1b}[0m\u{1b}[2m  All done\u{1b}[0m"]);
    assert!(!screen(80, Some(0)).checks(&one, NOW)[0].contains('\u{1b}'));
}

#[test]
fn news_are_plain_lines() {
    let plain = screen(usize::MAX, None);
    let red = Check {
        log: vec!["ok: Hello".to_owned(), "FAILED".to_owned()],
        annotations: vec!["src/greet.sh:3 failure say Goodbye".to_owned()],
        ..check("ci / test", "failure", "Failed in 1 s")
    };
    let reply = Comment {
        id: 2,
        author: "pointsman[bot]".to_owned(),
        body: "You may not.\n\nAsk ann.".to_owned(),
        reactions: Vec::new(),
    };
    let news = [
        News::Head("0123456789012345678901234567890123456789"),
        News::Page("http://127.0.0.1:1/runs/r_1"),
        News::Changed(&red),
        News::Red(&red),
        News::Said(&reply),
        News::Reacted { on: &reply, with: "rocket" },
    ];
    let lines: Vec<String> = news.iter().flat_map(|news| plain.news(news, NOW)).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
      now at 012345678901
      run page      http://127.0.0.1:1/runs/r_1
      ✘ ci / test  failure  Failed in 1 s
      ── ci / test: Failed in 1 s
      │ ok: Hello
      │ FAILED
      ▸ src/greet.sh:3 failure say Goodbye
      @pointsman[bot]  You may not.

        Ask ann.
        🚀 on "You may not."
    "#);
    // Where a live line shows it, a change is not told again.
    assert_eq!(screen(80, Some(0)).news(&News::Changed(&red), NOW), [""; 0]);
}

#[test]
fn the_end_of_what_is_typed_shows() {
    assert_eq!(screen(12, Some(0)).prompt("/retry ci"), "bob> try ci");
    assert_eq!(screen(80, Some(0)).prompt("/retry ci"), "bob> /retry ci");
}

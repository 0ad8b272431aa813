//! The page of a run, as a browser gets it.

use super::bench::Bench;
use crate::engine::Event;
use crate::ids::RunId;
use crate::report::demo::{CI, Drive};
use crate::report::{Annotation, Level, StepReport};

fn report(summary: &str, log_tail: &str) -> StepReport {
    let place = Annotation {
        path: "src/greet.sh".to_owned(),
        start_line: 3,
        end_line: 3,
        level: Level::Failure,
        title: None,
        message: "expected hello <world>".to_owned(),
    };
    StepReport { attempt: 1, summary: summary.to_owned(), log_tail: log_tail.to_owned(), annotations: vec![place] }
}

fn red() -> Drive {
    let mut drive = Drive::new("ci", CI);
    drive.done("build", 2).done("lint", 3).fails("test", 9, "2 of 7 tests failed");
    drive
}

#[tokio::test]
async fn a_run_has_a_page_for_whoever_has_its_key() {
    let bench = Bench::new().await;
    let path = bench.keep(&red(), &[("test", report("", "not ok 2 - greets"))]).await;
    let answer = bench.get(&path).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    for words in [
        "octo/greet",
        "pull request #7",
        "4f2a9c1",
        "test failed",
        "not ok 2 - greets",
        "2 of 7 tests failed",
        "<svg",
        "src/greet.sh:3",
    ] {
        assert!(answer.body.contains(words), "{words} is missing:\n{}", answer.body);
    }
    assert!(!answer.body.contains("http-equiv"), "it is over: nothing to refresh");
    let policy = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    assert_eq!(answer.header("content-security-policy"), Some(policy));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
}

#[tokio::test]
async fn without_its_key_there_is_no_page() {
    let bench = Bench::new().await;
    let path = bench.keep(&red(), &[]).await;
    let (run, key) = path.split_once("?k=").unwrap();
    let other = if key.starts_with('0') { "1" } else { "0" };
    let hostile = [
        run.to_owned(),
        format!("{run}?k="),
        format!("{run}?k={other}{}", &key[1..]),
        format!("{run}?k={}", &key[..30]),
        format!("{run}?k={key}00"),
        format!("{run}?k=zz"),
        format!("{run}?k={key}&k={key}"),
        format!("{}?k={key}", run.replace("r_42_", "r_43_")),
        format!("{}?k={key}", run.replace("r_42_", "r_042_")),
        "/runs/..%2f..%2fetc%2fpasswd?k=00".to_owned(),
        "/runs/%ff%fe?k=00".to_owned(),
        "/runs/r_1_x?k=00".to_owned(),
    ];
    for path in hostile {
        assert_eq!(bench.get(&path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_run_that_was_deleted_says_so_to_whoever_had_its_key() {
    let bench = Bench::new().await;
    let run: RunId = "r_42_01934567-89ab-7cde-8f01-23456789abff".parse().unwrap();
    let url = crate::http::page_url(&bench.store, &"http://p.example".parse().unwrap(), run).unwrap();
    let answer = bench.get(url.strip_prefix("http://p.example").unwrap()).await;
    assert_eq!(answer.status, 410);
    assert!(answer.body.contains("no longer kept"), "{}", answer.body);
}

#[tokio::test]
async fn a_live_run_is_loaded_again_and_a_quarantined_one_is_told() {
    let bench = Bench::new().await;
    let drive = Drive::new("ci", CI);
    let path = bench.keep(&drive, &[]).await;
    assert!(bench.get(&path).await.body.contains("<meta http-equiv=\"refresh\" content=\"5\">"));
    bench.store.quarantine(drive.state.id, "the engine <panicked>").await.unwrap();
    let answer = bench.get(&path).await;
    assert_eq!(answer.status, 200);
    assert!(
        answer.body.contains("cannot be read") && answer.body.contains("the engine &#60;panicked&#62;"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn text_of_strangers_stays_text() {
    let bench = Bench::new().await;
    let mut drive = red();
    let evil = "<script>alert(1)</script><img src=x onerror=alert(1)>\" onmouseover=\"x";
    drive.tell(Event::RetryRequested {
        what: crate::engine::event::Again::Failed,
        by: Some("octocat".parse().unwrap()),
    });
    drive.fails("test", 1, evil);
    let mut second = report(evil, evil);
    second.attempt = 2;
    second.annotations[0].path = evil.to_owned();
    let path = bench.keep(&drive, &[("test", second)]).await;
    let answer = bench.get(&path).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("&#60;script&#62;"), "{}", answer.body);
    for tag in ["<script", "<img", "\" onmouseover"] {
        assert!(!answer.body.contains(tag), "{tag}");
    }
}

#[tokio::test]
async fn a_page_without_a_database_says_not_now() {
    let bench = Bench::new().await;
    let path = bench.keep(&red(), &[]).await;
    bench.store.close().await;
    assert_eq!(bench.get(&path).await.status, 503);
}

//! What commands do, and what becomes of them.

use std::time::Duration;

use serde_json::json;

use super::bench::{Bench, until};
use crate::agents::a2a::TaskState;
use crate::agents::{Class, Conclusion, Level, Outcome};
use crate::runner::Sandbox;

#[tokio::test]
async fn hello_with_outputs_and_annotations() {
    let bench = Bench::start().await;
    let mut request = bench.request(
        "cat hello.txt\n\
         echo \"$POINTSMAN_STEP $POINTSMAN_ATTEMPT $POINTSMAN_SHA $GREETING $INPUT_DEPTH $CI\" >&2\n\
         echo '::error file=src/a.rs,line=3,endLine=5,title=Too long::one%0Atwo'\n\
         echo size=42 >> \"$POINTSMAN_OUTPUT\"\n\
         printf 'notes<<END\\na\\nb=c\\nEND\\n' >> \"$POINTSMAN_OUTPUT\"",
    );
    request.step.command.as_mut().unwrap().env.insert("GREETING".into(), "good $(id) day".into());
    request.step.with.insert("depth".into(), json!(3));
    let result = bench.run_request(&request).await;
    assert_eq!((result.conclusion, &result.error), (Conclusion::Success, &None), "{result:?}");
    let expected = format!("hello\nlint {} {} good $(id) day 3 true\n", request.attempt.number, bench.sha);
    assert!(result.log_tail.contains(&expected), "{}", result.log_tail);
    assert_eq!(serde_json::to_value(&result.outputs).unwrap(), json!({ "size": "42", "notes": "a\nb=c" }));
    let annotation = &result.annotations[0];
    assert_eq!((annotation.path.as_str(), annotation.start_line, annotation.end_line), ("src/a.rs", 3, 5));
    assert_eq!((annotation.level, annotation.message.as_str()), (Level::Failure, "one\ntwo"));
    assert!(result.summary.contains(&format!("no process is left ({})", bench.sandbox)), "{}", result.summary);
    assert_eq!(result.agent.name, "shell");
    // A clean environment: nothing of ours, nothing of the runner's.
    let env = bench.run("env | cut -d= -f1 | sort | tr '\\n' ' '").await;
    let names = env.log_tail.lines().last().unwrap();
    assert_eq!(
        names.trim(),
        "CI HOME LANG PATH POINTSMAN_ATTEMPT POINTSMAN_OUTPUT POINTSMAN_REPOSITORY POINTSMAN_RUN POINTSMAN_SHA \
         POINTSMAN_STEP POINTSMAN_WORKFLOW POINTSMAN_WORKSPACE PWD SHLVL TMPDIR _"
    );
}

#[tokio::test]
async fn a_red_command_is_a_verdict() {
    let bench = Bench::start().await;
    let result = bench.run("echo before\nfalse | true\necho never").await;
    assert_eq!((result.conclusion, &result.error), (Conclusion::Failure, &None));
    assert!(result.log_tail.ends_with("before\n"), "{}", result.log_tail);
    assert!(result.summary.starts_with("The command ended with exit code 1 after"), "{}", result.summary);
    let result = bench.run("echo '::warning file=../../etc/passwd::x'; echo broken=; exit 42").await;
    assert!(result.summary.contains("exit code 42"));
    assert!(result.annotations.is_empty());
}

#[tokio::test]
async fn a_killed_command_is_a_crash() {
    let bench = Bench::start().await;
    let result = bench.run("kill -9 $$").await;
    let error = result.error.unwrap();
    assert_eq!(error.class, Class::Crash);
    assert!(error.message.contains("signal 9"), "{}", error.message);
}

/// Daemons in sessions of their own, with and without our mark, one that ignores TERM.
const DAEMONS: &str = "setsid sleep 86397 & env -i setsid sleep 86397 & (trap '' TERM; exec setsid sleep 86397) &\n\
                       setsid sh -c 'sleep 86397; true' & echo up; wait";

async fn cancel_kills_everything(sandbox: Sandbox) {
    let bench = Bench::with(|options| options.sandbox = sandbox).await;
    let task = bench.send(&bench.request(DAEMONS)).await;
    bench.says(&task, "up").await;
    until("four sleeps", async || (bench.processes("").len() >= 4).then_some(())).await;
    bench.client.cancel(&task.id).await.unwrap();
    let Outcome::Canceled(result) = bench.ended(&task).await else { panic!("not cancelled") };
    let message = result.error.unwrap().message;
    assert!(message.starts_with("stopped on request") && message.contains("no process is left"), "{message}");
    assert_eq!(bench.processes(""), Vec::<String>::new());
    assert!(!bench.path("work dir/work").join(&task.id).exists(), "the workspace is gone");
    // And once more: what has ended cannot be cancelled.
    assert_eq!(bench.client.cancel(&task.id).await.unwrap_err(), crate::agents::Fault::NotCancelable);
}

#[tokio::test]
async fn cancel_kills_a_tree_of_daemons() {
    cancel_kills_everything(Sandbox::Auto).await;
}

#[tokio::test]
async fn cancel_kills_a_tree_of_daemons_without_a_sandbox() {
    cancel_kills_everything(Sandbox::Off).await;
}

#[tokio::test]
async fn cancel_lets_a_command_say_good_bye() {
    for sandbox in [Sandbox::Auto, Sandbox::Off] {
        let bench = Bench::with(|options| options.sandbox = sandbox).await;
        let task = bench.send(&bench.request("trap 'echo good bye; exit 0' TERM; echo up; sleep 86396 & wait")).await;
        bench.says(&task, "up").await;
        bench.client.cancel(&task.id).await.unwrap();
        let Outcome::Canceled(result) = bench.ended(&task).await else { panic!("not cancelled") };
        assert!(result.log_tail.ends_with("good bye\n"), "{}", result.log_tail);
    }
}

#[tokio::test]
async fn a_timeout_is_a_timeout() {
    let bench = Bench::start().await;
    let mut request = bench.request("echo begun; sleep 86395");
    request.step.limits.timeout_ms = Some(1_000);
    let result = bench.run_request(&request).await;
    let error = result.error.unwrap();
    assert_eq!(error.class, Class::Timeout);
    assert!(error.message.contains("ran longer than 1 s; no process is left"), "{}", error.message);
    assert!(result.log_tail.contains("begun\n"), "{}", result.log_tail);
    assert!(bench.processes("sleep 86395").is_empty());
}

#[tokio::test]
async fn what_a_command_leaves_behind_is_killed() {
    for sandbox in [Sandbox::Auto, Sandbox::Off] {
        let bench = Bench::with(|options| options.sandbox = sandbox).await;
        let result = bench.run("setsid sleep 86394 & mkdir -p deep/er; chmod 500 deep; sleep 0.1").await;
        assert_eq!(result.conclusion, Conclusion::Success, "{result:?}");
        assert!(bench.processes("").is_empty());
        until("the workspace to go", async || {
            std::fs::read_dir(bench.path("work dir/work")).unwrap().next().is_none().then_some(())
        })
        .await;
    }
}

/// It has a session of its own, no parent, and nothing of ours in its environment: only the kernel knows whose it is.
#[tokio::test]
async fn a_daemon_without_a_trace_dies_with_its_namespace() {
    let bench = Bench::start().await;
    if bench.sandbox == "process group" {
        eprintln!("NOT TESTED: no process namespace can be made here");
        return;
    }
    // Were it not killed, it would be gone within the minute.
    let daemon = format!("sleep 47.{}", std::process::id());
    let result = bench.run(&format!("env -i setsid sh -c '{daemon} &'")).await;
    assert_eq!(result.conclusion, Conclusion::Success, "{result:?}");
    assert_eq!(bench.processes(&daemon), Vec::<String>::new());
}

#[tokio::test]
async fn a_long_log_stays_bounded() {
    let bench = Bench::start().await;
    let result =
        bench.run("(yes 'a line of the log that goes on and on' || true) | head -c 30000000; echo; echo the end").await;
    assert_eq!(result.conclusion, Conclusion::Success, "{result:?}");
    assert!(result.log_tail.len() <= 64 * 1024 && result.log_tail.len() > 60 * 1024, "{}", result.log_tail.len());
    assert!(result.log_tail.starts_with("a line") && result.log_tail.ends_with("the end\n"));
}

#[tokio::test]
async fn hostile_outputs_are_bad_output() {
    let bench = Bench::start().await;
    for (command, why) in [
        ("ln -sf /etc/passwd \"$POINTSMAN_OUTPUT\"", "no plain file"),
        ("mkfifo \"$POINTSMAN_OUTPUT\"", "no plain file"),
        ("mkdir \"$POINTSMAN_OUTPUT\"", "no plain file"),
        ("head -c 300000 /dev/zero > \"$POINTSMAN_OUTPUT\"", "300000 bytes"),
        ("printf 'a=\\377' > \"$POINTSMAN_OUTPUT\"", "not UTF-8"),
        ("echo 'just words' > \"$POINTSMAN_OUTPUT\"", "line 1: expected key=value"),
        ("echo 'k<<E' > \"$POINTSMAN_OUTPUT\"", "does not end"),
        ("echo '../x=1' > \"$POINTSMAN_OUTPUT\"", "no name for an output"),
        ("echo '{\"a\":' > \"$POINTSMAN_OUTPUT\"", "no JSON object"),
        ("(printf 'big='; head -c 20000 /dev/zero | tr '\\0' x) > \"$POINTSMAN_OUTPUT\"", "more than 16384"),
    ] {
        let result = bench.run(command).await;
        let error = result.error.unwrap_or_else(|| panic!("{command}"));
        assert_eq!(error.class, Class::BadOutput, "{command}");
        assert!(error.message.contains(why), "{command}: {}", error.message);
    }
    let red = bench.run("echo words > \"$POINTSMAN_OUTPUT\"; exit 3").await;
    assert_eq!((red.conclusion, &red.error), (Conclusion::Failure, &None), "a verdict stays a verdict");
    assert!(red.summary.contains("Its outputs are not used"), "{}", red.summary);
}

#[tokio::test]
async fn the_log_can_be_seen_while_it_grows() {
    let bench = Bench::start().await;
    let go = bench.path("go");
    let wait = format!("echo first; until [ -e '{}' ]; do sleep 0.02; done; echo second", go.display());
    let task = bench.send(&bench.request(&wait)).await;
    bench.says(&task, "first").await;
    assert_eq!(bench.client.get(&task.id).await.unwrap().status.state, TaskState::Working);
    std::fs::write(go, "").unwrap();
    let Outcome::Ended(result) = bench.ended(&task).await else { panic!("not ended") };
    assert!(result.log_tail.ends_with("first\nsecond\n"));
    tokio::time::timeout(Duration::from_secs(5), async {
        bench.stop.cancel();
        bench.served.await.unwrap().unwrap();
    })
    .await
    .expect("an idle runner stops at once");
}

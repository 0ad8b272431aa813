//! What people say to it, and press.

use super::world::{GREEN, RUNNING, World};

/// The first step failed.
pub const RED: &str = "
    ✘ ci [failure]: build failed, in 0 s
        buttons: retry
    ✘ ci / build [failure]: Failed in 0 s
        buttons: retry
    ⊝ ci / test [cancelled]: Never ran: a step that it needs failed
        buttons: retry";

#[tokio::test]
async fn retry_runs_what_failed_and_what_never_ran() {
    let world = World::new().await;
    let pr = world.opens("bob").await;
    world.ends("build", "exit 1").await;
    world.shows(pr, RED).await;
    world.says("bob", pr, "It was the network.\n/retry").await;
    world.both_end_well().await;
    let green = "
        A change #1 (open): change -> main by @bob
        ✔ ci [success]: All done in 0 s
        ✔ ci / build [success]: Done in 0 s, attempt 2 with shell
        ✔ ci / test [success]: Done in 0 s
        @bob:
            It was the network.
            /retry
            🚀 👀";
    world.reads(pr, green).await;
    world.closes().await;
}

#[tokio::test]
async fn retry_runs_what_is_named() {
    let world = World::new().await;
    let pr = world.opens("bob").await;
    world.both_end_well().await;
    let shown = |build: &str, test: &str| {
        format!(
            "
        ✔ ci [success]: All done in 0 s
        ✔ ci / build [success]: Done in 0 s{build}
        ✔ ci / test [success]: Done in 0 s{test}"
        )
    };
    world.shows(pr, &shown("", "")).await;
    world.says("ann", pr, "/retry ci/test").await;
    world.ends("test", "exit 1").await;
    let red = "
        ✘ ci [failure]: test failed, in 0 s
            buttons: retry
        ✔ ci / build [success]: Done in 0 s
        ✘ ci / test [failure]: Failed in 0 s, attempt 2 with shell
            buttons: retry";
    world.shows(pr, red).await;
    world.says("ann", pr, "/retry build --from").await;
    world.both_end_well().await;
    world.shows(pr, &shown(", attempt 2 with shell", ", attempt 3 with shell")).await;
    world.says("ann", pr, "/pointsman retry --all").await;
    world.both_end_well().await;
    world.shows(pr, &shown(", attempt 3 with shell", ", attempt 4 with shell")).await;
    world.asks("ann", pr, "/retry").await;
    world.asks("ann", pr, "/retry tset").await;
    let page = "
        A change #1 (open): change -> main by @bob
        ✔ ci [success]: All done in 0 s
        ✔ ci / build [success]: Done in 0 s, attempt 3 with shell
        ✔ ci / test [success]: Done in 0 s, attempt 4 with shell
        @ann:
            /retry ci/test
            🚀 👀
        @ann:
            /retry build --from
            🚀 👀
        @ann:
            /pointsman retry --all
            🚀 👀
        @ann:
            /retry
            👎 👀
        @pointsman[bot]:
            Everything on `<commit 1>` has succeeded, so there is nothing to run again. `/retry <step>` or `/retry --all` runs it all the same.
        @ann:
            /retry tset
            👎 👀
        @pointsman[bot]:
            No step here is called `tset`. There are: `ci/build`, `ci/test`.";
    world.reads(pr, page).await;
    world.closes().await;
}

#[tokio::test]
async fn a_pause_holds_over_pushes_until_resume() {
    let world = World::new().await;
    let pr = world.opens("bob").await;
    world.shows(pr, RUNNING).await;
    world.says("bob", pr, "/pause the network is down").await;
    world
        .shows(pr, "◉ ci [in_progress]: Paused by @bob: the network is down\n◉ ci / build [in_progress]: Running")
        .await;
    // What runs may end; nothing more starts.
    world.ends("build", "exit 0").await;
    world
        .shows(pr, "◉ ci [in_progress]: Paused by @bob: the network is down\n✔ ci / build [success]: Done in 0 s")
        .await;
    world.pushes("bob", "another\n").await;
    world.shows(pr, "○ ci [queued]: Paused by @bob: the network is down").await;
    world.asks("bob", pr, "/status").await;
    world.says("bob", pr, "/resume").await;
    world.both_end_well().await;
    let page = "
        A change #1 (open): change -> main by @bob
        ✔ ci [success]: All done in 0 s
        ✔ ci / build [success]: Done in 0 s
        ✔ ci / test [success]: Done in 0 s
        @bob:
            /pause the network is down
            🚀 👀
        @bob:
            /status
            🚀 👀
        @pointsman[bot]:
            Commit `<commit 2>`:
            | | state |
            |---|---|
            | **`ci`** ([run](<page>)) | `Paused by @bob: the network is down` |
            | `build` | `Paused by @bob: the network is down` |
            `The pause by @bob holds over pushes too: the network is down`
        @bob:
            /resume
            🚀 👀";
    world.reads(pr, page).await;
    world.closes().await;
}

#[tokio::test]
async fn cancel_stops_what_runs() {
    let world = World::new().await;
    let pr = world.opens("bob").await;
    world.shows(pr, RUNNING).await;
    world.says("bob", pr, "/cancel").await;
    let cancelled = "
        ⊝ ci [cancelled]: Cancelled; 0 of 2 steps had finished
            buttons: retry
        ⊝ ci / build [cancelled]: Cancelled with its run
            buttons: retry
        ⊝ ci / test [cancelled]: Cancelled with its run
            buttons: retry";
    world.shows(pr, cancelled).await;
    world.asks("bob", pr, "/cancel").await;
    world.says("bob", pr, "/retry").await;
    world.both_end_well().await;
    let page = "
        A change #1 (open): change -> main by @bob
        ✔ ci [success]: All done in 0 s
        ✔ ci / build [success]: Done in 0 s, attempt 2 with shell
        ✔ ci / test [success]: Done in 0 s
        @bob:
            /cancel
            🚀 👀
        @bob:
            /cancel
            👎 👀
        @pointsman[bot]:
            `/cancel` found nothing to act on: no run of this pull request is live. `/status` shows what there is.
        @bob:
            /retry
            🚀 👀";
    world.reads(pr, page).await;
    world.closes().await;
}

#[tokio::test]
async fn status_and_help_answer_everybody() {
    let world = World::new().await;
    let pr = world.opens("bob").await;
    world.ends("build", "exit 0").await;
    let running = "
        ◉ ci [in_progress]: 0 of 2 steps done
        ✔ ci / build [success]: Done in 0 s
        ◉ ci / test [in_progress]: Running";
    world.shows(pr, running).await;
    world.asks("rita", pr, "/status").await;
    world.says("eve", pr, "/help").await;
    let page = format!("
        A change #1 (open): change -> main by @bob{running}
        @rita:
            /status
            🚀 👀
        @pointsman[bot]:
            Commit `<commit 1>`:
            | | state |
            |---|---|
            | **`ci`** ([run](<page>)) | `1 of 2 steps done` |
            | `build` | `Done in 0 s` |
            | `test` | `Running` |
        @eve:
            /help
            🚀 👀
        @pointsman[bot]:
            | command | what it does | needs |
            |---|---|---|
            | `/retry [step…] [--from] [--all]` | run again what failed or never ran; these steps; with `--from` all behind them too; or everything | write |
            | `/pause [workflow] [why…]` | start nothing more on this pull request, over pushes too, until `resume` | write |
            | `/resume [workflow]` | end the pause | write |
            | `/cancel [workflow]` | stop the runs of this pull request | write |
            | `/approve <40 digits of a commit> or <step>` | trust a commit, or let a step that waits for approval go on | write |
            | `/status` | say what runs, waits and failed | read |
            | `/help` | show this list | read |
            A command is a line of its own, outside code and quotes; a comment holds up to 5, obeyed in order. Steps are named `lint`, `ci/lint` or `ci / lint`. `/pointsman <command>` says beyond doubt who is meant. Authors may `retry` and `cancel` on their own pull request with *triage*, or once its commit is trusted. Not in this release yet: `reject`, `skip`, `run`, `plan`, `why`, `answer`.");
    world.reads(pr, &page).await;
    world.ends("test", "exit 0").await;
    world.closes().await;
}

#[tokio::test]
async fn who_may_not_is_told_so_and_what_is_no_command_is_left_alone() {
    let world = World::new().await;
    let pr = world.opens("bob").await;
    for (who, words) in [
        ("eve", "/cancel"),
        ("tess", "/pause"),
        ("bob", "/retyr"),
        ("bob", "/pointsman retyr"),
        ("bob", "```\n/cancel\n```\n> /cancel\n\n/why build"),
        ("renovate[bot]", "/cancel"),
    ] {
        match words {
            // Another bot's command, for all we know.
            "/retyr" => drop(world.says(who, pr, words).await),
            _ => world.asks(who, pr, words).await,
        }
    }
    let page = "
        A change #1 (open): change -> main by @bob
        ◉ ci [in_progress]: 0 of 2 steps done
        ◉ ci / build [in_progress]: Running
        @eve:
            /cancel
            👎 👀
        @pointsman[bot]:
            `/cancel` needs *write* on this repository; `eve` has *read*. The author of a pull request may do it too: with *triage*, or once the commit is trusted. Ask somebody with *write*.
        @tess:
            /pause
            👎 👀
        @pointsman[bot]:
            `/pause` needs *write* on this repository; `tess` has *triage*. Ask somebody with *write*.
        @bob:
            /retyr
        @bob:
            /pointsman retyr
            👎 👀
        @pointsman[bot]:
            Line 1: there is no command `retyr`. Did you mean `/pointsman retry`?
        @bob:
            ```
            /cancel
            ```
            > /cancel
            /why build
            👎 👀
        @pointsman[bot]:
            `/why` is not in this release yet. `/pointsman help` lists what is.
        @renovate[bot]:
            /cancel
            👎 👀
        @pointsman[bot]:
            `renovate[bot]` is a bot, and `/cancel` is for people. Ask somebody with *write*.";
    world.reads(pr, page).await;
    world.ends("build", "exit 1").await;
    world.closes().await;
}

#[tokio::test]
async fn the_buttons_run_it_again() {
    let world = World::new().await;
    let bob = world.person("bob");
    let pr = world.opens("bob").await;
    world.ends("build", "exit 1").await;
    world.shows(pr, RED).await;
    // "Re-run" on one check.
    bob.rerequest_check(world.check(pr, "ci / build").id).await.unwrap();
    world.ends("build", "exit 1").await;
    let red = RED.replace("Failed in 0 s", "Failed in 0 s, attempt 2 with shell");
    world.shows(pr, &red).await;
    // Somebody without write: the button does nothing, and there is an answer.
    world.person("tess").click(world.check(pr, "ci / build").id, "retry").await.unwrap_err();
    // Our own button.
    bob.click(world.check(pr, "ci").id, "retry").await.unwrap();
    world.ends("build", "exit 1").await;
    world.shows(pr, &RED.replace("Failed in 0 s", "Failed in 0 s, attempt 3 with shell")).await;
    // "Re-run all checks".
    bob.rerequest_suite(world.check(pr, "ci").suite).await.unwrap();
    world.both_end_well().await;
    let green = "
        A change #1 (open): change -> main by @bob
        ✔ ci [success]: All done in 0 s
        ✔ ci / build [success]: Done in 0 s, attempt 4 with shell
        ✔ ci / test [success]: Done in 0 s";
    world.reads(pr, green).await;
    world.closes().await;
}

#[tokio::test]
async fn the_commands_of_one_comment_follow_each_other() {
    let world = World::new().await;
    let pr = world.opens("bob").await;
    world.shows(pr, RUNNING).await;
    let comment = world.says("bob", pr, "/pause\n/resume").await;
    world.reacts(comment, 2).await;
    world.github.deliveries_settled().await;
    world.shows(pr, RUNNING).await;
    world.pushes("bob", "another\n").await;
    world.shows(pr, RUNNING).await;
    world.both_end_well().await;
    world.closes().await;
}

#[tokio::test]
async fn resume_alone_ends_the_pause_of_one_workflow_too() {
    let world = World::new().await;
    let pr = world.opens("bob").await;
    // A run that is paused before its first step starts none.
    world.shows(pr, RUNNING).await;
    world.says("bob", pr, "/pause ci").await;
    world.shows(pr, "◉ ci [in_progress]: Paused by @bob\n◉ ci / build [in_progress]: Running").await;
    world.says("bob", pr, "/resume").await;
    world.shows(pr, RUNNING).await;
    world.pushes("bob", "another\n").await;
    world.shows(pr, RUNNING).await;
    world.both_end_well().await;
    world.shows(pr, GREEN).await;
    world.closes().await;
}

#[tokio::test]
async fn a_workflows_own_check_runs_that_workflow_again() {
    let deploy = "on: pull_request\nsteps: [ { id: deploy, run: exec sh \"$DESK/deploy\", retries: 0 } ]\n";
    let lint = "on: pull_request\nsteps: [ { id: lint, run: exec sh \"$DESK/lint\", retries: 0 } ]\n";
    let world = World::with(&[(".workflows/ship.yml", deploy), (".workflows/style.yml", lint)]).await;
    let pr = world.opens("bob").await;
    world.ends("deploy", "exit 1").await;
    world.ends("lint", "exit 1").await;
    let red = "
        ✘ ship [failure]: deploy failed, in 0 s
            buttons: retry
        ✘ ship / deploy [failure]: Failed in 0 s
            buttons: retry
        ✘ style [failure]: lint failed, in 0 s
            buttons: retry
        ✘ style / lint [failure]: Failed in 0 s
            buttons: retry";
    world.shows(pr, red).await;
    world.person("bob").rerequest_check(world.check(pr, "style").id).await.unwrap();
    world.ends("lint", "exit 0").await;
    let mended = "
        ✘ ship [failure]: deploy failed, in 0 s
            buttons: retry
        ✘ ship / deploy [failure]: Failed in 0 s
            buttons: retry
        ✔ style [success]: All done in 0 s
        ✔ style / lint [success]: Done in 0 s, attempt 2 with shell";
    world.shows(pr, mended).await;
    world.closes().await;
}

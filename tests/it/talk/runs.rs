//! What a pull request and a push start, and what shows of it.

use pointsman::playground::Delivering;

use super::world::{self, CI, GREEN, REPO, RUNNING, World};

/// What the commit of a push shows once all is well.
const PUSHED_GREEN: [&str; 3] =
    ["ci [success]: All done in 0 s", "ci / build [success]: Done in 0 s", "ci / test [success]: Done in 0 s"];

#[tokio::test]
async fn a_pull_request_becomes_green_step_by_step() {
    let world = World::new().await;
    let pr = world.opens("bob").await;
    world.shows(pr, RUNNING).await;
    world.ends("build", "echo fine").await;
    let both = "
        ◉ ci [in_progress]: 0 of 2 steps done
        ✔ ci / build [success]: Done in 0 s
        ◉ ci / test [in_progress]: Running";
    world.shows(pr, both).await;
    world.ends("test", "exit 0").await;
    let green = "
        A change #1 (open): change -> main by @bob
        ✔ ci [success]: All done in 0 s
        ✔ ci / build [success]: Done in 0 s
        ✔ ci / test [success]: Done in 0 s";
    world.reads(pr, green).await;
    world.closes().await;
}

#[tokio::test]
async fn a_red_step_says_why_and_what_to_do() {
    let world = World::new().await;
    let pr = world.opens("bob").await;
    world.ends("build", "echo '::error file=src/lib.rs,line=3::no such thing'; exit 3").await;
    let red = "
        ✘ ci [failure]: build failed, in 0 s
            buttons: retry
        ✘ ci / build [failure]: Failed in 0 s
            src/lib.rs:3 failure no such thing
            buttons: retry
        ⊝ ci / test [cancelled]: Never ran: a step that it needs failed
            buttons: retry";
    world.shows(pr, red).await;
    let build = world.text(pr, "ci / build");
    let expected = "
        > The command ended with exit code 3 after 0 s; no process is left (unshare).
        agent **shell** · attempt 1 · took 0 s
        **Next:** push a fix, or comment `/retry ci/build` to run this step once more, `/retry` for everything that failed.
        ### Log
        ```text
        checking out <commit 1>
        ::error file=src/lib.rs,line=3::no such thing
        ```";
    world::same(&build, expected);
    world.closes().await;
}

#[tokio::test]
async fn a_push_takes_the_place_of_the_run_before() {
    let world = World::new().await;
    let pr = world.opens("bob").await;
    world.shows(pr, RUNNING).await;
    let first = world.head(pr);
    world.pushes("bob", "another\n").await;
    world.shows(pr, RUNNING).await;
    let gone = [
        "ci [cancelled]: A newer run took its place",
        "ci / build [cancelled]: Cancelled with its run",
        "ci / test [cancelled]: Cancelled with its run",
    ];
    world.shows_on(&first, &gone).await;
    world.both_end_well().await;
    world.shows(pr, GREEN).await;
    world.closes().await;
}

#[tokio::test]
async fn closing_cancels_and_reopening_starts_anew() {
    let world = World::new().await;
    let pr = world.opens("bob").await;
    world.shows(pr, RUNNING).await;
    world.person("bob").close(pr).await.unwrap();
    let cancelled = "
        A change #1 (closed): change -> main by @bob
        ⊝ ci [cancelled]: Cancelled; 0 of 2 steps had finished
            buttons: retry
        ⊝ ci / build [cancelled]: Cancelled with its run
            buttons: retry
        ⊝ ci / test [cancelled]: Cancelled with its run
            buttons: retry";
    world.reads(pr, cancelled).await;
    world.person("bob").reopen(pr).await.unwrap();
    world.both_end_well().await;
    world.shows(pr, GREEN).await;
    world.closes().await;
}

#[tokio::test]
async fn a_merge_is_a_push_and_runs_once() {
    let world = World::new().await;
    let pr = world.opens("bob").await;
    world.both_end_well().await;
    world.shows(pr, GREEN).await;
    let merged = world.person("bob").merge(pr).await.unwrap();
    world.both_end_well().await;
    world.shows_on(merged.as_str(), &PUSHED_GREEN).await;
    world.closes().await;
}

#[tokio::test]
async fn a_push_and_a_pull_request_of_one_commit_do_not_double() {
    let everywhere = CI.replace("[main]", "['**']");
    let world = World::with(&[(".workflows/ci.yml", &everywhere)]).await;
    // The branch is pushed before there is a pull request, later the pull request is there first.
    let pr = world.opens("bob").await;
    for text in ["another\n", ""] {
        world.both_end_well().await;
        world.shows(pr, GREEN).await;
        world.github.deliveries_settled().await;
        let ours: Vec<String> = world.github.all_checks(&world.head(pr)).into_iter().map(|check| check.name).collect();
        assert_eq!(ours.len(), 3, "{ours:?}");
        if !text.is_empty() {
            world.pushes("bob", text).await;
        }
    }
    world.closes().await;
}

#[tokio::test]
async fn what_does_not_run_says_why() {
    let filtered = "on: { pull_request: { branches: [release] } }\nsteps: [ { id: a, run: 'true' } ]\n";
    let bad = "on: pull_request\nsteps: [ { id: a, run: 'true', needs: [b] } ]\n";
    let pushed = "on: { push: { branches: [main] } }\nsteps: [ { id: a, run: 'true' } ]\n";
    let closed = "on: { pull_request: { types: [closed] } }\nsteps: [ { id: a, run: 'true' } ]\n";
    let files = &[
        (".workflows/filtered.yml", filtered),
        (".workflows/bad.yml", bad),
        (".workflows/pushed.yml", pushed),
        (".workflows/typed.yml", &closed.replace("closed", "labeled")),
    ];
    let world = World::with(files).await;
    let pr = world.opens("bob").await;
    let shown = "
        ✘ bad [failure]: Its file is wrong
        ⊘ filtered [skipped]: Not for this change
        ⊘ pushed [skipped]: Not for this change";
    world.shows(pr, shown).await;
    let expected = "
        `.workflows/bad.yml` cannot be read, so nothing ran:
        - 2:40 unknown-need: a needs b, but there is no such step
        **Next:** mend the file on the branch that it is taken from.";
    world::same(&world.text(pr, "bad"), expected);
    world.closes().await;
}

#[tokio::test]
async fn a_draft_waits_until_it_is_ready_where_the_workflow_says_so() {
    let world = World::with(&[(".workflows/ci.yml", &format!("drafts: false\n{CI}"))]).await;
    let bob = world.person("bob");
    let pr = bob.open_draft(REPO, "change", "A change", &[("change.txt", "a change\n")]).await.unwrap();
    world.shows(pr, "○ ci [queued]: Waits until this is no draft").await;
    bob.ready_for_review(pr).await.unwrap();
    world.both_end_well().await;
    world.shows(pr, GREEN).await;
    world.closes().await;
}

#[tokio::test]
async fn a_marker_in_the_commit_holds_and_does_not_pass() {
    let world = World::new().await;
    let bob = world.person("bob");
    let pr = bob.open_pull_request(REPO, "change", "Words only [skip ci]", &[("a.txt", "a\n")]).await.unwrap();
    world.shows(pr, "! ci [action_required]: Held by the commit's message").await;
    world.closes().await;
}

#[tokio::test]
async fn the_first_workflow_files_are_checked_and_count_once_they_are_merged() {
    let world = World::with(&[("README.md", "hello\n")]).await;
    let bob = world.person("bob");
    let pr = bob.open_pull_request(REPO, "change", "First", &[(".workflows/ci.yml", CI)]).await.unwrap();
    world.shows(pr, "✔ pointsman / config [success]: 1 workflow file fine").await;
    let expected = "- ✅ `.workflows/ci.yml`\nThese files count when merged into `main`.";
    world::same(&world.text(pr, "pointsman / config"), expected);
    let merged = bob.merge(pr).await.unwrap();
    world.both_end_well().await;
    world.shows_on(merged.as_str(), &PUSHED_GREEN).await;
    world.closes().await;
}

#[tokio::test]
async fn an_edited_workflow_is_checked_and_the_one_on_main_runs() {
    let world = World::new().await;
    let bob = world.person("bob");
    let bad =
        "on: pull_request\nsteps:\n  - id: build\n    run: exit 1\n  - id: test\n    run: exit 1\n    needs: [biuld]\n";
    let pr = bob.open_pull_request(REPO, "change", "Edit", &[(".workflows/ci.yml", bad)]).await.unwrap();
    world.both_end_well().await;
    let red = "
        ✔ ci [success]: All done in 0 s
        ✔ ci / build [success]: Done in 0 s
        ✔ ci / test [success]: Done in 0 s
        ✘ pointsman / config [failure]: 1 workflow file wrong
            .workflows/ci.yml:7 failure test needs biuld, but there is no such step
        did you mean build?";
    world.shows(pr, red).await;
    bob.push(REPO, "change", &[(".workflows/ci.yml", &CI.replace("build", "compile"))], "Mend").await.unwrap();
    world.both_end_well().await;
    world.shows(pr, &format!("{GREEN}\n    ✔ pointsman / config [success]: 1 workflow file fine")).await;
    world.closes().await;
}

#[tokio::test]
async fn deliveries_that_come_twice_do_nothing_twice() {
    let world = World::new().await;
    world.github.set_delivering(Delivering::Twice);
    let pr = world.opens("bob").await;
    world.ends("build", "exit 1").await;
    world.shows(pr, super::commands::RED).await;
    world.says("bob", pr, "/retry").await;
    world.both_end_well().await;
    let green = GREEN.replacen("Done in 0 s", "Done in 0 s, attempt 2 with shell", 1);
    world.shows(pr, &green).await;
    world.asks("bob", pr, "/status").await;
    world.github.deliveries_settled().await;
    let page = format!(
        "
    A change #1 (open): change -> main by @bob{green}
    @bob:
        /retry
        🚀 👀
    @bob:
        /status
        🚀 👀
    @pointsman[bot]:
        Commit `<commit 1>`:
        | | state |
        |---|---|
        | **`ci`** ([run](<page>)) | `All done in 0 s` |
        | `build` | `Done in 0 s, attempt 2 with shell` |
        | `test` | `Done in 0 s` |"
    );
    world.reads(pr, &page).await;
    world.closes().await;
}

#[tokio::test]
async fn a_run_goes_on_after_a_restart() {
    let mut world = World::new().await;
    let pr = world.opens("bob").await;
    world.shows(pr, RUNNING).await;
    world.restarts(&[]).await;
    world.both_end_well().await;
    world.shows(pr, GREEN).await;
    world.closes().await;
}

#[tokio::test]
async fn where_recovery_is_off_a_run_is_held_after_a_restart() {
    let mut world = World::new().await;
    let pr = world.opens("bob").await;
    world.shows(pr, RUNNING).await;
    world.restarts(&[("ENABLE_WORKFLOW_RECOVERY", "false")]).await;
    world.ends("build", "exit 0").await;
    world.shows(pr, "◉ ci [in_progress]: Recovery is off: /resume goes on\n✔ ci / build [success]: Done in 0 s").await;
    world.says("bob", pr, "/resume").await;
    world.ends("test", "exit 0").await;
    world.shows(pr, GREEN).await;
    world.closes().await;
}

//! Commits of people without write run nothing until somebody with write has looked at them.

use pointsman::playground::Permission;

use super::world::{self, GREEN, World};

const HELD: &str = "
    ! ci [action_required]: Somebody with write must approve this commit
        buttons: approve_commit";

#[tokio::test]
async fn a_strangers_commit_waits_for_the_button() {
    let world = World::new().await;
    let pr = world.opens("rita").await;
    world.shows(pr, HELD).await;
    let expected = "
        The author or pusher of this commit has no write access, so nothing has run. **Next:** read the change; then somebody with write presses **Approve this commit**, or comments
        ```
        /approve <commit 1>
        ```
        It counts for this commit alone: a push takes it back.
        | | step | | agent | time |
        |---|---|---|---|---|
        | ⏳ | build | Waits until this commit is approved | shell |  |
        | ⏳ | test | Waits for the steps that it needs | shell |  |
        Defined by `.workflows/ci.yml` at `<main>`.";
    world::same(&world.text(pr, "ci"), expected);
    world.person("bob").click(world.check(pr, "ci").id, "approve_commit").await.unwrap();
    world.ends("build", "exit 0").await;
    world.ends("test", "exit 1").await;
    // The author may try again what was trusted once.
    let red = "
        ✘ ci [failure]: test failed, in 0 s
            buttons: retry
        ✔ ci / build [success]: Done in 0 s
        ✘ ci / test [failure]: Failed in 0 s
            buttons: retry";
    world.shows(pr, red).await;
    world.says("rita", pr, "/retry").await;
    world.ends("test", "exit 0").await;
    let page = "
        A change #1 (open): rita:change -> main by @rita
        ✔ ci [success]: All done in 0 s
        ✔ ci / build [success]: Done in 0 s
        ✔ ci / test [success]: Done in 0 s, attempt 2 with shell
        @rita:
            /retry
            🚀 👀";
    world.reads(pr, page).await;
    world.closes().await;
}

#[tokio::test]
async fn a_strangers_commit_waits_for_its_forty_digits() {
    let world = World::new().await;
    let pr = world.opens("eve").await;
    world.shows(pr, HELD).await;
    let first = world.head(pr);
    world.asks("ann", pr, "/retry").await;
    world.asks("bob", pr, "/approve").await;
    world.asks("eve", pr, &format!("/approve {first}")).await;
    world.pushes_to_fork("eve", "worse\n").await;
    world.shows(pr, HELD).await;
    world.asks("bob", pr, &format!("/approve {first}")).await;
    world.says("bob", pr, &format!("/approve {}", world.head(pr))).await;
    world.both_end_well().await;
    world.shows(pr, GREEN).await;
    world.asks("bob", pr, &format!("/approve {}", world.head(pr))).await;
    let page = "
        A change #1 (open): eve:change -> main by @eve
        ✔ ci [success]: All done in 0 s
        ✔ ci / build [success]: Done in 0 s
        ✔ ci / test [success]: Done in 0 s
        @ann:
            /retry
            👎 👀
        @pointsman[bot]:
            `/retry` starts nothing of a commit that is not trusted. Somebody with *write* looks at it, then writes `/approve <commit 1>`.
        @bob:
            /approve
            👎 👀
        @pointsman[bot]:
            Say what you approve, by a comment of one of these lines:
            - `/approve <commit 1>` (the head of this pull request)
        @eve:
            /approve <commit 1>
            👎 👀
        @pointsman[bot]:
            `/approve` needs *write* on this repository; `eve` has *read*. Ask somebody with *write*.
        @bob:
            /approve <commit 1>
            👎 👀
        @pointsman[bot]:
            `<commit 1>` is not the head of this pull request any more, so nothing was approved. Look at the new commit, then write `/approve <commit 2>`.
        @bob:
            /approve <commit 2>
            🚀 👀
        @bob:
            /approve <commit 2>
            👎 👀
        @pointsman[bot]:
            `<commit 2>` is trusted already; nothing waits for it.";
    world.reads(pr, page).await;
    world.closes().await;
}

/// GitHub shows the button to whoever has write; we ask once more.
#[tokio::test]
async fn nobody_trusts_their_own_commit_by_the_button() {
    let world = World::new().await;
    let pr = world.opens("rita").await;
    world.shows(pr, HELD).await;
    world.github.set_permission(world::REPO, "rita", Permission::Write).await.unwrap();
    world.person("rita").click(world.check(pr, "ci").id, "approve_commit").await.unwrap();
    let page = format!("
        A change #1 (open): rita:change -> main by @rita{}
        @pointsman[bot]:
            `rita` opened this pull request, so somebody else with *write* must look at the commit and write `/approve`.", HELD.replace("\n    ", "\n        "));
    world.reads(pr, &page).await;
    world.closes().await;
}

#[tokio::test]
async fn a_pause_and_a_missing_trust_are_two_things() {
    let world = World::new().await;
    let pr = world.opens("eve").await;
    world.shows(pr, HELD).await;
    world.says("bob", pr, "/pause").await;
    world.github.deliveries_settled().await;
    world.person("bob").click(world.check(pr, "ci").id, "approve_commit").await.unwrap();
    world.shows(pr, "○ ci [queued]: Paused by @bob").await;
    world.says("bob", pr, "/resume").await;
    world.both_end_well().await;
    world.shows(pr, GREEN).await;
    world.closes().await;
}

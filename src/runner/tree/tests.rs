use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::*;
use crate::runner::jail::Jail;
use crate::runner::options::Sandbox;

/// A command that runs until its input ends, in a namespace that is known.
async fn started(jail: &Jail) -> Tree {
    let child = jail.command(&["cat"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut tree = Tree::new(child, Path::new("/nowhere"), true);
    while tree.namespace.is_none() || tree.members().len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tree
}

/// The kernel numbers namespaces with the lowest number that is free.
#[tokio::test]
async fn a_command_that_starts_when_another_has_ended_is_not_taken_for_it() {
    let jail = Jail::probe(Sandbox::Unshare).await.unwrap();
    let mut first = started(&jail).await;
    drop(first.child.stdin.take());
    assert!(first.wait().await.unwrap().success());
    let mut second = started(&jail).await;
    assert_eq!(first.kill().await, (0, 0));
    drop(second.child.stdin.take());
    assert!(second.wait().await.unwrap().success());
}

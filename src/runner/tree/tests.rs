use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::*;
use crate::runner::jail::Jail;
use crate::runner::options::Sandbox;

/// A command that runs until its input ends, in a namespace that is known.
async fn started(jail: &Jail) -> Tree {
    let mut command = jail.command(&["/bin/sh", "-c", "echo up; cat"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut up = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut up).await.unwrap();
    assert_eq!(up, "up\n");
    let mut tree = Tree::new(child, Path::new("/nowhere"), true);
    assert!(!tree.members().is_empty() && tree.namespace.is_some());
    tree
}

/// The kernel gives the numbers of namespaces again soon: of forty commands in a row every fifth would have that of the
/// first.
#[tokio::test]
async fn a_command_that_starts_when_another_has_ended_is_not_taken_for_it() {
    let jail = Jail::probe(Sandbox::Unshare).await.unwrap();
    let mut first = started(&jail).await;
    ended(&mut first).await;
    for _ in 0..40 {
        let mut next = started(&jail).await;
        assert_eq!(first.kill().await, (0, 0));
        ended(&mut next).await;
    }
}

async fn ended(tree: &mut Tree) {
    drop(tree.child.stdin.take());
    assert!(tree.wait().await.unwrap().success());
}

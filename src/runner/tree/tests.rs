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

/// The kernel numbers namespaces with the lowest number that is free; with eight, one gets that of the first.
#[tokio::test]
async fn a_command_that_starts_when_another_has_ended_is_not_taken_for_it() {
    let jail = Jail::probe(Sandbox::Unshare).await.unwrap();
    let mut first = started(&jail).await;
    drop(first.child.stdin.take());
    assert!(first.wait().await.unwrap().success());
    let mut others = Vec::new();
    for _ in 0..8 {
        others.push(started(&jail).await);
    }
    assert_eq!(first.kill().await, (0, 0));
    for mut other in others {
        drop(other.child.stdin.take());
        assert!(other.wait().await.unwrap().success());
    }
}

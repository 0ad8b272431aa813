use super::*;
use crate::ids::InstallationId;

fn sha(digit: char) -> CommitSha {
    digit.to_string().repeat(40).parse().unwrap()
}

/// A run that waits for trust.
fn waiting(number: u128, sha: &CommitSha) -> Target {
    Target {
        run: RunId { installation: InstallationId(7), uuid: uuid::Uuid::from_u128(number) },
        workflow: "ci".parse().unwrap(),
        sha: sha.clone(),
        phase: RunPhase::Asking,
        untrusted: true,
        paused: false,
        left_over: false,
        steps: Vec::new(),
    }
}

/// C-04.
#[test]
fn an_approval_is_for_the_commit_that_it_names() {
    let (old, head) = (sha('a'), sha('b'));
    let (by, voice) = ("ann".parse().unwrap(), Voice { bare: true });
    let giver = Giver { by: &by, head: &head, at: Timestamp(1), voice };
    let targets = [waiting(1, &old), waiting(2, &head)];
    let approve = |sha: &CommitSha| obey(&Command::Approve(Approved::Commit(sha.clone())), &giver, &targets);
    let released = Event::Released { kind: HoldKind::Trust, by: Some(by.clone()) };
    assert_eq!(approve(&head), Obeyed::Acts { events: vec![(targets[1].run, released)], hold: None });
    // Somebody pushed since it was looked at; a run of the old commit may still be there.
    assert_eq!(approve(&old), Obeyed::Cannot(voice.head_moved(&old, &head)));
}

use super::*;
use crate::playground::Options;
use crate::time::Clock;

async fn stage(wish: Wish) -> (GitHub, anyhow::Result<Scene>) {
    let github = GitHub::start(Options::new(Clock::machine())).await.unwrap();
    let scene = wish.stage(&github).await;
    (github, scene)
}

fn sample(workflow: Option<&str>) -> Wish {
    Wish { repo: None, workflow: workflow.map(str::to_owned), broken: false, here: None }
}

/// The workflow answers, and it wants these agents, on these branches.
async fn check(workflow: Option<&str>, expected: (&str, &str, &str, &[&str])) {
    let (github, scene) = stage(sample(workflow)).await;
    let scene = scene.unwrap();
    let workflows: Vec<&str> = scene.workflows.iter().map(WorkflowId::as_str).collect();
    let agents: Vec<&str> = scene.agents.iter().map(AgentName::as_str).collect();
    let base = github.default_branch(scene.repo.as_str()).unwrap();
    let (workflow, into, from, wanted) = expected;
    assert_eq!((workflows.as_slice(), base.as_str(), scene.branch), ([workflow].as_slice(), into, from));
    assert_eq!(agents, wanted);
    assert_eq!(scene.open(&github.person("bob")).await.unwrap(), 1);
}

#[tokio::test]
async fn every_built_in_finds_branches_that_start_it() {
    let agents: &[&str] = &["aider", "claude-code", "codegen", "goose"];
    check(None, ("ci", "main", "bob/change", &[])).await;
    check(Some("pr_processing"), ("pr_processing", "main", "bob/change", agents)).await;
    check(Some("feature_integration"), ("feature_integration", "develop", "bob/change", agents)).await;
    let without_codegen: &[&str] = &["aider", "claude-code", "goose"];
    check(Some("hotfix_deployment"), ("hotfix_deployment", "main", "hotfix/change", without_codegen)).await;
}

#[tokio::test]
async fn what_cannot_be_played_says_what_can() {
    let (_, scene) = stage(sample(Some("nothing"))).await;
    insta::assert_snapshot!(
        scene.err().unwrap(),
        @r#"there is no workflow "nothing" to show; choose ci, pr_processing, hotfix_deployment, feature_integration"#
    );
    let empty = tempfile::tempdir().unwrap();
    let (_, scene) = stage(Wish { repo: Some(empty.path().to_owned()), ..sample(None) }).await;
    assert!(format!("{:#}", scene.err().unwrap()).contains("give the folder of a git repository with a commit"));
}

#[tokio::test]
async fn a_repository_of_this_machine_is_copied() {
    // Another playground's repository is as real as any.
    let (other, scene) = stage(sample(None)).await;
    let repo = scene.unwrap().repo;
    let path: PathBuf = url::Url::parse(&other.clone_url(repo.as_str()).unwrap()).unwrap().to_file_path().unwrap();
    let (github, scene) = stage(Wish { repo: Some(path.clone()), ..sample(Some("pr_processing")) }).await;
    let scene = scene.unwrap();
    assert_eq!(scene.repo.as_str(), "octo/greet-git");
    assert_eq!(scene.workflows.iter().map(WorkflowId::as_str).collect::<Vec<_>>(), ["ci", "pr_processing"]);
    assert!(github.files_in(scene.repo.as_str(), FOLDER).await.unwrap().contains_key(".workflows/pr_processing.yml"));
    assert_eq!(other.files_in(repo.as_str(), FOLDER).await.unwrap().len(), 1, "the source is only read");
    let (_, scene) = stage(Wish { repo: Some(path), ..sample(Some("nothing")) }).await;
    assert!(scene.err().unwrap().to_string().contains("has no .workflows/nothing.yml in its HEAD commit"));
}

#[tokio::test]
async fn a_push_mends_first_and_then_changes_more() {
    let (github, scene) = stage(Wish { broken: true, ..sample(None) }).await;
    let (mut scene, bob) = (scene.unwrap(), github.person("bob"));
    let number = scene.open(&bob).await.unwrap();
    let mut heads = vec![github.read(|state| state.head_of(number).to_owned())];
    for _ in 0..3 {
        scene.push(&bob).await.unwrap();
        heads.push(github.read(|state| state.head_of(number).to_owned()));
    }
    heads.dedup();
    assert_eq!((heads.len(), scene.broken), (4, false));
    assert!(scene.push(&github.person("rita")).await.is_err());
}

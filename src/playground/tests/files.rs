use serde_json::{Value, json};

use super::{REPO, World, world};

const TREE: &str =
    "query($o:String!,$r:String!,$e:String!){ repository(owner:$o,name:$r){ object(expression:$e){ ... on Tree {
  entries { name path type oid object { ... on Blob { oid byteSize isBinary isTruncated text } } } } } }
  rateLimit { cost remaining resetAt } }";

async fn graphql(world: &World, query: &str, variables: Value) -> Value {
    let body = json!({ "query": query, "variables": variables });
    let request = world.http.post(world.github.graphql_url()).bearer_auth(&world.token).json(&body);
    request.send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_folder_of_a_commit_in_one_query() {
    let world = world().await;
    let bytes = format!("#!{}\0x", "y".repeat(9));
    let files = [(".workflows/big.yml", "é\n"), (".workflows/bin", bytes.as_str()), (".workflows/sub/x", "1")];
    let sha = world.github.person("bob").push(REPO, "main", &files, "More").await.unwrap();
    let answer = graphql(&world, TREE, json!({ "o": "octo", "r": "app", "e": format!("{sha}:.workflows") })).await;
    let entries = answer["data"]["repository"]["object"]["entries"].as_array().unwrap();
    let lines: Vec<String> = entries
        .iter()
        .map(|entry| {
            let object = &entry["object"];
            format!(
                "{} {} {} {} {}",
                entry["name"], entry["type"], object["byteSize"], object["isBinary"], object["text"]
            )
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    "big.yml" "blob" 3 false "é\n"
    "bin" "blob" 13 true null
    "ci.yml" "blob" 9 false "name: CI\n"
    "sub" "tree" null null null
    "#);
    assert_eq!((&answer["data"]["rateLimit"]["cost"], &answer["errors"]), (&json!(1), &Value::Null));
    let old =
        graphql(&world, TREE, json!({ "o": "octo", "r": "app", "e": format!("{}:.workflows", world.main) })).await;
    assert_eq!(old["data"]["repository"]["object"]["entries"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn aliases_fragments_and_what_is_missing() {
    let world = world().await;
    let query = r#"query Q($a: String!, $b: String = "main:README.md") {
      # a comment, with a brace {
      repo: repository(owner: "octo", name: "app") {
        one: object(expression: $a) { ...file __typename }
        two: object(expression: $b) { ...file }
        none: object(expression: "main:missing") { ...file }
        gone: object(expression: "0123456789012345678901234567890123456789:x") { ...file }
        defaultBranchRef { name target { oid } }
      }
    }
    fragment file on Blob { text }"#;
    let answer = graphql(&world, query, json!({ "a": "main:run.sh" })).await;
    assert_eq!(
        answer,
        json!({ "data": { "repo": {
            "one": { "text": "#!/bin/sh\necho hi\n", "__typename": "Blob" }, "two": { "text": "# App\n" },
            "none": null, "gone": null, "defaultBranchRef": { "name": "main", "target": { "oid": world.main } },
        } } })
    );
    let missing = graphql(&world, TREE, json!({ "o": "octo", "r": "nothing", "e": "main:x" })).await;
    assert_eq!((&missing["data"]["repository"], &missing["errors"][0]["type"]), (&Value::Null, &json!("NOT_FOUND")));
    assert!(world.github.unexpected_requests().is_empty());
}

#[tokio::test]
async fn a_query_that_is_wrong_is_told_so_with_200() {
    let world = world().await;
    let deep = "{ a ".repeat(100);
    for (query, said) in [
        (
            "{ repository(owner: \"octo\", name: \"app\") { stars } }",
            "Field 'stars' doesn't exist on type 'Repository'",
        ),
        ("{ repository(", "Parse error"),
        ("query($e: String!) { viewer { login } }", "was provided invalid value"),
        ("{ repository(owner: \"octo", "Parse error"),
        (deep.as_str(), "depth"),
        ("}", "Parse error"),
        ("", "no operation"),
    ] {
        let answer = graphql(&world, query, json!({})).await;
        assert!(answer["errors"][0]["message"].as_str().unwrap().contains(said), "{query} -> {answer}");
        assert!(answer.get("data").is_none());
    }
    assert_eq!(world.github.unexpected_requests().len(), 1, "a field that is not known is remembered");
}

#[tokio::test]
async fn files_over_rest() {
    let world = world().await;
    let place = format!("/repos/{REPO}/contents");
    let file = world.get(&format!("{place}/.workflows/ci.yml?ref={}", world.main)).await;
    assert_eq!(
        (&file["type"], &file["encoding"], &file["content"]),
        (&json!("file"), &json!("base64"), &json!("bmFtZTogQ0kK\n"))
    );
    let request = world.request(&world.token, "GET", &format!("{place}/run.sh"), Value::Null);
    let raw = request.header("accept", "application/vnd.github.raw+json").send().await.unwrap();
    assert_eq!(raw.text().await.unwrap(), "#!/bin/sh\necho hi\n");
    let root = world.get(&place).await;
    let names: Vec<&str> = root.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    assert_eq!(names, [".workflows", "README.md", "run.sh"]);
    let tree = world.get(&format!("/repos/{REPO}/git/trees/{}?recursive=1", world.main)).await;
    let paths: Vec<&str> =
        tree["tree"].as_array().unwrap().iter().map(|entry| entry["path"].as_str().unwrap()).collect();
    assert_eq!(paths, [".workflows", ".workflows/ci.yml", "README.md", "run.sh"]);
    assert_eq!((&tree["truncated"], &tree["tree"][3]["mode"]), (&json!(false), &json!("100755")));
    for missing in ["/missing", "/README.md?ref=nowhere", "/../../etc/passwd"] {
        assert_eq!(world.ask("GET", &format!("{place}{missing}"), Value::Null).await.0, 404, "{missing}");
    }
    assert_eq!(world.ask("GET", &format!("/repos/{REPO}/commits/--help"), Value::Null).await.0, 422);
}

#[tokio::test]
async fn commits_and_comparisons() {
    let world = world().await;
    let bob = world.github.person("bob");
    let number = bob
        .open_pull_request(REPO, "topic/one", "One", &[("a.txt", "1\n2\n3\n4\n"), ("README.md", "# New\n")])
        .await
        .unwrap();
    bob.push(REPO, "main", &[("b", "1")], "Main moves").await.unwrap();
    let compared = world.get(&format!("/repos/{REPO}/compare/main...topic/one")).await;
    assert_eq!(
        (&compared["status"], &compared["ahead_by"], &compared["behind_by"]),
        (&json!("diverged"), &json!(1), &json!(1))
    );
    assert_eq!(compared["merge_base_commit"]["sha"], json!(world.main));
    let files = world.get(&format!("/repos/{REPO}/pulls/{number}/files")).await;
    let lines: Vec<String> = files
        .as_array()
        .unwrap()
        .iter()
        .map(|file| format!("{} {} +{} -{}", file["status"], file["filename"], file["additions"], file["deletions"]))
        .collect();
    assert_eq!(lines, ["\"modified\" \"README.md\" +1 -1", "\"added\" \"a.txt\" +4 -0"]);
    let branch = world.get(&format!("/repos/{REPO}/branches/topic%2Fone")).await;
    assert_eq!((&branch["name"], &branch["commit"]["author"]["login"]), (&json!("topic/one"), &json!("bob")));
    let eve = world.github.person("eve").open_pull_request(REPO, "p", "Fork", &[("c", "1")]).await.unwrap();
    for (reference, found) in
        [("topic/one".to_owned(), vec![number]), (world.github.read(|s| s.head_of(eve).to_owned()), vec![])]
    {
        let pulls = world.get(&format!("/repos/{REPO}/commits/{reference}/pulls")).await;
        let numbers: Vec<u64> = pulls.as_array().unwrap().iter().map(|pull| pull["number"].as_u64().unwrap()).collect();
        assert_eq!(numbers, found, "a fork's commit is not found from the base repository");
    }
    let list = world.get(&format!("/repos/{REPO}/pulls?head=eve:p&state=open")).await;
    assert_eq!(list[0]["number"], eve);
}

#[tokio::test]
async fn renames_keep_their_old_name() {
    let world = world().await;
    let bob = world.github.person("bob");
    bob.push(REPO, "main", &[("old.txt", "1\n2\n3\n4\n5\n6\n")], "Add").await.unwrap();
    bob.push(REPO, "move", &[("new.txt", "1\n2\n3\n4\n5\n6\n"), ("z", "1\n")], "Copy").await.unwrap();
    bob.delete_file(REPO, "move", "old.txt").await.unwrap();
    let compared = world.get(&format!("/repos/{REPO}/compare/main...move")).await;
    let (renamed, added) = (&compared["files"][0], &compared["files"][1]);
    assert_eq!((&renamed["status"], &renamed["previous_filename"]), (&json!("renamed"), &json!("old.txt")));
    assert_eq!((&added["filename"], &added["additions"]), (&json!("z"), &json!(1)));
}

#[tokio::test]
async fn the_same_acts_give_the_same_commits() {
    let (one, other) = (world().await, world().await);
    assert_eq!(one.main, other.main);
    let files = [("a", "1")];
    let first = one.github.person("bob").push(REPO, "x", &files, "A").await.unwrap();
    assert_eq!(first, other.github.person("bob").push(REPO, "x", &files, "A").await.unwrap());
}

#[tokio::test]
async fn a_real_repository_is_copied() {
    let world = world().await;
    let source = world.github.read(|state| state.repo(REPO).unwrap().git.dir().to_owned());
    let name = world.github.add_repository_from_git("octo/copy", source).await.unwrap();
    assert_eq!(world.github.head(name.as_str(), "main").await.unwrap().as_str(), world.main);
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    std::fs::write(folder.path().join("sub/a"), "1").unwrap();
    let name = world.github.add_repository_from_folder("octo/sample", folder.path().to_owned()).await.unwrap();
    assert_eq!(world.get(&format!("/repos/{name}/contents/sub")).await[0]["name"], "a");
    let url = world.github.clone_url("octo/sample").unwrap();
    assert!(url.starts_with("file:///") && url.ends_with("/octo/sample.git"), "{url}");
    for bad in ["octo", "../x", "octo/..", "a/b/c"] {
        assert!(world.github.add_repository(bad, &[]).await.is_err(), "{bad}");
    }
}

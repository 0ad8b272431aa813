use super::*;

#[tokio::test]
async fn agents_of_the_environment_are_kept_and_the_others_rehearsed() {
    let rehearsal = Rehearsal::start().await.unwrap();
    let rehearsed = ["goose", "my-agent"].map(|name| name.parse().unwrap());
    let commands = BTreeMap::from([("codegen".parse().unwrap(), "127.0.0.1:8".to_owned())]);
    let shell = "127.0.0.1:7".to_owned();
    let agents = Agents { shell, commands: &commands, rehearsal: &rehearsal, rehearsed: &rehearsed };
    let env = [
        ("CLAUDE_CODE_ENDPOINT", "http://real"),
        ("CLAUDE_CODE_API_KEY", "key"),
        ("AGENTS", "other, shell"),
        ("OTHER_ENDPOINT", "http://other"),
        ("DATABASE_URL", "mysql://the-real-one"),
        ("LOG_LEVEL", "debug"),
    ];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let settings = agents.settings(&env);
    let said = |name: &str| settings.get(name).map(String::as_str);
    let there = rehearsal.endpoint();
    assert_eq!(said("AGENTS"), Some("codegen,goose,my-agent,other,shell"));
    assert_eq!((said("CLAUDE_CODE_ENDPOINT"), said("CLAUDE_CODE_API_KEY")), (Some("http://real"), Some("key")));
    assert_eq!((said("GOOSE_ENDPOINT"), said("MY_AGENT_ENDPOINT")), (Some(there.as_str()), Some(there.as_str())));
    assert_eq!(
        (said("OTHER_ENDPOINT"), said("SHELL_ENDPOINT")),
        (Some("http://other"), Some("http://127.0.0.1:7/a2a"))
    );
    assert_eq!((said("AIDER_ENDPOINT"), said("LOG_LEVEL")), (Some(""), Some("debug")));
    assert_eq!(said("DATABASE_URL"), None, "a real database is never touched");
}

#[test]
fn an_old_database_is_not_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Folder::new(Some(&folder.path().join("new/one"))).is_ok());
    fs::write(folder.path().join(DATABASE), "").unwrap();
    let error = Folder::new(Some(folder.path())).err().unwrap().to_string();
    assert!(error.ends_with("it holds an earlier dev.db; remove that, or give another folder"), "{error}");
}

#[test]
fn a_taken_port_says_what_to_do() {
    let taken = anyhow::Error::from(std::io::Error::from(std::io::ErrorKind::AddrInUse)).context("listening");
    let said = in_use(taken, 4000).to_string();
    assert_eq!(said, "port 4000 is in use: choose another one, or leave --port out for any that is free");
}

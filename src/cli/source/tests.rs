use super::*;

#[test]
fn a_file_goes_before_a_workflow_and_that_before_a_built_in() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str| {
        std::fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
        std::fs::write(folder.path().join(name), name).unwrap();
    };
    let found = |wanted: &str| {
        let source = find(wanted, folder.path()).unwrap();
        (source.id.to_string(), source.name)
    };
    let is = |id: &str, name: &str| (id.to_owned(), name.to_owned());
    assert_eq!(found("pr_processing"), is("pr_processing", "pr_processing (built in)"));
    write(".workflows/pr_processing.yml");
    assert_eq!(found("pr_processing"), is("pr_processing", ".workflows/pr_processing.yml"));
    write("elsewhere/ship.it.yml");
    assert_eq!(found("elsewhere/ship.it.yml"), is("ship.it", "elsewhere/ship.it.yml"));
    assert_eq!(
        find("nowhere", folder.path()).unwrap_err().text(),
        "error: there is no file nowhere and no .workflows/nowhere.yml; built in are pr_processing, hotfix_deployment, \
         feature_integration\n"
    );
}

#[test]
fn a_file_without_end_is_not_read_to_it() {
    assert_eq!(text(io::repeat(b'#'), "it").unwrap().len(), FILE_BYTES_MAX + 1);
}

//! The golden stories. `UPDATE_GOLDEN=1 cargo test engine::script` writes them anew; read the difference.

use std::fs;
use std::path::Path;

#[test]
fn golden_stories_are_told_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/engine");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 25, "stories are missing");
    let mut differ = Vec::new();
    for path in paths {
        let written = fs::read_to_string(&path).unwrap();
        let told = super::tell(&written);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &told).unwrap();
        } else if told != written {
            differ.push(format!("{}:\n{told}", path.display()));
        }
    }
    assert!(differ.is_empty(), "these stories are told otherwise now:\n{}", differ.join("\n"));
}

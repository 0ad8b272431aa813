use super::*;
use crate::workflow::file;

fn read(yaml: &str) -> (Option<Matrix>, Vec<String>) {
    let mut problems = Problems::default();
    let matrix = Matrix::read(&file::read(yaml).unwrap(), &mut problems);
    (matrix, problems.sorted().iter().map(ToString::to_string).collect())
}

/// Each combination as JSON, its names sorted.
#[track_caller]
fn check(yaml: &str, expected: &[&str]) {
    let (matrix, problems) = read(yaml);
    assert_eq!(problems, Vec::<String>::new());
    let seen: Vec<_> =
        matrix.unwrap().combinations.iter().map(|one| serde_json::json!(one.values).to_string()).collect();
    assert_eq!(seen, expected, "{yaml}");
}

#[test]
fn axes_are_multiplied() {
    check(
        "{ os: [ubuntu, macos], node: [18, 20.5] }",
        &[
            r#"{"node":18,"os":"ubuntu"}"#,
            r#"{"node":20.5,"os":"ubuntu"}"#,
            r#"{"node":18,"os":"macos"}"#,
            r#"{"node":20.5,"os":"macos"}"#,
        ],
    );
    let titles = |yaml: &str| {
        let combinations = read(yaml).0.unwrap().combinations;
        combinations.into_iter().map(|one| one.title).collect::<Vec<_>>()
    };
    assert_eq!(titles("{ os: [ubuntu, macos], node: [18] }"), ["ubuntu, 18", "macos, 18"]);
    assert_eq!(titles("{ a: [{ b: 1 }, [2], null, true] }"), [r#"{"b":1}"#, "[2]", "null", "true"]);
    assert_eq!(titles(&format!("{{ a: [{}] }}", "x".repeat(101))), [format!("{}…", "x".repeat(100))]);
}

/// The example of GitHub's reference, with the combinations that it lists.
#[test]
fn includes_of_the_reference() {
    check(
        "
fruit: [apple, pear]
animal: [cat, dog]
include:
  - color: green
  - { color: pink, animal: cat }
  - { fruit: apple, shape: circle }
  - { fruit: banana }
  - { fruit: banana, animal: cat }
",
        &[
            r#"{"animal":"cat","color":"pink","fruit":"apple","shape":"circle"}"#,
            r#"{"animal":"dog","color":"green","fruit":"apple","shape":"circle"}"#,
            r#"{"animal":"cat","color":"pink","fruit":"pear"}"#,
            r#"{"animal":"dog","color":"green","fruit":"pear"}"#,
            r#"{"fruit":"banana"}"#,
            r#"{"animal":"cat","fruit":"banana"}"#,
        ],
    );
}

#[test]
fn excludes_come_first() {
    check(
        "{ os: [a, b], node: [1, 2], exclude: [{ os: a, node: 1 }, { os: b }], include: [{ os: b, node: 2 }] }",
        &[r#"{"node":2,"os":"a"}"#, r#"{"node":2,"os":"b"}"#],
    );
    check("{ include: [{ site: eu }, { site: us, big: true }] }", &[r#"{"site":"eu"}"#, r#"{"big":true,"site":"us"}"#]);
}

#[test]
fn limits_stand_beside_it() {
    let matrix = read("{ os: [a], max-parallel: 2, fail_fast: true }").0.unwrap();
    assert_eq!((matrix.combinations.len(), matrix.max_parallel, matrix.fail_fast), (1, Some(2), Some(true)));
}

#[test]
fn slips_are_told() {
    let check = |yaml: &str, expected: &[&str]| assert_eq!(read(yaml).1, expected, "{yaml}");
    check("os: ubuntu", &["1:5 wrong-kind: the axis os is a list, not text"]);
    check("os: []", &["1:5 bad-value: the axis os has no values"]);
    let help = "(write for_each: with an expression that gives a list)";
    let known = format!("bad-expression: a matrix is known when the file is read, so it holds no expressions {help}");
    check("os: ${{ fromJSON(sha) }}", &[&format!("1:5 {known}")]);
    check("os: ['${{ sha }}']", &[&format!("1:6 {known}")]);
    check("include: ${{ sha }}", &[&format!("1:10 {known}")]);
    check(
        "{ 'a b': [1], c: [1] }",
        &["1:3 bad-id: \"a b\" is no name in a matrix (letters, digits, _ and -, beginning with a letter or _)"],
    );
    check(
        "{ os: [a], exclude: [{ so: a }] }",
        &["1:22 bad-value: exclude names so, which is no axis (did you mean os?)"],
    );
    check("{ os: [a], include: [{}] }", &["1:22 bad-value: an entry of include has 1 to 16 names"]);
    check("{ os: [a], include: { os: b } }", &["1:21 wrong-kind: include is a list of mappings, not a mapping"]);
    let empty = "the matrix has no combination, so the step would never run";
    check(
        "{ os: [a], exclude: [{ os: a }] }",
        &[&format!("1:1 bad-value: {empty} (write os: [ubuntu, macos], or take exclude away)")],
    );
}

/// A few lines must not become a million instances, nor take the time of making them.
#[test]
fn sizes_have_limits() {
    let numbers = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
    let fits = read(&format!("{{ a: [{0}], b: [{0}] }}", numbers(16)));
    assert_eq!((fits.0.unwrap().combinations.len(), fits.1.len()), (256, 0));
    let too_many = |yaml: &str, count: usize| {
        let message = format!("a matrix has at most 256 combinations, this one has {count}");
        assert_eq!(read(yaml).1, [format!("1:1 too-large: {message} (take an axis away, or exclude some)")]);
    };
    too_many(&format!("{{ a: [{}], b: [{}] }}", numbers(16), numbers(17)), 272);
    let axis = numbers(500);
    let bomb: Vec<String> = (0..16).map(|i| format!("a{i}: [{axis}]")).collect();
    too_many(&format!("{{ {} }}", bomb.join(", ")), usize::MAX);
    let include: Vec<String> = (0..200).map(|i| format!("{{ b: {i} }}")).collect();
    let yaml = format!("{{ a: [{}], include: [{}] }}", numbers(100), include.join(","));
    assert_eq!(read(&yaml).1.len(), 0, "each is added to all");
    let include: Vec<String> = (0..200).map(|i| format!("{{ a: x{i} }}")).collect();
    too_many(&format!("{{ a: [{}], include: [{}] }}", numbers(100), include.join(",")), 300);
    let axes: Vec<String> = (0..17).map(|i| format!("a{i}: [1]")).collect();
    assert_eq!(read(&format!("{{ {} }}", axes.join(", "))).1, ["1:1 too-large: a matrix has at most 16 axes"]);
    let long = format!("{{ a: [{}] }}", "x".repeat(1_025));
    assert_eq!(read(&long).1[0], "1:7 too-large: a value of a matrix has at most 1024 bytes");
}

use super::*;

#[test]
fn markers_are_found_where_github_finds_them() {
    let check = |message: &str, expected| assert_eq!(marker(message), expected, "{message:?}");
    check("Fix the build", None);
    check("Fix the build [skip ci]", Some("[skip ci]"));
    check("[CI Skip] docs", Some("[ci skip]"));
    check("docs\n\n[no ci]", Some("[no ci]"));
    check("docs [skip actions]", Some("[skip actions]"));
    check("docs [actions skip]", Some("[actions skip]"));
    check("skip ci", None);
    check("[skip  ci]", None);
    check("docs\n\n\nskip-checks: true", Some("skip-checks: true"));
    check("docs\n\n\nskip-checks:true\r\n", Some("skip-checks: true"));
    check("docs\n\nSigned-off-by: A\nskip-checks: true\n", Some("skip-checks: true"));
    check("docs\n\nskip-checks: true\n\nand then more", None);
    check("docs\n\nskip-checks: false", None);
    check("we now read skip-checks: true", None);
    check("", None);
}

use super::*;
use crate::github::stub::settings;

fn wire(url: &str) -> Wire {
    Wire::new(&settings(url), Clock::manual(Timestamp(0))).unwrap()
}

#[tokio::test]
async fn every_segment_is_escaped() {
    let wire = wire("https://ghe.example/api/v3/");
    let repo: RepoName = "octo/rail.way".parse().unwrap();
    let check = |segments: &[&str], expected: &str| assert_eq!(wire.url_in(&repo, segments).as_str(), expected);
    check(&[], "https://ghe.example/api/v3/repos/octo/rail.way");
    check(&["branches", "a/b"], "https://ghe.example/api/v3/repos/octo/rail.way/branches/a%2Fb");
    check(&["branches", "a?b#c %"], "https://ghe.example/api/v3/repos/octo/rail.way/branches/a%3Fb%23c%20%25");
    check(&["x", "..", "..", "y"], "https://ghe.example/api/v3/repos/octo/rail.way/x/y");
    // A name that is no name leads nowhere but to a 404.
    let odd: RepoName = "octo/../admin".parse().unwrap();
    assert_eq!(wire.url_in(&odd, &["x"]).as_str(), "https://ghe.example/api/v3/repos/octo/..%2Fadmin/x");
}

#[tokio::test]
async fn a_credential_goes_to_githubs_own_origin() {
    let wire = wire("https://ghe.example/api/v3");
    let check = |url: &str, ours| assert_eq!(wire.is_ours(&url.parse().unwrap()), ours, "{url}");
    check("https://ghe.example/anything", true);
    check("http://ghe.example/api/v3", false);
    check("https://ghe.example:8443/api/v3", false);
    check("https://ghe.example.evil.example/", false);
    check("https://ghe.example@evil.example/", false);
}

#[tokio::test]
async fn a_token_that_no_header_takes_is_not_shown() {
    let wire = wire("https://ghe.example");
    let call = Call::get(wire.url(&["app"]));
    let error = call.request(&SecretString::from("ghs_bad\ntoken")).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("ghs_"), "{error:?}");
    let request = call.request(&SecretString::from("ghs_good")).unwrap();
    assert!(!format!("{request:?}").contains("ghs_good"));
}

#[test]
fn the_next_page() {
    let check = |link: &str, expected: Option<&str>| {
        let headers = HeaderMap::from_iter([(header::LINK, link.parse().unwrap())]);
        let reply = Reply { status: StatusCode::OK, headers, body: Vec::new(), effect: Effect::Read };
        assert_eq!(reply.next().as_ref().map(Url::as_str), expected, "{link}");
    };
    check(r#"<https://a.b/x?page=1>; rel="prev", <https://a.b/x?page=3>; rel="next""#, Some("https://a.b/x?page=3"));
    check(r#"<https://a.b/x?page=1>; rel="prev""#, None);
    check(r#"rel="next""#, None);
    check(r#"<not an address>; rel="next""#, None);
}

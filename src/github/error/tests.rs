use http::header::HeaderName;
use proptest::prelude::*;

use super::*;

const AT: Timestamp = Timestamp(1_795_330_800_000_000);

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
}

fn of(status: u16, pairs: &[(&str, &str)], body: &str, effect: Effect) -> Error {
    of_reply(StatusCode::from_u16(status).unwrap(), &headers(pairs), body.as_bytes(), effect, AT)
}

fn until(seconds: i64, limit: Limit) -> Error {
    Error::RateLimited { until: Timestamp(AT.0 + seconds * 1_000_000), limit }
}

/// What GitHub has been seen to answer, and what each means. The reset is 1,200 s from now.
#[test]
fn limits_are_told_from_denials() {
    let reset = "1795332000";
    let primary = r#"{"message":"API rate limit exceeded for installation ID 7.","documentation_url":"https://docs"}"#;
    let secondary =
        r#"{"message":"You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}"#;
    let denied = r#"{"message":"Resource not accessible by integration"}"#;
    type Case<'a> = (u16, &'a [(&'a str, &'a str)], &'a str, Error);
    let cases: &[Case<'_>] = &[
        (403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", reset)], primary, until(1_200, Limit::Primary)),
        (429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", reset)], primary, until(1_200, Limit::Primary)),
        (403, &[("retry-after", "57"), ("x-ratelimit-remaining", "4711")], secondary, until(57, Limit::Secondary)),
        (429, &[("retry-after", "57")], "", until(57, Limit::Secondary)),
        (
            403,
            &[("x-ratelimit-remaining", "4711"), ("x-ratelimit-reset", reset)],
            secondary,
            until(60, Limit::Secondary),
        ),
        (
            403,
            &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", reset)],
            secondary,
            until(1_200, Limit::Secondary),
        ),
        (429, &[], "<html>Too many</html>", until(60, Limit::Secondary)),
        (403, &[], r#"{"message":"You have triggered an abuse detection mechanism"}"#, until(60, Limit::Secondary)),
        (403, &[("x-ratelimit-remaining", "0")], denied, until(60, Limit::Primary)),
        // A reset in the past still means a moment of peace; one in a thousand years is not believed.
        (403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")], primary, until(1, Limit::Primary)),
        (403, &[("retry-after", "-5")], secondary, until(1, Limit::Secondary)),
        (403, &[("retry-after", "99999999999")], secondary, until(7_200, Limit::Secondary)),
        (403, &[("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT")], secondary, until(60, Limit::Secondary)),
        (
            403,
            &[("x-ratelimit-remaining", "4711"), ("x-ratelimit-reset", reset)],
            denied,
            Error::Forbidden("Resource not accessible by integration (status 403)".into()),
        ),
        (403, &[], "<html>", Error::Forbidden("status 403 Forbidden with an HTML page".into())),
    ];
    for (status, pairs, body, expected) in cases {
        assert_eq!(of(*status, pairs, body, Effect::Write), *expected, "{status} {pairs:?} {body}");
        assert_eq!(of(*status, pairs, body, Effect::Read), *expected, "{status} {pairs:?} {body}");
    }
}

#[test]
fn a_gateway_that_fails_hides_what_happened_to_a_write() {
    for status in [408, 500, 502, 503, 504] {
        assert!(matches!(of(status, &[], "<html>", Effect::Read), Error::Unavailable(_)), "{status}");
        assert!(matches!(of(status, &[], "<html>", Effect::Write), Error::Unclear(_)), "{status}");
    }
}

#[test]
fn other_statuses() {
    let check = |status, body: &str, expected: &str| {
        assert_eq!(of(status, &[], body, Effect::Write).to_string(), expected);
    };
    check(
        404,
        r#"{"message":"Not Found"}"#,
        "GitHub does not know it, or the App may not see it: Not Found (status 404)",
    );
    check(
        422,
        r#"{"message":"Validation Failed","errors":[{"resource":"CheckRun","field":"name","code":"missing_field"},{"message":"no"},"also no"]}"#,
        "GitHub finds the request wrong: Validation Failed (status 422): name missing_field; no; also no",
    );
    check(
        401,
        r#"{"message":"A JSON web token could not be decoded"}"#,
        "GitHub refuses the App's credentials: A JSON web token could not be decoded (status 401); check the App's id, its private key and this machine's clock",
    );
    check(
        301,
        "",
        "GitHub answered what Pointsman does not understand: status 301 Moved Permanently with an empty body; see if a newer release does",
    );
}

#[test]
fn graphql_says_no_with_status_200() {
    let check = |kind: &str, message: &str, pairs: &[(&str, &str)], expected: Error| {
        let error = GraphqlError { kind: kind.into(), message: message.into() };
        assert_eq!(of_graphql(&[error], &headers(pairs), AT), Some(expected));
    };
    let exceeded = "API rate limit exceeded for installation ID 7.";
    check(
        "RATE_LIMITED",
        exceeded,
        &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1795332000")],
        until(1_200, Limit::Primary),
    );
    check("RATE_LIMITED", "no more", &[], until(60, Limit::Primary));
    check("", "You have exceeded a secondary rate limit.", &[("retry-after", "9")], until(9, Limit::Secondary));
    check(
        "NOT_FOUND",
        "Could not resolve to a Repository",
        &[],
        Error::NotFound("Could not resolve to a Repository".into()),
    );
    check("FORBIDDEN", "Resource not accessible", &[], Error::Forbidden("Resource not accessible".into()));
    let wrong = "Something went wrong while executing your query.";
    check("", wrong, &[], Error::Unavailable(wrong.into()));
    check("undefinedField", "Field 'mode' doesn't exist", &[], Error::Unexpected("Field 'mode' doesn't exist".into()));
    assert_eq!(of_graphql(&[], &HeaderMap::new(), AT), None);
}

#[test]
fn secrets_do_not_get_in() {
    let old = "ghs_16C7e42F292c6912E7710c838347Ae178B4a";
    let new = format!("ghs_4711_eyJhbGciOiJSUzI1NiJ9.{}.c2lnbmF0dXJl-_x", "a".repeat(400));
    let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----";
    for secret in [old, &new, "github_pat_11AAA_bbb", "eyJhbGciOiJSUzI1NiJ9.e30.x", key] {
        let error =
            of(422, &[], &serde_json::json!({ "message": format!("bad {secret} here") }).to_string(), Effect::Write);
        let shown = format!("{error} {error:?}");
        let tail: String = secret.chars().skip(5).take(12).collect();
        assert!(!shown.contains(&tail) && shown.contains("bad [secret]"), "{shown}");
    }
    assert_eq!(scrubbed("tokens ghs_a.b-c, and ghp_1!"), "tokens [secret], and [secret]!");
}

proptest! {
    #[test]
    fn any_reply_is_some_error(status in 100_u16..600, body in proptest::collection::vec(any::<u8>(), 0..200), remaining in ".{0,5}") {
        let mut pairs = HeaderMap::new();
        if let Ok(value) = remaining.parse() {
            pairs.insert("x-ratelimit-remaining", value);
        }
        let error = of_reply(StatusCode::from_u16(status).unwrap(), &pairs, &body, Effect::Read, AT);
        prop_assert!(error.to_string().len() < MESSAGE_BYTES_MAX + 200);
    }

    #[test]
    fn long_words_are_cut(text in "[a-zé🚂 ]{0,900}") {
        prop_assert!(quoted(&text).len() <= MESSAGE_BYTES_MAX);
    }
}

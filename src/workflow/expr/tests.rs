use proptest::prelude::*;
use serde_json::json;

use super::*;

struct World(Status);

impl Scope for World {
    fn value(&self, root: &str) -> Option<Value> {
        match root {
            "steps" => Some(json!({
                "scan": { "result": "success", "outputs": { "risk": "Low", "areas": ["api", "web"], "n": "07" } },
                "build-it": { "result": "failure", "outputs": { "risk": "high" } },
            })),
            "pr" => Some(
                json!({ "number": 7, "draft": false, "title": "`id`; $(x) \" ' \n ", "labels": [{ "name": "Bug" }, { "name": "ui" }] }),
            ),
            "sha" => Some(json!("abc")),
            "nothing" => Some(Value::Null),
            _ => None,
        }
    }
    fn status(&self) -> Status {
        self.0
    }
}

#[track_caller]
fn check(source: &str, expected: impl Into<Value>) {
    let value = Expr::parse(source).expect(source).eval(&World(Status::Success)).expect(source);
    assert_eq!(value, expected.into(), "{source}");
}

#[track_caller]
fn wrong(source: &str, offset: usize, message: &str) {
    let error = match Expr::parse(source) {
        Err(error) => error,
        Ok(expr) => expr.eval(&World(Status::Success)).expect_err(source),
    };
    assert_eq!((error.offset, error.message.as_str()), (offset, message), "{source}");
}

#[test]
fn literals() {
    check("null", Value::Null);
    check(" true ", true);
    check("-12", -12);
    check("0xff", 255);
    check("0o17", 15);
    check("-2.99e-2", -0.0299);
    check(".5", 0.5);
    check("+1", 1);
    check("'it''s'", "it's");
    check("''", "");
    check("${{ 1 }}", 1);
}

#[test]
fn operands_come_back_as_they_are() {
    check("pr.number || sha", 7);
    check("nothing || sha", "abc");
    check("pr.draft && sha", false);
    check("sha && pr.number", 7);
    check("'' || 0 || nothing", Value::Null);
    check("pr.draft && 'yes' || 'no'", "no");
    check("!sha", false);
    check("!!sha", true);
    check("!!!sha", false);
    check("!!!!''", false);
}

#[test]
fn equality_is_loose() {
    check("'ABC' == sha", true);
    check("'straße' == 'STRASSE'", false);
    check("1 == '1'", true);
    check("1 == '0x1'", true);
    check("true == 1", true);
    check("true == 'true'", false);
    check("nothing == 0", true);
    check("nothing == ''", true);
    check("nothing == null", true);
    check("'x' == 0", false);
    check("'x' != 0", true);
    check("steps.scan.outputs.n == 7", true);
    check("'' == 0", true);
    check("'inf' == 'inf'", true);
    check("'inf' == 0", false);
    check("pr.labels == pr.labels", true);
    check("pr.labels == 'Array'", false);
}

#[test]
fn order() {
    check("1 < 2", true);
    check("'a' < 'B'", true);
    check("'10' < '9'", true);
    check("10 < '9'", false);
    check("2 >= 2", true);
    check("'x' >= 1", false);
    check("'x' < 1", false);
    check("1 < 2 == true", true);
    check("1 == 1 && 2 > 1 || false", true);
    check("false || true && false", false);
    check("(true || true) && false", false);
}

#[test]
fn reaching_into_values() {
    check("steps.scan.outputs.risk", "Low");
    check("steps['build-it'].outputs.risk", "high");
    check("steps.build-it.result", "failure");
}

#[test]
fn keys_are_found_in_any_case() {
    check("steps.SCAN.Outputs.risk", "Low");
    check("pr.labels[0].name", "Bug");
    check("pr.labels['1'].name", "ui");
    check("pr.labels[2].name", Value::Null);
    check("pr.labels[-1]", Value::Null);
    check("pr.labels['x']", Value::Null);
    check("pr.none.of.this[3]", Value::Null);
    check("sha.length", Value::Null);
    check("fromJSON('[1,2]')[1]", 2);
}

#[test]
fn stars() {
    check("pr.labels.*.name", json!(["Bug", "ui"]));
    check("pr.labels[*].name", json!(["Bug", "ui"]));
    check("steps.*.outputs.areas", json!([["api", "web"]]));
    check("steps.*.outputs.areas.*", json!(["api", "web"]));
    check("contains(pr.labels.*.name, 'bug')", true);
    check("sha.*", json!([]));
}

#[test]
fn functions() {
    check("contains('Hello', 'ELL')", true);
    check("contains(pr.labels.*.name, 'u')", false);
    check("contains(123, 2)", true);
    check("startsWith('Hello', 'he')", true);
    check("ENDSWITH('Hello', 'LO')", true);
    check("format('{0} {{{1}}} {0}', 'a', 2)", "a {2} a");
    check("join(pr.labels.*.name, ' + ')", "Bug + ui");
    check("case(false, 1, pr.number == 7, sha, 'x')", "abc");
    check("case(false, 1, 'x')", "x");
    check("join(steps.scan.outputs.areas)", "api,web");
    check("join(sha, 'x')", "abc");
    check("toJSON(steps.scan.outputs.areas)", "[\n  \"api\",\n  \"web\"\n]");
    check("fromJSON('{\"a\": [1.5, null]}').a[0]", 1.5);
    check("format('{0}{1}{2}{3}', true, null, 1.50, pr)", "true1.5Object");
}

#[test]
fn status_functions() {
    let check = |source: &str, status, expected: bool| {
        assert_eq!(Expr::parse(source).unwrap().truthy(&World(status)), Ok(expected), "{source} {status:?}");
    };
    for status in [Status::Success, Status::Failure, Status::Cancelled] {
        check("success()", status, status == Status::Success);
        check("failure()", status, status == Status::Failure);
        check("cancelled()", status, status == Status::Cancelled);
        check("always()", status, true);
        check("!cancelled() && failure()", status, status == Status::Failure);
    }
    let tolerates = |source: &str| Expr::parse(source).unwrap().tolerates_failure();
    assert!(tolerates("always()"));
    assert!(tolerates("${{ pr.draft || !(x[failure()]) }}"));
    assert!(tolerates("format('{0}', Cancelled())"));
    assert!(!tolerates("success()"));
    assert!(!tolerates("'always()'"));
}

#[test]
fn errors_say_where() {
    wrong("nobody.x", 0, "there is no nobody here");
    wrong("true || nobody", 8, "there is no nobody here");
    wrong("1 +", 2, "'+' means nothing here");
    wrong("a = b", 2, "a single = means nothing here: write it twice");
    wrong("\"a\"", 0, "text stands in single quotes here: 'like this'");
    wrong("'a", 0, "this text has no closing quote; a quote inside it is written twice");
    wrong("12ab", 0, "12ab is no number");
    wrong("1e999", 0, "1e999 is no number");
    wrong("(1", 2, "a ) is missing at the end");
    wrong("1 2", 2, "2 is one too many");
    wrong("true and false", 5, "and means nothing here: write &&");
    wrong("true or false", 5, "or means nothing here: write ||");
    wrong("", 0, "the expression ends too early");
    wrong("a.", 2, "a name or * must follow the dot");
    wrong("contain('a', 'b')", 0, "there is no function contain; did you mean contains?");
    wrong("contains('a')", 0, "contains takes 2 arguments, not 1");
    wrong("case(a, 1)", 0, "case takes 3 to 101 arguments, not 2");
    wrong("case(a, 1, b, 2)", 0, "case takes pairs of a condition and a value, and a value for all else");
    wrong(
        "hashFiles('x')",
        0,
        "hashFiles is not here: a run is planned without a checkout. Let a step compute it and use its outputs",
    );
    wrong("${{ 1 2 }}", 6, "2 is one too many");
    wrong("${{ a", 0, "this ${{ has no }}");
    wrong("${{ pr.draft }} && true", 15, "text behind the }}: put the whole condition inside one ${{ }}, or use none");
    wrong("1 && format('{1}', 1)", 5, "format: {1} names no argument; there are 1");
    wrong("format('}')", 0, "format: a lone } in the pattern; write it twice for a brace");
    wrong(
        "hashFiles('**')",
        0,
        "hashFiles is not here: a run is planned without a checkout. Let a step compute it and use its outputs",
    );
}

#[test]
fn hostile_sizes_are_refused() {
    for nested in ["(", "!(", "a[", "format(", "a.b["] {
        assert!(Expr::parse(&nested.repeat(1_000)).is_err());
    }
    let deep = |n: usize| format!("{}1{}", "(".repeat(n), ")".repeat(n));
    assert!(Expr::parse(&deep(parse::DEPTH_MAX - 1)).is_ok());
    let error = Expr::parse(&deep(parse::DEPTH_MAX)).unwrap_err();
    assert_eq!(error.message, "this is nested deeper than 50");
    assert!(Expr::parse(&format!("'{}'", "x".repeat(SOURCE_BYTES_MAX))).is_err());
    for flat in [" || 1", " && 1", " == 1", " < 1"] {
        let source = format!("1{}", flat.repeat(1_000));
        Expr::parse(&source).unwrap().eval(&World(Status::Success)).unwrap();
    }
    check(&format!("{}true", "!".repeat(8_001)), false);
    check(&format!("pr{}", ".a".repeat(4_000)), Value::Null);
}

#[test]
fn output_is_bounded() {
    let mut source = "'0123456789'".to_owned();
    for _ in 0..20 {
        source = format!("format('{{0}}{{0}}{{0}}{{0}}', {source})");
    }
    let error = Expr::parse(&source).unwrap().eval(&World(Status::Success)).unwrap_err();
    assert_eq!(error.message, "writes more than 1048576 bytes");
    let nested = format!("fromJSON('{}')", "[".repeat(8_000));
    assert!(Expr::parse(&nested).unwrap().eval(&World(Status::Success)).is_err());
}

#[test]
fn what_it_names_is_known() {
    let expr = Expr::parse("steps.a.outputs.x == steps['b'].result && pr.steps.c && inputs.d").unwrap();
    assert_eq!(expr.steps_named().into_iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(expr.names().into_iter().collect::<Vec<_>>(), ["inputs", "pr", "steps"]);
    assert!(!expr.any_step_meant());
    for any in ["steps", "toJSON(steps)", "steps.*.x", "steps[pr.x].y", "steps.a && steps[steps.b]"] {
        assert!(Expr::parse(any).unwrap().any_step_meant(), "{any}");
    }
}

#[test]
fn where_it_reaches_is_known() {
    let expr = Expr::parse("${{ pr.head.ref == steps['b'].x[pr.y] && fromJSON(item).z.* }}").unwrap();
    let seen: Vec<String> = expr
        .reaches()
        .iter()
        .map(|reach| {
            let path: Vec<_> = reach.path.iter().map(|(name, at)| format!("{name}@{at}")).collect();
            format!("{}@{} {}", reach.root, reach.at, path.join(" "))
        })
        .collect();
    assert_eq!(seen, ["pr@0 head@3 ref@8", "steps@15 b@15 x@26", "pr@28 y@31", "item@46 "]);
    let compared = |text: &str| {
        let expr = Expr::parse(text).unwrap();
        let one = |c: &Compared<'_>| format!("{} {} {}", c.reach.root, if c.negated { "!=" } else { "==" }, c.value);
        expr.comparisons().iter().map(one).collect::<Vec<_>>()
    };
    assert_eq!(compared("event == 'push' || !('x' != inputs.a)"), ["event == \"push\"", "inputs != \"x\""]);
    assert_eq!(compared("event < 'push' || a == b || a == 1 == 2 || a[b] == 1"), Vec::<String>::new());
}

#[test]
fn names_can_be_replaced() {
    let check = |text: &str, expected: &str| {
        let with = |source: &str, hops| Some((Expr::parse(source).unwrap(), hops));
        let replaced = Expr::parse(text).unwrap().replaced(&|reach| match (reach.root, reach.path.as_slice()) {
            ("inputs", [("a", _), ..]) => with("pr.x || 'it''s'", 1),
            ("inputs", [("n", _), ..]) => with("-7", 1),
            ("steps", [("s", _), ..]) => with("steps['o.s']", 1),
            ("inputs", []) => with("pr", 0),
            _ => None,
        });
        assert_eq!(replaced.unwrap().source(), expected, "{text}");
    };
    check("inputs.a", "pr.x || 'it''s'");
    check("inputs.a == 1 && !inputs.a", "(pr.x || 'it''s') == 1 && !(pr.x || 'it''s')");
    check("inputs.a.b[inputs.n].*", "(pr.x || 'it''s').b[-7].*");
    check("inputs.n.b < 1 == (2 == 3)", "(-7).b < 1 == (2 == 3)");
    check(
        "format('{0}', steps.s.outputs.x, steps.t, toJSON(inputs))",
        "format('{0}', steps['o.s'].outputs.x, steps.t, toJSON(pr))",
    );
    let long = Expr::parse(&vec!["inputs.a"; 400].join("||")).unwrap();
    let huge = Expr::parse(&format!("'{}'", "x".repeat(100))).unwrap();
    assert!(long.replaced(&|_| Some((huge.clone(), 1))).unwrap_err().message.starts_with("an expression has at most"));
}

#[test]
fn serialized_as_its_source() {
    let expr = Expr::parse(" ${{  pr.number || sha }} ").unwrap();
    assert_eq!(serde_json::to_string(&expr).unwrap(), r#""pr.number || sha""#);
    assert_eq!(serde_json::from_str::<Expr>(r#""pr.number || sha""#).unwrap(), expr);
    assert!(serde_json::from_str::<Expr>(r#""pr.""#).is_err());
}

#[test]
fn templates() {
    let render = |text: &str| Template::parse(text).unwrap().render(&World(Status::Success)).unwrap();
    assert_eq!(render("plain }} $ {{"), "plain }} $ {{");
    assert_eq!(render("a ${{ pr.number }}b${{sha}}"), "a 7babc");
    assert_eq!(render("${{ '}}' }}${{ 'it''s }}' }}"), "}}it's }}");
    assert_eq!(render("${{ pr.title }}"), "`id`; $(x) \" ' \n ");
    // A value is never read again: what looks like an expression in a title stays text.
    assert_eq!(render("${{ '${{ sha }}' }}"), "${{ sha }}");
    let value = |text: &str| Template::parse(text).unwrap().value(&World(Status::Success)).unwrap();
    assert_eq!(value("${{ pr.number }}"), json!(7));
    assert_eq!(value(" ${{ pr.number }}"), json!(" 7"));
    assert_eq!(value(""), json!(""));
    let error = Template::parse("ab ${{ 1 2 }}").unwrap_err();
    assert_eq!((error.offset, error.message.as_str()), (9, "2 is one too many"));
    assert_eq!(Template::parse("ab ${{ '}}").unwrap_err().offset, 3);
}

#[test]
fn templates_as_expressions() {
    let check = |text: &str, source: &str| {
        let template = Template::parse(text).unwrap();
        let expr = template.clone().into_expr().unwrap();
        assert_eq!(expr.source(), source);
        let world = World(Status::Success);
        assert_eq!(call::to_text(&expr.eval(&world).unwrap()), template.render(&world).unwrap());
    };
    check("${{ pr.number || sha }}", "pr.number || sha");
    check("it's {0} ${{ sha }}-${{ pr.number }}", "format('it''s {{0}} {0}-{1}', sha, pr.number)");
    check("deploy", "format('deploy')");
}

/// Words of the language in any order: far more often nearly right than random bytes are.
fn soup() -> impl Strategy<Value = String> {
    let words = [
        "steps",
        "pr",
        "sha",
        "scan",
        ".",
        ".",
        "[",
        "]",
        "(",
        ")",
        "!",
        "&&",
        "||",
        "==",
        "<",
        ">=",
        "*",
        ",",
        "'a'",
        "1",
        "-2.5",
        "0x1f",
        "null",
        "true",
        "format(",
        "contains(",
        "join(",
        "always()",
        "toJSON(",
        "'{0}'",
        " ",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..24).prop_map(|words| words.concat())
}

/// Sources that are in the grammar.
fn grammatical() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec!["1", "-2.5", "'it''s'", "null", "true", "sha", "pr.labels", "steps.*.result"]);
    leaf.prop_map(str::to_owned).prop_recursive(6, 48, 3, |inner| {
        let mark = prop::sample::select(vec!["||", "&&", "==", "!=", "<", "<=", ">", ">="]);
        prop_oneof![
            (inner.clone(), mark, inner.clone()).prop_map(|(a, mark, b)| format!("{a} {mark} {b}")),
            inner.clone().prop_map(|a| format!("({a})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            inner.clone().prop_map(|a| format!("({a})[0].name")),
            inner.clone().prop_map(|a| format!("pr[{a}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("join({a}, {b})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("contains({a}, {b})")),
        ]
    })
}

proptest! {
    #[test]
    fn random_text_never_panics(text in any::<String>()) {
        _ = Expr::parse(&text);
        _ = Template::parse(&format!("{text}${{{{{text}}}}}{text}"));
    }

    #[test]
    fn word_soup_never_panics(text in soup()) {
        if let Ok(expr) = Expr::parse(&text) {
            _ = expr.eval(&World(Status::Failure));
        }
        if let Ok(template) = Template::parse(&format!("x ${{{{ {text} }}}}")) {
            _ = template.render(&World(Status::Success));
        }
    }

    #[test]
    fn printed_trees_read_the_same(source in grammatical()) {
        let expr = Expr::parse(&source).expect("is in the grammar");
        let printed = print::print(&expr.node);
        let again = Expr::parse(&printed).expect("printed trees can be read");
        // Once `!!!x` has become `!x`, nothing changes any more.
        let settled = print::print(&again.node);
        prop_assert_eq!(print::print(&Expr::parse(&settled).expect("can be read").node), settled);
        prop_assert_eq!(again.eval(&World(Status::Success)), expr.eval(&World(Status::Success)), "{}", printed);
    }
}

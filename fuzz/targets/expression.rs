//! Expressions and templates: read, written, read again, evaluated. They are total: no input takes long or panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman::workflow::expr::{Expr, Scope, Status, Template};
use serde_json::{Value, json};

struct World;

impl Scope for World {
    fn value(&self, root: &str) -> Option<Value> {
        match root {
            "pr" => Some(json!({ "number": 7, "title": "A `title` ${{ pr.number }}", "labels": ["a", "B"], "draft": false })),
            "steps" => Some(json!({ "a": { "outputs": { "n": 1.5, "list": [1, "two", null, { "x": [[]] }] } } })),
            "inputs" => Some(json!({ "text": "é\u{1F600}\0", "none": null })),
            _ => None,
        }
    }

    fn status(&self) -> Status {
        Status::Failure
    }
}

fuzz_target!(|text: &str| {
    match Expr::parse(text) {
        Ok(expr) => {
            let again = Expr::parse(expr.source()).expect("what was read can be read again");
            assert_eq!(expr, again);
            assert_eq!(expr.names(), again.names());
            assert_eq!(expr.eval(&World), again.eval(&World));
            _ = (expr.truthy(&World), expr.tolerates_failure(), expr.steps_named(), expr.any_step_meant());
        }
        Err(error) => assert!(error.offset <= text.len(), "{error:?}"),
    }
    match Template::parse(text) {
        Ok(template) => _ = (template.render(&World), template.value(&World)),
        Err(error) => assert!(error.offset <= text.len(), "{error:?}"),
    }
});

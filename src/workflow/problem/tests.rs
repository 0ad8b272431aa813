use super::*;
use crate::workflow::defaults::Operator;
use crate::workflow::parse;

/// The example behind a word of a page.
fn example(code: Code, word: &str) -> &'static str {
    let (_, behind) =
        code.page().split_once(&format!("{word}:\n\n```yaml\n")).unwrap_or_else(|| panic!("{code}: {word}"));
    behind.split_once("\n```").unwrap().0
}

fn codes(text: &str) -> Vec<Code> {
    let problems = match parse(&"ci".parse().unwrap(), text, &Operator::default()) {
        Ok(workflow) => workflow.warnings,
        Err(problems) => problems,
    };
    problems.iter().map(|problem| problem.code).collect()
}

#[test]
fn each_code_has_a_page_with_a_file_that_is_wrong_and_one_that_is_right() {
    for code in Code::ALL {
        let wrong = codes(example(code, "Wrong"));
        assert!(wrong.contains(&code), "{code}: its wrong example gives {wrong:?}");
        assert_eq!(codes(example(code, "Right")), [], "{code}: its right example");
        assert!(code.summary().len() > 10, "{code}");
    }
    let pages = PAGES.matches("\n## ").count();
    assert_eq!(pages, Code::ALL.len(), "a page of no code");
}

#[test]
fn the_list_of_codes_is_whole() {
    // The derive of serde knows every variant, and says so when it is asked for one that is none.
    let error = serde_json::from_str::<Code>("\"none\"").unwrap_err().to_string();
    let known = error.matches('`').count() / 2 - 1;
    assert_eq!(known, Code::ALL.len(), "{error}");
}

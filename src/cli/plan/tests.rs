use super::*;

const PAPER: Paper = Paper { width: 80, colours: false };

fn source(text: &str) -> Source {
    Source { id: "ci".parse().unwrap(), name: "ci.yml".to_owned(), text: text.to_owned(), library: Default::default() }
}

fn shown(text: &str, format: Format) -> Result<(String, String), Shown> {
    Plan { wanted: "ci".to_owned(), format }.shown(&source(text), PAPER)
}

#[test]
fn a_wrong_file_is_told_line_by_line() {
    let Err(Shown::Wrong(problems)) =
        shown("steps:\n  - { id: a, run: x, needs: [nowhere] }\n  - { id: a }\n", Format::Svg)
    else {
        panic!("this file is wrong");
    };
    insta::assert_snapshot!(problems, @r"
    ci.yml:2:30 unknown-need: a needs nowhere, but there is no such step
    ci.yml:3:5 missing-field: nobody does this: there is neither run nor agent (write run: …, agent: …, or defaults: { agent: … })
    ci.yml:3:5 duplicate-id: there is already a step a, on line 2
    ");
}

#[test]
fn warnings_are_told_beside_the_plan() {
    let text =
        "error_handling: { strategy: retry, fallback_agents: [goose] }\nsteps: [{ id: a, run: x, timeout: 1m }]\n";
    let Ok((said, shown)) = shown(text, Format::Table) else { panic!("this file is right") };
    insta::assert_snapshot!(format!("{said}{shown}"), @r"
    ci.yml:1:53 warning: no-effect: the strategy retry uses no fallback agents (write strategy: retry_with_fallback)
    ci  1 step in 1 wave

      wave    step  agents  needs  timeout  retries  slack
         1  ● a     shell              1 m        3

      ● critical path  1 m: a
        side by side   saves nothing: 1 m in any order
        at most        1 of 5 steps in wave 1
    ");
}

#[test]
fn more_steps_than_a_picture_shows() {
    let steps: String = (0..=STEPS_MAX).map(|step| format!("  - {{ id: s{step}, run: x }}\n")).collect();
    let Err(Shown::Failed(error)) = shown(&format!("steps:\n{steps}"), Format::Svg) else {
        panic!("this is no picture");
    };
    assert_eq!(error.to_string(), "a picture shows at most 200 steps, this plan has 201: try --format dot");
    assert!(shown(&format!("steps:\n{steps}"), Format::Mermaid).is_ok());
}

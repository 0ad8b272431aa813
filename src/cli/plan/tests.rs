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
    error[unknown-need]: a needs nowhere, but there is no such step
     --> ci.yml:2:30
      |
    2 |   - { id: a, run: x, needs: [nowhere] }
      |                              ^^^^^^^

    error[missing-field]: nobody does this: there is neither run nor agent
     --> ci.yml:3:5
      |
    3 |   - { id: a }
      |     ^
      = help: write run: …, agent: …, or defaults: { agent: … }

    error[duplicate-id]: there is already a step a, on line 2
     --> ci.yml:3:5
      |
    3 |   - { id: a }
      |     ^
      = help: give one of them another id

    3 errors in 1 file
    more about one of them: pointsman validate --explain unknown-need
    ");
}

#[test]
fn warnings_are_told_beside_the_plan() {
    let text =
        "error_handling: { strategy: retry, fallback_agents: [goose] }\nsteps: [{ id: a, run: x, timeout: 1m }]\n";
    let Ok((said, shown)) = shown(text, Format::Table) else { panic!("this file is right") };
    insta::assert_snapshot!(format!("{said}{shown}"), @r"
    warning[no-effect]: the strategy retry uses no fallback agents
     --> ci.yml:1:53
      |
    1 | error_handling: { strategy: retry, fallback_agents: [goose] }
      |                                                     ^
      = help: write strategy: retry_with_fallback

    1 warning in 1 file
    more about one of them: pointsman validate --explain no-effect
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

//! `UPDATE_GOLDEN=1 cargo test report::plan` writes `tests/golden/plan` anew; look at the difference.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::*;
use crate::workflow::defaults::Operator;
use crate::workflow::parse;

const WIDE: Paper = Paper { width: 110, colours: false };

fn plan(id: &str, text: &str) -> (Plan, Forecast) {
    let workflow = parse(&id.parse().unwrap(), text, &Operator::default());
    let workflow = workflow.unwrap_or_else(|problems| panic!("{id}: {problems:#?}"));
    assert_eq!(workflow.warnings, [], "{id}");
    let forecast = workflow.plan.forecast(&BTreeMap::new());
    (workflow.plan, forecast)
}

fn example(id: &str) -> (Plan, Forecast) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!(".workflows-example/{id}.yml"));
    plan(id, &fs::read_to_string(path).unwrap())
}

/// Compares a form of a plan with the file of this name, or writes that.
fn golden(name: &str, form: &str, differ: &mut Vec<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, form).unwrap();
    } else if fs::read_to_string(&path).ok().as_deref() != Some(form) {
        differ.push(format!("{name}:\n{form}"));
    }
}

/// Each example is told as its golden plan says, so that readers see what a file means.
#[test]
fn the_examples_plan_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".workflows-example");
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut ids: Vec<String> = names.filter_map(|name| name.strip_suffix(".yml").map(str::to_owned)).collect();
    ids.sort();
    assert!(ids.len() >= 7, "examples are missing: {ids:?}");
    let mut differ = Vec::new();
    for id in ids {
        let (plan, forecast) = example(&id);
        golden(&format!("tests/golden/plan/{id}.txt"), &table(&plan, &forecast, WIDE), &mut differ);
    }
    assert!(differ.is_empty(), "these plan otherwise now:\n{}", differ.join("\n"));
}

#[test]
fn every_form_is_as_written() {
    let mut differ = Vec::new();
    for id in ["deploy", "packages"] {
        let (plan, forecast) = example(id);
        golden(&format!("tests/golden/plan/{id}.mmd"), &mermaid(&plan, &forecast), &mut differ);
        golden(&format!("tests/golden/plan/{id}.dot"), &dot(&plan, &forecast), &mut differ);
        golden(&format!("tests/golden/plan/{id}.svg"), &svg(&plan, &forecast), &mut differ);
        golden(&format!("tests/golden/plan/{id}.json"), &json(&plan, &forecast).unwrap(), &mut differ);
    }
    // The picture of the README, which scripts/pictures makes.
    let (plan, forecast) = example("pr_processing");
    golden("docs/plan.svg", &svg(&plan, &forecast), &mut differ);
    assert!(differ.is_empty(), "these look otherwise now:\n{}", differ.join("\n"));
}

/// What a stranger may write stays text, in every form.
#[test]
fn names_of_strangers_are_escaped() {
    let evil =
        r#"steps: [{ id: end, name: "</title><script>alert(1)</script>", run: x, environment: "a\"b]<i>`c`#1;\\" }]"#;
    let (plan, forecast) = plan("w", &format!("name: '\"\" ]]> & <b>'\n{evil}"));
    let picture = svg(&plan, &forecast);
    assert!(!picture.contains("<script") && !picture.contains("<i>") && !picture.contains("<b>"), "{picture}");
    assert!(
        picture.contains("&lt;/title&gt;&lt;script&gt;") && picture.contains("&quot;&quot; ]]&gt; &amp; &lt;b&gt;")
    );
    insta::assert_snapshot!(mermaid(&plan, &forecast), @r##"
    flowchart LR
        s0["end<br/>shell · 5 m<br/>environment a#34;b#93;#60;i#62;#96;c#96;#35;1#59;#92;"]:::critical
        classDef critical stroke-width:3px
    "##);
    insta::assert_snapshot!(dot(&plan, &forecast).lines().nth(4).unwrap(), @r##"  "end" [label="end\nshell · 5 m\nenvironment a\"b]<i>`c`#1;\\", color="#d4570c", penwidth=2];"##);
}

#[test]
fn a_narrow_terminal_cuts_lists_and_wraps_sentences() {
    let (plan, forecast) = example("pr_processing");
    let narrow = table(&plan, &forecast, Paper { width: 72, colours: false });
    assert!(narrow.lines().all(|line| unicode_width::UnicodeWidthStr::width(line) <= 72), "{narrow}");
    insta::assert_snapshot!(narrow, @r##"
    Pull request processing  pr_processing, 6 steps in 5 waves

      wave    step            agents      needs      timeout  retries  slack
         1  ● analyze_pr      claude-co…                 1 m        3
         2  ● generate_tasks  codegen     analyze_…      2 m        2
         3  ● deploy_branch   claude-co…  generate…      5 m        3
         4  ○ validate_code   aider → +1  deploy_b…      3 m        2    7 m
            ● run_tests       claude-co…  deploy_b…     10 m        1
         5  ● security_audit  goose → +1  validate…      4 m        2

      ● critical path  22 m: analyze_pr → generate_tasks → deploy_branch →
                       run_tests → security_audit
        side by side   saves 3 m of 25 m
        bottlenecks    run_tests: timeout 10 m (medium)
        at most        2 of 5 steps in wave 4
    "##);
}

#[test]
fn colours_change_no_letter() {
    let (plan, forecast) = example("packages");
    let coloured = table(&plan, &forecast, Paper { colours: true, ..WIDE });
    let mut bare = String::new();
    for (at, part) in coloured.split("\u{1b}[").enumerate() {
        bare.push_str(if at == 0 { part } else { part.split_once('m').unwrap().1 });
    }
    assert_ne!(coloured, bare);
    assert_eq!(bare, table(&plan, &forecast, WIDE));
}

#[test]
fn what_does_not_fit_is_told() {
    let steps: String =
        (0..9).map(|s| format!("  - {{ id: s{s}, run: x, timeout: 30m, resources: {{ memory: 1GB }} }}\n")).collect();
    let (plan, forecast) = plan("w", &format!("resource_limits: {{ memory_limit: 2GB }}\nsteps:\n{steps}"));
    let table = table(&plan, &forecast, WIDE);
    insta::assert_snapshot!(table.split("\n\n").nth(2).unwrap(), @r##"
    ● critical path  30 m: s0
      side by side   saves 2 h of 4 h 30 m
      limits         make it 2 h 30 m: not all that could run at once may
      timeout        the run ends after 1 h, before its steps have used their timeouts
      bottlenecks    s0: timeout 30 m (high)
                     s1: timeout 30 m (high)
                     s2: timeout 30 m (high)
                     s3: timeout 30 m (high)
                     s4: timeout 30 m (high)
                     s5: timeout 30 m (high)
                     and 3 more
      at most        9 steps in wave 1, but only 5 at once: some wait
                     9 GB memory in wave 1, but only 2 GB at once: some wait
    "##);
}

/// Every size that a picture may have, in shapes that stretch it.
#[test]
fn pictures_of_one_to_two_hundred_steps() {
    for steps in [1, 2, 17, 200] {
        let lines: String = (0..steps)
            .map(|s: usize| {
                format!(
                    "  - {{ id: s{s}, run: x, needs: [{}] }}\n",
                    if s < 3 { String::new() } else { format!("s{}, s{}", s / 2, s / 3) }
                )
            })
            .collect();
        let (plan, forecast) = plan("w", &format!("steps:\n{lines}"));
        let picture = svg(&plan, &forecast);
        assert_eq!(picture.matches("class=\"key\"").count(), steps);
        assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n") && !picture.contains("NaN"), "{picture}");
    }
}

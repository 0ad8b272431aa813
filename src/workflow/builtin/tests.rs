//! Every figure of the original design's built-ins, read back from the parsed plans.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::ids::WorkflowId;
use crate::workflow::defaults::{Operator, of_agent};
use crate::workflow::plan::{Notifications, Plan};
use crate::workflow::{Workflow, builtin, parse};

fn workflow(id: &str, text: &str) -> Workflow {
    let id: WorkflowId = id.parse().unwrap();
    let workflow = parse(&id, text, &Operator::default()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(workflow.warnings, []);
    workflow
}

/// The plan as the tables of the original design show it.
fn table(plan: &Plan) -> String {
    let mut text = String::new();
    for step in &plan.steps {
        let needs: Vec<_> = step.needs.iter().map(|ix| plan.steps[*ix as usize].key.as_str()).collect();
        let (kind, seconds, retries) = (step.kind, step.timeout.as_secs(), step.retry.retries);
        let with: Vec<_> = step.action.with.iter().map(|(key, value)| format!("{key}: {value}")).collect();
        let fallbacks: Vec<_> = step.fallback_agents.iter().map(ToString::to_string).collect();
        let (key, name, agent) = (&step.key, &step.name, &step.agent);
        writeln!(text, "{key} | {name} | {kind:?} | {agent} | {} | {seconds} s | {retries}", needs.join(", ")).unwrap();
        writeln!(text, "    {} | then {}", with.join(", "), fallbacks.join(", ")).unwrap();
    }
    let Notifications { on_start, on_complete, on_failure, critical, channels, escalation } = &plan.notifications;
    let strategy = plan.steps[0].retry.strategy;
    writeln!(text, "{strategy:?} | {escalation:?} | {}", plan.recovery_actions.join(", ")).unwrap();
    writeln!(text, "{on_start}/{on_complete}/{on_failure} critical {critical} | {}", channels.join(", ")).unwrap();
    let limits = &plan.limits;
    let (memory, disk) = (limits.resources.memory_bytes >> 30, limits.resources.disk_bytes >> 30);
    writeln!(text, "{} | {memory} GB, {} m, {disk} GB", limits.steps, limits.resources.cpu_millis).unwrap();
    let path: Vec<_> = plan.critical_path.iter().map(|ix| plan.steps[*ix as usize].key.as_str()).collect();
    writeln!(text, "{} = {} s", path.join(" > "), plan.forecast(&BTreeMap::new()).longest.as_secs()).unwrap();
    text.lines().map(str::trim_end).filter(|line| !line.ends_with("| then")).collect::<Vec<_>>().join("\n")
}

#[test]
fn pr_processing() {
    insta::assert_snapshot!(table(&workflow("pr_processing", builtin::text("pr_processing").unwrap()).plan), @r#"
    analyze_pr | Analyze Pull Request | Analysis | claude-code |  | 60 s | 3
        analysis_depth: "comprehensive", check_security: true, include_dependencies: true | then goose, aider
    generate_tasks | Generate AI Tasks | Generation | codegen | analyze_pr | 120 s | 2
        auto_assign: true, priority_level: "high", task_complexity: "medium" | then goose, aider
    deploy_branch | Deploy PR Branch | Deployment | claude-code | generate_tasks | 300 s | 3
        environment: "staging", health_check: true, rollback_on_failure: true | then goose, aider
    validate_code | Validate Code Quality | Validation | aider | deploy_branch | 180 s | 2
        linting: true, performance_check: true, security_scan: true, type_checking: true | then goose
    run_tests | Execute Test Suite | Testing | claude-code | deploy_branch | 600 s | 1
        coverage_threshold: 80, parallel_execution: true, test_types: ["unit","integration","e2e"] | then goose, aider
    security_audit | Security Audit | Security | goose | validate_code, run_tests | 240 s | 2
        compliance_check: true, dependency_check: true, vulnerability_scan: true | then aider
    RetryWithFallback | Some("notify_admin") | rollback, retry, skip
    true/true/true critical false | slack, email, webhook
    5 | 2 GB, 2000 m, 10 GB
    analyze_pr > generate_tasks > deploy_branch > run_tests > security_audit = 1320 s
    "#);
}

#[test]
fn hotfix_deployment() {
    insta::assert_snapshot!(table(&workflow("hotfix_deployment", builtin::text("hotfix_deployment").unwrap()).plan), @r#"
    validate_hotfix | Validate Hotfix | Validation | claude-code |  | 30 s | 1
        quick_validation: true, security_check: true | then goose
    emergency_tests | Emergency Test Suite | Testing | aider | validate_hotfix | 120 s | 1
        fast_execution: true, test_types: ["critical","smoke"] | then goose
    deploy_production | Deploy to Production | Deployment | claude-code | emergency_tests | 180 s | 1
        canary_deployment: true, environment: "production", immediate_rollback: true | then goose
    ImmediateEscalation | Some("immediate_admin_notify") | immediate_rollback
    true/true/true critical true | slack, sms, webhook
    1 | 1 GB, 1000 m, 5 GB
    validate_hotfix > emergency_tests > deploy_production = 330 s
    "#);
}

#[test]
fn feature_integration() {
    insta::assert_snapshot!(table(&workflow("feature_integration", builtin::text("feature_integration").unwrap()).plan), @r#"
    feature_analysis | Analyze Feature Impact | Analysis | codegen |  | 90 s | 2
        dependency_mapping: true, impact_analysis: true, risk_assessment: true | then aider, goose
    integration_tests | Integration Testing | Testing | claude-code | feature_analysis | 480 s | 2
        comprehensive_coverage: true, test_types: ["integration","regression","performance"] | then aider, goose
    compatibility_check | Compatibility Verification | Validation | aider | feature_analysis | 240 s | 2
        api_compatibility: true, backward_compatibility: true, browser_compatibility: true | then goose
    performance_benchmark | Performance Benchmarking | Performance | goose | integration_tests, compatibility_check | 360 s | 1
        load_testing: true, memory_profiling: true, stress_testing: true | then aider
    RetryWithAnalysis | Some("team_notify") | retry, skip_non_critical
    false/true/true critical false | slack, email
    3 | 4 GB, 4000 m, 20 GB
    feature_analysis > integration_tests > performance_benchmark = 930 s
    "#);
}

/// The column `side by side` of the original design, and who can do what.
#[test]
fn who_runs_beside_whom_and_who_can_do_it() {
    let mut beside = Vec::new();
    for (id, text) in builtin::BUILTINS {
        let plan = workflow(id, text).plan;
        let forecast = plan.forecast(&BTreeMap::new());
        for wave in forecast.waves.iter().filter(|wave| wave.steps.len() > 1) {
            let names: Vec<_> = wave.steps.iter().map(|ix| plan.steps[*ix as usize].key.as_str()).collect();
            beside.push(format!("{id}: {} saves {} s", names.join(" + "), wave.saves.as_secs()));
        }
        for step in &plan.steps {
            let agent = of_agent(step.agent.as_str()).unwrap();
            assert!(step.parallel && agent.can.contains(&step.kind), "{}", step.key);
        }
    }
    assert_eq!(
        beside,
        [
            "pr_processing: validate_code + run_tests saves 180 s",
            "feature_integration: integration_tests + compatibility_check saves 240 s"
        ]
    );
}

#[test]
fn the_sample() {
    let sample = workflow("ci", include_str!("../../../.workflows-example/ci.yml"));
    insta::assert_snapshot!(table(&sample.plan), @r#"
    build | Build | Other | shell |  | 60 s | 3
    lint | Lint | Other | shell | build | 60 s | 3
    test | Test | Other | shell | build | 60 s | 0
    report | Report | Other | shell | lint, test | 60 s | 3
    Retry | None |
    false/false/false critical false |
    5 | 4 GB, 4000 m, 20 GB
    build > lint > report = 180 s
    "#);
    assert!(sample.plan.steps[0].outputs_used, "report names its version");
    assert!(!sample.plan.steps[1].outputs_used);
    assert!(sample.triggers.pull_request.is_some() && sample.triggers.push.is_some());
}

/// The definition in the original design, as YAML word by word.
#[test]
fn the_original_sample() {
    let original = workflow(
        "my_custom_workflow",
        r"
id: 'my_custom_workflow'
name: 'My Custom Workflow'
description: 'Custom workflow description'
version: '1.0.0'
steps: [
  {
    id: 'step_1',
    name: 'First Step',
    type: 'analysis',
    agent: 'claude-code',
    dependencies: [],
    timeout: 60000,
    retry_count: 3,
    parallel: false,
    config: {
      # Step-specific configuration
    }
  }
  # ... more steps
]
error_handling: {
  strategy: 'retry_with_fallback',
  max_retries: 3,
  fallback_agents: ['goose', 'aider']
}
",
    );
    let ours = workflow(
        "my_custom_workflow",
        "
name: My Custom Workflow
description: Custom workflow description
version: 1.0.0
error_handling: { strategy: retry_with_fallback, max_retries: 3, fallback_agents: [goose, aider] }
steps:
  - id: step_1
    name: First Step
    type: analysis
    agent: claude-code
    timeout: 1m
    retries: 3
    parallel: false
",
    );
    assert_eq!(original, ours);
    insta::assert_snapshot!(table(&original.plan), @r#"
    step_1 | First Step | Analysis | claude-code |  | 60 s | 3
         | then goose, aider
    RetryWithFallback | None |
    false/false/false critical false |
    5 | 4 GB, 4000 m, 20 GB
    step_1 = 60 s
    "#);
    assert!(!original.plan.steps[0].parallel);
}

use super::*;

/// The lines of a metric, without help and type.
fn lines(metrics: &Metrics, name: &str) -> Vec<String> {
    let text = metrics.text();
    text.lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect()
}

#[test]
fn every_name_of_the_design_is_there() {
    let metrics = Metrics::new();
    metrics.run_began();
    metrics.run_ended(&"ci".parse().unwrap(), RunOutcome::Success, Duration::from_secs(7));
    metrics.runs_active(3);
    metrics.run_unreadable();
    metrics.step_ended(Kind::Testing, &"shell".parse().unwrap(), Duration::from_secs(2));
    metrics.queue_waited(Duration::from_millis(20));
    metrics.retried(FaultClass::RateLimit);
    metrics.fell_back();
    metrics.recovered(Recovery::Adopted);
    metrics.slots(&"goose".parse().unwrap(), 1, Some(4));
    metrics.checks_overdue(2);
    metrics.github_wrote();
    metrics.inbox_age(Duration::from_millis(1_500));
    metrics.webhook(Webhook::Accepted);
    let check = |line: &str| assert!(metrics.text().lines().any(|l| l == line), "{line}\n{}", metrics.text());
    check("pointsman_runs_total{workflow=\"ci\",result=\"success\"} 1");
    check("pointsman_runs_active 3");
    check("pointsman_runs_unreadable_total 1");
    check("pointsman_run_seconds_count 1");
    check("pointsman_run_seconds_bucket{le=\"15.0\"} 1");
    check("pointsman_step_seconds_count{type=\"testing\",agent=\"shell\"} 1");
    check("pointsman_queue_wait_seconds_count 1");
    check("pointsman_retries_total{class=\"rate_limit\"} 1");
    check("pointsman_fallbacks_total 1");
    check("pointsman_recoveries_total{result=\"adopted\"} 1");
    check("pointsman_slots_used{agent=\"goose\"} 1");
    check("pointsman_slots_limit{agent=\"goose\"} 4");
    check("pointsman_checks_overdue 2");
    check("pointsman_github_writes_total 1");
    check("pointsman_inbox_age_seconds 1.5");
    check("pointsman_webhooks_total{outcome=\"accepted\"} 1");
    check("pointsman_webhooks_total{outcome=\"unsigned\"} 0");
    check("workflow_active_count 3");
    check("workflow_total_executions 1");
    assert!(metrics.text().ends_with("# EOF\n"));
    assert_eq!(metrics.figures(), Figures { runs_active: 3, runs_started: 1, github_writes: 1, checks_overdue: 2 });
}

#[test]
fn strangers_cannot_name_labels_without_end() {
    let metrics = Metrics::new();
    for number in 0..NAMES_MAX + 50 {
        let workflow = format!("w{number}").parse().unwrap();
        metrics.run_ended(&workflow, RunOutcome::Failure, Duration::from_secs(1));
    }
    let lines = lines(&metrics, "pointsman_runs_total");
    assert_eq!(lines.len(), NAMES_MAX + 1);
    assert!(lines.contains(&"pointsman_runs_total{workflow=\"other\",result=\"failure\"} 50".to_owned()));
}

#[test]
fn clones_count_together() {
    let metrics = Metrics::new();
    metrics.clone().github_wrote();
    assert_eq!(lines(&metrics, "pointsman_github_writes_total"), ["pointsman_github_writes_total 1"]);
}

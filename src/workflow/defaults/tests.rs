use super::*;

#[test]
fn each_figure_of_the_step_types() {
    let rows: Vec<_> = KINDS
        .iter()
        .map(|k| {
            let Resources { memory_bytes, cpu_millis, .. } = k.resources;
            format!("{} {} s {} {} MB {}", k.name, k.timeout.as_secs(), k.retries, memory_bytes / MB, cpu_millis)
        })
        .collect();
    assert_eq!(
        rows,
        [
            "analysis 60 s 2 512 MB 500",
            "generation 120 s 2 1024 MB 1000",
            "deployment 300 s 3 1024 MB 1000",
            "validation 180 s 2 512 MB 500",
            "testing 600 s 1 2048 MB 2000",
            "security 240 s 2 1024 MB 1000",
            "performance 360 s 1 2048 MB 2000",
        ]
    );
    assert_eq!((TIMEOUT.as_secs(), RETRIES), (300, 3));
    assert_eq!((BACKOFF.as_secs(), BACKOFF_FACTOR_PERCENT), (1, 200));
    assert!(of_kind(Kind::Other).is_none());
}

#[test]
fn each_figure_of_the_agents() {
    let rows: Vec<_> = AGENTS
        .iter()
        .map(|a| {
            let can: Vec<_> = a.can.iter().map(|kind| of_kind(*kind).unwrap().name).collect();
            let (port, seconds) = (a.endpoint.rsplit_once(':').unwrap().1, a.timeout.as_secs());
            let (at_once, retries, weight) = (a.at_once, a.retries, a.weight_percent);
            format!(
                "{} {} {port} {} {at_once} {seconds} s {retries} {weight}",
                a.name,
                a.endpoint_variable,
                can.join("+")
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            "claude-code CLAUDE_CODE_ENDPOINT 3001 analysis+deployment+testing+validation 3 300 s 2 100",
            "codegen CODEGEN_ENDPOINT 3002 generation+analysis+validation 5 120 s 2 100",
            "aider AIDER_ENDPOINT 3003 validation+testing+security 2 180 s 2 80",
            "goose GOOSE_ENDPOINT 3004 security+performance+validation 2 240 s 1 70",
        ]
    );
}

#[test]
fn what_an_operator_allows_by_default() {
    let operator = Operator::default();
    assert_eq!(operator.timeout.as_millis(), 3_600_000);
    assert_eq!((operator.limits.steps, operator.steps_max), (5, 1_000));
    let Resources { memory_bytes, cpu_millis, disk_bytes } = operator.limits.resources;
    assert_eq!((memory_bytes / GB, cpu_millis, disk_bytes / GB), (4, 4_000, 20));
}

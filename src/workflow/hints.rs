//! What to say to those who write another language's words: most first workflows are written from memory of GitHub
//! Actions, and some from that of other systems.

/// Fields that others have: the mapping, their names there, and what to write here.
const FIELDS: &[(&str, &[&str], &str)] = &[
    (
        "a workflow",
        &["jobs", "stages"],
        "write steps: with the steps of all jobs in one list, and needs: at each that waits for another",
    ),
    ("a workflow", &["strategy", "matrix"], "write matrix: at a step"),
    ("a workflow", &["run", "script"], "write steps: [{ id: build, run: … }]"),
    ("a step", &["script", "cmd", "command", "commands"], "write run: with the command line"),
    ("a step", &["runs-on", "runs_on", "image", "tags"], "remove it: whoever does the step brings a machine"),
    ("a step", &["timeout-minutes", "timeout_minutes", "timeoutMinutes"], "write timeout: 10m, with its unit"),
    ("a step", &["depends_on", "depends-on", "dependsOn", "after", "requires"], "write needs: [build]"),
    ("a step", &["when", "only", "rules", "condition"], "write if: and an expression"),
    ("a step", &["allow_failure", "soft_fail", "ignore_errors"], "write critical: false"),
    ("a step", &["prompt", "instructions", "task"], "write with: { prompt: … }, which the agent gets"),
    ("a step", &["args", "arguments", "parameters", "inputs"], "write with: { … }"),
    ("a step", &["environment_variables", "variables", "envs"], "write env: { NAME: value }"),
    ("a workflow", &["timeout-minutes", "timeout_minutes"], "write timeout: 1h, with its unit"),
    (
        "permissions",
        &[
            "contents",
            "pull-requests",
            "issues",
            "checks",
            "statuses",
            "packages",
            "deployments",
            "actions",
            "id-token",
        ],
        "steps get no token of GitHub; permissions says what an agent may touch: network, write_paths, tools",
    ),
    ("config.yml", &["on", "steps", "jobs"], "a workflow is a file of its own: .workflows/NAME.yml"),
    ("pull_request", &["types-ignore", "tags"], "pull_request has types, branches, paths and labels"),
];

/// Mappings and lists, and how they are written.
const SHAPES: &[(&str, &str)] = &[
    ("a workflow", "begin with on: and steps:, each at the start of a line"),
    ("a step", "write - id: build, and run: make below id"),
    ("steps", "write - id: build in place of build:, and its fields below"),
    ("retry", "retries: 3 says how often; retry: { backoff: 5s } says how long to wait in between"),
    ("approval", "write approval: true, or approval: { from: maintain }"),
    ("rollback", "write rollback: { run: ./undo.sh }"),
    ("with", "write with: { prompt: … }"),
    ("env", "write env: { NAME: value }"),
    ("matrix", "write matrix: { os: [debian, alpine] }"),
    ("for_each", "it is an expression that gives a list; of what is known now write matrix: { item: [a, b] }"),
    ("budget", "write budget: { max_cost_usd: 5 }"),
    ("resources", "write resources: { memory: 2GB, cpu: 2 cores }"),
    ("concurrency", "write concurrency: { group: \"${{ ref }}\" }"),
];

/// What to write in place of a field that a mapping does not have.
pub(super) fn field(of: &str, name: &str) -> Option<&'static str> {
    let found = FIELDS.iter().find(|(mapping, names, _)| *mapping == of && names.contains(&name));
    found.map(|(_, _, help)| *help)
}

/// How something is written.
pub(super) fn shape(what: &str) -> Option<&'static str> {
    SHAPES.iter().find(|(known, _)| *known == what).map(|(_, help)| *help)
}

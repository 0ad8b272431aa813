//! The lines of the table.

use super::Measure::{Cores, Dollars, Duration, Factor, Size};
use super::Shape::{
    Agent, Any, Each, Either, Expression, Flag, Having, Id, Kind, Line, List, Map, Measure, Named, OneOrList, Plain,
    Text, Whole, Word,
};
use super::{Field, Group, Shape, field, group};
use crate::workflow::matrix::COMBINATIONS_MAX;
use crate::workflow::overlay::REMOVE_MAX;
use crate::workflow::parse::GROUP_LIMIT_MAX;
use crate::workflow::pattern::PATTERNS_MAX;
use crate::workflow::policy::{TRUSTED_APPS_MAX, VERBS};
use crate::workflow::schedule::SCHEDULES_MAX;
use crate::workflow::steps::{MAX_PARALLEL_MAX, NEEDS_MAX, OUTPUTS_MAX, REQUIRED_MAX};
use crate::workflow::trigger::PULL_REQUEST_TYPES;
use crate::workflow::work::{FALLBACK_AGENTS_MAX, RETRIES_MAX, VARIABLES_MAX};

/// No limit of its own: that of the file holds.
const UNBOUNDED: usize = usize::MAX;
const RETRIES: Shape = Whole(0, RETRIES_MAX as i64);
const AT_ONCE: Shape = Whole(1, MAX_PARALLEL_MAX as i64);
const FALLBACKS: Shape = OneOrList(&Agent, FALLBACK_AGENTS_MAX);
const PATTERNS: Shape = OneOrList(&Text, PATTERNS_MAX);
const REQUIRED: Shape = OneOrList(&Text, REQUIRED_MAX);
const INPUTS_SHAPE: Shape = Each(&Map(&INPUT));
const PERMISSION: Shape = Word(&["read", "triage", "write", "maintain", "admin"]);
const SKIPS: Shape = Word(&["hold", "pass", "off"]);

/// A file `.workflows/NAME.yml`.
pub static WORKFLOW: Group = group("workflow", "A workflow: when it runs, and the graph of its steps. The name of the file is its id.", &[&[
    field("uses", Word(&["pr_processing", "hotfix_deployment", "feature_integration"]), "A built-in workflow as the ground of this one: what the file says takes the place of what that says, step by step of the same id."),
    field("remove", OneOrList(&Text, REMOVE_MAX), "Steps of the built-in workflow to leave out; who needed one needs what that needed.").example("[\"security_audit\"]"),
    field("name", Line, "What people see. Without it, the name of the file.").example("Continuous integration"),
    field("description", Text, "What it is for, for people."),
    field("version", Line, "Its version, for people.").example("1.2.0"),
    field("id", Text, "The name of the file, and nothing else; it may be left out.").example("ci"),
    field("on", Either(&[OneOrList(&Word(&["pull_request", "push", "merge_group", "schedule", "manual", "workflow_dispatch", "comment"]), 20), Map(&ON)]), "What starts it: an event, a list of them, or a mapping with what narrows them. Without it only people start it."),
    field("inputs", INPUTS_SHAPE, "The values that a person may give at the start; they may stand under `on.manual` instead."),
    field("timeout", Measure(Duration), "How long a whole run may take. Without it, what the server says (`1h`)."),
    field("concurrency", Either(&[Plain, Map(&CONCURRENCY)]), "Runs of one group do not run beside each other. A text alone is the group.").example("deploy-${{ ref }}"),
    field("resource_limits", Map(&RESOURCE_LIMITS), "What a run may take at once, at most what the server allows."),
    field("budget", Map(&BUDGET), "What a run may cost."),
    field("notifications", Map(&NOTIFICATIONS), "Who hears of a run."),
    field("checks", Word(&["each_step", "failed", "workflow"]), "Which checks a commit shows beside that of the workflow: one of each step, of the failed ones, or none.").default("each_step"),
    field("drafts", Flag, "Whether it runs for draft pull requests.").default("true"),
    field("skip_markers", SKIPS, "What `[skip ci]` in a commit does: the check waits for a person, passes, or nothing. Without it, what `config.yml` says."),
    field("error_handling", Map(&ERROR_HANDLING), "What happens when steps fail, for all steps."),
    field("defaults", Map(&DEFAULTS), "What all steps share where they do not say otherwise."),
    field("env", ENV, "Variables of every command line; a step's own count before them."),
    field("run-name", Line, "A name of each run, with expressions. Checked, and not shown yet.").example("Deploy ${{ ref }}").also(&["run_name"]),
    field("permissions", Map(&PERMISSIONS), "What the agents of all steps may touch that do not say it themselves."),
    field("steps", STEPS, "What it does. Steps without `needs` start at once."),
]]).one_of(&["steps", "uses"]);

/// A file `.workflows/lib/NAME.yml`.
pub static LIBRARY: Group = group("library", "Steps that other workflows use, with `uses: ./lib/NAME.yml` in a step.", &[&[
    field("name", Line, "What people see."),
    field("description", Text, "What it is for, for people."),
    field("inputs", INPUTS_SHAPE, "The values that the using step gives by `with`."),
    field("outputs", Each(&Either(&[Plain, Map(&LIBRARY_OUTPUT)])), "What the using file sees as `steps.ID.outputs.NAME`: an expression of the steps in here.").example("{\"version\": \"${{ steps.build.outputs.version }}\"}"),
    field("defaults", Map(&DEFAULTS), "What all steps in here share; where it is silent, the using file's hold."),
    field("env", ENV, "Variables of every command line in here."),
    field("steps", STEPS, "The steps; their ids get that of the using step before them."),
]]).one_of(&["steps"]);

/// The file `.workflows/config.yml`.
pub static POLICY: Group = group("config", "What a repository decides for all its workflows.", &[&[
    field("definition_ref", Word(&["default", "base"]), "Whose version of a workflow counts for a pull request: the default branch's, or that of the branch it shall be merged into. Never its own.").default("default"),
    field("bare_commands", Flag, "Whether `/retry` works as well as `/pointsman retry`.").default("true"),
    field("trusted_apps", List(&Whole(1, i64::MAX), TRUSTED_APPS_MAX), "The ids of Apps whose commits need no approval.").example("[29110]"),
    field("commands", Named(&VERBS, &PERMISSION), "Who may use a command, where that differs from the default.").example("{\"retry\": \"triage\"}"),
    field("skip_markers", SKIPS, "What `[skip ci]` in a commit does: the check waits for a person, passes, or nothing.").default("hold"),
    field("limits", Map(&LIMITS), "The most that any run may take, whatever its file says."),
    field("notifications", Map(&NOTIFICATIONS), "Who hears of a run whose file does not say."),
    field("budgets", Map(&BUDGETS), "What runs may cost.").also(&["budget"]),
]]);

static ON: Group = group("on", "The events that start a workflow. `push:` with nothing behind it is every push.", &[&[
    field("pull_request", Map(&PULL_REQUEST), "A pull request is opened or changes."),
    field("push", Map(&PUSH), "A branch or a tag is pushed."),
    field("merge_group", Map(&MERGE_GROUP), "The merge queue asks. Checked; not acted on yet."),
    field("schedule", OneOrList(&Either(&[Plain, Map(&SCHEDULE)]), SCHEDULES_MAX), "The clock: cron lines, or words such as `daily around 3:00`, `weekly on monday`, `hourly`. Checked; not acted on yet.").example("daily around 3:00"),
    field("manual", Map(&MANUAL), "A person starts it, with inputs. Checked; the inputs are not asked for yet.").also(&["workflow_dispatch"]),
    field("comment", Either(&[OneOrList(&Plain, UNBOUNDED), Map(&COMMENT)]), "Somebody comments on a pull request. A text or a list is `commands`. Checked; not acted on yet.").example("deploy"),
]]);

const BRANCHES: Field = field("branches", PATTERNS, "The branches that count, as patterns; `!` before one takes away.").example("[\"main\", \"release/**\"]");
const BRANCHES_IGNORE: Field = field("branches-ignore", PATTERNS, "The branches that do not count. Not beside `branches`.").also(&["branches_ignore"]);
const PATHS: Field = field("paths", PATTERNS, "The changed files that count, as patterns: one of them must have changed.").example("[\"src/**\", \"!**/*.md\"]");
const PATHS_IGNORE: Field = field("paths-ignore", PATTERNS, "The changed files that do not count. Not beside `paths`.").also(&["paths_ignore"]);

static PULL_REQUEST: Group = group("pull_request", "Which pull requests. `branches` is the branch that one shall be merged into.", &[&[
    field("types", OneOrList(&Word(&PULL_REQUEST_TYPES), PULL_REQUEST_TYPES.len()), "What must have happened. Without it `opened`, `synchronize` and `reopened`; with `labels` also `labeled`.").example("[\"opened\", \"ready_for_review\"]"),
    BRANCHES, BRANCHES_IGNORE, PATHS, PATHS_IGNORE,
    field("labels", OneOrList(&Text, UNBOUNDED), "At least one of these labels, and none of those with `!`.").example("[\"deploy\", \"!wip\"]"),
]]);

static PUSH: Group = group("push", "Which pushes.", &[&[
    BRANCHES, BRANCHES_IGNORE,
    field("tags", PATTERNS, "The tags that count, as patterns.").example("[\"v*\"]"),
    field("tags-ignore", PATTERNS, "The tags that do not count. Not beside `tags`.").also(&["tags_ignore"]),
    PATHS, PATHS_IGNORE,
]]);

static MERGE_GROUP: Group = group("merge_group", "Which groups of the merge queue.", &[&[
    field("types", OneOrList(&Word(&["checks_requested"]), 1), "GitHub has this one only."),
    BRANCHES, BRANCHES_IGNORE,
]]);

static SCHEDULE: Group = group("schedule", "A time.", &[&[
    field("cron", Text, "Minute, hour, day, month and weekday; or words such as `daily around 3:00`.").example("17 3 * * 1"),
    field("timezone", Text, "A zone by its name.").default("UTC").example("Europe/Berlin"),
]]).one_of(&["cron"]);

static MANUAL: Group = group("manual", "A start by a person.", &[&[field("inputs", INPUTS_SHAPE, "The values that the person may give.")]]);

static COMMENT: Group = group("comment", "What somebody writes under a pull request. At least one command or phrase.", &[&[
    field("commands", OneOrList(&Text, UNBOUNDED), "Words: `deploy` for a line that begins with `/deploy`.").example("[\"deploy\"]"),
    field("phrases", OneOrList(&Text, UNBOUNDED), "Whole lines.").example("[\"ship it\"]"),
    field("from", PERMISSION, "Who may: what a person must be allowed to do in the repository.").default("write"),
]]);

static INPUT: Group = group("input", "A value that somebody gives, as `inputs.NAME` in expressions.", &[&[
    field("type", Word(&["string", "number", "boolean", "choice", "environment"]), "What values it takes.").default("string"),
    field("options", OneOrList(&Text, crate::workflow::inputs::OPTIONS_MAX), "The values of a `choice`.").example("[\"staging\", \"production\"]"),
    field("required", Flag, "Whether it must be given where it has no default.").default("false"),
    field("description", Text, "What it is for, for people."),
    field("default", Text, "Its value when nobody gives one."),
]]);

static CONCURRENCY: Group = group("concurrency", "Runs that do not run beside each other.", &[&[
    field("group", Text, "The name of the group, with expressions; a run is in the group of that name, in its repository.").example("${{ pr.number || sha }}"),
    field("limit", Whole(1, GROUP_LIMIT_MAX as i64), "How many may run at once.").default("1"),
    field("on_conflict", Word(&["queue", "replace_running", "replace_queued", "drop_new"]), "What happens when the group is full: the new run waits, takes the place of a running or of a waiting one, or is dropped.").default("queue"),
    field("cancel-in-progress", Flag, "As on Actions: `true` is `on_conflict: replace_running`, `false` is `replace_queued`."),
]]).one_of(&["group"]);

const MEMORY_LIMIT: Field = field("memory_limit", Measure(Size), "Memory of the steps that run at once.").example("4GB");
const CPU_LIMIT: Field = field("cpu_limit", Measure(Cores), "Cores of the steps that run at once.").example("4 cores");
const DISK_SPACE: Field = field("disk_space", Measure(Size), "Disk of the steps that run at once.").example("20GB");

static RESOURCE_LIMITS: Group = group("resource_limits", "What one run may take at once. What is not said, and what is above it, is the server's.", &[&[
    field("max_concurrent_steps", Whole(1, 1_000), "Steps at once."),
    MEMORY_LIMIT, CPU_LIMIT, DISK_SPACE,
]]);

static LIMITS: Group = group("limits", "The most that any run of the repository may take.", &[&[
    field("max_concurrent_steps", Whole(1, 1_000), "Steps of one run at once."),
    field("timeout", Measure(Duration), "How long a run may take."),
    MEMORY_LIMIT, CPU_LIMIT, DISK_SPACE,
    field("max_concurrent_workflows", Whole(1, 1_000), "Runs of the repository at once. Checked; not acted on yet."),
]]);

static BUDGET: Group = group("budget", "What one run may cost.", &[&[field("max_cost_usd", Measure(Dollars), "In US dollars, as the agents tell their costs. Above it, the run stops and asks a person.")]]);

static BUDGETS: Group = group("budgets", "What runs may cost, in US dollars.", &[&[
    field("max_cost_usd", Measure(Dollars), "One run; above it, it stops and asks a person."),
    field("max_cost_usd_per_day", Measure(Dollars), "All runs of a day. Checked; not acted on yet."),
    field("max_cost_usd_per_month", Measure(Dollars), "All runs of a month. Checked; not acted on yet."),
]]);

static NOTIFICATIONS: Group = group("notifications", "When somebody is told, and where.", &[&[
    field("on_start", Flag, "When a run starts.").default("false"),
    field("on_complete", Flag, "When a run ends well.").default("false"),
    field("on_failure", Flag, "When a run fails.").default("false"),
    field("critical", Flag, "Whether it is told as urgent.").default("false"),
    field("channels", OneOrList(&Word(&["slack", "email", "sms", "webhook"]), UNBOUNDED), "Where."),
]]);

static ERROR_HANDLING: Group = group("error_handling", "What happens when steps fail.", &[&[
    field("strategy", Word(&["retry", "retry_with_fallback", "retry_with_analysis", "immediate_escalation"]), "Try again; then with the fallback agents; each time told what went wrong before; or tell people at once and do not try again. Without it `retry`, and for a step with fallback agents `retry_with_fallback`."),
    field("max_retries", RETRIES, "The most retries of any step, whatever the step says."),
    field("fallback_agents", FALLBACKS, "Who gets a step, one after the other, when its own agent has used up its retries.").example("[\"goose\", \"aider\"]"),
    field("parallel", Word(&["continue", "fail_dependent", "fail_fast"]), "What a failure means for the others: the steps behind one that is not `critical` go on, those behind any failed one are cancelled, or the whole run ends.").default("fail_dependent"),
    field("escalation", Word(&["notify_admin", "immediate_admin_notify", "team_notify"]), "Who is told when retries do not help."),
    field("recovery_actions", OneOrList(&Word(&["rollback", "immediate_rollback", "retry", "skip", "skip_non_critical"]), UNBOUNDED), "What people are offered when a step has failed."),
]]);

const TIMEOUT: Field = field("timeout", Measure(Duration), "How long each try may take. Without it what `defaults`, then the type, then the agent says; else `5m`.");
const RETRIES_FIELD: Field = field("retries", RETRIES, "Further tries with each agent. Without it what `defaults`, then the type, then the agent says; else 3.").once(&["retry_count"]);
const RETRY_FIELD: Field = field("retry", Map(&RETRY), "How long to wait between tries.");

static DEFAULTS: Group = group("defaults", "What all steps share where they do not say otherwise.", &[&[
    field("agent", Agent, "Who does the steps that have no `run` and name nobody."),
    TIMEOUT, RETRIES_FIELD, RETRY_FIELD,
]]);

static RETRY: Group = group("retry", "The wait between tries: it grows by a factor, up to a most.", &[&[
    field("backoff", Measure(Duration), "The first wait.").default("1s"),
    field("factor", Measure(Factor), "How much longer each further wait is, from 1 to 10.").default("2"),
    field("max", Measure(Duration), "The longest wait.").default("5m"),
]]);

static PERMISSIONS: Group = group("permissions", "What an agent may touch; it is told. What is not said is not limited.", &[&[
    field("network", REQUIRED, "Hosts it may reach.").example("[\"crates.io\"]"),
    field("write_paths", REQUIRED, "Files it may write, as patterns.").example("[\"src/**\"]"),
    field("tools", REQUIRED, "Tools it may use."),
]]);

const ENV: Shape = Each(&Text);
const STEPS: Shape = List(&Having("uses", &CALL, &STEP), UNBOUNDED);
const ID: Field = field("id", Id, "Its name in `needs` and expressions: letters, digits, `_` and `-`. Must be there.").example("lint");
const NEEDS: Field = field("needs", OneOrList(&Text, NEEDS_MAX), "The steps that must have ended well before it starts.").example("[\"build\"]").once(&["dependencies"]);
const CRITICAL: Field = field("critical", Flag, "Whether its failure fails the run.").default("true");
const GOES_ON: Field = field("continue-on-error", Flag, "As on Actions: `true` is `critical: false`.").also(&["continue_on_error"]);
const MAX_PARALLEL: Field = field("max_parallel", AT_ONCE, "How many instances of a fan-out run at once. Without it as many as the run may have.").also(&["max-parallel"]);
const FAIL_FAST: Field = field("fail_fast", Flag, "Whether the first instance that fails ends the others.").default("false").also(&["fail-fast"]);

static STEP: Group = group("step", "A step: a command line (`run`), or words for an agent (`with`).", &[&[
    ID,
    field("name", Line, "What people see; it may hold `${{ matrix.NAME }}`. Without it, the id."),
    NEEDS,
    field("if", Expression, "Whether it runs. Without it, when all that it needs ended well.").example("event == 'push'"),
    field("join", Word(&["all", "any"]), "How many of `needs` must have ended well: each, or one, with the first of which it starts.").default("all"),
], WORK, &[
    field("for_each", Expression, "A list: one instance for each of its items, which is `item` in expressions. Known when the step starts.").example("fromJSON(steps.build.outputs.files)"),
    field("matrix", Map(&MATRIX), "One instance for each combination, which is `matrix` in expressions. Known when the file is read."),
    field("strategy", Map(&STRATEGY), "As on Actions: what stands around `matrix` there."),
    MAX_PARALLEL, FAIL_FAST, CRITICAL, GOES_ON,
    field("parallel", Flag, "`false`: it runs alone.").default("true"),
    field("exclusion_group", Line, "No two steps of a run with the same name here run at once."),
    field("environment", Line, "The GitHub environment that it deploys to; one run at a time holds it.").example("production"),
    field("priority", Whole(-1_000, 1_000), "Of steps with equally long ways to the end, the higher starts first.").default("0"),
    field("approval", Either(&[Flag, Map(&APPROVAL)]), "A person must agree before it starts."),
    field("rollback", Map(&ROLLBACK), "What undoes it, where it started and then failed or ran out of time."),
    field("required_context", OneOrList(&Expression, REQUIRED_MAX), "Values that must be there when it starts: none may be `null`.").example("[\"steps.build.outputs.version\"]"),
    field("permissions", Map(&PERMISSIONS), "What its agent may touch."),
    field("outputs", Either(&[OneOrList(&Text, OUTPUTS_MAX), Each(&OUTPUT_SHAPE)]), "What it gives: names, or names with types. What is declared must be there at its end.").example("{\"version\": \"string\"}"),
    field("resources", Map(&RESOURCES), "What it takes of the run's `resource_limits`."),
]]).one_of(&["id"]);

const WORK: &[Field] = &[
    field("run", Text, "A command line for the shell. It holds no expressions: values reach it by `env`.").example("make test"),
    field("agent", Agent, "Who does it. With `run` it is the shell where nothing is said.").example("claude-code"),
    field("with", Each(&Any), "Words for the agent: any mapping, with expressions.").example("{\"prompt\": \"Review ${{ sha }}\"}").once(&["config"]),
    field("type", Kind, "What kind of work: it brings timeout, retries and resources with it."),
    field("working-directory", Text, "The folder of the checkout where `run` starts.").example("web").also(&["working_directory"]),
    field("shell", Word(&["bash", "sh"]), "Accepted for Actions' sake: the runner's own shell runs every line."),
    field("env", ENV, "Variables of the command line, with expressions.").example("{\"BRANCH\": \"${{ ref }}\"}"),
    field("secrets", OneOrList(&Text, VARIABLES_MAX), "Names of the runner's secrets that the command line gets as variables.").example("[\"TOKEN\"]"),
    field("fallback_agents", FALLBACKS, "Who gets it, one after the other, when its agent has used up its retries. Without it, those of `error_handling`."),
    TIMEOUT,
    field("queue_timeout", Measure(Duration), "How long it may wait for an agent. Without it, as long as the run."),
    field("stall_timeout", Measure(Duration), "How long a try may show no sign of life.").default("10m"),
    RETRIES_FIELD, RETRY_FIELD,
];

static CALL: Group = group("call", "A step that uses a file of `.workflows/lib/`: the steps of the file stand in its place.", &[&[
    field("uses", Text, "The file: `./lib/NAME.yml`.").example("./lib/test.yml"),
    field("with", Each(&Any), "The file's inputs, by name; expressions may stand for values.").once(&["config"]),
    ID,
    field("name", Line, "What people see before the names of the file's steps."),
    NEEDS,
    field("if", Expression, "Whether the steps of the file run."),
    CRITICAL, GOES_ON,
]]).one_of(&["id"]);

static ROLLBACK: Group = group("rollback", "What undoes a step. Without `agent` it is who did the step.", &[WORK]);

static MATRIX: Group = group("matrix", "Axes by names of your own, each a list of values; all their combinations run.", &[&[
    field("include", List(&Each(&Any), COMBINATIONS_MAX), "Combinations, or values for them, to add.").example("[{\"os\": \"macos\"}]"),
    field("exclude", List(&Each(&Any), UNBOUNDED), "Combinations to leave out: those that agree with all of an entry.").example("[{\"os\": \"windows\"}]"),
    MAX_PARALLEL, FAIL_FAST,
]]).rest(&List(&Any, COMBINATIONS_MAX));

static STRATEGY: Group = group("strategy", "A matrix as Actions writes it.", &[&[
    field("matrix", Map(&MATRIX), "One instance for each combination."),
    MAX_PARALLEL, FAIL_FAST,
]]);

static APPROVAL: Group = group("approval", "Who agrees before a step starts.", &[&[
    field("from", Word(&["write", "maintain", "admin"]), "What that person must be allowed to do in the repository.").default("write"),
    field("not_author", Flag, "Whether it must be somebody else than the author.").default("false"),
]]);

const OUTPUT_TYPES: Shape = Word(&["any", "string", "number", "boolean", "list", "object"]);
const OUTPUT_SHAPE: Shape = Either(&[OUTPUT_TYPES, Map(&OUTPUT)]);

static OUTPUT: Group = group("output", "What an output must be.", &[&[
    field("type", OUTPUT_TYPES, "What it is.").default("any"),
    field("required", Flag, "Whether the step fails without it.").default("true"),
    field("description", Text, "What it is for, for people."),
]]);

static LIBRARY_OUTPUT: Group = group("library_output", "What a file of the library gives.", &[&[
    field("value", Expression, "An expression of the steps of the file.").example("${{ steps.build.outputs.version }}"),
    field("description", Text, "What it is for, for people."),
]]).one_of(&["value"]);

static RESOURCES: Group = group("resources", "What a step takes of the run's limits. Nothing is set aside for what is not said.", &[&[
    field("memory", Measure(Size), "Memory."),
    field("cpu", Measure(Cores), "Cores."),
    field("disk", Measure(Size), "Disk."),
]]);

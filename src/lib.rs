//! Pointsman: a self-hosted GitHub App that drives the workflows of a repository as durable graphs of steps.
//!
//! # The flow
//! ```text
//! POST /webhook → verify → envelope → inbox insert → 202            the handler does nothing else
//! inbox lane → parse → Event → route(Event, Facts) → Vec<Intent>    facts are loaded first
//! Intent → engine event → apply(&mut RunState, event) → changes + effects
//! the door: journal + run + attempts + dirty checks + inbox mark    ONE transaction
//! attempt row → claim → dispatch → agent (A2A) → callback or poll → engine event → …
//! gate → admit → Granted, Superseded … → engine event → …
//! head commit → desired checks → diff with what GitHub shows → reconcile
//! RunState → next_timer → run.wake_at → advance
//! ```
//!
//! # Layers
//! A module imports only from lower layers, or from earlier modules of its own; `tests/it/tidy.rs` holds that.
//!
//! | layer | modules |
//! |---|---|
//! | 0 | [`ids`], [`time`], [`crash`] |
//! | 1, pure | [`inbound`], [`workflow`], [`command`], [`engine`], [`report`], [`route`], [`explain`], [`rehearse`] |
//! | 2, all I/O | [`store`], [`github`], [`agents`], [`wake`], [`metrics`] |
//! | 3 | [`loops`] |
//! | 4 | [`http`], [`runner`], [`playground`], [`sim`] |
//! | 5 | [`config`], [`app`], [`cli`] |
//!
//! # Words
//! | word | meaning |
//! |---|---|
//! | delivery | one webhook as GitHub sent it |
//! | event | what it says, in our words |
//! | intent | what we decide to do about it |
//! | workflow | a definition in YAML |
//! | plan | a workflow resolved into a checked graph |
//! | run | one execution of a plan for one commit |
//! | step | a node of the plan |
//! | attempt | one try of a step by one agent; its id is idempotency key and fence at once |
//! | hold | why a run may not start steps |
//! | gate | what decides across runs: a group, an environment, a limit, a budget |
//! | head | a commit that we report on |
//! | effect | something to do once outside |
//! | check | a GitHub check run |
//!
//! We do not say job, task (but for A2A's), pipeline, stage, workflow instance.

pub mod crash;
pub mod ids;
pub mod time;

pub mod command;
pub mod engine;
pub mod explain;
pub mod inbound;
pub mod rehearse;
pub mod report;
pub mod route;
pub mod workflow;

pub mod agents;
pub mod github;
pub mod metrics;
pub mod store;
pub mod wake;

pub mod loops;

pub mod http;
pub mod playground;
pub mod runner;
pub mod sim;

pub mod app;
pub mod cli;
pub mod config;

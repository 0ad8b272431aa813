//! What the parts are given of the settings.

use url::Url;

use crate::agents::{self, Reach, Registry};
use crate::config::{Agent, Settings};
use crate::engine::state::{GateKey, OperatorLimits};
use crate::github;
use crate::route::OperatorFacts;
use crate::time::Clock;
use crate::workflow::defaults::Operator;
use crate::workflow::plan;

/// What GitHub's adapter is told.
pub(super) fn github(settings: &Settings) -> github::Settings {
    let github = &settings.github;
    github::Settings {
        api_url: github.api_url.clone(),
        graphql_url: github.graphql_url.clone(),
        web_url: github.web_url.clone(),
        issuer: github.issuer(),
        private_key: github.private_key.clone(),
    }
}

/// The agents. The operator named their hosts, so these may be reached wherever they are.
pub(super) fn registry(agents: &[Agent], clock: Clock) -> anyhow::Result<Registry> {
    let hosts: Vec<&str> = agents.iter().flat_map(|agent| &agent.endpoints).filter_map(Url::host_str).collect();
    let one = |agent: &Agent| agents::Settings {
        name: agent.name.clone(),
        endpoints: agent.endpoints.clone(),
        api_key: agent.api_key.clone(),
        timeout: agent.timeout,
        max_concurrent: agent.max_concurrent,
        retries: agent.retries,
        weight_percent: agent.weight_percent,
        capabilities: agent.capabilities.clone(),
    };
    Registry::new(agents.iter().map(one).collect(), &Reach::listed(hosts), clock).map_err(|bad| {
        let all: Vec<String> = bad.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}", all.join("; "))
    })
}

/// What every run gets from the operator.
pub(super) fn operator(settings: &Settings) -> (OperatorFacts, Operator) {
    let limits = &settings.limits;
    let mut gates = vec![GateKey("service:runs".to_owned())];
    gates.extend(limits.runs_per_installation.map(|_| GateKey("installation:runs".to_owned())));
    let language = Operator {
        timeout: limits.run_timeout,
        limits: plan::Limits { steps: limits.run.steps, resources: limits.run.resources },
        steps_max: limits.plan_steps as usize,
    };
    (OperatorFacts { limits: OperatorLimits::default(), gates }, language)
}

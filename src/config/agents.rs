//! Who does the work: the agents of the original design, and those that `AGENTS` names.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::names::{default_of, prefix};
use super::reader::{Reader, list};
use super::units;
use crate::ids::AgentName;

/// The most addresses of one agent.
const ENDPOINTS_MAX: usize = 16;

/// An agent as the operator knows it.
#[derive(Debug, Clone)]
pub struct Agent {
    /// Its name in workflows: `claude-code`.
    pub name: AgentName,
    /// Where it speaks A2A; never empty.
    pub endpoints: Vec<Url>,
    /// The bearer token that it asks for.
    pub api_key: Option<SecretString>,
    /// How long one attempt may take where nobody else says.
    pub timeout: Duration,
    /// Attempts at once, over all replicas.
    pub max_concurrent: u32,
    /// Retries where nobody else says.
    pub retries: u32,
    /// Its share among agents that can do the same, in percent.
    pub weight_percent: u32,
    /// What it can do, by the types of steps; empty: anything.
    pub capabilities: Vec<String>,
}

/// What the original design says of an agent.
struct Traits {
    timeout_s: u64,
    max_concurrent: u32,
    retries: u32,
    weight_percent: u32,
    capabilities: &'static str,
}

fn traits(name: &str) -> Traits {
    let (timeout_s, max_concurrent, retries, weight_percent, capabilities) = match name {
        "claude-code" => (300, 3, 2, 100, "analysis,deployment,testing,validation"),
        "codegen" => (120, 5, 2, 100, "generation,analysis,validation"),
        "aider" => (180, 2, 2, 80, "validation,testing,security"),
        "goose" => (240, 2, 1, 70, "security,performance,validation"),
        // The shell has no limit of its own: its runner queues what is too much.
        "shell" => (300, 0, 2, 100, ""),
        _ => (300, 1, 2, 100, ""),
    };
    Traits { timeout_s, max_concurrent, retries, weight_percent, capabilities }
}

pub(super) fn read(r: &mut Reader<'_>) -> Vec<Agent> {
    let more = r.text("AGENTS").unwrap_or_default();
    let known = super::names::AGENTS.map(|prefix| prefix.to_ascii_lowercase().replace('_', "-"));
    let mut agents = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for name in known.iter().map(String::as_str).chain(list(&more)) {
        if seen.insert(name.to_owned()) {
            agents.extend(agent(r, name));
        }
    }
    agents
}

fn agent(r: &mut Reader<'_>, name: &str) -> Option<Agent> {
    let prefix = prefix(name);
    let Ok(id) = name.parse::<AgentName>() else {
        r.problem("AGENTS", format!("{name:?} is no name of an agent"), "use letters, digits, - and _");
        return None;
    };
    let endpoints = endpoints(r, &format!("{prefix}_ENDPOINT"));
    let api_key = r.secret(&format!("{prefix}_API_KEY"));
    let traits = traits(name);
    let timeout_name = format!("{prefix}_TIMEOUT");
    let timeout = r.text(&timeout_name).map(|text| r.parsed(&timeout_name, &text, units::duration));
    let slots_name = format!("{prefix}_MAX_CONCURRENT");
    let max_concurrent = r.text(&slots_name).map(|text| r.parsed(&slots_name, &text, units::count));
    let endpoints = endpoints.filter(|endpoints| !endpoints.is_empty())?;
    Some(Agent {
        name: id,
        endpoints,
        api_key,
        timeout: timeout.flatten().unwrap_or(Duration::from_secs(traits.timeout_s)),
        max_concurrent: max_concurrent.flatten().unwrap_or(traits.max_concurrent),
        retries: traits.retries,
        weight_percent: traits.weight_percent,
        capabilities: list(traits.capabilities).map(str::to_owned).collect(),
    })
}

/// The addresses; none where the setting is there and empty, for that says: no such agent.
fn endpoints(r: &mut Reader<'_>, name: &str) -> Option<Vec<Url>> {
    let text = r.said(name).map(str::to_owned).or_else(|| default_of(name));
    let Some(text) = text else {
        r.problem(name, "it is not set, but AGENTS names the agent", "give its address, such as http://localhost:3005");
        return None;
    };
    let urls: Vec<Url> = list(&text).filter_map(|url| r.parsed(name, url, units::address)).collect();
    if urls.len() > ENDPOINTS_MAX {
        r.problem(name, "these are more than 16 addresses", "put a balancer before them");
    }
    Some(urls)
}

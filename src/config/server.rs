//! Where the server listens, how it stops, how replicas know each other.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use url::Url;

use super::reader::Reader;
use super::units;

/// Where the server listens and how it stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The address to listen on.
    pub host: IpAddr,
    /// The port to listen on.
    pub port: u16,
    /// Where others reach it. Without it there are no links and no callbacks.
    pub public_url: Option<Url>,
    /// Whether `/metrics` is served at all.
    pub metrics: bool,
    /// A listener of its own for `/metrics`.
    pub metrics_bind: Option<SocketAddr>,
    /// How long a stop waits for what is under way.
    pub drain: Duration,
    /// How often this replica says that it lives.
    pub heartbeat: Duration,
}

impl Server {
    /// Where to listen.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Option<Self> {
        let host = r.get("API_HOST", units::host);
        let port = port(r);
        let public_url = r.get("PUBLIC_URL", units::address);
        let metrics_bind = r.get("METRICS_BIND", units::socket);
        let workflow_metrics = r.get("ENABLE_WORKFLOW_METRICS", units::switch);
        let monitoring = r.get("ENABLE_MONITORING", units::switch);
        let drain = r.get("DRAIN_TIMEOUT", units::duration);
        let heartbeat = r.get("HEARTBEAT_INTERVAL", units::duration);
        Some(Self {
            host: host?,
            port: port?,
            public_url,
            metrics: workflow_metrics? && monitoring?,
            metrics_bind,
            drain: drain?,
            heartbeat: heartbeat?,
        })
    }
}

/// `API_PORT`, else the platform's `PORT`, else the default.
fn port(r: &mut Reader<'_>) -> Option<u16> {
    let name = if r.text("API_PORT").is_none() && r.text("PORT").is_some() { "PORT" } else { "API_PORT" };
    r.get(name, units::port)
}

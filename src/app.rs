//! The one place where concrete types meet.

/// A stub until the service is there.
pub struct Service {
    /// Where it listens.
    pub address: std::net::SocketAddr,
}
/// A stub until the service is there.
#[derive(Default)]
pub struct Extra {
    /// A stub.
    pub public_url_from_bind: bool,
    /// A stub.
    pub other: bool,
}
impl Service {
    /// A stub.
    ///
    /// # Errors
    /// A stub.
    pub async fn start(_: crate::config::Settings, _: Extra) -> anyhow::Result<Self> {
        Ok(Self { address: ([127, 0, 0, 1], 1).into() })
    }
    /// A stub.
    pub async fn stop(self) {}
}

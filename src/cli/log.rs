//! The log of this process, on standard error.

use std::io;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Format, Logging};

/// Starts the log. What libraries say below a warning is not ours and left out, whatever the level: some of it would
/// hold bodies. A second call changes nothing.
pub fn start(logging: Logging) {
    let filter = Targets::new().with_default(logging.level.min(Level::WARN)).with_target("pointsman", logging.level);
    let registry = tracing_subscriber::registry().with(filter);
    let layer = fmt::layer().with_writer(io::stderr);
    let _ = match logging.format {
        Format::Json => registry.with(layer.json().flatten_event(true)).try_init(),
        Format::Text => registry.with(layer.compact()).try_init(),
    };
}

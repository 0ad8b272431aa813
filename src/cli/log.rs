//! The log of this process.

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::sync::Mutex;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Format, Logging};

/// Starts the log on standard error. What libraries say below a warning is not ours and left out, whatever the level: some of it would
/// hold bodies. A second call changes nothing.
pub fn start(logging: Logging) {
    start_on(logging, io::stderr().is_terminal(), io::stderr);
}

/// The same in a file, for a command that draws on the terminal.
pub fn start_in(logging: Logging, file: File) {
    start_on(logging, false, Mutex::new(file));
}

fn start_on(logging: Logging, colours: bool, writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static) {
    let filter = Targets::new().with_default(logging.level.min(Level::WARN)).with_target("pointsman", logging.level);
    let registry = tracing_subscriber::registry().with(filter);
    let layer = fmt::layer().with_ansi(colours).with_writer(writer);
    let _ = match logging.format {
        Format::Json => registry.with(layer.json().flatten_event(true)).try_init(),
        Format::Text => registry.with(layer.compact()).try_init(),
    };
}

//! The terminal itself: lines that stay, lines that are redrawn, and the keys. Everything with an effect on it is here.
//!
//! *Invariant:* the terminal's mode is put back however the command ends, but for `kill -9`.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Read as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::mpsc;

use super::screen::Screen;

/// Bytes read at once, and pieces that may wait: a paste is longer than a line.
const READ_BYTES: usize = 1_024;
const READS_WAITING_MAX: usize = 16;
/// Where the terminal does not say how large it is.
const WIDTH: usize = 80;
const HEIGHT: usize = 24;

/// Standard output.
pub(super) struct Terminal {
    /// Whether lines can be redrawn.
    live: bool,
    colours: bool,
    /// The live lines that stand there now.
    drawn: Vec<String>,
}

impl Terminal {
    pub(super) fn new(env: &BTreeMap<String, String>) -> Self {
        let said = |name: &str| env.get(name).is_some_and(|value| !value.is_empty());
        let dumb = env.get("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
        let live = io::stdout().is_terminal() && !dumb;
        Self { live, colours: live && !said("NO_COLOR"), drawn: Vec::new() }
    }

    pub(super) fn live(&self) -> bool {
        self.live
    }

    /// What can be drawn on now.
    pub(super) fn screen(&self, tick: usize) -> Screen {
        if !self.live {
            return Screen { width: usize::MAX, height: usize::MAX, colours: false, tick: None };
        }
        let size = tcgetwinsize(io::stdout()).ok();
        let or = |given: Option<u16>, default| given.map(usize::from).filter(|size| *size > 0).unwrap_or(default);
        let (width, height) = (or(size.map(|size| size.ws_col), WIDTH), or(size.map(|size| size.ws_row), HEIGHT));
        // A row for what is typed, and one for the cursor behind the last line.
        Screen { width, height: height.saturating_sub(2), colours: self.colours, tick: Some(tick) }
    }

    /// Writes lines that stay, above the live ones, and the live ones anew.
    pub(super) fn show(&mut self, lines: &[String], live: Vec<String>) -> io::Result<()> {
        if lines.is_empty() && live == self.drawn {
            return Ok(());
        }
        let mut out = String::new();
        if let Some(up) = self.drawn.len().checked_sub(1) {
            // The cursor stands behind the last live line.
            out.push('\r');
            if up > 0 {
                out.push_str(&format!("\u{1b}[{up}A"));
            }
            out.push_str("\u{1b}[J");
        }
        for line in lines {
            out.push_str(line);
            out.push('\n');
        }
        out.push_str(&live.join("\n"));
        self.drawn = live;
        let mut stdout = io::stdout().lock();
        stdout.write_all(out.as_bytes())?;
        stdout.flush()
    }
}

/// The keyboard: a terminal that gives every key at once and does not echo, or any other input as it is.
pub(super) struct Keys {
    pub(super) bytes: mpsc::Receiver<Vec<u8>>,
    /// How the terminal was before.
    before: Option<Termios>,
}

impl Keys {
    /// Reads standard input from now on, key by key where lines are drawn live, in a thread of its own: nothing can wake a thread that waits for a key, so it
    /// ends with the process.
    pub(super) fn listen(live: bool) -> io::Result<Self> {
        let before = if live && io::stdin().is_terminal() { Some(raw()?) } else { None };
        let (sender, bytes) = mpsc::channel(READS_WAITING_MAX);
        std::thread::Builder::new().name("keys".to_owned()).spawn(move || {
            let mut buffer = [0; READ_BYTES];
            while let Ok(count @ 1..) = io::stdin().lock().read(&mut buffer) {
                if sender.blocking_send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { bytes, before })
    }

    /// Whether somebody sits there and needs to see what they type.
    pub(super) fn echoes(&self) -> bool {
        self.before.is_some()
    }
}

/// No lines and no echo; Ctrl-C stays a signal. Gives what was before.
fn raw() -> io::Result<Termios> {
    let before = tcgetattr(io::stdin())?;
    let mut raw = before.clone();
    raw.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
    Ok(before)
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // Nothing can be done about a terminal that has gone away.
            let _ = tcsetattr(io::stdin(), OptionalActions::Drain, before);
        }
    }
}

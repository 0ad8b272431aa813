//! What a person types: the keys of a line, and what the line means.

use super::view::View;

/// Bytes of one line; a longer one is cut.
const LINE_BYTES_MAX: usize = 4_096;

/// A line of typing while it grows. A terminal in raw mode and a pipe feed it alike.
#[derive(Debug, Default)]
pub(super) struct Line {
    bytes: Vec<u8>,
    /// Within the escape sequence of a key that we do not know: what of it was seen.
    escape: Escape,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    Begun,
    Inside,
}

/// What a key did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// The line has another content, or the same.
    More,
    /// The line is done.
    Enter(String),
    /// Ctrl-D on an empty line.
    End,
}

impl Line {
    /// Takes one byte.
    pub(super) fn key(&mut self, byte: u8) -> Key {
        match (&self.escape, byte) {
            (Escape::Begun, b'[' | b'O') => self.escape = Escape::Inside,
            // A sequence ends with its first letter or tilde.
            (Escape::Inside, 0x40..=0x7e) | (Escape::Begun, _) => self.escape = Escape::None,
            (Escape::Inside, _) => {}
            (Escape::None, 0x1b) => self.escape = Escape::Begun,
            (Escape::None, b'\r' | b'\n') => {
                let line = String::from_utf8_lossy(&std::mem::take(&mut self.bytes)).into_owned();
                return Key::Enter(line);
            }
            (Escape::None, 0x04) if self.bytes.is_empty() => return Key::End,
            (Escape::None, 0x08 | 0x7f) => self.drop_character(),
            (Escape::None, 0x15) => self.bytes.clear(),
            (Escape::None, 0x17) => self.drop_word(),
            (Escape::None, b'\t') => self.bytes.push(b' '),
            (Escape::None, 0..0x20) => {}
            (Escape::None, byte) if self.bytes.len() < LINE_BYTES_MAX => self.bytes.push(byte),
            (Escape::None, _) => {}
        }
        Key::More
    }

    /// What stands there now.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    fn drop_character(&mut self) {
        // The bytes of one character behind its first begin with the bits 10.
        while self.bytes.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
    }

    fn drop_word(&mut self) {
        while self.bytes.last() == Some(&b' ') {
            self.bytes.pop();
        }
        while self.bytes.last().is_some_and(|byte| *byte != b' ') {
            self.bytes.pop();
        }
    }
}

/// What a line means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed<'a> {
    Nothing,
    Help,
    Quit,
    /// One more commit.
    Push {
        by: &'a str,
    },
    /// A press on a check's button.
    Click {
        by: &'a str,
        check: i64,
        button: String,
    },
    /// A comment on the pull request.
    Comment {
        by: &'a str,
        body: &'a str,
    },
    /// Cannot be done, and why.
    Wrong(String),
}

/// Reads a line. `view` knows the checks and their buttons.
pub(super) fn read<'a>(line: &'a str, view: &View) -> Typed<'a> {
    let line = line.trim();
    let (by, said) = match line.strip_prefix("as ").and_then(|rest| rest.split_once(':')) {
        Some((by, said)) if !by.trim().contains(' ') => (by.trim().trim_start_matches('@'), said.trim()),
        Some(_) | None => ("bob", line),
    };
    match said {
        "" if line.is_empty() => Typed::Nothing,
        "" => Typed::Wrong(format!("what does {by} say? as {by}: /retry")),
        "help" | "?" => Typed::Help,
        "quit" | "exit" => Typed::Quit,
        "push" => Typed::Push { by },
        _ => match said.strip_prefix("click") {
            Some(rest) if rest.is_empty() || rest.starts_with(' ') => click(by, rest.trim(), view),
            Some(_) | None => Typed::Comment { by, body: said },
        },
    }
}

fn click<'a>(by: &'a str, what: &str, view: &View) -> Typed<'a> {
    let Some((name, button)) = what.rsplit_once(' ') else { return Typed::Wrong(buttons(view)) };
    match view.check(name.trim()) {
        Some(check) if check.buttons.iter().any(|known| known == button) => {
            Typed::Click { by, check: check.id, button: button.to_owned() }
        }
        Some(_) | None => Typed::Wrong(buttons(view)),
    }
}

/// The buttons that show, each as the line that presses it.
pub(super) fn buttons(view: &View) -> String {
    let lines = view.checks.iter().flat_map(|check| {
        check.buttons.iter().map(|button| format!("click {} {button}", check.name.replace(" / ", "/")))
    });
    let lines: Vec<String> = lines.collect();
    match lines.as_slice() {
        [] => "no check shows a button now; GitHub shows them once a check has completed".to_owned(),
        lines => format!("the buttons now: {}", lines.join(", ")),
    }
}

#[cfg(test)]
mod tests;

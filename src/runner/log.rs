//! The end of a command's output: however much it writes, 64 KB are kept.

use std::collections::VecDeque;

use crate::agents::LOG_TAIL_BYTES_MAX;

/// The last bytes of an output, and how many there were.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: VecDeque<u8>,
    total: u64,
}

impl Tail {
    /// Adds what was written.
    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.total = self.total.saturating_add(chunk.len() as u64);
        let kept = chunk.get(chunk.len().saturating_sub(LOG_TAIL_BYTES_MAX)..).unwrap_or(chunk);
        let surplus = (self.bytes.len() + kept.len()).saturating_sub(LOG_TAIL_BYTES_MAX);
        self.bytes.drain(..surplus);
        self.bytes.extend(kept);
    }

    /// How many bytes were written in all.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// The end as text: whole lines where something was dropped before, without control characters.
    pub(super) fn text(&self) -> String {
        let (front, back) = self.bytes.as_slices();
        let mut bytes = [front, back].concat();
        if self.total > bytes.len() as u64
            && let Some(end) = bytes.iter().position(|byte| *byte == b'\n')
        {
            bytes.drain(..=end);
        }
        let text = plain(&String::from_utf8_lossy(&bytes));
        let start = text.ceil_char_boundary(text.len().saturating_sub(LOG_TAIL_BYTES_MAX));
        text.get(start..).unwrap_or_default().to_owned()
    }
}

/// Without colours and other terminal commands; a carriage return ends a line as a line feed does.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => match chars.next() {
                // CSI: parameters, then one final letter. OSC: up to BEL or ESC.
                Some('[') => while chars.next_if(|c| !matches!(c, '@'..='~' | '\n')).is_some() {},
                Some(']') => while chars.next_if(|c| !matches!(c, '\u{7}' | '\u{1b}' | '\n')).is_some() {},
                Some(_) | None => continue,
            },
            '\r' if chars.peek() == Some(&'\n') => continue,
            '\r' => {
                out.push('\n');
                continue;
            }
            '\n' | '\t' => {
                out.push(c);
                continue;
            }
            c if c.is_control() => continue,
            c => {
                out.push(c);
                continue;
            }
        }
        // The byte that ends an escape sequence belongs to it.
        chars.next_if(|c| !matches!(c, '\n' | '\u{1b}'));
    }
    out
}

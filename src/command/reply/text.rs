//! Foreign text made harmless.

/// Foreign text in a line, as code. Line ends become blanks.
#[must_use]
pub fn code(text: &str) -> String {
    let line: String = clean(text).chars().map(|c| if c == '\n' { ' ' } else { c }).collect();
    let line = line.trim();
    if line.is_empty() {
        return "*(nothing)*".to_owned();
    }
    // A fence longer than any run of back-ticks inside cannot be closed from inside; blanks keep the runs apart.
    let fence = "`".repeat(longest_run(line) + 1);
    if line.starts_with('`') || line.ends_with('`') {
        return format!("{fence} {line} {fence}");
    }
    format!("{fence}{line}{fence}")
}

/// Foreign text of several lines, as a block of code.
#[must_use]
pub fn block(text: &str) -> String {
    let text = clean(text);
    let fence = "`".repeat((longest_run(&text) + 1).max(3));
    format!("{fence}text\n{}\n{fence}", text.trim_end())
}

/// Text of at most `chars_max` characters, cut between two characters, with a sign that it was cut.
#[must_use]
pub fn cut(text: &str, chars_max: usize) -> String {
    const SIGN: &str = "…";
    if text.chars().nth(chars_max).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    if chars_max == 0 { kept } else { kept + SIGN }
}

fn longest_run(text: &str) -> usize {
    let (longest, _) = text.chars().fold((0, 0), |(longest, run), c| {
        let run = if c == '`' { run + 1 } else { 0 };
        (run.max(longest), run)
    });
    longest
}

/// Without what a terminal or a reader would take for something else: escape sequences, other control characters,
/// characters without width, and those that turn the direction of writing.
fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => {
                // The final character of `ESC [ … m` and its kin is the first one from `@` to `~`.
                if chars.next_if_eq(&'[').is_some() {
                    while chars.next_if(|c| !('@'..='~').contains(c)).is_some() {}
                    chars.next();
                }
            }
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' | '\u{2028}' | '\u{2029}' => clean.push('\n'),
            '\t' => clean.push(' '),
            '\n' => clean.push('\n'),
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {}
            _ if c.is_control() => {}
            _ => clean.push(c),
        }
    }
    clean
}

#[cfg(test)]
mod tests;

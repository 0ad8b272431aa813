//! Width and colours.

/// How a story is shown.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Columns for the bars; lines of text are never cut.
    pub width: usize,
    /// Whether colours may be used.
    pub colours: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    Plain,
    Good,
    Bad,
    Quiet,
    Loud,
}

impl Look {
    pub(super) fn paint(self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Plain => "",
            Paint::Good => "32",
            Paint::Bad => "31",
            Paint::Quiet => "2",
            Paint::Loud => "1",
        };
        let coloured = self.colours && !code.is_empty() && !text.trim().is_empty();
        if coloured { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

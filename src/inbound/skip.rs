//! Skip markers: words in a commit message that ask for no run.

/// The markers that stand anywhere in the message, as GitHub Actions knows them.
const MARKERS: [&str; 5] = ["[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]"];
/// The trailer that stands in the last paragraph.
const TRAILER: &str = "skip-checks: true";

/// The skip marker in a commit message, if there is one. Upper and lower case are the same: who shouts means it too.
#[must_use]
pub fn marker(message: &str) -> Option<&'static str> {
    let message = message.to_ascii_lowercase();
    let trailer = || {
        let lines = message.trim_end().lines().map(str::trim);
        let mut last_paragraph = lines.rev().take_while(|line| !line.is_empty());
        let has = last_paragraph.any(|line| {
            line.split_once(':').is_some_and(|(key, value)| key.trim_end() == "skip-checks" && value.trim() == "true")
        });
        has.then_some(TRAILER)
    };
    MARKERS.into_iter().find(|marker| message.contains(marker)).or_else(trailer)
}

#[cfg(test)]
mod tests;

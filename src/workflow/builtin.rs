//! The built-in workflows. They are ordinary files of the language, the very ones that people read as examples.

/// The id and the text of each.
pub const BUILTINS: [(&str, &str); 3] = [
    ("pr_processing", include_str!("../../.workflows-example/pr_processing.yml")),
    ("hotfix_deployment", include_str!("../../.workflows-example/hotfix_deployment.yml")),
    ("feature_integration", include_str!("../../.workflows-example/feature_integration.yml")),
];

/// The text of a built-in.
#[must_use]
pub fn text(id: &str) -> Option<&'static str> {
    BUILTINS.iter().find(|(known, _)| *known == id).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests;

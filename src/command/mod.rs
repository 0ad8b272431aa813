//! What maintainers write in comments, and what we answer.

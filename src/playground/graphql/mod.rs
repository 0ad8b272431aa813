//! GraphQL, as far as reading files of a commit goes: `repository { object(expression:) }` with aliases, fragments and
//! variables, answered from git. A field that is not known is an error, as on GitHub.

mod query;
mod resolve;

pub(crate) use resolve::answer;

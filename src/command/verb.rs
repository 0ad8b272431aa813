//! The one table of commands. `/help`, the parser, the rights and the documentation are made from it.

use std::fmt;

use super::authorize::Permission;

/// What a command asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Run again what failed or never ran.
    Retry,
    /// Start nothing more on this pull request.
    Pause,
    /// End a pause.
    Resume,
    /// Stop the runs of this pull request.
    Cancel,
    /// Trust a commit, or let a step go on.
    Approve,
    /// Refuse a step that waits for approval.
    Reject,
    /// Leave a step out.
    Skip,
    /// Start a workflow.
    Run,
    /// Say what runs, waits and failed.
    Status,
    /// Show the graph of a workflow.
    Plan,
    /// Say why something waits or did not run.
    Why,
    /// Answer the question of a step.
    Answer,
    /// List the commands.
    Help,
}

/// A row of the table.
#[derive(Debug)]
pub struct Spec {
    /// The verb.
    pub verb: Verb,
    /// As it is written.
    pub name: &'static str,
    /// Its arguments, for people.
    pub arguments: &'static str,
    /// What it does, in one line.
    pub help: &'static str,
    /// The least permission, unless the repository's `config.yml` says otherwise.
    pub needs: Permission,
    /// Whether this release obeys it.
    pub released: bool,
}

macro_rules! table {
    ($($verb:ident $name:literal $arguments:literal $needs:ident $released:literal $help:literal)*) => {
        &[$(Spec {
            verb: Verb::$verb,
            name: $name,
            arguments: $arguments,
            help: $help,
            needs: Permission::$needs,
            released: $released,
        }),*]
    };
}

#[rustfmt::skip]
const TABLE: &[Spec] = table! {
    Retry "retry" "[step…] [--from] [--all]" Write true
        "run again what failed or never ran; these steps; with `--from` all behind them too; or everything"
    Pause "pause" "[workflow] [why…]" Write true
        "start nothing more on this pull request, over pushes too, until `resume`"
    Resume "resume" "[workflow]" Write true
        "end the pause"
    Cancel "cancel" "[workflow]" Write true
        "stop the runs of this pull request"
    Approve "approve" "<40 digits of a commit> or <step>" Write true
        "trust a commit, or let a step that waits for approval go on"
    Reject "reject" "<step>" Write false
        "refuse a step that waits for approval"
    Skip "skip" "<step>" Write false
        "leave a step out; its dependants run"
    Run "run" "<workflow> [key=value…] [--ref head or commit]" Write false
        "start a workflow"
    Status "status" "" Read true
        "say what runs, waits and failed"
    Plan "plan" "[workflow]" Read false
        "show the graph of a workflow"
    Why "why" "[step]" Read false
        "say why something waits or did not run"
    Answer "answer" "[step] <text…>" Write false
        "answer the question of a step"
    Help "help" "" Read true
        "show this list"
};

impl Verb {
    /// The table, in the order of `/help`.
    #[must_use]
    pub fn table() -> &'static [Spec] {
        TABLE
    }

    /// The row of this verb.
    #[must_use]
    pub fn spec(self) -> &'static Spec {
        // The table is in the order of the enum; a test holds that.
        &TABLE[self as usize]
    }

    /// The verb of this name, in upper or lower case: telephones write `/Retry`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|spec| spec.name.eq_ignore_ascii_case(name)).map(|spec| spec.verb)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.spec().name)
    }
}

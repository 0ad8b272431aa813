//! The loop: shows what changes, and does what is typed, until somebody or something ends it.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::stage::{Stage, endpoint};
use super::terminal::{Keys, Terminal};
use super::typed::{Key, Line, Typed, buttons, read};
use super::view::{Verdict, View};

/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(100);
const HELP: &str = "\
  /retry, /status, /help …    any other line is a comment of bob's on the pull request; /help is answered by Pointsman
  as rita: /retry             somebody else speaks, clicks or pushes. People: ann (admin), bob (write), tess (triage),
                              rita (read), eve (a stranger)
  click ci/test retry         presses a button of a check
  push                        one more commit by bob; it mends what --break broke
  quit                        ends everything, as Ctrl-C does";

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// All workflows have ended, and that was all that was asked for.
    Ran(Verdict),
    /// Somebody ended it.
    Quit,
    /// A signal ended it.
    Interrupted,
}

pub(super) struct Watch<'a> {
    stage: &'a mut Stage,
    terminal: Terminal,
    number: u64,
    seen: View,
    /// How all ended, as long as it was told and nothing runs again.
    told: Option<Verdict>,
    line: Line,
    tick: usize,
    once: bool,
    echoes: bool,
}

/// What woke the loop.
enum Woken {
    Changed,
    Tick,
    Typed(Option<Vec<u8>>),
    Signal,
}

struct Signals([Signal; 3]);

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?]))
    }

    async fn any(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// Opens the pull request and watches it.
pub(super) async fn watch(stage: &mut Stage, once: bool, env: &BTreeMap<String, String>) -> anyhow::Result<End> {
    let mut signals = Signals::new()?;
    let terminal = Terminal::new(env);
    let mut keys = if once { None } else { Some(Keys::listen(terminal.live())?) };
    let bob = stage.github.person("bob");
    let number = tokio::select! {
        number = stage.scene.open(&bob) => number?,
        () = signals.any() => return Ok(End::Interrupted),
    };
    let echoes = keys.as_ref().is_some_and(Keys::echoes);
    let (seen, line) = (View::default(), Line::default());
    let mut watch = Watch { stage, terminal, number, seen, told: None, line, tick: 0, once, echoes };
    watch.greet()?;
    let end = watch.until(&mut signals, &mut keys).await;
    watch.leave()?;
    end
}

fn ticks() -> Interval {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

async fn next(keys: &mut Option<Keys>) -> Option<Vec<u8>> {
    match keys {
        Some(keys) => keys.bytes.recv().await,
        None => std::future::pending().await,
    }
}

impl Watch<'_> {
    async fn until(&mut self, signals: &mut Signals, keys: &mut Option<Keys>) -> anyhow::Result<End> {
        let mut changed = self.stage.github.changed();
        let mut ticks = ticks();
        loop {
            changed.borrow_and_update();
            if let Some(verdict) = self.look()?
                && self.once
            {
                return Ok(End::Ran(verdict));
            }
            let spins = self.terminal.live() && self.told.is_none();
            let woken = tokio::select! {
                () = signals.any() => Woken::Signal,
                typed = next(keys) => Woken::Typed(typed),
                _ = changed.changed() => Woken::Changed,
                _ = ticks.tick(), if spins => Woken::Tick,
            };
            match woken {
                Woken::Changed => {}
                Woken::Tick => self.tick = self.tick.wrapping_add(1),
                Woken::Signal => return Ok(End::Interrupted),
                // Nothing more will be typed; what runs goes on.
                Woken::Typed(None) => *keys = None,
                Woken::Typed(Some(bytes)) => {
                    if self.typed(&bytes).await? {
                        return Ok(End::Quit);
                    }
                }
            }
        }
    }

    /// Leaves the screen as a person wants to find it: what was live stays, the prompt goes.
    fn leave(&mut self) -> io::Result<()> {
        let screen = self.terminal.screen(self.tick);
        let mut lines = Vec::new();
        if self.told.is_none() && self.terminal.live() {
            lines = screen.checks(&self.seen, self.stage.clock.now());
        }
        self.terminal.show(&lines, Vec::new())
    }

    /// The addresses, before anything happens.
    fn greet(&mut self) -> io::Result<()> {
        let screen = self.terminal.screen(0);
        let stage = &self.stage;
        let mut lines = match &stage.scene.here {
            Some(folder) => vec![
                screen.sentence(&format!("{} runs for real in {}", self.workflows(), folder.display())),
                screen.address(
                    "steps run",
                    "in that folder itself, with your environment; what they change stays changed",
                ),
            ],
            None => {
                let pull = format!("{}/{}/pull/{}", stage.github.web_url(), stage.scene.repo, self.number);
                vec![
                    screen.sentence(&format!("bob opens pull request {} of {}", self.number, stage.scene.repo)),
                    screen.address("pull request", &pull),
                    screen.address("service", &stage.address),
                    screen
                        .address("steps run in", &format!("a fresh checkout each, kept together by {}", stage.sandbox)),
                ]
            }
        };
        if !stage.rehearsed.is_empty() {
            lines.push(screen.sentence(&format!("REHEARSED: nothing will run. Not set up: {}", self.rehearsed())));
        }
        self.terminal.show(&lines, Vec::new())
    }

    fn workflows(&self) -> String {
        self.stage.scene.workflows.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    fn rehearsed(&self) -> String {
        self.stage.rehearsed.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// Shows what is new; says how all ended when it did so just now.
    fn look(&mut self) -> io::Result<Option<Verdict>> {
        let (number, now) = (self.number, self.stage.clock.now());
        let view = self.stage.github.read(|state| View::of(state, number));
        let screen = self.terminal.screen(self.tick);
        let news = view.news(&self.seen);
        let mut lines: Vec<String> = news.iter().flat_map(|news| screen.news(news, now)).collect();
        let verdict = view.verdict(&self.stage.scene.workflows);
        let ended = verdict.filter(|_| self.told.is_none());
        if let Some(verdict) = ended {
            // The live lines are over: they stay where they are, and the last word stands below.
            if self.terminal.live() {
                lines.extend(screen.checks(&view, now));
            }
            lines.extend(self.last_words(verdict).lines().map(|line| screen.sentence(line)));
        }
        let mut live = if verdict.is_none() { screen.checks(&view, now) } else { Vec::new() };
        if !self.terminal.live() {
            live.clear();
        } else if self.echoes {
            live.push(screen.prompt(&self.line.text()));
        } else if !live.is_empty() {
            // The cursor waits below.
            live.push(String::new());
        }
        self.told = verdict;
        self.seen = view;
        self.terminal.show(&lines, live)?;
        Ok(ended)
    }

    fn last_words(&self, verdict: Verdict) -> String {
        let workflows = self.workflows();
        let how = match verdict {
            Verdict::Green => format!("{workflows}: success."),
            Verdict::Neutral if self.stage.rehearsed.is_empty() => format!("{workflows}: neutral."),
            Verdict::Neutral => {
                let settings = self.stage.rehearsed.iter().map(|agent| endpoint(agent.as_str()));
                format!(
                    "{workflows}: REHEARSED, nothing ran. To run it for real, start agents that speak A2A and name them: {}.",
                    settings.collect::<Vec<_>>().join(", ")
                )
            }
            Verdict::Red => format!("{workflows}: not green; the lines above say why."),
        };
        let next = match verdict {
            _ if self.once => return how,
            Verdict::Red => {
                "Type /retry to run what failed once more, push for another commit, or help; Ctrl-C ends everything."
            }
            Verdict::Green | Verdict::Neutral => {
                "Type a comment such as /status, push for another commit, or help; Ctrl-C ends everything."
            }
        };
        format!("{how}\n{next}")
    }

    /// Takes keys. Whether somebody wants to end it.
    async fn typed(&mut self, bytes: &[u8]) -> anyhow::Result<bool> {
        for byte in bytes {
            match self.line.key(*byte) {
                Key::More => {}
                Key::End => return Ok(true),
                Key::Enter(line) => {
                    if self.obey(&line).await? {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    async fn obey(&mut self, line: &str) -> anyhow::Result<bool> {
        let typed = read(line, &self.seen);
        let said = match typed {
            Typed::Nothing => return Ok(false),
            Typed::Quit => return Ok(true),
            Typed::Help => Ok(format!("{HELP}\n  {}", buttons(&self.seen))),
            Typed::Wrong(why) => Ok(format!("  {why}")),
            Typed::Push { by } => {
                let person = self.stage.github.person(by);
                self.stage.scene.push(&person).await.map(|()| String::new())
            }
            Typed::Click { by, check, button } => {
                let clicked = self.stage.github.person(by).click(check, &button).await;
                clicked.map(|()| format!("  @{by} presses {button}")).map_err(Into::into)
            }
            Typed::Comment { by, body } => {
                let posted = self.stage.github.person(by).comment(self.number, body).await;
                posted.map(|_| String::new()).map_err(Into::into)
            }
        };
        // A person may try what they may not: that ends nothing.
        let said = said.unwrap_or_else(|error| format!("  {error:#}"));
        let lines: Vec<String> = said.lines().map(str::to_owned).collect();
        self.terminal.show(&lines, Vec::new())?;
        Ok(false)
    }
}

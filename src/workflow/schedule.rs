//! `on: schedule` — cron lines, and words such as `daily around 3:00` that become a minute of the workflow's own.
//!
//! A repository's many workflows, and many repositories, must not all begin at 3:00. The minute behind the words comes
//! from a hash of repository and workflow: spread over all of them, and the same for each as long as it lives.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use sha2::{Digest as _, Sha256};

use super::cron::{Cron, WEEKDAYS};
use super::file::{Node, Shape};
use super::problem::{Code, Problems};
use super::read::{self, Fields};
use crate::ids::{RepoId, WorkflowId};
use crate::time::Timestamp;

/// Schedules of one workflow.
pub const SCHEDULES_MAX: usize = 10;
/// How far from the hour in `around 3:00` the minute may be, to both sides.
const AROUND_MINUTES: u32 = 60;
const DAY_MINUTES: u32 = 24 * 60;

/// When a workflow starts by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// As it is written.
    pub source: String,
    when: When,
    zone: TimeZone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Cron(Cron),
    Hourly,
    Daily {
        around: Option<u32>,
    },
    /// `None`: some day of the week.
    Weekly {
        day: Option<u32>,
        around: Option<u32>,
    },
}

impl Schedule {
    /// The first moment after `at` at which this workflow of this repository starts. `None` at the end of time.
    #[must_use]
    pub fn next_after(&self, at: Timestamp, repository: RepoId, workflow: &WorkflowId) -> Option<Timestamp> {
        self.cron(repository, workflow).next_after(at, &self.zone)
    }

    fn cron(&self, repository: RepoId, workflow: &WorkflowId) -> Cron {
        let drawn = spread(repository, workflow);
        // In minutes from the midnight before the day that is meant; around midnight may be the day before or after.
        let minute = |around: Option<u32>| match around {
            None => DAY_MINUTES + drawn % DAY_MINUTES,
            Some(around) => DAY_MINUTES + around - AROUND_MINUTES + drawn % (2 * AROUND_MINUTES + 1),
        };
        match self.when {
            When::Cron(cron) => cron,
            When::Hourly => Cron::hourly(drawn),
            When::Daily { around } => Cron::at(minute(around) % DAY_MINUTES, None),
            When::Weekly { day, around } => {
                let minute = minute(around);
                let day = day.unwrap_or(drawn / DAY_MINUTES) % 7 + 6 + minute / DAY_MINUTES;
                Cron::at(minute % DAY_MINUTES, Some(day))
            }
        }
    }

    fn parse(text: &str, zone: TimeZone) -> Result<Self, String> {
        let when = match words(text)? {
            Some(when) => when,
            None => When::Cron(Cron::parse(text)?),
        };
        Ok(Self { source: text.trim().to_owned(), when, zone })
    }

    /// Reads a list of `{ cron, timezone }` or texts; one alone needs no list.
    pub(crate) fn read_all(node: &Node, problems: &mut Problems) -> Vec<Self> {
        let items = match &node.shape {
            Shape::List(items) => items.as_slice(),
            Shape::Null | Shape::Bool(_) | Shape::Number(_) | Shape::Text | Shape::Map(_) => std::slice::from_ref(node),
        };
        if items.is_empty() || node.shape == Shape::Null {
            problems.error(Code::MissingField, node.place, "schedule says no time");
            problems.help("write schedule: [{ cron: \"17 3 * * 1\" }] or schedule: daily around 3:00");
            return Vec::new();
        }
        if items.len() > SCHEDULES_MAX {
            problems.error(Code::TooLarge, node.place, format!("schedule has at most {SCHEDULES_MAX} entries"));
        }
        items.iter().take(SCHEDULES_MAX).filter_map(|item| Self::read(item, problems)).collect()
    }

    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        if node.shape == Shape::Text {
            return read::with(node, "schedule", |text| Self::parse(text, TimeZone::UTC), problems);
        }
        let mut fields = Fields::of(node, "schedule", problems)?;
        let line = fields.take("cron");
        let zone = fields.take("timezone").map(|node| read::with(node, "timezone", zone, problems));
        fields.finish(&[], problems);
        let Some(line) = line else {
            problems.error(Code::MissingField, node.place, "a schedule has no cron").help("write cron: \"17 3 * * 1\"");
            return None;
        };
        let zone = zone.unwrap_or(Some(TimeZone::UTC))?;
        read::with(line, "cron", |text| Self::parse(text, zone.clone()), problems)
    }
}

/// A time zone by its name. The names come with the program: what a file means does not hang on the machine.
fn zone(name: &str) -> Result<TimeZone, String> {
    let unknown = |_| format!("there is no time zone {name}; write one such as Europe/Berlin or UTC");
    TimeZoneDatabase::bundled().get(name).map_err(unknown)
}

/// `hourly`, `daily around 3:00`, `weekly on monday around 3:00`; `None` when the text does not begin with such a word.
fn words(text: &str) -> Result<Option<When>, String> {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    let mut words = lower.split_ascii_whitespace();
    let wrong = || format!("{text} is no schedule; write hourly, daily around 3:00 or weekly on monday around 3:00");
    let first = match words.next() {
        Some(first @ ("hourly" | "daily" | "weekly")) => first,
        Some(_) | None => return Ok(None),
    };
    let (mut day, mut around) = (None, None);
    while let Some(word) = words.next() {
        match (word, words.next()) {
            ("on", Some(name)) if first == "weekly" && day.is_none() && around.is_none() => {
                day = Some(weekday(name).ok_or_else(wrong)?);
            }
            ("around", Some(time)) if first != "hourly" && around.is_none() => {
                around = Some(minute_of_day(time).ok_or_else(wrong)?);
            }
            _ => return Err(wrong()),
        }
    }
    Ok(Some(match first {
        "hourly" => When::Hourly,
        "daily" => When::Daily { around },
        _ => When::Weekly { day, around },
    }))
}

/// `mon` or `monday`.
fn weekday(name: &str) -> Option<u32> {
    const LONG: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
    let found = WEEKDAYS.iter().zip(LONG).position(|(short, long)| name == *short || name == long);
    found.and_then(|day| u32::try_from(day).ok())
}

/// `3:00`, `15:30`, `noon`, `midnight`.
fn minute_of_day(text: &str) -> Option<u32> {
    match text {
        "noon" => return Some(DAY_MINUTES / 2),
        "midnight" => return Some(0),
        _ => {}
    }
    let (hour, minute) = text.split_once(':')?;
    let digits = |text: &str, most: u32| {
        let plain = matches!(text.len(), 1 | 2) && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u32>().ok().filter(|number| plain && *number <= most)
    };
    Some(digits(hour, 23)? * 60 + digits(minute, 59)?)
}

/// A number that is always the same for one workflow, and spread over all of them.
fn spread(repository: RepoId, workflow: &WorkflowId) -> u32 {
    let digest = Sha256::digest(format!("schedule\n{}\n{workflow}", repository.0));
    digest.iter().take(4).fold(0, |number, byte| number << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests;

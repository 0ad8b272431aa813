//! Five-field cron: which moments a line such as `17 3 * * 1` names in a time zone.
//!
//! Written by hand because a schedule is hostile input and its corners are ours to promise: a time that a clock change
//! leaves out happens at the first moment behind the gap, a time that happens twice counts once, unless the line names
//! every hour, which goes on through both.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::time::Timestamp;

/// The longest line.
pub const CRON_BYTES_MAX: usize = 200;
/// The shortest time between two moments of one line, in minutes; what GitHub allows.
pub const MINUTES_APART_MIN: u32 = 5;
/// How far ahead a moment is looked for: 29 February on one day of the week comes once in 40 years at most.
const DAYS_MAX: u32 = 41 * 366;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
/// Also the words of fuzzy schedules; Sunday is 0, and 7 in figures.
pub(super) const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// The names of common lines.
const NAMED: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// The moments that a line names, on whatever clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether the day of the month, or of the week, begins with `*`. When neither does, either is enough.
    any_day: bool,
    any_weekday: bool,
}

/// One of the five fields.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    /// Words for its numbers, from `least` on.
    words: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", least: 0, most: 59, words: &[] },
    Field { name: "hour", least: 0, most: 23, words: &[] },
    Field { name: "day", least: 1, most: 31, words: &[] },
    Field { name: "month", least: 1, most: 12, words: &MONTHS },
    Field { name: "day of the week", least: 0, most: 7, words: &WEEKDAYS },
];

impl Cron {
    /// Reads `minute hour day month weekday`, or a name such as `@daily`.
    ///
    /// # Errors
    /// Says in words what is wrong, or that the line names no moment at all.
    pub fn parse(line: &str) -> Result<Self, String> {
        if line.len() > CRON_BYTES_MAX {
            return Err(format!("a cron line has at most {CRON_BYTES_MAX} bytes"));
        }
        let line = line.trim();
        let named = NAMED.iter().find(|(name, _)| name.eq_ignore_ascii_case(line));
        let parts: Vec<&str> = named.map_or(line, |(_, meant)| meant).split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = parts.as_slice() else {
            return Err(format!("{line} is no cron line: minute, hour, day, month and day of the week are wanted"));
        };
        let [of_minute, of_hour, of_day, of_month, of_weekday] = &FIELDS;
        let weekdays = of_weekday.read(weekday)?;
        let cron = Self {
            minutes: of_minute.read(minute)?,
            hours: of_hour.read(hour)?,
            days: of_day.read(day)?,
            months: of_month.read(month)?,
            weekdays: weekdays | weekdays >> 7,
            any_day: day.starts_with('*'),
            any_weekday: weekday.starts_with('*'),
        };
        if cron.minutes_apart() < MINUTES_APART_MIN {
            return Err(format!("{line} comes more often than every {MINUTES_APART_MIN} minutes"));
        }
        if cron.first(Date::constant(2024, 1, 1).at(0, 0, 0, 0)).is_none() {
            return Err(format!("{line} never comes: no month has such a day"));
        }
        Ok(cron)
    }

    /// Every day, or one day of every week, at a minute of the day.
    pub(super) fn at(minute_of_day: u32, weekday: Option<u32>) -> Self {
        Self {
            minutes: 1 << (minute_of_day % 60),
            hours: 1 << (minute_of_day / 60 % 24),
            days: u64::MAX,
            months: u64::MAX,
            weekdays: weekday.map_or(u64::MAX, |day| 1 << (day % 7)),
            any_day: true,
            any_weekday: weekday.is_none(),
        }
    }

    /// Every hour at this minute.
    pub(super) fn hourly(minute: u32) -> Self {
        Self { hours: u64::MAX, ..Self::at(minute % 60, None) }
    }

    /// The first moment after `at`, by the clocks of `zone`.
    #[must_use]
    pub fn next_after(&self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let at = jiff::Timestamp::from_microsecond(at.0).ok()?;
        let mut from = next_minute(zone.to_datetime(at))?;
        let next = loop {
            let local = self.first(from)?;
            let zoned = zone.to_ambiguous_zoned(local);
            // Left out by a clock change: as much later. Twice: the first of both.
            let first = zoned.clone().compatible().ok()?.timestamp();
            if first > at {
                break first;
            }
            let second = if self.every_hour() { zoned.later().ok() } else { None };
            if let Some(second) = second.map(|zoned| zoned.timestamp()).filter(|second| *second > at) {
                break second;
            }
            from = next_minute(local)?;
        };
        let again = if self.every_hour() { self.in_repeated_hour(at, next, zone) } else { None };
        Some(Timestamp(again.unwrap_or(next).as_microsecond()))
    }

    /// The first moment before `next` behind a clock change that repeats an hour.
    fn in_repeated_hour(&self, at: jiff::Timestamp, next: jiff::Timestamp, zone: &TimeZone) -> Option<jiff::Timestamp> {
        let change = zone.following(at).next().map(|change| change.timestamp())?;
        let local = self.first(zone.to_datetime(change))?;
        let moment = zone.to_ambiguous_zoned(local).later().ok()?.timestamp();
        (change < next && moment < next && moment > at).then_some(moment)
    }

    fn every_hour(&self) -> bool {
        const DAY: u64 = (1 << 24) - 1;
        self.hours & DAY == DAY
    }

    /// The first local time from `from` on.
    fn first(&self, from: DateTime) -> Option<DateTime> {
        let mut date = from.date();
        let mut earliest = (bits(from.hour()), bits(from.minute()));
        for _ in 0..DAYS_MAX {
            if self.has_day(date) {
                let (hour, minute) = earliest;
                let behind = |set: u64, first: u32| (first..60).find(|&bit| set & (1 << bit) != 0);
                let within = (self.hours & (1 << hour) != 0).then(|| behind(self.minutes, minute)).flatten();
                let found = match within {
                    Some(minute) => Some((hour, minute)),
                    None => behind(self.hours & ((1 << 24) - 1), hour + 1).zip(behind(self.minutes, 0)),
                };
                if let Some((hour, minute)) = found {
                    return Some(date.at(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0));
                }
            }
            earliest = (0, 0);
            date = date.tomorrow().ok()?;
        }
        None
    }

    fn has_day(&self, date: Date) -> bool {
        let day = self.days & (1 << bits(date.day())) != 0;
        let weekday = self.weekdays & (1 << bits(date.weekday().to_sunday_zero_offset())) != 0;
        let both = self.any_day || self.any_weekday;
        self.months & (1 << bits(date.month())) != 0 && if both { day && weekday } else { day || weekday }
    }

    /// The shortest time between two of the minutes; an hour when there is one.
    fn minutes_apart(&self) -> u32 {
        let minutes: Vec<u32> = (0..60).filter(|bit| self.minutes & (1 << bit) != 0).collect();
        let around = minutes.iter().skip(1).copied().chain(minutes.first().map(|first| first + 60));
        minutes.iter().zip(around).map(|(minute, next)| next - minute).min().unwrap_or(60)
    }
}

/// A part of a date or time; none of them is negative.
fn bits(part: i8) -> u32 {
    u32::try_from(part).unwrap_or(0)
}

fn next_minute(local: DateTime) -> Option<DateTime> {
    let minute = local.date().at(local.hour(), local.minute(), 0, 0);
    minute.checked_add(jiff::Span::new().minutes(1)).ok()
}

impl Field {
    /// `*`, `5`, `1-5`, `*/15`, `20/15`, `1-30/2`, and lists of these.
    fn read(&self, text: &str) -> Result<u64, String> {
        let mut set = 0_u64;
        for part in text.split(',') {
            let (range, step) = part.split_once('/').unwrap_or((part, "1"));
            let step = step.parse::<u32>().ok().filter(|step| (1..=self.most).contains(step));
            let step = step.ok_or_else(|| self.wrong(part))?;
            let (from, to) = match range.split_once('-') {
                _ if range == "*" => (self.least, self.most),
                Some((from, to)) => (self.number(from)?, self.number(to)?),
                None if part.contains('/') => (self.number(range)?, self.most),
                None => (self.number(range)?, self.number(range)?),
            };
            if from > to {
                return Err(format!("{part} goes backwards; write both ends as a list"));
            }
            (from..=to).step_by(step as usize).for_each(|number| set |= 1 << number);
        }
        Ok(set)
    }

    fn number(&self, text: &str) -> Result<u32, String> {
        let word = self.words.iter().zip(self.least..).find(|(word, _)| word.eq_ignore_ascii_case(text));
        let plain = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = word.map(|(_, number)| number).or_else(|| text.parse().ok().filter(|_| plain));
        number.filter(|number| (self.least..=self.most).contains(number)).ok_or_else(|| self.wrong(text))
    }

    fn wrong(&self, text: &str) -> String {
        format!("{text} is no {}; it goes from {} to {}", self.name, self.least, self.most)
    }
}

#[cfg(test)]
mod tests;

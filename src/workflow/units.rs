//! Quantities as people write them: `10m`, `2GB`, `0.5 cores`.

use std::time::Duration;

/// The longest timeout: thirty days. GitHub gives up on a check long before.
pub(crate) const TIMEOUT_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);
/// A bare number below this is a slip: the original design counts in milliseconds, people do not.
const BARE_MILLIS_MIN: u64 = 1_000;

const TIME_UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 24 * 3_600_000)];
/// As programs that limit memory count: in powers of 1,024.
const BYTE_UNITS: [(&str, u64); 9] = [
    ("kb", 1 << 10),
    ("mb", 1 << 20),
    ("gb", 1 << 30),
    ("tb", 1 << 40),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("b", 1),
];

/// `90s`, `1h30m`, `500ms`; a bare number is milliseconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if let Ok(millis) = text.parse::<u64>() {
        if millis < BARE_MILLIS_MIN {
            return Err(format!("{millis} means {millis} ms; write {millis}s or {millis}m"));
        }
        return within(millis);
    }
    let mut millis: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, behind) = split(rest, |c| c.is_ascii_digit());
        let (unit, behind) = split(behind.trim_start(), |c| c.is_ascii_alphabetic());
        let size = TIME_UNITS.iter().find(|(known, _)| *known == unit).map(|(_, size)| *size);
        let (Ok(number), Some(size)) = (number.parse::<u64>(), size) else {
            return Err(format!("{text} is no duration; write 500ms, 90s, 10m, 1h30m or 2d"));
        };
        millis = millis.saturating_add(number.saturating_mul(size));
        rest = behind.trim_start();
    }
    if text.is_empty() { Err("a duration is missing; write 90s, 10m or 1h30m".to_owned()) } else { within(millis) }
}

fn within(millis: u64) -> Result<Duration, String> {
    let duration = Duration::from_millis(millis);
    match duration {
        Duration::ZERO => Err("a duration of nothing is not allowed".to_owned()),
        _ if duration > TIMEOUT_MAX => Err("a duration is at most 30d".to_owned()),
        _ => Ok(duration),
    }
}

/// `512MB`, `2 GB`, `1.5GiB`: always powers of 1,024.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text} is no size; write 512MB or 2GB");
    let (number, unit) = split(text.trim(), |c| c.is_ascii_digit() || c == '.');
    let unit = unit.trim().to_ascii_lowercase();
    let size = BYTE_UNITS.iter().find(|(known, _)| *known == unit).map(|(_, size)| *size).ok_or_else(wrong)?;
    let thousandths = thousandths(number).ok_or_else(wrong)?;
    let bytes = u128::from(thousandths) * u128::from(size) / 1_000;
    u64::try_from(bytes).ok().filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

/// `2 cores`, `1 core`, `0.5`, `500m`: thousandths of a core.
pub(crate) fn cpu_millis(text: &str) -> Result<u32, String> {
    let wrong = || format!("{text} is no number of cores; write 2 cores, 0.5 or 500m");
    let (number, unit) = split(text.trim(), |c| c.is_ascii_digit() || c == '.');
    let millis = match unit.trim() {
        "" | "core" | "cores" => thousandths(number),
        "m" => number.parse().ok(),
        _ => None,
    };
    millis.and_then(|millis| u32::try_from(millis).ok()).filter(|millis| *millis > 0).ok_or_else(wrong)
}

/// `5` or `0.50` dollars, in millionths of one.
pub(crate) fn dollar_micros(text: &str) -> Result<u64, String> {
    const MICROS_DIGITS: usize = 6;
    let micros = decimal(text, MICROS_DIGITS).filter(|micros| *micros > 0);
    micros.ok_or_else(|| format!("{text} is no amount of dollars; write 5 or 0.50"))
}

/// A decimal number in parts of `1 / 10^digits`, without ever being a float.
pub(crate) fn decimal(text: &str, digits: usize) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !plain(whole) || !plain(part) || part.len() > digits || (whole.is_empty() && part.is_empty()) {
        return None;
    }
    format!("{whole}{part:0<digits$}").parse().ok()
}

fn thousandths(text: &str) -> Option<u64> {
    decimal(text, 3)
}

fn split(text: &str, taken: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !taken(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests;

//! How values are written. Each parser returns the remedy when it does not understand.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use url::Url;

/// What to do about a value that is not understood.
pub(super) type Remedy = &'static str;

pub(super) fn switch(text: &str) -> Result<bool, Remedy> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("write true or false"),
    }
}

pub(super) fn host(text: &str) -> Result<IpAddr, Remedy> {
    if text == "localhost" {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    text.parse()
        .map_err(|_| "give an address of this machine, 0.0.0.0 or :: for all of them, 127.0.0.1 for none but itself")
}

pub(super) fn port(text: &str) -> Result<u16, Remedy> {
    text.parse().ok().filter(|port| *port > 0).ok_or("give a port from 1 to 65535")
}

pub(super) fn socket(text: &str) -> Result<SocketAddr, Remedy> {
    text.parse().map_err(|_| "give an address and a port, for example 127.0.0.1:9090")
}

/// An address of a web service, without a slash at its end.
pub(super) fn address(text: &str) -> Result<Url, Remedy> {
    const REMEDY: Remedy = "give an address such as https://example.org, without query or login";
    let url = Url::parse(text.trim_end_matches('/')).map_err(|_| REMEDY)?;
    let plain =
        url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    if matches!(url.scheme(), "http" | "https") && url.has_host() && plain { Ok(url) } else { Err(REMEDY) }
}

/// A count of at least one.
pub(super) fn count(text: &str) -> Result<u32, Remedy> {
    text.parse().ok().filter(|n| *n > 0).ok_or("give a whole number of at least 1")
}

/// `90s`, `10m`, `1h`, `30d`; a bare number is milliseconds, and below 1000 surely a mistake.
pub(super) fn duration(text: &str) -> Result<Duration, Remedy> {
    const REMEDY: Remedy = "write a number with its unit: 500ms, 90s, 10m, 1h or 30d";
    let (number, unit) = split(text);
    let number: u64 = number.parse().map_err(|_| REMEDY)?;
    let millis = match unit {
        "" if number < 1000 => return Err("a bare number is milliseconds; write 10s or 10m"),
        "" | "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(REMEDY),
    };
    number.checked_mul(millis).filter(|ms| *ms > 0).map(Duration::from_millis).ok_or(REMEDY)
}

/// `512MB`, `4GB`, `1.5 TB`: decimal units, as on the box; `MiB` and its kin are binary.
pub(super) fn bytes(text: &str) -> Result<u64, Remedy> {
    const REMEDY: Remedy = "write a size such as 512MB, 4GB or 4GiB";
    let (number, unit) = split(text);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" | "k" => 1_000,
        "mb" | "m" => 1_000_000,
        "gb" | "g" => 1_000_000_000,
        "tb" | "t" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err(REMEDY),
    };
    thousandths(number)
        .and_then(|n| n.checked_mul(u128::from(factor)))
        .and_then(|n| u64::try_from(n / 1000).ok())
        .filter(|n| *n > 0)
        .ok_or(REMEDY)
}

/// `4 cores`, `0.5`: thousandths of a core.
pub(super) fn cores(text: &str) -> Result<u32, Remedy> {
    const REMEDY: Remedy = "write a number of cores such as \"4 cores\" or 0.5";
    let (number, unit) = split(text);
    if !matches!(unit, "" | "core" | "cores") {
        return Err(REMEDY);
    }
    thousandths(number).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0).ok_or(REMEDY)
}

/// The number in front and the unit behind it.
fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim())
}

/// A decimal number with at most three places, exactly.
fn thousandths(number: &str) -> Option<u128> {
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    if part.is_empty() || part.len() > 3 || whole.len() > 18 || !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part = format!("{part:0<3}").parse::<u128>().ok()?;
    whole.parse::<u128>().ok().map(|whole| whole * 1000 + part)
}

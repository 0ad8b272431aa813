//! How values are written; quantities as in workflow files. A parser that does not understand returns the remedy.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use url::Url;

use crate::workflow::units;
pub(super) use units::duration;

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

pub(super) fn bytes(text: &str) -> Result<u64, Remedy> {
    units::bytes(text).map_err(|_| "write a size such as 512MB or 4GB")
}

pub(super) fn cpu_millis(text: &str) -> Result<u32, Remedy> {
    units::cpu_millis(text).map_err(|_| "write a number of cores such as \"4 cores\" or 0.5")
}

//! Which addresses may be connected to (N-01). Names are resolved here, checked here, and the connection goes to the
//! very addresses that were checked, so a name that changes its answer between two look-ups gains nothing.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Addresses that one name may resolve to; more are not looked at.
const ADDRESSES_MAX: usize = 16;

/// How far a connection may reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Public addresses; loopback, private and link-local ones only for these hosts, which the operator listed.
    Public {
        /// Names and literal addresses, as they stand in a URL, lower case.
        private_hosts: BTreeSet<String>,
    },
    /// Private addresses too, but never link-local ones, where clouds keep their metadata. For a runner, whose engine
    /// is usually a neighbour and has logged in.
    Private,
}

impl Reach {
    /// Public addresses, and the private ones of these hosts.
    pub fn listed<'a>(hosts: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Public { private_hosts: hosts.into_iter().map(plain).collect() }
    }

    /// Whether this address may be connected to, being the answer for this host.
    #[must_use]
    pub fn allows(&self, host: &str, address: IpAddr) -> bool {
        let range = range(address);
        match self {
            Self::Public { private_hosts } => match range {
                Range::Public => true,
                Range::Private | Range::LinkLocal => private_hosts.contains(&plain(host)),
                Range::Nowhere => false,
            },
            Self::Private => matches!(range, Range::Public | Range::Private),
        }
    }

    /// Checks what a URL shows by itself: scheme, no login in it, and its host when that is a literal address.
    ///
    /// # Errors
    /// When no connection may be made to it.
    pub fn check(&self, url: &Url) -> Result<(), BadAddress> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BadAddress::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadAddress::Login);
        }
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err(BadAddress::NoHost),
        };
        let host = url.host_str().unwrap_or_default();
        if self.allows(host, literal) { Ok(()) } else { Err(BadAddress::Range(host.to_owned())) }
    }
}

/// A host as it is compared: lower case, without the brackets of IPv6.
fn plain(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase()
}

/// Why no connection may be made to an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// Only two schemes are spoken.
    #[error("the address must begin with http:// or https://, not {0}://")]
    Scheme(String),
    /// A login in an address ends up in logs.
    #[error("the address holds a user name or password; give the key as a setting of its own")]
    Login,
    /// There is nobody to ask.
    #[error("the address has no host")]
    NoHost,
    /// A private or link-local address that the operator did not list.
    #[error("{0} is a private or link-local address; list the host as private to allow it")]
    Range(String),
    /// The client could not be built.
    #[error("the HTTP client cannot be set up: {0}")]
    Setup(String),
}

enum Range {
    Public,
    Private,
    LinkLocal,
    /// Unspecified, broadcast, multicast: nothing to connect to.
    Nowhere,
}

fn range(address: IpAddr) -> Range {
    match address {
        IpAddr::V4(v4) => range_v4(v4),
        IpAddr::V6(v6) => range_v6(v6),
    }
}

fn range_v4(v4: Ipv4Addr) -> Range {
    let [a, b, ..] = v4.octets();
    match (a, b) {
        (0 | 224..=255, _) => Range::Nowhere,
        (169, 254) => Range::LinkLocal,
        // Alibaba's metadata service lives in the range of carriers.
        (100, 64..=127) | (10 | 127, _) | (192, 168) | (172, 16..=31) | (198, 18..=19) => Range::Private,
        _ => Range::Public,
    }
}

fn range_v6(v6: Ipv6Addr) -> Range {
    // An IPv4 address in any of its IPv6 clothes is that address: mapped, compatible, NAT64, 6to4.
    let embedded = match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some((high, low)),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some((high, low)),
        [0x2002, high, low, ..] => Some((high, low)),
        _ => None,
    };
    if let Some((high, low)) = embedded {
        return range_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    }
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Range::Nowhere,
        [0, 0, 0, 0, 0, 0, 0, 1] => Range::Private,
        // Amazon's metadata service has an address of its own among the private ones.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => Range::LinkLocal,
        [0xfe80..=0xfebf, ..] => Range::LinkLocal,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Range::Private,
        [0xff00..=0xffff, ..] => Range::Nowhere,
        _ => Range::Public,
    }
}

/// Resolves names and keeps only what [`Reach`] allows.
pub(super) struct CheckedResolver {
    reach: Arc<Reach>,
}

impl CheckedResolver {
    pub(super) fn new(reach: Reach) -> Self {
        Self { reach: Arc::new(reach) }
    }
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = Arc::clone(&self.reach);
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?.take(ADDRESSES_MAX);
            let allowed: Vec<SocketAddr> = found.filter(|address| reach.allows(&host, address.ip())).collect();
            if allowed.is_empty() {
                return Err(Box::new(BadAddress::Range(host)) as Box<dyn std::error::Error + Send + Sync>);
            }
            let addresses: Addrs = Box::new(allowed.into_iter());
            Ok(addresses)
        })
    }
}

/// An HTTP client that keeps the rules: checked addresses, no redirects, no proxy, no referer, bounded in time.
pub(crate) fn http_client(reach: &Reach, timeout: std::time::Duration) -> Result<reqwest::Client, BadAddress> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(timeout / 2)
        .timeout(timeout)
        .dns_resolver(Arc::new(CheckedResolver::new(reach.clone())))
        .user_agent(concat!("pointsman/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| BadAddress::Setup(error.to_string()))
}

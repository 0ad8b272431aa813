//! `pointsman health`: asks a running server how it is. Containers use it as their health check, so that the image
//! needs no other program.

use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use url::Url;

use super::Failure;
use crate::config;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);

/// Ask a running server whether it is well; exit code 1 where it is not.
#[derive(Debug, Args)]
pub struct Health {
    /// What to ask. By default `/health` on this machine, at `API_PORT`, `PORT` or 3000; `/ready` says whether it
    /// takes work.
    #[arg(value_parser = address)]
    url: Option<Url>,
}

impl Health {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let url = match self.url {
            Some(url) => url,
            None => format!("http://127.0.0.1:{}/health", port()).parse()?,
        };
        // Its own machine needs no proxy, whatever the environment says.
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_TIMEOUT).build()?;
        let answer = client.get(url.clone()).send().await.map_err(reqwest::Error::without_url).with_context(|| {
            format!("{url} does not answer; start `pointsman serve`, or give the address where it listens")
        })?;
        if !answer.status().is_success() {
            return Err(anyhow::anyhow!("{url} answers {}", answer.status()).into());
        }
        Ok(())
    }
}

fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    url.ok_or_else(|| "give a whole address, such as http://127.0.0.1:3000/ready".to_owned())
}

/// The port as `serve` reads it, without a file.
fn port() -> String {
    let env = config::environment();
    let said = ["API_PORT", "PORT"].into_iter().find_map(|name| env.get(name).filter(|port| !port.is_empty()));
    said.cloned().or_else(|| config::names::default_of("API_PORT")).unwrap_or_default()
}

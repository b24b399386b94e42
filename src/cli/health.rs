//! `erp health`: asks the server of these settings, on this machine, how it is. A container's
//! health check is this, so its image needs no shell and no other client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::Args;

/// Shorter than any health check waits.
const TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug, Args)]
pub struct HealthArgs {
    /// Ask only whether it lives, not whether it can do its work
    #[arg(long)]
    live: bool,
}

/// Prints what the server said of itself; fails if it cannot work or does not answer.
pub async fn health(bind: &str, args: HealthArgs) -> Result<(), String> {
    let said = ask(bind, if args.live { "live" } else { "ready" }).await?;
    print_line!("{said}");
    Ok(())
}

/// What whoever listens on `bind` answers at `/health/{what}`; anything but 2xx is an error.
pub async fn ask(bind: &str, what: &str) -> Result<String, String> {
    let url = format!("http://{}/health/{what}", on_this_machine(bind)?);
    let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build();
    let answer = match client.map_err(|e| e.to_string())?.get(&url).send().await {
        Ok(answer) => answer,
        Err(error) if error.is_timeout() => return Err(format!("{url}: no answer in time")),
        Err(_) => return Err(format!("{url}: no answer")),
    };
    let status = answer.status();
    let said = answer.text().await.map_err(|_| format!("{url}: no whole answer"))?;
    if status.is_success() { Ok(said) } else { Err(format!("{url}: {status}: {said}")) }
}

/// Where to find on this machine what listens on `bind`.
fn on_this_machine(bind: &str) -> Result<SocketAddr, String> {
    let mut address: SocketAddr =
        bind.parse().map_err(|_| format!("server.bind: {bind} is no address and port"))?;
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Ok(address)
}

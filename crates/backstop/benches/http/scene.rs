//! A server, the gate and the carrier before it, and the ways that lead to the server.

use std::fmt;

use anyhow::{Context as _, Result};
use backstop_testing::tls::{Authority, Identity};

use crate::asks::{APIS, Ask, CREDENTIAL, HOST_NAME, Version};
use crate::front::Front;
use crate::loader::{Loader, Route, Tunnel};
use crate::machine;
use crate::peers::Peers;
use crate::upstream::Upstream;

/// What runs all the time.
pub struct Scene {
    /// The server.
    pub server: Upstream,
    /// The gate.
    pub gate: Front,
    /// The carrier alone.
    pub carrier: Front,
    /// What server and reverse proxies show.
    pub identity: Identity,
    /// Who signed it, PEM.
    pub trusted_pem: String,
}

/// A way to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// To the server itself.
    Direct,
    /// mitmproxy, as a proxy.
    Mitmproxy,
    /// Envoy, as a reverse proxy.
    Envoy,
    /// The gate's carrier without its judge, as a proxy.
    Carrier,
    /// The gate, as a proxy.
    Gate,
    /// The gate, as a reverse proxy.
    Reverse,
}

impl Scene {
    /// Starts all of it on free ports.
    pub fn open() -> Result<Self> {
        let authority = Authority::new("backstop bench")?;
        let identity = authority.server(&[HOST_NAME, "127.0.0.1"])?;
        let trusted_pem = authority.certificate_pem();
        let server = Upstream::start(&identity)?;
        let gate = Front::judging(&server, &identity, &trusted_pem)?;
        let carrier = Front::carrying(&server, &identity, &trusted_pem)?;
        Ok(Self {
            server,
            gate,
            carrier,
            identity,
            trusted_pem,
        })
    }

    /// Another gate like it, which nobody has asked anything.
    pub fn fresh_gate(&self) -> Result<Front> {
        Front::judging(&self.server, &self.identity, &self.trusted_pem)
    }

    /// A loader that trusts whom these trust, and `more`.
    pub fn loader(&self, more: &[&str]) -> Result<Loader> {
        let own = [
            self.trusted_pem.as_str(),
            &self.gate.authority_pem,
            &self.carrier.authority_pem,
        ];
        Loader::new(own.iter().chain(more))
    }

    /// How a request goes that way; `peers` only where it leads through them.
    pub fn route(
        &self,
        way: Way,
        peers: Option<&Peers>,
        ask: Ask,
        version: Version,
    ) -> Result<Route> {
        let api = ask.api(version);
        let server = self.server.port(api)?;
        let peers = || peers.context("the peers were not started");
        Ok(match way {
            Way::Direct => straight(server, CREDENTIAL),
            Way::Envoy => straight(peers()?.envoy(version), CREDENTIAL),
            Way::Mitmproxy => tunnelled(peers()?.mitmproxy, server, CREDENTIAL, None),
            Way::Carrier => tunnelled(self.carrier.forward, server, CREDENTIAL, None),
            Way::Gate => through(&self.gate, server, api)?,
            Way::Reverse => {
                let port = self.gate.reverse.get(api).context("an API's listener")?;
                straight(*port, placeholder(&self.gate, api)?)
            }
        })
    }
}

/// Through a gate as a proxy, with what its lease holds.
pub fn through(gate: &Front, server: u16, api: usize) -> Result<Route> {
    let presents = Some(gate.authorization.clone());
    let held = placeholder(gate, api)?;
    Ok(tunnelled(gate.forward, server, held, presents))
}

fn placeholder(gate: &Front, api: usize) -> Result<&str> {
    let held = gate.placeholders.get(api).context("a placeholder")?;
    Ok(held)
}

fn straight(port: u16, credential: &str) -> Route {
    Route {
        port,
        authority: format!("{HOST_NAME}:{port}"),
        credential: credential.to_owned(),
        tunnel: None,
    }
}

fn tunnelled(proxy: u16, server: u16, credential: &str, presents: Option<String>) -> Route {
    let site = format!("{HOST_NAME}:{server}");
    Route {
        port: proxy,
        authority: site.clone(),
        credential: credential.to_owned(),
        tunnel: Some(Tunnel { site, presents }),
    }
}

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packs: Vec<String> = APIS
            .iter()
            .map(|api| format!("`{}` ({})", api.name, api.pack))
            .collect();
        writeln!(
            f,
            "- gate: backstop {}, {} threads; a lease with the scope `read` at {}; every request searched, judged \
             and journaled, its placeholder swapped for the credential, every answer masked",
            env!("CARGO_PKG_VERSION"),
            machine::threads(),
            packs.join(", ")
        )?;
        write!(
            f,
            "- server: hyper with TLS (rustls), {} threads; loader: hyper, the same for all; all over TCP on \
             127.0.0.1, connections kept",
            machine::processors()
        )
    }
}

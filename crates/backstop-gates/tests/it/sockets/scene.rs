//! A server of sockets, three APIs at it, and the gate in front of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use backstop_core::target::Environment;
use backstop_gates::http::Limits;
use backstop_gates::http::gate::Reachable;
use backstop_gates::http::gate::config::Api;
use backstop_wire::providers::Pack;

use super::server::Server;
use crate::front::{self, Front, Granted, Here, Making};

/// The real credential of the APIs.
pub const REAL: &str = "k7Qm2vX9pL4tZ8wR1nB6yC3d";
/// A credential that no lease got.
pub const STRAY: &str = "9b2f6c1e-5d0a-4f6e-8a3c-2d7e1f4b6a90";

const PACK: &str = r#"
name = "live"
title = "Live"
source = "a test"
version = "1"
reads = "by-method"

[[operation]]
match = "GET /harmless/{name...}"
effect = "read"
socket = "harmless"
does = "Listens."

[[operation]]
match = "GET /writing"
effect = "write"
bound = 1
object = "thing.one"
socket = "harmless"
does = "Says something."

[[operation]]
match = "GET /graph"
effect = "read"
socket = "graphql"
does = "Asks."
"#;

fn api(name: &str, pack: &str, own: Option<Pack>, port: u16) -> Result<Arc<Api>> {
    let site = format!("{name}.example:{port}");
    Ok(Arc::new(Api {
        pack: Some(pack.into()),
        own: own.map(Arc::new),
        ..front::api(name, &site, REAL, None)?
    }))
}

/// The gate before the server.
pub struct Scene {
    pub server: Server,
    pub front: Front,
    apis: Vec<Arc<Api>>,
}

/// A lease that reads and writes at all of the APIs.
pub struct Held {
    pub lease: String,
    pub proxy: SocketAddr,
    /// Of `Proxy-Authorization`.
    pub authorization: String,
    placeholders: BTreeMap<String, String>,
}

impl Held {
    pub fn placeholder(&self, api: &str) -> &str {
        &self.placeholders[api]
    }
}

impl Scene {
    pub async fn set() -> Result<Self> {
        let server = Server::start().await?;
        let port = server.port;
        let apis = vec![
            // What everybody's GET is says nothing of sockets.
            api("live", "live", Some(Pack::parse(PACK)?), port)?,
            api("rail", "railway", None, port)?,
            api("rest", "generic-rest", None, port)?,
        ];
        let reachable = Reachable {
            apis: apis.clone(),
            allow: vec!["docs.example".into()],
            public: Arc::new(front::public()?),
        };
        let making = Making {
            limits: Limits {
                silent: Duration::from_secs(60),
                ..Limits::default()
            },
            names: Arc::new(Here),
            ..Making::default()
        };
        let front = making.before(reachable).await?;
        Ok(Self {
            server,
            front,
            apis,
        })
    }

    pub async fn lease(&self) -> Result<Held> {
        let production = Environment::Production;
        let scopes: &[&str] = &["read", "write"];
        let named: Vec<_> = self
            .apis
            .iter()
            .map(|api| (api.name.as_str(), production, scopes))
            .collect();
        let granted = self.front.grant(&named).await?;
        self.held(&granted)
    }

    fn held(&self, granted: &Granted) -> Result<Held> {
        let placeholders = self.apis.iter().map(|api| {
            let placeholder = self.front.placeholder(&granted.lease, api);
            (api.name.clone(), placeholder)
        });
        Ok(Held {
            lease: granted.lease.clone(),
            proxy: granted.address().parse()?,
            authorization: granted.authorization(),
            placeholders: placeholders.collect(),
        })
    }

    /// Why a lease is halted, once it is.
    pub async fn halted(&self, held: &Held) -> Option<String> {
        self.front.halted_soon(&held.lease).await
    }

    /// The rules by which requests and messages of a lease were decided, with what became of them.
    pub fn decided(&self, held: &Held) -> Vec<(String, String)> {
        let entries = self.front.world.entries();
        let text = |entry: &serde_json::Value, key: &str| {
            entry[key].as_str().unwrap_or_default().to_owned()
        };
        let of_lease = entries.iter().filter(|e| e["lease"] == held.lease.as_str());
        of_lease
            .map(|entry| (text(entry, "verdict"), text(entry, "rule")))
            .collect()
    }
}

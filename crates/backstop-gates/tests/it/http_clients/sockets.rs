//! WebSockets and gRPC as people's programs speak them, straight and through the gate.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use backstop_core::target::Environment;
use backstop_gates::http::Limits;
use backstop_gates::http::gate::config::Api;
use backstop_gates::http::gate::{Reachable, environment};
use backstop_wire::providers::Pack;

use super::run;
use super::service::REAL;
use crate::calls::server::Server as Calls;
use crate::front::{self, Front, Granted, Here, Making};
use crate::sockets::server::Server as Sockets;

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
match = "POST /acme.Items/Talk"
effect = "read"
grpc = "harmless"
does = "Talks."

[[operation]]
match = "POST /acme.Items/Rename"
effect = "write"
bound = 1
object = "item.one"
does = "Renames an item."
"#;

struct Scene {
    sockets: Sockets,
    calls: Calls,
    front: Front,
    apis: Vec<Arc<Api>>,
    /// Those that vouch for both servers.
    authorities_pem: String,
}

impl Scene {
    async fn set() -> Result<Self> {
        let (sockets, of_sockets) = Sockets::with_tls(&["live.example", "127.0.0.1"]).await?;
        let calls = Calls::start().await?;
        let apis = vec![
            api("live", sockets.port, &of_sockets)?,
            api("acme", calls.port, &calls.authority_pem)?,
        ];
        let reachable = Reachable {
            apis: apis.clone(),
            allow: vec![],
            public: Arc::new(front::public()?),
        };
        let making = Making {
            limits: Limits::default(),
            names: Arc::new(Here),
            ..Making::default()
        };
        Ok(Self {
            front: making.before(reachable).await?,
            authorities_pem: format!("{of_sockets}{}", calls.authority_pem),
            sockets,
            calls,
            apis,
        })
    }

    async fn lease(&self) -> Result<(Granted, Vec<(String, String)>)> {
        let production = Environment::Production;
        let scopes: &[&str] = &["read", "write"];
        let named = [("live", production, scopes), ("acme", production, scopes)];
        let granted = self.front.grant(&named).await?;
        let mut environment = self.front.environment(&granted);
        let token = |api: &Api| self.front.placeholder(&granted.lease, api);
        for api in &self.apis {
            let name = if api.name == "live" { "LIVE" } else { "CALLS" };
            environment.push((format!("{name}_TOKEN"), token(api)));
        }
        environment.extend(self.addresses("live.example", "acme.example"));
        Ok((granted, environment))
    }

    /// Why a lease is halted, once it is: the person is told while the socket is closed.
    async fn halted(&self, granted: &Granted) -> Option<String> {
        for _ in 0..200 {
            if let Some(why) = self.front.halted(&granted.lease) {
                return Some(why);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        None
    }

    /// Of clients that ask the servers themselves, with the real credential.
    fn straight(&self) -> Result<Vec<(String, String)>> {
        let ca = self.front.world.folder.path().join("both.pem");
        std::fs::write(&ca, &self.authorities_pem)?;
        let trust = environment("", &ca.display().to_string());
        let mut all: Vec<_> = trust
            .into_iter()
            .filter(|(_, value)| !value.is_empty() && value != "1")
            .collect();
        for name in ["LIVE_TOKEN", "CALLS_TOKEN"] {
            all.push((name.to_owned(), REAL.to_owned()));
        }
        all.extend(self.addresses("127.0.0.1", "127.0.0.1"));
        Ok(all)
    }

    fn addresses(&self, live: &str, calls: &str) -> [(String, String); 2] {
        [
            (
                "LIVE_URL".to_owned(),
                format!("wss://{live}:{}", self.sockets.port),
            ),
            (
                "CALLS_TARGET".to_owned(),
                format!("{calls}:{}", self.calls.port),
            ),
        ]
    }
}

fn api(name: &str, port: u16, authority_pem: &str) -> Result<Arc<Api>> {
    let site = format!("{name}.example:{port}");
    Ok(Arc::new(Api {
        pack: Some("live".into()),
        own: Some(Arc::new(Pack::parse(PACK)?)),
        ..front::api(name, &site, REAL, Some(authority_pem))?
    }))
}

/// What a program prints in each mode through the gate; its ordinary work is the same as straight.
async fn conforms(name: &'static str, lines: usize, refused: &str, stray: &str) -> Result<()> {
    let scene = Scene::set().await?;
    let straight = run(name, "ordinary", &scene.straight()?).await?;
    let (granted, environment) = scene.lease().await?;
    let through = run(name, "ordinary", &environment).await?;
    assert_eq!(through, straight, "{name}");
    assert_eq!(straight.lines().count(), lines, "{name}: {straight}");
    assert!(
        !straight.to_lowercase().contains("false"),
        "{name}: {straight}"
    );
    let told = run(name, "refused", &environment).await?;
    assert!(told.contains(refused), "{name}: {told}");
    assert_eq!(scene.front.halted(&granted.lease), None, "{name}");
    let told = run(name, "stray", &environment).await?;
    assert!(told.contains(stray), "{name}: {told}");
    let why = scene.halted(&granted).await;
    assert!(
        why.context("the lease goes on")?.contains("credential"),
        "{name}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn python_websockets_conforms() -> Result<()> {
    let refused = "403 application/problem+json urn:backstop:problem:socket";
    conforms("websockets", 7, refused, "1008 stop").await
}

#[tokio::test(flavor = "multi_thread")]
async fn node_websocket_conforms() -> Result<()> {
    conforms("websocket", 5, "not opened", "1008 stop").await
}

#[tokio::test(flavor = "multi_thread")]
async fn grpcio_conforms() -> Result<()> {
    conforms(
        "grpcio",
        7,
        "PERMISSION_DENIED This gRPC call is not known to be harmless",
        "PERMISSION_DENIED Stop: this lease is halted",
    )
    .await
}

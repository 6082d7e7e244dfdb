//! An API of items and files, a page of documentation beside it, and the gate in front of them.

use std::sync::Arc;

use anyhow::Result;
use backstop_core::target::Environment;
use backstop_gates::http::Limits;
use backstop_gates::http::gate::Reachable;
use backstop_gates::http::gate::config::Api;
use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::Response;
use hyper::body::Frame;
use hyper::http::request::Parts;
use serde_json::json;

use super::web::{self, Reply, Web, host, reply};
use crate::front::{self, Front, Granted, Here, Making};

/// The real credential of both APIs.
pub const REAL: &str = "k7Qm2vX9pL4tZ8wR1nB6yC3d";

/// An API at a name of a server, with the real credential.
pub fn api(name: &str, pack: &str, environment: Environment, web: &Web) -> Result<Api> {
    let site = format!("{name}.example:{}", web.port);
    Ok(Api {
        environment,
        pack: Some(pack.into()),
        ..front::api(name, &site, REAL, Some(&web.authority_pem))?
    })
}

/// The gate in front of the service.
pub struct Service {
    pub front: Front,
    pub web: Web,
    pub apis: Vec<Arc<Api>>,
}

impl Service {
    pub async fn start() -> Result<Self> {
        let names = [
            "items.example",
            "files.example",
            "docs.example",
            "127.0.0.1",
        ];
        let web = Web::start(&names, |port, parts, body| async move {
            answer(port, &parts, &body)
        })
        .await?;
        let apis = vec![
            Arc::new(api("items", "generic-rest", Environment::Production, &web)?),
            Arc::new(api(
                "files",
                "supabase-data",
                Environment::Development,
                &web,
            )?),
        ];
        let reachable = Reachable {
            apis: apis.clone(),
            allow: vec!["docs.example".into()],
            public: Arc::new(front::inside("elsewhere", Some(&web.authority_pem))?),
        };
        let making = Making {
            limits: Limits::default(),
            names: Arc::new(Here),
            ..Making::default()
        };
        let front = making.before(reachable).await?;
        Ok(Self { front, web, apis })
    }

    /// A lease that reads and deletes items, and puts files; and the environment of its agent.
    pub async fn lease(&self) -> Result<(Granted, Vec<(String, String)>)> {
        let granted = self
            .front
            .grant(&[
                ("items", Environment::Production, &["read", "delete"]),
                (
                    "files",
                    Environment::Development,
                    &["read", "write", "create"],
                ),
            ])
            .await?;
        let mut environment = self.front.environment(&granted);
        for api in &self.apis {
            let upper = api.name.to_ascii_uppercase();
            let url = format!("https://{}", api.site);
            environment.push((format!("{upper}_URL"), url));
            let placeholder = self.front.placeholder(&granted.lease, api);
            environment.push((format!("{upper}_TOKEN"), placeholder));
        }
        Ok((granted, environment))
    }

    /// The environment of a client that asks the service itself, with the real credential.
    pub fn straight(&self) -> Result<Vec<(String, String)>> {
        let ca = self.front.world.folder.path().join("theirs.pem");
        std::fs::write(&ca, &self.web.authority_pem)?;
        let trust = backstop_gates::http::gate::environment("", &ca.display().to_string());
        let mut environment: Vec<_> = trust
            .into_iter()
            .filter(|(_, value)| !value.is_empty() && value != "1")
            .collect();
        for name in ["ITEMS", "FILES"] {
            let url = format!("https://127.0.0.1:{}", self.web.port);
            environment.push((format!("{name}_URL"), url));
            environment.push((format!("{name}_TOKEN"), REAL.to_owned()));
        }
        Ok(environment)
    }
}

fn answer(port: u16, parts: &Parts, body: &Bytes) -> Reply {
    let text = [("content-type", "text/plain")];
    if host(parts).starts_with("docs.example:") {
        return reply(200, &text, "a page\n");
    }
    let presented = parts.headers.get("authorization").map(|v| v.as_bytes());
    if presented != Some(format!("Bearer {REAL}").as_bytes()) {
        return web::json(401, &json!({ "error": "who are you" }));
    }
    match (parts.method.as_str(), parts.uri.path()) {
        ("GET", "/items") => web::json(200, &json!({ "items": [1, 2, 3] })),
        ("DELETE", "/items/1") => reply(204, &[], ""),
        ("GET", "/moved") => reply(307, &[("location", "/items")], ""),
        ("GET", "/away") => {
            let location = format!("https://docs.example:{port}/page");
            reply(302, &[("location", location.as_str())], "")
        }
        ("GET", "/outside") => {
            let location = format!("https://nowhere.example:{port}/page");
            reply(302, &[("location", location.as_str())], "")
        }
        ("GET", "/big") => big(),
        ("POST", "/storage/v1/object/bucket/file") => {
            web::json(200, &json!({ "bytes": body.len(), "sha256": sha256(body) }))
        }
        _ => web::json(404, &json!({ "error": "there is none" })),
    }
}

/// Four MiB in pieces, without telling how many.
fn big() -> Reply {
    let pieces = (0..64_u8).map(|n| Ok(Frame::data(Bytes::from(vec![n; 64 * 1024]))));
    Response::new(StreamBody::new(futures_util::stream::iter(pieces)).boxed())
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(ring::digest::digest(&ring::digest::SHA256, bytes))
}

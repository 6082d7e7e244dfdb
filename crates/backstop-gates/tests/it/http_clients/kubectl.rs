//! kubectl, unmodified, at as much of the Kubernetes API as it asks for.

use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use backstop_core::approval::Answer;
use backstop_core::target::Environment;
use backstop_gates::http::gate::Reachable;
use backstop_gates::http::gate::config::Api;
use backstop_wire::providers::kubernetes;
use hyper::http::request::Parts;
use serde_json::{Value, json};
use tokio::process::Command;

use super::STRAY;
use super::service::{REAL, api};
use super::web::{Reply, Web, json as told};
use crate::front::Here;
use crate::front::{self, Front, Granted, Making};

const NAMESPACE: &str = "DELETE /api/v1/namespaces/staging";

/// A cluster behind the gate.
struct Cluster {
    front: Front,
    web: Web,
    api: Arc<Api>,
    home: tempfile::TempDir,
}

/// What kubectl said: whether it went well, its output, its errors.
type Said = (bool, String, String);

impl Cluster {
    async fn start() -> Result<Self> {
        let web = Web::start(
            &["kube.example"],
            |_, parts, _| async move { answer(&parts) },
        )
        .await?;
        let api = Arc::new(api(
            "kube",
            kubernetes::NAME,
            Environment::Production,
            &web,
        )?);
        let reachable = Reachable {
            apis: vec![Arc::clone(&api)],
            allow: vec![],
            public: Arc::new(front::inside("elsewhere", Some(&web.authority_pem))?),
        };
        let making = Making {
            names: Arc::new(Here),
            ..Making::default()
        };
        Ok(Self {
            front: making.before(reachable).await?,
            web,
            api,
            home: tempfile::tempdir()?,
        })
    }

    async fn lease(&self) -> Result<Granted> {
        let scopes: &[&str] = &["read", "delete"];
        self.front
            .grant(&[("kube", Environment::Production, scopes)])
            .await
    }

    /// kubectl with that token in its configuration.
    async fn kubectl(&self, granted: &Granted, token: &str, args: &[&str]) -> Result<Said> {
        let server = format!("https://{}", self.api.site);
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "x",
            "clusters": [{ "name": "c", "cluster": { "server": server } }],
            "users": [{ "name": "u", "user": { "token": token } }],
            "contexts": [{ "name": "x", "context": { "cluster": "c", "user": "u", "namespace": "staging" } }],
        });
        let file = self.home.path().join("config");
        std::fs::write(&file, config.to_string())?;
        let output = Command::new("kubectl")
            .args(["--request-timeout", "20s"])
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env("KUBECONFIG", &file)
            .envs(self.front.environment(granted))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("kubectl")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        Ok((
            output.status.success(),
            text(&output.stdout),
            text(&output.stderr),
        ))
    }
}

/// What a cluster with one namespace, two pods and a secret says.
fn answer(parts: &Parts) -> Reply {
    let presented = parts.headers.get("authorization").map(|v| v.as_bytes());
    if presented != Some(format!("Bearer {REAL}").as_bytes()) {
        return told(401, &status("Failure", 401));
    }
    let group = json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": [] });
    match (parts.method.as_str(), parts.uri.path()) {
        ("GET", "/version") => told(
            200,
            &json!({ "major": "1", "minor": "32", "gitVersion": "v1.32.0", "platform": "linux/amd64" }),
        ),
        ("GET", "/api") => told(200, &json!({ "kind": "APIVersions", "versions": ["v1"] })),
        ("GET", "/apis") => told(200, &group),
        ("GET", "/api/v1") => told(200, &resources()),
        ("GET", "/api/v1/namespaces/staging/pods") => told(200, &pods()),
        ("GET", "/api/v1/namespaces/staging/secrets/db") => told(
            200,
            &json!({ "kind": "Secret", "apiVersion": "v1", "metadata": { "name": "db" }, "data": { "password": "aHVudGVyMg==" } }),
        ),
        ("DELETE", "/api/v1/namespaces/staging") => told(200, &status("Success", 200)),
        _ => told(404, &status("Failure", 404)),
    }
}

fn status(word: &str, code: u16) -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "status": word, "code": code })
}

fn resources() -> Value {
    let one = |name: &str, kind: &str, namespaced: bool| {
        json!({
            "name": name, "singularName": "", "namespaced": namespaced, "kind": kind,
            "verbs": ["get", "list", "delete"],
        })
    };
    json!({
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            one("namespaces", "Namespace", false),
            one("pods", "Pod", true),
            one("secrets", "Secret", true),
        ],
    })
}

fn pods() -> Value {
    let one = |name: &str| json!({ "kind": "Pod", "apiVersion": "v1", "metadata": { "name": name, "namespace": "staging" } });
    json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [one("a"), one("b")] })
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_reads_and_what_deletes_or_reveals_is_held() -> Result<()> {
    let cluster = Cluster::start().await?;
    let granted = cluster.lease().await?;
    let own = cluster.front.placeholder(&granted.lease, &cluster.api);
    let (well, out, errors) = cluster
        .kubectl(&granted, &own, &["get", "pods", "-o", "name"])
        .await?;
    assert!(well, "{errors}");
    assert_eq!(out, "pod/a\npod/b");
    let noted = cluster.web.noted();
    let real = format!("Bearer {REAL}");
    assert!(
        noted
            .iter()
            .all(|one| one.presented.as_ref() == Some(&real))
    );

    let (well, out, errors) = cluster
        .kubectl(&granted, &own, &["get", "secret", "db", "-o", "json"])
        .await?;
    assert!(!well, "{out} {errors}");
    assert!(errors.contains("(Forbidden): This waits"), "{errors}");
    assert!(
        !cluster
            .web
            .noted()
            .iter()
            .any(|one| one.line.contains("/secrets"))
    );

    let delete = ["delete", "namespace", "staging", "--wait=false"];
    let (well, out, said) = cluster.kubectl(&granted, &own, &delete).await?;
    assert!(!well, "{out} {said}");
    assert_eq!(cluster.web.count(NAMESPACE), 0);
    let holds = cluster.front.holds(&granted.lease);
    let held: Vec<&str> = holds.iter().map(|one| one.hold.summary.as_str()).collect();
    assert!(
        held.iter().any(|what| what.contains("get secrets")),
        "{held:?}"
    );
    assert!(
        held.iter().any(|what| what.contains("delete namespaces")),
        "{held:?}"
    );
    assert_eq!(cluster.front.halted(&granted.lease), None);

    // The same command again is the same action, whatever it calls itself, and passes once.
    let hold = holds
        .iter()
        .find(|one| one.hold.summary.contains("delete namespaces"));
    let hold = hold.context("no hold")?.hold.id.clone();
    // The person who sees it knows where to go, and the agent what to do.
    let link = format!("http://localhost:7480/holds/{hold}");
    assert!(said.contains(&link), "{said}");
    assert!(said.contains("send the identical request again"), "{said}");
    cluster
        .front
        .world
        .decide(&hold, Answer::Approve, "")
        .await?;
    let (well, out, errors) = cluster.kubectl(&granted, &own, &delete).await?;
    assert!(well && out.contains("deleted"), "{out} {errors}");
    assert_eq!(cluster.web.count(NAMESPACE), 1);
    let (well, ..) = cluster.kubectl(&granted, &own, &delete).await?;
    assert!(!well);
    assert_eq!(cluster.web.count(NAMESPACE), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_a_kubeconfig_that_no_lease_got_stops_it() -> Result<()> {
    let cluster = Cluster::start().await?;
    let granted = cluster.lease().await?;
    let (well, out, errors) = cluster
        .kubectl(&granted, STRAY, &["get", "pods", "-o", "name"])
        .await?;
    assert!(!well, "{out} {errors}");
    assert!(errors.contains("this lease is halted"), "{errors}");
    assert!(cluster.front.halted(&granted.lease).is_some(), "{errors}");
    assert_eq!(cluster.web.connections(), 0);
    // What is halted says so from the first request on, to whatever comes with its own placeholder, too.
    let own = cluster.front.placeholder(&granted.lease, &cluster.api);
    let (_, _, errors) = cluster
        .kubectl(&granted, &own, &["get", "pods", "-o", "name"])
        .await?;
    assert!(errors.contains("this lease is halted"), "{errors}");
    Ok(())
}

//! Kubernetes: a cluster over TLS with its own authority, reached by what a kubeconfig says and nothing else.

use std::io::{BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use backstop_scopes::probe::Can;
use backstop_scopes::report::{Probed, Severity};
use backstop_testing::doubles::{RecordedRequest, reply};
use backstop_testing::tls::{Authority, Identity};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use super::schema::Published;
use super::support::{Asked, ask, planted, reads_only, token};

type Records = Arc<Mutex<Vec<RecordedRequest>>>;

struct Cluster {
    authority: Authority,
    port: u16,
    records: Records,
}

fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .map(Result::unwrap)
        .collect()
}

impl Cluster {
    /// `rules` answers for a namespace; with `certificates` a client must show one of the cluster's authority.
    fn start(certificate: bool, rules: fn(&str) -> Value) -> Self {
        let authority = Authority::new("cluster").unwrap();
        let own = authority.loopback().unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if certificate {
            let mut roots = rustls::RootCertStore::empty();
            roots.add_parsable_certificates(certificates(&authority.certificate_pem()));
            let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
                Arc::new(roots),
                provider,
            )
            .build()
            .unwrap();
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::from_pem_slice(own.key_pem.as_bytes()).unwrap();
        let config = Arc::new(
            builder
                .with_single_cert(certificates(&own.certificate_pem), key)
                .unwrap(),
        );
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let records = Records::default();
        let into = Arc::clone(&records);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = BufReader::new(rustls::StreamOwned::new(session, stream));
                let Some(request) = read(&mut stream) else {
                    continue;
                };
                into.lock().unwrap().push(request.clone());
                let answer = answer(&request, rules);
                let _ = stream.get_mut().write_all(&answer);
                stream.get_mut().conn.send_close_notify();
                let _ = stream.get_mut().flush();
            }
        });
        Self {
            authority,
            port,
            records,
        }
    }

    fn kubeconfig(&self, user: &str, authority: &Authority) -> String {
        let ca = STANDARD.encode(authority.certificate_pem());
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n    certificate-authority-data: {ca}\n    server: https://127.0.0.1:{}\n  name: prod\ncontexts:\n- context:\n    cluster: prod\n    namespace: shop\n    user: ann\n  name: prod\ncurrent-context: prod\nusers:\n- name: ann\n  user:\n{user}",
            self.port
        )
    }

    fn requests(&self) -> Vec<RecordedRequest> {
        self.records.lock().unwrap().clone()
    }
}

fn read(stream: &mut impl std::io::BufRead) -> Option<RecordedRequest> {
    let mut lines = vec![];
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut first = lines.first()?.split(' ');
    let headers: Vec<(String, String)> = lines[1..]
        .iter()
        .filter_map(|l| l.split_once(": "))
        .map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned()))
        .collect();
    let length = headers
        .iter()
        .find(|(n, _)| n == "content-length")
        .map_or(0, |(_, v)| v.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(RecordedRequest {
        method: first.next()?.to_owned(),
        path: first.next()?.to_owned(),
        headers,
        body,
    })
}

/// The types that a call is answered with.
const TYPES: &[(&str, &str)] = &[
    ("/api/v1/namespaces", "NamespaceList"),
    (
        "/api/v1/persistentvolumeclaims",
        "PersistentVolumeClaimList",
    ),
    ("/api/v1/persistentvolumes", "PersistentVolumeList"),
    (
        "/apis/snapshot.storage.k8s.io/v1/volumesnapshots",
        "VolumeSnapshotList",
    ),
    (
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        "SelfSubjectRulesReview",
    ),
];

fn type_of(path: &str) -> Option<&'static str> {
    let of = TYPES.iter().find(|(known, _)| *known == path);
    of.map(|(_, name)| *name)
}

/// Lists and reviews, as the published OpenAPI description has them.
fn answer(request: &RecordedRequest, rules: fn(&str) -> Value) -> Vec<u8> {
    let path = request.path.split('?').next().unwrap();
    let version = if path.starts_with("/apis/snapshot") {
        "snapshot.storage.k8s.io/v1"
    } else {
        "v1"
    };
    let list = |items: Value| json!({ "apiVersion": version, "kind": type_of(path), "metadata": { "resourceVersion": "1" }, "items": items });
    let body = match path {
        "/api/v1/namespaces" => {
            list(json!([{ "metadata": { "name": "shop" } }, { "metadata": { "name": "blog" } }]))
        }
        "/api/v1/persistentvolumeclaims" => list(json!([
            { "metadata": { "name": "data-0", "namespace": "shop" }, "spec": { "volumeName": "pv-1" } },
            { "metadata": { "name": "posts", "namespace": "blog" }, "spec": { "volumeName": "pv-2" } },
        ])),
        "/api/v1/persistentvolumes" => list(json!([
            { "metadata": { "name": "pv-1" }, "spec": { "persistentVolumeReclaimPolicy": "Delete", "claimRef": { "namespace": "shop", "name": "data-0" } } },
            { "metadata": { "name": "pv-2" }, "spec": { "persistentVolumeReclaimPolicy": "Retain", "claimRef": { "namespace": "blog", "name": "posts" } } },
        ])),
        "/apis/snapshot.storage.k8s.io/v1/volumesnapshots" => list(json!([
            { "metadata": { "name": "s", "namespace": "shop" }, "spec": { "source": { "persistentVolumeClaimName": "data-0" } }, "status": { "creationTime": "2026-03-04T05:06:07Z", "readyToUse": true } },
        ])),
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews" => {
            let asked: Value = serde_json::from_slice(&request.body).unwrap();
            let namespace = asked["spec"]["namespace"].as_str().unwrap();
            let status = rules(namespace);
            if status.is_null() {
                return reply(
                    403,
                    &[],
                    r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","reason":"Forbidden","code":403}"#,
                );
            }
            json!({ "kind": "SelfSubjectRulesReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {}, "spec": {}, "status": status })
        }
        _ => return reply(404, &[], "{}"),
    };
    reply(
        200,
        &[("content-type", "application/json")],
        &body.to_string(),
    )
}

/// Neither side is what we think a cluster is: both are what Kubernetes publishes.
#[test]
fn the_double_and_what_it_is_asked_are_as_published() {
    let published = Published::kubernetes();
    let half: fn(&str) -> Value = |namespace| match namespace {
        "shop" => all_rights(namespace),
        _ => Value::Null,
    };
    let cluster = Cluster::start(false, half);
    asked(&cluster.kubeconfig(&bearer(), &cluster.authority));
    let mut all = vec![];
    for request in cluster.requests() {
        let path = request.path.split('?').next().unwrap();
        let name = type_of(path).unwrap_or_else(|| panic!("{path} is not in the description"));
        if request.method == "POST" {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            assert_eq!(body["apiVersion"], "authorization.k8s.io/v1");
            all.push((name, body));
        }
        let answer = answer(&request, half);
        let text = String::from_utf8(answer).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        let fine = head.starts_with("HTTP/1.1 200");
        all.push((if fine { name } else { "Status" }, body));
    }
    for (_, name) in TYPES.iter().chain(&[("", "Status")]) {
        assert!(
            all.iter().any(|(known, _)| known == name),
            "{name} was not asked"
        );
    }
    assert_eq!(published.errors(&all), Vec::<String>::new());
    // And what is not as published is found.
    let wrong = json!({ "kind": "SelfSubjectRulesReview", "apiVersion": "authorization.k8s.io/v1", "spec": { "namespace": 7 } });
    assert!(
        !published
            .errors(&[("SelfSubjectRulesReview", wrong)])
            .is_empty()
    );
}

fn rules(all: Value) -> Value {
    json!({ "resourceRules": all, "nonResourceRules": [], "incomplete": false })
}

fn all_rights(_: &str) -> Value {
    rules(json!([{ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }]))
}

fn viewer(_: &str) -> Value {
    rules(
        json!([{ "verbs": ["get", "list", "watch"], "apiGroups": ["", "apps"], "resources": ["pods", "persistentvolumeclaims", "namespaces"] }]),
    )
}

fn secret() -> String {
    token("k8s-aws-like-7Jq2", "x9Lm4Rt8Vb3Nc6Zp1Ws5Yd0")
}

fn bearer() -> String {
    format!("    token: {}\n", secret())
}

fn asked(config: &str) -> Asked {
    let folder = planted(&[(".kube/config", config)]);
    ask(folder.path(), &[])
}

#[test]
fn an_administrator_of_a_cluster_is_critical() {
    let cluster = Cluster::start(false, all_rights);
    let asked = asked(&cluster.kubeconfig(&bearer(), &cluster.authority));
    reads_only(&cluster.requests());
    let found = asked.one("kubernetes.token");
    assert_eq!(found.probed, Probed::Answered);
    assert_eq!(found.severity, Severity::Critical);
    assert!(
        found.sentence.contains("everything in every namespace"),
        "{}",
        found.sentence
    );
    assert!(
        found
            .backups_say
            .contains("Your backups die with your data.")
    );
    let stores = &found.provider.as_ref().unwrap().stores;
    let data = stores.iter().find(|s| s.name == "data-0").unwrap();
    assert_eq!(
        data.backups[0].newest.as_deref(),
        Some("2026-03-04T05:06:07Z")
    );
    assert_eq!(data.backups[0].destroyed, Can::Yes);
    assert_eq!(asked.said.len(), cluster.requests().len());
    let authorization = format!("Bearer {}", secret());
    assert!(
        cluster
            .requests()
            .iter()
            .all(|r| r.header("authorization") == Some(&authorization))
    );
}

#[test]
fn a_viewer_falls_in_rank() {
    let cluster = Cluster::start(false, viewer);
    let asked = asked(&cluster.kubeconfig(&bearer(), &cluster.authority));
    let found = asked.one("kubernetes.token");
    assert_eq!(found.severity, Severity::Low, "{found:#?}");
    assert!(
        found
            .provider
            .as_ref()
            .unwrap()
            .stores
            .iter()
            .all(|s| s.destroyed == Can::No)
    );
}

#[test]
fn what_was_not_answered_for_a_namespace_is_unknown() {
    let cluster = Cluster::start(false, |namespace| match namespace {
        "shop" => viewer(namespace),
        _ => Value::Null,
    });
    let asked = asked(&cluster.kubeconfig(&bearer(), &cluster.authority));
    let found = asked.one("kubernetes.token");
    let provider = found.provider.as_ref().unwrap();
    assert!(
        provider
            .unknown
            .iter()
            .any(|u| u.contains("namespace `blog`")),
        "{:?}",
        provider.unknown
    );
    assert_eq!(
        provider
            .stores
            .iter()
            .find(|s| s.name == "posts")
            .unwrap()
            .destroyed,
        Can::Unknown
    );
    assert_eq!(found.severity, Severity::High, "it keeps its rank");
}

#[test]
fn a_client_certificate_is_shown_to_its_cluster() {
    let cluster = Cluster::start(true, all_rights);
    let Identity {
        certificate_pem,
        key_pem,
    } = client(&cluster.authority);
    let user = format!(
        "    client-certificate-data: {}\n    client-key-data: {}\n",
        STANDARD.encode(certificate_pem),
        STANDARD.encode(key_pem)
    );
    let asked = asked(&cluster.kubeconfig(&user, &cluster.authority));
    let found = asked.one("kubernetes.client-key");
    assert_eq!(found.probed, Probed::Answered, "{found:#?}");
    assert_eq!(found.severity, Severity::Critical);
    assert!(
        cluster
            .requests()
            .iter()
            .all(|r| r.header("authorization").is_none())
    );
}

/// A certificate of the authority for clients: test servers' certificates are for servers only.
fn client(authority: &Authority) -> Identity {
    authority.client("ann").unwrap()
}

/// Whoever answers there without a certificate of the cluster's own authority gets no token.
#[test]
fn another_server_at_that_address_gets_no_token() {
    let cluster = Cluster::start(false, all_rights);
    let another = Authority::new("cluster").unwrap();
    let asked = asked(&cluster.kubeconfig(&bearer(), &another));
    let found = asked.one("kubernetes.token");
    assert!(
        matches!(&found.probed, Probed::Failed { .. }),
        "{:?}",
        found.probed
    );
    assert!(cluster.requests().is_empty());
}

#[test]
fn an_exec_plugin_is_not_run() {
    let cluster = Cluster::start(false, all_rights);
    let folder = planted(&[]);
    let mark = folder.path().join("ran");
    let user = format!(
        "    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      command: touch\n      args:\n      - {}\n{}",
        mark.display(),
        bearer()
    );
    asked(&cluster.kubeconfig(&user, &cluster.authority));
    assert!(!mark.exists());
}

//! An environment that somebody else wrote: it names no other authority and no proxy for what is asked with credentials.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use backstop_testing::doubles::{AnsweringDouble, reply};
use backstop_testing::postgres::{Major, PostgresServer};
use backstop_testing::tls::Authority;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Ran, backstop};

/// Counts who comes, and answers nobody.
fn trap() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let came = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&came);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
            drop(stream);
        }
    });
    (at, came)
}

/// Everything by which programs are led to another authority or a proxy.
fn hostile(command: &mut Command, proxy: &str, authority: &Path) {
    for name in [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ] {
        command.env(name, format!("http://{proxy}"));
    }
    let folder = authority.parent().unwrap();
    command
        .env("SSL_CERT_FILE", authority)
        .env("SSL_CERT_DIR", folder)
        .env("PGSSLROOTCERT", authority)
        .env("PGHOSTADDR", "127.0.0.1")
        .env("CURL_CA_BUNDLE", authority)
        .env("AWS_CA_BUNDLE", authority);
}

fn probed(folder: &TempDir, more: &[&str], proxy: &str, authority: &Path) -> (Ran, Value) {
    let mut command = backstop();
    command.current_dir(folder.path());
    command
        .args(["scopes", "--files-only", "--json", "--probe"])
        .args(more);
    hostile(&mut command, proxy, authority);
    let ran = Ran::of(&command.output().unwrap());
    let json = ran.json();
    (ran, json)
}

fn one<'a>(report: &'a Value, start: &str) -> &'a Value {
    let all = report["findings"].as_array().unwrap();
    let found = all
        .iter()
        .find(|f| f["kind"].as_str().unwrap().starts_with(start));
    found.unwrap_or_else(|| panic!("{report}"))
}

fn authority() -> (Authority, TempDir, std::path::PathBuf) {
    let authority = Authority::new("not the system's").unwrap();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, authority.certificate_pem()).unwrap();
    (authority, folder, file)
}

#[test]
fn no_proxy_of_the_environment_is_asked() {
    let (_authority, _kept, file) = authority();
    let (proxy, came) = trap();
    let double = AnsweringDouble::start(|request| {
        let body = match request.path.split('?').next().unwrap() {
            "/user" => r#"{"login":"ann"}"#,
            _ => "[]",
        };
        Ok(reply(200, &[("x-oauth-scopes", "repo")], body))
    })
    .unwrap();
    let folder = TempDir::new().unwrap();
    let github = ["ghp_", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"].concat();
    std::fs::write(
        folder.path().join(".env"),
        format!("GITHUB_TOKEN={github}\n"),
    )
    .unwrap();
    let at = format!("github={}", double.url());
    let (_, report) = probed(&folder, &["--probe-at", &at], &proxy, &file);
    assert_eq!(
        one(&report, "github.")["probed"]["state"],
        "answered",
        "{report}"
    );
    assert!(!double.requests().is_empty());
    assert_eq!(came.load(Ordering::SeqCst), 0);
}

/// A server that only `SSL_CERT_FILE` vouches for is shown no token: here a cluster's, whose file names no authority.
#[test]
fn no_authority_of_the_environment_is_believed_by_providers_probes() {
    let (authority, _kept, file) = authority();
    let (proxy, came) = trap();
    let own = authority.loopback().unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = CertificateDer::pem_slice_iter(own.certificate_pem.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(own.key_pem.as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tried, read) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (trying, reading) = (Arc::clone(&tried), Arc::clone(&read));
    std::thread::spawn(move || {
        use std::io::Read as _;
        for stream in listener.incoming().flatten() {
            trying.fetch_add(1, Ordering::SeqCst);
            let session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(session, stream);
            // Whoever believes us says something.
            let said = stream.read(&mut [0; 1024]).unwrap_or(0);
            reading.fetch_add(said, Ordering::SeqCst);
        }
    });
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join(".kube")).unwrap();
    let token = ["k8s-aws-like-7Jq2", "x9Lm4Rt8Vb3Nc6Zp1Ws5Yd0"].concat();
    std::fs::write(
        folder.path().join(".kube/config"),
        format!("apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n    server: https://127.0.0.1:{port}\n  name: prod\ncontexts:\n- context:\n    cluster: prod\n    user: ann\n  name: prod\ncurrent-context: prod\nusers:\n- name: ann\n  user:\n    token: {token}\n"),
    )
    .unwrap();
    let (ran, report) = probed(&folder, &[], &proxy, &file);
    let found = one(&report, "kubernetes.");
    assert_eq!(found["probed"]["state"], "failed", "{report}");
    assert!(
        tried.load(Ordering::SeqCst) > 0,
        "it was tried: {}",
        ran.err
    );
    assert_eq!(read.load(Ordering::SeqCst), 0, "nothing was said to it");
    assert_eq!(came.load(Ordering::SeqCst), 0);
}

/// The same for PostgreSQL: a password goes only to whom the system's own authorities vouch for.
#[test]
fn no_authority_of_the_environment_is_believed_by_postgresql_probes() {
    let (authority, _kept, file) = authority();
    let (proxy, _) = trap();
    let server = PostgresServer::of(Major::any().unwrap())
        .tls_only(authority.server(&["0.0.0.0"]).unwrap())
        .run()
        .unwrap();
    // Not a name of this machine's own, so that TLS is asked for; and yet this machine.
    let there = server.owner().through("0.0.0.0", server.port());
    let folder = TempDir::new().unwrap();
    let url = format!("DATABASE_URL={}\n", there.url());
    std::fs::write(folder.path().join(".env"), url).unwrap();
    let (ran, report) = probed(&folder, &[], &proxy, &file);
    let found = one(&report, "postgres.password");
    assert_eq!(found["probed"]["state"], "failed", "{report}");
    let why = found["probed"]["why"].as_str().unwrap();
    assert!(
        why.contains("certificate") || why.contains("UnknownIssuer"),
        "{why}"
    );
    assert!(!format!("{}{}", ran.out, ran.err).contains(&there.password));
    // A client that is told to believe it gets in: it is the authority that was missing.
    let believed = format!(
        "{} sslmode=verify-full sslrootcert='{}'",
        there.dsn(),
        file.display()
    );
    let psql = Command::new(server.installation().client("psql").unwrap())
        .args(["--no-psqlrc", "-c", "select 1", &believed])
        .output()
        .unwrap();
    assert!(
        psql.status.success(),
        "{}",
        String::from_utf8_lossy(&psql.stderr)
    );
}

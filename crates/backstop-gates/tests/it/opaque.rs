//! Tunnels that nobody reads: only where the configuration says so, for a lease that was given them, never in the
//! clear with a known credential, never for another host, and no longer than the lease.

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use backstop_core::target::Environment;
use backstop_gates::http::gate::Reachable;
use backstop_gates::http::gate::config::{Api, Placing};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::front::{self, Front, Granted, Here, Making};
use crate::http_clients::web::{Web, reply};

/// The real credential of the API that is read.
const REAL: &str = "k7Qm2vX9pL4tZ8wR1nB6yC3d";
const ALL: &[&str] = &["tunnel"];
const STAGING: Environment = Environment::Staging;

/// A server that says `hello`, keeps what it hears, and answers each piece with `ok`.
struct Plain {
    port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Plain {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let all = Arc::clone(&all);
                tokio::spawn(async move {
                    let _ = stream.write_all(b"hello").await;
                    let mut piece = [0; 4096];
                    while let Ok(length @ 1..) = stream.read(&mut piece).await {
                        all.lock().unwrap().extend_from_slice(&piece[..length]);
                        let _ = stream.write_all(b"ok").await;
                    }
                });
            }
        });
        Ok(Self { port, heard })
    }

    fn heard(&self) -> Vec<u8> {
        self.heard.lock().unwrap().clone()
    }
}

struct Scene {
    web: Web,
    plain: Plain,
    front: Front,
}

fn opaque(name: &str, port: u16) -> Result<Arc<Api>> {
    let site = format!("{name}.example:{port}");
    Ok(Arc::new(Api {
        environment: STAGING,
        placing: Placing::Opaque,
        secret: None,
        scheme: backstop_wire::http::Scheme::Https,
        ..front::api(name, &site, "", None)?
    }))
}

impl Scene {
    async fn set() -> Result<Self> {
        let names = ["pinned.example", "other.example", "read.example"];
        let web = Web::start(&names, |_, _, _| async { reply(200, &[], "its own") }).await?;
        let plain = Plain::start().await?;
        let read = format!("read.example:{}", web.port);
        let reachable = Reachable {
            apis: vec![
                opaque("pinned", web.port)?,
                opaque("plain", plain.port)?,
                Arc::new(front::api("read", &read, REAL, Some(&web.authority_pem))?),
            ],
            allow: vec![],
            public: Arc::new(front::public()?),
        };
        let making = Making {
            names: Arc::new(Here),
            ..Making::default()
        };
        Ok(Self {
            front: making.before(reachable).await?,
            web,
            plain,
        })
    }

    /// What curl says, trusting the server's own authority alone: the page, or why there is none.
    async fn curl(&self, granted: &Granted, host: &str, args: &[&str]) -> Result<String> {
        let ca = self.front.world.folder.path().join("theirs.pem");
        std::fs::write(&ca, &self.web.authority_pem)?;
        let output = tokio::process::Command::new("curl")
            .env_clear()
            .env("HTTPS_PROXY", &granted.proxy)
            .args(["-sS", "-m", "30", "--cacert"])
            .arg(&ca)
            .arg(format!("https://{host}.example:{}/", self.web.port))
            .args(args)
            .stdin(Stdio::null())
            .output()
            .await
            .context("curl")?;
        let (said, why) = (output.stdout, output.stderr);
        Ok(String::from_utf8_lossy(if said.is_empty() { &why } else { &said }).into_owned())
    }

    /// The answer to CONNECT, and the tunnel.
    async fn tunnel(&self, granted: &Granted) -> Result<(String, TcpStream)> {
        let mut stream = TcpStream::connect(granted.address()).await?;
        let site = format!("plain.example:{}", self.plain.port);
        let ask = format!(
            "CONNECT {site} HTTP/1.1\r\nhost: {site}\r\nproxy-authorization: {}\r\n\r\n",
            granted.authorization()
        );
        stream.write_all(ask.as_bytes()).await?;
        let mut said = vec![];
        while !said.ends_with(b"\r\n\r\n") {
            said.push(stream.read_u8().await?);
        }
        Ok((String::from_utf8(said)?, stream))
    }

    async fn opened(&self, granted: &Granted) -> Result<TcpStream> {
        let (said, mut stream) = self.tunnel(granted).await?;
        anyhow::ensure!(said.starts_with("HTTP/1.1 200"), "{said}");
        expect(&mut stream, b"hello").await?;
        Ok(stream)
    }

    /// What the journal says of a lease's tunnels: effect, verdict, rule, result.
    fn written(&self, granted: &Granted) -> Vec<[String; 4]> {
        crate::incidents::lines(&self.front.world, &granted.lease)
    }

    /// The same, once the last of them has ended.
    async fn ended(&self, granted: &Granted) -> Result<Vec<[String; 4]>> {
        for _ in 0..200 {
            let written = self.written(granted);
            if !written.is_empty() && written.iter().all(|line| !line[3].is_empty()) {
                return Ok(written);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::bail!("no outcome: {:?}", self.written(granted))
    }
}

async fn expect(stream: &mut TcpStream, bytes: &[u8]) -> Result<()> {
    let mut heard = vec![0; bytes.len()];
    let reading = stream.read_exact(&mut heard);
    tokio::time::timeout(Duration::from_secs(10), reading).await??;
    anyhow::ensure!(heard == bytes, "{heard:?}");
    Ok(())
}

fn line(verdict: &str, result: &str) -> [String; 4] {
    ["escape", verdict, "opaque", result].map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_targets_own_tls_passes_and_is_written_down() -> Result<()> {
    let scene = Scene::set().await?;
    let granted = scene.front.grant(&[("pinned", STAGING, ALL)]).await?;
    // Its own certificate: nobody is between.
    let said = scene.curl(&granted, "pinned", &[]).await?;
    assert_eq!(said, "its own");
    assert_eq!(scene.web.noted().len(), 1);
    assert_eq!(scene.ended(&granted).await?, [line("allow", "done")]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_first_is_heard_and_single_bytes_pass_at_once() -> Result<()> {
    let scene = Scene::set().await?;
    let granted = scene.front.grant(&[("plain", STAGING, ALL)]).await?;
    let mut stream = scene.opened(&granted).await?;
    // Bytes that a known credential begins with are not kept back: whoever waits for them waits for ever.
    for byte in REAL.bytes().take(5).chain(*b"\0\xff") {
        stream.write_all(&[byte]).await?;
        expect(&mut stream, b"ok").await?;
    }
    assert_eq!(
        scene.plain.heard(),
        [&REAL.as_bytes()[..5], b"\0\xff"].concat()
    );
    stream.shutdown().await?;
    assert_eq!(scene.ended(&granted).await?, [line("allow", "done")]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_was_given_none_gets_no_tunnel() -> Result<()> {
    let scene = Scene::set().await?;
    // That it may do everything else does not mean that nobody looks.
    for few in [&["read"][..], &["read,write,create,temp"]] {
        let granted = scene.front.grant(&[("plain", STAGING, few)]).await?;
        let (said, _) = scene.tunnel(&granted).await?;
        assert!(said.starts_with("HTTP/1.1 403"), "{few:?}: {said}");
        assert_eq!(scene.ended(&granted).await?, [line("deny", "denied")]);
    }
    // Whoever has no lease there at all meets the gate in the tunnel, which answers in words.
    let granted = scene.front.grant(&[("plain", STAGING, ALL)]).await?;
    let said = scene.curl(&granted, "pinned", &[]).await?;
    assert!(said.contains("certificate"), "{said}");
    let insecure = scene.curl(&granted, "pinned", &["-k"]).await?;
    assert!(insecure.contains("not-in-lease"), "{insecure}");
    assert!(scene.plain.heard().is_empty());
    assert!(scene.web.noted().is_empty());
    Ok(())
}

/// A server that stands there for others too is not reached as those.
#[tokio::test(flavor = "multi_thread")]
async fn tls_for_another_host_does_not_pass() -> Result<()> {
    let scene = Scene::set().await?;
    let granted = scene.front.grant(&[("pinned", STAGING, ALL)]).await?;
    let port = scene.web.port;
    let to = format!("other.example:{port}:pinned.example:{port}");
    let said = scene
        .curl(&granted, "other", &["--connect-to", &to])
        .await?;
    assert!(said.starts_with("curl: ("), "{said}");
    assert!(scene.web.noted().is_empty());
    assert_eq!(scene.front.halted(&granted.lease), None);
    assert_eq!(scene.ended(&granted).await?, [line("allow", "halted")]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_begins_as_tls_and_is_none_stays_here() -> Result<()> {
    let scene = Scene::set().await?;
    let granted = scene.front.grant(&[("plain", STAGING, ALL)]).await?;
    for hello in [
        &b"\x16 is not TLS, and says a lot more than that"[..],
        // A greeting of 16 MiB that never comes.
        b"\x16\x03\x01\x40\x00\x01\xff\xff\xff",
    ] {
        let mut stream = scene.opened(&granted).await?;
        stream.write_all(hello).await?;
        stream.write_all(&[7; 128 * 1024]).await.ok();
        let mut rest = vec![];
        let reading = stream.read_to_end(&mut rest);
        let _ = tokio::time::timeout(Duration::from_secs(10), reading).await?;
        assert!(rest.is_empty(), "{rest:?}");
    }
    assert!(scene.plain.heard().is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_credential_in_the_clear_stops_the_lease() -> Result<()> {
    let scene = Scene::set().await?;
    let named: &[(&str, Environment, &[&str])] = &[
        ("plain", STAGING, ALL),
        ("read", Environment::Production, &["read"]),
    ];
    for pieces in [1, 5] {
        let granted = scene.front.grant(named).await?;
        let mut stream = scene.opened(&granted).await?;
        let said = format!("AUTH {REAL}\r\n");
        for piece in said.as_bytes().chunks(said.len().div_ceil(pieces)) {
            if stream.write_all(piece).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let why = scene.front.halted_soon(&granted.lease).await;
        assert!(why.context("it goes on")?.contains("credential"));
        let heard = scene.plain.heard();
        let whole = heard.windows(REAL.len()).any(|w| w == REAL.as_bytes());
        assert!(!whole, "{}", String::from_utf8_lossy(&heard));
        let (said, _) = scene.tunnel(&granted).await?;
        assert!(said.starts_with("HTTP/1.1 403"), "{said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_tunnel_ends_with_its_lease_and_where_only_reads_pass() -> Result<()> {
    let scene = Scene::set().await?;
    for reads in [false, true] {
        let granted = scene.front.grant(&[("plain", STAGING, ALL)]).await?;
        let mut stream = scene.opened(&granted).await?;
        let begun = Instant::now();
        let store = &scene.front.world.store;
        store.halt(Some(&granted.lease), "a test", reads).await?;
        let mut rest = vec![];
        let reading = stream.read_to_end(&mut rest);
        let _ = tokio::time::timeout(Duration::from_secs(10), reading).await?;
        assert!(
            begun.elapsed() < Duration::from_secs(3),
            "{:?}",
            begun.elapsed()
        );
        assert_eq!(scene.ended(&granted).await?, [line("allow", "halted")]);
        let (said, _) = scene.tunnel(&granted).await?;
        assert!(said.starts_with("HTTP/1.1 403"), "{said}");
    }
    Ok(())
}

/// Nothing but a tunnel goes there: what is sent to the gate itself would have to be read.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_does_not_go_there() -> Result<()> {
    let scene = Scene::set().await?;
    let granted = scene.front.grant(&[("plain", STAGING, ALL)]).await?;
    for scheme in ["http", "https"] {
        let mut stream = TcpStream::connect(granted.address()).await?;
        let site = format!("plain.example:{}", scene.plain.port);
        let ask = format!(
            "GET {scheme}://{site}/ HTTP/1.1\r\nhost: {site}\r\nproxy-authorization: {}\r\nconnection: close\r\n\r\n",
            granted.authorization()
        );
        stream.write_all(ask.as_bytes()).await?;
        let mut said = String::new();
        stream.read_to_string(&mut said).await?;
        assert!(said.starts_with("HTTP/1.1 4"), "{scheme}: {said}");
    }
    assert!(scene.plain.heard().is_empty());
    Ok(())
}

/// Which of two a tunnel is for only its requests would tell: it is read.
#[tokio::test(flavor = "multi_thread")]
async fn beside_what_is_read_nothing_is_opaque() -> Result<()> {
    let web = Web::start(&["pinned.example"], |_, _, _| async {
        reply(200, &[], "own")
    })
    .await?;
    let plain = Plain::start().await?;
    let site = format!("pinned.example:{}", web.port);
    let reachable = Reachable {
        apis: vec![
            opaque("pinned", web.port)?,
            Arc::new(front::api("read", &site, REAL, Some(&web.authority_pem))?),
        ],
        allow: vec![],
        public: Arc::new(front::public()?),
    };
    let making = Making {
        names: Arc::new(Here),
        ..Making::default()
    };
    let scene = Scene {
        front: making.before(reachable).await?,
        web,
        plain,
    };
    let granted = scene.front.grant(&[("pinned", STAGING, ALL)]).await?;
    let said = scene.curl(&granted, "pinned", &["-k"]).await?;
    assert!(said.contains("not-in-lease"), "{said}");
    assert!(scene.web.noted().is_empty());
    Ok(())
}

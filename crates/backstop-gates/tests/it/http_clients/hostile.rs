//! Targets that do not keep to the protocol, or never end, behind the whole gate: each costs its own request, nothing of a
//! credential comes back, and the next request is answered as ever.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anyhow::{Context as _, Result};
use backstop_core::target::Environment;
use backstop_gates::http::Limits;
use backstop_gates::http::gate::Reachable;
use backstop_gates::http::gate::config::Api;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::service::REAL;
use crate::front::Here;
use crate::front::{self, Front, Granted, Making};

/// A server that answers by the path, in bytes of its own; and how many of its connections still stand.
struct Hostile {
    port: u16,
    open: Arc<AtomicUsize>,
}

impl Hostile {
    async fn start() -> Result<Self> {
        // It takes its time, which its answer has not.
        LazyLock::force(&BOMB);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let open = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&open);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let counted = Arc::clone(&counted);
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let _ = answer(&mut stream).await;
                    counted.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Ok(Self { port, open })
    }

    /// Until nothing is held open any more.
    async fn closed(&self) -> bool {
        for _ in 0..100 {
            if self.open.load(Ordering::SeqCst) == 0 {
                return true;
            }
            sleep(Duration::from_millis(50)).await;
        }
        false
    }
}

const JSON: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";

/// A few kilobytes that would be some megabytes, with the credential among them.
static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    gzip.write_all(REAL.as_bytes()).unwrap();
    gzip.write_all(&vec![0; 8 << 20]).unwrap();
    gzip.finish().unwrap()
});

/// What a target says, until whoever reads it has gone.
async fn answer(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        let mut byte = [0; 1024];
        match stream.read(&mut byte).await? {
            0 => return Ok(()),
            n => head.extend_from_slice(&byte[..n]),
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default();
    match path.rsplit('/').next().unwrap_or_default() {
        "good" => {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\ngood")
                .await?
        }
        "headers" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
            loop {
                stream.write_all(b"x-more: and more\r\n").await?;
            }
        }
        "hints" => {
            // Not tiny: hyper reads on as long as there is something, and a build that is not optimised is slow at it.
            let link = "x".repeat(2 << 10);
            let hint = format!("HTTP/1.1 103 Early Hints\r\nlink: </{link}>\r\n\r\n");
            loop {
                stream.write_all(hint.as_bytes()).await?;
            }
        }
        "lengths" => {
            stream
                .write_all(
                    b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 5\r\n\r\nabcde",
                )
                .await?;
        }
        "short" => {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")
                .await?
        }
        "long" => {
            let said = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil{REAL}"
            );
            stream.write_all(said.as_bytes()).await?;
        }
        "silent" => {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")
                .await?;
            // Until the other side has enough of it.
            let _ = stream.read(&mut [0; 16]).await;
        }
        "drips" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            loop {
                stream.write_all(b"x").await?;
                sleep(Duration::from_millis(20)).await;
            }
        }
        "endless" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            loop {
                stream.write_all(&[b'x'; 16 * 1024]).await?;
            }
        }
        "bomb" => {
            let head = format!(
                "{JSON}content-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
                BOMB.len()
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&BOMB).await?;
        }
        "echo" => {
            let (first, rest) = REAL.split_at(9);
            let head = format!(
                "HTTP/1.1 200 {REAL}\r\nx-echo: Bearer {REAL}\r\ntransfer-encoding: chunked\r\n\r\n9\r\n{first}\r\n"
            );
            stream.write_all(head.as_bytes()).await?;
            sleep(Duration::from_millis(50)).await;
            let tail = format!(
                "{:x}\r\n{rest}\r\n0\r\nx-trailer: {REAL}\r\n\r\n",
                rest.len()
            );
            stream.write_all(tail.as_bytes()).await?;
        }
        // The GraphQL API: JSON that goes on beyond what is kept to be looked at, with the credential after that.
        "v2" => {
            stream
                .write_all(format!("{JSON}\r\n{{\"data\":\"").as_bytes())
                .await?;
            stream.write_all(&vec![b'['; 100 * 1024]).await?;
            stream.write_all(REAL.as_bytes()).await?;
            loop {
                stream.write_all(&[b'x'; 16 * 1024]).await?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn api(name: &str, pack: &str, port: u16) -> Result<Arc<Api>> {
    let site = format!("{name}.example:{port}");
    Ok(Arc::new(Api {
        pack: Some(pack.into()),
        ..front::api(name, &site, REAL, None)?
    }))
}

/// The gate before it, and a lease that reads.
struct Scene {
    hostile: Hostile,
    front: Front,
    granted: Granted,
}

impl Scene {
    async fn set() -> Result<Self> {
        let hostile = Hostile::start().await?;
        let reachable = Reachable {
            apis: vec![
                api("rest", "generic-rest", hostile.port)?,
                api("graph", "railway", hostile.port)?,
            ],
            allow: vec![],
            public: Arc::new(front::public()?),
        };
        let making = Making {
            limits: Limits {
                first_byte: Duration::from_millis(500),
                silent: Duration::from_millis(400),
                ..Limits::default()
            },
            names: Arc::new(Here),
            ..Making::default()
        };
        let front = making.before(reachable).await?;
        let production = Environment::Production;
        let scopes: &[&str] = &["read"];
        let granted = front
            .grant(&[("rest", production, scopes), ("graph", production, scopes)])
            .await?;
        Ok(Self {
            hostile,
            front,
            granted,
        })
    }

    /// Asks by the lease and reads what comes, up to so many bytes and a few seconds.
    async fn ask(&self, name: &str, path: &str, body: &str, most: usize) -> Result<String> {
        let (user, address) = self.granted.proxy["http://".len()..]
            .split_once('@')
            .context("no user")?;
        let address: SocketAddr = address.parse()?;
        let mut stream = TcpStream::connect(address).await?;
        let site = format!("{name}.example:{}", self.hostile.port);
        let (method, told) = match body {
            "" => ("GET", String::new()),
            body => {
                let length = body.len();
                (
                    "POST",
                    format!("content-type: application/json\r\ncontent-length: {length}\r\n"),
                )
            }
        };
        let request = format!(
            "{method} http://{site}{path} HTTP/1.1\r\nhost: {site}\r\nproxy-authorization: Basic {}\r\n\
             connection: close\r\n{told}\r\n{body}",
            STANDARD.encode(user)
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = vec![];
        let reading = async {
            let mut piece = [0; 16 * 1024];
            while answer.len() < most {
                match stream.read(&mut piece).await {
                    Ok(n @ 1..) => answer.extend_from_slice(&piece[..n]),
                    _ => break,
                }
            }
        };
        let _ = timeout(Duration::from_secs(3), reading).await;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

/// More than any answer that ends.
const WHOLE: usize = 4 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn hostile_targets_cost_their_own_request() -> Result<()> {
    let scene = Scene::set().await?;
    for (path, begins, most) in [
        ("/headers", "HTTP/1.1 502 ", WHOLE),
        ("/hints", "HTTP/1.1 50", WHOLE),
        ("/lengths", "HTTP/1.1 502 ", WHOLE),
        ("/short", "HTTP/1.1 200 ", WHOLE),
        ("/long", "HTTP/1.1 200 ", WHOLE),
        ("/silent", "HTTP/1.1 200 ", WHOLE),
        ("/drips", "HTTP/1.1 200 ", 200),
        ("/endless", "HTTP/1.1 200 ", 1 << 20),
        ("/bomb", "HTTP/1.1 502 ", WHOLE),
        ("/echo", "HTTP/1.1 200 ", WHOLE),
    ] {
        let answer = scene.ask("rest", path, "", most).await?;
        let shown = answer.get(..300.min(answer.len())).unwrap_or_default();
        assert!(answer.starts_with(begins), "{path}: {shown}");
        assert!(!answer.contains(REAL), "{path}: {shown}");
        assert!(!answer.contains("evil"), "{path}: {shown}");
        if begins.starts_with("HTTP/1.1 50") {
            assert!(answer.contains("problem+json"), "{path}: {shown}");
        }
        // Whoever was cut off sees that it is not whole.
        let whole = answer.ends_with("0\r\n\r\n") || answer.contains("content-length: 3\r\n");
        assert_eq!(whole, matches!(path, "/long" | "/echo"), "{path}: {shown}");
        let good = scene.ask("rest", "/good", "", WHOLE).await?;
        assert!(good.ends_with("\r\n\r\ngood"), "after {path}: {good}");
        assert!(scene.hostile.closed().await, "{path}: a connection is left");
    }
    assert_eq!(scene.front.halted(&scene.granted.lease), None);
    // A cut one is given back a moment after its client has seen it.
    sleep(Duration::from_millis(500)).await;
    assert_eq!(scene.front.proxy.connections(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_end_is_passed_on_masked_and_not_kept() -> Result<()> {
    let scene = Scene::set().await?;
    let body = r#"{"query":"query { projects { edges { node { name } } } }"}"#;
    let answer = scene.ask("graph", "/graphql/v2", body, 1 << 20).await?;
    let shown = answer.get(..300.min(answer.len())).unwrap_or_default();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{shown}");
    assert!(answer.len() >= 1 << 20, "{shown}");
    assert!(!answer.contains(REAL));
    assert!(answer.contains(&"*".repeat(REAL.len())));
    assert_eq!(scene.front.halted(&scene.granted.lease), None);
    assert!(scene.hostile.closed().await, "a connection is left");
    Ok(())
}

//! Asks for the same thing again and again over connections that are kept, and counts.
//!
//! The same for every way, so that its own cost is in all of them alike. It must not count an answer that is not the
//! whole of what was asked for: a refusal is fast.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

use crate::asks::{Ask, HOST_NAME, Version};
use crate::machine;
use crate::numbers::median;

/// So many requests at once share an HTTP/2 connection.
const STREAMS: usize = 8;
/// Before a cell begins, its connections are used for a moment; at most so long.
const WARMING: Duration = Duration::from_millis(300);
/// What is under way at a cell's end may still take so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// No answer to CONNECT is longer.
const LONGEST: usize = 4096;

/// A way to the server, for requests to one API.
#[derive(Debug, Clone)]
pub struct Route {
    /// The port of 127.0.0.1 that is connected to.
    pub port: u16,
    /// What the requests call the other side.
    pub authority: String,
    /// What they present to the API.
    pub credential: String,
    /// Where the connection is to a proxy.
    pub tunnel: Option<Tunnel>,
}

/// A tunnel through a proxy.
#[derive(Debug, Clone)]
pub struct Tunnel {
    /// Where to.
    pub site: String,
    /// What is presented to the proxy.
    pub presents: Option<String>,
}

/// Opens connections.
#[derive(Clone)]
pub struct Caller {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

/// An open connection, or a share in one.
pub enum Connection {
    /// HTTP/1.1.
    Http1(http1::SendRequest<Full<Bytes>>),
    /// HTTP/2.
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// The loader: a runtime with a thread for each processor.
pub struct Loader {
    /// Where it runs.
    pub runtime: Runtime,
    /// How it connects.
    pub caller: Caller,
}

/// What a cell came to.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// Answers a second.
    pub rate: f64,
    /// From the request to the end of its answer, in microseconds.
    pub median_us: f64,
}

impl Loader {
    /// One that trusts these certificates, PEM.
    pub fn new<'a>(trusted: impl IntoIterator<Item = &'a &'a str>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for pem in trusted {
            roots.add(CertificateDer::from_pem_slice(pem.as_bytes())?)?;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(machine::processors())
            .enable_all()
            .build()?;
        let caller = Caller {
            http1: tls(&roots, Version::Http1)?,
            http2: tls(&roots, Version::Http2)?,
        };
        Ok(Self { runtime, caller })
    }

    /// `clients` requests at once, for so long.
    pub fn run(
        &self,
        route: &Route,
        version: Version,
        ask: Ask,
        clients: usize,
        time: Duration,
    ) -> Result<Measured> {
        let all = async {
            let connections = self.caller.several(route, version, clients).await?;
            let request = ask.request(version, &route.authority, &route.credential)?;
            let begin = Instant::now() + WARMING.min(time / 4);
            let window = (begin, begin + time);
            let tasks: Vec<_> = connections
                .into_iter()
                .map(|connection| {
                    tokio::spawn(keep_asking(connection, request.clone(), ask, window))
                })
                .collect();
            let mut all = Answers::default();
            for task in tasks {
                all.add(task.await??);
            }
            let rate = match all.late.iter().max() {
                // So slow that none ended in time: those that were under way say how slow.
                Some(last) if all.ended == 0 => {
                    all.late.len() as f64 / (*last - begin).as_secs_f64()
                }
                _ => all.ended as f64 / time.as_secs_f64(),
            };
            ensure!(rate > 0.0, "nothing was answered");
            Ok(Measured {
                rate,
                median_us: median(&all.taken),
            })
        };
        self.runtime.block_on(async {
            tokio::time::timeout(time + PATIENCE, all)
                .await
                .context("it does not end")?
        })
    }
}

/// The answers to one client, or to all.
#[derive(Default)]
struct Answers {
    /// How many ended within the window.
    ended: usize,
    /// How long those took that began in it, too, in microseconds.
    taken: Vec<f64>,
    /// When those ended that were under way at its end.
    late: Vec<Instant>,
}

impl Answers {
    fn add(&mut self, more: Self) {
        self.ended += more.ended;
        self.taken.extend(more.taken);
        self.late.extend(more.late);
    }
}

async fn keep_asking(
    mut connection: Connection,
    request: Request<Full<Bytes>>,
    ask: Ask,
    (begin, end): (Instant, Instant),
) -> Result<Answers> {
    let mut answers = Answers::default();
    loop {
        let begun = Instant::now();
        if begun >= end {
            return Ok(answers);
        }
        connection.ask(request.clone(), ask).await?;
        let now = Instant::now();
        if now > end {
            answers.late.push(now);
        } else if now >= begin {
            answers.ended += 1;
            if begun >= begin {
                answers.taken.push((now - begun).as_secs_f64() * 1e6);
            }
        }
    }
}

fn tls(roots: &RootCertStore, version: Version) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    config.alpn_protocols = vec![version.protocol().to_vec()];
    Ok(Arc::new(config))
}

impl Caller {
    /// One for each of so many requests at once.
    async fn several(
        &self,
        route: &Route,
        version: Version,
        count: usize,
    ) -> Result<Vec<Connection>> {
        let mut all = Vec::with_capacity(count);
        while all.len() < count {
            let connection = self.open(route, version, Ipv4Addr::LOCALHOST).await?;
            if let Connection::Http2(sender) = &connection {
                let more = (count - all.len()).min(STREAMS) - 1;
                all.extend((0..more).map(|_| Connection::Http2(sender.clone())));
            }
            all.push(connection);
        }
        Ok(all)
    }

    /// A connection that has shaken hands, from that address.
    pub async fn open(
        &self,
        route: &Route,
        version: Version,
        from: Ipv4Addr,
    ) -> Result<Connection> {
        let socket = TcpSocket::new_v4()?;
        if from != Ipv4Addr::LOCALHOST {
            socket.bind((from, 0).into())?;
        }
        let to = (Ipv4Addr::LOCALHOST, route.port).into();
        let mut stream = socket.connect(to).await.context("connecting")?;
        stream.set_nodelay(true)?;
        if let Some(tunnel) = &route.tunnel {
            tunnel.enter(&mut stream).await?;
        }
        let config = match version {
            Version::Http1 => &self.http1,
            Version::Http2 => &self.http2,
        };
        let name = ServerName::try_from(HOST_NAME)?;
        let connector = TlsConnector::from(Arc::clone(config));
        let stream = connector.connect(name, stream).await.context("TLS")?;
        ensure!(
            stream.get_ref().1.alpn_protocol() == Some(version.protocol()),
            "the other side does not speak {}",
            version.name()
        );
        let io = TokioIo::new(stream);
        Ok(match version {
            Version::Http1 => {
                let (sender, connection) = http1::handshake(io).await?;
                tokio::spawn(connection);
                Connection::Http1(sender)
            }
            Version::Http2 => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
                tokio::spawn(connection);
                Connection::Http2(sender)
            }
        })
    }
}

impl Tunnel {
    async fn enter(&self, stream: &mut TcpStream) -> Result<()> {
        let site = &self.site;
        let mut ask = format!("CONNECT {site} HTTP/1.1\r\nhost: {site}\r\n");
        if let Some(presents) = &self.presents {
            ask.push_str(&format!("proxy-authorization: {presents}\r\n"));
        }
        ask.push_str("\r\n");
        stream.write_all(ask.as_bytes()).await?;
        let mut said = vec![];
        while !said.ends_with(b"\r\n\r\n") {
            ensure!(said.len() < LONGEST, "a long answer to CONNECT");
            said.push(stream.read_u8().await.context("the answer to CONNECT")?);
        }
        let said = String::from_utf8_lossy(&said);
        let status = said.split(' ').nth(1);
        ensure!(status == Some("200"), "the proxy said `{said}`");
        Ok(())
    }
}

impl Connection {
    /// Asks, and waits for the end of the answer.
    pub async fn ask(&mut self, request: Request<Full<Bytes>>, ask: Ask) -> Result<()> {
        let response = match self {
            Self::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Self::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
        };
        let status = response.status();
        let mut body = response.into_body();
        if status != StatusCode::OK {
            let said = body.collect().await?.to_bytes();
            bail!("{status}: {}", String::from_utf8_lossy(&said));
        }
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            length += frame?.data_ref().map_or(0, Bytes::len);
        }
        ensure!(length == ask.answered(), "{length} bytes came");
        Ok(())
    }

    /// Whether it has ended.
    pub fn is_closed(&self) -> bool {
        match self {
            Self::Http1(sender) => sender.is_closed(),
            Self::Http2(sender) => sender.is_closed(),
        }
    }
}

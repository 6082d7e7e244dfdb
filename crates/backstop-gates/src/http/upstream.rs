//! Requests to targets: a checked address, a verified certificate, a kept or new connection, an answer in time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use backstop_wire::http::Scheme;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::header::{self, HeaderValue};
use hyper::http::request;
use hyper::http::uri::{self, Authority, PathAndQuery};
use hyper::{HeaderMap, Method, Request, Response, Uri, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::body::{Ended, Passing, Watch};
use super::fault::Fault;
use super::head::usual_port;
use super::headers;
use super::limits::Limits;
use super::pool::{Cut, Key, One, Pool, Sender};
use super::resolve::{self, Resolve};
use super::site::Site;
use super::stream::TargetStream;
use super::target::Target;

/// How much of answers may wait unread on an HTTP/2 connection: for one request, for all.
const WINDOWS: (u32, u32) = (512 * 1024, 2 * 1024 * 1024);

/// Where a request goes.
pub(crate) struct Destination {
    pub(crate) target: Arc<Target>,
    pub(crate) scheme: Scheme,
    pub(crate) site: Site,
}

/// What is sent there.
pub(crate) struct Sending {
    pub(crate) method: Method,
    pub(crate) path: PathAndQuery,
    /// Without those of one connection.
    pub(crate) headers: HeaderMap,
    /// Whether the client takes trailers.
    pub(crate) trailers: bool,
    pub(crate) body: Passing,
    /// Whether it may be sent once more on another connection.
    pub(crate) repeatable: bool,
    /// The protocol that it wants to change to.
    pub(crate) upgrade: Option<String>,
}

/// An answer that has begun.
pub(crate) struct Answered {
    pub(crate) response: Response<Incoming>,
    /// The connection, to be given back at the answer's end.
    pub(crate) loan: Loan,
}

/// A connection in use.
pub(crate) struct Loan {
    pool: Arc<Pool>,
    key: Key,
    sender: Option<Sender>,
}

impl Loan {
    /// The answer was read to its end.
    pub(crate) fn give_back(mut self) {
        if let Some(sender) = self.sender.take() {
            self.pool.give_back(&self.key, sender);
        }
    }
}

/// The way to all targets.
pub(crate) struct Upstreams {
    pool: Arc<Pool>,
    resolver: Arc<dyn Resolve>,
    limits: Limits,
}

impl Upstreams {
    pub(crate) fn new(resolver: Arc<dyn Resolve>, limits: &Limits) -> Self {
        Self {
            pool: Pool::new(limits),
            resolver,
            limits: limits.clone(),
        }
    }

    /// Sends a request and waits for the beginning of its answer.
    pub(crate) async fn send(&self, to: &Destination, sending: Sending) -> Result<Answered, Fault> {
        let key = Key {
            target: to.target.number(),
            tls: to.scheme == Scheme::Https,
            site: to.site.clone(),
        };
        let mut sending = sending;
        // A kept connection may be closed at the very moment, and so may the next.
        for left in (0..4).rev() {
            let (sender, kept) = if sending.upgrade.is_some() {
                (self.open(to, &key, true).await?, false)
            } else {
                match self.pool.take(&key).await {
                    Some(sender) => (sender, true),
                    None => (self.sender(to, &key).await?, false),
                }
            };
            match self.exchange(to, &key, sender, kept, sending).await {
                Ok(answered) => return Ok(answered),
                Err(Failed {
                    unsent: Some(unsent),
                    ..
                }) if left > 0 => sending = *unsent,
                Err(failed) => return Err(failed.fault),
            }
        }
        Err(Fault::Broken("it hung up without an answer".into()))
    }

    /// A plain road to a site, for bytes that nobody reads.
    pub(crate) async fn opaque(&self, target: &Target, site: &Site) -> Result<TcpStream, Fault> {
        tokio::time::timeout(self.limits.connect, self.tcp(target, site))
            .await
            .unwrap_or(Err(Fault::SlowConnect))
    }

    /// Connects and hangs up.
    pub(crate) async fn try_out(&self, to: &Destination) -> Result<(), Fault> {
        tokio::time::timeout(self.limits.connect, self.connect(to, false))
            .await
            .unwrap_or(Err(Fault::SlowConnect))
            .map(drop)
    }

    /// A connection that is new, or that somebody else has just opened for many.
    async fn sender(&self, to: &Destination, key: &Key) -> Result<Sender, Fault> {
        let door = self.pool.door(key);
        if door.speaks_http1 {
            return self.open(to, key, false).await;
        }
        let opening = tokio::time::timeout(self.limits.connect, door.opening.lock())
            .await
            .map_err(|_| Fault::SlowConnect)?;
        if let Some(sender) = self.pool.take(key).await {
            return Ok(sender);
        }
        if self.pool.door(key).speaks_http1 {
            drop(opening);
        }
        let sender = self.open(to, key, false).await?;
        self.pool.opened(key, &sender);
        Ok(sender)
    }

    async fn open(&self, to: &Destination, key: &Key, http1: bool) -> Result<Sender, Fault> {
        let connecting = async {
            let open = self.pool.door(key).open;
            let permit = open.acquire_owned().await.map_err(|_| Fault::Busy)?;
            let stream = self.connect(to, http1).await?;
            self.handshake(stream, permit, http1).await
        };
        match tokio::time::timeout(self.limits.connect, connecting).await {
            Ok(done) => done,
            Err(_) if self.pool.door(key).open.available_permits() == 0 => Err(Fault::Busy),
            Err(_) => Err(Fault::SlowConnect),
        }
    }

    async fn connect(&self, to: &Destination, http1: bool) -> Result<TargetStream, Fault> {
        let tcp = self.tcp(&to.target, &to.site).await?;
        if to.scheme == Scheme::Http {
            return Ok(TargetStream::tcp(tcp));
        }
        let name = ServerName::try_from(to.site.host().to_owned())
            .map_err(|e| Fault::Untrusted(e.to_string()))?;
        let mut config = Arc::clone(to.target.tls());
        if http1 {
            Arc::make_mut(&mut config).alpn_protocols = vec![b"http/1.1".to_vec()];
        }
        let tls = TlsConnector::from(config).connect(name, tcp).await;
        tls.map(TargetStream::tls).map_err(Fault::tls)
    }

    async fn tcp(&self, target: &Target, site: &Site) -> Result<TcpStream, Fault> {
        let addresses = resolve::addresses(&*self.resolver, site, target.reach()).await?;
        let mut last = Fault::SlowConnect;
        let mut left = addresses.len();
        for address in addresses {
            left -= 1;
            // One silent address must not cost the time for all.
            let patience = if left == 0 {
                self.limits.connect
            } else {
                self.limits.connect / 4
            };
            match tokio::time::timeout(patience, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => last = Fault::Connect(error),
                Err(_) => last = Fault::SlowConnect,
            }
        }
        Err(last)
    }

    async fn handshake(
        &self,
        stream: TargetStream,
        permit: OwnedSemaphorePermit,
        upgrades: bool,
    ) -> Result<Sender, Fault> {
        let failed = |e: hyper::Error| Fault::http(&e);
        let speaks_http2 = stream.speaks_http2();
        let io = TokioIo::new(stream);
        if speaks_http2 {
            let (sender, connection) = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .initial_stream_window_size(WINDOWS.0)
                .initial_connection_window_size(WINDOWS.1)
                .max_header_list_size(self.limits.head_bytes)
                .keep_alive_interval(Duration::from_secs(30))
                .handshake(io)
                .await
                .map_err(failed)?;
            tokio::spawn(async move {
                let _ = connection.await;
                drop(permit);
            });
            return Ok(Sender::Http2(sender, Arc::new(())));
        }
        let (sender, connection) = http1::Builder::new()
            .max_header_size(self.limits.head_bytes as usize)
            .handshake(io)
            .await
            .map_err(failed)?;
        let driven = if upgrades {
            tokio::spawn(async move {
                let _ = connection.with_upgrades().await;
                drop(permit);
            })
        } else {
            tokio::spawn(async move {
                let _ = connection.await;
                drop(permit);
            })
        };
        let task = driven.abort_handle();
        Ok(Sender::Http1(One { sender, task }))
    }

    async fn exchange(
        &self,
        to: &Destination,
        key: &Key,
        mut sender: Sender,
        kept: bool,
        sending: Sending,
    ) -> Result<Answered, Failed> {
        let http2 = matches!(sender, Sender::Http2(..));
        let again = Again::of(&sending, kept);
        let clock = Clock::begin();
        let cut = Cut::of(&sender);
        let request = sending.request(to, http2, &clock).map_err(|fault| Failed {
            fault,
            unsent: None,
        })?;
        let answer = async {
            match &mut sender {
                Sender::Http1(one) => one.sender.try_send_request(request).await,
                Sender::Http2(sender, _) => sender.try_send_request(request).await,
            }
        };
        match clock.within(self.limits.first_byte, answer).await {
            None => Err(Failed {
                fault: Fault::SlowAnswer,
                unsent: None,
            }),
            Some(Err(error)) => Err(match clock.broke() {
                Some(why) => Failed {
                    fault: Fault::Body(why),
                    unsent: None,
                },
                None => again.failed(error),
            }),
            Some(Ok(response)) => {
                cut.not();
                Ok(Answered {
                    response,
                    loan: Loan {
                        pool: Arc::clone(&self.pool),
                        key: key.clone(),
                        sender: Some(sender),
                    },
                })
            }
        }
    }
}

/// A request without an answer.
struct Failed {
    fault: Fault,
    /// The request, if nothing of it reached the target or it may be sent twice.
    unsent: Option<Box<Sending>>,
}

/// What is needed to send a request once more.
struct Again {
    method: Method,
    path: PathAndQuery,
    trailers: bool,
    upgrade: Option<String>,
    repeatable: bool,
    /// Only where it may be sent though it was sent before.
    headers: Option<HeaderMap>,
}

impl Again {
    fn of(sending: &Sending, kept: bool) -> Self {
        let twice = kept && sending.repeatable && sending.body.is_end_stream();
        Self {
            method: sending.method.clone(),
            path: sending.path.clone(),
            trailers: sending.trailers,
            upgrade: sending.upgrade.clone(),
            repeatable: sending.repeatable,
            headers: twice.then(|| sending.headers.clone()),
        }
    }

    fn failed(self, mut error: TrySendError<Request<Passing>>) -> Failed {
        let unsent = match error.take_message() {
            Some(request) => {
                let (parts, body) = request.into_parts();
                Some((parts.headers, body, self.repeatable))
            }
            // Twice at most.
            None => self
                .headers
                .map(|headers| (headers, Passing::empty(), false)),
        };
        let unsent = unsent.map(|(headers, body, repeatable)| {
            Box::new(Sending {
                method: self.method,
                path: self.path,
                headers,
                trailers: self.trailers,
                body,
                repeatable,
                upgrade: self.upgrade,
            })
        });
        Failed {
            fault: Fault::http(error.error()),
            unsent,
        }
    }
}

impl Sending {
    /// As it goes out. What was added for another version before is replaced.
    fn request(
        self,
        to: &Destination,
        http2: bool,
        clock: &Clock,
    ) -> Result<Request<Passing>, Fault> {
        let broken = |e: hyper::http::Error| Fault::Broken(e.to_string());
        let authority = to.site.authority(usual_port(to.scheme));
        let mut headers = self.headers;
        headers.remove(header::CONNECTION);
        headers.remove(header::TE);
        headers.remove(header::HOST);
        let told_nothing = self.body.is_end_stream()
            && headers
                .get(header::CONTENT_LENGTH)
                .is_none_or(|n| n.as_bytes() != b"0");
        if told_nothing {
            headers.remove(header::CONTENT_LENGTH);
            headers.remove(header::TRANSFER_ENCODING);
        } else {
            headers::frame(&mut headers, self.body.length(), !http2);
        }
        if self.trailers {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
        let uri = if http2 {
            let mut parts = uri::Parts::default();
            parts.scheme = Some(match to.scheme {
                Scheme::Http => uri::Scheme::HTTP,
                Scheme::Https => uri::Scheme::HTTPS,
            });
            parts.authority = Some(Authority::try_from(authority).map_err(|e| broken(e.into()))?);
            parts.path_and_query = Some(self.path);
            Uri::from_parts(parts).map_err(|e| broken(e.into()))?
        } else {
            let host = HeaderValue::try_from(authority).map_err(|e| broken(e.into()))?;
            headers.insert(header::HOST, host);
            connection(&mut headers, self.trailers, self.upgrade.as_deref())?;
            Uri::from(self.path)
        };
        let (mut parts, ()): (request::Parts, ()) = Request::new(()).into_parts();
        parts.method = self.method;
        parts.uri = uri;
        parts.version = if http2 {
            Version::HTTP_2
        } else {
            Version::HTTP_11
        };
        parts.headers = headers;
        let body = if self.body.is_end_stream() {
            self.body
        } else {
            self.body.watched(Box::new(clock.ticks()))
        };
        Ok(Request::from_parts(parts, body))
    }
}

/// What HTTP/1.1 has to say about the connection.
fn connection(headers: &mut HeaderMap, trailers: bool, upgrade: Option<&str>) -> Result<(), Fault> {
    let value = match (upgrade, trailers) {
        (Some(_), true) => "upgrade, te",
        (Some(_), false) => "upgrade",
        (None, true) => "te",
        (None, false) => return Ok(()),
    };
    headers.insert(header::CONNECTION, HeaderValue::from_static(value));
    if let Some(upgrade) = upgrade {
        let value = HeaderValue::try_from(upgrade).map_err(|e| Fault::Broken(e.to_string()))?;
        headers.insert(header::UPGRADE, value);
    }
    Ok(())
}

/// The time since the request last moved: a large upload is not a slow answer. And why it broke off, if it did, which
/// the HTTP library does not say of all versions.
struct Clock {
    begun: Instant,
    moved_ms: Arc<AtomicU64>,
    broke: Arc<OnceLock<String>>,
}

impl Clock {
    fn begin() -> Self {
        Self {
            begun: Instant::now(),
            moved_ms: Arc::default(),
            broke: Arc::default(),
        }
    }

    fn ticks(&self) -> Ticks {
        Ticks {
            begun: self.begun,
            moved_ms: Arc::clone(&self.moved_ms),
            broke: Arc::clone(&self.broke),
        }
    }

    fn broke(&self) -> Option<String> {
        self.broke.get().cloned()
    }

    /// What `answer` says, if it says it within `limit` of the last movement.
    async fn within<T>(&self, limit: Duration, answer: impl Future<Output = T>) -> Option<T> {
        let mut answer = std::pin::pin!(answer);
        loop {
            let moved = Duration::from_millis(self.moved_ms.load(Ordering::Relaxed));
            let end = self.begun + moved + limit;
            if let Ok(said) = tokio::time::timeout_at(end, answer.as_mut()).await {
                return Some(said);
            }
            if Duration::from_millis(self.moved_ms.load(Ordering::Relaxed)) == moved {
                return None;
            }
        }
    }
}

/// Marks the clock.
struct Ticks {
    begun: Instant,
    moved_ms: Arc<AtomicU64>,
    broke: Arc<OnceLock<String>>,
}

impl Watch for Ticks {
    fn passed(&mut self, _: usize) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved_ms.store(now, Ordering::Relaxed);
    }

    fn ended(mut self: Box<Self>, how: Ended) {
        self.passed(0);
        if let Ended::Failed(why) = how {
            // It ends once.
            let _ = self.broke.set(why);
        }
    }
}

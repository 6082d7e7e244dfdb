//! What decides, as the proxy sees it. The proxy carries; whether, where to and changed in what way, a judge says.
//!
//! For each request, in this order: `dialect`, `begin` (who is it, is it worth reading), `judge` (with as much of the body
//! as `begin` wished), `response` (and `whole`, if it wished), `done`. `done` is called exactly once for each case that
//! `begin` opened, whatever happens in between: a client that hangs up while its request is held, too.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use backstop_core::secret::Secret;
use backstop_wire::http::Scheme;
use bytes::Bytes;
use hyper::{HeaderMap, StatusCode};

use super::dialect::Dialect;
use super::head::Head;
use super::problem::Problem;
use super::site::Site;
use super::target::Target;

/// Decides about requests.
pub trait Judge: Send + Sync + 'static {
    /// What the judge knows about one request between its steps.
    type Case: Send + 'static;

    /// In what form the client reads answers of the gate's own. Asked before anything else, of any client.
    fn dialect(&self, _client: &Client, _head: &Head) -> Dialect {
        Dialect::default()
    }

    /// Whether a client may have a tunnel to `to`, and what becomes of it. What comes through an inspected tunnel is
    /// judged request by request, so that this need not be strict; but an answer here is one that clients understand
    /// before they begin TLS. Challenges (407) are answers.
    fn tunnel(&self, client: &Client, to: &Site) -> impl Future<Output = Tunnel> + Send;

    /// Who asks, and how much of the body is needed to judge. Nothing of the body was read, and no name looked up.
    fn begin(&self, client: &Client, head: &Head)
    -> impl Future<Output = Begin<Self::Case>> + Send;

    /// What becomes of the request. It may wait for people; if the client hangs up meanwhile, the future is dropped.
    /// When it says `Forward`, whatever must be durable before the act is durable.
    fn judge(
        &self,
        case: &mut Self::Case,
        head: Head,
        body: &Carried,
    ) -> impl Future<Output = Outcome> + Send;

    /// What becomes of the target's response. The head may be changed; hop-by-hop headers are gone already.
    fn response(
        &self,
        case: &mut Self::Case,
        head: &mut ResponseHead,
    ) -> impl Future<Output = Treatment> + Send;

    /// What becomes of a response that was wished whole. `body` is `None` if it is longer than the limit.
    fn whole(
        &self,
        _case: &mut Self::Case,
        _head: &mut ResponseHead,
        _body: Option<&Bytes>,
    ) -> impl Future<Output = Whole> + Send {
        async { Whole::AsCame }
    }

    /// The end of a case.
    fn done(&self, case: Self::Case, end: End);
}

/// A client's connection, or what came through its tunnel.
#[derive(Debug, Clone)]
pub struct Client {
    /// No other connection has it.
    pub number: u64,
    /// Where it comes from.
    pub address: SocketAddr,
    /// The name of the listener that it came to.
    pub listener: Arc<str>,
    /// Whether it uses the listener as a proxy, or takes it for the target.
    pub mode: Mode,
    /// The tunnel that it is in.
    pub tunnel: Option<Inside>,
    /// What it presented to the proxy when it asked for the tunnel.
    pub presented: Option<Arc<Presented>>,
}

/// What a listener is to its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A proxy: requests name their site.
    Forward,
    /// The target itself: the listener's name says which.
    Reverse,
}

/// A tunnel, seen from inside.
#[derive(Debug, Clone)]
pub struct Inside {
    /// Where the client asked to go.
    pub site: Site,
    /// Whether it speaks TLS in it.
    pub tls: bool,
    /// The name that it asked for in TLS.
    pub tls_name: Option<String>,
}

/// What a client presents to the proxy itself (`Proxy-Authorization`). It is never passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presented {
    /// RFC 7617.
    Basic {
        /// The name: a lease's.
        user: String,
        /// The lease's secret.
        password: Secret<String>,
    },
    /// Another scheme, or one that cannot be read.
    Other,
}

/// What becomes of a tunnel.
pub enum Tunnel {
    /// The gate reads what is in it.
    Inspect,
    /// Bytes pass unread, through these filters: only where the target says so.
    Opaque(Arc<Target>, Duplex),
    /// None.
    Answer(Box<Problem>),
}

/// What `begin` says.
pub enum Begin<C> {
    /// Go on with this case.
    Judge {
        /// What the judge knows.
        case: C,
        /// How much of the body it needs.
        wish: Wish,
    },
    /// Answer at once.
    Answer(Box<Problem>),
}

/// How much of a body is read before judging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Nothing: it passes as it comes, and may be as silent as an answer may.
    Stream,
    /// All of it, up to so many bytes; a longer one passes as it comes.
    Whole {
        /// In bytes.
        limit: usize,
    },
}

/// A request's body, as far as it was read.
pub enum Carried {
    /// There is none.
    Absent,
    /// All of it, content encoding still on.
    Whole {
        /// The bytes.
        bytes: Bytes,
        /// What came after them.
        trailers: Option<HeaderMap>,
    },
    /// It passes as it comes.
    Streamed {
        /// In bytes, where the client told.
        length: Option<u64>,
    },
}

/// What `judge` says.
pub enum Outcome {
    /// Send it.
    Forward(Box<Forward>),
    /// Answer, and send nothing.
    Answer(Box<Problem>),
}

/// A request that is sent, and where to.
pub struct Forward {
    /// Whom to trust and how far to go.
    pub target: Arc<Target>,
    /// Whether with TLS.
    pub scheme: Scheme,
    /// The site; `Host` and the name in TLS follow from it.
    pub site: Site,
    /// What is sent: method, path and query, headers.
    pub head: Head,
    /// The body that is sent.
    pub body: Sent,
    /// The filters of what passes after a change of protocol (101), to the one that was asked for. Without them such
    /// requests are refused.
    pub upgrade: Option<Duplex>,
    /// Whether it may be sent once more if the target hung up on a kept connection without an answer. Only requests
    /// without a body are.
    pub repeatable: bool,
}

/// The body that is sent.
pub enum Sent {
    /// As the client sent it.
    AsCame,
    /// This in its place.
    Replaced(Bytes),
    /// As it comes, through a filter.
    Filtered(Box<dyn Filter>),
}

/// What passes both ways after a change of protocol, without filters unchanged.
#[derive(Default)]
pub struct Duplex {
    /// From the client to the target.
    pub up: Option<Box<dyn Filter>>,
    /// From the target to the client.
    pub down: Option<Box<dyn Filter>>,
}

/// Looks at bytes as they pass, and may change or stop them. What it holds back it must give out in `end` at the
/// latest; it should hold back no more than what could be the beginning of what it looks for, or events come late.
pub trait Filter: Send {
    /// The next bytes: what passes in their place.
    ///
    /// # Errors
    /// If nothing more may pass; the connection is then broken off.
    fn data(&mut self, bytes: Bytes) -> Result<Bytes, Stop>;

    /// There are no more bytes: what was held back.
    ///
    /// # Errors
    /// As above.
    fn end(&mut self) -> Result<Bytes, Stop> {
        Ok(Bytes::new())
    }

    /// What comes after the bytes.
    ///
    /// # Errors
    /// As above.
    fn trailers(&mut self, _trailers: &mut HeaderMap) -> Result<(), Stop> {
        Ok(())
    }

    /// Whether as many bytes come out as go in.
    fn keeps_length(&self) -> bool {
        false
    }

    /// Whether nothing more may pass: asked while nothing comes. Whoever asked is woken when that changes.
    fn poll_stopped(&mut self, _: &mut Context<'_>) -> Poll<Stop> {
        Poll::Pending
    }

    /// The last words to whoever gets what this filter gives out, after a change of protocol that one of both filters
    /// stopped. They stand right behind all that was given out.
    fn parting(&mut self, _: &Stop) -> Bytes {
        Bytes::new()
    }
}

/// Why a filter stopped what passed, in a few words without a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Stop(pub String);

/// A response's head.
#[derive(Debug, Clone)]
pub struct ResponseHead {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
}

/// What becomes of a response.
pub enum Treatment {
    /// It passes as it comes.
    Pass,
    /// It passes as it comes, through a filter.
    Filter(Box<dyn Filter>),
    /// It is read whole, up to so many bytes, and `whole` is asked.
    Whole {
        /// In bytes.
        limit: usize,
    },
    /// The client gets this in its place.
    Replace(Box<Problem>),
}

/// What becomes of a response that was read whole.
pub enum Whole {
    /// It passes as it came.
    AsCame,
    /// This body in its place.
    Replaced(Bytes),
    /// It passes through a filter.
    Filter(Box<dyn Filter>),
    /// The client gets this in its place.
    Problem(Box<Problem>),
}

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Whether the request, or a part of it, may have reached the target.
    pub sent: bool,
    /// The status that the client got, if it got one.
    pub status: Option<StatusCode>,
    /// Bytes of the response's body that passed.
    pub bytes: u64,
    /// From `begin` on.
    pub took: Duration,
    /// Why it ended.
    pub how: How,
}

/// Why a case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// The whole response passed, or an answer of the gate's own was given.
    Finished,
    /// The client hung up before the end.
    ClientGone,
    /// The target could not be reached, or did not keep to the protocol. In words without a secret.
    Failed(String),
}

impl std::fmt::Debug for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::Whole { bytes, .. } => write!(f, "Whole({} bytes)", bytes.len()),
            Self::Streamed { length } => write!(f, "Streamed({length:?})"),
        }
    }
}

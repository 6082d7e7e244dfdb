//! CONNECT: what a client may open, and what is found inside.

use std::sync::Arc;
use std::time::SystemTime;

use backstop_core::verdict::Decision;
use hyper::body::Incoming;
use hyper::header;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;

use super::body::Passing;
use super::connection::{After, Shared};
use super::exchange::{Slot, set};
use super::judge::{Client, Duplex, Inside, Judge, Mode, Presented, Tunnel};
use super::problem::Problem;
use super::site::Site;
use super::stream::ClientStream;
use super::upgrade;

/// The first byte of a TLS handshake (RFC 8446, section 5.1).
pub(super) const TLS: u8 = 22;

/// A tunnel that a client was allowed.
pub(crate) struct Opened {
    pub(crate) stream: OnUpgrade,
    pub(crate) site: Site,
    pub(crate) presented: Option<Arc<Presented>>,
    /// The road to the target, where nobody reads what passes.
    pub(crate) opaque: Option<(TcpStream, Duplex)>,
}

/// Answers CONNECT.
pub(crate) async fn connect<J: Judge>(
    shared: &Arc<Shared<J>>,
    client: &Client,
    slot: &Slot<J>,
    mut request: Request<Incoming>,
) -> Result<Response<Passing>, Box<Problem>> {
    let proxy = client.mode == Mode::Forward && client.tunnel.is_none();
    if !proxy || request.version() == Version::HTTP_2 {
        return Err(Box::new(Problem::new(
            StatusCode::NOT_IMPLEMENTED,
            "tunnel",
            "There are no tunnels here",
            "A tunnel is opened at the proxy, by HTTP/1.1, and not within another.",
        )));
    }
    let site = site(&request)?;
    let presented = request
        .headers()
        .get(header::PROXY_AUTHORIZATION)
        .map(|value| Arc::new(Presented::read(value)));
    let asking = Client {
        presented: presented.clone(),
        ..client.clone()
    };
    let opaque = match shared.judge.tunnel(&asking, &site).await {
        Tunnel::Answer(problem) => return Err(problem),
        Tunnel::Inspect => None,
        Tunnel::Opaque(target, duplex) => {
            let road = shared.upstreams.opaque(&target, &site).await;
            Some((
                road.map_err(|fault| Box::new(fault.problem(&site)))?,
                duplex,
            ))
        }
    };
    let opened = Opened {
        stream: hyper::upgrade::on(&mut request),
        site,
        presented,
        opaque,
    };
    set(slot, After::Tunnel(opened));
    Ok(Response::new(Passing::empty()))
}

fn site(request: &Request<Incoming>) -> Result<Site, Box<Problem>> {
    let text = request.uri().authority().map_or("", |a| a.as_str());
    Site::parse(text, None).map_err(|error| {
        Box::new(Problem::new(
            StatusCode::BAD_REQUEST,
            "unreadable",
            "The tunnel's end cannot be read in one way only",
            format!("Of where it is to go: {error}."),
        ))
    })
}

impl Opened {
    /// Finds out what the client speaks inside. `None` if nothing comes of it.
    pub(crate) async fn enter<J: Judge>(
        self,
        shared: &Arc<Shared<J>>,
        client: &Client,
    ) -> Option<(Client, ClientStream)> {
        let upgraded = self.stream.await.ok()?;
        let parts = upgraded.downcast::<TokioIo<ClientStream>>().ok()?;
        let stream = parts.io.into_inner().rewound(parts.read_buf);
        if let Some((road, duplex)) = self.opaque {
            let _ = upgrade::copy(stream, road, duplex, shared.limits.silent).await;
            return None;
        }
        let looking = look(shared, stream, &self.site);
        let (stream, tls, tls_name) = tokio::time::timeout(shared.limits.handshake, looking)
            .await
            .ok()??;
        let inside = Client {
            tunnel: Some(Inside {
                site: self.site,
                tls,
                tls_name,
            }),
            presented: self.presented,
            ..client.clone()
        };
        Some((inside, stream))
    }
}

/// TLS, with the gate's own certificate for the site; or plain HTTP, where that is usual.
async fn look<J: Judge>(
    shared: &Arc<Shared<J>>,
    mut stream: ClientStream,
    site: &Site,
) -> Option<(ClientStream, bool, Option<String>)> {
    match stream.peek().await.ok()?? {
        TLS => {
            let (stream, name) = terminate(shared, stream, site).await?;
            Some((stream, true, name))
        }
        _ if site.port() == 80 => Some((stream, false, None)),
        _ => {
            let words = unread(site).last_words();
            let _ = stream.write_all(&words).await;
            let _ = stream.shutdown().await;
            None
        }
    }
}

fn unread(site: &Site) -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "not-tls",
        "The tunnel is not TLS",
        format!("What was sent to {site} cannot be read, and nothing passes unread."),
    )
    .decided(Decision::Deny, "opaque")
    .hint("speak TLS in the tunnel; a person can configure a target there as opaque")
}

async fn terminate<J: Judge>(
    shared: &Arc<Shared<J>>,
    stream: ClientStream,
    site: &Site,
) -> Option<(ClientStream, Option<String>)> {
    let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream)
        .await
        .ok()?;
    let name = start.client_hello().server_name().map(ToOwned::to_owned);
    let config = if agrees(name.as_deref(), site) {
        match shared.leaves.of(site.host(), SystemTime::now()) {
            Ok(config) => config,
            Err(error) => {
                tracing::warn!(%site, %error, "no certificate for a site");
                return None;
            }
        }
    } else {
        tracing::debug!(%site, "the name asked for in TLS is another than the tunnel's");
        shared.leaves.of_nobody()
    };
    let tls = start.into_stream(config).await.ok()?;
    Some((ClientStream::tls(tls), name))
}

/// Whether the name asked for in TLS is the tunnel's. Addresses have none (RFC 6066, section 3), and a client need
/// not send one.
pub(super) fn agrees(name: Option<&str>, site: &Site) -> bool {
    let Some(name) = name else {
        return true;
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    site.address().is_none() && name.eq_ignore_ascii_case(site.host())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_in_tls_is_the_tunnels() {
        for (site, name, agreed) in [
            ("a.example:443", Some("a.example"), true),
            ("a.example:443", Some("A.example."), true),
            ("a.example:443", None, true),
            ("a.example:443", Some("b.example"), false),
            ("127.0.0.1:443", None, true),
            ("127.0.0.1:443", Some("127.0.0.1"), false),
        ] {
            let site = Site::parse(site, None).unwrap();
            assert_eq!(agrees(name, &site), agreed, "{site} {name:?}");
        }
    }
}

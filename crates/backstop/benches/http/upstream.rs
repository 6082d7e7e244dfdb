//! The server behind all ways: a small one with TLS, in a process of its own.
//!
//! It takes the real credential only: an answer of 200 through the gate says that the credential was put in.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use backstop_testing::tls::Identity;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::asks::{APIS, Ask, CREDENTIAL, Version};
use crate::child::{self, Child};
use crate::machine;

/// What this process is called.
pub const ROLE: &str = "server";

#[derive(Serialize, Deserialize)]
struct Order {
    certificate_pem: String,
    key_pem: String,
}

/// A running server.
pub struct Upstream {
    /// The port of each API.
    pub ports: Vec<u16>,
    _child: Child,
}

impl Upstream {
    /// Starts one that shows that certificate.
    pub fn start(identity: &Identity) -> Result<Self> {
        let order = Order {
            certificate_pem: identity.certificate_pem.clone(),
            key_pem: identity.key_pem.clone(),
        };
        let (child, ports) = Child::start(ROLE, &order)?;
        Ok(Self {
            ports,
            _child: child,
        })
    }

    /// The port of an API.
    pub fn port(&self, api: usize) -> Result<u16> {
        self.ports.get(api).copied().context("an API's port")
    }
}

/// What every connection shares.
struct Shared {
    credential: HeaderValue,
    small: Bytes,
    large: Bytes,
    graphql: Bytes,
}

/// What the process does.
pub fn serve() -> Result<()> {
    let order: Order = child::order()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(machine::processors())
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let shared = Arc::new(Shared {
            credential: format!("Bearer {CREDENTIAL}").parse()?,
            small: Ask::Small.answer(),
            large: Ask::Large.answer(),
            graphql: Ask::GraphQl.answer(),
        });
        let mut ports = vec![];
        for api in &APIS {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            ports.push(listener.local_addr()?.port());
            let offered: &[Version] = match api.version {
                Version::Http1 => &[Version::Http1],
                Version::Http2 => &[Version::Http2, Version::Http1],
            };
            let tls = tls(&order.certificate_pem, &order.key_pem, offered)?;
            tokio::spawn(accept(
                listener,
                TlsAcceptor::from(tls),
                Arc::clone(&shared),
            ));
        }
        child::ready(&ports)
    })
}

/// TLS with a certificate, offering these versions.
pub fn tls(
    certificate_pem: &str,
    key_pem: &str,
    offered: &[Version],
) -> Result<Arc<rustls::ServerConfig>> {
    let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes())?;
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    tls.alpn_protocols = offered.iter().map(|v| v.protocol().to_vec()).collect();
    Ok(Arc::new(tls))
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(connection(stream, tls.clone(), Arc::clone(&shared)));
    }
}

async fn connection(stream: TcpStream, tls: TlsAcceptor, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let Ok(stream) = tls.accept(stream).await else {
        return;
    };
    let speaks_http2 = stream.get_ref().1.alpn_protocol() == Some(Version::Http2.protocol());
    let io = TokioIo::new(stream);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(request, &shared).await) }
    });
    // Clients that hang up are none of its business.
    if speaks_http2 {
        let server = http2::Builder::new(TokioExecutor::new());
        let _ = server.serve_connection(io, service).await;
    } else {
        let server = http1::Builder::new();
        let _ = server.serve_connection(io, service).await;
    }
}

async fn answer(request: Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    if request.headers().get(AUTHORIZATION) != Some(&shared.credential) {
        let mut refused = Response::new(Full::default());
        *refused.status_mut() = StatusCode::UNAUTHORIZED;
        return refused;
    }
    let target = request.uri().path_and_query().map(ToString::to_string);
    let body = match target.as_deref() {
        Some(path) if path == Ask::GraphQl.path() => {
            let _ = request.into_body().collect().await;
            shared.graphql.clone()
        }
        Some(path) if path == Ask::Large.path() => shared.large.clone(),
        _ => shared.small.clone(),
    };
    let mut response = Response::new(Full::new(body));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

//! The way to a target's server: address, TLS, and the startup up to the first ReadyForQuery.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use backstop_core::secret::Secret;
use backstop_wire::postgres::backend::{self, Authentication, BackendMessage};
use backstop_wire::postgres::frame::{self, Limits};
use backstop_wire::postgres::startup::{CancelKey, Minor, Startup, write_ssl_request};
use backstop_wire::postgres::tag;
use bytes::{Bytes, BytesMut};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::error::{GateError, ServerError};
use super::images::Known;
use super::sasl;
use super::stream::{Plain, Stream};

/// How long connecting and authenticating may take.
pub(crate) const CONNECT: Duration = Duration::from_secs(15);
/// How much is read at a time.
const CHUNK: usize = 64 * 1024;
/// The longest message of the server's that the gate itself reads whole.
const LARGEST_ANSWER: u32 = 256 * 1024 * 1024;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name or address, IPv4 or IPv6, and a port.
    Tcp(String, u16),
    /// The directory of a Unix socket, and the port in its name.
    Unix(PathBuf, u16),
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(directory, port) => write!(f, "{}", socket_path(directory, *port).display()),
        }
    }
}

/// How the server proves itself.
#[derive(Debug, Clone)]
pub enum UpstreamTls {
    /// It does not: for Unix sockets and networks that are the operator's alone.
    Disable,
    /// By a certificate for its name from one of these authorities.
    Verify(Arc<rustls::RootCertStore>),
    /// By exactly this certificate: SHA-256 of its DER.
    Pinned([u8; 32]),
}

impl PartialEq for UpstreamTls {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Disable, Self::Disable) => true,
            // As sets: the system's may be read in any order.
            (Self::Verify(one), Self::Verify(two)) => {
                one.roots.iter().collect::<HashSet<_>>() == two.roots.iter().collect()
            }
            (Self::Pinned(one), Self::Pinned(two)) => one == two,
            _ => false,
        }
    }
}

/// The gate's own way into a target.
#[derive(Debug, Clone, PartialEq)]
pub struct Upstream {
    /// Where.
    pub host: Host,
    /// The database.
    pub database: String,
    /// The role that makes leases' roles and does what people approved.
    pub user: String,
    /// Its password.
    pub password: Secret<String>,
    /// How the server proves itself.
    pub tls: UpstreamTls,
    /// Whether nothing but SCRAM bound to the server's certificate will do, and not only where it is offered.
    pub require_binding: bool,
}

/// An authenticated connection to the server, idle.
pub(crate) struct ServerConnection {
    /// The stream.
    pub(crate) stream: Stream,
    /// What was read and not used yet.
    pub(crate) inbox: BytesMut,
    /// What the server said of its settings.
    pub(crate) settings: Vec<(String, String)>,
    /// How to cancel what runs here.
    pub(crate) cancel: Option<CancelKey>,
    /// What was seen here of tables whose rows were captured.
    pub(crate) known: Known,
}

impl Upstream {
    /// The same way in as another role.
    #[must_use]
    pub fn as_role(&self, user: &str, password: Secret<String>) -> Self {
        Self {
            user: user.to_owned(),
            password,
            ..self.clone()
        }
    }

    /// Connects and authenticates, with `parameters` added to the startup message.
    pub(crate) async fn connect(
        &self,
        parameters: &[(String, String)],
    ) -> Result<ServerConnection, GateError> {
        tokio::time::timeout(CONNECT, self.connect_slowly(parameters))
            .await
            .map_err(|_| GateError::Timeout(CONNECT.as_secs()))?
    }

    async fn connect_slowly(
        &self,
        parameters: &[(String, String)],
    ) -> Result<ServerConnection, GateError> {
        let (stream, binding) = self.secure(self.open().await?).await?;
        let mut connection = ServerConnection {
            stream,
            inbox: BytesMut::new(),
            settings: vec![],
            cancel: None,
            known: Known::default(),
        };
        let mut all = vec![
            ("user".to_owned(), self.user.clone()),
            ("database".to_owned(), self.database.clone()),
        ];
        all.extend_from_slice(parameters);
        let mut out = BytesMut::new();
        Startup::new(Minor::V0, all)
            .write(&mut out)
            .map_err(|_| GateError::Config("the connection's parameters are too long".into()))?;
        connection.send(&out).await?;
        self.authenticate(&mut connection, binding.as_ref()).await?;
        connection.await_ready().await?;
        Ok(connection)
    }

    /// A bare stream, as for a cancel request.
    pub(crate) async fn open(&self) -> Result<Stream, GateError> {
        match &self.host {
            Host::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port))
                    .await
                    .map_err(GateError::io(format!("connecting to {}", self.host)))?;
                stream
                    .set_nodelay(true)
                    .map_err(GateError::io("setting TCP_NODELAY"))?;
                Ok(Stream::Tcp(stream))
            }
            Host::Unix(directory, port) => {
                let path = socket_path(directory, *port);
                let doing = format!("connecting to {}", path.display());
                UnixStream::connect(&path)
                    .await
                    .map(Stream::Unix)
                    .map_err(GateError::io(doing))
            }
        }
    }

    /// TLS where it is wanted, with what SCRAM binds to.
    pub(crate) async fn secure(
        &self,
        stream: Stream,
    ) -> Result<(Stream, Option<Vec<u8>>), GateError> {
        let Some(config) = self.client_config()? else {
            return Ok((stream, None));
        };
        let mut stream = stream;
        let mut out = BytesMut::new();
        write_ssl_request(&mut out);
        stream
            .write_all(&out)
            .await
            .map_err(GateError::io("asking for TLS"))?;
        let answer = stream
            .read_u8()
            .await
            .map_err(GateError::io("asking for TLS"))?;
        if answer != b'S' {
            return Err(GateError::NoTls(self.host.to_string()));
        }
        let plain = stream
            .into_plain()
            .ok_or_else(|| GateError::Tls("it is TLS already".into()))?;
        self.handshake(config, plain).await
    }

    async fn handshake(
        &self,
        config: Arc<rustls::ClientConfig>,
        plain: Plain,
    ) -> Result<(Stream, Option<Vec<u8>>), GateError> {
        let name = match &self.host {
            Host::Tcp(host, _) => host.clone(),
            Host::Unix(..) => "localhost".to_owned(),
        };
        let name = ServerName::try_from(name).map_err(|e| GateError::Tls(e.to_string()))?;
        let tls = tokio_rustls::TlsConnector::from(config)
            .connect(name, plain)
            .await
            .map_err(|e| GateError::Tls(e.to_string()))?;
        let certificate = tls
            .get_ref()
            .1
            .peer_certificates()
            .and_then(|c| c.first())
            .cloned();
        let binding = certificate.as_ref().and_then(super::tls::server_end_point);
        Ok((Stream::Connected(Box::new(tls)), binding))
    }

    fn client_config(&self) -> Result<Option<Arc<rustls::ClientConfig>>, GateError> {
        match &self.tls {
            UpstreamTls::Disable => Ok(None),
            UpstreamTls::Verify(roots) => super::tls::verifying(Arc::clone(roots)).map(Some),
            UpstreamTls::Pinned(hash) => super::tls::pinning(*hash).map(Some),
        }
    }

    /// The certificate that the server shows, whoever signed it: for a person to look at and pin.
    ///
    /// # Errors
    /// When the server cannot be reached or does not speak TLS.
    pub async fn certificate(&self) -> Result<CertificateDer<'static>, GateError> {
        let seen = Arc::new(std::sync::Mutex::new(None));
        let config = super::tls::looking(Arc::clone(&seen))?;
        let mut stream = self.open().await?;
        let mut out = BytesMut::new();
        write_ssl_request(&mut out);
        stream
            .write_all(&out)
            .await
            .map_err(GateError::io("asking for TLS"))?;
        if stream
            .read_u8()
            .await
            .map_err(GateError::io("asking for TLS"))?
            != b'S'
        {
            return Err(GateError::NoTls(self.host.to_string()));
        }
        let plain = stream
            .into_plain()
            .ok_or_else(|| GateError::Tls("it is TLS already".into()))?;
        // The handshake ends as soon as the certificate was seen: nothing is ever sent over it.
        let _ = self.handshake(config, plain).await;
        let seen = seen
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        seen.ok_or_else(|| GateError::Tls("the server showed no certificate".into()))
    }

    async fn authenticate(
        &self,
        server: &mut ServerConnection,
        binding: Option<&Vec<u8>>,
    ) -> Result<(), GateError> {
        let mut unbound = self.require_binding;
        loop {
            let (tag, body) = server.message().await?;
            match BackendMessage::parse(tag, &body)
                .map_err(|e| GateError::Protocol(e.to_string()))?
            {
                BackendMessage::Authentication(Authentication::Sasl(offered)) => {
                    sasl::prove(server, &offered, &self.password, binding, unbound).await?;
                    unbound = false;
                }
                BackendMessage::Authentication(_) if unbound => return Err(sasl::unbound()),
                BackendMessage::Authentication(Authentication::Ok) => return Ok(()),
                BackendMessage::Authentication(Authentication::Cleartext)
                    if server.stream.is_tls() =>
                {
                    server.send_password(self.password.reveal()).await?;
                }
                BackendMessage::Authentication(other) => {
                    return Err(GateError::Authentication(method_name(&other)));
                }
                BackendMessage::ErrorResponse(_) => return Err(refusal(&body)),
                BackendMessage::NoticeResponse(_) | BackendMessage::NegotiateProtocolVersion(_) => {
                }
                _ => {
                    return Err(GateError::Protocol(format!(
                        "`{}` while authenticating",
                        char::from(tag)
                    )));
                }
            }
        }
    }
}

impl ServerConnection {
    /// Sends bytes now.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), GateError> {
        self.stream
            .write_all(bytes)
            .await
            .map_err(GateError::io("sending to the server"))?;
        self.stream
            .flush()
            .await
            .map_err(GateError::io("sending to the server"))
    }

    /// The next message, whole.
    pub(crate) async fn message(&mut self) -> Result<(u8, Bytes), GateError> {
        // Made once: a table that is copied comes in as many messages as it has rows.
        static LIMITS: LazyLock<Limits> =
            LazyLock::new(|| Limits::backend(LARGEST_ANSWER, LARGEST_ANSWER));
        loop {
            let next = frame::next_frame(&mut self.inbox, &LIMITS)
                .map_err(|e| GateError::Protocol(e.to_string()))?;
            if let Some(frame) = next {
                return Ok((frame.tag, frame.body_bytes()));
            }
            if self.inbox.capacity() - self.inbox.len() < CHUNK / 4 {
                self.inbox.reserve(CHUNK);
            }
            let n = self
                .stream
                .read_buf(&mut self.inbox)
                .await
                .map_err(GateError::io("reading from the server"))?;
            if n == 0 {
                return Err(GateError::Io {
                    doing: "reading from the server".into(),
                    source: std::io::ErrorKind::UnexpectedEof.into(),
                });
            }
        }
    }

    async fn send_password(&mut self, password: &str) -> Result<(), GateError> {
        let mut out = BytesMut::new();
        backstop_wire::postgres::frontend::write_password(password.as_bytes(), &mut out)
            .map_err(|_| GateError::Config("the password cannot be sent".into()))?;
        self.send(&out).await
    }

    /// Reads up to the first ReadyForQuery, keeping settings and the cancel key.
    async fn await_ready(&mut self) -> Result<(), GateError> {
        loop {
            let (tag, body) = self.message().await?;
            match tag {
                tag::backend::READY_FOR_QUERY => return Ok(()),
                tag::backend::ERROR_RESPONSE => return Err(refusal(&body)),
                tag::backend::PARAMETER_STATUS => {
                    if let Ok(status) = backend::ParameterStatus::parse(&body) {
                        self.settings
                            .push((status.name.to_owned(), status.value.to_owned()));
                    }
                }
                tag::backend::BACKEND_KEY_DATA => {
                    if let Ok(BackendMessage::BackendKeyData(key)) =
                        BackendMessage::parse(tag, &body)
                    {
                        self.cancel = Some(key);
                    }
                }
                tag::backend::NOTICE_RESPONSE => {}
                other => {
                    return Err(GateError::Protocol(format!(
                        "`{}` before it was ready",
                        char::from(other)
                    )));
                }
            }
        }
    }
}

/// Refusals of the credential are an incident, other errors are not.
fn refusal(body: &[u8]) -> GateError {
    let error = ServerError::of(body);
    if matches!(error.code.as_str(), "28P01" | "28000") {
        GateError::Refused(error)
    } else {
        GateError::Server(error)
    }
}

fn method_name(method: &Authentication<'_>) -> String {
    match method {
        Authentication::Cleartext => {
            "a password in clear text over an unencrypted connection".into()
        }
        Authentication::Md5(_) => "an MD5 password".into(),
        Authentication::Other(n) => format!("authentication method {n}"),
        _ => "an authentication step out of order".into(),
    }
}

fn socket_path(directory: &std::path::Path, port: u16) -> PathBuf {
    directory.join(format!(".s.PGSQL.{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reload goes on with what is open only where nothing of this changed.
    #[test]
    fn another_certificate_is_another_way_in() {
        let way = |tls| Upstream {
            host: Host::Tcp("::1".into(), 5432),
            database: "app".into(),
            user: "gate".into(),
            password: Secret::new("secret".into()),
            tls,
            require_binding: false,
        };
        let nobody = || UpstreamTls::Verify(Arc::new(rustls::RootCertStore::empty()));
        assert!(way(nobody()) == way(nobody()));
        assert!(way(UpstreamTls::Pinned([1; 32])) == way(UpstreamTls::Pinned([1; 32])));
        for other in [nobody(), UpstreamTls::Disable, UpstreamTls::Pinned([2; 32])] {
            assert!(way(UpstreamTls::Pinned([1; 32])) != way(other));
        }
        let bound = Upstream {
            require_binding: true,
            ..way(nobody())
        };
        assert!(way(nobody()) != bound);
    }
}

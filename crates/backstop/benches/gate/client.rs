//! The smallest client there is: it proves its secret by SCRAM, asks simple queries, and waits for the end.
//!
//! Blocking, without a runtime: thousands of them idle must cost the measuring side next to nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use backstop_testing::postgres::Connection;
use backstop_wire::postgres::backend::{Authentication, BackendMessage, Mechanisms};
use backstop_wire::postgres::frame::{self, Limits};
use backstop_wire::postgres::frontend::{
    Bind, Execute, FrontendMessage, Parse, SaslInitialResponse, Values, write_sasl_response,
};
use backstop_wire::postgres::scram::{self, Binding};
use backstop_wire::postgres::startup::{Minor, Startup, write_ssl_request};
use bytes::BytesMut;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const LARGEST: u32 = 1024 * 1024;

/// A connection that has authenticated.
pub struct Client {
    stream: Stream,
    inbox: BytesMut,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// TLS that believes this certificate only.
pub fn trusting(certificate_pem: &str) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate_pem.as_bytes())?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

impl Client {
    /// Connects and waits until it may ask.
    pub fn connect(to: &Connection, tls: Option<&Arc<ClientConfig>>) -> Result<Self> {
        let plain = TcpStream::connect((to.host.as_str(), to.port)).context("connecting")?;
        plain.set_nodelay(true)?;
        let stream = match tls {
            None => Stream::Plain(plain),
            Some(config) => secured(plain, Arc::clone(config))?,
        };
        let mut client = Self {
            stream,
            inbox: BytesMut::new(),
        };
        let mut out = BytesMut::new();
        let named = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let parameters = vec![named("user", &to.user), named("database", &to.database)];
        Startup::new(Minor::V0, parameters)
            .write(&mut out)
            .map_err(|e| anyhow!("{e:?}"))?;
        client.stream.write_all(&out)?;
        client.prove(&to.password)?;
        client.until_ready()?;
        // What was read at the start need not stay in memory.
        client.inbox = BytesMut::new();
        Ok(client)
    }

    /// Executes a statement with parameters, given as text, and waits for the whole answer.
    pub fn execute(&mut self, sql: &str, all: &[String]) -> Result<()> {
        let mut values = vec![];
        for value in all {
            values.extend_from_slice(&u32::try_from(value.len())?.to_be_bytes());
            values.extend_from_slice(value.as_bytes());
        }
        let mut bind = Bind::new("", "");
        bind.parameters = Values::of_bytes(u16::try_from(all.len())?, &values)?;
        let mut out = BytesMut::new();
        for message in [
            FrontendMessage::Parse(Parse::new("", sql)),
            FrontendMessage::Bind(bind),
            FrontendMessage::Execute(Execute {
                portal: "",
                max_rows: 0,
            }),
            FrontendMessage::Sync,
        ] {
            message.write(&mut out).map_err(|e| anyhow!("{e:?}"))?;
        }
        self.stream.write_all(&out)?;
        self.until_ready()
    }

    /// Asks, and waits for the whole answer.
    pub fn query(&mut self, sql: &str) -> Result<()> {
        self.begin(sql)?;
        self.until_ready()
    }

    /// Asks, and does not wait.
    pub fn begin(&mut self, sql: &str) -> Result<()> {
        let mut out = BytesMut::new();
        FrontendMessage::Query(sql)
            .write(&mut out)
            .map_err(|e| anyhow!("{e:?}"))?;
        Ok(self.stream.write_all(&out)?)
    }

    /// Waits until the other side ends the connection; when it did.
    pub fn ended(mut self) -> Instant {
        let mut buffer = [0; 4096];
        while matches!(self.stream.read(&mut buffer), Ok(n) if n > 0) {}
        Instant::now()
    }

    fn prove(&mut self, password: &str) -> Result<()> {
        let (tag, body) = self.message()?;
        let client = match BackendMessage::parse(tag, &body) {
            Ok(BackendMessage::Authentication(Authentication::Sasl(offered))) => unbound(&offered)?,
            other => return Err(refused(&other)),
        };
        let mechanism = client.mechanism();
        let (first, waiting) = client.first()?;
        let mut out = BytesMut::new();
        let data = Some(first.as_slice());
        SaslInitialResponse { mechanism, data }
            .write(&mut out)
            .map_err(|e| anyhow!("{e:?}"))?;
        self.stream.write_all(&out)?;
        let (last, proving) = waiting.prove(password, &self.step()?)?;
        out.clear();
        write_sasl_response(&last, &mut out).map_err(|e| anyhow!("{e:?}"))?;
        self.stream.write_all(&out)?;
        Ok(proving.finish(&self.step()?)?)
    }

    fn step(&mut self) -> Result<Vec<u8>> {
        let (tag, body) = self.message()?;
        match BackendMessage::parse(tag, &body) {
            Ok(BackendMessage::Authentication(
                Authentication::SaslContinue(data) | Authentication::SaslFinal(data),
            )) => Ok(data.to_vec()),
            other => Err(refused(&other)),
        }
    }

    fn until_ready(&mut self) -> Result<()> {
        loop {
            let (tag, body) = self.message()?;
            match BackendMessage::parse(tag, &body) {
                Ok(BackendMessage::ReadyForQuery(_)) => return Ok(()),
                message @ (Ok(BackendMessage::ErrorResponse(_)) | Err(_)) => {
                    return Err(refused(&message));
                }
                Ok(_) => {}
            }
        }
    }

    fn message(&mut self) -> Result<(u8, bytes::Bytes)> {
        let limits = Limits::backend(LARGEST, LARGEST);
        let mut buffer = [0; 4096];
        loop {
            if let Some(frame) = frame::next_frame(&mut self.inbox, &limits)? {
                return Ok((frame.tag, frame.body_bytes()));
            }
            let n = self.stream.read(&mut buffer)?;
            ensure!(n > 0, "the connection was ended");
            self.inbox
                .extend_from_slice(buffer.get(..n).unwrap_or_default());
        }
    }
}

/// Without channel binding: what is measured is the gate, and the parent has no use for it.
fn unbound(offered: &Mechanisms<'_>) -> Result<scram::Client> {
    let usable = offered.iter().filter(|name| !name.ends_with(b"-PLUS"));
    Ok(scram::Client::choose(usable, Binding::None)?)
}

fn refused<E: std::fmt::Debug>(message: &Result<BackendMessage<'_>, E>) -> anyhow::Error {
    match message {
        Ok(BackendMessage::ErrorResponse(fields)) => {
            anyhow!("{}: {}", fields.code().as_str(), fields.message())
        }
        other => anyhow!("{other:?} was not expected"),
    }
}

fn secured(mut plain: TcpStream, config: Arc<ClientConfig>) -> Result<Stream> {
    let mut out = BytesMut::new();
    write_ssl_request(&mut out);
    plain.write_all(&out)?;
    let mut answer = [0];
    plain.read_exact(&mut answer)?;
    if answer != *b"S" {
        bail!("TLS is not spoken there");
    }
    let connection = ClientConnection::new(config, ServerName::try_from("localhost")?)?;
    Ok(Stream::Tls(Box::new(StreamOwned::new(connection, plain))))
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(s) => s.read(buffer),
            Self::Tls(s) => s.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(s) => s.write(bytes),
            Self::Tls(s) => s.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plain(s) => s.flush(),
            Self::Tls(s) => s.flush(),
        }
    }
}

//! The beginning of a connection: TLS, versions, the lease's proof, and the first ReadyForQuery.

use std::sync::Arc;

use backstop_core::lease::{LeaseRecord, LeaseState};
use backstop_wire::postgres::backend::{
    self, Authentication, BackendMessage, Mechanisms, Report, Severity, SqlState,
};
use backstop_wire::postgres::frame::{self, Limits};
use backstop_wire::postgres::frontend::SaslInitialResponse;
use backstop_wire::postgres::scram::{Server, Verifier};
use backstop_wire::postgres::startup::{self, Minor, Packet, Startup};
use backstop_wire::postgres::tag;
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::error::GateError;
use super::gate::Shared;
use super::lobby::Voice;
use super::refusal;
use super::stream::{Plain, Stream};
use super::target::Target;

/// What a client may send while it authenticates.
const PASSWORD_BYTES: u32 = 8 * 1024;

/// A client that proved to be a lease's.
pub(crate) struct Guest {
    /// Its stream.
    pub(crate) stream: Stream,
    /// What was read and not used yet.
    pub(crate) inbox: BytesMut,
    /// What it asked for.
    pub(crate) startup: Startup,
    /// The version spoken with it.
    pub(crate) minor: Minor,
    /// Its lease.
    pub(crate) lease: LeaseRecord,
    /// The lease's target.
    pub(crate) target: Arc<Target>,
}

/// What became of a connection's beginning.
pub(crate) enum Greeting {
    /// A lease, proved.
    Guest(Box<Guest>),
    /// A cancel request, done with, or a client that went away.
    Over,
}

/// Speaks with a new client until it is proved, or refused and told why.
pub(crate) async fn greet(
    shared: &Shared,
    plain: Plain,
    source: &str,
    voice: Voice<'_>,
) -> Result<Greeting, GateError> {
    let mut door = Door {
        stream: from_plain(plain),
        inbox: BytesMut::new(),
        tls_hash: None,
    };
    let Some(startup) = door.startup(shared, source, voice).await? else {
        return Ok(Greeting::Over);
    };
    let agreement = startup.agreement();
    if agreement.must_tell {
        let mut out = BytesMut::new();
        agreement
            .write(&mut out)
            .map_err(|e| GateError::Protocol(e.to_string()))?;
        door.write(&out).await?;
    }
    match door.admit(shared, &startup, source).await {
        Ok((lease, target)) => Ok(Greeting::Guest(Box::new(Guest {
            stream: door.stream,
            inbox: door.inbox,
            startup,
            minor: agreement.minor,
            lease,
            target,
        }))),
        Err(Refusal::Tell(report)) => {
            door.write(&report.to_bytes()).await?;
            let _ = door.stream.shutdown().await;
            Ok(Greeting::Over)
        }
        Err(Refusal::Gone(error)) => Err(error),
    }
}

/// Why a client is not let in.
enum Refusal {
    /// It is told this.
    Tell(Box<Report>),
    /// It is gone.
    Gone(GateError),
}

impl From<GateError> for Refusal {
    fn from(error: GateError) -> Self {
        Self::Gone(error)
    }
}

struct Door {
    stream: Stream,
    inbox: BytesMut,
    tls_hash: Option<Vec<u8>>,
}

impl Door {
    /// Goes through TLS and GSS negotiation up to the startup packet.
    async fn startup(
        &mut self,
        shared: &Shared,
        source: &str,
        voice: Voice<'_>,
    ) -> Result<Option<Startup>, GateError> {
        loop {
            let Some(packet) = self.packet().await? else {
                return Ok(None);
            };
            voice.heard();
            match packet {
                Packet::Cancel(key) => {
                    shared.cancels.cancel(&key).await;
                    return Ok(None);
                }
                Packet::GssRequest => self.write(b"N").await?,
                Packet::SslRequest => self.accept_tls(shared).await?,
                Packet::Startup(startup) => {
                    let must = shared.config.require_tls && !source.starts_with("unix");
                    if must && !self.stream.is_tls() {
                        let report = fatal("28000", "this gate takes only encrypted connections")
                            .hint(
                                "use sslmode=verify-full, as in the DSN that came with the lease",
                            );
                        self.write(&report.to_bytes()).await?;
                        return Ok(None);
                    }
                    return Ok(Some(startup));
                }
            }
        }
    }

    async fn packet(&mut self) -> Result<Option<Packet>, GateError> {
        loop {
            match startup::next_packet(&mut self.inbox) {
                Ok(Some(packet)) => return Ok(Some(packet)),
                Ok(None) => {}
                Err(error) => {
                    let report = fatal(error.sqlstate(), error.to_string()).hint(error.hint());
                    self.write(&report.to_bytes()).await?;
                    return Ok(None);
                }
            }
            if self
                .stream
                .read_buf(&mut self.inbox)
                .await
                .map_err(GateError::io("reading from a client"))?
                == 0
            {
                return Ok(None);
            }
        }
    }

    async fn accept_tls(&mut self, shared: &Shared) -> Result<(), GateError> {
        let Some((config, certificate)) = shared.config.tls.clone() else {
            return self.write(b"N").await;
        };
        // Bytes before the handshake would be taken for encrypted ones later (CVE-2021-23214).
        if !self.inbox.is_empty() || self.stream.is_tls() {
            return Err(GateError::Protocol(
                "a client sent data before TLS began".into(),
            ));
        }
        self.write(b"S").await?;
        let stream = std::mem::replace(&mut self.stream, Stream::nowhere()?);
        let plain = stream
            .into_plain()
            .ok_or_else(|| GateError::Protocol("TLS within TLS".into()))?;
        let accepted = tokio_rustls::TlsAcceptor::from(config)
            .accept(plain)
            .await
            .map_err(|e| GateError::Tls(e.to_string()))?;
        self.stream = Stream::Accepted(Box::new(accepted));
        self.tls_hash = super::tls::server_end_point(&certificate.into());
        Ok(())
    }

    async fn admit(
        &mut self,
        shared: &Shared,
        startup: &Startup,
        source: &str,
    ) -> Result<(LeaseRecord, Arc<Target>), Refusal> {
        check_startup(startup)?;
        let user = startup.user();
        let known = shared.store.lease(user);
        let lease = self.prove(shared, known.as_ref(), user, source).await?;
        let now_ms = shared.store.now_ms();
        if !lease.is_active(now_ms) || shared.store.state().halted.is_some() {
            let why = standing(&lease, shared.store.state().halted.as_deref());
            return Err(tell(refusal::halted(&why)));
        }
        let target = shared.target(&lease.lease.spec.target).ok_or_else(|| {
            tell(fatal(
                "3D000",
                "the lease's target is not configured here any more",
            ))
        })?;
        let database = &target.config.upstream.database;
        if startup.database() != database && startup.database() != user {
            let what = format!("lease `{user}` asked for another database than its target's");
            shared.mismatch(Some(user), source, &what).await;
            return Err(tell(
                fatal("3D000", format!("the lease is for database `{database}`"))
                    .hint("use the DSN that came with the lease"),
            ));
        }
        Ok((lease, target))
    }

    /// SCRAM as the lease. Who is not known goes through the same steps and fails at the same place.
    async fn prove(
        &mut self,
        shared: &Shared,
        known: Option<&LeaseRecord>,
        user: &str,
        source: &str,
    ) -> Result<LeaseRecord, Refusal> {
        let verifier = known.and_then(|r| r.lease.verifier.parse::<Verifier>().ok());
        let verifier = verifier.unwrap_or_else(|| {
            Verifier::mock_with_salt(&shared.mock_secret, user, &shared.lease_salt())
        });
        let server = Server::new(verifier, self.tls_hash.as_deref());
        self.send(&BackendMessage::Authentication(Authentication::Sasl(
            Mechanisms::new(server.mechanisms()),
        )))
        .await?;
        let first = self.answer().await?;
        let initial = SaslInitialResponse::parse(&first)
            .map_err(|e| tell(fatal(e.sqlstate(), e.to_string())))?;
        let data = initial.data.unwrap_or_default();
        let (challenge, challenged) = server
            .challenge(initial.mechanism, data)
            .map_err(|e| tell(fatal(e.sqlstate(), e.to_string())))?;
        self.send(&BackendMessage::Authentication(
            Authentication::SaslContinue(&challenge),
        ))
        .await?;
        let last = self.answer().await?;
        let leases: Vec<(String, Verifier)> = shared.verifiers();
        let presenter = challenged
            .presenter(&last, leases.iter().map(|(id, v)| (id.as_str(), v)))
            .map(str::to_owned);
        match (challenged.finish(&last), known) {
            (Ok(end), Some(lease)) => {
                self.send(&BackendMessage::Authentication(Authentication::SaslFinal(
                    &end,
                )))
                .await?;
                shared.failures.forgive(source);
                Ok(lease.clone())
            }
            _ => Err(self
                .refuse(shared, presenter.as_deref(), user, source)
                .await),
        }
    }

    /// A wrong credential is refused slowly; a lease that tries another name with its own secret is halted.
    async fn refuse(
        &self,
        shared: &Shared,
        presenter: Option<&str>,
        user: &str,
        source: &str,
    ) -> Refusal {
        let what = match presenter {
            Some(_) => "a lease's secret was presented under another name",
            None if shared.store.lease(user).is_some() => {
                "a wrong secret was presented for a lease"
            }
            None => "a user name that is no lease was presented",
        };
        shared.mismatch(presenter, source, what).await;
        let delay = shared.failures.count(source);
        tokio::time::sleep(delay).await;
        tell(
            fatal("28P01", "this is not the credential of a lease")
                .detail("{\"backstop\":\"halted\"}")
                .hint("stop; use only the DSN that came with your lease, and tell the person you work for"),
        )
    }

    async fn answer(&mut self) -> Result<Bytes, Refusal> {
        let limits = Limits::only(&[
            (tag::frontend::PASSWORD, PASSWORD_BYTES),
            (tag::frontend::TERMINATE, 0),
        ]);
        loop {
            match frame::next_frame(&mut self.inbox, &limits) {
                Ok(Some(frame)) if frame.tag == tag::frontend::PASSWORD => {
                    return Ok(frame.body_bytes());
                }
                Ok(Some(_)) => return Err(gone()),
                Ok(None) => {}
                Err(e) => return Err(tell(fatal(e.sqlstate(), e.to_string()).hint(e.hint()))),
            }
            let n = self
                .stream
                .read_buf(&mut self.inbox)
                .await
                .map_err(GateError::io("reading from a client"))?;
            if n == 0 {
                return Err(gone());
            }
        }
    }

    async fn send(&mut self, message: &BackendMessage<'_>) -> Result<(), GateError> {
        let mut out = BytesMut::new();
        message
            .write(&mut out)
            .map_err(|e| GateError::Protocol(e.to_string()))?;
        self.write(&out).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), GateError> {
        self.stream
            .write_all(bytes)
            .await
            .map_err(GateError::io("writing to a client"))?;
        self.stream
            .flush()
            .await
            .map_err(GateError::io("writing to a client"))
    }
}

/// What no lease may ask for at startup.
fn check_startup(startup: &Startup) -> Result<(), Refusal> {
    let replication = startup
        .get("replication")
        .is_some_and(|v| !matches!(v, "off" | "false" | "no" | "0"));
    if replication {
        return Err(tell(
            fatal("0A000", "replication connections do not pass this gate")
                .hint("a replica reads everything; ask the person who runs the target for one"),
        ));
    }
    for (name, value) in startup
        .settings()
        .ok_or_else(|| tell(fatal("22023", "`options` cannot be read")))?
    {
        super::settings::check_startup(&name, &value).map_err(tell)?;
    }
    for (name, value) in startup.parameters() {
        if matches!(name, "user" | "database" | "options" | "replication")
            || name.starts_with("_pq_.")
        {
            continue;
        }
        super::settings::check_startup(name, value).map_err(tell)?;
    }
    Ok(())
}

fn standing(lease: &LeaseRecord, all: Option<&str>) -> String {
    match (&lease.state, all) {
        (LeaseState::Ended { why, .. }, _) => format!("the lease ended ({why})"),
        (LeaseState::Halted { why, .. }, _) => why.clone(),
        (LeaseState::Active, Some(why)) => why.to_owned(),
        (LeaseState::Active, None) => "the lease has expired".to_owned(),
    }
}

pub(crate) fn fatal(code: &str, message: impl Into<String>) -> Report {
    Report::new(
        Severity::Fatal,
        SqlState::new(code).unwrap_or(SqlState::UNKNOWN),
        message,
    )
}

fn tell(report: Report) -> Refusal {
    Refusal::Tell(Box::new(report))
}

fn gone() -> Refusal {
    Refusal::Gone(GateError::Io {
        doing: "authenticating a client".into(),
        source: std::io::ErrorKind::UnexpectedEof.into(),
    })
}

fn from_plain(plain: Plain) -> Stream {
    match plain {
        Plain::Tcp(s) => Stream::Tcp(s),
        Plain::Unix(s) => Stream::Unix(s),
    }
}

/// The messages from AuthenticationOk to the first ReadyForQuery.
pub(crate) fn welcome(
    settings: &[(String, String)],
    key: startup::CancelKey,
    out: &mut BytesMut,
) -> Result<(), GateError> {
    let fail = |e: backstop_wire::postgres::EncodeError| GateError::Protocol(e.to_string());
    BackendMessage::Authentication(Authentication::Ok)
        .write(out)
        .map_err(fail)?;
    for (name, value) in settings {
        BackendMessage::ParameterStatus(backend::ParameterStatus { name, value })
            .write(out)
            .map_err(fail)?;
    }
    BackendMessage::BackendKeyData(key)
        .write(out)
        .map_err(fail)?;
    backend::write_ready(backend::TransactionStatus::Idle, out);
    Ok(())
}

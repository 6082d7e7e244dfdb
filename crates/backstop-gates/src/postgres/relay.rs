//! One client's session: messages to and from the server, verdicts enforced in between.
//!
//! The loop alternates between doing all that can be done with what has arrived ([`Relay::work`]) and waiting
//! for more ([`Relay::io`]). Handlers of client messages are in `client`, of server messages in `answers`.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use backstop_core::lease::Lease;
use backstop_store::LeaseSignal;
use backstop_wire::postgres::backend::{Report, Severity};
use backstop_wire::postgres::frame::{Frame, Streamer};
use backstop_wire::postgres::session::{Config, Session};
use backstop_wire::postgres::startup::Startup;
use backstop_wire::sql::Created;
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;

use super::asking::Asked;
use super::cancel::Cancellable;
use super::copy::CopyCounter;
use super::error::GateError;
use super::gate::Shared;
use super::greet::{self, Guest};
use super::hints::Hinted;
use super::hold::Approved;
use super::images::Room;
use super::judge::{Context, Judged, Memory};
use super::ledger::Ledger;
use super::past::Doubt;
use super::refusal;
use super::said::Said;
use super::settings;
use super::stream::Stream;
use super::target::Target;
use super::wrapped::Wrapped;

/// Bytes waiting to be written beyond which the other side is not read.
const HIGH: usize = 256 * 1024;
/// How much is read at a time.
const CHUNK: usize = 16 * 1024;
/// How often a busy session looks at its limits.
const LOOK: Duration = Duration::from_secs(1);

/// Why a session ends.
pub(crate) enum End {
    /// The client is done, or gone.
    Client,
    /// The server is gone; the client has been told what it said.
    Server,
    /// The client is told this, last.
    Tell(Box<Report>),
    /// Something failed inside.
    Failed(GateError),
}

impl From<GateError> for End {
    fn from(error: GateError) -> Self {
        Self::Failed(error)
    }
}

/// What a statement's or portal's name stands for.
#[derive(Debug, Clone)]
pub(crate) struct Meaning {
    /// The judgement, and the context it was made in.
    pub(crate) judged: Arc<Judged>,
    pub(crate) generation: u64,
    /// The types that were declared with it.
    pub(crate) types: Arc<[u32]>,
    /// Digest of the parameters, for a portal.
    pub(crate) parameters: Option<backstop_core::digest::Digest>,
    /// The hold whose approval was spent on this portal.
    pub(crate) hold: Option<Arc<str>>,
    /// Its parameters were too long to be looked at.
    pub(crate) streamed: bool,
    /// Where the rows lie that it changes, for a portal.
    pub(crate) hinted: Hinted,
}

/// What is noted with a message sent to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Note {
    /// An action, by its number in this connection.
    Act(u64),
    /// The end of that action's transaction.
    End(u64),
    /// The gate made the transaction READ WRITE.
    Writable,
    /// The gate asked for the session's state.
    State,
    /// A question of the gate's own.
    Ask,
    /// Nothing hangs on it.
    Other,
}

/// The server's end.
pub(crate) struct ServerLink {
    pub(crate) stream: Stream,
    pub(crate) inbox: BytesMut,
    pub(crate) streaming: Option<(Streamer, bool)>,
}

type Changed = Pin<Box<dyn Future<Output = bool> + Send + Sync>>;

/// One session.
pub(crate) struct Relay<'g> {
    pub(crate) shared: &'g Shared,
    pub(crate) target: Arc<Target>,
    pub(crate) lease: Lease,
    pub(crate) signal: watch::Receiver<LeaseSignal>,
    changed: Changed,
    ticker: Pin<Box<tokio::time::Sleep>>,
    pub(crate) number: u64,
    pub(crate) source: String,
    pub(crate) startup: Startup,
    pub(crate) cancellable: Arc<Cancellable>,

    pub(crate) client: Stream,
    pub(crate) inbox: BytesMut,
    pub(crate) to_client: BytesMut,
    pub(crate) held_back: Option<Frame>,
    pub(crate) streaming: Option<(Streamer, bool)>,
    pub(crate) client_gone: bool,

    pub(crate) server: Option<ServerLink>,
    pub(crate) server_gone: bool,
    pub(crate) told_gone: bool,
    pub(crate) to_server: BytesMut,
    /// What the client was last told of each setting.
    pub(crate) settings: Vec<(String, String)>,

    pub(crate) session: Session<Note, Meaning>,
    pub(crate) context: Context,
    pub(crate) memory: Memory,
    /// The session's path and temporary relations must be asked for before names are judged.
    pub(crate) state_unknown: bool,
    pub(crate) state_row: Option<(String, String)>,
    /// The gate's own prepared statements exist at the server.
    pub(crate) helpers_ready: bool,
    /// In a transaction block, as far as what was sent says.
    pub(crate) in_block: bool,
    /// The current implicit transaction was made READ WRITE.
    pub(crate) segment_writes: bool,
    /// The client itself wants its transactions read-only.
    pub(crate) wants_read_only: bool,
    /// Texts of the open transaction's statements, for a hold.
    pub(crate) earlier: Vec<Arc<str>>,
    /// Texts that changed the session's settings, for a hold.
    pub(crate) said: Said,
    /// What its portals may keep of parameters.
    pub(crate) hint_room: Room,
    /// The newest intent that is not known to be durable.
    pub(crate) pending_intent: Option<u64>,
    pub(crate) actions: u64,
    pub(crate) last_tag: Vec<u8>,
    pub(crate) copy: Option<CopyCounter>,
    pub(crate) busy_since: Option<Instant>,
    pub(crate) idle_since: Instant,
    /// The session's state changed in the open transaction, so that its end changes it again.
    pub(crate) state_moved: bool,
    /// Something has run since the last Sync.
    pub(crate) segment_ran: bool,
    /// An approved action that waits for its Execute.
    pub(crate) approved: Option<Box<Approved>>,
    /// The completion of the gate's SET before a COPY is still to come.
    pub(crate) hidden_set: bool,
    pub(crate) welcomed: bool,
    pub(crate) paused: bool,
    /// What the server has answered to the gate's own questions.
    pub(crate) asked: Asked,
    /// The gate's own questions that the server has prepared.
    pub(crate) prepared_here: Vec<&'static str>,
    /// What the open transaction was given to do.
    pub(crate) ledger: Ledger,
    /// A statement in a transaction of the gate's own, which the gate has not ended yet.
    pub(crate) wrapped: Option<Wrapped>,
    /// The current series of extended messages runs in a transaction of the gate's own, which its end must end.
    pub(crate) begun: bool,
    /// The eldest lease of this one's line: they share their budgets.
    pub(crate) line: String,
    /// The images of a transaction whose end nobody has heard of yet.
    pub(crate) doubt: Option<Doubt>,
}

impl<'g> Relay<'g> {
    /// A session for a guest, its welcome already in the buffer.
    pub(crate) fn new(
        shared: &'g Shared,
        guest: Guest,
        number: u64,
        source: String,
    ) -> Result<Self, GateError> {
        let Guest {
            stream,
            inbox,
            startup,
            minor,
            lease,
            target,
        } = guest;
        let lease = lease.lease;
        let line = line_of(shared, &lease);
        let signal = shared.store.watch_lease(&lease.id);
        let signal = signal.ok_or_else(|| GateError::Config("the lease is gone".into()))?;
        let cancellable = shared.cancels.register(minor)?;
        let config = Config {
            refusal_statement: shared.refusal_name.clone().into(),
            ..Config::default()
        };
        let context = Context::new(
            shared,
            &target,
            &lease.id,
            vec![lease.id.clone(), "public".to_owned()],
        );
        Ok(Self {
            shared,
            lease,
            changed: changed(&signal),
            ticker: Box::pin(tokio::time::sleep(LOOK)),
            signal,
            number,
            source,
            startup,
            cancellable,
            client: stream,
            inbox,
            to_client: BytesMut::new(),
            held_back: None,
            streaming: None,
            client_gone: false,
            server: None,
            server_gone: false,
            told_gone: false,
            to_server: BytesMut::new(),
            settings: vec![],
            session: Session::new(config),
            context,
            memory: Memory::default(),
            state_unknown: true,
            state_row: None,
            helpers_ready: false,
            in_block: false,
            segment_writes: false,
            wants_read_only: false,
            earlier: vec![],
            said: Said::default(),
            pending_intent: None,
            hint_room: Room::default(),
            actions: 0,
            last_tag: vec![],
            copy: None,
            busy_since: None,
            idle_since: Instant::now(),
            state_moved: false,
            segment_ran: false,
            approved: None,
            hidden_set: false,
            welcomed: false,
            paused: false,
            asked: Asked::default(),
            prepared_here: vec![],
            ledger: Ledger::default(),
            wrapped: None,
            begun: false,
            line,
            doubt: None,
            target,
        })
    }

    /// Serves the session to its end.
    pub(crate) async fn run(&mut self) {
        let end = match self.welcome().await {
            Ok(()) => self.serve().await,
            Err(end) => end,
        };
        self.finish(end).await;
    }

    async fn serve(&mut self) -> End {
        loop {
            self.cancellable.set_reading(self.session.is_settled());
            if let Err(end) = self.work().await {
                return end;
            }
            self.cancellable.set_busy(self.is_looked_after());
            self.cancellable.set_reading(false);
            if let Err(end) = self.io().await {
                return end;
            }
            self.cancellable.set_busy(true);
        }
    }

    /// Says what a server would say first. The server itself is connected when it is needed, or now if the
    /// client chose settings whose values only the server can tell.
    async fn welcome(&mut self) -> Result<(), End> {
        let chosen = self.startup.parameters().any(|(name, _)| {
            !matches!(
                name,
                "user"
                    | "database"
                    | "application_name"
                    | "client_encoding"
                    | "fallback_application_name"
            )
        });
        self.settings.clone_from(&self.target.greeting);
        self.show_setting("session_authorization", &self.lease.id.clone());
        self.show_setting("is_superuser", "off");
        let name = self
            .startup
            .get("application_name")
            .unwrap_or_default()
            .to_owned();
        self.show_setting("application_name", &name);
        let standing = if self.lease.can_write() { "off" } else { "on" };
        self.show_setting("default_transaction_read_only", standing);
        if chosen {
            self.connect().await?;
        }
        let shown = self.settings.clone();
        greet::welcome(&shown, self.cancellable.key(), &mut self.to_client)?;
        self.welcomed = true;
        Ok(())
    }

    pub(crate) fn show_setting(&mut self, name: &str, value: &str) {
        match self.settings.iter_mut().find(|(n, _)| n == name) {
            Some(entry) => value.clone_into(&mut entry.1),
            None => self.settings.push((name.to_owned(), value.to_owned())),
        }
    }

    /// Startup parameters for the server: the client's, then what the gate pins.
    pub(crate) fn server_parameters(&self) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = vec![];
        for (name, value) in self.startup.parameters() {
            let ours = matches!(name, "user" | "database" | "replication" | "options")
                || name.starts_with("_pq_.");
            if !ours && !settings::is_pinned(name) {
                all.push((name.to_owned(), value.to_owned()));
            }
        }
        for (name, value) in self.startup.settings().unwrap_or_default() {
            if !settings::is_pinned(&name) {
                all.push((name, value));
            }
        }
        all.extend(
            settings::PINNED
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned())),
        );
        all
    }

    /// Does all that can be done with what has arrived.
    async fn work(&mut self) -> Result<(), End> {
        self.check_standing()?;
        loop {
            let answered = self.serve_answers()?;
            let asked = self.serve_client().await?;
            if !answered && !asked {
                break;
            }
        }
        self.note_pace();
        if self.server_gone && self.to_client.is_empty() {
            return Err(End::Server);
        }
        Ok(())
    }

    /// The lease's standing, looked at before every act.
    pub(crate) fn check_standing(&mut self) -> Result<(), End> {
        let signal = self.signal.borrow_and_update();
        if !signal.active {
            return Err(End::Tell(Box::new(as_fatal(refusal::halted(&signal.why)))));
        }
        if self.shared.store.now_ms() >= signal.expires_ms {
            return Err(End::Tell(Box::new(as_fatal(refusal::halted(
                "the lease has expired",
            )))));
        }
        Ok(())
    }

    /// Notes since when the server is busy, or the client idle in a transaction.
    fn note_pace(&mut self) {
        if self.session.is_settled() {
            if self.busy_since.take().is_some() {
                self.idle_since = Instant::now();
            }
        } else if self.busy_since.is_none() {
            self.busy_since = Some(Instant::now());
        }
    }

    /// Limits on time that hold whatever the agent SETs (invariant 11).
    async fn check_pace(&mut self) -> Result<(), End> {
        let limits = &self.shared.config.limits.role;
        self.let_go_of_approved(Duration::from_millis(limits.idle_ms));
        let over = |since: Instant, ms: u64| {
            since.elapsed() > Duration::from_millis(ms) + Duration::from_secs(2)
        };
        if let Some(since) = self.busy_since
            && !self.session.is_copying_in()
            && over(since, limits.statement_ms)
        {
            self.busy_since = Some(Instant::now());
            self.cancellable.cancel().await;
        }
        let waiting = self.session.is_settled() && self.in_block;
        if waiting && over(self.idle_since, limits.idle_ms) {
            return Err(End::Tell(Box::new(greet::fatal(
                "25P03",
                "the transaction was idle for too long",
            ))));
        }
        Ok(())
    }

    /// Waits until something can be read or written, or the lease changes.
    ///
    /// Timer and signal are kept between waits: registering them anew for each message would cost more than the
    /// message.
    pub(crate) async fn io(&mut self) -> Result<(), End> {
        if self.is_looked_after() {
            let due = tokio::time::Instant::now() + LOOK;
            if self.ticker.deadline() > due {
                self.ticker.as_mut().reset(due);
            }
        }
        let event = poll_fn(|cx| {
            if let Poll::Ready(result) = self.poll_io(cx) {
                return Poll::Ready(Event::Io(result));
            }
            if let Poll::Ready(alive) = self.changed.as_mut().poll(cx) {
                return Poll::Ready(Event::Lease(alive));
            }
            self.ticker.as_mut().poll(cx).map(|()| Event::Look)
        })
        .await;
        match event {
            Event::Io(Ok(())) => {
                super::eager::stir();
                Ok(())
            }
            Event::Io(Err(_)) | Event::Lease(false) => Err(End::Client),
            Event::Lease(true) => {
                self.changed = changed(&self.signal);
                self.lease_changed()
            }
            Event::Look => {
                let next = if self.is_looked_after() {
                    LOOK
                } else {
                    self.expires_in()
                };
                self.ticker
                    .as_mut()
                    .reset(tokio::time::Instant::now() + next);
                self.check_standing()?;
                self.check_pace().await
            }
        }
    }

    /// Whether limits on time must be looked at every second.
    fn is_looked_after(&self) -> bool {
        !self.session.is_settled() || self.in_block || self.approved.is_some()
    }

    fn expires_in(&self) -> Duration {
        let left = self.signal.borrow().expires_ms - self.shared.store.now_ms();
        Duration::from_millis(u64::try_from(left).unwrap_or(0).saturating_add(1))
            .min(Duration::from_secs(3600))
    }

    /// A narrowed lease judges by its new scopes at once.
    fn lease_changed(&mut self) -> Result<(), End> {
        self.check_standing()?;
        if let Some(record) = self.shared.store.lease(&self.lease.id) {
            self.lease = record.lease;
        }
        self.context.invalidate();
        Ok(())
    }

    /// Writes what waits, reads what comes. Ready when there is something new to work on.
    fn poll_io(&mut self, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        let mut ready = false;
        let congested = self.to_client.len() >= HIGH || self.to_server.len() >= HIGH;
        ready |= flush(cx, &mut self.client, &mut self.to_client)? && congested;
        if let Some(server) = &mut self.server {
            match flush(cx, &mut server.stream, &mut self.to_server) {
                Ok(wrote) => ready |= wrote && congested,
                Err(_) if !self.server_gone => {
                    // What the server said last may still be readable.
                    self.to_server.clear();
                }
                Err(_) => self.to_server.clear(),
            }
        }
        if self.server_gone && self.to_client.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if self.to_server.len() < HIGH && !self.client_gone && self.wants_more() {
            match fill(cx, &mut self.client, &mut self.inbox) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Poll::Ready(Ok(_)) => ready = true,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {}
            }
        }
        if self.to_client.len() < HIGH
            && !self.server_gone
            && let Some(server) = &mut self.server
        {
            match fill(cx, &mut server.stream, &mut server.inbox) {
                Poll::Ready(Ok(0) | Err(_)) => {
                    self.server_gone = true;
                    ready = true;
                }
                Poll::Ready(Ok(_)) => ready = true,
                Poll::Pending => {}
            }
        }
        if ready {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }

    /// Whether the client is read on: not while a message waits its turn and enough is here already.
    fn wants_more(&self) -> bool {
        (self.held_back.is_none() && !self.paused) || self.inbox.len() < HIGH
    }

    /// The gate is being stopped.
    pub(crate) async fn stop(&mut self) {
        let report =
            greet::fatal("57P01", "the gate is being stopped").hint("connect again in a moment");
        self.finish(End::Tell(Box::new(report))).await;
    }

    /// Ends the session: the client is told, the server's work is cancelled, the record is completed.
    async fn finish(&mut self, end: End) {
        let report = match end {
            End::Client | End::Server => None,
            End::Tell(report) => Some(*report),
            End::Failed(error) => {
                tracing::warn!(connection = self.number, lease = %self.lease.id, %error, "a session ended");
                Some(as_fatal(refusal::broken()))
            }
        };
        if !self.session.is_settled() {
            self.cancellable.set_paused(false);
            self.cancellable.cancel().await;
        }
        self.session.lost();
        self.take_events();
        if let Some(report) = report {
            report.write(&mut self.to_client);
        }
        let bytes = std::mem::take(&mut self.to_client);
        let _ = tokio::time::timeout(Duration::from_secs(2), async {
            self.client.write_all(&bytes).await?;
            self.client.flush().await?;
            self.client.shutdown().await
        })
        .await;
        self.shared.cancels.forget(&self.cancellable);
    }

    /// The context's state as the server gave it.
    pub(crate) fn learn(&mut self, path: &str, temporary: &str) {
        let path = super::learn::parse_path(path, &self.lease.id);
        let mut created: Vec<Created> = super::learn::parse_names(temporary)
            .into_iter()
            .map(|name| Created {
                schema: None,
                name,
                body: None,
                until_commit: false,
            })
            .collect();
        // What the open transaction made elsewhere is in no catalogue yet.
        created.extend(
            self.context
                .created
                .iter()
                .filter(|c| c.schema.is_some() && self.in_block)
                .cloned(),
        );
        for one in &self.context.created {
            if let Some(same) = created.iter_mut().find(|c| c.same(one)) {
                same.body.clone_from(&one.body);
            }
        }
        self.context.learn(path, created);
        self.state_unknown = false;
    }
}

/// The eldest lease of a line.
pub(crate) fn line_of(shared: &Shared, lease: &Lease) -> String {
    let mut eldest = lease.id.clone();
    let mut parent = lease.spec.parent.clone();
    // A line is as long as leases were narrowed from leases; ids do not come twice in it.
    while let Some(id) = parent {
        parent = shared.store.lease(&id).and_then(|r| r.lease.spec.parent);
        eldest = id;
    }
    eldest
}

enum Event {
    Io(io::Result<()>),
    Lease(bool),
    Look,
}

/// Resolves when the lease's standing changes; `false` when nobody can change it any more.
fn changed(signal: &watch::Receiver<LeaseSignal>) -> Changed {
    let mut signal = signal.clone();
    Box::pin(async move { signal.changed().await.is_ok() })
}

/// Writes as much as the stream takes. Tells whether anything went.
fn flush(cx: &mut TaskContext<'_>, stream: &mut Stream, bytes: &mut BytesMut) -> io::Result<bool> {
    let mut wrote = false;
    while !bytes.is_empty() {
        match Pin::new(&mut *stream).poll_write(cx, bytes) {
            Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(Ok(n)) => {
                bytes.advance(n);
                wrote = true;
            }
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Pending => return Ok(wrote),
        }
    }
    if bytes.capacity() > HIGH {
        *bytes = BytesMut::new();
    }
    if stream.is_tls()
        && let Poll::Ready(Err(error)) = Pin::new(stream).poll_flush(cx)
    {
        return Err(error);
    }
    Ok(wrote)
}

/// Reads what is there. `read_buf` is cancel safe: polled once, it has read or it has not.
fn fill(
    cx: &mut TaskContext<'_>,
    stream: &mut Stream,
    inbox: &mut BytesMut,
) -> Poll<io::Result<usize>> {
    if inbox.is_empty() && inbox.capacity() > HIGH {
        *inbox = BytesMut::new();
    }
    if inbox.capacity() - inbox.len() < CHUNK / 4 {
        inbox.reserve(CHUNK);
    }
    let reading = pin!(stream.read_buf(inbox));
    reading.poll(cx)
}

pub(crate) fn as_fatal(report: Report) -> Report {
    report.severe(Severity::Fatal)
}

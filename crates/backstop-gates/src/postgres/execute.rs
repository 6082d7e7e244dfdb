//! Doing what people approved: in a fresh connection of the gate's, the objects bound, nothing else on it.

use backstop_wire::postgres::backend::{Fields, Report, Severity, SqlState};
use backstop_wire::postgres::frontend::{Bind, Execute, FrontendMessage};
use backstop_wire::postgres::startup::CancelKey;
use backstop_wire::postgres::tag::backend as tag;
use backstop_wire::sql::StatementKind;
use bytes::{BufMut, Bytes, BytesMut};

use super::error::{GateError, report};
use super::judge::Judged;
use super::planted;
use super::question::{ident, literal};
use super::recover::Keeping;
use super::refusal;
use super::target::Target;
use super::upstream::ServerConnection;

/// The most that the answer to an approved action may hold.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;
/// A connection for one approved action.
pub(crate) struct Elsewhere {
    server: ServerConnection,
    transaction: bool,
    keeping: Option<Keeping>,
}

/// What an approved action gave.
pub(crate) struct Done {
    /// What the client sees.
    pub(crate) messages: Bytes,
    /// The last command tag.
    pub(crate) tag: String,
    /// The SQLSTATE, when it failed.
    pub(crate) failed: Option<SqlState>,
}

impl Elsewhere {
    /// Connects, opens a transaction, and binds the objects: their names still mean the same, and will until
    /// the end.
    pub(crate) async fn open(
        target: &Target,
        path: &[String],
        settings: &[(String, String)],
        judged: &Judged,
        hold: &str,
        keeping: Option<Keeping>,
    ) -> Result<Self, Box<Report>> {
        let mut parameters: Vec<(String, String)> = settings
            .iter()
            .filter(|(name, _)| matches!(name.as_str(), "DateStyle" | "IntervalStyle" | "TimeZone"))
            .cloned()
            .collect();
        let quoted: Vec<String> = path.iter().map(|p| ident(p)).collect();
        parameters.push(("search_path".into(), quoted.join(", ")));
        parameters.push(("application_name".into(), format!("backstop {hold}")));
        for (name, value) in [
            ("client_encoding", "UTF8"),
            ("standard_conforming_strings", "on"),
            ("lock_timeout", "10000"),
        ] {
            parameters.push((name.into(), value.into()));
        }
        let server = target
            .config
            .upstream
            .connect(&parameters)
            .await
            .map_err(inside)?;
        let controls = judged.any(|k| {
            matches!(
                k,
                StatementKind::Begin(_)
                    | StatementKind::Commit { .. }
                    | StatementKind::Rollback { .. }
            )
        });
        let mut elsewhere = Self {
            server,
            transaction: judged.analysis.transactional && !controls,
            keeping,
        };
        elsewhere.prepare(path, judged).await?;
        Ok(elsewhere)
    }

    /// How to cancel what runs here.
    pub(crate) fn cancel_key(&mut self) -> Option<CancelKey> {
        self.server.cancel.take()
    }

    async fn prepare(&mut self, path: &[String], judged: &Judged) -> Result<(), Box<Report>> {
        if let Some(what) = planted::within_reach(&mut self.server, path, judged)
            .await
            .map_err(inside)?
        {
            return Err(Box::new(
                report(refusal::FORBIDDEN, format!("{what} was made by a lease and could run with more rights here"))
                    .hint("a person must drop it, or give it an owner they answer for, before approved actions can run"),
            ));
        }
        if !self.transaction {
            return Ok(());
        }
        self.server.tell("begin read write").await.map_err(inside)?;
        if let Some(keeping) = &self.keeping {
            keeping.before(&mut self.server, path).await?;
        }
        for statement in &judged.script.statements {
            for relation in &statement.relations {
                if relation.oid == 0
                    || relation.schema == "pg_catalog"
                    || relation.schema == "information_schema"
                {
                    continue;
                }
                self.bind_object(&relation.schema, &relation.name, relation.oid)
                    .await?;
            }
        }
        Ok(())
    }

    /// A lock of the weakest kind: from now on the name cannot come to mean something else.
    async fn bind_object(&mut self, schema: &str, name: &str, oid: u32) -> Result<(), Box<Report>> {
        let qualified = format!("{}.{}", ident(schema), ident(name));
        let question = format!(
            "select c.relkind operator(pg_catalog.=) any (array['r','p','v','f']::pg_catalog.\"char\"[]) \
             from pg_catalog.pg_class c where c.oid operator(pg_catalog.=) pg_catalog.to_regclass({})::pg_catalog.oid \
             and c.oid operator(pg_catalog.=) {oid}::pg_catalog.oid",
            literal(&qualified)
        );
        let lockable = self.one(&question).await?;
        if lockable.as_deref() == Some("t") {
            self.server
                .tell(&format!("lock table only {qualified} in access share mode"))
                .await
                .map_err(inside)?;
            if self.one(&question).await?.is_some() {
                return Ok(());
            }
        } else if lockable.is_some() {
            return Ok(());
        }
        Err(Box::new(
            report(
                refusal::HELD,
                format!("`{schema}.{name}` is not the object that was approved; nothing has run"),
            )
            .hint("send the statement again: it will be held anew"),
        ))
    }

    async fn one(&mut self, question: &str) -> Result<Option<String>, Box<Report>> {
        let rows = self.server.ask(question).await.map_err(inside)?;
        Ok(rows
            .into_iter()
            .next()
            .and_then(|r| r.into_iter().next())
            .flatten())
    }

    /// Runs it as a simple query.
    pub(crate) async fn query(mut self, text: &str) -> Result<Done, Box<Report>> {
        let mut out = BytesMut::new();
        FrontendMessage::Query(text)
            .write(&mut out)
            .map_err(|_| Box::new(refusal::broken()))?;
        self.server.send(&out).await.map_err(lost)?;
        let mut answer = self.collect().await?;
        if answer.failed.is_none() {
            self.commit(&mut answer).await?;
        }
        Ok(answer.done())
    }

    /// Parses and binds it, and tells what its rows will look like: a RowDescription or NoData message.
    pub(crate) async fn describe(
        &mut self,
        text: &str,
        types: &[u32],
        bind: &Bind<'_>,
    ) -> Result<Bytes, Box<Report>> {
        let mut out = BytesMut::new();
        put_parse(text, types, &mut out);
        let fail = |_| Box::new(refusal::broken());
        FrontendMessage::Bind(Bind {
            portal: "",
            statement: "",
            ..*bind
        })
        .write(&mut out)
        .map_err(fail)?;
        FrontendMessage::Describe(backstop_wire::postgres::frontend::Named::Portal(""))
            .write(&mut out)
            .map_err(fail)?;
        FrontendMessage::Flush.write(&mut out).map_err(fail)?;
        self.server.send(&out).await.map_err(lost)?;
        loop {
            let (kind, body) = self.server.message().await.map_err(lost)?;
            match kind {
                tag::ROW_DESCRIPTION | tag::NO_DATA => return Ok(message(kind, &body)),
                tag::ERROR_RESPONSE => return Err(Box::new(as_report(&body))),
                _ => {}
            }
        }
    }

    /// Runs what was bound.
    pub(crate) async fn execute(mut self) -> Result<Done, Box<Report>> {
        let mut out = BytesMut::new();
        let fail = |_| Box::new(refusal::broken());
        FrontendMessage::Execute(Execute {
            portal: "",
            max_rows: 0,
        })
        .write(&mut out)
        .map_err(fail)?;
        FrontendMessage::Sync.write(&mut out).map_err(fail)?;
        self.server.send(&out).await.map_err(lost)?;
        let mut answer = self.collect().await?;
        if let Some(report) = answer.report.take() {
            return Err(report);
        }
        self.commit(&mut answer).await?;
        match answer.report.take() {
            Some(report) => Err(report),
            None => Ok(answer.done()),
        }
    }

    async fn collect(&mut self) -> Result<Answer, Box<Report>> {
        let mut answer = Answer::default();
        loop {
            let (kind, body) = self.server.message().await.map_err(lost)?;
            match kind {
                tag::READY_FOR_QUERY => return Ok(answer),
                tag::PARSE_COMPLETE
                | tag::BIND_COMPLETE
                | tag::PARAMETER_STATUS
                | tag::NOTIFICATION_RESPONSE => {}
                tag::COPY_IN_RESPONSE => self.no_copy().await?,
                _ => answer.take(kind, &body)?,
            }
        }
    }

    /// There is nobody to copy from.
    async fn no_copy(&mut self) -> Result<(), Box<Report>> {
        let mut out = BytesMut::new();
        FrontendMessage::CopyFail("an approved action cannot copy from the client")
            .write(&mut out)
            .map_err(|_| Box::new(refusal::broken()))?;
        self.server.send(&out).await.map_err(lost)
    }

    /// The action is done only when it is committed; what fails at COMMIT replaces its answer.
    async fn commit(&mut self, answer: &mut Answer) -> Result<(), Box<Report>> {
        if !self.transaction {
            return Ok(());
        }
        if let Some(keeping) = &self.keeping {
            keeping.after(&mut self.server).await?;
        }
        let mut out = BytesMut::new();
        FrontendMessage::Query("commit")
            .write(&mut out)
            .map_err(|_| Box::new(refusal::broken()))?;
        self.server.send(&out).await.map_err(lost)?;
        let end = self.collect().await?;
        if end.failed.is_some() {
            *answer = end;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Answer {
    messages: BytesMut,
    tag: String,
    failed: Option<SqlState>,
    report: Option<Box<Report>>,
}

impl Answer {
    fn take(&mut self, kind: u8, body: &[u8]) -> Result<(), Box<Report>> {
        if self.messages.len() + body.len() > LARGEST_ANSWER {
            return Err(Box::new(
                report(
                    "54000",
                    "the answer to an approved action is too long; it was rolled back",
                )
                .hint("ask for fewer rows"),
            ));
        }
        match kind {
            tag::COMMAND_COMPLETE => {
                self.tag =
                    String::from_utf8_lossy(body.strip_suffix(b"\0").unwrap_or(body)).into_owned();
            }
            tag::ERROR_RESPONSE => {
                self.failed = Some(Fields::beginning(body).code());
                self.report = Some(Box::new(as_report(body)));
                "error".clone_into(&mut self.tag);
            }
            _ => {}
        }
        self.messages.extend_from_slice(&message(kind, body));
        Ok(())
    }

    fn done(self) -> Done {
        Done {
            messages: self.messages.freeze(),
            tag: self.tag,
            failed: self.failed,
        }
    }
}

fn message(kind: u8, body: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(body.len() + 5);
    out.put_u8(kind);
    out.put_u32(u32::try_from(body.len() + 4).unwrap_or(u32::MAX));
    out.put_slice(body);
    out.freeze()
}

/// A Parse of the unnamed statement with declared types (protocol 3, message formats).
fn put_parse(text: &str, types: &[u32], out: &mut BytesMut) {
    let length = 4 + 1 + text.len() + 1 + 2 + types.len() * 4;
    out.put_u8(b'P');
    out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    out.put_u8(0);
    out.put_slice(text.as_bytes());
    out.put_u8(0);
    out.put_u16(u16::try_from(types.len()).unwrap_or(0));
    for oid in types {
        out.put_u32(*oid);
    }
}

/// The server's error as the client would have seen it.
fn as_report(body: &[u8]) -> Report {
    let fields = Fields::beginning(body);
    let mut report = Report::new(Severity::Error, fields.code(), fields.message());
    for letter in *b"DHPsctdn" {
        if let Some(text) = fields.text(letter) {
            report = report.field(letter, text);
        }
    }
    report
}

#[allow(clippy::needless_pass_by_value)] // for map_err
fn inside(error: GateError) -> Box<Report> {
    tracing::error!(%error, "an approved action could not be started");
    match error {
        GateError::Server(e) if e.code == "55P03" => Box::new(
            report(
                "55P03",
                "an object of this action is locked by somebody else; nothing has run",
            )
            .hint("ask again later"),
        ),
        _ => Box::new(refusal::broken()),
    }
}

/// The connection was lost while it ran: nobody knows what became of it, and nothing repeats it.
#[allow(clippy::needless_pass_by_value)] // for map_err
fn lost(error: GateError) -> Box<Report> {
    tracing::error!(%error, "the connection of an approved action was lost");
    Box::new(
        report(
            "08007",
            "the connection was lost while this ran: it may or may not have been done",
        )
        .hint("look before you ask for it again; its approval is spent"),
    )
}

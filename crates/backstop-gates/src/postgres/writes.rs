//! READ ONLY as the second wall: what is judged to write gets a READ WRITE transaction of its own, everything
//! else runs where the server itself refuses to write.

use std::sync::Arc;

use backstop_core::effect::{Analysis, EffectKind};
use backstop_wire::postgres::backend::Report;
use backstop_wire::postgres::frontend::{Bind, Execute, FrontendMessage, Parse};
use backstop_wire::postgres::session::{self, Sent, Show};
use backstop_wire::sql::settings::Class;
use backstop_wire::sql::{Setting, StatementKind, TransactionModes};

use super::error::report;
use super::judge::Judged;
use super::refusal;
use super::refuse::reserved;
use super::relay::{End, Meaning, Note, Relay};

/// The gate's prepared statement that makes a transaction READ WRITE, and its text.
///
/// A bare SET takes no snapshot, so that it works as the first statement of a transaction; it ends with it.
pub(crate) const WRITABLE: &str = "backstop_rw";
pub(crate) const WRITABLE_SQL: &str = "set transaction_read_only = off";

impl Relay<'_> {
    /// Makes the coming implicit transaction READ WRITE. `false`: earlier messages must be answered first.
    pub(crate) async fn make_writable(&mut self) -> Result<bool, End> {
        let settled =
            self.in_block || self.segment_writes || self.wants_read_only || !self.lease.can_write();
        if settled {
            return Ok(true);
        }
        if self.session.is_segment_open() {
            // Reads of this series have taken a snapshot, after which it cannot be turned. They lose nothing by
            // ending here: they changed nothing.
            if !self.session.settle() {
                return Ok(false);
            }
            let sent = self
                .session
                .send(Sent::Sync, Show::NOTHING, Some(Note::Other));
            self.sent(sent)?;
            self.write(&FrontendMessage::Sync)?;
        }
        if self.counts() {
            self.begin_series()?;
            return Ok(true);
        }
        self.ensure_helpers()?;
        let means = self.nothing();
        let sent = self.session.send(
            Sent::Bind {
                portal: WRITABLE,
                means,
            },
            Show::ERRORS,
            Some(Note::Other),
        );
        self.sent(sent)?;
        let sent = self.session.send(
            Sent::Execute { copy_in: false },
            Show::ERRORS,
            Some(Note::Writable),
        );
        self.sent(sent)?;
        self.write(&FrontendMessage::Bind(Bind::new(WRITABLE, WRITABLE)))?;
        self.write(&FrontendMessage::Execute(Execute {
            portal: WRITABLE,
            max_rows: 0,
        }))?;
        self.segment_writes = true;
        Ok(true)
    }

    /// Ends a series of extended messages that only read. They have taken a snapshot, after which their transaction
    /// cannot be made READ WRITE, and they lose nothing by ending here: they changed nothing.
    /// `false`: they must be answered first.
    pub(crate) fn end_segment(&mut self) -> Result<bool, End> {
        if !self.session.is_segment_open() {
            return Ok(true);
        }
        if !self.session.settle() {
            return Ok(false);
        }
        let sent = self
            .session
            .send(Sent::Sync, Show::NOTHING, Some(Note::Other));
        self.sent(sent)?;
        self.write(&FrontendMessage::Sync)?;
        Ok(true)
    }

    /// Whether a transaction of this session may be READ WRITE at all.
    pub(crate) fn may_write(&self) -> bool {
        !self.wants_read_only && self.lease.can_write()
    }

    /// The gate's own prepared statements, made again after the client discarded all.
    pub(crate) fn ensure_helpers(&mut self) -> Result<(), End> {
        if self.helpers_ready {
            return Ok(());
        }
        let means = self.nothing();
        let sent = self.session.send(
            Sent::Parse {
                statement: WRITABLE,
                means,
            },
            Show::ERRORS,
            Some(Note::Other),
        );
        self.sent(sent)?;
        self.write(&FrontendMessage::Parse(Parse::new(WRITABLE, WRITABLE_SQL)))?;
        self.helpers_ready = true;
        Ok(())
    }

    /// What the gate's own names mean to a client: nothing it could use.
    pub(crate) fn nothing(&self) -> Meaning {
        Meaning {
            judged: Arc::clone(&self.shared.nothing),
            generation: 0,
            types: Arc::from([]),
            parameters: None,
            hold: None,
            streamed: false,
            hinted: [].into(),
        }
    }

    /// Whether a text writes without having opened a block itself.
    pub(crate) fn outside_block_writes(&self, judged: &Judged) -> bool {
        let opens = matches!(
            judged.script.statements.first().map(|s| &s.kind),
            Some(StatementKind::Begin(_))
        );
        judged.writes && !self.in_block && !opens
    }

    /// The text to send instead, where it differs: a writing lease's block is READ WRITE, and the session's
    /// default stays read-only whatever the client thinks it has set.
    pub(crate) fn rewritten(&self, judged: &Judged) -> Option<String> {
        if let [one] = judged.script.statements.as_slice()
            && turns_default_off(&one.kind)
        {
            return Some("set default_transaction_read_only = on".to_owned());
        }
        if !self.may_write() {
            return None;
        }
        let ends: Vec<usize> = judged
            .script
            .statements
            .iter()
            .filter(|s| {
                matches!(
                    s.kind,
                    StatementKind::Begin(TransactionModes {
                        read_only: None,
                        ..
                    })
                )
            })
            .map(|s| s.range.end)
            .collect();
        if ends.is_empty() {
            return None;
        }
        let mut text = judged.text.to_string();
        for end in ends.into_iter().rev() {
            // On a line of its own, in case the statement ends in a comment.
            text.insert_str(end.min(text.len()), "\nread write ");
        }
        Some(text)
    }

    /// What no session may say, whatever the policy.
    pub(crate) fn unspeakable(&self, judged: &Judged) -> Option<Report> {
        let many = judged.script.statements.len() > 1;
        judged.script.statements.iter().find_map(|statement| match &statement.kind {
            StatementKind::Prepare { name, .. }
            | StatementKind::Execute { name }
            | StatementKind::Deallocate(Some(name))
            | StatementKind::Declare { name, .. }
            | StatementKind::Fetch { name }
            | StatementKind::Close(Some(name))
                if reserved(name) =>
            {
                Some(report("42939", "names that begin with `backstop_` are the gate's own").hint("choose another name"))
            }
            StatementKind::Execute { name } if self.is_unprepared(judged, name) => Some(report(
                "26000",
                format!("prepared statement \"{name}\" does not exist"),
            )),
            StatementKind::Set(Setting { class: Class::Refused, name, .. }) => {
                let name = name.clone().unwrap_or_default();
                Some(
                    report("42501", format!("setting `{name}` cannot be changed at this gate"))
                        .hint("gate and server must read the same bytes the same way; leave it as it is"),
                )
            }
            kind if many && turns_default_off(kind) => Some(
                report(refusal::FORBIDDEN, "this setting cannot be changed together with other statements")
                    .hint("send it by itself"),
            ),
            kind if asks_to_write(kind) && !self.lease.can_write() => Some(
                report("25006", "this lease can only read").hint("open the transaction without READ WRITE"),
            ),
            _ => None,
        })
    }

    /// Whether the server has nothing under this name either.
    fn is_unprepared(&self, judged: &Judged, name: &str) -> bool {
        let here =
            judged.any(|k| matches!(k, StatementKind::Prepare { name: made, .. } if made == name));
        !here && matches!(self.session.statement(name), session::Meaning::Unknown)
    }

    /// A freeze, or a target that refused the gate: writes are refused, reads pass.
    pub(crate) fn frozen_out(&self, judged: &Judged) -> Option<Report> {
        let signal = self.signal.borrow();
        // What a transaction wrote before takes effect when it commits.
        let commits = self.said.wrote
            && judged.any(|k| {
                matches!(
                    k,
                    StatementKind::Commit { .. } | StatementKind::PrepareTransaction(_)
                )
            });
        // Code that is measured may write, whatever its text says.
        let may_write = judged.writes && !judged.analysis.is_complete();
        let writes = may_write || judged.analysis.worst() > EffectKind::Read;
        (signal.reads_only && (commits || writes)).then(|| refusal::halted(&signal.why))
    }

    /// Whether an action needs more than the lease's own role has.
    pub(crate) fn is_beyond_lease(&self, analysis: &Analysis) -> bool {
        !analysis.is_complete()
            || analysis.effects.iter().any(|e| {
                !e.own
                    && e.kind != EffectKind::Read
                    && (e.kind != EffectKind::Write
                        || !self.lease.covers(&self.lease.spec.target, e))
            })
    }
}

/// `SET default_transaction_read_only = off`, `SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE`.
pub(crate) fn turns_default_off(kind: &StatementKind) -> bool {
    match kind {
        StatementKind::Set(Setting {
            name: Some(name),
            values,
            ..
        }) => name == "default_transaction_read_only" && is_off(values.as_deref()),
        StatementKind::SetCharacteristics(modes) => modes.read_only == Some(false),
        _ => false,
    }
}

/// `BEGIN READ WRITE`, `SET TRANSACTION READ WRITE`, `SET transaction_read_only = off`.
fn asks_to_write(kind: &StatementKind) -> bool {
    match kind {
        StatementKind::Begin(modes) | StatementKind::SetTransaction(modes) => {
            modes.read_only == Some(false)
        }
        StatementKind::Set(Setting {
            name: Some(name),
            values,
            ..
        }) => name == "transaction_read_only" && is_off(values.as_deref()),
        _ => false,
    }
}

/// Anything but a plain "on" might turn it off.
fn is_off(values: Option<&[String]>) -> bool {
    let on = |v: &String| matches!(v.to_ascii_lowercase().as_str(), "on" | "true" | "yes" | "1");
    values.is_some_and(|v| !v.iter().all(on))
}

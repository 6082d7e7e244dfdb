//! What the client says: admitted, judged, and sent, held or refused.

use std::sync::Arc;

use backstop_core::digest::Digest;
use backstop_core::effect::EffectKind;
use backstop_core::entry::Intent;
use backstop_core::verdict::Decision;
use backstop_wire::postgres::backend::{Report, TransactionStatus};
use backstop_wire::postgres::frame::{self, Frame, Header, Next, Streamer};
use backstop_wire::postgres::frontend::{
    Bind, Execute, FrontendMessage, FunctionCall, Named, Parse, bind_names,
};
use backstop_wire::postgres::session::{
    Admission, Change, Meaning as Known, SendError, Sent, Show,
};
use backstop_wire::postgres::tag::frontend as tag;
use backstop_wire::sql::{Discard, SqlError, StatementKind};
use bytes::BytesMut;

use super::copy::{CopyCounter, CopyError};
use super::error::{GateError, report};
use super::hold::Decided;
use super::judge::{Bench, Judged, judge};
use super::refusal;
use super::relay::{End, Meaning, Note, Relay};
use super::traffic::name_of;

const HIGH: usize = 256 * 1024;
/// Names that the gate keeps for its own statements and portals.
pub(crate) const RESERVED: &str = "backstop_";

/// Whether a message is dealt with, or must be looked at again when the server has answered more.
pub(crate) enum Turn {
    Done,
    Again,
}

impl Relay<'_> {
    /// Deals with what the client has sent. Tells whether there was anything.
    pub(crate) async fn serve_client(&mut self) -> Result<bool, End> {
        let mut any = false;
        while self.to_server.len() < HIGH && self.to_client.len() < HIGH && !self.server_gone {
            if self.pass_client_stream() {
                any = true;
                continue;
            }
            if self.streaming.is_some() {
                break;
            }
            let Some(next) = self.next_message()? else {
                break;
            };
            // A halt ends what is still to come of a long series, too.
            if self.signal.has_changed().unwrap_or(true) {
                self.check_standing()?;
            }
            let turn = match next {
                Next::Frame(frame) => self.message(frame).await?,
                Next::Large(header) => self.large(header).await?,
            };
            self.take_outputs();
            self.take_events();
            if matches!(turn, Turn::Again) {
                break;
            }
            any = true;
        }
        Ok(any)
    }

    fn next_message(&mut self) -> Result<Option<Next>, End> {
        if let Some(frame) = self.held_back.take() {
            return Ok(Some(Next::Frame(frame)));
        }
        frame::next(&mut self.inbox, &self.shared.frontend_limits).map_err(|e| {
            End::Tell(Box::new(
                super::greet::fatal(e.sqlstate(), e.to_string()).hint(e.hint()),
            ))
        })
    }

    fn pass_client_stream(&mut self) -> bool {
        let Some((mut streamer, send)) = self.streaming.take() else {
            return false;
        };
        if self.inbox.is_empty() {
            self.streaming = Some((streamer, send));
            return false;
        }
        if send {
            let bytes = streamer.take(&mut self.inbox);
            self.to_server.extend_from_slice(&bytes);
        } else {
            streamer.discard(&mut self.inbox);
        }
        if !streamer.is_done() {
            self.streaming = Some((streamer, send));
        }
        true
    }

    /// A message that is here as a whole.
    async fn message(&mut self, frame: Frame) -> Result<Turn, End> {
        match self.session.admit(frame.tag).map_err(wrong)? {
            Admission::Judge => {}
            Admission::Drop => return Ok(Turn::Done),
            Admission::Wait => return Ok(self.later(frame)),
            Admission::Close => return Err(End::Client),
        }
        let turn = self.judge_message(&frame).await?;
        if matches!(turn, Turn::Again) {
            return Ok(self.later(frame));
        }
        Ok(turn)
    }

    fn later(&mut self, frame: Frame) -> Turn {
        self.held_back = Some(frame);
        Turn::Again
    }

    async fn judge_message(&mut self, frame: &Frame) -> Result<Turn, End> {
        let body = frame.body_bytes();
        let message = FrontendMessage::parse(frame.tag, &body).map_err(wrong)?;
        match message {
            FrontendMessage::Query(sql) => self.query(sql, frame).await,
            FrontendMessage::Parse(parse) => self.parse(parse, frame).await,
            FrontendMessage::Bind(bind) => self.bind(bind, frame).await,
            FrontendMessage::Execute(execute) => self.execute(execute, frame).await,
            FrontendMessage::Describe(named) => self.describe(named, frame).await,
            FrontendMessage::Close(named) => self.close(named, frame),
            FrontendMessage::Sync => self.sync(frame).await,
            FrontendMessage::Flush => self.pass(Sent::Flush, Note::Other, frame),
            FrontendMessage::FunctionCall(call) => self.function_call(call, frame).await,
            FrontendMessage::CopyData(data) => self.copy_data(data, frame),
            FrontendMessage::CopyDone => self.pass(Sent::CopyDone, Note::Other, frame),
            FrontendMessage::CopyFail(_) => self.pass(Sent::CopyFail, Note::Other, frame),
            FrontendMessage::Terminate => Err(End::Client),
            FrontendMessage::Password(_) => Err(wrong(
                backstop_wire::postgres::ProtocolError::UnknownTag(frame.tag),
            )),
        }
    }

    /// A long Bind or CopyData: judged by its beginning, passed on in pieces.
    async fn large(&mut self, header: Header) -> Result<Turn, End> {
        match self.session.admit(header.tag).map_err(wrong)? {
            Admission::Judge => {}
            Admission::Drop => {
                self.streaming = Some((Streamer::whole(header), false));
                return Ok(Turn::Done);
            }
            Admission::Wait => return Ok(Turn::Again),
            Admission::Close => return Err(End::Client),
        }
        if header.tag == tag::BIND {
            return self.large_bind(header).await;
        }
        // The counter must see all of it, so a long piece of copied data is taken as many short ones.
        self.large_copy(header)
    }

    async fn large_bind(&mut self, header: Header) -> Result<Turn, End> {
        let beginning = self.inbox.get(frame::HEADER..).unwrap_or_default();
        let Some(names) = bind_names(beginning).map_err(wrong)? else {
            return Ok(Turn::Again);
        };
        let (portal, statement) = (names.portal.to_owned(), names.statement.to_owned());
        let Some(meaning) = self.statement_meaning(&statement, tag::BIND, header.tag)? else {
            return Ok(Turn::Again);
        };
        let Ok(meaning) = meaning else {
            self.streaming = Some((Streamer::whole(header), false));
            return Ok(Turn::Done);
        };
        let meaning = self.rejudged(meaning).await?;
        if !meaning.judged.is_allowed() || reserved(&portal) {
            let report = report(
                refusal::FORBIDDEN,
                "an action that waits for a person cannot have parameters this long",
            )
            .hint("send the data in smaller pieces");
            self.refuse(tag::BIND, report, Note::Other)?;
            self.streaming = Some((Streamer::whole(header), false));
            return Ok(Turn::Done);
        }
        if meaning.judged.writes && !self.make_writable().await? {
            return Ok(Turn::Again);
        }
        let sent = self.session.send(
            Sent::Bind {
                portal: &portal,
                means: meaning,
            },
            Show::ALL,
            Some(Note::Other),
        );
        self.sent(sent)?;
        self.streaming = Some((Streamer::whole(header), true));
        Ok(Turn::Done)
    }

    fn large_copy(&mut self, header: Header) -> Result<Turn, End> {
        let whole = header.total();
        if whole > self.shared.config.limits.statement_bytes as usize * 64 {
            let report = report("54000", "a single piece of copied data is too long")
                .hint("send the data in pieces of at most 64 MiB, as clients do");
            self.refuse(tag::COPY_DATA, report, Note::Other)?;
            self.streaming = Some((Streamer::whole(header), false));
            return Ok(Turn::Done);
        }
        if self.inbox.len() < whole {
            return Ok(Turn::Again);
        }
        let raw = self.inbox.split_to(whole).freeze();
        let data = raw.slice(frame::HEADER.min(raw.len())..);
        if let Some(refused) = self.count_copy(&data)? {
            return Ok(refused);
        }
        self.to_server.extend_from_slice(&raw);
        Ok(Turn::Done)
    }

    // ---- simple queries ---------------------------------------------------------------------------------

    async fn query(&mut self, sql: &str, frame: &Frame) -> Result<Turn, End> {
        self.ensure_server().await?;
        let judged = match self.judged(sql, &[]).await? {
            Ok(judged) => judged,
            Err(error) => {
                self.refuse_unreadable(tag::QUERY, sql, &error)?;
                return Ok(Turn::Done);
            }
        };
        if self.blocked_by_failure(&judged) {
            // The server refuses it in its own words and nothing can run.
            return self.pass(Sent::Query { copy_in: false }, Note::Other, frame);
        }
        if let Some(report) = self.unspeakable(&judged) {
            self.refuse(tag::QUERY, report, Note::Other)?;
            return Ok(Turn::Done);
        }
        if judged.verdict.decision == Decision::Hold && !self.session.settle() {
            return Ok(Turn::Again);
        }
        let hold = match self.decide(&judged, None, false).await? {
            Decided::Act { spent } => spent,
            Decided::Refused(report) => {
                self.refuse(tag::QUERY, *report, Note::Other)?;
                return Ok(Turn::Done);
            }
            Decided::Elsewhere(ticket) => {
                let messages = self.query_elsewhere(&ticket, &judged).await?;
                let sent = self.session.answer(messages, true, None);
                self.sent(sent)?;
                return Ok(Turn::Done);
            }
        };
        let alone = self.outside_block_writes(&judged) && !self.segment_writes;
        if alone && !self.end_segment()? {
            return Ok(Turn::Again);
        }
        let action = self.next_action();
        self.journal_intent(action, &judged, None, hold.as_deref())?;
        self.await_durable(&judged).await?;
        self.send_query(&judged, frame, action, alone)?;
        self.segment_writes = false;
        self.segment_ran = false;
        self.note_effects(&judged);
        Ok(Turn::Done)
    }

    fn send_query(
        &mut self,
        judged: &Arc<Judged>,
        frame: &Frame,
        action: u64,
        alone: bool,
    ) -> Result<(), End> {
        let copy_in = judged.copies_in();
        let note = Some(Note::Act(action));
        let changes = self.changes(judged);
        if copy_in {
            self.copy = Some(self.counter(judged));
        }
        if alone && self.may_write() {
            let controls =
                judged.any(|k| matches!(k, StatementKind::Begin(_))) || ends_transaction(judged);
            if copy_in || controls {
                return self.send_prefixed(judged, note, changes, copy_in);
            }
            return self.send_wrapped(judged, frame, action, changes);
        }
        let sent = self
            .session
            .send_changing(Sent::Query { copy_in }, Show::ALL, note, changes);
        self.sent(sent)?;
        match self.rewritten(judged) {
            None => self.to_server.extend_from_slice(frame.raw()),
            Some(text) => self.write(&FrontendMessage::Query(&text))?,
        }
        Ok(())
    }

    /// In a READ WRITE transaction of the gate's own; the client sees it done only when that is committed.
    fn send_wrapped(
        &mut self,
        judged: &Arc<Judged>,
        frame: &Frame,
        action: u64,
        changes: Vec<(u32, Change<Meaning>)>,
    ) -> Result<(), End> {
        const BEGIN: &str = "begin read write";
        const COMMIT: &str = "commit";
        let sent = self.session.send(
            Sent::Query { copy_in: false },
            Show::NOTHING,
            Some(Note::Other),
        );
        self.sent(sent)?;
        self.write(&FrontendMessage::Query(BEGIN))?;
        let query = Sent::Query { copy_in: false };
        let sent =
            self.session
                .send_changing(query, Show::UNTIL_ENDED, Some(Note::Act(action)), changes);
        self.sent(sent)?;
        match self.rewritten(judged) {
            None => self.to_server.extend_from_slice(frame.raw()),
            Some(text) => self.write(&FrontendMessage::Query(&text))?,
        }
        let sent = self.session.send(
            Sent::Query { copy_in: false },
            Show::ENDING,
            Some(Note::End(action)),
        );
        self.sent(sent)?;
        self.write(&FrontendMessage::Query(COMMIT))
    }

    /// Where no COMMIT can follow (a COPY from the client would take it for data, and a text with its own COMMIT
    /// has done with it), the transaction is made READ WRITE by a statement before it in the same text. The client
    /// does not see that statement's completion.
    fn send_prefixed(
        &mut self,
        judged: &Arc<Judged>,
        note: Option<Note>,
        changes: Vec<(u32, Change<Meaning>)>,
        copy_in: bool,
    ) -> Result<(), End> {
        let rewritten = self.rewritten(judged);
        let text = format!(
            "{};{}",
            super::writes::WRITABLE_SQL,
            rewritten.as_deref().unwrap_or(&judged.text)
        );
        let shifted = changes
            .into_iter()
            .map(|(n, change)| (n.saturating_add(1), change));
        let sent = self
            .session
            .send_changing(Sent::Query { copy_in }, Show::ALL, note, shifted);
        self.sent(sent)?;
        self.hidden_set = true;
        self.write(&FrontendMessage::Query(&text))
    }

    // ---- the extended protocol --------------------------------------------------------------------------

    async fn parse(&mut self, parse: Parse<'_>, frame: &Frame) -> Result<Turn, End> {
        self.ensure_server().await?;
        if reserved(parse.statement) {
            self.refuse(tag::PARSE, reserved_name(), Note::Other)?;
            return Ok(Turn::Done);
        }
        let types: Vec<u32> = parse.types().collect();
        let judged = match self.judged(parse.sql, &types).await? {
            Ok(judged) => judged,
            Err(error) => {
                self.refuse_unreadable(tag::PARSE, parse.sql, &error)?;
                return Ok(Turn::Done);
            }
        };
        if let Some(report) = self.unspeakable(&judged) {
            self.refuse(tag::PARSE, report, Note::Other)?;
            return Ok(Turn::Done);
        }
        match judged.verdict.decision {
            Decision::Deny | Decision::Halt => {
                if let Decided::Refused(report) = self.decide(&judged, None, true).await? {
                    self.refuse(tag::PARSE, *report, Note::Other)?;
                }
                return Ok(Turn::Done);
            }
            Decision::Allow if judged.writes && !self.make_writable().await? => {
                return Ok(Turn::Again);
            }
            Decision::Allow | Decision::Measure | Decision::Hold => {}
        }
        let meaning = Meaning {
            generation: self.context.generation(),
            types: types.into(),
            parameters: None,
            hold: None,
            judged: Arc::clone(&judged),
        };
        if !parse.statement.is_empty() && self.prepared.len() < 10_000 {
            self.prepared.insert(parse.statement.to_owned());
        }
        let sent = Sent::Parse {
            statement: parse.statement,
            means: meaning,
        };
        let sent = self.session.send(sent, Show::ALL, Some(Note::Other));
        if let Some(report) = self.refused_name(&sent) {
            self.refuse(tag::PARSE, report, Note::Other)?;
            return Ok(Turn::Done);
        }
        self.sent(sent)?;
        match self.rewritten(&judged) {
            None => self.to_server.extend_from_slice(frame.raw()),
            Some(text) => {
                let rewritten = Parse::new(parse.statement, &text);
                self.write(&FrontendMessage::Parse(rewritten))?;
            }
        }
        Ok(Turn::Done)
    }

    async fn bind(&mut self, bind: Bind<'_>, frame: &Frame) -> Result<Turn, End> {
        self.ensure_server().await?;
        if reserved(bind.portal) || reserved(bind.statement) {
            self.refuse(tag::BIND, reserved_name(), Note::Other)?;
            return Ok(Turn::Done);
        }
        let Some(meaning) = self.statement_meaning(bind.statement, tag::BIND, tag::BIND)? else {
            return Ok(Turn::Again);
        };
        let Ok(meaning) = meaning else {
            return Ok(Turn::Done);
        };
        let mut meaning = self.rejudged(meaning).await?;
        meaning.parameters = self.parameters_digest(&bind, &meaning.types);
        if meaning.judged.verdict.decision == Decision::Allow {
            if meaning.judged.writes && !self.make_writable().await? {
                return Ok(Turn::Again);
            }
        } else if !self.session.settle() {
            return Ok(Turn::Again);
        } else {
            match self.held_bind(&bind, &meaning).await? {
                Some(hold) => meaning.hold = hold,
                None => return Ok(Turn::Done),
            }
        }
        let sent = self.session.send(
            Sent::Bind {
                portal: bind.portal,
                means: meaning,
            },
            Show::ALL,
            Some(Note::Other),
        );
        if let Some(report) = self.refused_name(&sent) {
            self.refuse(tag::BIND, report, Note::Other)?;
            return Ok(Turn::Done);
        }
        self.sent(sent)?;
        self.to_server.extend_from_slice(frame.raw());
        Ok(Turn::Done)
    }

    async fn execute(&mut self, execute: Execute<'_>, frame: &Frame) -> Result<Turn, End> {
        self.ensure_server().await?;
        if let Some(turn) = self.execute_approved(execute.portal).await? {
            return Ok(turn);
        }
        let meaning = match self.session.portal(execute.portal) {
            Known::Known(meaning) => meaning.clone(),
            Known::Unsettled => {
                self.session.settle();
                return Ok(Turn::Again);
            }
            Known::Unknown => {
                let report = report(
                    "34000",
                    format!("portal \"{}\" does not exist", execute.portal),
                );
                self.refuse(tag::EXECUTE, report, Note::Other)?;
                return Ok(Turn::Done);
            }
        };
        let judged = Arc::clone(&meaning.judged);
        if let Some(report) = self.frozen_out(&judged) {
            self.refuse(tag::EXECUTE, report, Note::Other)?;
            return Ok(Turn::Done);
        }
        let action = self.next_action();
        self.journal_intent(action, &judged, meaning.parameters, meaning.hold.as_deref())?;
        self.segment_ran = true;
        if ends_transaction(&judged) || judged.analysis.worst() >= EffectKind::Destroy {
            self.await_durable_now().await?;
        }
        let copy_in = judged.copies_in();
        if copy_in {
            self.copy = Some(self.counter(&judged));
        }
        let changes = self.changes(&judged);
        let sent = self.session.send_changing(
            Sent::Execute { copy_in },
            Show::ALL,
            Some(Note::Act(action)),
            changes,
        );
        self.sent(sent)?;
        self.to_server.extend_from_slice(frame.raw());
        self.note_effects(&judged);
        Ok(Turn::Done)
    }

    async fn describe(&mut self, named: Named<'_>, frame: &Frame) -> Result<Turn, End> {
        self.ensure_server().await?;
        if let Named::Portal(name) = named
            && let Some(turn) = self.describe_approved(name)?
        {
            return Ok(turn);
        }
        let (name, sent) = match named {
            Named::Statement(name) => (name, Sent::DescribeStatement),
            Named::Portal(name) => (name, Sent::DescribePortal),
        };
        if reserved(name) {
            self.refuse(tag::DESCRIBE, reserved_name(), Note::Other)?;
            return Ok(Turn::Done);
        }
        self.pass(sent, Note::Other, frame)
    }

    fn close(&mut self, named: Named<'_>, frame: &Frame) -> Result<Turn, End> {
        let (name, sent) = match named {
            Named::Statement(name) => (name, Sent::CloseStatement(name)),
            Named::Portal(name) => (name, Sent::ClosePortal(name)),
        };
        if reserved(name) {
            self.refuse(tag::CLOSE, reserved_name(), Note::Other)?;
            return Ok(Turn::Done);
        }
        if self.server.is_none() {
            // Nothing was ever made: there is nothing to close, which is no error.
            let mut out = BytesMut::new();
            write_backend(
                &backstop_wire::postgres::backend::BackendMessage::CloseComplete,
                &mut out,
            )?;
            let sent = self.session.answer(out.freeze(), false, None);
            self.sent(sent)?;
            return Ok(Turn::Done);
        }
        self.pass(sent, Note::Other, frame)
    }

    async fn sync(&mut self, frame: &Frame) -> Result<Turn, End> {
        self.approved = None;
        if self.server.is_none() {
            let sent = self.session.answer(bytes::Bytes::new(), true, None);
            self.sent(sent)?;
            return Ok(Turn::Done);
        }
        // What ran since the last Sync commits here, unless a block is open.
        if !self.in_block {
            self.await_durable_now().await?;
        }
        self.segment_writes = false;
        self.segment_ran = false;
        self.pass(Sent::Sync, Note::Other, frame)
    }

    // ---- function calls and copied data -----------------------------------------------------------------

    /// A function called by its number is judged as the call written out.
    async fn function_call(&mut self, call: FunctionCall<'_>, frame: &Frame) -> Result<Turn, End> {
        self.ensure_server().await?;
        let known = self
            .context
            .catalog
            .function(call.function)
            .map(|f| (f.schema.to_string(), f.name.to_string()));
        let Some((schema, name)) = known else {
            let report = report(
                "42883",
                format!(
                    "function with OID {} is not known to the gate",
                    call.function
                ),
            );
            self.refuse(
                tag::FUNCTION_CALL,
                report.hint("call it by name in a SELECT"),
                Note::Other,
            )?;
            return Ok(Turn::Done);
        };
        let arguments: Vec<String> = (1..=call.arguments.len())
            .map(|n| format!("${n}"))
            .collect();
        let text = format!(
            "select {}.{}({})",
            super::question::ident(&schema),
            super::question::ident(&name),
            arguments.join(", ")
        );
        let judged = match self.judged(&text, &[]).await? {
            Ok(judged) => judged,
            Err(error) => {
                self.refuse_unreadable(tag::FUNCTION_CALL, &text, &error)?;
                return Ok(Turn::Done);
            }
        };
        if !judged.is_allowed() {
            let report = refusal::forbidden(&judged.verdict)
                .hint("call it by name in a SELECT, so that it can be held");
            self.refuse(tag::FUNCTION_CALL, report, Note::Other)?;
            return Ok(Turn::Done);
        }
        let alone = judged.writes && !self.in_block && self.may_write();
        if alone && !self.end_segment()? {
            return Ok(Turn::Again);
        }
        let action = self.next_action();
        let parameters = Some(self.shared.traffic.salted(call.arguments.as_bytes()));
        self.journal_intent(action, &judged, parameters, None)?;
        self.await_durable(&judged).await?;
        if !alone {
            return self.pass(Sent::FunctionCall, Note::Act(action), frame);
        }
        let sent = self.session.send(
            Sent::Query { copy_in: false },
            Show::NOTHING,
            Some(Note::Other),
        );
        self.sent(sent)?;
        self.write(&FrontendMessage::Query("begin read write"))?;
        let shown = Show {
            ready: false,
            ..Show::ALL
        };
        let sent = self
            .session
            .send(Sent::FunctionCall, shown, Some(Note::Act(action)));
        self.sent(sent)?;
        self.to_server.extend_from_slice(frame.raw());
        let sent = self.session.send(
            Sent::Query { copy_in: false },
            Show::ENDING,
            Some(Note::End(action)),
        );
        self.sent(sent)?;
        self.write(&FrontendMessage::Query("commit"))?;
        Ok(Turn::Done)
    }

    fn copy_data(&mut self, data: &[u8], frame: &Frame) -> Result<Turn, End> {
        if let Some(refused) = self.count_copy(data)? {
            return Ok(refused);
        }
        self.pass(Sent::CopyData, Note::Other, frame)
    }

    fn count_copy(&mut self, data: &[u8]) -> Result<Option<Turn>, End> {
        let Some(counter) = &mut self.copy else {
            return Ok(None);
        };
        let report = match counter.take(data) {
            Ok(()) => return Ok(None),
            Err(CopyError::TooMany) => report(
                refusal::FORBIDDEN,
                format!(
                    "this COPY brings more than the {} rows that pass without a person",
                    self.shared.config.limits.copy_rows
                ),
            )
            .hint("send fewer rows at a time; nothing of this COPY was kept"),
            Err(CopyError::Malformed) => report("22P04", "this is not the binary COPY format"),
        };
        self.copy = None;
        self.refuse(tag::COPY_DATA, report, Note::Other)?;
        Ok(Some(Turn::Done))
    }

    fn counter(&self, judged: &Judged) -> CopyCounter {
        // Which format it is stands in the statement; either word alone makes it binary for the server.
        let binary = judged.text.to_ascii_lowercase().contains("binary");
        let unlimited =
            self.target.config.environment != backstop_core::target::Environment::Production;
        CopyCounter::new(
            binary,
            if unlimited {
                u64::MAX
            } else {
                self.shared.config.limits.copy_rows
            },
        )
    }

    // ---- shared by all ----------------------------------------------------------------------------------

    pub(crate) fn pass(
        &mut self,
        sent: Sent<'_, Meaning>,
        note: Note,
        frame: &Frame,
    ) -> Result<Turn, End> {
        if self.server.is_none() {
            // Before the first statement there is nothing that these could be about, except Flush.
            return Ok(Turn::Done);
        }
        let sent = self.session.send(sent, Show::ALL, Some(note));
        self.sent(sent)?;
        self.to_server.extend_from_slice(frame.raw());
        Ok(Turn::Done)
    }

    pub(crate) fn sent(&self, result: Result<(), SendError>) -> Result<(), End> {
        result.map_err(|e| {
            End::Failed(GateError::Protocol(format!(
                "a message could not be sent: {e}"
            )))
        })
    }

    pub(crate) fn refused_name(&self, sent: &Result<(), SendError>) -> Option<Report> {
        match sent {
            Err(SendError::ReservedName) => Some(reserved_name()),
            Err(SendError::TooManyNames) => Some(
                report(
                    "53400",
                    "too many prepared statements or portals are open in this session",
                )
                .hint("close those that are not needed"),
            ),
            _ => None,
        }
    }

    pub(crate) fn refuse(&mut self, message: u8, report: Report, note: Note) -> Result<(), End> {
        let sent = self.session.refuse(message, report, Some(note));
        self.sent(sent)?;
        self.take_outputs();
        Ok(())
    }

    fn refuse_unreadable(&mut self, message: u8, sql: &str, error: &SqlError) -> Result<(), End> {
        let text = error.to_string();
        let (what, hint) = text.split_once("\nhint: ").unwrap_or((&text, ""));
        let code = match error {
            SqlError::Syntax { .. } => "42601",
            SqlError::TooLong { .. } | SqlError::TooDeep => "54001",
            SqlError::ZeroByte => "22021",
            SqlError::Internal(_) => "58000",
        };
        let mut report = report(code, what);
        if let SqlError::Syntax { message } = error {
            // In the server's own words, with nothing added: a client shows the place, as it would there.
            if let Some(position) = syntax_position(message, sql) {
                report = report.position(position);
            }
        } else if !hint.is_empty() {
            report = report.hint(hint);
        }
        self.refuse(message, report, Note::Other)
    }

    pub(crate) fn write(&mut self, message: &FrontendMessage<'_>) -> Result<(), End> {
        message
            .write(&mut self.to_server)
            .map_err(|e| End::Failed(GateError::Protocol(e.to_string())))
    }

    /// The judgement of a text in the current context.
    pub(crate) async fn judged(
        &mut self,
        sql: &str,
        types: &[u32],
    ) -> Result<Result<Arc<Judged>, SqlError>, End> {
        self.context.follow(&self.target);
        let first = self.judge_now(sql, types);
        let Ok(judged) = &first else { return Ok(first) };
        if self.state_unknown
            && needs_names(judged)
            && self.session.status() != TransactionStatus::Failed
        {
            self.learn_state().await?;
            return self.judged_again(sql, types).await;
        }
        if unresolved(judged) {
            return self.judged_again(sql, types).await;
        }
        Ok(first)
    }

    /// Something was not known: the catalogue may have changed since it was read.
    async fn judged_again(
        &mut self,
        sql: &str,
        types: &[u32],
    ) -> Result<Result<Arc<Judged>, SqlError>, End> {
        let judged = self.judge_now(sql, types);
        let Ok(found) = &judged else {
            return Ok(judged);
        };
        if unresolved(found) && self.target.catalogue.refresh().await? {
            self.context.follow(&self.target);
            return Ok(self.judge_now(sql, types));
        }
        Ok(judged)
    }

    fn judge_now(&mut self, sql: &str, types: &[u32]) -> Result<Arc<Judged>, SqlError> {
        let policy = self.shared.policy();
        let bench = Bench {
            lease: &self.lease,
            target: &self.target,
            policy: &policy,
            copy_rows: self.shared.config.limits.copy_rows,
        };
        let texts = self.prepared_texts(sql);
        self.memory
            .judge(sql, types, &self.context, bench, &|name| {
                texts
                    .iter()
                    .find(|(n, _)| n == name)
                    .map(|(_, text)| text.clone())
            })
    }

    /// The texts behind prepared names, where a statement may EXECUTE one.
    fn prepared_texts(&self, sql: &str) -> Vec<(String, String)> {
        if !sql
            .as_bytes()
            .windows(7)
            .any(|w| w.eq_ignore_ascii_case(b"execute"))
        {
            return vec![];
        }
        self.prepared
            .iter()
            .filter(|name| matches!(self.session.statement(name), Known::Known(_)))
            .filter_map(|name| match self.session.statement(name) {
                Known::Known(meaning) => Some((name.clone(), inner_text(&meaning.judged))),
                Known::Unknown | Known::Unsettled => None,
            })
            .collect()
    }

    /// What a statement's name means: nothing when it must be waited for; an error when it was refused.
    #[allow(clippy::type_complexity)] // the two ways not to have it are different
    fn statement_meaning(
        &mut self,
        name: &str,
        message: u8,
        _tag: u8,
    ) -> Result<Option<Result<Meaning, ()>>, End> {
        match self.session.statement(name) {
            Known::Known(meaning) => Ok(Some(Ok(meaning.clone()))),
            Known::Unsettled => {
                self.session.settle();
                Ok(None)
            }
            Known::Unknown => {
                let what = if name.is_empty() {
                    "unnamed prepared statement does not exist".to_owned()
                } else {
                    format!("prepared statement \"{name}\" does not exist")
                };
                self.refuse(message, report("26000", what), Note::Other)?;
                Ok(Some(Err(())))
            }
        }
    }

    /// A statement prepared in another context is judged in this one before it is bound.
    async fn rejudged(&mut self, meaning: Meaning) -> Result<Meaning, End> {
        self.context.follow(&self.target);
        if self.state_unknown
            && needs_names(&meaning.judged)
            && self.session.status() != TransactionStatus::Failed
        {
            self.learn_state().await?;
        }
        if meaning.generation == self.context.generation() {
            return Ok(meaning);
        }
        let policy = self.shared.policy();
        let bench = Bench {
            lease: &self.lease,
            target: &self.target,
            policy: &policy,
            copy_rows: self.shared.config.limits.copy_rows,
        };
        let texts = self.prepared_texts(&meaning.judged.text);
        let again = judge(
            &meaning.judged.text,
            &meaning.types,
            &self.context,
            bench,
            &|name| {
                texts
                    .iter()
                    .find(|(n, _)| n == name)
                    .map(|(_, text)| text.clone())
            },
        );
        match again {
            Ok(judged) => Ok(Meaning {
                judged: Arc::new(judged),
                generation: self.context.generation(),
                ..meaning
            }),
            Err(error) => Err(End::Failed(GateError::Protocol(format!(
                "a statement cannot be judged again: {error}"
            )))),
        }
    }

    pub(crate) const fn next_action(&mut self) -> u64 {
        self.actions += 1;
        self.actions
    }

    /// INVARIANT 2: before an act its intent is in the journal; [`Self::await_durable`] makes it durable.
    pub(crate) fn journal_intent(
        &mut self,
        action: u64,
        judged: &Judged,
        parameters: Option<Digest>,
        hold: Option<&str>,
    ) -> Result<(), End> {
        let sealed = judged.sealed(&self.shared.traffic)?;
        let intent = Intent {
            at_ms: self.shared.store.now_ms(),
            lease: &self.lease.id,
            target: &self.target.config.name,
            connection: self.number,
            action,
            text: name_of(sealed),
            parameters,
            effect: judged.analysis.worst(),
            verdict: judged.verdict.decision,
            rule: &judged.verdict.rule,
            hold,
        };
        let index = self.shared.traffic.intent(intent, Some(sealed))?;
        if judged.writes || hold.is_some() {
            self.pending_intent = Some(index);
        }
        Ok(())
    }

    /// Waits for the disk where the act could take effect without a COMMIT that the gate sees first.
    async fn await_durable(&mut self, judged: &Judged) -> Result<(), End> {
        let stays_open = self.in_block && !ends_transaction(judged);
        if stays_open && judged.analysis.worst() < EffectKind::Destroy {
            return Ok(());
        }
        self.await_durable_now().await
    }

    pub(crate) async fn await_durable_now(&mut self) -> Result<(), End> {
        if let Some(index) = self.pending_intent.take() {
            self.shared.traffic.durable(index).await?;
        }
        Ok(())
    }

    /// What a statement changes in the gate's own view, once it is sent.
    fn note_effects(&mut self, judged: &Arc<Judged>) {
        for statement in &judged.script.statements {
            match &statement.kind {
                StatementKind::Begin(_) => {
                    self.in_block = true;
                    self.earlier.clear();
                    continue;
                }
                StatementKind::Commit { chain } | StatementKind::Rollback { chain } => {
                    self.in_block = *chain;
                    self.earlier.clear();
                    self.state_unknown |= self.state_moved
                        || matches!(statement.kind, StatementKind::Rollback { .. });
                    self.state_moved = false;
                    continue;
                }
                StatementKind::RollbackTo(_) => self.state_unknown = true,
                StatementKind::Discard(Discard::All) | StatementKind::Deallocate(None) => {
                    self.helpers_ready = false;
                    self.state_unknown = true;
                }
                StatementKind::Set(setting)
                    if setting.name.as_deref().is_none_or(|n| n == "search_path") =>
                {
                    self.state_unknown = true;
                    self.state_moved = true;
                }
                StatementKind::Set(setting)
                    if setting.name.as_deref() == Some("default_transaction_read_only") =>
                {
                    self.wants_read_only = setting.values.as_ref().is_some_and(|v| {
                        v.iter().any(|v| {
                            matches!(v.to_ascii_lowercase().as_str(), "on" | "true" | "yes" | "1")
                        })
                    });
                }
                StatementKind::SetCharacteristics(modes) => {
                    if let Some(read_only) = modes.read_only {
                        self.wants_read_only = read_only;
                    }
                }
                _ => {}
            }
            self.context.add_created(&statement.creates);
            if statement.forgets {
                self.state_unknown = true;
            }
            if !statement.creates.is_empty() || statement.forgets {
                self.state_moved = true;
            }
        }
        let moves = judged
            .text
            .as_bytes()
            .windows(10)
            .any(|w| w.eq_ignore_ascii_case(b"set_config"));
        if moves {
            self.state_unknown = true;
            self.state_moved = true;
        }
        if self.in_block {
            self.earlier.push(Arc::clone(&judged.text));
        }
    }

    /// A transaction ended, however it did.
    pub(crate) fn transaction_over(&mut self) {
        self.earlier.clear();
        if std::mem::take(&mut self.state_moved) {
            self.state_unknown = true;
        }
    }

    /// The names that a statement makes or forgets, for the session's own table of them.
    fn changes(&mut self, judged: &Arc<Judged>) -> Vec<(u32, Change<Meaning>)> {
        let mut out = vec![];
        for (n, statement) in judged.script.statements.iter().enumerate() {
            let means = || Meaning {
                judged: Arc::clone(judged),
                generation: self.context.generation(),
                types: Arc::from([]),
                parameters: None,
                hold: None,
            };
            let change = match &statement.kind {
                StatementKind::Prepare { name, .. } => {
                    self.prepared.insert(name.clone());
                    // A Bind of it is judged by the inner statement's own text.
                    self.inner_meaning(judged, statement)
                        .map(|m| Change::SetStatement(name.as_str().into(), m))
                }
                StatementKind::Deallocate(Some(name)) => {
                    Some(Change::DropStatement(name.as_str().into()))
                }
                StatementKind::Deallocate(None) => Some(Change::DropAllStatements),
                StatementKind::Declare { name, hold } => Some(Change::SetPortal {
                    name: name.as_str().into(),
                    means: means(),
                    holdable: *hold,
                }),
                StatementKind::Close(Some(name)) => Some(Change::DropPortal(name.as_str().into())),
                StatementKind::Close(None) => Some(Change::DropAllPortals),
                StatementKind::Discard(Discard::All) => {
                    out.push((
                        u32::try_from(n).unwrap_or(u32::MAX),
                        Change::DropAllStatements,
                    ));
                    Some(Change::DropAllPortals)
                }
                _ => None,
            };
            out.extend(change.map(|c| (u32::try_from(n).unwrap_or(u32::MAX), c)));
        }
        out
    }

    fn inner_meaning(
        &self,
        judged: &Judged,
        statement: &backstop_wire::sql::Statement,
    ) -> Option<Meaning> {
        let StatementKind::Prepare { inner, .. } = &statement.kind else {
            return None;
        };
        let text = judged.text.get(inner.clone())?;
        let policy = self.shared.policy();
        let bench = Bench {
            lease: &self.lease,
            target: &self.target,
            policy: &policy,
            copy_rows: self.shared.config.limits.copy_rows,
        };
        let judged = judge(text, &[], &self.context, bench, &|_| None).ok()?;
        Some(Meaning {
            judged: Arc::new(judged),
            generation: self.context.generation(),
            types: Arc::from([]),
            parameters: None,
            hold: None,
        })
    }

    /// The salted digest of a portal's parameters, with their types and formats.
    fn parameters_digest(&self, bind: &Bind<'_>, types: &[u32]) -> Option<Digest> {
        if bind.parameters.is_empty() {
            return None;
        }
        let formats: Vec<u8> = bind
            .parameter_formats
            .iter()
            .flat_map(i16::to_be_bytes)
            .collect();
        let types: Vec<u8> = types.iter().flat_map(|t| t.to_be_bytes()).collect();
        let all = Digest::of_parts(&[&types, &formats, bind.parameters.as_bytes()]);
        Some(self.shared.traffic.salted(&all.0))
    }

    /// In a failed transaction the server refuses everything but its end: no need to hold it.
    fn blocked_by_failure(&self, judged: &Judged) -> bool {
        let failed =
            self.session.is_settled() && self.session.status() == TransactionStatus::Failed;
        failed
            && !ends_transaction(judged)
            && !judged.any(|k| matches!(k, StatementKind::RollbackTo(_)))
            && judged.script.statements.len() == 1
    }
}

/// Where a syntax error is, in characters from 1: where the token that it names stands, if it stands once.
fn syntax_position(message: &str, sql: &str) -> Option<u32> {
    let characters = |bytes: usize| {
        let before = sql.get(..bytes)?.chars().count();
        u32::try_from(before).ok()?.checked_add(1)
    };
    if message.ends_with("at end of input") {
        return characters(sql.len());
    }
    let (_, token) = message.split_once("at or near \"")?;
    let token = token.strip_suffix('"').filter(|t| !t.is_empty())?;
    let mut places = sql.match_indices(token);
    let (first, _) = places.next()?;
    if places.next().is_some() {
        None
    } else {
        characters(first)
    }
}

/// Whether what was opened is committed or rolled back by it.
pub(crate) fn ends_transaction(judged: &Judged) -> bool {
    judged.any(|k| {
        matches!(
            k,
            StatementKind::Commit { .. }
                | StatementKind::Rollback { .. }
                | StatementKind::PrepareTransaction(_)
                | StatementKind::CommitPrepared(_)
        )
    })
}

/// Whether its meaning depends on names that the session's state resolves.
fn needs_names(judged: &Judged) -> bool {
    judged.script.statements.iter().any(|s| {
        !matches!(
            s.kind,
            StatementKind::Begin(_)
                | StatementKind::Commit { .. }
                | StatementKind::Rollback { .. }
                | StatementKind::Savepoint(_)
                | StatementKind::Release(_)
                | StatementKind::RollbackTo(_)
                | StatementKind::SetTransaction(_)
                | StatementKind::SetCharacteristics(_)
                | StatementKind::Set(_)
                | StatementKind::Show(_)
                | StatementKind::Deallocate(_)
                | StatementKind::Discard(_)
                | StatementKind::Close(_)
                | StatementKind::Listen(_)
                | StatementKind::Unlisten(_)
        )
    })
}

fn unresolved(judged: &Judged) -> bool {
    judged
        .script
        .statements
        .iter()
        .any(|s| !s.unresolved.is_empty())
}

fn inner_text(judged: &Judged) -> String {
    judged.text.to_string()
}

pub(crate) fn reserved(name: &str) -> bool {
    name.starts_with(RESERVED)
}

fn reserved_name() -> Report {
    report(
        "42939",
        "names that begin with `backstop_` are the gate's own",
    )
    .hint("choose another name")
}

fn wrong(error: backstop_wire::postgres::ProtocolError) -> End {
    End::Tell(Box::new(
        super::greet::fatal(error.sqlstate(), error.to_string()).hint(error.hint()),
    ))
}

pub(crate) fn write_backend(
    message: &backstop_wire::postgres::backend::BackendMessage<'_>,
    out: &mut BytesMut,
) -> Result<(), End> {
    message
        .write(out)
        .map_err(|e| End::Failed(GateError::Protocol(e.to_string())))
}

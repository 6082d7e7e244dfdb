//! The extended protocol: Parse, Bind, Describe, Execute, Close, Sync.

use std::sync::Arc;

use backstop_core::digest::Digest;
use backstop_core::effect::EffectKind;
use backstop_core::verdict::Decision;
use backstop_wire::postgres::frame;
use backstop_wire::postgres::frame::{Frame, Header, Streamer};
use backstop_wire::postgres::frontend::{Bind, Execute, FrontendMessage, Named, Parse, bind_names};
use backstop_wire::postgres::session::Meaning as Known;
use backstop_wire::postgres::session::{Sent, Show};
use backstop_wire::postgres::tag::frontend as tag;
use bytes::BytesMut;

use super::client::{Turn, write_backend, wrong};
use super::error::report;
use super::hints;
use super::hold::Decided;
use super::portal::fetches;
use super::refusal;
use super::refuse::unusable;
use super::relay::{End, Meaning, Note, Relay};
use super::wrapped::commits;

impl Relay<'_> {
    pub(super) async fn parse(&mut self, parse: Parse<'_>, frame: &Frame) -> Result<Turn, End> {
        self.ensure_server().await?;
        if let Some(report) = unusable(parse.statement) {
            self.refuse(tag::PARSE, report, Note::Other)?;
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
            Decision::Allow | Decision::Measure
                if judged.writes && !self.make_writable().await? =>
            {
                return Ok(Turn::Again);
            }
            Decision::Allow | Decision::Measure | Decision::Hold => {}
        }
        let meaning = Meaning {
            generation: self.context.generation(),
            types: types.into(),
            parameters: None,
            hold: None,
            streamed: false,
            hinted: [].into(),
            judged: Arc::clone(&judged),
        };
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

    pub(super) async fn bind(&mut self, bind: Bind<'_>, frame: &Frame) -> Result<Turn, End> {
        self.ensure_server().await?;
        if let Some(report) = unusable(bind.portal).or_else(|| unusable(bind.statement)) {
            self.refuse(tag::BIND, report, Note::Other)?;
            return Ok(Turn::Done);
        }
        let Some(meaning) = self.statement_meaning(bind.statement, tag::BIND)? else {
            return Ok(Turn::Again);
        };
        let Ok(meaning) = meaning else {
            return Ok(Turn::Done);
        };
        let mut meaning = self.rejudged(meaning).await?;
        meaning.parameters = self.parameters_digest(&bind, &meaning.types);
        if meaning.judged.writes && self.counts() {
            let conditions = meaning.judged.conditions(&self.context.catalog);
            meaning.hinted = hints::bound(conditions, &meaning.types, &bind, &self.hint_room);
        }
        if meaning.judged.is_allowed() {
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

    pub(super) async fn large_bind(&mut self, header: Header) -> Result<Turn, End> {
        let beginning = self.inbox.get(frame::HEADER..).unwrap_or_default();
        let Some(names) = bind_names(beginning).map_err(wrong)? else {
            return Ok(Turn::Again);
        };
        let (portal, statement) = (names.portal.to_owned(), names.statement.to_owned());
        let Some(meaning) = self.statement_meaning(&statement, tag::BIND)? else {
            return Ok(Turn::Again);
        };
        let Ok(meaning) = meaning else {
            self.streaming = Some((Streamer::whole(header), false));
            return Ok(Turn::Done);
        };
        let mut meaning = self.rejudged(meaning).await?;
        meaning.streamed = true;
        if !meaning.judged.is_allowed() || unusable(&portal).is_some() {
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

    pub(super) async fn execute(
        &mut self,
        execute: Execute<'_>,
        frame: &Frame,
    ) -> Result<Turn, End> {
        self.ensure_server().await?;
        if let Some(turn) = self.execute_approved(execute.portal).await? {
            return Ok(turn);
        }
        if let Some(report) = unusable(execute.portal) {
            self.refuse(tag::EXECUTE, report, Note::Other)?;
            return Ok(Turn::Done);
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
        let bound = Arc::clone(&meaning.judged);
        let meaning = self.rejudged(meaning).await?;
        let judged = Arc::clone(&meaning.judged);
        if let Some(report) = self.frozen_out(&judged) {
            self.journal_refused(&judged, "halted")?;
            self.refuse(tag::EXECUTE, report, Note::Other)?;
            return Ok(Turn::Done);
        }
        if !Arc::ptr_eq(&bound, &judged) && !judged.is_allowed() && meaning.hold.is_none() {
            // What it was bound as is not what it is now: the lease, the policy or the catalogue has changed since.
            self.refuse(
                tag::EXECUTE,
                refusal::forbidden(&judged.verdict).hint("bind it again"),
                Note::Other,
            )?;
            return Ok(Turn::Done);
        }
        if fetches(&judged) && !self.session.settle() {
            return Ok(Turn::Again);
        }
        if let Some(report) = self.fetches_a_write(&judged) {
            self.refuse(tag::EXECUTE, report, Note::Other)?;
            return Ok(Turn::Done);
        }
        if (self.in_block || self.begun)
            && self.counts()
            && judged.any(commits)
            && let Some(turn) = self.commit_measured(tag::EXECUTE).await?
        {
            return Ok(turn);
        }
        let action = self.next_action();
        self.journal_intent(action, &judged, meaning.parameters, meaning.hold.as_deref())?;
        self.segment_ran = true;
        self.note_executed(&meaning, &judged, action);
        if judged.traits.ends_transaction || judged.analysis.worst() >= EffectKind::Destroy {
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

    pub(super) async fn describe(&mut self, named: Named<'_>, frame: &Frame) -> Result<Turn, End> {
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
        if let Some(report) = unusable(name) {
            self.refuse(tag::DESCRIBE, report, Note::Other)?;
            return Ok(Turn::Done);
        }
        self.pass(sent, Note::Other, frame)
    }

    pub(super) fn close(&mut self, named: Named<'_>, frame: &Frame) -> Result<Turn, End> {
        let (name, sent) = match named {
            Named::Statement(name) => (name, Sent::CloseStatement(name)),
            Named::Portal(name) => (name, Sent::ClosePortal(name)),
        };
        if let Some(report) = unusable(name) {
            self.refuse(tag::CLOSE, report, Note::Other)?;
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

    pub(super) async fn sync(&mut self, frame: &Frame) -> Result<Turn, End> {
        self.approved = None;
        if self.server.is_none() {
            let sent = self.session.answer(bytes::Bytes::new(), true, None);
            self.sent(sent)?;
            return Ok(Turn::Done);
        }
        if self.begun {
            return self.end_begun(Some(frame)).await;
        }
        // What ran since the last Sync commits here, unless a block is open.
        if !self.in_block {
            self.await_durable_now().await?;
        }
        self.segment_writes = false;
        self.segment_ran = false;
        self.pass(Sent::Sync, Note::Other, frame)
    }

    /// The salted digest of a portal's parameters, with their types and formats.
    pub(super) fn parameters_digest(&self, bind: &Bind<'_>, types: &[u32]) -> Option<Digest> {
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
}

//! Data that the client copies in: counted as it passes.

use backstop_core::digest::Digest;
use backstop_wire::postgres::frame;
use backstop_wire::postgres::frame::{Frame, Header, Streamer};
use backstop_wire::postgres::session::Sent;
use backstop_wire::postgres::tag::frontend as tag;
use backstop_wire::sql::{Copy, StatementKind};

use super::client::Turn;
use super::copy::{CopyCounter, CopyError};
use super::error::report;
use super::judge::Judged;
use super::refusal;
use super::relay::{End, Note, Relay};

impl Relay<'_> {
    pub(super) fn large_copy(&mut self, header: Header) -> Result<Turn, End> {
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

    pub(super) fn copy_data(&mut self, data: &[u8], frame: &Frame) -> Result<Turn, End> {
        if let Some(refused) = self.count_copy(data)? {
            return Ok(refused);
        }
        self.pass(Sent::CopyData, Note::Other, frame)
    }

    pub(super) fn count_copy(&mut self, data: &[u8]) -> Result<Option<Turn>, End> {
        let Some(counter) = &mut self.copy else {
            return Ok(None);
        };
        if self.ledger.writes {
            self.ledger.note_data(Digest::of(data));
        }
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

    pub(super) fn counter(&self, judged: &Judged) -> CopyCounter {
        let binary = judged.any(|k| matches!(k, StatementKind::Copy(Copy { binary: true, .. })));
        let unlimited = self.target.config.environment != backstop_core::target::Environment::Production
                // They are measured with everything else.
                || self.measures().is_some();
        CopyCounter::new(
            binary,
            if unlimited {
                u64::MAX
            } else {
                self.shared.config.limits.copy_rows
            },
        )
    }
}

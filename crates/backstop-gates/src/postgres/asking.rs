//! The gate's own questions inside the agent's transaction: the client sees nothing of them.

use backstop_wire::postgres::frontend::{Bind, Execute, FrontendMessage, Named, Parse};
use backstop_wire::postgres::session::{Sent, Show};
use bytes::Bytes;

use super::question::Row;
use super::relay::{End, Note, Relay};

/// The gate's portal for its questions.
const ONCE: &str = "backstop_ask";

/// What the server said to the gate's questions.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// The rows of all answers.
    pub(crate) rows: Vec<Row>,
    /// The body of the error, if one of them failed; what came after it was skipped.
    pub(crate) failed: Option<Bytes>,
}

impl Relay<'_> {
    /// Runs questions, each prepared under its name the first time, in the transaction block that is open, all in one flight. Everything before must be answered.
    ///
    /// A series of extended messages is ended first, which in a block commits nothing: an error then fails the
    /// questions and the block, and not what the client sends next.
    pub(crate) async fn ask_here(
        &mut self,
        questions: &[(&'static str, &'static str)],
    ) -> Result<Asked, End> {
        self.asked = Asked::default();
        if self.session.is_segment_open() {
            self.ask_send(Sent::Sync, &FrontendMessage::Sync)?;
        }
        for (name, sql) in questions {
            if !self.prepared_here.contains(name) {
                self.ask_parse(name, sql)?;
                self.prepared_here.push(name);
            }
            let means = self.nothing();
            let bind = Sent::Bind {
                portal: ONCE,
                means,
            };
            self.ask_send(bind, &FrontendMessage::Bind(Bind::new(ONCE, name)))?;
            let execute = FrontendMessage::Execute(Execute {
                portal: ONCE,
                max_rows: 0,
            });
            self.ask_send(Sent::Execute { copy_in: false }, &execute)?;
            let close = FrontendMessage::Close(Named::Portal(ONCE));
            self.ask_send(Sent::ClosePortal(ONCE), &close)?;
        }
        self.ask_send(Sent::Sync, &FrontendMessage::Sync)?;
        while !self.session.is_settled() {
            self.more_answers().await?;
        }
        let asked = std::mem::take(&mut self.asked);
        if asked.failed.is_some() {
            // Which of them was prepared is not known.
            self.prepared_here.clear();
        }
        Ok(asked)
    }

    /// Runs a text of several statements, likewise.
    pub(crate) async fn ask_text_here(&mut self, sql: &str) -> Result<Asked, End> {
        self.asked = Asked::default();
        if self.session.is_segment_open() {
            self.ask_send(Sent::Sync, &FrontendMessage::Sync)?;
        }
        self.ask_send(Sent::Query { copy_in: false }, &FrontendMessage::Query(sql))?;
        while !self.session.is_settled() {
            self.more_answers().await?;
        }
        Ok(std::mem::take(&mut self.asked))
    }

    fn ask_parse(&mut self, name: &str, sql: &str) -> Result<(), End> {
        let means = self.nothing();
        let parse = Sent::Parse {
            statement: name,
            means,
        };
        self.ask_send(parse, &FrontendMessage::Parse(Parse::new(name, sql)))
    }

    fn ask_send(
        &mut self,
        sent: Sent<'_, super::relay::Meaning>,
        message: &FrontendMessage<'_>,
    ) -> Result<(), End> {
        let sent = self.session.send(sent, Show::NOTHING, Some(Note::Ask));
        self.sent(sent)?;
        self.write(message)
    }
}

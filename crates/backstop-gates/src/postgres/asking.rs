//! The gate's own questions inside the agent's transaction: the client sees nothing of them.

use backstop_wire::postgres::frontend::{Bind, Execute, FrontendMessage, Named, Parse};
use backstop_wire::postgres::session::{Sent, Show};
use bytes::Bytes;

use super::question::Row;
use super::relay::{End, Note, Relay};

/// The gate's portal and statement for a question that is asked once.
const ONCE: &str = "backstop_ask";

/// One thing to run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ask<'a> {
    /// A statement that is prepared under this name the first time.
    Prepared(&'static str, &'static str),
    /// A text.
    Text(&'a str),
}

/// What the server said to the gate's questions.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// The rows of all answers.
    pub(crate) rows: Vec<Row>,
    /// The body of the error, if one of them failed; what came after it was skipped.
    pub(crate) failed: Option<Bytes>,
}

impl Relay<'_> {
    /// Runs questions in whatever transaction is open, all in one flight. Everything before must be answered.
    ///
    /// In a series of extended messages that is not yet ended they become a part of it, and an error fails it.
    pub(crate) async fn ask_here(&mut self, questions: &[Ask<'_>]) -> Result<Asked, End> {
        self.asked = Asked::default();
        let alone = !self.session.is_segment_open();
        for question in questions {
            let name = match question {
                Ask::Prepared(name, sql) => {
                    if !self.prepared_here.contains(name) {
                        self.ask_parse(name, sql)?;
                        self.prepared_here.push(name);
                    }
                    *name
                }
                Ask::Text(sql) => {
                    self.ask_parse(ONCE, sql)?;
                    ONCE
                }
            };
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
            if matches!(question, Ask::Text(_)) {
                let close = FrontendMessage::Close(Named::Statement(ONCE));
                self.ask_send(Sent::CloseStatement(ONCE), &close)?;
            }
        }
        if alone {
            self.ask_send(Sent::Sync, &FrontendMessage::Sync)?;
        } else {
            self.ask_send(Sent::Flush, &FrontendMessage::Flush)?;
        }
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

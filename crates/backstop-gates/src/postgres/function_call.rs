//! Function-call messages: judged as the call written out.

use backstop_wire::postgres::frame::Frame;
use backstop_wire::postgres::frontend::{FrontendMessage, FunctionCall};
use backstop_wire::postgres::session::{Sent, Show};
use backstop_wire::postgres::tag::frontend as tag;

use super::client::Turn;
use super::error::report;
use super::refusal;
use super::relay::{End, Note, Relay};

impl Relay<'_> {
    /// A function called by its number is judged as the call written out.
    pub(super) async fn function_call(
        &mut self,
        call: FunctionCall<'_>,
        frame: &Frame,
    ) -> Result<Turn, End> {
        self.ensure_server().await?;
        if self.begun {
            return self.end_begun(None).await;
        }
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
        let unmeasured = self.counts() && judged.writes;
        if unmeasured || !judged.is_allowed() {
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
}

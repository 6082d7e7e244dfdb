//! Connecting a session to the server, and asking it for what statements' meanings depend on.

use backstop_core::entry::Event;
use backstop_wire::postgres::backend::{BackendMessage, ParameterStatus, TransactionStatus};
use backstop_wire::postgres::frontend::{Bind, Execute, FrontendMessage, Parse};
use backstop_wire::postgres::session::{Outcome, Sent, Show};
use backstop_wire::postgres::tag::backend as tag;
use bytes::BytesMut;

use super::client::write_backend;
use super::error::{GateError, ServerError};
use super::greet::fatal;
use super::relay::{End, Note, Relay, ServerLink};
use super::writes::{WRITABLE, WRITABLE_SQL};

/// The gate's portal for the question below.
const STATE: &str = "backstop_state";
/// `search_path` as it is set, and the session's temporary relations.
const STATE_SQL: &str = "select pg_catalog.current_setting('search_path'), coalesce((select \
    pg_catalog.string_agg(pg_catalog.quote_ident(c.relname::pg_catalog.text), ',') from pg_catalog.pg_class c \
    where c.relnamespace operator(pg_catalog.=) pg_catalog.pg_my_temp_schema() and c.relkind \
    operator(pg_catalog.=) any (array['r','p','v','m','S','f']::pg_catalog.\"char\"[])), '')";

impl Relay<'_> {
    /// Connects to the server if that was not done yet.
    pub(crate) async fn ensure_server(&mut self) -> Result<(), End> {
        if self.server.is_none() {
            self.connect().await?;
        }
        Ok(())
    }

    /// Connects as the lease's role, prepares the gate's statements, and learns the session's state.
    pub(crate) async fn connect(&mut self) -> Result<(), End> {
        let upstream = self
            .target
            .upstream_for(&self.lease, self.shared.store.key());
        let parameters = self.server_parameters();
        let mut server = match upstream.connect(&parameters).await {
            Ok(server) => server,
            Err(error) => return Err(self.cannot_connect(error).await),
        };
        let mut out = BytesMut::new();
        for message in [
            FrontendMessage::Parse(Parse::new(WRITABLE, WRITABLE_SQL)),
            FrontendMessage::Parse(Parse::new("", STATE_SQL)),
            FrontendMessage::Bind(Bind::new("", "")),
            FrontendMessage::Execute(Execute {
                portal: "",
                max_rows: 0,
            }),
            FrontendMessage::Sync,
        ] {
            message
                .write(&mut out)
                .map_err(|e| GateError::Protocol(e.to_string()))?;
        }
        server.send(&out).await?;
        loop {
            let (kind, body) = server.message().await?;
            match kind {
                tag::DATA_ROW => self.state_row = super::answers::state_row(&body),
                tag::ERROR_RESPONSE => return Err(GateError::Server(ServerError::of(&body)).into()),
                tag::READY_FOR_QUERY => break,
                _ => {}
            }
        }
        let cancel = server.cancel.take();
        self.cancellable
            .set_server(cancel.map(|key| (upstream, key)));
        self.helpers_ready = true;
        self.take_state();
        self.show_settings(std::mem::take(&mut server.settings))?;
        self.server = Some(ServerLink {
            stream: server.stream,
            inbox: server.inbox,
            streaming: None,
        });
        Ok(())
    }

    /// A target that refuses the gate's own credential is an incident's first moment.
    async fn cannot_connect(&self, error: GateError) -> End {
        tracing::warn!(lease = %self.lease.id, %error, "the target cannot be reached for a lease");
        if !error.is_mismatch() {
            let report = fatal(
                "08006",
                "the target cannot be reached now, and nothing has run",
            )
            .hint("try again later; the gate's log says why");
            return End::Tell(Box::new(report));
        }
        let what = "the target refused the gate's own credential";
        let event = Event::Mismatch {
            lease: Some(self.lease.id.clone()),
            source: self.target.config.name.clone(),
            what: what.to_owned(),
        };
        let noted = self.shared.store.note(event).await;
        let halted = self
            .shared
            .store
            .halt(Some(&self.lease.id), what, true)
            .await;
        if let Some(error) = noted.err().or(halted.err()) {
            tracing::error!(%error, "a refused credential was not recorded");
        }
        End::Tell(Box::new(super::relay::as_fatal(super::refusal::halted(
            what,
        ))))
    }

    /// Tells the client of settings that are not as it was told at first.
    fn show_settings(&mut self, settings: Vec<(String, String)>) -> Result<(), End> {
        for (name, value) in settings {
            if name == "default_transaction_read_only"
                || self.settings.iter().any(|(n, v)| *n == name && *v == value)
            {
                continue;
            }
            if self.welcomed {
                let status = BackendMessage::ParameterStatus(ParameterStatus {
                    name: &name,
                    value: &value,
                });
                write_backend(&status, &mut self.to_client)?;
            }
            self.show_setting(&name, &value);
        }
        Ok(())
    }

    /// Asks the server for the session's state, within whatever is going on.
    pub(crate) async fn learn_state(&mut self) -> Result<(), End> {
        if self.server.is_none() {
            return Ok(());
        }
        while !self.session.settle() {
            self.more_answers().await?;
        }
        if self.session.status() == TransactionStatus::Failed || self.session.is_copying_in() {
            return Ok(());
        }
        let alone = !self.session.is_segment_open();
        let means = self.nothing();
        self.state_row = None;
        self.state_unknown = true;
        for (sent, message) in [
            (
                Sent::Parse {
                    statement: STATE,
                    means: means.clone(),
                },
                FrontendMessage::Parse(Parse::new(STATE, STATE_SQL)),
            ),
            (
                Sent::Bind {
                    portal: STATE,
                    means,
                },
                FrontendMessage::Bind(Bind::new(STATE, STATE)),
            ),
            (
                Sent::Execute { copy_in: false },
                FrontendMessage::Execute(Execute {
                    portal: STATE,
                    max_rows: 0,
                }),
            ),
            (
                Sent::ClosePortal(STATE),
                FrontendMessage::Close(backstop_wire::postgres::frontend::Named::Portal(STATE)),
            ),
            (
                Sent::CloseStatement(STATE),
                FrontendMessage::Close(backstop_wire::postgres::frontend::Named::Statement(STATE)),
            ),
        ] {
            let note = if matches!(sent, Sent::Execute { .. }) {
                Note::State
            } else {
                Note::Other
            };
            let sent = self.session.send(sent, Show::ERRORS, Some(note));
            self.sent(sent)?;
            self.write(&message)?;
        }
        let last = if alone {
            (Sent::Sync, FrontendMessage::Sync)
        } else {
            (Sent::Flush, FrontendMessage::Flush)
        };
        let sent = self.session.send(last.0, Show::NOTHING, Some(Note::Other));
        self.sent(sent)?;
        self.write(&last.1)?;
        while !self.session.is_settled() {
            self.more_answers().await?;
        }
        Ok(())
    }

    /// Waits for the server to say more, and deals with it.
    pub(crate) async fn more_answers(&mut self) -> Result<(), End> {
        self.take_outputs();
        let was = std::mem::replace(&mut self.paused, true);
        let waited = self.io().await;
        self.paused = was;
        waited?;
        self.serve_answers()?;
        if self.server_gone && self.session.is_settled() {
            return Err(End::Server);
        }
        Ok(())
    }

    pub(crate) fn state_answered(&mut self, outcome: Outcome) {
        if outcome == Outcome::Succeeded {
            self.take_state();
        }
    }

    fn take_state(&mut self) {
        if let Some((path, temporary)) = self.state_row.take() {
            self.learn(&path, &temporary);
        }
    }
}

/// `search_path` as PostgreSQL prints it, `"$user"` resolved to the role.
pub(crate) fn parse_path(text: &str, role: &str) -> Vec<String> {
    parse_names(text)
        .into_iter()
        .map(|name| {
            if name == "$user" {
                role.to_owned()
            } else {
                name
            }
        })
        .collect()
}

/// A list of identifiers, quoted where they must be.
pub(crate) fn parse_names(text: &str) -> Vec<String> {
    let mut out = vec![];
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, after) = identifier(rest);
        if !name.is_empty() {
            out.push(name);
        }
        rest = after.trim_start().trim_start_matches(',').trim_start();
    }
    out
}

fn identifier(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(',').unwrap_or(text.len());
        let (name, after) = text.split_at_checked(end).unwrap_or((text, ""));
        return (cut(name.trim()).to_ascii_lowercase(), after);
    };
    let mut name = String::new();
    let mut chars = quoted.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match (c, chars.peek()) {
            ('"', Some((_, '"'))) => {
                chars.next();
                name.push('"');
            }
            ('"', _) => {
                return (
                    cut(&name).to_owned(),
                    quoted.get(at + 1..).unwrap_or_default(),
                );
            }
            _ => name.push(c),
        }
    }
    (cut(&name).to_owned(), "")
}

/// As much of a name as PostgreSQL compares: 63 bytes, of whole characters.
fn cut(name: &str) -> &str {
    const LONGEST: usize = 63;
    let end = (0..=LONGEST).rev().find(|at| name.is_char_boundary(*at));
    match end {
        Some(end) if name.len() > LONGEST => name.get(..end).unwrap_or(name),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_postgres_prints_them() {
        assert_eq!(
            parse_path("\"$user\", public", "lease_x"),
            ["lease_x", "public"]
        );
        assert_eq!(
            parse_path("\"Odd, \"\"name\", b", "r"),
            ["Odd, \"name", "b"]
        );
        let long = "a".repeat(62) + "éb";
        assert_eq!(parse_path(&long, "r"), ["a".repeat(62)]);
        assert_eq!(
            parse_path(&format!("\"{long}\", b"), "r"),
            ["a".repeat(62), "b".to_owned()]
        );
        assert!(parse_path("", "r").is_empty());
        assert!(parse_path("\"\"", "r").is_empty());
    }
}

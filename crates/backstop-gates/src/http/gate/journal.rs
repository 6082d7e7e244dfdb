//! What the traffic log says of a request: an intent before it is sent, an outcome after.

use backstop_core::digest::Digest;
use backstop_core::effect::EffectKind;
use backstop_core::entry::{Intent, Outcome};
use backstop_core::secret::Secret;
use backstop_core::verdict::Verdict;
use backstop_store::Store;

use crate::http::Head;
use crate::postgres::GateError;
use crate::postgres::TrafficLog;
use crate::postgres::traffic::name_of;

/// More of a body than this is not kept, in characters.
const KEPT: usize = 64 * 1024;

/// What is written of one request.
pub(super) struct Written<'a> {
    pub(super) lease: &'a str,
    pub(super) target: &'a str,
    pub(super) connection: u64,
    pub(super) action: u64,
    pub(super) text: &'a str,
    pub(super) body: &'a [u8],
    pub(super) effect: EffectKind,
    pub(super) verdict: &'a Verdict,
    pub(super) hold: Option<&'a str>,
}

/// INVARIANT 2: writes the intent, and waits for the disk where the request may change something.
pub(super) async fn intent(
    traffic: &TrafficLog,
    store: &Store,
    written: &Written<'_>,
    durable: bool,
) -> Result<(), GateError> {
    let index = write(traffic, store, written)?;
    if durable {
        traffic.durable(index).await?;
    }
    Ok(())
}

/// The same for what only reads: nobody waits for the disk. Its index.
pub(super) fn write(
    traffic: &TrafficLog,
    store: &Store,
    written: &Written<'_>,
) -> Result<u64, GateError> {
    let sealed = traffic.seal(written.text)?;
    let parameters: Option<Digest> =
        (!written.body.is_empty()).then(|| traffic.salted(written.body));
    let intent = Intent {
        at_ms: store.now_ms(),
        lease: written.lease,
        target: written.target,
        connection: written.connection,
        action: written.action,
        text: name_of(&sealed),
        parameters,
        effect: written.effect,
        verdict: written.verdict.decision,
        rule: &written.verdict.rule,
        hold: written.hold,
    };
    traffic.intent(intent, Some(&sealed))
}

/// Writes the outcome. `status` stands where a database has its SQLSTATE.
pub(super) fn outcome(
    traffic: &TrafficLog,
    store: &Store,
    connection: u64,
    action: u64,
    result: &str,
    status: Option<&str>,
) {
    let outcome = Outcome {
        at_ms: store.now_ms(),
        connection,
        action,
        result,
        sqlstate: status,
    };
    if let Err(error) = traffic.outcome(outcome) {
        tracing::error!(%error, "an outcome was not journaled");
    }
}

/// A request as people read it: the placeholder is out of it already, and `secrets` are masked.
pub(super) fn text(head: &Head, origin: &str, body: &[u8], secrets: &[Secret<String>]) -> String {
    let mut out = format!("{} {origin}{}\n", head.method, head.target);
    for (name, value) in &head.headers {
        // A session that the API gave to this lease.
        let value = match name.as_str() {
            "cookie" => "[cookies]".into(),
            _ => String::from_utf8_lossy(value.as_bytes()),
        };
        out.push_str(&format!("{name}: {value}\n"));
    }
    if !body.is_empty() {
        out.push('\n');
        match std::str::from_utf8(body) {
            Ok(text) => {
                let end = text.char_indices().nth(KEPT).map(|(at, _)| at);
                out.push_str(end.and_then(|end| text.get(..end)).unwrap_or(text));
                if end.is_some() {
                    out.push_str("\n[the rest is not shown]");
                }
            }
            Err(_) => out.push_str(&format!("[{} bytes that are no text]", body.len())),
        }
    }
    for secret in secrets.iter().filter(|s| !s.reveal().is_empty()) {
        out = out.replace(secret.reveal(), "[credential]");
    }
    out
}

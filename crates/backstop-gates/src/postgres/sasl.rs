//! Proving the gate's credential to a server by SCRAM, with channel binding where it is offered.

use backstop_core::secret::Secret;
use backstop_wire::postgres::backend::{Authentication, BackendMessage, Mechanisms};
use backstop_wire::postgres::frontend::{SaslInitialResponse, write_sasl_response};
use backstop_wire::postgres::scram::{Binding, Client, PLUS, ScramError};
use backstop_wire::postgres::tag::backend as tag;
use bytes::{Bytes, BytesMut};

use super::error::{GateError, ServerError};
use super::upstream::ServerConnection;

/// Goes through the exchange up to the server's own proof, which is checked. With `must_bind` it does so only
/// where the exchange is bound to the server's certificate.
pub(crate) async fn prove(
    server: &mut ServerConnection,
    offered: &Mechanisms<'_>,
    password: &Secret<String>,
    binding: Option<&Vec<u8>>,
    must_bind: bool,
) -> Result<(), GateError> {
    let plain_only = binding.is_none();
    // Over TLS whose certificate has no binding hash (Ed25519), PLUS is offered and cannot be used, as in libpq.
    let usable = offered
        .iter()
        .filter(|m| !(plain_only && server.stream.is_tls() && m.ends_with(b"-PLUS")));
    let binding = binding.map_or(Binding::None, |hash| Binding::Certificate(hash));
    let client = Client::choose(usable, binding).map_err(|e| failed(&e))?;
    let mechanism = client.mechanism();
    if must_bind && mechanism != PLUS {
        return Err(unbound());
    }
    let (first, waiting) = client.first().map_err(|e| failed(&e))?;
    let mut out = BytesMut::new();
    SaslInitialResponse {
        mechanism,
        data: Some(&first),
    }
    .write(&mut out)
    .map_err(|_| GateError::Protocol("a SASL message is too long".into()))?;
    server.send(&out).await?;
    let challenge = step(server).await?;
    let (last, proving) = waiting
        .prove(password.reveal(), &challenge)
        .map_err(|e| failed(&e))?;
    out.clear();
    write_sasl_response(&last, &mut out)
        .map_err(|_| GateError::Protocol("a SASL message is too long".into()))?;
    server.send(&out).await?;
    let end = step(server).await?;
    proving.finish(&end).map_err(|e| failed(&e))
}

/// A login that is not bound to the server's certificate, where nothing else will do.
pub(crate) fn unbound() -> GateError {
    GateError::Authentication(
        "a login without channel binding, where the dsn says `channel_binding=require`".into(),
    )
}

/// The server's next word in the exchange.
async fn step(server: &mut ServerConnection) -> Result<Vec<u8>, GateError> {
    let (message, body): (u8, Bytes) = server.message().await?;
    match BackendMessage::parse(message, &body) {
        Ok(BackendMessage::Authentication(
            Authentication::SaslContinue(data) | Authentication::SaslFinal(data),
        )) => Ok(data.to_vec()),
        Ok(BackendMessage::ErrorResponse(_)) => {
            let error = ServerError::of(&body);
            Err(if matches!(error.code.as_str(), "28P01" | "28000") {
                GateError::Refused(error)
            } else {
                GateError::Server(error)
            })
        }
        _ if message == tag::AUTHENTICATION => {
            Err(GateError::Authentication("a step out of order".into()))
        }
        _ => Err(GateError::Protocol(format!(
            "`{}` while authenticating",
            char::from(message)
        ))),
    }
}

fn failed(error: &ScramError) -> GateError {
    GateError::Authentication(format!("SCRAM, which failed: {error}"))
}

//! Requests that go beyond an answer: a WebSocket, a gRPC call. What is said there shows in no request, so that they pass
//! where the target's pack lets them be, and are refused in words otherwise.

use backstop_core::verdict::{Decision, Verdict};
use backstop_wire::grpc::Kind;
use backstop_wire::http::{Request, Scheme};
use backstop_wire::providers::{Beyond, Reading, Socket};
use backstop_wire::websocket::Opening;
use hyper::Version;
use hyper::header::{self, HeaderName, HeaderValue};

use super::case::Case;
use super::config::Api;
use super::{HttpShared, answer};
use crate::http::{Head, Problem, ResponseHead, Treatment, Wish};

/// The protocols of GraphQL whose messages are read.
const GRAPHQL: [&str; 2] = ["graphql-transport-ws", "graphql-ws"];

/// In what encodings a client takes messages: in none, which could not be masked.
const ENCODINGS: [HeaderName; 2] = [
    HeaderName::from_static("grpc-accept-encoding"),
    HeaderName::from_static("connect-accept-encoding"),
];

/// Where a request goes.
pub(super) enum Passage {
    /// To its answer.
    Plain,
    /// To a WebSocket.
    Socket(Offered),
    /// To a call whose messages go both ways at once.
    Call(Calls),
}

/// A gRPC call.
#[derive(Clone, Copy)]
pub(super) struct Calls {
    pub(super) kind: Kind,
    /// Whether it does more than read.
    pub(super) writes: bool,
}

/// A WebSocket that a client wants to open.
pub(super) struct Offered {
    opening: Opening,
    /// What may be said on it, once its pack has been asked.
    pub(super) may: Option<Socket>,
    /// Whether it does more than read.
    pub(super) writes: bool,
}

/// What is read of a request before it is judged. A call goes both ways at once: waiting for its end would be for ever.
pub(super) fn wish(head: &Head, judged: usize) -> Wish {
    let told = head.headers.get(header::CONTENT_TYPE);
    match told.and_then(|told| Kind::of(told.to_str().ok()?)) {
        Some(_) => Wish::Stream,
        None => Wish::Whole { limit: judged },
    }
}

impl Passage {
    const fn beyond(&self) -> Option<Beyond> {
        match self {
            Self::Plain => None,
            Self::Socket(_) => Some(Beyond::Socket),
            Self::Call(call) => Some(Beyond::Grpc(call.kind)),
        }
    }

    /// What would have to wait for a person, and cannot: what was not read is bound by no digest.
    pub(super) fn not_to_be_held(&self, verdict: &Verdict) -> Box<Problem> {
        match self {
            Self::Call(_) => answer::call_to_hold(verdict),
            Self::Plain | Self::Socket(_) => answer::too_long_to_hold(verdict),
        }
    }
}

/// Whether a target's 101 is the answer to what was asked. What was not asked for at all the carrier refuses.
pub(super) fn opened(case: &Case, api: &Api, head: &ResponseHead) -> Treatment {
    let Passage::Socket(offered) = &case.passage else {
        return Treatment::Pass;
    };
    let headers = head.headers.iter();
    let headers: Vec<(&str, &[u8])> = headers
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let why = match offered.opening.answered(&headers) {
        Ok(None) if offered.may == Some(Socket::Graphql) => "it chooses no protocol of GraphQL",
        Ok(_) => return Treatment::Pass,
        Err(why) => why,
    };
    Treatment::Replace(answer::not_opened(&api.name, why))
}

impl HttpShared {
    /// Finds out where a request goes, and takes out of it what would keep the gate from reading on.
    pub(super) async fn take_passage(
        &self,
        case: &mut Case,
        clean: &mut Head,
        request: &Request,
    ) -> Result<(), Box<Problem>> {
        let Some(beyond) = Beyond::of(clean.upgrade.as_deref(), request) else {
            return Ok(());
        };
        match beyond {
            Beyond::Socket if case.api.is_some() => {
                let opening = match Opening::read(request) {
                    Ok(opening) => opening,
                    Err(refused) => {
                        let problem = answer::no_handshake(&refused);
                        return self.refuse(case, "handshake", &refused.what, problem).await;
                    }
                };
                clean.headers.remove(header::SEC_WEBSOCKET_EXTENSIONS);
                case.passage = Passage::Socket(Offered {
                    opening,
                    may: None,
                    writes: true,
                });
                Ok(())
            }
            Beyond::Grpc(kind) => {
                for name in ENCODINGS {
                    clean
                        .headers
                        .insert(name, HeaderValue::from_static("identity"));
                }
                case.passage = Passage::Call(Calls { kind, writes: true });
                Ok(())
            }
            // Elsewhere there is no pack to ask.
            Beyond::Socket | Beyond::Other => self.refuse_beyond(case, beyond).await,
        }
    }

    /// Whether the pack that read the request lets it go there.
    pub(super) async fn may_pass(
        &self,
        case: &mut Case,
        api: &Api,
        clean: &Head,
        reading: &Reading,
    ) -> Result<(), Box<Problem>> {
        let Some(beyond) = case.passage.beyond() else {
            return Ok(());
        };
        let reveals = reading.operations.iter().any(|o| !o.reveals.is_empty());
        if reveals || !beyond.is_known(reading) {
            return self.refuse_beyond(case, beyond).await;
        }
        match &mut case.passage {
            Passage::Plain => Ok(()),
            Passage::Socket(offered) => {
                offered.may = reading.socket;
                offered.writes = !reading.analysis.is_read();
                let known = |name: &String| GRAPHQL.contains(&name.as_str());
                let protocols = offered.opening.protocols();
                let read = !protocols.is_empty() && protocols.iter().all(known);
                if reading.socket == Some(Socket::Graphql) && !read {
                    let why = "it does not offer the protocols of GraphQL alone";
                    return self
                        .refuse(case, "socket", why, answer::not_graphql())
                        .await;
                }
                Ok(())
            }
            Passage::Call(call) => {
                call.writes = !reading.analysis.is_read();
                let why = match call.kind {
                    _ if clean.headers.contains_key(header::CONTENT_ENCODING) => {
                        "its body is encoded as a whole, and cannot be looked through as it goes"
                    }
                    Kind::Grpc if clean.version != Version::HTTP_2 => "gRPC goes over HTTP/2",
                    Kind::Grpc if api.scheme == Scheme::Http => {
                        "gRPC needs HTTP/2, which the gate speaks to targets over TLS alone"
                    }
                    _ => return Ok(()),
                };
                self.refuse(case, "grpc", why, answer::no_call(why)).await
            }
        }
    }

    async fn refuse_beyond(&self, case: &mut Case, beyond: Beyond) -> Result<(), Box<Problem>> {
        let problem = answer::beyond(beyond);
        self.refuse(case, beyond.rule(), beyond.why(), problem)
            .await
    }

    async fn refuse(
        &self,
        case: &mut Case,
        rule: &str,
        why: &str,
        problem: Box<Problem>,
    ) -> Result<(), Box<Problem>> {
        self.intend_refused(case, rule, Decision::Deny, why).await?;
        self.count_denials(&case.record.lease.id).await;
        Err(problem)
    }
}

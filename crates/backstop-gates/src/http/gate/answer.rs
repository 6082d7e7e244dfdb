//! The gate's own answers to requests, so that an agent reads what stopped it and what to do.

use std::fmt::Display;
use std::time::Duration;

use backstop_core::hold::Hold;
use backstop_core::verdict::{Decision, Verdict};
use backstop_wire::http::Refused;
use backstop_wire::providers::Beyond;
use hyper::StatusCode;

use super::place::Unplaced;
use crate::http::Problem;

/// How soon a held request is worth sending again.
const AGAIN: Duration = Duration::from_secs(30);

/// What is said of a request that is not sent.
fn not_sent(
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    why: impl Display,
) -> Problem {
    Problem::new(status, kind, title, format!("Nothing was sent: {why}."))
}

/// The same where the gate itself denies it, by a rule that is called as the problem is.
fn refused(kind: &'static str, title: &'static str, why: impl Display) -> Problem {
    not_sent(StatusCode::FORBIDDEN, kind, title, why).decided(Decision::Deny, kind)
}

/// It could be read in two ways.
pub(super) fn ambiguous(refused: &Refused) -> Box<Problem> {
    let (kind, title) = ("ambiguous", "The request could be read in two ways");
    Box::new(
        not_sent(StatusCode::BAD_REQUEST, kind, title, &refused.what)
            .decided(Decision::Deny, kind)
            .hint(&refused.hint),
    )
}

/// It could not be looked through for credentials.
pub(super) fn unsearched(why: &str) -> Box<Problem> {
    let title = "The request cannot be looked through";
    Box::new(refused("unsearched", title, why).hint("send less at once"))
}

/// Policy denies it.
pub(super) fn denied(verdict: &Verdict) -> Box<Problem> {
    let title = "Policy denies this";
    Box::new(
        not_sent(StatusCode::FORBIDDEN, "denied", title, &verdict.reason)
            .decided(Decision::Deny, &verdict.rule)
            .hint("do not try another way; tell the person you work for what you need"),
    )
}

/// The host is no target of the lease.
pub(super) fn elsewhere(host: &str) -> Box<Problem> {
    let title = "This host is not in the lease";
    let why = format!("`{host}` is no target of this lease");
    Box::new(refused("not-in-lease", title, why).hint(
        "ask for a lease on it, or have its host put under `allow` in [http] if it is only read from",
    ))
}

/// A tunnel that nobody reads is for a lease that may open one.
pub(super) fn no_tunnel(api: &str, verdict: &Verdict) -> Box<Problem> {
    let title = "The lease may open no tunnel there";
    Box::new(
        not_sent(StatusCode::FORBIDDEN, "denied", title, &verdict.reason)
            .decided(Decision::Deny, &verdict.rule)
            .hint(format!(
                "ask for a lease on `{api}` with the scope `tunnel`"
            )),
    )
}

/// A person denied it.
pub(super) fn refused_by_person(hold: &Hold, reason: &str, link: &str) -> Box<Problem> {
    let why = match reason.trim() {
        "" => "A person denied this.".to_owned(),
        reason => format!("A person denied this: {reason}"),
    };
    let mut problem = Problem::new(
        StatusCode::FORBIDDEN,
        "refused",
        "A person denied this",
        why,
    )
    .decided(Decision::Deny, &hold.rule)
    .hint("do not send it again");
    problem.hold = Some(hold.id.clone());
    problem.link = Some(link.to_owned());
    Box::new(problem)
}

/// It waits for people.
pub(super) fn held(hold: &Hold, link: &str, besides: &str) -> Box<Problem> {
    let why = format!("{}{besides}", hold.reason);
    let mut problem = not_sent(
        StatusCode::FORBIDDEN,
        "held",
        "This waits for a person",
        why,
    )
    .decided(Decision::Hold, &hold.rule)
    .retry_after(AGAIN)
    .hint("send the identical request again once a person has approved it; it passes once");
    problem.hold = Some(hold.id.clone());
    problem.link = Some(link.to_owned());
    Box::new(problem)
}

/// It would have to wait for people, and is too long to be bound to what they approve.
pub(super) fn too_long_to_hold(verdict: &Verdict) -> Box<Problem> {
    let title = "This needs a person, and is too long to be held";
    let (status, kind) = (StatusCode::PAYLOAD_TOO_LARGE, "too-long-to-hold");
    Box::new(
        not_sent(status, kind, title, &verdict.reason)
            .decided(Decision::Deny, &verdict.rule)
            .hint("send it in smaller parts, or have `judged` in [http] raised"),
    )
}

/// Which of several targets it is for. Of one whose placeholder stands in the body that is not seen in time.
pub(super) fn which(names: &[&str], in_body: bool) -> Box<Problem> {
    let hint = match in_body {
        false => "send the placeholder of the one that is meant",
        true => {
            "ask for a lease on one of them alone; what stands in the body does not tell them apart"
        }
    };
    let title = "It is not told which target this is for";
    let why = format!("the lease has {} at this host", names.join(" and "));
    Box::new(refused("which-target", title, why).hint(hint))
}

/// The placeholder is not where the credential goes, and nothing else may stand there.
pub(super) fn unplaced(unplaced: &Unplaced) -> Box<Problem> {
    let title = "The placeholder is not in its place";
    Box::new(refused("unplaced", title, &unplaced.what).hint(&unplaced.hint))
}

/// A request to AWS that nobody signed: what it is for is not known, and nothing is signed for it.
pub(super) fn unsigned() -> Box<Problem> {
    let why = "requests to AWS are signed with the lease's placeholder, and then by the gate";
    Box::new(refused("unsigned", "The request is not signed", why).hint(
        "give the SDK the AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY that `backstop lease create` printed",
    ))
}

/// The gate cannot sign it.
pub(super) fn cannot_be_signed(why: &dyn Display) -> Box<Problem> {
    let title = "The gate cannot sign this for AWS";
    Box::new(
        refused("cannot-be-signed", title, why)
            .hint("send it whole and in one piece, signed by version 4"),
    )
}

/// The placeholder of what a target revealed stands where the credential cannot be put in.
pub(super) fn misplaced(place: &str) -> Box<Problem> {
    let title = "A kept credential cannot stand there";
    let why = format!("a placeholder of what this target revealed stands in {place}");
    Box::new(refused("misplaced", title, why).hint(
        "put it where a credential belongs: a header, a parameter, or a whole value of a JSON or form body",
    ))
}

/// It goes beyond an answer, and no pack says that it may.
pub(super) fn beyond(beyond: Beyond) -> Box<Problem> {
    let (title, hint) = match beyond {
        Beyond::Socket => (
            "This WebSocket is not known to be harmless",
            "use the API's requests and answers instead; a person can say `socket` of this operation in a pack of the \
             target's own",
        ),
        Beyond::Grpc(_) => (
            "This gRPC call is not known to be harmless",
            "use the API's requests and answers instead; a person can say `grpc` of this operation in a pack of the \
             target's own",
        ),
        Beyond::Other => (
            "The connection cannot change its protocol",
            "use the target's requests and responses in place of a connection that stays open",
        ),
    };
    Box::new(
        Problem::new(
            StatusCode::FORBIDDEN,
            beyond.rule(),
            title,
            format!("Nothing was sent: {}.", beyond.why()),
        )
        .decided(Decision::Deny, beyond.rule())
        .hint(hint),
    )
}

/// A WebSocket that is not opened as one is.
pub(super) fn no_handshake(refused: &Refused) -> Box<Problem> {
    Box::new(
        Problem::new(
            StatusCode::BAD_REQUEST,
            "handshake",
            "The WebSocket is not opened as one is",
            format!("Nothing was sent: {}.", refused.what),
        )
        .decided(Decision::Deny, "handshake")
        .hint(&refused.hint),
    )
}

/// A WebSocket to GraphQL whose messages nobody could read.
pub(super) fn not_graphql() -> Box<Problem> {
    Box::new(
        Problem::new(
            StatusCode::FORBIDDEN,
            "socket",
            "This WebSocket is not known to be harmless",
            "Nothing was sent: at this API a WebSocket speaks GraphQL, so that each message can be read.",
        )
        .decided(Decision::Deny, "socket")
        .hint("offer `graphql-transport-ws` or `graphql-ws` in `Sec-WebSocket-Protocol`, and nothing else"),
    )
}

/// The target's answer to a handshake is none.
pub(super) fn not_opened(api: &str, why: &str) -> Box<Problem> {
    Box::new(
        Problem::new(
            StatusCode::BAD_GATEWAY,
            "handshake",
            "The WebSocket is not opened as one is",
            format!("The answer of `{api}` is not passed on: {why}."),
        )
        .hint("tell the person you work for; the target is at fault"),
    )
}

/// A call that could not be carried.
pub(super) fn no_call(why: &str) -> Box<Problem> {
    Box::new(
        Problem::new(
            StatusCode::FORBIDDEN,
            "call",
            "This gRPC call cannot be carried",
            format!("Nothing was sent: {why}."),
        )
        .decided(Decision::Deny, "grpc")
        .hint("call it over HTTP/2 and TLS, without compression"),
    )
}

/// A call that would have to wait for people: its messages were not read, and nothing binds an approval to them.
pub(super) fn call_to_hold(verdict: &Verdict) -> Box<Problem> {
    Box::new(
        Problem::new(
            StatusCode::FORBIDDEN,
            "call-to-hold",
            "This needs a person, and a gRPC call cannot be held",
            format!("Nothing was sent: {}.", verdict.reason),
        )
        .decided(Decision::Deny, &verdict.rule)
        .hint("tell the person you work for what you need"),
    )
}

/// Too much waits already.
pub(super) fn too_many(error: &backstop_store::StoreError) -> Box<Problem> {
    let title = "Too much waits for people already";
    let (status, kind) = (StatusCode::TOO_MANY_REQUESTS, "too-many-holds");
    Box::new(
        not_sent(status, kind, title, error)
            .decided(Decision::Hold, kind)
            .retry_after(AGAIN)
            .hint("wait until a person has decided what is held"),
    )
}

/// The gate itself cannot go on; the action does not happen (invariant 7).
pub(super) fn broken(error: &dyn Display) -> Box<Problem> {
    tracing::error!(%error, "a request was not sent");
    let title = "The gate cannot do this now";
    let why = "the gate could not write its journal or read its own state";
    Box::new(
        not_sent(StatusCode::SERVICE_UNAVAILABLE, "gate", title, why)
            .hint("tell the person who runs Backstop; its log says more"),
    )
}

/// Only reads pass.
pub(super) fn reads_only(why: &str) -> Box<Problem> {
    let title = "Only reads pass now";
    Box::new(refused("reads-only", title, why).hint("stop and tell the person you work for"))
}

/// The target answered in an encoding that it was asked not to use, in which its credential could come back.
pub(super) fn encoded(api: &str) -> Box<Problem> {
    Box::new(
        Problem::new(
            StatusCode::BAD_GATEWAY,
            "encoded",
            "The answer cannot be looked through",
            format!(
                "`{api}` did what was asked. Its answer is not passed on: it is compressed, though it was asked not to be, \
                 and the gate's own credential could be in it."
            ),
        )
        .hint("do not send what changes something again; ask for what you need in another form"),
    )
}

/// The target refused the gate's own credential: the incident's first moment.
pub(super) fn mismatch(api: &str, how: &str) -> Box<Problem> {
    Box::new(
        Problem::new(
            StatusCode::FORBIDDEN,
            "mismatch",
            "Stop: the target refused the credential",
            format!(
                "`{api}` refused the gate's own credential ({how}). The lease's writes there are held until \
                 a person has answered."
            ),
        )
        .decided(Decision::Halt, "credential-mismatch")
        .hint("stop here, do not look for another credential, and tell the person you work for"),
    )
}

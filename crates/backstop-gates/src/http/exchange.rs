//! One request, from its head to the beginning of its answer: begin, judge, forward, response.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode, Version};

use super::body::{self, Ended, Passing, Unread, Watch};
use super::call::Call;
use super::connection::{After, Shared};
use super::dialect::Dialect;
use super::fault::Fault;
use super::head::Head;
use super::headers;
use super::judge::{
    Begin, Client, Duplex, End, Forward, How, Judge, Outcome, ResponseHead, Sent, Treatment, Whole,
    Wish,
};
use super::problem::Problem;
use super::upgrade::Changed;
use super::upstream::{Destination, Loan, Sending};

/// What becomes of the connection at its end.
pub(crate) type Slot<J> = Arc<Mutex<Option<After<J>>>>;

pub(crate) fn set<J: Judge>(slot: &Slot<J>, after: After<J>) {
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(after);
}

/// Answers one request.
pub(crate) async fn exchange<J: Judge>(
    shared: &Arc<Shared<J>>,
    client: &Client,
    slot: &Slot<J>,
    request: Request<Incoming>,
) -> Response<Passing> {
    let method = request.method().clone();
    // The answer to CONNECT is its status: none may say 200 that is no tunnel.
    let call = Call::of(request.version(), request.headers()).filter(|_| method != Method::CONNECT);
    if let Some(stream) = request.extensions().get::<OnUpgrade>() {
        // Until something else becomes of it.
        set(slot, After::Refused(stream.clone()));
    }
    let mut dialect = Dialect::default();
    let answered = match method {
        Method::CONNECT => super::tunnel::connect(shared, client, slot, request).await,
        _ => story(shared, client, slot, request, &mut dialect).await,
    };
    answered.unwrap_or_else(|problem| match &call {
        Some(call) => call.refused(&problem),
        None => problem.response(&method, dialect),
    })
}

type Answer = Result<Response<Passing>, Box<Problem>>;

async fn story<J: Judge>(
    shared: &Arc<Shared<J>>,
    client: &Client,
    slot: &Slot<J>,
    request: Request<Incoming>,
    dialect: &mut Dialect,
) -> Answer {
    let (mut parts, incoming) = request.into_parts();
    let upgrade = parts.extensions.remove::<OnUpgrade>();
    let method = parts.method.clone();
    let version = parts.version;
    let head = Head::read(parts, client, &shared.limits)?;
    *dialect = shared.judge.dialect(client, &head);
    let (case, wish) = match shared.judge.begin(client, &head).await {
        Begin::Judge { case, wish } => (case, wish),
        Begin::Answer(problem) => return Err(problem),
    };
    let mut open = Open::new(&shared.judge, case);
    let (limit, patience) = match wish {
        Wish::Stream => (None, shared.limits.silent),
        Wish::Whole { limit } => (Some(limit), shared.limits.stalled),
    };
    let gathered = body::gather(incoming, limit, patience, &shared.room).await;
    let gathered = match gathered {
        Ok(gathered) => gathered,
        Err(unread) => return open.refuse(unread.problem()),
    };
    let Some(case) = open.case() else {
        return Err(lost());
    };
    let mut forward = match shared.judge.judge(case, head, &gathered.carried).await {
        Outcome::Forward(forward) => forward,
        Outcome::Answer(problem) => {
            let problem = open.refuse(problem).err().unwrap_or_else(lost);
            if !gathered.body.is_end_stream() {
                tokio::spawn(gathered.body.drain());
            }
            return Err(problem);
        }
    };
    let duplex = match (&forward.head.upgrade, forward.upgrade.take()) {
        (None, _) => None,
        (Some(_), Some(duplex)) => Some(duplex),
        (Some(asked), None) => return open.refuse(no_upgrade(asked)),
    };
    let passed = Passed {
        method,
        version,
        upgrade: duplex.zip(upgrade),
    };
    act(shared, slot, open, *forward, gathered.body, passed).await
}

/// What is remembered of the request for its answer.
struct Passed {
    method: Method,
    version: Version,
    upgrade: Option<(Duplex, OnUpgrade)>,
}

/// Sends the request and takes up the answer.
async fn act<J: Judge>(
    shared: &Arc<Shared<J>>,
    slot: &Slot<J>,
    mut open: Open<J>,
    forward: Forward,
    as_came: Passing,
    passed: Passed,
) -> Answer {
    let destination = Destination {
        target: forward.target,
        scheme: forward.scheme,
        site: forward.site,
    };
    let body = match forward.body {
        Sent::AsCame => as_came,
        Sent::Replaced(bytes) => Passing::full(bytes),
        // What is absent has nothing to look at, and stays absent.
        Sent::Filtered(_) if as_came.is_end_stream() => as_came,
        Sent::Filtered(filter) => as_came.filtered(filter),
    };
    let upgrade = forward.head.upgrade.filter(|_| passed.upgrade.is_some());
    let asked = upgrade.clone();
    let sending = Sending {
        method: forward.head.method,
        path: forward.head.target,
        headers: forward.head.headers,
        trailers: forward.head.trailers,
        body,
        repeatable: forward.repeatable,
        upgrade,
    };
    open.end.sent = true;
    let mut answered = match shared.upstreams.send(&destination, sending).await {
        Ok(answered) => answered,
        Err(fault) => return open.fail(&fault, &fault.problem(&destination.site)),
    };
    let changed = hyper::upgrade::on(&mut answered.response);
    let (parts, incoming) = answered.response.into_parts();
    let mut head = ResponseHead {
        status: parts.status,
        headers: parts.headers,
    };
    let protocol = head.headers.remove(header::UPGRADE);
    headers::take_response_hops(&mut head.headers);
    let Some(case) = open.case() else {
        return Err(lost());
    };
    let treatment = shared.judge.response(case, &mut head).await;
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return match (treatment, passed.upgrade) {
            (Treatment::Replace(problem), _) => open.refuse(problem),
            (_, Some((duplex, client))) if is_asked(asked.as_deref(), protocol.as_ref()) => {
                let changed = Changed {
                    client,
                    target: changed,
                    duplex,
                    open,
                };
                Ok(switch(slot, changed, head, protocol))
            }
            _ => {
                let fault = Fault::Broken("it changed the protocol unasked".into());
                open.fail(&fault, &fault.problem(&destination.site))
            }
        };
    }
    let body = Passing::stream(incoming, shared.limits.silent);
    let body = match treatment {
        Treatment::Pass => body,
        Treatment::Filter(_) if body.is_end_stream() => body,
        Treatment::Filter(filter) => body.filtered(filter),
        Treatment::Replace(problem) => return open.refuse(problem),
        Treatment::Whole { limit } => {
            let rest = body.into_rest();
            match whole(shared, &mut open, &mut head, rest, limit).await {
                Ok(body) => body,
                Err(problem) => return open.refuse(problem),
            }
        }
    };
    Ok(answer(open, answered.loan, head, body, &passed))
}

/// Reads a response as far as the judge wished, and asks what becomes of it.
async fn whole<J: Judge>(
    shared: &Arc<Shared<J>>,
    open: &mut Open<J>,
    head: &mut ResponseHead,
    rest: Option<Incoming>,
    limit: usize,
) -> Result<Passing, Box<Problem>> {
    let Some(rest) = rest else {
        return Ok(Passing::empty());
    };
    let gathered = body::gather(rest, Some(limit), shared.limits.silent, &shared.room)
        .await
        .map_err(|unread| Box::new(unread.of_target()))?;
    let bytes = match &gathered.carried {
        super::judge::Carried::Whole { bytes, .. } => Some(bytes.clone()),
        super::judge::Carried::Absent => Some(Bytes::new()),
        super::judge::Carried::Streamed { .. } => None,
    };
    let Some(case) = open.case() else {
        return Err(lost());
    };
    match shared.judge.whole(case, head, bytes.as_ref()).await {
        Whole::AsCame => Ok(gathered.body),
        Whole::Replaced(bytes) => Ok(Passing::full(bytes)),
        Whole::Filter(filter) => Ok(gathered.body.filtered(filter)),
        Whole::Problem(problem) => Err(problem),
    }
}

/// The answer as the client gets it.
fn answer<J: Judge>(
    mut open: Open<J>,
    loan: Loan,
    head: ResponseHead,
    body: Passing,
    passed: &Passed,
) -> Response<Passing> {
    open.end.status = Some(head.status);
    let mut headers = head.headers;
    let bodiless = passed.method == Method::HEAD
        || matches!(
            head.status,
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
    // The length that HEAD and 304 tell is of what they did not send.
    if !bodiless {
        headers::frame(&mut headers, body.length(), false);
    }
    let body = if bodiless { Passing::empty() } else { body };
    let watched = Watched {
        open,
        loan: Some(loan),
    };
    let mut response = Response::new(body.watched(Box::new(watched)));
    *response.status_mut() = head.status;
    *response.headers_mut() = headers;
    *response.version_mut() = passed.version;
    response
}

/// Whether a target changes to what was asked for.
fn is_asked(asked: Option<&str>, answered: Option<&HeaderValue>) -> bool {
    let answered = answered.and_then(|protocol| protocol.to_str().ok());
    matches!((asked, answered), (Some(asked), Some(answered)) if asked.eq_ignore_ascii_case(answered.trim()))
}

/// 101, and what comes after it.
fn switch<J: Judge>(
    slot: &Slot<J>,
    mut changed: Changed<J>,
    head: ResponseHead,
    protocol: Option<HeaderValue>,
) -> Response<Passing> {
    changed.open.end.status = Some(head.status);
    set(slot, After::Changed(Box::new(changed)));
    let mut response = Response::new(Passing::empty());
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    if let Some(protocol) = protocol {
        headers.insert(header::UPGRADE, protocol);
    }
    response
}

/// An open case. However it is dropped, the judge hears of its end.
pub(crate) struct Open<J: Judge> {
    judge: Arc<J>,
    case: Option<J::Case>,
    begun: Instant,
    pub(crate) end: End,
}

impl<J: Judge> Open<J> {
    fn new(judge: &Arc<J>, case: J::Case) -> Self {
        Self {
            judge: Arc::clone(judge),
            case: Some(case),
            begun: Instant::now(),
            end: End {
                sent: false,
                status: None,
                bytes: 0,
                took: Duration::ZERO,
                // What is not said otherwise is that nobody waited for more.
                how: How::ClientGone,
            },
        }
    }

    const fn case(&mut self) -> Option<&mut J::Case> {
        self.case.as_mut()
    }

    /// The client gets an answer of the gate's own.
    fn refuse(mut self, problem: Box<Problem>) -> Answer {
        self.end.status = Some(problem.status);
        self.end.how = How::Finished;
        Err(problem)
    }

    /// The target gave no answer.
    fn fail(mut self, fault: &Fault, problem: &Problem) -> Answer {
        self.end.status = Some(problem.status);
        self.end.how = How::Failed(fault.to_string());
        // What never found its way to the target did not reach it.
        self.end.sent = fault.may_have_sent();
        Err(Box::new(problem.clone()))
    }
}

impl<J: Judge> Drop for Open<J> {
    fn drop(&mut self) {
        if let Some(case) = self.case.take() {
            self.end.took = self.begun.elapsed();
            self.judge.done(case, self.end.clone());
        }
    }
}

/// Follows a response to its end.
struct Watched<J: Judge> {
    open: Open<J>,
    loan: Option<Loan>,
}

impl<J: Judge> Watch for Watched<J> {
    fn passed(&mut self, bytes: usize) {
        self.open.end.bytes += bytes as u64;
    }

    fn ended(mut self: Box<Self>, how: Ended) {
        self.open.end.how = match how {
            Ended::Whole => {
                if let Some(loan) = self.loan.take() {
                    loan.give_back();
                }
                How::Finished
            }
            Ended::Failed(why) => How::Failed(why),
            Ended::Dropped => How::ClientGone,
        };
    }
}

/// Only two uses of one case could lose it, and there are none.
fn lost() -> Box<Problem> {
    Box::new(Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "lost",
        "The gate failed",
        "The request was lost within the gate.",
    ))
}

fn no_upgrade(asked: &str) -> Box<Problem> {
    let asked: String = asked.chars().take(40).collect();
    Box::new(
        Problem::new(
            StatusCode::NOT_IMPLEMENTED,
            "upgrade",
            "The connection cannot change its protocol",
            format!("The gate cannot read what would pass as `{asked}`, and does not pass it."),
        )
        .hint("use the target's requests and responses in place of a connection that stays open"),
    )
}

impl Unread {
    fn problem(&self) -> Box<Problem> {
        let title = "The request's body was not read";
        Box::new(match self {
            Self::Broken(why) => {
                Problem::new(StatusCode::BAD_REQUEST, "body", title, format!("{why}."))
            }
            Self::Slow => Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "slow-body",
                title,
                "Its next piece did not come in time.",
            ),
            Self::NoRoom => self.no_room(title),
        })
    }

    fn of_target(&self) -> Problem {
        let title = "The site's answer was not read";
        match self {
            Self::Broken(why) => {
                Problem::new(StatusCode::BAD_GATEWAY, "answer", title, format!("{why}."))
            }
            Self::Slow => Problem::new(
                StatusCode::GATEWAY_TIMEOUT,
                "slow",
                title,
                "Its next piece did not come in time.",
            ),
            Self::NoRoom => self.no_room(title),
        }
    }

    fn no_room(&self, title: &'static str) -> Problem {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "no-room",
            title,
            "The gate keeps as much to be judged as it may.",
        )
        .retry_after(Duration::from_secs(1))
    }
}

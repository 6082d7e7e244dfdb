//! gRPC calls that their pack lets be: messages go both ways as they come, those of the client watched for credentials
//! that the gate knows, those of the target masked, its trailers with them. None may be compressed.

use std::sync::Arc;
use std::task::{Context, Poll};

use backstop_wire::grpc::{Kind, Messages};
use backstop_wire::secrets::{Known, Stream};
use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{self, HeaderName};

use super::beyond::Calls;
use super::case::Case;
use super::config::Api;
use super::guard::Guard;
use super::reply::{FOREIGN, mask_headers};
use super::{HttpShared, answer, mismatch};
use crate::http::call::STATUS;
use crate::http::{Filter, ResponseHead, Stop, Treatment};

/// How an answer says that its messages are compressed.
const ENCODINGS: [HeaderName; 2] = [
    HeaderName::from_static("grpc-encoding"),
    HeaderName::from_static("connect-content-encoding"),
];

/// PERMISSION_DENIED and UNAUTHENTICATED: 403 and 401 of a call.
const REFUSED: [&str; 2] = ["7", "16"];

/// Whether an answer is one of a call, and not a page of somebody between.
pub(super) fn is_answer(head: &ResponseHead) -> bool {
    let told = head.headers.get(header::CONTENT_TYPE);
    told.and_then(|told| Kind::of(told.to_str().ok()?))
        .is_some()
}

/// How a call was refused, if it was the credential that did not do.
fn refused(headers: &HeaderMap) -> Option<String> {
    let status = headers.get(STATUS)?.to_str().ok()?;
    REFUSED
        .contains(&status)
        .then(|| format!("status {status} of gRPC"))
}

impl HttpShared {
    /// What becomes of the answer to a call.
    pub(super) async fn called(
        &self,
        case: &Case,
        api: &Api,
        head: &ResponseHead,
        call: Calls,
        known: Arc<Known<usize>>,
    ) -> Treatment {
        let encoded = |name: &HeaderName| {
            let value = head.headers.get(name);
            value.is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
        };
        if ENCODINGS.iter().any(encoded) {
            return Treatment::Replace(answer::encoded(&api.name));
        }
        let with_credential = api.secret.is_some();
        // An answer without messages says so at once.
        if let Some(how) = refused(&head.headers).filter(|_| with_credential) {
            self.refused(case, api, &how).await;
            return Treatment::Replace(answer::mismatch(&api.name, &how));
        }
        let lease = case.record.lease.id.clone();
        let guard = Guard::of(&self.store, &lease).writing(call.writes);
        let (store, source, name) = (self.store.clone(), case.source.clone(), api.name.clone());
        let tell = move |how: String| {
            tokio::spawn(async move {
                mismatch::refused(&store, &lease, &source, &name, &how).await;
            });
        };
        let tell: Option<Tell> = with_credential.then(|| Box::new(tell) as Tell);
        Treatment::Filter(Box::new(Answering::new(call.kind, known, guard, tell)))
    }
}

/// Stops a call whose client sends a credential that the gate knows: before its last byte went.
pub(super) struct Calling {
    messages: Messages,
    finder: Stream<Arc<Known<usize>>>,
    /// What the finder gives on, which nobody needs: it would keep back what a target waits for.
    passed: Vec<u8>,
    guard: Guard,
    /// Stops the lease. The call's end may be far: its answer goes on by itself.
    trip: Option<Trip>,
}

impl Calling {
    pub(super) fn new(known: Arc<Known<usize>>, guard: Guard, trip: Trip) -> Self {
        Self {
            messages: Messages::asked(),
            finder: Stream::finder(known),
            passed: Vec::new(),
            guard,
            trip: Some(trip),
        }
    }

    fn look(&mut self, mut input: &[u8]) -> Result<(), Stop> {
        while let Some(piece) = self.messages.next(&mut input).map_err(|e| broken(&e))? {
            self.passed.clear();
            if piece.is_message && !self.finder.feed(piece.bytes, &mut self.passed).is_empty() {
                if let Some(trip) = self.trip.take() {
                    trip();
                }
                return Err(Stop(FOREIGN.into()));
            }
        }
        Ok(())
    }
}

impl Filter for Calling {
    fn data(&mut self, bytes: Bytes) -> Result<Bytes, Stop> {
        self.guard.check()?;
        self.look(&bytes)?;
        Ok(bytes)
    }

    fn trailers(&mut self, trailers: &mut HeaderMap) -> Result<(), Stop> {
        // A call has none, and nothing looked at them.
        trailers.clear();
        Ok(())
    }

    fn keeps_length(&self) -> bool {
        true
    }

    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        self.guard.poll_stopped(cx)
    }
}

/// Stops the lease for what was found.
pub(super) type Trip = Box<dyn FnOnce() + Send>;

/// Tells people that a target refused the credential.
type Tell = Box<dyn FnOnce(String) + Send>;

/// Masks the gate's own credentials in the messages and trailers of an answer. What could be the beginning of one is kept
/// back, but never beyond the end of its message.
struct Answering {
    messages: Messages,
    masker: Stream<Arc<Known<usize>>>,
    known: Arc<Known<usize>>,
    guard: Guard,
    tell: Option<Tell>,
}

impl Answering {
    fn new(kind: Kind, known: Arc<Known<usize>>, guard: Guard, tell: Option<Tell>) -> Self {
        Self {
            messages: Messages::answered(kind),
            masker: Stream::masker(Arc::clone(&known)),
            known,
            guard,
            tell,
        }
    }

    fn pass(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), Stop> {
        while let Some(piece) = self.messages.next(&mut input).map_err(|e| broken(&e))? {
            if piece.is_message {
                let _ = self.masker.feed(piece.bytes, out);
            } else {
                out.extend_from_slice(piece.bytes);
            }
            if piece.ends {
                self.masker.flush(out);
            }
        }
        Ok(())
    }
}

impl Filter for Answering {
    fn data(&mut self, bytes: Bytes) -> Result<Bytes, Stop> {
        self.guard.check()?;
        let mut out = Vec::with_capacity(bytes.len());
        self.pass(&bytes, &mut out)?;
        Ok(out.into())
    }

    fn end(&mut self) -> Result<Bytes, Stop> {
        let mut out = Vec::new();
        self.masker.flush(&mut out);
        Ok(out.into())
    }

    fn trailers(&mut self, trailers: &mut HeaderMap) -> Result<(), Stop> {
        if let Some(how) = refused(trailers)
            && let Some(tell) = self.tell.take()
        {
            tell(how);
        }
        mask_headers(trailers, &self.known);
        Ok(())
    }

    fn keeps_length(&self) -> bool {
        true
    }

    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        self.guard.poll_stopped(cx)
    }
}

fn broken(error: &backstop_wire::grpc::Broken) -> Stop {
    Stop(error.to_string())
}

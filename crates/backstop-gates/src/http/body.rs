//! Bodies as they pass: frame by frame with backpressure, never more in memory than what is to be judged.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::HeaderMap;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

use super::connection::Busy;
use super::judge::{Carried, Filter};

/// Why a body broke off.
pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// So much of what nobody wants any more is still read, in bytes.
const DRAINED: usize = 64 << 20;
/// And for so long.
const DRAINING: Duration = Duration::from_secs(10);

/// A body that passes.
#[derive(Default)]
pub(crate) struct Passing {
    read: VecDeque<Bytes>,
    rest: Option<Incoming>,
    trailers: Option<HeaderMap>,
    filter: Option<Box<dyn Filter>>,
    patience: Option<Patience>,
    watch: Option<Box<dyn Watch>>,
    /// The room that what was read takes up.
    _room: Option<OwnedSemaphorePermit>,
    _held: Option<Busy>,
}

/// Is told of what passes.
pub(crate) trait Watch: Send {
    /// So many bytes passed.
    fn passed(&mut self, bytes: usize);
    /// Nothing more will.
    fn ended(self: Box<Self>, how: Ended);
}

/// How a body ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All of it passed.
    Whole,
    /// Who sent it broke off, was too slow, or a filter stopped it.
    Failed(String),
    /// Who takes it wants no more.
    Dropped,
}

impl Passing {
    pub(crate) fn empty() -> Self {
        Self::default()
    }

    pub(crate) fn full(bytes: Bytes) -> Self {
        let mut body = Self::default();
        if !bytes.is_empty() {
            body.read.push_back(bytes);
        }
        body
    }

    /// As it comes; each next piece may take so long.
    pub(crate) fn stream(rest: Incoming, patience: Duration) -> Self {
        let mut body = Self::default();
        body.rest = Some(rest);
        body.patience = Some(Patience::of(patience));
        body
    }

    pub(crate) fn filtered(mut self, filter: Box<dyn Filter>) -> Self {
        self.filter = Some(filter);
        self
    }

    pub(crate) fn watched(mut self, watch: Box<dyn Watch>) -> Self {
        self.watch = Some(watch);
        self
    }

    /// Keeps its connection busy until it is over.
    pub(crate) fn holding(mut self, busy: Busy) -> Self {
        self._held = Some(busy);
        self
    }

    /// Reads on for a while and throws it away: many clients read an answer only when they have sent everything, and take
    /// a stream that is broken off under them for an error of the network.
    pub(crate) async fn drain(mut self) {
        let all = async {
            let mut left = DRAINED;
            while let Some(Ok(frame)) = self.frame().await {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                match left.checked_sub(bytes) {
                    Some(rest) => left = rest,
                    None => return,
                }
            }
        };
        // What is longer, or slower, is broken off.
        let _ = tokio::time::timeout(DRAINING, all).await;
    }

    /// What is still to come, where nothing was read and nothing else is done with it.
    pub(crate) fn into_rest(mut self) -> Option<Incoming> {
        self.rest.take()
    }

    /// Its length in bytes, if it is known.
    pub(crate) fn length(&self) -> Option<u64> {
        self.size_hint().exact()
    }

    /// Takes the next frame through the filter; `None` if the filter keeps all of it.
    fn filter(&mut self, bytes: Bytes) -> Result<Option<Bytes>, BodyError> {
        let bytes = match &mut self.filter {
            Some(filter) => filter.data(bytes)?,
            None => bytes,
        };
        Ok((!bytes.is_empty()).then_some(bytes))
    }

    /// What is left when all was read: held back by the filter, or trailers.
    fn last(&mut self) -> Result<Option<Frame<Bytes>>, BodyError> {
        if let Some(mut filter) = self.filter.take() {
            let left = filter.end()?;
            if let Some(trailers) = &mut self.trailers {
                filter.trailers(trailers)?;
            }
            if !left.is_empty() {
                return Ok(Some(Frame::data(left)));
            }
        }
        Ok(self.trailers.take().map(Frame::trailers))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, BodyError>> {
        loop {
            let bytes = if let Some(bytes) = self.read.pop_front() {
                bytes
            } else if let Some(rest) = &mut self.rest {
                let Poll::Ready(next) = Pin::new(rest).poll_frame(cx) else {
                    if let Some(filter) = &mut self.filter
                        && let Poll::Ready(stop) = filter.poll_stopped(cx)
                    {
                        return Poll::Ready(Err(stop.into()));
                    }
                    return match &mut self.patience {
                        Some(patience) => patience.poll(cx).map(Err),
                        None => Poll::Pending,
                    };
                };
                if let Some(patience) = &mut self.patience {
                    patience.rest();
                }
                match next.transpose()?.map(Frame::into_data) {
                    Some(Ok(bytes)) => bytes,
                    Some(Err(frame)) => {
                        self.trailers = frame.into_trailers().ok();
                        self.rest = None;
                        continue;
                    }
                    None => {
                        self.rest = None;
                        continue;
                    }
                }
            } else {
                return Poll::Ready(self.last());
            };
            let mut passed = self.filter(bytes)?.unwrap_or_default();
            // Who knows the length asks no more once all of it has come.
            if self.is_read() && self.trailers.is_none() {
                self.rest = None;
                if let Some(mut filter) = self.filter.take() {
                    passed = followed_by(passed, filter.end()?);
                }
            }
            if !passed.is_empty() {
                return Poll::Ready(Ok(Some(Frame::data(passed))));
            }
        }
    }

    /// Whether all was read, but for what the filter holds back.
    fn is_read(&self) -> bool {
        self.read.is_empty() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn tell(&mut self, how: Ended) {
        if let Some(watch) = self.watch.take() {
            watch.ended(how);
        }
    }
}

impl Body for Passing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let body = self.get_mut();
        let next = ready!(body.poll_next(cx));
        match next {
            Ok(Some(frame)) => {
                if let (Some(watch), Some(bytes)) = (&mut body.watch, frame.data_ref()) {
                    watch.passed(bytes.len());
                }
                // Nobody asks again for what says that it is over.
                if body.is_end_stream() {
                    body.tell(Ended::Whole);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Ok(None) => {
                body.tell(Ended::Whole);
                Poll::Ready(None)
            }
            Err(error) => {
                body.tell(Ended::Failed(error.to_string()));
                body.read.clear();
                body.rest = None;
                body.filter = None;
                body.trailers = None;
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_read() && self.trailers.is_none() && self.filter.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        // With a length there can be no trailers in HTTP/1.1.
        if self.filter.as_ref().is_some_and(|f| !f.keeps_length()) || self.trailers.is_some() {
            return SizeHint::default();
        }
        let read: u64 = self.read.iter().map(|b| b.len() as u64).sum();
        match &self.rest {
            None => SizeHint::with_exact(read),
            Some(rest) => rest
                .size_hint()
                .exact()
                .map_or_else(SizeHint::default, |n| SizeHint::with_exact(n + read)),
        }
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        let how = if self.is_end_stream() {
            Ended::Whole
        } else {
            Ended::Dropped
        };
        self.tell(how);
    }
}

fn followed_by(bytes: Bytes, more: Bytes) -> Bytes {
    match (bytes.is_empty(), more.is_empty()) {
        (_, true) => bytes,
        (true, false) => more,
        (false, false) => [bytes, more].concat().into(),
    }
}

/// How long to wait for the next piece. The timer is made when somebody waits.
struct Patience {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Patience {
    const fn of(limit: Duration) -> Self {
        Self {
            limit,
            timer: None,
            waiting: false,
        }
    }

    const fn rest(&mut self) {
        self.waiting = false;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let end = Instant::now() + self.limit;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
        if !self.waiting {
            timer.as_mut().reset(end);
            self.waiting = true;
        }
        timer
            .as_mut()
            .poll(cx)
            .map(|()| format!("nothing came for {} seconds", self.limit.as_secs()).into())
    }
}

/// Why a body could not be read to be judged.
#[derive(Debug)]
pub(crate) enum Unread {
    /// The sender broke off or did not keep to the protocol.
    Broken(String),
    /// The next piece did not come in time.
    Slow,
    /// Too much is kept already, for others.
    NoRoom,
}

/// A body that was read as far as was wished.
pub(crate) struct Gathered {
    pub(crate) carried: Carried,
    /// What is sent if it is sent as it came.
    pub(crate) body: Passing,
}

/// Reads up to `limit` bytes. A longer body is not lost: what was read stands before the rest.
pub(crate) async fn gather(
    mut rest: Incoming,
    limit: Option<usize>,
    patience: Duration,
    room: &Arc<Semaphore>,
) -> Result<Gathered, Unread> {
    if rest.is_end_stream() {
        return Ok(Gathered {
            carried: Carried::Absent,
            body: Passing::empty(),
        });
    }
    let length = rest.size_hint().exact();
    let streamed = Carried::Streamed { length };
    let limit = match limit {
        Some(limit) if length.is_none_or(|n| n <= limit as u64) => limit,
        _ => {
            return Ok(Gathered {
                carried: streamed,
                body: Passing::stream(rest, patience),
            });
        }
    };
    let mut read = VecDeque::new();
    let mut total = 0;
    let mut trailers = None;
    let mut taken: Option<OwnedSemaphorePermit> = None;
    loop {
        let next = tokio::time::timeout(patience, rest.frame())
            .await
            .map_err(|_| Unread::Slow)?;
        match next {
            None => break,
            Some(Err(error)) => return Err(Unread::Broken(error.to_string())),
            Some(Ok(frame)) => match frame.into_data() {
                Err(frame) => trailers = frame.into_trailers().ok(),
                Ok(bytes) => {
                    total += bytes.len();
                    let more = u32::try_from(bytes.len()).map_err(|_| Unread::NoRoom)?;
                    let more = Arc::clone(room)
                        .try_acquire_many_owned(more)
                        .map_err(|_| Unread::NoRoom)?;
                    match &mut taken {
                        Some(taken) => taken.merge(more),
                        None => taken = Some(more),
                    }
                    read.push_back(bytes);
                    if total > limit {
                        let mut body = Passing::stream(rest, patience);
                        body.read = read;
                        body._room = taken;
                        let carried = streamed;
                        return Ok(Gathered { carried, body });
                    }
                }
            },
        }
    }
    let bytes = join(read, total);
    let mut body = Passing::full(bytes.clone());
    body.trailers.clone_from(&trailers);
    body._room = taken;
    Ok(Gathered {
        carried: Carried::Whole { bytes, trailers },
        body,
    })
}

fn join(mut read: VecDeque<Bytes>, total: usize) -> Bytes {
    if read.len() == 1 {
        return read.pop_front().unwrap_or_default();
    }
    let mut all = BytesMut::with_capacity(total);
    for bytes in read {
        all.extend_from_slice(&bytes);
    }
    all.freeze()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::judge::Stop;
    use super::*;

    /// Lets through in upper case, one byte behind; stops at an exclamation mark.
    #[derive(Default)]
    struct Shout(Vec<u8>);

    impl Filter for Shout {
        fn data(&mut self, bytes: Bytes) -> Result<Bytes, Stop> {
            if bytes.contains(&b'!') {
                return Err(Stop("not so loud".into()));
            }
            self.0.extend_from_slice(&bytes.to_ascii_uppercase());
            let last = self.0.pop();
            let out = std::mem::take(&mut self.0);
            self.0.extend(last);
            Ok(out.into())
        }

        fn end(&mut self) -> Result<Bytes, Stop> {
            Ok(std::mem::take(&mut self.0).into())
        }

        fn trailers(&mut self, trailers: &mut HeaderMap) -> Result<(), Stop> {
            trailers.remove("x-secret");
            Ok(())
        }
    }

    struct Notes(Noted);

    impl Watch for Notes {
        fn passed(&mut self, bytes: usize) {
            self.0.lock().unwrap().0 += bytes;
        }

        fn ended(self: Box<Self>, how: Ended) {
            self.0.lock().unwrap().1 = Some(how);
        }
    }

    type Noted = Arc<Mutex<(usize, Option<Ended>)>>;

    fn noted(body: Passing) -> (Passing, Noted) {
        let notes = Arc::default();
        (body.watched(Box::new(Notes(Arc::clone(&notes)))), notes)
    }

    #[tokio::test]
    async fn a_filter_gives_out_what_it_held_back() {
        let mut body = Passing::full("ab".into()).filtered(Box::<Shout>::default());
        body.read.push_back("c".into());
        let trailers = [("x-secret", "1"), ("x-sum", "2")]
            .map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap()));
        body.trailers = Some(HeaderMap::from_iter(trailers));
        assert_eq!(body.length(), None);
        let (body, notes) = noted(body);
        let all = body.collect().await.unwrap();
        assert_eq!(all.trailers().unwrap().len(), 1);
        assert_eq!(all.to_bytes(), "ABC");
        assert_eq!(*notes.lock().unwrap(), (3, Some(Ended::Whole)));
    }

    #[tokio::test]
    async fn a_filtered_body_is_over_with_its_last_piece() {
        let mut body = Passing::full("ab".into()).filtered(Box::<Shout>::default());
        body.read.push_back("c".into());
        let (mut body, notes) = noted(body);
        for piece in ["A", "BC"] {
            assert!(!body.is_end_stream());
            let frame = body.frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), piece);
        }
        assert!(body.is_end_stream());
        assert_eq!(*notes.lock().unwrap(), (3, Some(Ended::Whole)));
    }

    #[tokio::test]
    async fn a_filter_that_stops_ends_the_body_with_an_error() {
        let mut body = Passing::full("ab".into()).filtered(Box::<Shout>::default());
        body.read.push_back("!".into());
        let (body, notes) = noted(body);
        assert!(body.collect().await.is_err());
        assert_eq!(
            *notes.lock().unwrap(),
            (1, Some(Ended::Failed("not so loud".into())))
        );
    }

    #[tokio::test]
    async fn a_watch_is_told_once_and_always() {
        let (body, notes) = noted(Passing::empty());
        drop(body);
        assert_eq!(*notes.lock().unwrap(), (0, Some(Ended::Whole)));
        let (body, notes) = noted(Passing::full("abc".into()));
        drop(body);
        assert_eq!(*notes.lock().unwrap(), (0, Some(Ended::Dropped)));
        let (mut body, notes) = noted(Passing::full("abc".into()));
        assert_eq!(body.length(), Some(3));
        assert!(!body.is_end_stream());
        body.frame().await.unwrap().unwrap();
        assert!(body.is_end_stream());
        assert_eq!(*notes.lock().unwrap(), (3, Some(Ended::Whole)));
    }
}

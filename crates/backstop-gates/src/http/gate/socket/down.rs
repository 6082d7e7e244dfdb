//! From the target to the client: the gate's own credentials are masked, each frame as long as it was. What could be the
//! beginning of one is kept back, but never beyond the end of its message: who waits for a message gets all of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use backstop_wire::providers::Socket;
use backstop_wire::secrets::Stream;
use backstop_wire::websocket::{Frames, Head, Kind, Piece, Side, close, code_of};
use bytes::Bytes;

use super::super::guard::Guard;
use super::{Secrets, Talk, code};
use crate::http::{Filter, Stop};

/// What a target says.
pub(super) struct Downward {
    talk: Arc<Talk>,
    guard: Guard,
    frames: Frames,
    head: Option<Head>,
    /// What came of a control frame.
    control: Vec<u8>,
    /// Whether a message is in pieces.
    pieces: bool,
    masker: Option<(Secrets, Stream<Secrets>)>,
    /// What is given out in this order.
    queue: VecDeque<Part>,
    /// Whether the target closed it.
    closed: bool,
    /// Why nothing more passes, once what came before has passed.
    stop: Option<Stop>,
}

/// A part of what is given out.
enum Part {
    /// These bytes.
    Written(Vec<u8>),
    /// So many of what the masker gives.
    Payload(u64),
}

impl Downward {
    pub(super) fn new(talk: Arc<Talk>, guard: Guard) -> Self {
        Self {
            talk,
            guard,
            frames: Frames::of(Side::Server),
            head: None,
            control: Vec::new(),
            pieces: false,
            masker: None,
            queue: VecDeque::new(),
            closed: false,
            stop: None,
        }
    }

    fn pass(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), Stop> {
        loop {
            let piece = match self.frames.next(&mut input) {
                Ok(Some(piece)) => piece,
                Ok(None) => return Ok(()),
                Err(broken) => {
                    let why = format!("what the target says is no WebSocket: {broken}");
                    return Err(self.talk.end(code::BROKEN, &why));
                }
            };
            match piece {
                Piece::Head(head) => self.begin(head)?,
                Piece::Payload { bytes, .. } => self.payload(bytes, out),
                Piece::End => self.end_frame(out)?,
            }
            self.pour(&[], out);
        }
    }

    fn begin(&mut self, head: Head) -> Result<(), Stop> {
        if head.kind.is_control() {
            self.control.clone_from(&head.sent);
        } else {
            if !self.pieces {
                self.renew()?;
            }
            self.pieces = !head.last;
            self.queue.push_back(Part::Written(head.sent.clone()));
            if head.length > 0 {
                self.queue.push_back(Part::Payload(head.length));
            }
        }
        self.head = Some(head);
        Ok(())
    }

    /// What is masked, as it is known when a message begins.
    fn renew(&mut self) -> Result<(), Stop> {
        let known = match self.talk.gate.ring() {
            Ok(ring) => ring.real(),
            Err(error) => return Err(self.talk.broken(&error)),
        };
        let other = |(before, _): &(Secrets, _)| !Arc::ptr_eq(before, &known);
        if self.masker.as_ref().is_none_or(other) {
            let stream = Stream::masker(Arc::clone(&known));
            self.masker = Some((known, stream));
        }
        Ok(())
    }

    fn payload(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self
            .head
            .as_ref()
            .is_some_and(|head| head.kind.is_control())
        {
            return self.control.extend_from_slice(bytes);
        }
        let mut given = Vec::with_capacity(bytes.len());
        if let Some((_, stream)) = &mut self.masker {
            let _ = stream.feed(bytes, &mut given);
        }
        self.pour(&given, out);
    }

    fn end_frame(&mut self, out: &mut Vec<u8>) -> Result<(), Stop> {
        let Some(head) = self.head.take() else {
            return Ok(());
        };
        if head.kind.is_control() {
            let frame = std::mem::take(&mut self.control);
            return self.end_control(&head, frame);
        }
        if head.last {
            let mut given = Vec::new();
            if let Some((_, stream)) = &mut self.masker {
                stream.flush(&mut given);
            }
            self.pour(&given, out);
        }
        Ok(())
    }

    fn end_control(&mut self, head: &Head, mut frame: Vec<u8>) -> Result<(), Stop> {
        let known = match self.talk.gate.ring() {
            Ok(ring) => ring.real(),
            Err(error) => return Err(self.talk.broken(&error)),
        };
        let payload = frame.get_mut(head.sent.len()..).unwrap_or_default();
        if head.kind == Kind::Close {
            self.closed = true;
            let said = code_of(payload).ok().flatten();
            if self.talk.may == Socket::Graphql && said == Some(code::FORBIDDEN) {
                let how = format!("a close with {}", code::FORBIDDEN);
                self.talk.refused_by_target(how);
            }
        }
        known.mask(payload);
        self.queue.push_back(Part::Written(frame));
        Ok(())
    }

    /// Gives out what can be: frames in their order, and of their payloads what was masked.
    fn pour(&mut self, mut masked: &[u8], out: &mut Vec<u8>) {
        while let Some(part) = self.queue.front_mut() {
            match part {
                Part::Written(bytes) => out.append(bytes),
                Part::Payload(left) => {
                    let most = usize::try_from(*left).unwrap_or(usize::MAX);
                    let (now, rest) = masked.split_at(most.min(masked.len()));
                    out.extend_from_slice(now);
                    masked = rest;
                    *left -= now.len() as u64;
                    if *left > 0 {
                        return;
                    }
                }
            }
            self.queue.pop_front();
        }
    }
}

impl Filter for Downward {
    fn data(&mut self, bytes: Bytes) -> Result<Bytes, Stop> {
        if let Some(stop) = &self.stop {
            return Err(stop.clone());
        }
        self.guard.check()?;
        let mut out = Vec::with_capacity(bytes.len());
        self.stop = self.pass(&bytes, &mut out).err();
        Ok(out.into())
    }

    fn end(&mut self) -> Result<Bytes, Stop> {
        let (mut given, mut out) = (Vec::new(), Vec::new());
        if let Some((_, stream)) = &mut self.masker {
            stream.flush(&mut given);
        }
        self.pour(&given, &mut out);
        Ok(out.into())
    }

    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        match &self.stop {
            Some(stop) => Poll::Ready(stop.clone()),
            None => self.guard.poll_stopped(cx),
        }
    }

    fn parting(&mut self, stop: &Stop) -> Bytes {
        // In the middle of a frame nothing can be said, and after a close nothing is heard.
        if self.closed || !self.queue.is_empty() {
            return Bytes::new();
        }
        let (code, reason) = match self.talk.ending.get() {
            Some((code, reason)) => (*code, reason.clone()),
            None => (code::POLICY, format!("Backstop: {stop}")),
        };
        close(code, &reason, None).into()
    }
}

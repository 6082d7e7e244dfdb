//! From the client to the target: message by message, each looked through before a byte of it goes.

use std::sync::Arc;
use std::task::{Context, Poll};

use backstop_wire::providers::Socket;
use backstop_wire::websocket::{Control, Item, Kind, Message, Messages, close, frame};
use bytes::Bytes;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::OwnedSemaphorePermit;

use super::super::guard::Guard;
use super::search::Search;
use super::{Talk, code};
use crate::http::{Filter, Stop};

/// What a client says.
pub(super) struct Upward {
    talk: Arc<Talk>,
    guard: Guard,
    messages: Messages,
    search: Search,
    /// Whether a message came.
    begun: bool,
    /// Whether the client closed it.
    closed: bool,
    /// The room that what is kept takes up.
    room: Option<OwnedSemaphorePermit>,
    /// Why nothing more passes, once what came before has passed.
    stop: Option<Stop>,
}

impl Upward {
    pub(super) fn new(talk: Arc<Talk>, guard: Guard) -> Self {
        Self {
            guard,
            messages: Messages::new(talk.gate.config.judged),
            search: Search::new(Arc::clone(&talk)),
            begun: false,
            closed: false,
            room: None,
            stop: None,
            talk,
        }
    }

    fn pass(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), Stop> {
        loop {
            match self.messages.next(&mut input) {
                Ok(Some(Item::Message(message))) => {
                    let frames = self.message(message)?;
                    out.extend_from_slice(&frames);
                }
                Ok(Some(Item::Control(control))) => self.control(&control, out)?,
                Ok(None) => return self.keep(),
                Err(broken) => return Err(self.talk.end(broken.code(), &broken.to_string())),
            }
        }
    }

    fn control(&mut self, control: &Control, out: &mut Vec<u8>) -> Result<(), Stop> {
        self.search.look(&control.payload, false)?;
        self.closed |= control.kind == Kind::Close;
        out.extend_from_slice(&control.frame);
        Ok(())
    }

    /// The frames that pass in a message's place.
    fn message(&mut self, message: Message) -> Result<Vec<u8>, Stop> {
        let first = !std::mem::replace(&mut self.begun, true);
        if self.talk.may == Socket::Harmless {
            self.search.look(&message.payload, first)?;
            return Ok(message.frames);
        }
        let text = std::str::from_utf8(&message.payload).ok();
        let text = text.filter(|_| message.is_text);
        if let Some(init) = text.and_then(|text| self.talk.init(text)) {
            self.search.look(init.clean.as_bytes(), first)?;
            let payload = init.filled.as_bytes();
            return Ok(frame(Kind::Text, payload, Some(self.key()?)));
        }
        self.search.look(&message.payload, first)?;
        self.talk.asked(text)?;
        Ok(message.frames)
    }

    /// A mask that nobody can tell before (RFC 6455, section 5.3).
    fn key(&self) -> Result<[u8; 4], Stop> {
        let mut key = [0; 4];
        let drawn = SystemRandom::new().fill(&mut key);
        drawn.map_err(|_| self.talk.broken(&"there is no chance to be had"))?;
        Ok(key)
    }

    /// Takes room for what is kept, or gives it back.
    fn keep(&mut self) -> Result<(), Stop> {
        let held = self.messages.held();
        let taken = self.room.as_ref().map_or(0, |room| room.num_permits());
        if held == 0 {
            self.room = None;
        }
        let Some(more) = held.checked_sub(taken).filter(|more| *more > 0) else {
            return Ok(());
        };
        let all = Arc::clone(&self.talk.gate.room);
        let more = u32::try_from(more).ok();
        match more.and_then(|more| all.try_acquire_many_owned(more).ok()) {
            None => Err(self.talk.end(
                code::LATER,
                "the gate keeps as much to be judged as it may; try again later",
            )),
            Some(more) => {
                match &mut self.room {
                    Some(room) => room.merge(more),
                    None => self.room = Some(more),
                }
                Ok(())
            }
        }
    }
}

impl Filter for Upward {
    fn data(&mut self, bytes: Bytes) -> Result<Bytes, Stop> {
        if let Some(stop) = &self.stop {
            return Err(stop.clone());
        }
        self.guard.check()?;
        let mut out = Vec::with_capacity(bytes.len());
        // What came before it was let through already, and written down as such.
        self.stop = self.pass(&bytes, &mut out).err();
        Ok(out.into())
    }

    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        match &self.stop {
            Some(stop) => Poll::Ready(stop.clone()),
            None => self.guard.poll_stopped(cx),
        }
    }

    fn parting(&mut self, _: &Stop) -> Bytes {
        match self.key() {
            // Going away, without a reason: why is the client's to know.
            Ok(key) if !self.closed => close(1001, "", Some(key)).into(),
            _ => Bytes::new(),
        }
    }
}

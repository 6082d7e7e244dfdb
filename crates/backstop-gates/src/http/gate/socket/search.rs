//! Credentials in what a client says on a socket: those that the gate knows, in any form and over any number of messages;
//! and in texts whatever looks like one.

use std::cell::Cell;
use std::sync::Arc;

use backstop_wire::http::{self, Why};
use backstop_wire::secrets::Stream;

use super::super::foreign::Foreign;
use super::super::known::{Hit, Owner, Ring};
use super::{Secrets, Talk, code};
use crate::http::Stop;

/// Looks through one client's messages, in order.
pub(super) struct Search {
    talk: Arc<Talk>,
    /// What is known, and what of it the messages so far may have begun.
    across: Option<(Secrets, Stream<Secrets>)>,
    /// What the stream gives on, which nobody needs.
    passed: Vec<u8>,
}

const PLACE: &str = "a message on a WebSocket";

impl Search {
    pub(super) fn new(talk: Arc<Talk>) -> Self {
        Self {
            talk,
            across: None,
            passed: Vec::new(),
        }
    }

    /// Looks through the next message, or what a control frame carries. A client logs in with its `first` message, if with
    /// any: what was drawn by a machine is a credential there, and may be anything later.
    pub(super) fn look(&mut self, payload: &[u8], first: bool) -> Result<(), Stop> {
        let ring = match self.talk.gate.ring() {
            Ok(ring) => ring,
            Err(error) => return Err(self.talk.broken(&error)),
        };
        self.known(&ring, payload)?;
        // A server may take bytes that are a text for one.
        if std::str::from_utf8(payload).is_ok() {
            self.unknown(&ring, payload, first)?;
        }
        Ok(())
    }

    fn known(&mut self, ring: &Ring, payload: &[u8]) -> Result<(), Stop> {
        let talk = Arc::clone(&self.talk);
        let kept = Cell::new(false);
        let mine = |owner: &Owner| {
            let is = talk.is_kept(owner);
            kept.set(kept.get() || is);
            is
        };
        if let Some(hit) = ring.find(payload, mine) {
            return Err(talk.foreign(of(&hit)));
        }
        let known = ring.of_requests();
        let other = |(before, _): &(Secrets, _)| !Arc::ptr_eq(before, &known);
        if self.across.as_ref().is_none_or(other) {
            let stream = Stream::finder(Arc::clone(&known));
            self.across = Some((known, stream));
        }
        self.passed.clear();
        if let Some((_, stream)) = &mut self.across {
            for found in stream.feed(payload, &mut self.passed) {
                let hit = ring.hit(*found.id);
                if let Some(hit) = hit.filter(|hit| !talk.is_kept(hit.owner)) {
                    return Err(talk.foreign(of(&hit)));
                }
            }
        }
        if kept.get() {
            // What this target revealed to this lease is put in where a request is read, and a socket is none.
            let reason = "a kept credential cannot stand in a message; send it in an HTTP request";
            return Err(talk.end(code::POLICY, reason));
        }
        Ok(())
    }

    fn unknown(&self, ring: &Ring, payload: &[u8], first: bool) -> Result<(), Stop> {
        let talk = &self.talk;
        let credentials = http::presented_in_message(&talk.gate.engine, &talk.host, payload);
        let issued = |value: &str| {
            let digest = talk.gate.traffic.salted(value.as_bytes());
            talk.gate.issued.has(&talk.lease, &talk.api.name, digest)
                || ring.is_kept(value, &talk.lease, &talk.api.name)
        };
        let mut all = credentials.presented.into_iter();
        let found =
            all.find(|one| (first || one.why != Why::Entropy) && !issued(one.value.reveal()));
        if let Some(found) = found {
            return Err(talk.foreign(Foreign {
                place: PLACE.to_owned(),
                kind: found.kind,
                value: Some(found.value),
                owner: None,
            }));
        }
        match credentials.missed {
            None => Ok(()),
            Some(why) => Err(talk.end(code::POLICY, &format!("a message, {why}"))),
        }
    }
}

fn of(hit: &Hit<'_>) -> Foreign {
    Foreign {
        place: PLACE.to_owned(),
        kind: None,
        value: hit.value.cloned(),
        owner: Some(hit.owner.clone()),
    }
}

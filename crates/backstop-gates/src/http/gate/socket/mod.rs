//! WebSockets. Each message of the client is kept until it is whole, looked through, and passed as it came; at a GraphQL
//! API it is read as well, and only what reads passes. What the target says is masked. No extension is agreed on, so that
//! what passes is what is meant.
//!
//! `up` and `down` are the filters of the two ways, `search` looks for credentials, `asked` judges GraphQL, `init` puts
//! the credential in where GraphQL's clients log in.

mod asked;
mod down;
mod init;
mod search;
mod up;

use std::sync::{Arc, OnceLock};

use backstop_core::effect::EffectKind;
use backstop_core::verdict::{Decision, Verdict};
use backstop_wire::providers::Socket;
use backstop_wire::secrets::Known;
use hyper::http::uri::PathAndQuery;

use super::beyond::Passage;
use super::case::Case;
use super::config::Api;
use super::foreign::Foreign;
use super::guard::Guard;
use super::known::Owner;
use super::{HttpShared, mismatch};
use crate::http::{Duplex, Stop};
use down::Downward;
use up::Upward;

/// Credentials that are looked for.
type Secrets = Arc<Known<usize>>;

/// Bytes of messages that are not whole yet, over all sockets.
pub(super) const ROOM: usize = 64 << 20;

/// Codes of the closes that the gate sends.
mod code {
    /// What was said may not be.
    pub(super) const POLICY: u16 = 1008;
    /// The gate cannot go on.
    pub(super) const BROKEN: u16 = 1011;
    /// It has no room now.
    pub(super) const LATER: u16 = 1013;
    /// GraphQL's for what is forbidden.
    pub(super) const FORBIDDEN: u16 = 4403;
}

/// One socket: whose it is, where it leads, and how it ended.
struct Talk {
    gate: Arc<HttpShared>,
    lease: String,
    api: Arc<Api>,
    host: String,
    /// Host and path, for people.
    place: String,
    source: String,
    connection: u64,
    placeholder: Option<String>,
    may: Socket,
    /// The code and the reason of the close that the client gets.
    ending: OnceLock<(u16, String)>,
}

impl HttpShared {
    /// The filters of the WebSocket that a request opens, if it opens one.
    pub(super) fn duplex(&self, case: &Case, target: &PathAndQuery) -> Option<Duplex> {
        let Passage::Socket(offered) = &case.passage else {
            return None;
        };
        let talk = Arc::new(Talk {
            gate: self.me.upgrade()?,
            lease: case.record.lease.id.clone(),
            api: case.api.clone()?,
            host: case.site.host().to_owned(),
            place: format!("{}{}", case.site, target.path()),
            source: case.source.clone(),
            connection: case.connection,
            placeholder: case.placeholder.clone(),
            may: offered.may?,
            ending: OnceLock::new(),
        });
        let guard = || Guard::of(&self.store, &talk.lease).writing(offered.writes);
        Some(Duplex {
            up: Some(Box::new(Upward::new(Arc::clone(&talk), guard()))),
            down: Some(Box::new(Downward::new(Arc::clone(&talk), guard()))),
        })
    }
}

impl Talk {
    /// It ends now. The first reason counts.
    fn end(&self, code: u16, reason: &str) -> Stop {
        // Later ones are what came of it.
        let _ = self.ending.set((code, reason.to_owned()));
        Stop(reason.to_owned())
    }

    /// The gate itself cannot go on (invariant 7).
    fn broken(&self, error: &dyn std::fmt::Display) -> Stop {
        tracing::error!(%error, "a WebSocket was closed");
        self.end(code::BROKEN, "the gate cannot go on with this now")
    }

    /// A credential that should not be there: the lease is stopped, and the person is told.
    fn foreign(&self, found: Foreign) -> Stop {
        let why = found.told();
        let verdict = Verdict {
            decision: Decision::Halt,
            rule: "foreign-credential".to_owned(),
            reason: why.clone(),
            people: 0,
        };
        if let Err(stop) = self.write(&why, EffectKind::Escape, &verdict, "halted") {
            tracing::error!(%stop, "a credential in a message was not journaled");
        }
        let gate = Arc::clone(&self.gate);
        let (lease, source) = (self.lease.clone(), self.source.clone());
        let host = self.host.clone();
        tokio::spawn(async move {
            let explain = &*gate.config.explain;
            mismatch::foreign(&gate.store, explain, &lease, &source, &host, found).await;
        });
        let reason = "stop: a credential that this lease did not get; tell the person you work for";
        self.end(code::POLICY, reason);
        Stop(why)
    }

    /// The target refused the credential that the gate put in.
    fn refused_by_target(&self, how: String) {
        let gate = Arc::clone(&self.gate);
        let (lease, source) = (self.lease.clone(), self.source.clone());
        let api = self.api.name.clone();
        tokio::spawn(async move {
            mismatch::refused(&gate.store, &lease, &source, &api, &how).await;
        });
    }

    /// Whether a known credential is the placeholder of what this target revealed to this lease.
    fn is_kept(&self, owner: &Owner) -> bool {
        matches!(owner, Owner::Kept { lease, api } if *lease == self.lease && *api == self.api.name)
    }
}

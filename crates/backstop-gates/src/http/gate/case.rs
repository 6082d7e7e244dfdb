//! What is known of one request between its steps.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use backstop_core::lease::LeaseRecord;
use backstop_core::verdict::Verdict;
use backstop_wire::providers::Reading;
use bytes::Bytes;

use super::beyond::Passage;
use super::config::Api;
use super::known::{Owner, Ring};
use super::reply::Inside;
use super::who::Standing;
use super::{aws, place};
use crate::http::{Head, Site};

/// What is known of one request between its steps.
pub struct Case {
    pub(super) record: LeaseRecord,
    pub(super) standing: Standing,
    pub(super) api: Option<Arc<Api>>,
    pub(super) placeholder: Option<String>,
    pub(super) site: Site,
    pub(super) source: String,
    pub(super) tls_name: Option<String>,
    pub(super) tunnel: Option<Site>,
    /// Whether the client took the listener for the target.
    pub(super) reverse: bool,
    pub(super) connection: u64,
    pub(super) action: u64,
    /// Whether its intent stands in the journal.
    pub(super) journaled: bool,
    /// What its outcome is called if nothing else comes of it.
    pub(super) result: &'static str,
    /// How its answer may say that the credential was refused, beside its status.
    pub(super) inside: Inside,
    /// Set when a body that passes as it comes carried a known credential.
    pub(super) tripped: Option<Arc<AtomicBool>>,
    /// Whether the lease's own placeholder stood in its place.
    pub(super) taken: bool,
    /// What the client's signature was for, at AWS.
    pub(super) signed: Option<aws::Scope>,
    /// Where credentials stand in its answer.
    pub(super) reveals: Vec<String>,
    /// Its body without what that only quotes, where it quotes anything.
    pub(super) said: Option<Bytes>,
    /// Where it goes beyond an answer.
    pub(super) passage: Passage,
}

impl Case {
    /// Whether a known credential is the placeholder of what this target revealed to this lease.
    pub(super) fn kept(&self, owner: &Owner) -> bool {
        let at = self.api.as_ref().map(|api| api.name.as_str());
        matches!(owner, Owner::Kept { lease, api } if *lease == self.record.lease.id && at == Some(api))
    }

    /// Whether a value is what was left in the place of the lease's own placeholder.
    pub(super) fn is_neutral(&self, value: &str) -> bool {
        let left = |api: &Arc<Api>| place::leaves_neutral(&api.placing);
        self.taken && value == place::NEUTRAL && self.api.as_ref().is_some_and(left)
    }

    /// Whether a known credential is a placeholder of this lease: worth nothing where it is only quoted.
    pub(super) fn own(&self, owner: &Owner) -> bool {
        matches!(
            owner,
            Owner::Placeholder { lease, .. } | Owner::Kept { lease, .. } if *lease == self.record.lease.id
        )
    }

    pub(super) fn is_kept(&self, ring: &Ring, value: &str) -> bool {
        let api = self.api.as_ref();
        api.is_some_and(|api| ring.is_kept(value, &self.record.lease.id, &api.name))
    }
}

/// A request that was read and judged.
pub(super) struct Judged {
    /// What is sent in its place, with kept credentials in it.
    pub(super) swapped: Option<(Head, Bytes)>,
    pub(super) clean: Head,
    pub(super) reading: Reading,
    pub(super) verdict: Verdict,
    pub(super) text: String,
    pub(super) origin: String,
}

//! Whose request it is: a lease proves itself to the proxy by its secret, and to a listener of one API by its
//! placeholder there.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use backstop_core::digest::Digest;
use backstop_core::lease::{LeaseRecord, LeaseState};
use backstop_core::secret::Secret;
use backstop_core::verdict::Decision;
use backstop_store::Store;
use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, StatusCode};

use crate::http::{Presented, Problem};
use crate::mismatch;
use crate::postgres::failures::Failures;
use crate::postgres::lease_verifier;

/// More proofs than this are not remembered.
const MOST: usize = 10_000;

/// What a lease may do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Everything that it may.
    Active,
    /// Only reads, for this reason.
    ReadsOnly(String),
}

/// Tells leases by what they present.
#[derive(Default)]
pub(super) struct Doorman {
    /// Salted digests of name and secret that were right once: a proof costs milliseconds.
    proved: Mutex<HashSet<Digest>>,
    failures: Failures,
}

impl Doorman {
    /// The lease that `presented` proves.
    pub(super) async fn lease(
        &self,
        store: &Store,
        presented: Option<&Presented>,
        source: &str,
    ) -> Result<LeaseRecord, Box<Problem>> {
        let Some(Presented::Basic { user, password }) = presented else {
            return Err(challenge("The proxy was given no lease and its secret."));
        };
        let proof = store
            .key()
            .salted(&[user.as_bytes(), b"\0", password.reveal().as_bytes()].concat());
        let known = |proved: &Mutex<HashSet<Digest>>| {
            proved
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .contains(&proof)
        };
        if known(&self.proved)
            && let Some(record) = store.lease(user)
        {
            return Ok(record);
        }
        let derived = derive(store, password.clone()).await;
        let found = derived.and_then(|derived| owner(store, &derived));
        match found {
            Some(record) if record.lease.id == *user => {
                self.failures.forgive(source);
                let mut proved = self.proved.lock().unwrap_or_else(PoisonError::into_inner);
                if proved.len() >= MOST {
                    proved.clear();
                }
                proved.insert(proof);
                Ok(record)
            }
            found => {
                let wait = self.failures.count(source);
                if found.is_some() {
                    mismatch::note(
                        store,
                        None,
                        source,
                        "the secret of a lease was presented under another name",
                    )
                    .await;
                }
                tokio::time::sleep(wait).await;
                Err(challenge("The lease or its secret is not known."))
            }
        }
    }

    /// Slows down whoever presents what is no lease's.
    pub(super) fn failed(&self, source: &str) -> Duration {
        self.failures.count(source)
    }
}

async fn derive(store: &Store, password: Secret<String>) -> Option<String> {
    let store = store.clone();
    tokio::task::spawn_blocking(move || lease_verifier(&store, password.reveal()))
        .await
        .ok()
        .flatten()
}

/// The lease whose secret it is. All share one salt.
fn owner(store: &Store, verifier: &str) -> Option<LeaseRecord> {
    let state = store.state();
    let mut all = state.leases.values();
    // Both are derived: that they agree in part tells nothing of the secret.
    all.find(|record| record.lease.verifier == verifier)
        .cloned()
}

/// Whether a lease may act at all.
pub(super) fn standing(store: &Store, record: &LeaseRecord) -> Result<Standing, Box<Problem>> {
    let (halted, frozen) = {
        let state = store.state();
        (state.halted.clone(), state.frozen.clone())
    };
    if let Some(why) = halted {
        return Err(stopped(&why));
    }
    match &record.state {
        LeaseState::Ended { why, .. } => Err(over(&format!("The lease ended: {why}."))),
        LeaseState::Halted {
            why, reads: false, ..
        } => Err(stopped(why)),
        _ if store.now_ms() >= record.lease.expires_ms => Err(over("The lease has expired.")),
        LeaseState::Halted { why, .. } => Ok(Standing::ReadsOnly(why.clone())),
        LeaseState::Active => Ok(frozen.map_or(Standing::Active, Standing::ReadsOnly)),
    }
}

/// The proxy's own challenge.
fn challenge(detail: &str) -> Box<Problem> {
    let mut problem = Problem::new(
        StatusCode::PROXY_AUTHENTICATION_REQUIRED,
        "lease",
        "This proxy is for leases",
        detail,
    )
    .hint("use the environment that `backstop lease create` printed");
    let mut headers = HeaderMap::new();
    headers.insert(
        header::PROXY_AUTHENTICATE,
        HeaderValue::from_static("Basic realm=\"Backstop\""),
    );
    problem.headers = headers;
    Box::new(problem)
}

/// The lease is stopped, and only a person lets it go on.
pub(super) fn stopped(why: &str) -> Box<Problem> {
    Box::new(
        Problem::new(
            StatusCode::FORBIDDEN,
            "halted",
            "Stop: this lease is halted",
            format!("{why}."),
        )
        .decided(Decision::Halt, "halted")
        .hint("stop and tell the person you work for; only they can let it go on, by `backstop resume`"),
    )
}

fn over(detail: &str) -> Box<Problem> {
    Box::new(
        Problem::new(
            StatusCode::FORBIDDEN,
            "lease-over",
            "The lease is over",
            detail,
        )
        .hint("ask for another one by `backstop lease create`"),
    )
}

//! Every credential that the gate knows: the placeholders of all leases and the real ones of all targets. None of them
//! may stand in a request but a lease's own placeholder in its place, and no real one in a response.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use backstop_core::lease::LeaseState;
use backstop_core::secret::Secret;
use backstop_store::{State, Store};
use backstop_wire::secrets::{Known, TooMany};

use super::config::Api;
use super::kept::{Keep, is_secret};
use super::pack_of;
use super::placeholder::placeholder;

/// Whose a known credential is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    /// The placeholder of a lease at an API.
    Placeholder {
        /// The lease.
        lease: String,
        /// The API.
        api: String,
    },
    /// The placeholder of what an API revealed to a lease.
    Kept {
        /// The lease.
        lease: String,
        /// The API.
        api: String,
    },
    /// The gate's own at an API, or what it keeps from there.
    Real {
        /// The API.
        api: String,
    },
}

/// A known credential that was found.
pub(super) struct Hit<'r> {
    /// Whose it is.
    pub(super) owner: &'r Owner,
    /// Itself, where it is no placeholder.
    pub(super) value: Option<&'r Secret<String>>,
}

/// What is known at a moment.
pub(super) struct Ring {
    owners: Vec<Owner>,
    /// The gate's own, by the same numbers.
    values: HashMap<usize, Secret<String>>,
    requests: Arc<Known<usize>>,
    /// The gate's own alone, for responses.
    real: Arc<Known<usize>>,
    by_placeholder: HashMap<String, (String, String)>,
    kept: HashMap<String, (String, String)>,
    leases: Vec<String>,
    version: u64,
}

/// Keeps what is known up to date.
#[derive(Default)]
pub(super) struct Rings {
    last: Mutex<Option<Last>>,
}

struct Last {
    ring: Arc<Ring>,
    /// How many entries the control log had then: with no more of them, no lease came or ended.
    applied: u64,
}

impl Rings {
    /// What is known now. Made anew when leases came or ended.
    ///
    /// # Errors
    /// When there are too many to look for.
    pub(super) fn now(
        &self,
        store: &Store,
        apis: &[Arc<Api>],
        keep: &Keep,
    ) -> Result<Arc<Ring>, TooMany> {
        let version = keep.version();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let known = last.take().filter(|last| last.ring.version == version);
        let (applied, leases) = {
            let state = store.state();
            let known = known.as_ref();
            let same = known.is_some_and(|last| last.applied == state.applied);
            (state.applied, (!same).then(|| alive(&state)))
        };
        let ring = match (known, leases) {
            (Some(known), None) => known.ring,
            (Some(known), Some(leases)) if known.ring.leases == leases => known.ring,
            (_, leases) => {
                let leases = leases.unwrap_or_else(|| alive(&store.state()));
                Arc::new(Ring::new(store, apis, keep, leases, version)?)
            }
        };
        *last = Some(Last {
            ring: Arc::clone(&ring),
            applied,
        });
        Ok(ring)
    }

    /// After a change of the configuration.
    pub(super) fn forget(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Sorted, as they are there.
fn alive(state: &State) -> Vec<String> {
    let all = state.leases.values();
    all.filter(|record| !matches!(record.state, LeaseState::Ended { .. }))
        .map(|record| record.lease.id.clone())
        .collect()
}

impl Ring {
    fn new(
        store: &Store,
        apis: &[Arc<Api>],
        keep: &Keep,
        leases: Vec<String>,
        version: u64,
    ) -> Result<Self, TooMany> {
        let mut owners = Vec::new();
        let mut secrets: Vec<Secret<String>> = Vec::new();
        let mut by_placeholder = HashMap::new();
        let mut real: Vec<(usize, Secret<String>)> = Vec::new();
        for api in apis {
            for secret in api.secrets() {
                real.push((owners.len(), secret.clone()));
                secrets.push(secret);
                owners.push(Owner::Real {
                    api: api.name.clone(),
                });
            }
            for lease in &leases {
                let value = placeholder(store.key(), lease, &api.name, &pack_of(api));
                by_placeholder.insert(value.clone(), (lease.clone(), api.name.clone()));
                secrets.push(Secret::new(value));
                owners.push(Owner::Placeholder {
                    lease: lease.clone(),
                    api: api.name.clone(),
                });
            }
        }
        let mut kept = HashMap::new();
        for (lease, api, one) in keep.all() {
            if is_secret(one.secret.reveal()) {
                real.push((owners.len(), one.secret.clone()));
                secrets.push(one.secret.clone());
                owners.push(Owner::Real { api: api.clone() });
            }
            kept.insert(one.placeholder.clone(), (lease.clone(), api.clone()));
            secrets.push(Secret::new(one.placeholder.clone()));
            owners.push(Owner::Kept { lease, api });
        }
        Ok(Self {
            owners,
            values: real.iter().cloned().collect(),
            requests: Arc::new(Known::new(secrets.into_iter().enumerate())?),
            real: Arc::new(Known::new(real)?),
            by_placeholder,
            kept,
            leases,
            version,
        })
    }

    /// Lease and API of a placeholder.
    pub(super) fn of_placeholder(&self, value: &str) -> Option<(&str, &str)> {
        let (lease, api) = self.by_placeholder.get(value)?;
        Some((lease, api))
    }

    /// Whether it is the placeholder of what an API revealed to a lease.
    pub(super) fn is_kept(&self, value: &str, lease: &str, api: &str) -> bool {
        let of = self.kept.get(value);
        of.is_some_and(|(of, at)| of == lease && at == api)
    }

    /// The first known credential in these bytes that is not `mine`, in any form that it may hide in.
    pub(super) fn find(&self, bytes: &[u8], mine: impl Fn(&Owner) -> bool) -> Option<Hit<'_>> {
        let found = self.requests.find_in(bytes);
        let mut hits = found.iter().filter_map(|one| self.hit(*one.id));
        hits.find(|hit| !mine(hit.owner))
    }

    /// Whose the one of that number is.
    pub(super) fn hit(&self, number: usize) -> Option<Hit<'_>> {
        Some(Hit {
            owner: self.owners.get(number)?,
            value: self.values.get(&number),
        })
    }

    /// The first that these make up together and that is not `mine`, however it was cut.
    pub(super) fn across(
        &self,
        values: &[&[u8]],
        mine: impl Fn(&Owner) -> bool,
    ) -> Option<Hit<'_>> {
        let found = self.requests.across(values);
        let mut hits = found.iter().filter_map(|one| self.hit(*one.id));
        hits.find(|hit| !mine(hit.owner))
    }

    /// All that no request may carry, for what passes as it comes.
    pub(super) fn of_requests(&self) -> Arc<Known<usize>> {
        Arc::clone(&self.requests)
    }

    /// The real ones, which no response may carry.
    pub(super) fn real(&self) -> Arc<Known<usize>> {
        Arc::clone(&self.real)
    }
}

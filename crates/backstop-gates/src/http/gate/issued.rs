//! What an API itself gave to a lease, such as a session's cookie: it is not foreign when it comes again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use backstop_core::digest::Digest;

/// So many of one lease at one API are remembered, the latest.
const MOST: usize = 1_000;
/// So many leases' at so many APIs.
const MOST_PLACES: usize = 10_000;

#[derive(Default)]
struct Given {
    all: HashSet<Digest>,
    order: VecDeque<Digest>,
}

/// Salted digests by lease and API.
#[derive(Default)]
pub(super) struct Issued {
    by_place: Mutex<HashMap<(String, String), Given>>,
}

impl Issued {
    /// The API gave this to the lease.
    pub(super) fn add(&self, lease: &str, api: &str, value: Digest) {
        let mut places = self.by_place.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= MOST_PLACES {
            places.clear();
        }
        let given = places
            .entry((lease.to_owned(), api.to_owned()))
            .or_default();
        if given.all.insert(value) {
            given.order.push_back(value);
        }
        if given.order.len() > MOST
            && let Some(oldest) = given.order.pop_front()
        {
            given.all.remove(&oldest);
        }
    }

    /// Whether it did.
    pub(super) fn has(&self, lease: &str, api: &str, value: Digest) -> bool {
        let places = self.by_place.lock().unwrap_or_else(PoisonError::into_inner);
        places
            .get(&(lease.to_owned(), api.to_owned()))
            .is_some_and(|given| given.all.contains(&value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_of_one_lease_at_one_api_and_the_latest_are_kept() {
        let issued = Issued::default();
        let value = |n: usize| Digest::of(&n.to_be_bytes());
        for n in 0..=MOST {
            issued.add("lease", "api", value(n));
        }
        assert!(issued.has("lease", "api", value(MOST)));
        assert!(
            !issued.has("lease", "api", value(0)),
            "the oldest is forgotten"
        );
        assert!(!issued.has("other", "api", value(MOST)));
        assert!(!issued.has("lease", "other", value(MOST)));
    }
}

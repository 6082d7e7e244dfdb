//! Bounds on what clients and targets can make the gate do (invariant 11), and the places for connections.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The bounds.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Client connections in all.
    pub connections: usize,
    /// Client connections from one address.
    pub connections_per_address: usize,
    /// How long the head of a request may take, and how long a connection may be idle between requests.
    pub head: Duration,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// How long a client may neither send what it announced nor take what it asked for.
    pub stalled: Duration,
    /// Bytes of a head: request or response.
    pub head_bytes: u32,
    /// Headers in a head.
    pub headers: usize,
    /// Requests at once on one HTTP/2 connection.
    pub streams: u32,
    /// Bytes of bodies that are kept at once to be judged, over all requests.
    pub kept_bytes: usize,
    /// How long resolving, connecting and a target's TLS handshake may take.
    pub connect: Duration,
    /// How long a target may take to begin its answer, once the request is sent.
    pub first_byte: Duration,
    /// How long a target's answer, or a tunnel, may be silent.
    pub silent: Duration,
    /// How long a connection to a target is kept without use.
    pub idle: Duration,
    /// Idle connections that are kept per target and host.
    pub idle_per_site: usize,
    /// Open connections per target and host.
    pub per_site: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            connections_per_address: 12_288,
            head: Duration::from_secs(60),
            handshake: Duration::from_secs(10),
            stalled: Duration::from_secs(60),
            head_bytes: 64 * 1024,
            headers: 100,
            streams: 128,
            kept_bytes: 256 * 1024 * 1024,
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(600),
            silent: Duration::from_secs(600),
            idle: Duration::from_secs(60),
            idle_per_site: 64,
            per_site: 512,
        }
    }
}

/// The places for client connections.
#[derive(Debug)]
pub(crate) struct Places {
    all: usize,
    per_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Places {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            all: limits.connections,
            per_address: limits.connections_per_address,
            taken: Mutex::default(),
        })
    }

    /// A place, if there is one left.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = address.to_canonical();
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.all {
            return None;
        }
        let count = taken.by_address.entry(address).or_default();
        if *count >= self.per_address {
            return None;
        }
        *count += 1;
        taken.all += 1;
        Some(Place {
            places: Arc::clone(self),
            address,
        })
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .all
    }
}

/// A client's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self
            .places
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        if let Some(count) = taken.by_address.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_leaves_places_for_others() {
        let places = Places::new(&Limits {
            connections: 3,
            connections_per_address: 2,
            ..Limits::default()
        });
        let here: IpAddr = "10.0.0.1".parse().unwrap();
        let mapped: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
        let there: IpAddr = "10.0.0.2".parse().unwrap();
        let first = places.enter(here).unwrap();
        let _second = places.enter(mapped).unwrap();
        assert!(places.enter(here).is_none());
        let _third = places.enter(there).unwrap();
        assert!(places.enter(there).is_none());
        assert_eq!(places.taken(), 3);
        drop(first);
        assert!(places.enter(here).is_some());
        assert_eq!(places.taken(), 2);
    }
}

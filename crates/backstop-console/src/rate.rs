//! How often ceremonies can be begun and recovery codes tried.
//!
//! Ceremonies are counted by address, so that one cannot keep people from signing in from another; recovery
//! codes are counted together, since each try is a guess at the same few codes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::state::Limits;

/// Addresses remembered at a time.
const MOST: usize = 4_096;

pub(crate) struct Rates {
    ceremonies: Mutex<HashMap<IpAddr, Bucket>>,
    ceremony: Rate,
    recoveries: Mutex<Bucket>,
    recovery: Rate,
}

#[derive(Clone, Copy)]
struct Rate {
    burst: u32,
    refill: Duration,
}

/// Counts by the moment from which on it would be full again.
struct Bucket {
    full_at: Instant,
}

impl Rates {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            ceremonies: Mutex::default(),
            ceremony: Rate {
                burst: limits.ceremony_burst,
                refill: limits.ceremony_refill,
            },
            recoveries: Mutex::new(Bucket {
                full_at: Instant::now(),
            }),
            recovery: Rate {
                burst: limits.recovery_burst,
                refill: limits.recovery_refill,
            },
        }
    }

    /// Counts a ceremony; an error says how long to wait.
    pub(crate) fn ceremony(&self, from: IpAddr) -> Result<(), Duration> {
        let now = Instant::now();
        let mut all = self
            .ceremonies
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.retain(|_, bucket| bucket.full_at > now);
        }
        if all.len() >= MOST && !all.contains_key(&from) {
            return Err(self.ceremony.refill);
        }
        all.entry(from)
            .or_insert(Bucket { full_at: now })
            .take(self.ceremony, now)
    }

    /// Counts a try at a recovery code; an error says how long to wait.
    pub(crate) fn recovery(&self) -> Result<(), Duration> {
        let mut bucket = self
            .recoveries
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        bucket.take(self.recovery, Instant::now())
    }
}

impl Bucket {
    fn take(&mut self, rate: Rate, now: Instant) -> Result<(), Duration> {
        let start = self.full_at.max(now);
        let after = start.checked_add(rate.refill).unwrap_or(start);
        let ahead = after.duration_since(now);
        let most = rate.refill.saturating_mul(rate.burst);
        if ahead > most {
            return Err(ahead.saturating_sub(most));
        }
        self.full_at = after;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_no_more() {
        let rates = Rates::new(&Limits {
            ceremony_burst: 3,
            ceremony_refill: Duration::from_secs(100),
            recovery_burst: 1,
            recovery_refill: Duration::from_secs(100),
            ..Limits::default()
        });
        let (a, b) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        assert!((0..3).all(|_| rates.ceremony(a).is_ok()));
        assert!(rates.ceremony(a).unwrap_err() <= Duration::from_secs(100));
        assert!(rates.ceremony(b).is_ok());
        assert!(rates.recovery().is_ok() && rates.recovery().is_err());
    }

    #[test]
    fn it_comes_back() {
        let rate = Rate {
            burst: 1,
            refill: Duration::from_secs(1),
        };
        let start = Instant::now();
        let mut bucket = Bucket { full_at: start };
        assert!(bucket.take(rate, start).is_ok());
        assert!(bucket.take(rate, start).is_err());
        assert!(bucket.take(rate, start + Duration::from_secs(1)).is_ok());
    }
}

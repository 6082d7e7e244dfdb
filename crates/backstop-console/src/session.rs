//! Who is signed in. Sessions live in memory and die with the process: whoever comes back signs in again.
//!
//! Only digests of the cookies are kept, so that a look into memory does not hand out sessions.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use backstop_core::digest::Digest;

use crate::state::Limits;

pub(crate) struct Sessions {
    open: Mutex<HashMap<Digest, Session>>,
    idle: Duration,
    total: Duration,
    most: usize,
}

struct Session {
    person: String,
    began: Instant,
    seen: Instant,
}

impl Sessions {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            open: Mutex::default(),
            idle: limits.session_idle,
            total: limits.session_total,
            most: limits.sessions.max(1),
        }
    }

    /// Signs `person` in under the cookie `token`.
    pub(crate) fn begin(&self, token: &str, person: &str) {
        let now = Instant::now();
        let mut open = self.open();
        open.retain(|_, session| self.lives(session, now));
        if open.len() >= self.most {
            let oldest = open
                .iter()
                .min_by_key(|(_, session)| session.seen)
                .map(|(key, _)| *key);
            oldest.map(|key| open.remove(&key));
        }
        let session = Session {
            person: person.to_owned(),
            began: now,
            seen: now,
        };
        open.insert(Digest::of(token.as_bytes()), session);
    }

    /// Who bears `token`, if their session lives; seeing it keeps it alive.
    pub(crate) fn person(&self, token: &str) -> Option<String> {
        let now = Instant::now();
        let mut open = self.open();
        let session = open.get_mut(&Digest::of(token.as_bytes()))?;
        if !self.lives(session, now) {
            return None;
        }
        session.seen = now;
        Some(session.person.clone())
    }

    /// Signs the bearer of `token` out.
    pub(crate) fn end(&self, token: &str) {
        self.open().remove(&Digest::of(token.as_bytes()));
    }

    fn lives(&self, session: &Session, now: Instant) -> bool {
        now.duration_since(session.seen) < self.idle
            && now.duration_since(session.began) < self.total
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Digest, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(idle_ms: u64, total_ms: u64) -> Sessions {
        Sessions::new(&Limits {
            session_idle: Duration::from_millis(idle_ms),
            session_total: Duration::from_millis(total_ms),
            sessions: 2,
            ..Limits::default()
        })
    }

    #[test]
    fn a_session_ends_when_told_idle_or_old() {
        let told = sessions(60_000, 60_000);
        told.begin("a", "person_1");
        assert_eq!(told.person("a").as_deref(), Some("person_1"));
        assert_eq!(told.person("b"), None);
        told.end("a");
        assert_eq!(told.person("a"), None);
        for short in [sessions(0, 60_000), sessions(60_000, 0)] {
            short.begin("a", "person_1");
            assert_eq!(short.person("a"), None);
        }
    }

    #[test]
    fn the_one_idle_longest_makes_room() {
        let sessions = sessions(60_000, 60_000);
        sessions.begin("a", "1");
        sessions.begin("b", "2");
        std::thread::sleep(Duration::from_millis(2));
        assert!(sessions.person("a").is_some());
        sessions.begin("c", "3");
        assert_eq!(
            (
                sessions.person("a").is_some(),
                sessions.person("b").is_some()
            ),
            (true, false)
        );
    }
}

//! The places for clients that have not proved who they are yet, and who must give theirs up when all are taken.
//!
//! A flood must not keep others out (invariant 11): room is made at the cost of whoever takes up the most.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::failures::host;

/// All places.
pub(crate) struct Lobby {
    places: usize,
    waiting: Mutex<Waiting>,
}

/// Who is in, by their number: lower ones came earlier.
#[derive(Default)]
struct Waiting {
    next: u64,
    clients: BTreeMap<u64, Client>,
}

struct Client {
    host: String,
    spoke: bool,
    show_out: oneshot::Sender<()>,
}

impl Waiting {
    /// Who goes when somebody from `host` comes in: of the source that takes up most places the oldest that
    /// has said nothing, or else its oldest.
    fn victim(&self, host: &str) -> Option<u64> {
        let mut counts = HashMap::from([(host, 1_usize)]);
        for client in self.clients.values() {
            *counts.entry(&client.host).or_default() += 1;
        }
        let most = counts.values().max().copied()?;
        let mut crowd = self
            .clients
            .iter()
            .filter(|(_, c)| counts.get(c.host.as_str()) == Some(&most));
        let silent = crowd.clone().find(|(_, c)| !c.spoke);
        silent.or_else(|| crowd.next()).map(|(number, _)| *number)
    }
}

impl Lobby {
    /// A lobby with so many places.
    pub(crate) fn new(places: usize) -> Self {
        Self {
            places,
            waiting: Mutex::default(),
        }
    }

    /// Takes a place, and makes room for it if there is none.
    pub(crate) fn enter(&self, source: &str) -> Place<'_> {
        let (show_out, shown_out) = oneshot::channel();
        let mut waiting = self.waiting();
        if waiting.clients.len() >= self.places
            && let Some(number) = waiting.victim(host(source))
            && let Some(client) = waiting.clients.remove(&number)
        {
            // Gone already is as good.
            let _ = client.show_out.send(());
        }
        let number = waiting.next;
        waiting.next += 1;
        let client = Client {
            host: host(source).to_owned(),
            spoke: false,
            show_out,
        };
        waiting.clients.insert(number, client);
        Place {
            lobby: self,
            number,
            shown_out,
        }
    }

    /// Whether nobody is in.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting().clients.is_empty()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client's place; given back when dropped.
pub(crate) struct Place<'a> {
    lobby: &'a Lobby,
    number: u64,
    shown_out: oneshot::Receiver<()>,
}

impl<'a> Place<'a> {
    /// What tells the lobby that the client has said something that makes sense.
    pub(crate) const fn voice(&self) -> Voice<'a> {
        Voice {
            lobby: self.lobby,
            number: self.number,
        }
    }

    /// Resolves when the place is needed for somebody else.
    pub(crate) async fn lost(&mut self) {
        if (&mut self.shown_out).await.is_err() {
            // Only the lobby's end drops the sender without a word, and no session outlives that.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.lobby.waiting().clients.remove(&self.number);
    }
}

/// See [`Place::voice`].
#[derive(Clone, Copy)]
pub(crate) struct Voice<'a> {
    lobby: &'a Lobby,
    number: u64,
}

impl Voice<'_> {
    /// The client has said something that makes sense.
    pub(crate) fn heard(self) {
        if let Some(client) = self.lobby.waiting().clients.get_mut(&self.number) {
            client.spoke = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of those who are in.
    fn inside(lobby: &Lobby) -> Vec<u64> {
        lobby.waiting().clients.keys().copied().collect()
    }

    #[test]
    fn a_flood_from_one_source_puts_nobody_else_out() {
        let lobby = Lobby::new(8);
        let others = [lobby.enter("10.0.0.1:5000"), lobby.enter("unix:1000")];
        let flood: Vec<Place<'_>> = (0..50)
            .map(|n| lobby.enter(&format!("10.0.0.9:{n}")))
            .collect();
        assert_eq!(inside(&lobby), [0, 1, 46, 47, 48, 49, 50, 51]);
        // Somebody new comes in at the flood's cost as well.
        let fresh = lobby.enter("[::1]:5000");
        assert_eq!(inside(&lobby), [0, 1, 47, 48, 49, 50, 51, 52]);
        drop((others, flood));
        assert_eq!(inside(&lobby), [fresh.number]);
        drop(fresh);
        assert!(lobby.is_empty());
    }

    #[test]
    fn the_oldest_silent_one_goes_before_those_who_speak() {
        let lobby = Lobby::new(3);
        let first = lobby.enter("127.0.0.1:1");
        first.voice().heard();
        let _silent = lobby.enter("127.0.0.1:2");
        let _silent = lobby.enter("127.0.0.1:3");
        let _next = lobby.enter("127.0.0.1:4");
        assert_eq!(inside(&lobby), [0, 2, 3]);
        let _next = lobby.enter("127.0.0.1:5");
        assert_eq!(inside(&lobby), [0, 3, 4]);
        for number in [3, 4] {
            let lobby = &lobby;
            Voice { lobby, number }.heard();
        }
        // When all speak, the oldest goes; the newcomer never does.
        let _last = lobby.enter("127.0.0.1:6");
        assert_eq!(inside(&lobby), [3, 4, 5]);
    }

    #[tokio::test]
    async fn whoever_loses_a_place_is_told() {
        let lobby = Lobby::new(1);
        let mut first = lobby.enter("127.0.0.1:1");
        let mut second = lobby.enter("127.0.0.1:2");
        first.lost().await;
        let waits = tokio::time::timeout(std::time::Duration::from_millis(20), second.lost());
        assert!(waits.await.is_err());
    }
}

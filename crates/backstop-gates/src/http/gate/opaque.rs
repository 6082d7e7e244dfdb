//! Tunnels that nobody reads: where the configuration says so, for leases that people gave them. What is left to the gate
//! is to know whose a tunnel is, to write it down, and to cut it.

use std::sync::Arc;
use std::task::{Context, Poll};

use backstop_core::effect::EffectKind;
use backstop_core::lease::LeaseRecord;
use backstop_core::verdict::{Decision, Verdict};
use backstop_wire::secrets::{Known, Stream};
use bytes::Bytes;
use rustls::server::Acceptor;

use super::config::{Api, Placing};
use super::guard::Guard;
use super::journal::{self, Written};
use super::reply::FOREIGN;
use super::rpc::Trip;
use super::who::{Standing, standing};
use super::{HttpShared, answer};
use crate::http::tunnel::{TLS, agrees};
use crate::http::{Client, Duplex, Filter, Problem, Site, Stop, Tunnel};

/// More than this no client says before it is answered, in bytes.
const HELLO: usize = 64 * 1024;

impl HttpShared {
    /// What becomes of a tunnel: it is read, unless what is configured there is opaque and of the lease.
    pub(super) async fn tunnel_of(
        &self,
        client: &Client,
        record: &LeaseRecord,
        to: &Site,
    ) -> Result<Tunnel, Box<Problem>> {
        let reachable = self.reachable();
        let mut here = reachable.apis.iter().filter(|api| api.is_on(to));
        match (here.next(), here.next()) {
            (Some(api), None)
                if api.placing == Placing::Opaque && record.lease.spec.at(&api.name).is_some() =>
            {
                self.unread(client, record, api, to).await
            }
            // Which of several it is for only its requests would tell.
            _ => Ok(Tunnel::Inspect),
        }
    }

    async fn unread(
        &self,
        client: &Client,
        record: &LeaseRecord,
        api: &Arc<Api>,
        to: &Site,
    ) -> Result<Tunnel, Box<Problem>> {
        let standing = standing(&self.store, record)?;
        let lease = &record.lease;
        let (connection, action) = (client.number, self.next_action());
        let may = lease.spec.may_tunnel(&api.name);
        let verdict = if may {
            verdict(Decision::Allow, "the lease may open tunnels there")
        } else {
            verdict(
                Decision::Deny,
                "nobody reads what passes there, and the lease may open no tunnel",
            )
        };
        let written = Written {
            lease: &lease.id,
            target: &api.name,
            connection,
            action,
            text: &format!("CONNECT {to}"),
            body: &[],
            effect: EffectKind::Escape,
            verdict: &verdict,
            hold: None,
        };
        // INVARIANT 2: it may change anything.
        journal::intent(&self.traffic, &self.store, &written, true)
            .await
            .map_err(|e| answer::broken(&e))?;
        let mut ending = Ending {
            shared: self
                .me
                .upgrade()
                .ok_or_else(|| answer::broken(&"the gate ends"))?,
            connection,
            action,
            result: "denied",
        };
        if let Standing::ReadsOnly(why) = &standing {
            return Err(answer::reads_only(why));
        }
        if !may {
            self.count_denials(&lease.id).await;
            return Err(answer::no_tunnel(&api.name, &verdict));
        }
        ending.result = "failed";
        let ring = self.ring().map_err(|e| answer::broken(&e))?;
        let guard = || Guard::of(&self.store, &lease.id).writing(true);
        let up = Leaving {
            site: to.clone(),
            said: Said::Nothing,
            finder: Stream::finder(ring.of_requests()),
            passed: Vec::new(),
            guard: guard(),
            trip: Some(self.tripper(&lease.id, &client.address.to_string())),
        };
        let down = Coming {
            guard: guard(),
            ending,
        };
        let duplex = Duplex {
            up: Some(Box::new(up)),
            down: Some(Box::new(down)),
        };
        Ok(Tunnel::Opaque(Arc::clone(&api.target), duplex))
    }
}

fn verdict(decision: Decision, reason: &str) -> Verdict {
    Verdict {
        decision,
        rule: "opaque".to_owned(),
        reason: reason.to_owned(),
        people: 0,
    }
}

/// Writes how a tunnel ended, whatever ended it.
struct Ending {
    shared: Arc<HttpShared>,
    connection: u64,
    action: u64,
    result: &'static str,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let (traffic, store) = (&self.shared.traffic, &self.shared.store);
        journal::outcome(
            traffic,
            store,
            self.connection,
            self.action,
            self.result,
            None,
        );
    }
}

/// What a client says: TLS for the tunnel's own host alone, since whoever stands there may stand for others too; and
/// otherwise no credential that the gate knows.
struct Leaving {
    site: Site,
    said: Said,
    finder: Stream<Arc<Known<usize>>>,
    /// What the finder gives on, which nobody needs: it would keep back what a target waits for.
    passed: Vec<u8>,
    guard: Guard,
    trip: Option<Trip>,
}

/// What a client said so far.
enum Said {
    Nothing,
    /// The beginning of TLS; it stays here until it is known whom it is for.
    Hello(Box<Acceptor>, Vec<u8>),
    /// TLS for the right host.
    Tls,
    /// Something else.
    Plain,
}

impl Leaving {
    /// Reads on in a greeting; all of it when it is whole.
    fn greet(&mut self, bytes: &[u8]) -> Result<Bytes, Stop> {
        let Said::Hello(acceptor, said) = &mut self.said else {
            return Ok(Bytes::new());
        };
        if said.len() + bytes.len() > HELLO {
            return Err(Stop("its greeting has no end".into()));
        }
        said.extend_from_slice(bytes);
        let mut left = bytes;
        while !left.is_empty() {
            let unreadable = || Stop("it begins as TLS does, and is none that can be read".into());
            acceptor.read_tls(&mut left).map_err(|_| unreadable())?;
            let Some(accepted) = acceptor.accept().map_err(|_| unreadable())? else {
                continue;
            };
            if !agrees(accepted.client_hello().server_name(), &self.site) {
                return Err(Stop("TLS in it is for another host".into()));
            }
            let whole = std::mem::take(said);
            self.said = Said::Tls;
            return Ok(whole.into());
        }
        Ok(Bytes::new())
    }
}

impl Filter for Leaving {
    fn data(&mut self, bytes: Bytes) -> Result<Bytes, Stop> {
        self.guard.check()?;
        if matches!(self.said, Said::Nothing) {
            self.said = match bytes.first() {
                Some(&TLS) => Said::Hello(Box::default(), Vec::new()),
                _ => Said::Plain,
            };
        }
        match self.said {
            Said::Nothing | Said::Tls => Ok(bytes),
            Said::Hello(..) => self.greet(&bytes),
            Said::Plain => {
                self.passed.clear();
                if self.finder.feed(&bytes, &mut self.passed).is_empty() {
                    return Ok(bytes);
                }
                if let Some(trip) = self.trip.take() {
                    trip();
                }
                Err(Stop(FOREIGN.into()))
            }
        }
    }

    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        self.guard.poll_stopped(cx)
    }
}

/// What a target says.
struct Coming {
    guard: Guard,
    ending: Ending,
}

impl Filter for Coming {
    fn data(&mut self, bytes: Bytes) -> Result<Bytes, Stop> {
        self.guard.check()?;
        self.ending.result = "done";
        Ok(bytes)
    }

    fn parting(&mut self, _: &Stop) -> Bytes {
        // It was cut, however well it went before.
        self.ending.result = "halted";
        Bytes::new()
    }

    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        self.guard.poll_stopped(cx)
    }
}

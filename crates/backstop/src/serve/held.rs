//! What a lease holds, as the running gate knows it: what `scopes --lease` starts from.
//!
//! It only reads. The target's catalogue is asked by the gate's own credential, in a READ ONLY transaction, about the
//! lease's role.

use std::sync::Arc;
use std::time::Duration;

use backstop_core::lease::{Lease, LeaseRecord, LeaseState};
use backstop_gates::postgres::{Host, Upstream, UpstreamTls};
use backstop_scopes::lease::{Budget, Child, Held};
use backstop_scopes::postgres::{self, Audit, Place, Trust, Way};
use backstop_store::State;

use super::answer::lease_row;
use super::points::points_of;
use super::standing::recoverable;
use super::{Service, upstream};
use crate::failure::{Failure, Outcome};

/// How long the target may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

impl Service {
    /// What `lease` holds.
    ///
    /// # Errors
    /// When there is no such lease. What could not be found out is in the answer.
    pub(super) async fn held(self: &Arc<Self>, lease: &str) -> Outcome<Held> {
        self.require_lease(lease)?;
        let record = self
            .store
            .lease(lease)
            .ok_or_else(|| Failure::new(format!("there is no lease `{lease}`")))?;
        let now_ms = self.store.now_ms();
        let row = lease_row(&record, now_ms);
        let (budget, policies) = match self.gate.read().await.as_ref() {
            None => (None, None),
            Some(gate) => (
                gate.budget(&record.lease)
                    .map(|(limits, spent)| Budget::of(limits, spent)),
                Some(gate.policies().to_hex()),
            ),
        };
        let (children, stopped) = {
            let state = self.store.state();
            (children(&state, lease, now_ms), stopped(&state))
        };
        let audit = match &record.state {
            LeaseState::Ended { .. } => Err("its role is gone with it".to_owned()),
            LeaseState::Active | LeaseState::Halted { .. } => self.audited(&record.lease).await,
        };
        let (audit, unanswered) = match audit {
            Ok(audit) => (Some(audit), None),
            Err(why) => (None, Some(why)),
        };
        let target = &record.lease.spec.target;
        Ok(Held {
            children,
            budget,
            recoverable: recoverable(self.config().vault.as_ref()).await,
            drilled_age_s: self.drilled_age_s(target).await,
            stopped,
            policies,
            audit,
            unanswered,
            state: row.state,
            why: row.why,
            lease: Lease {
                // Whoever looks has no use for it.
                verifier: String::new(),
                ..record.lease
            },
        })
    }

    async fn audited(&self, lease: &Lease) -> Result<Audit, String> {
        let config = self.config();
        let target = config.target(&lease.spec.target).map_err(|f| f.what)?;
        let way = way(&upstream(&self.home, &self.key, target).map_err(|f| f.what)?);
        let asked = async {
            let _one = self.looking.lock().await;
            let client = way.connect().await.map_err(|e| e.to_string())?;
            postgres::audit(&client, Some(&lease.id))
                .await
                .map_err(|e| e.to_string())
        };
        tokio::time::timeout(PATIENCE, asked)
            .await
            .map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))?
    }

    async fn drilled_age_s(&self, target: &str) -> Option<u64> {
        let config = self.config();
        config.vault.as_ref()?;
        let target = config.target(target).ok()?;
        let points = self.store.state().points.get(&target.name).cloned();
        let standing = points_of(points, target, None, self.store.now_ms()).await;
        standing.rpo_s
    }
}

/// The gate's own way in, as the audit takes it.
fn way(upstream: &Upstream) -> Way {
    let (place, port) = match &upstream.host {
        Host::Tcp(host, port) => (Place::Tcp(host.clone()), *port),
        Host::Unix(folder, port) => (Place::Unix(folder.clone()), *port),
    };
    Way {
        place,
        port,
        database: upstream.database.clone(),
        user: upstream.user.clone(),
        password: Some(upstream.password.clone()),
        trust: match &upstream.tls {
            UpstreamTls::Disable => Trust::Nothing,
            UpstreamTls::Verify(roots) => Trust::Authorities(Arc::clone(roots)),
            UpstreamTls::Pinned(hash) => Trust::Pinned(*hash),
        },
        require_binding: upstream.require_binding,
    }
}

/// The leases narrowed from `lease`, and those from them, that are not over.
fn children(state: &State, lease: &str, now_ms: i64) -> Vec<Child> {
    let mut line = vec![lease.to_owned()];
    let mut out = vec![];
    while let Some(parent) = line.pop() {
        let of = |r: &&LeaseRecord| r.lease.spec.parent.as_deref() == Some(parent.as_str());
        for record in state.leases.values().filter(of) {
            line.push(record.lease.id.clone());
            let row = lease_row(record, now_ms);
            if row.state != "ended" {
                out.push(Child {
                    lease: row.lease,
                    state: row.state,
                    scopes: row.scopes,
                    expires_ms: row.expires_ms,
                });
            }
        }
    }
    out.sort_by(|a, b| a.lease.cmp(&b.lease));
    out
}

fn stopped(state: &State) -> Option<String> {
    if let Some(why) = &state.halted {
        return Some(format!("everything is halted: {why}"));
    }
    let why = state.frozen.as_ref()?;
    Some(format!("only reads pass: {why}"))
}

//! Granting, narrowing, halting and ending leases.

use backstop_core::action::Ask;
use backstop_core::entry::Event;
use backstop_core::lease::{Lease, LeaseRecord, LeaseSpec, LeaseState};
use backstop_core::scope::{self, Scope};
use backstop_core::secret::Secret;
use base64::Engine as _;

use crate::error::StoreError;
use crate::seal::random;
use crate::store::Store;

/// A lease with the secret that its agent presents. This is the only moment the secret exists here.
pub struct Granted {
    /// The lease.
    pub lease: Lease,
    /// What the agent presents as password.
    pub secret: Secret<String>,
}

impl Store {
    /// Grants the lease that an approved hold asks for, spending the approval.
    ///
    /// `verifier` makes the SCRAM verifier of a secret: the store does not speak protocols.
    ///
    /// # Errors
    /// When the hold is not an approved ask for a lease, or the journal does not take it.
    pub async fn grant_lease(
        &self,
        hold: &str,
        verifier: impl FnOnce(&str) -> Result<String, String> + Send,
    ) -> Result<Granted, StoreError> {
        let writing = self.inner.writing.lock().await;
        let record = self.require_hold(hold)?;
        let Ask::GrantLease { spec } = record.hold.ask.clone() else {
            return Err(StoreError::Refused(format!(
                "hold `{hold}` does not ask for a lease"
            )));
        };
        record.spendable(record.hold.digest, self.now_ms())?;
        let person = match &record.state {
            backstop_core::hold::HoldState::Approved { yes, .. } => {
                yes.last().map(|y| y.person.clone())
            }
            _ => None,
        };
        let granted = self.make_lease(spec, person.unwrap_or_default(), verifier)?;
        let digest = record.hold.digest;
        self.record(
            &writing,
            Event::Consumed {
                hold: hold.to_owned(),
                digest,
            },
            vec![],
        )
        .await?;
        let event = Event::LeaseGranted {
            lease: granted.lease.clone(),
            hold: Some(hold.to_owned()),
        };
        self.record(&writing, event, vec![]).await?;
        Ok(granted)
    }

    /// A child of `parent` with no more than the parent's scopes and time. Needs no approval: it widens nothing.
    ///
    /// # Errors
    /// When it would widen, or the parent cannot act.
    pub async fn child_lease(
        &self,
        parent: &str,
        task: String,
        scopes: Vec<Scope>,
        ttl_seconds: u64,
        verifier: impl FnOnce(&str) -> Result<String, String> + Send,
    ) -> Result<Granted, StoreError> {
        let writing = self.inner.writing.lock().await;
        let record = self.require_active(parent)?;
        if !scope::included(&scopes, &record.lease.spec.scopes) {
            return Err(StoreError::Widening(
                "a child lease cannot have scopes that its parent lacks".into(),
            ));
        }
        let spec = LeaseSpec {
            task,
            scopes,
            ttl_seconds,
            parent: Some(parent.to_owned()),
            // Narrower still: a child has its parent's own target alone.
            also: vec![],
            ..record.lease.spec
        };
        let mut granted = self.make_lease(spec, record.lease.person, verifier)?;
        granted.lease.expires_ms = granted.lease.expires_ms.min(record.lease.expires_ms);
        let event = Event::LeaseGranted {
            lease: granted.lease.clone(),
            hold: None,
        };
        self.record(&writing, event, vec![]).await?;
        Ok(granted)
    }

    /// Takes scopes or time from a lease.
    ///
    /// # Errors
    /// When it would add any.
    pub async fn narrow_lease(
        &self,
        id: &str,
        scopes: Option<Vec<Scope>>,
        ttl_seconds: Option<u64>,
    ) -> Result<(), StoreError> {
        let writing = self.inner.writing.lock().await;
        let record = self.require_lease(id)?;
        let scopes = scopes.unwrap_or_else(|| record.lease.spec.scopes.clone());
        if !scope::included(&scopes, &record.lease.spec.scopes) {
            return Err(StoreError::Widening(
                "a lease can be narrowed, never widened".into(),
            ));
        }
        let expires_ms = ttl_seconds.map_or(record.lease.expires_ms, |ttl| {
            self.now_ms().saturating_add(millis(ttl))
        });
        if expires_ms > record.lease.expires_ms {
            return Err(StoreError::Widening(
                "a lease's time can be shortened, never lengthened".into(),
            ));
        }
        self.record(
            &writing,
            Event::LeaseNarrowed {
                lease: id.to_owned(),
                scopes,
                expires_ms,
            },
            vec![],
        )
        .await
    }

    /// Ends a lease and its children.
    ///
    /// # Errors
    /// When there is none, or the journal does not take it.
    pub async fn end_lease(&self, id: &str, why: &str) -> Result<(), StoreError> {
        let writing = self.inner.writing.lock().await;
        if matches!(self.require_lease(id)?.state, LeaseState::Ended { .. }) {
            return Ok(());
        }
        self.record(
            &writing,
            Event::LeaseEnded {
                lease: id.to_owned(),
                why: why.to_owned(),
            },
            vec![],
        )
        .await
    }

    /// The red button: stops one lease with its children, or everything.
    ///
    /// `reads` lets reads pass (a target refused the gate's own credential).
    ///
    /// # Errors
    /// When there is no such lease, or the journal does not take it.
    pub async fn halt(
        &self,
        lease: Option<&str>,
        why: &str,
        reads: bool,
    ) -> Result<(), StoreError> {
        let writing = self.inner.writing.lock().await;
        if let Some(id) = lease {
            let already = match self.require_lease(id)?.state {
                LeaseState::Active => false,
                LeaseState::Halted { reads: before, .. } => reads || !before,
                LeaseState::Ended { .. } => true,
            };
            if already {
                return Ok(());
            }
        }
        let event = Event::Halted {
            lease: lease.map(str::to_owned),
            why: why.to_owned(),
            reads,
        };
        self.record(&writing, event, vec![]).await
    }

    /// Lets only reads pass, everywhere, until a passkey lifts it.
    ///
    /// # Errors
    /// When the journal does not take it.
    pub async fn freeze(&self, why: &str) -> Result<(), StoreError> {
        let writing = self.inner.writing.lock().await;
        if self.state().frozen.is_some() {
            return Ok(());
        }
        self.record(
            &writing,
            Event::Frozen {
                why: why.to_owned(),
            },
            vec![],
        )
        .await
    }

    pub(crate) fn require_lease(&self, id: &str) -> Result<LeaseRecord, StoreError> {
        self.lease(id).ok_or_else(|| StoreError::Unknown {
            what: "lease",
            id: id.to_owned(),
        })
    }

    pub(crate) fn require_active(&self, id: &str) -> Result<LeaseRecord, StoreError> {
        let record = self.require_lease(id)?;
        if self.state().halted.is_some() {
            return Err(StoreError::LeaseNotActive(
                "halted with everything else".into(),
            ));
        }
        if record.is_active(self.now_ms()) {
            return Ok(record);
        }
        Err(StoreError::LeaseNotActive(match record.state {
            LeaseState::Halted { why, .. } => format!("halted: {why}"),
            LeaseState::Ended { why, .. } => format!("ended: {why}"),
            LeaseState::Active => "expired".into(),
        }))
    }

    fn make_lease(
        &self,
        spec: LeaseSpec,
        person: String,
        verifier: impl FnOnce(&str) -> Result<String, String>,
    ) -> Result<Granted, StoreError> {
        let secret = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random::<24>()?);
        let created_ms = self.now_ms();
        let lease = Lease {
            id: Self::make_id("lease")?,
            expires_ms: created_ms.saturating_add(millis(spec.ttl_seconds)),
            spec,
            person,
            created_ms,
            verifier: verifier(&secret).map_err(StoreError::Refused)?,
        };
        Ok(Granted {
            lease,
            secret: Secret::new(secret),
        })
    }
}

fn millis(seconds: u64) -> i64 {
    i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX)
}

//! What an agent holds in place of credentials.

use serde::{Deserialize, Serialize};

use crate::effect::{Effect, EffectKind, Verb};
use crate::scope::{self, Scope};
use crate::target::Environment;

/// What is asked for when a lease is created; a person approves exactly this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseSpec {
    /// The name of the target in the configuration.
    pub target: String,
    /// The target's environment when it was asked for.
    pub environment: Environment,
    /// Why the agent gets access, in the requester's words.
    pub task: String,
    /// How long it lives, in seconds from the grant.
    pub ttl_seconds: u64,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// What it may do at other targets; each of them an HTTP API.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Also>,
    /// The lease it was narrowed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

/// A further target of a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Also {
    /// The name of the target in the configuration.
    pub target: String,
    /// The target's environment when it was asked for.
    pub environment: Environment,
    /// What the lease may do there.
    pub scopes: Vec<Scope>,
}

impl LeaseSpec {
    /// The environment of a target of the lease and what it may do there; none for any other.
    #[must_use]
    pub fn at(&self, target: &str) -> Option<(Environment, &[Scope])> {
        if target == self.target {
            return Some((self.environment, &self.scopes));
        }
        let part = self.also.iter().find(|also| also.target == target)?;
        Some((part.environment, &part.scopes))
    }

    /// All that it may do, a text for each scope; at a further target with that before it, as in
    /// `railway (production): read:*.*`.
    #[must_use]
    pub fn may_do(&self) -> Vec<String> {
        let own = self.scopes.iter().map(ToString::to_string);
        own.chain(self.may_do_besides()).collect()
    }

    /// The same of its further targets alone.
    pub fn may_do_besides(&self) -> impl Iterator<Item = String> {
        self.also.iter().flat_map(|also| {
            let at = format!("{} ({})", also.target, also.environment);
            also.scopes
                .iter()
                .map(move |scope| format!("{at}: {scope}"))
        })
    }

    /// The names of all its targets, its own first.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        let others = self.also.iter().map(|also| also.target.as_str());
        std::iter::once(self.target.as_str()).chain(others)
    }

    /// The environment, of those of all its targets, where a mistake costs most.
    #[must_use]
    pub fn strictest(&self) -> Environment {
        let others = self.also.iter().map(|also| also.environment);
        others.fold(self.environment, Environment::min)
    }

    /// Whether it may open tunnels to a target that nobody reads.
    #[must_use]
    pub fn may_tunnel(&self, target: &str) -> bool {
        let scopes = self.at(target).map_or(&[][..], |(_, scopes)| scopes);
        let mut verbs = scopes.iter().flat_map(|scope| &scope.verbs);
        verbs.any(|verb| *verb == scope::ScopeVerb::Tunnel)
    }
}

/// A lease as granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// `lease_…`: also the user name at the gate and the role at the target.
    pub id: String,
    /// What was granted.
    pub spec: LeaseSpec,
    /// Who approved it, and answers for it.
    pub person: String,
    /// Unix time in milliseconds.
    pub created_ms: i64,
    /// Unix time in milliseconds; nothing is allowed from then on.
    pub expires_ms: i64,
    /// The SCRAM-SHA-256 verifier of the secret that the agent presents. The secret itself is nowhere.
    pub verifier: String,
}

impl Lease {
    /// Whether a scope of this lease grants what `effect` does at `target`.
    #[must_use]
    pub fn covers(&self, target: &str, effect: &Effect) -> bool {
        let Some((_, scopes)) = self.spec.at(target) else {
            return false;
        };
        let creates = effect.kind == EffectKind::Define && effect.verb == Verb::Create;
        if (effect.own && !creates) || (effect.system && effect.verb == Verb::Read) {
            return true;
        }
        let Some(object) = effect.object.as_deref() else {
            return false;
        };
        let Some((schema, name)) = scope::split_object(object) else {
            return false;
        };
        // Temporary relations, and a schema of the lease's own: whether it may, the server knows.
        if effect.own && (name.is_none() || schema == "pg_temp") {
            return true;
        }
        let (schema, name) = match &name {
            Some(name) => (schema.as_str(), name.as_str()),
            None => ("public", schema.as_str()),
        };
        scopes.iter().any(|s| s.covers(effect.verb, schema, name))
    }

    /// Whether any scope grants a verb other than reading at the lease's own target.
    #[must_use]
    pub fn can_write(&self) -> bool {
        self.spec
            .scopes
            .iter()
            .flat_map(|s| &s.verbs)
            .any(|v| *v != scope::ScopeVerb::Read)
    }
}

/// Whether a lease may act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum LeaseState {
    /// It may, until it expires.
    Active,
    /// Stopped by a mismatch, a policy or a person; only a passkey resumes it.
    Halted {
        /// Why.
        why: String,
        /// Unix time in milliseconds.
        since_ms: i64,
        /// Whether reads still pass (a target refused the gate's own credential).
        reads: bool,
    },
    /// Over for good.
    Ended {
        /// `revoked`, `expired` or `parent ended`.
        why: String,
        /// Unix time in milliseconds.
        since_ms: i64,
    },
}

/// A lease and its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRecord {
    /// The lease.
    pub lease: Lease,
    /// Its state.
    pub state: LeaseState,
    /// How many of its holds were denied in a row.
    #[serde(default)]
    pub denials: u32,
}

impl LeaseRecord {
    /// Whether the lease may act at `now_ms`, expiry counted.
    #[must_use]
    pub fn is_active(&self, now_ms: i64) -> bool {
        self.state == LeaseState::Active && now_ms < self.lease.expires_ms
    }
}

//! One thing that needs a decision, in a normal form, and the digest that binds every approval to it.

use serde::{Deserialize, Serialize};

use crate::canonical::{self, CanonicalError};
use crate::digest::Digest;
use crate::lease::LeaseSpec;

/// What is waiting for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ask")]
pub enum Ask {
    /// An action of an agent's on a PostgreSQL target. The statement stands sealed beside the journal.
    Sql {
        /// What the approval binds.
        binding: SqlBinding,
    },
    /// Send a request to an API.
    Http {
        /// Everything that gives it its meaning.
        binding: HttpBinding,
    },
    /// A new lease.
    GrantLease {
        /// Exactly what is asked for.
        spec: LeaseSpec,
    },
    /// Let a halted lease act again; `None` lifts the halt of everything.
    Resume {
        /// The lease.
        lease: Option<String>,
    },
    /// Lift the freeze.
    Unfreeze,
    /// What was unusual about a recovery point is as it should be: later ones are compared with it.
    AcceptPoint {
        /// The target.
        target: String,
        /// The point's name in the vault.
        point: Digest,
    },
    /// Undo what more than one lease did.
    Undo {
        /// The leases.
        leases: Vec<String>,
        /// The indexes of the `images` entries of the traffic log, the newest first.
        entries: Vec<u64>,
        /// Whether rows that were changed since are left as they are.
        leave_conflicts: bool,
        /// Whether triggers that do not let rows come back are switched off meanwhile.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        without_triggers: bool,
    },
    /// Let another person decide.
    AddPerson {
        /// The name under which they will be shown.
        name: String,
    },
    /// Give a person another passkey.
    AddPasskey {
        /// The person.
        person: String,
    },
}

/// Everything that gives a SQL action its meaning (invariant 4): change any of it and the digest changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlBinding {
    /// Digest of the exact statement text.
    pub text: Digest,
    /// Digest of the parameters with their types and formats, in order.
    pub parameters: Digest,
    /// Digest of COPY data that was sent, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_data: Option<Digest>,
    /// Whether it came by the simple or the extended protocol.
    pub extended: bool,
    /// The role at the target that would act.
    pub role: String,
    /// The effective `search_path`, in order.
    pub search_path: Vec<String>,
    /// Session settings that change what a statement means (`TimeZone`, `DateStyle`, …), as `name=value`.
    pub settings: Vec<String>,
    /// The objects that the names resolved to, as `oid schema.name`.
    pub objects: Vec<String>,
    /// Digest of the earlier statements of the open transaction, in order; `None` outside one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Digest>,
}

/// Everything that gives a request its meaning. What a client makes anew for every attempt (dates, trace ids, the values of
/// idempotency tokens) and what the gate puts in (credentials) is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpBinding {
    /// Upper case.
    pub method: String,
    /// `https://host:port`, as the gate connects.
    pub origin: String,
    /// Of path and query, as sent but for tokens.
    pub resource: Digest,
    /// Of the headers that count, sorted.
    pub headers: Digest,
    /// Of the body, as sent but for tokens.
    pub body: Digest,
    /// What it was read as, in the provider's names.
    pub operations: Vec<String>,
}

/// What the action's digest is taken over.
#[derive(Debug, Serialize)]
struct Bound<'a> {
    installation: &'a str,
    lease: Option<&'a str>,
    target: Option<&'a str>,
    policy: Digest,
    ask: &'a Ask,
}

/// The digest of `ask` by `lease` on `target` under the policy version `policy`.
///
/// # Errors
/// Never in practice: every field has a canonical form.
pub fn digest(
    installation: &str,
    lease: Option<&str>,
    target: Option<&str>,
    policy: Digest,
    ask: &Ask,
) -> Result<Digest, CanonicalError> {
    canonical::digest(&Bound {
        installation,
        lease,
        target,
        policy,
        ask,
    })
}

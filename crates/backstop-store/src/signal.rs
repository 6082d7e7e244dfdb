//! What the gates and the console are told when something changes.

/// What a gate must know about a lease before each action, kept current without asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseSignal {
    /// Whether the lease may act at all (halts and ends; the clock is the gate's to look at).
    pub active: bool,
    /// Whether only reads pass: a freeze, or a target that refused the gate.
    pub reads_only: bool,
    /// Why, when it may not act or only read.
    pub why: String,
    /// Unix time in milliseconds from which on nothing is allowed.
    pub expires_ms: i64,
    /// Counts changes of the lease itself, so that caches can tell.
    pub generation: u64,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A hold.
    Hold(String),
    /// A lease.
    Lease(String),
    /// People or passkeys.
    People,
    /// The recovery points of a target, or their drills.
    Points(String),
    /// A halt or freeze of everything.
    Everything,
}

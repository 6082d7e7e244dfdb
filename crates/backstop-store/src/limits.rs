//! What one lease can make people and the gate do (invariant 11).

/// Bounds on holds.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open holds of one lease at a time.
    pub open_holds: usize,
    /// Holds that one lease can open within an hour.
    pub holds_per_hour: usize,
    /// Denials in a row after which the lease is halted.
    pub denials_before_halt: u32,
    /// How long people have to decide, in milliseconds.
    pub decide_within_ms: i64,
    /// How long an approval stays good, in milliseconds.
    pub execute_within_ms: i64,
    /// How long an approval by fewer people than required is announced before it counts.
    pub delay_ms: i64,
    /// How long a challenge can be signed, in milliseconds.
    pub challenge_ms: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            open_holds: 5,
            holds_per_hour: 60,
            denials_before_halt: 3,
            decide_within_ms: 24 * 3_600_000,
            execute_within_ms: 15 * 60_000,
            delay_ms: 10 * 60_000,
            challenge_ms: 5 * 60_000,
        }
    }
}

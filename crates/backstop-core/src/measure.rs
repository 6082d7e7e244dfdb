//! What is known of an effect once it was measured, and how much of it passes without a person.

use serde::{Deserialize, Serialize};

/// How much a lease may write without a person, where what it does is measured before COMMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limits {
    /// Rows of one table in one transaction.
    pub rows: u64,
    /// The share of a table in one transaction, in hundredths of a percent.
    pub share: u32,
    /// So few rows are never a mass write, whatever share of a small table they are.
    pub few: u64,
    /// Rows changed or deleted by a lease and its children within the window.
    pub lease_rows: u64,
    /// Rows changed or deleted by all leases at a target within the window.
    pub target_rows: u64,
    /// The window, in milliseconds.
    pub window_ms: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rows: 1_000,
            share: 1_000,
            few: 20,
            lease_rows: 5_000,
            target_rows: 20_000,
            window_ms: 3_600_000,
        }
    }
}

/// What was measured of one effect on rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Measured {
    /// The share of the table, in hundredths of a percent; 0 where none is lost or changed.
    pub share: u32,
    /// Rows that the lease and its children have changed or deleted within the window, these among them.
    pub lease_rows: u64,
    /// As many for all leases at the target.
    pub target_rows: u64,
    /// Whether the old rows are where the agent cannot reach them.
    pub recoverable: bool,
}

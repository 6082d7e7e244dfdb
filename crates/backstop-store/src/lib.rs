//! Leases, holds, approvals and sealed credentials: an index that can be rebuilt from the control log.
//!
//! Everything that changes is written to the journal first, through [`Ledger`], and applied after; so the
//! store can never know something that the journal does not. Must not know gates or HTTP.

mod clock;
mod decide;
mod enrol;
mod error;
mod holds;
mod index;
mod leases;
mod ledger;
mod limits;
mod seal;
mod signal;
mod state;
mod store;

pub use clock::{Clock, SystemClock};
pub use decide::Asked;
pub use enrol::{Invitation, Registered};
pub use error::StoreError;
pub use holds::{NewHold, Opened};
pub use leases::Granted;
pub use ledger::{Ledger, LedgerError, LedgerFuture};
pub use limits::Limits;
pub use seal::{SealKey, SealedFile};
pub use signal::{Change, LeaseSignal};
pub use state::State;
pub use store::{Options, Store};

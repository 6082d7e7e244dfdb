//! A copy of the objects that one action takes: their rows, their definitions and all that goes with them.
//!
//! The order keeps invariant 3, and every step is a function here:
//!
//! 1. [`closure`]: what goes, asked in the acting transaction before it has done anything;
//! 2. [`hold_still`]: locks that stop writers, the closure once more, and the transaction's snapshot;
//! 3. [`copy`]: all of it, read under that snapshot by PostgreSQL's own tools, into the vault;
//! 4. [`confirm`]: locks that stop everybody, and proof that what goes is still what was copied;
//! 5. the act, in the same transaction, by whoever owns the connection.
//!
//! The copy is a script for `psql` and nothing else, so it comes back without Backstop too; [`bring_back`]
//! runs it in one transaction.

mod bring_back;
mod closure;
mod copy;
mod definitions;
mod emptied;
mod gone;
mod lock;
pub(crate) mod order;
mod outside;
mod relation;
mod rows;

pub use bring_back::bring_back;
pub use closure::{Closure, closure};
pub use copy::{Copied, copy};
pub use gone::{Act, Address, Gone};
pub use lock::{Patience, confirm, hold_still};
pub use outside::Outside;
pub use relation::{Kind, Relation, Way};

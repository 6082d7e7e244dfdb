//! Exact undo: bringing back what row images say, in one transaction, as the gate's role.
//!
//! `load` stages the images in temporary tables, `fold` makes of a row's history what it was first and what it must be
//! now, `compare` finds what is there instead, `act` changes everything in one statement, `rounds` looks at what the
//! undo itself changed, triggers and cascades included, and repairs it. `plan` does the first half and rolls back.
//!
//! Nothing is guessed: a row that is not as the transaction left it is a conflict. Nothing is switched off:
//! constraints hold, and triggers do, but where a person said that those which never let a row come back may rest.

mod act;
mod apply;
mod compare;
mod error;
mod family;
mod fold;
mod load;
mod quiet;
mod rounds;
mod summary;
mod table;

#[cfg(test)]
mod tests;

pub(crate) use apply::{Applied, Wish, apply, plan};
pub(crate) use error::UndoError;
pub(crate) use summary::{Conflict, Summary, TableSummary};

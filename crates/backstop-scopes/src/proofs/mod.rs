//! Proofs about policies: sentences that hold for every question that a gate can ever put to them, not only for those
//! that somebody thought of.
//!
//! Cedar's symbolic compiler turns a policy set and a sentence into a formula, and a solver (cvc5) looks for a question
//! for which the sentence is false. None exists: it is proved. One does: it is the counterexample, and the real
//! authorizer is asked about it before anybody is told. No solver, no answer in time, an answer that the authorizer
//! does not bear out: unknown, never proved.
//!
//! What is proved is about the verdict on one effect; an action's verdict is the strictest of its effects'. That the
//! gate finds the effects and facts rightly, and does as the verdict says, is outside of it.

#[cfg(test)]
mod asked;
mod case;
mod of_lease;
mod prove;
mod solver;
mod statement;
mod turned;

pub use case::Case;
pub use of_lease::of_lease;
pub use prove::{Proof, Proofs, Standing, prove};
pub use solver::{Solver, SolverError};
pub use statement::{Claim, FACTS, Statement, everywhere};

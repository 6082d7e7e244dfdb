//! Proofs about policies with the real solver: the default policies are proved, and whatever weakens them is refuted by a
//! case that the real authorizer bears out.

// JUSTIFICATION: a helper of a test fails the test, as the test itself would.
#![allow(clippy::unwrap_used, clippy::panic)]

mod liars;
mod weakened;

use std::path::PathBuf;
use std::time::Duration;

use backstop_core::policy::Policy;
use backstop_scopes::proofs::{Case, Proofs, Solver, Standing, Statement, everywhere, prove};

/// The real solver's program; none where it is not there and need not be.
fn cvc5() -> Option<PathBuf> {
    let program = backstop_testing::solver::cvc5().unwrap();
    if program.is_none() {
        eprintln!("skipped: there is no cvc5; hint: scripts/setup.sh solver");
    }
    program
}

/// The real solver.
async fn solver() -> Option<Solver> {
    let program = cvc5()?;
    Some(
        Solver::find(Some(&program), Duration::from_secs(60))
            .await
            .unwrap(),
    )
}

fn statement(id: &str) -> Statement {
    everywhere().into_iter().find(|s| s.id == id).unwrap()
}

/// The case that refutes the sentence; the authorizer is asked about it once more.
#[track_caller]
fn refuted<'a>(proofs: &'a Proofs, id: &str, policy: &Policy) -> &'a Case {
    let proof = proofs.proofs.iter().find(|p| p.id == id).unwrap();
    let Standing::Refuted { case } = &proof.standing else {
        panic!("{id}: {proof:#?}");
    };
    assert_eq!(policy.judge_one(&case.question), case.verdict);
    case
}

#[tokio::test]
async fn the_default_policies_are_proved() {
    let Some(solver) = solver().await else { return };
    let proofs = prove(&solver, &Policy::with("").unwrap(), &everywhere());
    assert!(proofs.all_proved(), "{proofs:#?}");
    assert!(proofs.proofs.len() >= 15);
    assert!(proofs.solver.unwrap().starts_with("cvc5 1."));
}

//! The default policies are proved, and a weakened set is refuted with a case that the real authorizer bears out.

use std::time::Duration;

use backstop_core::policy::{DEFAULT, Policy};
use backstop_core::verdict::Decision;
use backstop_scopes::proofs::{Proofs, Solver, Standing, everywhere, prove};

/// The solver, which `scripts/setup.sh solver` gets; without it the test says so, and fails where all is required.
async fn solver() -> Option<Solver> {
    let kept = std::env::var_os("BACKSTOP_TEST_CACHE")
        .map(|folder| std::path::PathBuf::from(folder).join("solver/cvc5"))
        .filter(|path| path.exists());
    match Solver::find(kept.as_deref(), Duration::from_secs(60)).await {
        Ok(solver) => Some(solver),
        Err(error) => {
            let required = std::env::var("CI").is_ok_and(|v| v == "true")
                || std::env::var("BACKSTOP_REQUIRE_ALL").is_ok_and(|v| v == "1");
            assert!(!required, "{error}; hint: scripts/setup.sh solver");
            eprintln!("skipped: {error}");
            None
        }
    }
}

fn standing<'a>(proofs: &'a Proofs, id: &str) -> &'a Standing {
    &proofs.proofs.iter().find(|p| p.id == id).unwrap().standing
}

#[tokio::test]
async fn the_default_policies_are_proved() {
    let Some(solver) = solver().await else { return };
    let proofs = prove(&solver, &Policy::with("").unwrap(), &everywhere()).await;
    assert!(proofs.all_proved(), "{proofs:#?}");
}

#[tokio::test]
async fn a_weakened_set_is_refuted_with_a_case() {
    let Some(solver) = solver().await else { return };
    for (from, to, id) in [
        (
            "context.environment == \"production\" && context.kind == \"destroy\" && !context.own",
            "false",
            "destroy-needs-a-person",
        ),
        (
            "  !context.recoverable\n",
            "  false\n",
            "loss-needs-a-recovery-point",
        ),
    ] {
        assert!(DEFAULT.contains(from));
        // Something must permit what is no longer forbidden.
        let text = format!(
            "{}\n@id(\"hole\") permit (principal, action, resource);",
            DEFAULT.replace(from, to)
        );
        let policy = Policy::exactly(&text).unwrap();
        let proofs = prove(&solver, &policy, &everywhere()).await;
        let Standing::Refuted { case } = standing(&proofs, id) else {
            panic!("{proofs:#?}");
        };
        let verdict = policy.judge_one(&case.question);
        assert!(verdict.decision < Decision::Hold, "{case:?}");
    }
}

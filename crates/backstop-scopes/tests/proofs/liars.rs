//! A solver that is not there, breaks, dawdles or lies proves nothing.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use backstop_core::policy::Policy;
use backstop_scopes::proofs::{Proofs, Solver, SolverError, everywhere, prove};
use tempfile::TempDir;

use super::cvc5;

const GREETING: &str =
    r#"[ "$1" != --version ] || { echo "This is cvc5 version 1.3.1 [git]"; exit; }"#;

/// A program that pretends to be one.
fn pretender(folder: &TempDir, does: &str) -> PathBuf {
    let path = folder.path().join("cvc5");
    std::fs::write(&path, format!("#!/bin/sh\n{does}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

async fn asked(program: &Path, patience: Duration) -> Proofs {
    let solver = Solver::find(Some(program), patience).await.unwrap();
    prove(&solver, &Policy::with("").unwrap(), &everywhere())
}

/// Nothing is proved and nothing refuted.
#[track_caller]
fn nothing(proofs: &Proofs, why: &str) {
    assert_eq!(proofs.proofs.len(), everywhere().len());
    assert!(
        !proofs.all_proved() && proofs.refuted().is_none(),
        "{proofs:#?}"
    );
    assert!(
        proofs.proofs.iter().all(|p| !p.standing.is_proved()),
        "{proofs:#?}"
    );
    let (_, said) = proofs.unknown_one().unwrap();
    assert!(said.contains(why), "{said}");
}

#[tokio::test]
async fn a_program_that_is_no_solver_is_refused_before_it_is_asked() {
    let folder = TempDir::new().unwrap();
    let find = async |does: &str| {
        let program = pretender(&folder, does);
        Solver::find(Some(&program), Duration::from_secs(5))
            .await
            .unwrap_err()
    };
    for said in ["Z3 version 4.8.12", "This is cvc5", "", "cvc5 version x"] {
        let error = find(&format!("echo '{said}'")).await;
        assert!(matches!(error, SolverError::Other(_)), "{error}");
    }
    for old in ["1.0.3", "1.3.0", "1.3", "0.9.9"] {
        let error = find(&format!("echo 'This is cvc5 version {old} [git]'")).await;
        assert!(matches!(error, SolverError::Old(_)), "{error}");
        assert!(error.to_string().contains("hint: 1.3.1"), "{error}");
    }
    let none = folder.path().join("none");
    let error = Solver::find(Some(&none), Duration::from_secs(5))
        .await
        .unwrap_err();
    assert!(
        matches!(error, SolverError::Missing(_)) && error.to_string().contains("hint:"),
        "{error}"
    );
}

#[tokio::test]
async fn a_solver_that_breaks_or_says_one_thing_to_everything_proves_nothing() {
    let folder = TempDir::new().unwrap();
    let always = |answer: &str| {
        format!(
            "{GREETING}\nwhile read -r line; do case $line in *check-sat*) {answer};; esac; done"
        )
    };
    for (does, why) in [
        (format!("{GREETING}\nexit 1"), "no answer"),
        (format!("{GREETING}\nkill -SEGV $$"), "no answer"),
        (always("exit 0"), "no answer"),
        (always("echo maybe"), "no answer"),
        (always("echo unknown"), "no answer"),
        (always("echo unsat"), "not believed"),
        (always("echo sat"), "after 2 s"),
        (always("echo sat; echo '('; echo ')'"), "no"),
        (
            always("echo sat; echo '('; echo '(define-fun x () Int 1)'; echo ')'"),
            "no",
        ),
        (always("echo '(error \"out of memory\")'"), "out of memory"),
    ] {
        let proofs = asked(&pretender(&folder, &does), Duration::from_secs(2)).await;
        nothing(&proofs, why);
    }
}

#[tokio::test]
async fn a_solver_that_dawdles_is_ended() {
    let folder = TempDir::new().unwrap();
    let pid = folder.path().join("pid");
    let does = format!("{GREETING}\necho $$ > {}\nexec sleep 600", pid.display());
    let begun = Instant::now();
    let proofs = asked(&pretender(&folder, &does), Duration::from_secs(1)).await;
    nothing(&proofs, "after 1 s; hint: give it longer with --patience");
    assert!(begun.elapsed() < Duration::from_secs(20));
    let pid = std::fs::read_to_string(pid).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "it is gone");
}

/// Right about what it is tried with, and wrong afterwards.
#[tokio::test]
async fn a_solver_that_lies_once_it_is_trusted_proves_nothing() {
    let Some(cvc5) = cvc5() else { return };
    let folder = TempDir::new().unwrap();
    let cvc5 = cvc5.display();
    let count = folder.path().join("count");
    let later = |does: &str| {
        format!(
            "{GREETING}\necho >> {count}\n[ $(wc -l < {count}) -gt 2 ] || exec {cvc5} \"$@\"\n{does}",
            count = count.display()
        )
    };
    for (does, why) in [
        // "Nothing speaks against it", of everything: also of what asks for any question at all.
        (
            "while read -r line; do case $line in *check-sat*) echo unsat;; esac; done".to_owned(),
            "no question that it is about",
        ),
        // Some question, whatever was asked for.
        (
            format!("sed -u '/^(assert/d' | {cvc5} \"$@\""),
            "the solver",
        ),
    ] {
        let _ = std::fs::remove_file(&count);
        let proofs = asked(&pretender(&folder, &later(&does)), Duration::from_secs(30)).await;
        nothing(&proofs, why);
    }
}

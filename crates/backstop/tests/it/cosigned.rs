//! A journal that was put back as a whole, with its keys and its index, through the whole binary.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Installation, Ran, eventually};
use crate::vault::Made;

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(done.unwrap().success());
}

/// An installation with a vault in its configuration.
fn installation(made: &Made) -> Installation {
    let here = Installation::new();
    here.edit(|text| {
        let quiet = text.replace("name = \"prod\"", "name = \"prod\"\npoints = \"off\"");
        format!("{quiet}\n{}", made.snippet())
    });
    here
}

/// Entries under the newest checkpoint that the vault has cosigned, of the control log and the traffic log.
fn cosigned(here: &Installation) -> [u64; 2] {
    let status = here.run(&["--json", "status"]).fine().json();
    [0, 1].map(|log| {
        let at = &status["journal"][log]["cosigned"];
        assert_eq!(at["failure"], Value::Null);
        at["size"].as_u64().unwrap_or(0)
    })
}

fn reports(ran: &Ran) -> Vec<Value> {
    let lines = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

#[test]
fn a_journal_that_was_put_back_as_a_whole_is_found_out_and_not_gone_on_with() {
    let made = Made::new();
    let here = installation(&made);
    let vault = made.serve();
    let (serving, mut person) = here.serve_with_person();
    let first = eventually("the vault to cosign", || {
        Some(cosigned(&here)).filter(|[control, _]| *control > 0)
    });
    assert_eq!(serving.stop(), 0);
    let sound = here.run(&["--json", "journal", "verify"]).fine();
    let control = &reports(&sound)[0];
    assert!(
        control["cosigned"].as_u64().unwrap() >= first[0],
        "{control}"
    );
    // What stopping wrote was cosigned, too.
    assert_eq!(control["cosigned"], control["report"]["entries"]);

    // The agent keeps a copy of all that the gate has, acts, and puts the copy back.
    let old = made.path("old");
    copy(&here.data(), Path::new(&old));
    let serving = here.serve();
    person.sign_in().unwrap();
    let (_, dsn) = here.lease(&mut person, &["read:public.*"]);
    here.psql(&dsn, "select 1").fine();
    eventually("the vault to cosign what was done", || {
        Some(cosigned(&here)).filter(|[_, traffic]| *traffic > 0)
    });
    assert_eq!(serving.stop(), 0);
    let newer = made.path("newer");
    std::fs::rename(here.data(), &newer).unwrap();
    copy(Path::new(&old), &here.data());

    let found = here.run(&["--json", "journal", "verify"]);
    assert_eq!(found.code, 4, "{}{}", found.out, found.err);
    let told = reports(&found);
    for report in &told {
        assert_eq!(report["sound"], false, "{report}");
        assert!(report.to_string().contains("rolled back"), "{report}");
    }
    // An auditor who has only the vault's directory finds the same.
    let by_hand = here.run(&["journal", "verify", "--vault", &made.path("vault")]);
    assert_eq!(by_hand.code, 4, "{}{}", by_hand.out, by_hand.err);
    assert!(by_hand.out.contains("rolled back"), "{}", by_hand.out);
    // And the gate does not go on with it.
    let refused = here.run(&["serve"]);
    assert_eq!(refused.code, 4, "{}{}", refused.out, refused.err);
    assert!(
        refused.err.contains("is not the one that the vault knows"),
        "{}",
        refused.err
    );

    // Without the vault nobody can know: that is said.
    vault.stop();
    let alone = here.run(&["journal", "verify"]).fine();
    assert!(alone.out.contains("could not be asked"), "{}", alone.out);
    // While it was away, the gate starts; once it is back, nothing acts.
    let serving = here.serve();
    let status = here.run(&["--json", "status"]).fine().json();
    assert_eq!(status["halted"], Value::Null);
    let vault = made.serve();
    let halted = eventually("everything to be halted", || {
        let status = here.run(&["--json", "status"]).fine().json();
        status["halted"].as_str().map(str::to_owned)
    });
    assert!(
        halted.contains("not the one that the vault knows"),
        "{halted}"
    );
    assert_eq!(serving.stop(), 0);

    // The journal that was taken away is the right one still.
    std::fs::remove_dir_all(here.data()).unwrap();
    std::fs::rename(&newer, here.data()).unwrap();
    here.run(&["journal", "verify"]).fine();
    let serving = here.serve();
    here.run(&["status"]).fine();
    assert_eq!(serving.stop(), 0);
    vault.stop();
}

#[test]
fn two_installations_share_a_vault() {
    let made = Made::new();
    let vault = made.serve();
    let (one, other) = (installation(&made), installation(&made));
    for here in [&one, &other] {
        let serving = here.serve();
        eventually("the vault to cosign", || {
            Some(cosigned(here)).filter(|[control, _]| *control > 0)
        });
        assert_eq!(serving.stop(), 0);
        here.run(&["journal", "verify"]).fine();
    }
    vault.stop();
}

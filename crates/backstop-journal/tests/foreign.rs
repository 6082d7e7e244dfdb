//! Two verifiers that we did not write accept the journal, and reject it after a flip.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::support::{ORIGIN, Place, copy, files, fill, small};

/// A program that verifies `DIRECTORY ORIGIN KEY`.
type Verifier = fn(&Path) -> Command;

fn tlog_scales(home: &Path) -> Command {
    let mut command = Command::new(home.join("venv/bin/python"));
    command.arg(scripts().join("tlog_scales_verify.py"));
    command
}

fn sumdb(home: &Path) -> Command {
    Command::new(home.join("sumdb-verify"))
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verifiers")
}

/// Installs the verifiers if they are not there, and gives their folder.
fn install() -> PathBuf {
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/clients/journal-verifiers.sh");
    let output = Command::new(script).output().unwrap();
    assert!(
        output.status.success(),
        "the foreign verifiers could not be installed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

fn run(verifier: Verifier, home: &Path, place: &Place, log: &Path) -> Output {
    verifier(home)
        .args([
            log.as_os_str(),
            ORIGIN.as_ref(),
            place.verifier().text().as_ref(),
        ])
        .output()
        .unwrap()
}

/// Accepts journals of several sizes, and rejects flips in each kind of published file.
fn accepts_and_rejects(verifier: Verifier) {
    let home = install();
    let place = Place::new();
    let mut size = 0;
    for step in [1, 255, 1, 550] {
        let journal = place.open(small());
        fill(&journal, size, size + step);
        size += step;
        journal.close().unwrap();
        let output = run(verifier, &home, &place, &place.log());
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "size {size}: {errors}");
        assert_eq!(said.trim(), format!("{size} entries"));
    }
    let published = [
        "checkpoint",
        "tile/0/000",
        "tile/0/003.p/39",
        "tile/1/000.p/3",
        "tile/entries/002",
        "tile/entries/003.p/39",
    ];
    let there = files(&place.log());
    for name in published {
        assert!(
            there.iter().any(|file| file == Path::new(name)),
            "{name} is not in {there:?}"
        );
        let len = fs::metadata(place.log().join(name)).unwrap().len();
        for at in [1, len / 2, len - 2] {
            let flipped = tempfile::tempdir().unwrap();
            copy(&place.log(), flipped.path());
            let path = flipped.path().join(name);
            let mut bytes = fs::read(&path).unwrap();
            bytes[usize::try_from(at).unwrap()] ^= 2;
            fs::write(&path, bytes).unwrap();
            let output = run(verifier, &home, &place, flipped.path());
            assert!(
                !output.status.success(),
                "byte {at} of {name} flipped unseen"
            );
        }
    }
}

#[test]
fn tlog_scales_from_pypi_accepts_the_journal_and_rejects_it_after_a_flip() {
    accepts_and_rejects(tlog_scales);
}

#[test]
fn gos_sumdb_accepts_the_journal_and_rejects_it_after_a_flip() {
    accepts_and_rejects(sumdb);
}

//! Crashes: whatever was acknowledged survives, and what comes back is a sound journal.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    time::Duration,
};

use backstop_journal::{Journal, Options, TextState};
use proptest::prelude::*;

use crate::support::{ORIGIN, Place, copy, entry, expected, files, fill, small, texted};

/// Set for the child process that writes until it is killed.
const CHILD: &str = "BACKSTOP_JOURNAL_TEST_WRITER";

/// How often the writer is killed; `BACKSTOP_JOURNAL_KILLS` overrides it for the long run.
fn kills() -> u64 {
    std::env::var("BACKSTOP_JOURNAL_KILLS").map_or(15, |kills| kills.parse().unwrap())
}

/// Not a test by itself: writes to the journal and says what is durable, until it is killed.
#[test]
fn writer() {
    let Some(journal) = childs_journal() else {
        return;
    };
    let mut n = journal.size();
    loop {
        let batch = 1 + n % 97;
        fill(&journal, n, n + batch);
        n += batch;
        let mut out = std::io::stdout().lock();
        writeln!(out, "\ndurable {n}").unwrap();
        out.flush().unwrap();
    }
}

/// Not a test by itself: fills the journal and prunes it again and again, until it is killed.
#[test]
fn pruner() {
    let Some(journal) = childs_journal() else {
        return;
    };
    let mut n = journal.size();
    loop {
        fill(&journal, n, n + 1500);
        n += 1500;
        let oldest = journal.prune_entries(n - 300).unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "\ndurable {oldest}").unwrap();
        out.flush().unwrap();
    }
}

/// The journal that a child process works on; none when this is not such a process.
fn childs_journal() -> Option<Journal> {
    let dir = std::env::var(CHILD).ok()?;
    let dir = std::path::Path::new(&dir);
    let key = backstop_journal::SigningKey::load(&dir.join("key")).unwrap();
    Some(Journal::open(&dir.join("log"), ORIGIN, key, small()).unwrap())
}

#[test]
fn a_kill_in_the_middle_of_pruning_leaves_a_journal_that_verifies() {
    let place = Place::new();
    let mut random = 0x2545_f491_4f6c_dd1du64;
    let mut pruned = 0;
    for round in 0..kills() {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(round | 1);
        pruned = pruned.max(kill_a(
            "pruner",
            &place,
            Duration::from_micros(random >> 47),
        ));

        let report = place.verify();
        assert!(report.is_sound(), "round {round}: {report:#?}");
        assert!(report.minimum >= pruned, "round {round}: {report:#?}");
        let journal = place.open(small());
        let (oldest, size) = (journal.oldest(), journal.size());
        for (n, found) in (oldest..).zip(journal.iter(oldest)) {
            assert_eq!(found.unwrap(), (n, expected(n)), "round {round}");
        }
        // What the kill left over goes with the next pruning, and not more than that.
        assert_eq!(journal.prune_entries(oldest).unwrap(), oldest);
        let bundles = files(&place.log().join("tile/entries"));
        let full = bundles.iter().filter(|f| f.components().count() == 1);
        assert_eq!(full.count() as u64, size / 256 - oldest / 256);
        drop(journal);
        assert!(place.verify().is_sound(), "round {round}");
    }
    assert!(pruned > 0);
}

#[test]
fn no_acknowledged_entry_is_lost_when_the_writer_is_killed() {
    let place = Place::new();
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut acknowledged = 0;
    for round in 0..kills() {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(round | 1);
        let patience = Duration::from_micros(random >> 46);
        acknowledged = acknowledged.max(kill_a("writer", &place, patience));

        let report = place.verify();
        assert!(report.is_sound(), "round {round}: {report:#?}");
        assert!(
            report.entries >= acknowledged,
            "round {round}: {} < {acknowledged}",
            report.entries
        );
        let journal = place.open(small());
        assert!(journal.size() >= acknowledged);
        for n in acknowledged.saturating_sub(600)..acknowledged {
            assert_eq!(journal.read(n).unwrap(), expected(n), "round {round}");
            if n % 7 == 3 {
                let text = texted(n).1;
                let found = journal.text(text.digest()).unwrap();
                assert_eq!(found, TextState::Present(text.bytes().to_vec()));
            }
        }
        drop(journal);
        let report = place.verify();
        assert!(
            report.is_sound() && report.notes.is_empty(),
            "round {round}: {report:#?}"
        );
    }
    assert!(
        acknowledged > kills(),
        "the writers got to write: {acknowledged}"
    );
}

/// Starts a child, kills it a while after its first acknowledgement, and gives the last one.
fn kill_a(child: &str, place: &Place, patience: Duration) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([&format!("crash::{child}"), "--exact", "--nocapture"])
        .env(CHILD, place.dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (first, heard) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut last = 0;
        for line in lines.map_while(Result::ok) {
            if let Some(n) = line.strip_prefix("durable ") {
                last = n.parse().unwrap();
                let _ = first.send(());
            }
        }
        last
    });
    heard.recv_timeout(Duration::from_secs(60)).unwrap();
    std::thread::sleep(patience);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

/// A crashed journal: `signed` entries are signed, each further one is in a frame of its own.
fn crashed(signed: u64, further: u64) -> (Place, tempfile::TempDir) {
    let place = Place::new();
    // No segment ends and no checkpoint is made while the copy is taken.
    let quiet = || Options {
        checkpoint_every: Duration::from_secs(3600),
        ..Options::default()
    };
    let journal = place.open(quiet());
    fill(&journal, 0, signed);
    journal.close().unwrap();
    let journal = place.open(quiet());
    for n in signed..signed + further {
        fill(&journal, n, n + 1);
    }
    let copied = tempfile::tempdir().unwrap();
    // Reading what is durable waits until it is published too, so that the copy is of a quiet journal.
    assert_eq!(journal.iter(0).count() as u64, signed + further);
    copy(&place.log(), copied.path());
    drop(journal);
    (place, copied)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_tail_cut_anywhere_loses_only_what_was_cut(
        signed in 0u64..600,
        further in 1u64..40,
        cut in 0.0f64..1.0,
        zeros in 0usize..3000,
    ) {
        let (place, copied) = crashed(signed, further);
        let segments = files(&copied.path().join("segments"));
        let last = copied.path().join("segments").join(segments.last().unwrap());
        let bytes = fs::read(&last).unwrap();
        let mut size = None;
        let at = (bytes.len() as f64 * cut) as usize;
        let torn = [&bytes[..at], &vec![0; zeros]].concat();
        fs::write(&last, &torn).unwrap();
        match Journal::open(copied.path(), ORIGIN, place.key(), small()) {
            Ok(journal) => {
                size = Some(journal.size());
                prop_assert!(journal.size() >= signed && journal.size() <= signed + further);
                for (n, found) in journal.iter(0).enumerate() {
                    prop_assert_eq!(found.unwrap().1, expected(n as u64));
                }
                let next = journal.size();
                fill(&journal, next, next + 5);
                journal.close().unwrap();
                let report = place.verify_at(copied.path(), &Default::default());
                prop_assert!(report.is_sound() && report.notes.is_empty(), "{:#?}", report);
                prop_assert_eq!(report.size, next + 5);
            }
            Err(error) => prop_assert!(error.is_integrity(), "{}", error),
        }
        // Zeros where the next write would have begun are no damage.
        if at == bytes.len() {
            prop_assert_eq!(size, Some(signed + further));
        }
    }
}

#[test]
fn every_cut_of_an_unsigned_tail_opens_with_all_whole_frames() {
    let (place, copied) = crashed(300, 3);
    let name = "segments/00000000000000000256";
    let whole =
        fs::read(copied.path().join(name)).unwrap_or_else(|_| panic!("{:?}", files(copied.path())));
    // The signed part is one frame or more; find its end by opening ever shorter journals.
    let mut sizes = Vec::new();
    for cut in (0..=whole.len()).rev() {
        let again = tempfile::tempdir().unwrap();
        copy(copied.path(), again.path());
        fs::write(again.path().join(name), &whole[..cut]).unwrap();
        match Journal::open(again.path(), ORIGIN, place.key(), small()) {
            Ok(journal) => sizes.push(journal.size()),
            Err(error) => {
                assert!(error.is_integrity(), "{error}");
                break;
            }
        }
    }
    assert!(sizes.is_sorted_by(|a, b| a >= b), "{sizes:?}");
    sizes.dedup();
    assert_eq!(sizes, [303, 302, 301, 300]);
}

/// What is published was durable: segments that no longer have it were cut by something else than a crash.
#[test]
fn a_cut_below_what_was_published_is_not_gone_on_with() {
    for further in [23, 24] {
        let (place, copied) = crashed(233, further);
        let name = "segments/00000000000000000000";
        let whole = fs::read(copied.path().join(name)).unwrap();
        let mut told = 0;
        for cut in ((whole.len() / 2)..=whole.len()).rev().step_by(31) {
            let again = tempfile::tempdir().unwrap();
            copy(copied.path(), again.path());
            fs::write(again.path().join(name), &whole[..cut]).unwrap();
            match Journal::open(again.path(), ORIGIN, place.key(), small()) {
                Ok(journal) => assert!(journal.size() >= 256, "{}", journal.size()),
                Err(error) => {
                    assert!(error.is_integrity(), "{error}");
                    told += u64::from(error.to_string().contains("256 entries were published"));
                }
            }
        }
        assert!(told > 0);
    }
}

#[test]
fn damage_in_the_middle_of_an_unsigned_tail_is_not_cut_but_told() {
    let (place, copied) = crashed(300, 6);
    let path = copied.path().join("segments/00000000000000000256");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes
        .windows(entry(302).len())
        .position(|window| window == entry(302))
        .unwrap();
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = Journal::open(copied.path(), ORIGIN, place.key(), small()).unwrap_err();
    assert!(
        error.is_integrity() && error.to_string().contains("entry 302"),
        "{error}"
    );
    let report = place.verify_at(copied.path(), &Default::default());
    assert!(!report.is_sound());
}

#[test]
fn a_crash_while_opening_leaves_a_journal_that_opens() {
    let (place, copied) = crashed(760, 30);
    let old = files(&copied.path().join("segments"));
    let before: Vec<_> = old
        .iter()
        .map(|name| {
            (
                name.clone(),
                fs::read(copied.path().join("segments").join(name)).unwrap(),
            )
        })
        .collect();
    drop(Journal::open(copied.path(), ORIGIN, place.key(), small()).unwrap());
    // As if the process had died before it removed the segments that the fresh one replaces.
    for (name, bytes) in &before {
        let path = copied.path().join("segments").join(name);
        if !path.exists() {
            fs::write(path, bytes).unwrap();
        }
    }
    let report = place.verify_at(copied.path(), &Default::default());
    assert!(report.is_sound(), "{report:#?}");
    let journal = Journal::open(copied.path(), ORIGIN, place.key(), small()).unwrap();
    assert_eq!(journal.size(), 790);
    journal.close().unwrap();
    assert!(
        place
            .verify_at(copied.path(), &Default::default())
            .is_sound()
    );
}

#[test]
fn tiles_that_a_crash_left_torn_are_mended_from_the_segments() {
    let (place, copied) = crashed(600, 200);
    for name in [
        "tile/0/002",
        "tile/entries/002",
        "tile/0/002.p/88",
        "tile/1/000.p/2",
    ] {
        fs::write(copied.path().join(name), b"").unwrap();
    }
    assert!(
        !place
            .verify_at(copied.path(), &Default::default())
            .is_sound()
    );
    let journal = Journal::open(copied.path(), ORIGIN, place.key(), small()).unwrap();
    assert!(!journal.recovery().mended.is_empty());
    for n in 0..800 {
        assert_eq!(journal.read(n).unwrap(), expected(n));
    }
    journal.close().unwrap();
    let report = place.verify_at(copied.path(), &Default::default());
    assert!(report.is_sound(), "{report:#?}");
}

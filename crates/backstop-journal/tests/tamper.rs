//! Whatever is done to the files of a journal, verification finds it.

use std::{fs, path::Path};

use backstop_journal::{FindingKind, Journal, VerifyOptions};

use crate::support::{ORIGIN, Place, copy, files, fill, small, texted};

/// Appends small entries, few of them with a text, so that every byte's flip can be tried.
fn append(journal: &Journal, from: u64, to: u64) {
    for n in from..to {
        let _ = if n % 64 == 3 {
            let (entry, text) = texted(n);
            journal.append(&entry, Some(&text)).unwrap()
        } else {
            journal.append(&short(n), None).unwrap()
        };
    }
    journal.wait_durable(to - 1).unwrap();
}

fn short(n: u64) -> Vec<u8> {
    n.to_string().into_bytes()
}

/// A journal that has one of everything: full and partial tiles of two levels, several partial
/// versions, bundles, a segment, a text file, texts in the segment, an erased text.
fn sample() -> Place {
    let place = Place::new();
    let journal = place.open(small());
    append(&journal, 0, 260);
    journal.checkpoint_now().unwrap();
    append(&journal, 260, 266);
    journal.erase(texted(3).1.digest()).unwrap();
    journal.close().unwrap();
    let report = place.verify();
    assert!(report.is_sound() && report.notes.is_empty(), "{report:#?}");
    place
}

#[test]
fn every_single_byte_flip_in_every_file_is_found() {
    let place = sample();
    let all = files(&place.log());
    for wanted in [
        "checkpoint",
        "tile/0/000",
        "tile/1/000.p/1",
        "tile/0/001.p/4",
        "tile/0/001.p/10",
        "tile/entries/000",
        "tile/entries/001.p/10",
        "segments/00000000000000000256",
        "texts/00000000000000000000-00000000000000000256",
    ] {
        assert!(
            all.iter().any(|file| file == Path::new(wanted)),
            "{wanted} is not in {all:?}"
        );
    }
    let mut flips = 0;
    for file in &all {
        let path = place.log().join(file);
        let bytes = fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            fs::write(&path, &flipped).unwrap();
            let report = place.verify();
            assert!(
                !report.is_sound(),
                "byte {at} of {} flipped unseen",
                file.display()
            );
            assert!(
                report
                    .findings
                    .iter()
                    .any(|finding| Path::new(&finding.file) == file),
                "byte {at} of {}: {:#?}",
                file.display(),
                report.findings
            );
            flips += 1;
        }
        fs::write(&path, &bytes).unwrap();
    }
    assert!(flips > 10_000, "{flips}");
    assert!(place.verify().is_sound());
}

#[test]
fn every_file_cut_emptied_lengthened_removed_or_added_is_found() {
    let place = sample();
    for file in files(&place.log()) {
        let path = place.log().join(&file);
        let bytes = fs::read(&path).unwrap();
        let longer = [&bytes[..], b"x"].concat();
        let shorter = &bytes[..bytes.len().saturating_sub(1)];
        for changed in [&longer[..], shorter, &[]] {
            if changed == bytes {
                continue;
            }
            fs::write(&path, changed).unwrap();
            assert!(
                !place.verify().is_sound(),
                "{} bytes of {}",
                changed.len(),
                file.display()
            );
        }
        fs::remove_file(&path).unwrap();
        let needed = file != Path::new("lock")
            // Older partial versions and erasable texts need not be there.
            && file != Path::new("tile/0/001.p/4") && file != Path::new("tile/entries/001.p/4")
            && !file.starts_with("texts");
        let options = VerifyOptions {
            text_of: Some(&crate::support::text_of),
            ..Default::default()
        };
        let found = !place.verify_at(&place.log(), &options).is_sound();
        assert_eq!(
            found,
            needed || file.starts_with("texts"),
            "without {}",
            file.display()
        );
        fs::write(&path, &bytes).unwrap();
    }
    for added in [
        "stray",
        "tile/0/007",
        "tile/0/001.p/200",
        "tile/9/000",
        "tile/entries/001",
        "texts/x",
        "segments/00000000000000000256.bak",
        "tile/0/001.p/4.bak",
    ] {
        let path = place.log().join(added);
        fs::write(&path, [0; 32])
            .or_else(|_| {
                fs::create_dir_all(path.parent().unwrap())?;
                fs::write(&path, [0; 32])
            })
            .unwrap();
        assert!(!place.verify().is_sound(), "{added}");
        fs::remove_file(&path).unwrap();
    }
    assert!(place.verify().is_sound());
}

#[test]
fn entries_that_change_places_are_found_and_named() {
    let place = sample();
    let path = place.log().join("tile/entries/000");
    let bytes = fs::read(&path).unwrap();
    let at = |n: u64| -> usize {
        (0..n)
            .map(|n| {
                if n % 64 == 3 {
                    texted(n).0.len() + 2
                } else {
                    short(n).len() + 2
                }
            })
            .sum()
    };
    let (one, two, end) = (at(100), at(101), at(102));
    let swapped = [
        &bytes[..one],
        &bytes[two..end],
        &bytes[one..two],
        &bytes[end..],
    ]
    .concat();
    fs::write(&path, swapped).unwrap();
    let report = place.verify();
    let named: Vec<_> = report
        .findings
        .iter()
        .map(|f| (f.kind, f.file.as_str(), f.entry))
        .collect();
    assert_eq!(
        named,
        [
            (FindingKind::Bundle, "tile/entries/000", Some(100)),
            (FindingKind::Bundle, "tile/entries/000", Some(101)),
        ]
    );
}

#[test]
fn an_older_copy_is_found_when_a_newer_checkpoint_is_known() {
    let place = Place::new();
    let journal = place.open(small());
    fill(&journal, 0, 300);
    let first = journal.checkpoint_now().unwrap();
    journal.close().unwrap();
    let old = place.dir.path().join("old");
    copy(&place.log(), &old);
    let journal = place.open(small());
    fill(&journal, 300, 310);
    let second = journal.checkpoint_now().unwrap();
    journal.close().unwrap();

    let notes = [first.note().to_vec(), second.note().to_vec()];
    let options = VerifyOptions {
        at_least: &notes,
        ..VerifyOptions::default()
    };
    assert!(place.verify_at(&place.log(), &options).is_sound());
    assert!(place.verify_at(&old, &VerifyOptions::default()).is_sound());
    let report = place.verify_at(&old, &options);
    assert_eq!(
        report.findings[0].kind,
        FindingKind::Rollback,
        "{report:#?}"
    );
}

#[test]
fn another_history_of_the_same_length_is_found_when_a_checkpoint_is_known() {
    let place = Place::new();
    let journal = place.open(small());
    fill(&journal, 0, 300);
    let known = [journal.checkpoint_now().unwrap().note().to_vec()];
    drop(journal);
    fs::remove_dir_all(place.log()).unwrap();
    let journal = place.open(small());
    for n in 0..400u64 {
        let _ = journal
            .append(format!("rewritten {n}").as_bytes(), None)
            .unwrap();
    }
    journal.close().unwrap();
    assert!(
        place.verify().is_sound(),
        "whoever has the key can sign another history"
    );
    let options = VerifyOptions {
        at_least: &known,
        ..VerifyOptions::default()
    };
    let report = place.verify_at(&place.log(), &options);
    assert_eq!(
        report.findings[0].kind,
        FindingKind::Rollback,
        "{report:#?}"
    );
}

#[test]
fn a_journal_that_lost_signed_entries_does_not_open() {
    let place = sample();
    let segment = place.log().join("segments/00000000000000000256");
    let bytes = fs::read(&segment).unwrap();
    let open = || Journal::open(&place.log(), ORIGIN, place.key(), small());
    for cut in [48, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&segment, &bytes[..cut]).unwrap();
        let error = open().unwrap_err();
        assert!(
            error.is_integrity() && error.to_string().contains("segments/"),
            "{error}"
        );
    }
    fs::remove_file(&segment).unwrap();
    assert!(open().unwrap_err().is_integrity());
    fs::write(&segment, &bytes).unwrap();
    let checkpoint = place.log().join("checkpoint");
    let note = fs::read(&checkpoint).unwrap();
    fs::remove_file(&checkpoint).unwrap();
    assert!(open().unwrap_err().is_integrity());
    fs::write(&checkpoint, &note).unwrap();
    let tile = place.log().join("tile/0/000");
    let hashes = fs::read(&tile).unwrap();
    let mut flipped = hashes.clone();
    flipped[77] ^= 1;
    fs::write(&tile, flipped).unwrap();
    assert!(open().unwrap_err().is_integrity());
    fs::write(&tile, hashes).unwrap();
    drop(open().unwrap());
    assert!(place.verify().is_sound());
}

#[test]
fn another_key_or_origin_is_not_this_journal() {
    let place = sample();
    let other = backstop_journal::SigningKey::generate(ORIGIN).unwrap();
    assert!(
        Journal::open(&place.log(), ORIGIN, other, small())
            .unwrap_err()
            .is_integrity()
    );
    assert!(
        Journal::open(&place.log(), "else", place.key(), small())
            .unwrap_err()
            .is_integrity()
    );
}

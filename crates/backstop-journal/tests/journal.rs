//! Appending, waiting, reading, proving, closing and opening again.

use std::{sync::Arc, time::Duration};

use backstop_journal::{
    Hash, Journal, JournalError, Options, check_consistency, check_inclusion, leaf_hash,
};
use proptest::prelude::*;

use crate::support::{ORIGIN, Place, entry, expected, fill, small, text_of};

#[test]
fn what_was_appended_is_read_back_through_many_segments_and_openings() {
    let place = Place::new();
    let mut size = 0;
    for step in [1, 255, 1, 900, 0, 3000, 77] {
        let journal = place.open(small());
        assert_eq!(journal.size(), size);
        fill(&journal, size, size + step);
        size += step;
        assert_eq!(journal.size(), size);
        for (n, found) in journal.iter(0).enumerate() {
            assert_eq!(found.unwrap(), (n as u64, expected(n as u64)));
        }
        assert_eq!(journal.iter(0).count() as u64, size);
        assert!(matches!(
            journal.read(size),
            Err(JournalError::NoEntry { .. })
        ));
        journal.close().unwrap();
        let report = place.verify_at(
            &place.log(),
            &backstop_journal::VerifyOptions {
                text_of: Some(&text_of),
                ..Default::default()
            },
        );
        assert!(report.is_sound() && report.notes.is_empty(), "{report:#?}");
        assert_eq!((report.size, report.entries), (size, size));
    }
}

#[test]
fn a_closed_journal_stores_no_full_bundle_twice() {
    let place = Place::new();
    let journal = place.open(Options::default());
    fill(&journal, 0, 1000);
    journal.close().unwrap();
    let segments: Vec<_> = std::fs::read_dir(place.log().join("segments"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(segments, ["00000000000000000768"]);
}

#[test]
fn only_one_writer_has_a_directory() {
    let place = Place::new();
    let journal = place.open(small());
    let second = Journal::open(&place.log(), ORIGIN, place.key(), small());
    assert!(matches!(second, Err(JournalError::Locked { .. })));
    drop(journal);
    drop(place.open(small()));
}

#[test]
fn proofs_hold_against_every_signed_root() {
    let place = Place::new();
    let journal = place.open(small());
    let mut checkpoints = Vec::new();
    let mut size = 0;
    for step in [1, 2, 253, 1, 300, 700] {
        fill(&journal, size, size + step);
        size += step;
        checkpoints.push(journal.checkpoint_now().unwrap());
        assert_eq!(checkpoints.last().unwrap().size(), size);
    }
    for old in &checkpoints {
        assert_eq!(journal.root(old.size()).unwrap(), old.root());
        for new in checkpoints.iter().filter(|new| new.size() >= old.size()) {
            let proof = journal.consistency_proof(old.size(), new.size()).unwrap();
            assert!(check_consistency(
                &proof,
                new.size(),
                new.root(),
                old.size(),
                old.root()
            ));
            if new.size() > old.size() {
                assert!(!check_consistency(
                    &proof,
                    new.size(),
                    old.root(),
                    old.size(),
                    old.root()
                ));
            }
        }
        for index in (0..old.size()).step_by(13) {
            let proof = journal.inclusion_proof(index, old.size()).unwrap();
            let leaf = leaf_hash(&expected(index));
            assert!(check_inclusion(&proof, old.size(), old.root(), index, leaf));
            assert!(!check_inclusion(
                &proof,
                old.size(),
                old.root(),
                index,
                leaf_hash(b"else")
            ));
        }
    }
    assert!(journal.inclusion_proof(size, size).is_err());
    assert!(journal.consistency_proof(1, size + 1).is_err());
    assert_eq!(journal.root(0).unwrap(), Hash::empty_root());
}

#[test]
fn limits_are_told_and_cost_no_index() {
    let place = Place::new();
    let journal = place.open(small());
    let error = journal
        .append(&vec![0; backstop_journal::MAX_ENTRY + 1], None)
        .unwrap_err();
    assert!(error.to_string().contains("65535") && error.to_string().contains("hint:"));
    let ticket = journal
        .append(&vec![1; backstop_journal::MAX_ENTRY], None)
        .unwrap();
    assert_eq!(ticket.index, 0);
    journal.wait_durable(0).unwrap();
    assert_eq!(journal.read(0).unwrap().len(), backstop_journal::MAX_ENTRY);
}

#[test]
fn entries_that_nobody_waits_for_become_durable_and_signed_by_themselves() {
    let place = Place::new();
    let journal = place.open(small());
    for n in 0..300 {
        let _ = journal.append(&entry(n), None).unwrap();
    }
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while journal.checkpoint().size() < 300 {
        assert!(
            std::time::Instant::now() < deadline,
            "{:?}",
            journal.checkpoint()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(journal.size(), 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_wait_at_once_and_all_hear() {
    let place = Place::new();
    let journal = Arc::new(place.open(small()));
    let tasks: Vec<_> = (0..3000u64)
        .map(|n| {
            let journal = Arc::clone(&journal);
            tokio::spawn(async move {
                let ticket = journal.append(&entry(n), None).unwrap();
                journal.durable(ticket.index).await.unwrap();
                assert!(journal.size() > ticket.index);
                ticket.index
            })
        })
        .collect();
    let mut indexes = Vec::new();
    for task in tasks {
        indexes.push(task.await.unwrap());
    }
    indexes.sort_unstable();
    assert!(indexes.into_iter().eq(0..3000));
}

#[test]
fn verification_beside_a_busy_writer_finds_nothing() {
    let place = Place::new();
    let journal = place.open(small());
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..40 {
                fill(&journal, round * 150, (round + 1) * 150);
            }
        });
        let mut rounds = 0;
        while !writer.is_finished() || rounds == 0 {
            let report = place.verify();
            assert!(report.live);
            assert!(report.is_sound(), "{report:#?}");
            rounds += 1;
        }
    });
}

#[test]
fn verification_beside_a_writer_that_prunes_finds_nothing() {
    let place = Place::new();
    let journal = place.open(small());
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..20 {
                fill(&journal, round * 400, (round + 1) * 400);
                journal.prune_entries((round + 1) * 400 - 200).unwrap();
            }
        });
        while !writer.is_finished() {
            let report = place.verify();
            assert!(report.is_sound(), "{report:#?}");
            // Reading beside it meets whole entries, or is told that they were pruned.
            for n in [journal.oldest(), journal.size() / 2] {
                match journal.read(n) {
                    Ok(found) => assert_eq!(found, expected(n)),
                    Err(JournalError::Pruned { .. } | JournalError::NoEntry { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    });
    assert!(journal.oldest() > 0);
    assert_eq!(journal.prunable(u64::MAX) % 256, 0);
}

#[test]
fn pruned_entries_are_gone_and_everything_else_still_verifies() {
    let place = Place::new();
    let journal = place.open(small());
    fill(&journal, 0, 3000);
    journal.close().unwrap();
    let journal = place.open(small());
    assert_eq!((journal.oldest(), journal.prunable(1000)), (0, 768));
    let minimum = journal.prune_entries(1000).unwrap();
    assert_eq!(minimum, 768);
    assert!(matches!(
        journal.read(767),
        Err(JournalError::Pruned { minimum: 768, .. })
    ));
    assert_eq!(journal.read(768).unwrap(), expected(768));
    let checkpoint = journal.checkpoint_now().unwrap();
    let proof = journal.inclusion_proof(5, checkpoint.size()).unwrap();
    assert!(check_inclusion(
        &proof,
        3000,
        checkpoint.root(),
        5,
        leaf_hash(&expected(5))
    ));
    fill(&journal, 3000, 3100);
    journal.close().unwrap();
    let options = backstop_journal::VerifyOptions {
        text_of: Some(&text_of),
        ..Default::default()
    };
    let report = place.verify_at(&place.log(), &options);
    assert!(report.is_sound(), "{report:#?}");
    assert_eq!(report.minimum, 768);
    // What retention removed may be missing; what it keeps may not.
    assert!(!place.log().join("tile/entries/000").exists());
    std::fs::remove_file(place.log().join("tile/entries/003")).unwrap();
    assert!(!place.verify().is_sound());
    assert!(place.open(small()).iter(768).next().unwrap().is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_mix_of_appends_waits_and_openings_keeps_every_entry(
        steps in prop::collection::vec((prop::collection::vec(0usize..600, 0..80), any::<bool>()), 1..6),
    ) {
        let place = Place::new();
        let mut kept: Vec<Vec<u8>> = Vec::new();
        for (lengths, close) in steps {
            let journal = place.open(small());
            for len in lengths {
                let bytes = vec![u8::try_from(kept.len() % 251).unwrap(); len];
                let ticket = journal.append(&bytes, None).unwrap();
                prop_assert_eq!(ticket.index, kept.len() as u64);
                if len % 5 == 0 {
                    journal.wait_durable(ticket.index).unwrap();
                }
                kept.push(bytes);
            }
            if close { journal.close().unwrap() } else { drop(journal) }
            let report = place.verify();
            prop_assert!(report.is_sound(), "{:#?}", report);
            prop_assert_eq!(report.size, kept.len() as u64);
        }
        let journal = place.open(small());
        for (n, bytes) in kept.iter().enumerate() {
            prop_assert_eq!(&journal.read(n as u64).unwrap(), bytes);
        }
    }
}

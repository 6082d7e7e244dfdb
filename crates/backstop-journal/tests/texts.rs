//! Sealed texts: durable with their entry, found by their digest, erased without a trace of content.

use backstop_journal::{FindingKind, Options, TextDigest, TextState, VerifyOptions};

use crate::support::{Place, files, fill, small, text_of, texted};

#[test]
fn texts_are_found_wherever_they_lie() {
    let place = Place::new();
    for round in 0..3 {
        let journal = place.open(small());
        fill(&journal, round * 1500, (round + 1) * 1500);
        for n in (3..(round + 1) * 1500).step_by(7 * 11) {
            let (_, text) = texted(n);
            let found = journal.text(text.digest()).unwrap();
            assert_eq!(found, TextState::Present(text.bytes().to_vec()), "text {n}");
        }
        assert_eq!(
            journal.text(TextDigest([0; 32])).unwrap(),
            TextState::Unknown
        );
        journal.close().unwrap();
    }
}

#[test]
fn an_erased_text_is_gone_from_the_disk_and_the_log_stays_whole() {
    let place = Place::new();
    let journal = place.open(Options::default());
    fill(&journal, 0, 600);
    let erased: Vec<u64> = (0..600).filter(|n| n % 7 == 3 && n % 2 == 0).collect();
    for n in &erased {
        assert!(journal.erase(texted(*n).1.digest()).unwrap());
    }
    assert!(!journal.erase(TextDigest([0; 32])).unwrap());
    journal.close().unwrap();
    let journal = place.open(Options::default());
    for n in (0..600).filter(|n| n % 7 == 3) {
        let (_, text) = texted(n);
        let wanted = if erased.contains(&n) {
            TextState::Erased
        } else {
            TextState::Present(text.bytes().to_vec())
        };
        assert_eq!(journal.text(text.digest()).unwrap(), wanted);
    }
    // And again where the texts now lie: in a text file.
    assert!(journal.erase(texted(17).1.digest()).unwrap());
    assert_eq!(
        journal.text(texted(17).1.digest()).unwrap(),
        TextState::Erased
    );
    drop(journal);
    let options = VerifyOptions {
        text_of: Some(&text_of),
        ..VerifyOptions::default()
    };
    let report = place.verify_at(&place.log(), &options);
    assert!(report.is_sound(), "{report:#?}");
    assert_eq!(report.erased, erased.len() as u64 + 1);
    for file in files(&place.log()) {
        let bytes = std::fs::read(place.log().join(&file)).unwrap();
        for n in erased.iter().chain(&[17]) {
            let text = texted(*n).1;
            let there = bytes
                .windows(text.bytes().len())
                .any(|window| window == text.bytes());
            assert!(!there, "text {n} is still in {}", file.display());
        }
    }
}

#[test]
fn a_text_without_its_entry_or_an_entry_without_its_text_is_found() {
    let place = Place::new();
    let journal = place.open(small());
    let (_, stray) = texted(1);
    let (naming, _) = texted(2);
    let _ = journal.append(b"names no text", Some(&stray)).unwrap();
    let _ = journal.append(&naming, None).unwrap();
    journal.close().unwrap();
    assert!(place.verify().is_sound(), "opaque entries name nothing");
    let options = VerifyOptions {
        text_of: Some(&text_of),
        ..VerifyOptions::default()
    };
    let report = place.verify_at(&place.log(), &options);
    let kinds: Vec<_> = report
        .findings
        .iter()
        .map(|finding| (finding.kind, finding.entry))
        .collect();
    assert_eq!(
        kinds,
        [
            (FindingKind::Text, Some(0)),
            (FindingKind::Missing, Some(1))
        ]
    );
}

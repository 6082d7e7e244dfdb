//! How fast the journal takes and keeps entries: `cargo bench -p backstop-journal`.
//!
//! Durable entries a second with thousands in flight, and what an append costs its caller.

#![allow(clippy::expect_used, reason = "a benchmark that cannot run stops")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use backstop_journal::{Journal, Options, SealedText, SigningKey};
use divan::{Bencher, counter::ItemsCount};

const ORIGIN: &str = "backstop.local/bench";

fn main() {
    divan::main();
}

/// A journal in a directory under the build's own, so that it is on a disk and not in memory.
fn journal() -> (tempfile::TempDir, Journal) {
    let root = std::env::current_exe().expect("a running program has a path");
    let dir = tempfile::tempdir_in(root.parent().expect("a program is in a directory"))
        .expect("the build's directory can be written to");
    let key = SigningKey::generate(ORIGIN).expect("a valid name");
    let journal =
        Journal::open(dir.path(), ORIGIN, key, Options::default()).expect("an empty directory");
    (dir, journal)
}

fn entry() -> Vec<u8> {
    vec![b'x'; 300]
}

/// Tasks that each append an entry and wait until it is durable, again and again.
#[divan::bench(args = [1, 64, 1000, 4000], sample_count = 5, sample_size = 1)]
fn durable_entries_in_flight(bencher: Bencher<'_, '_>, in_flight: u64) {
    let entries: u64 = match in_flight {
        1 => 500,
        64 => 20_000,
        _ => 200_000,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("a runtime");
    let (dir, journal) = journal();
    let journal = Arc::new(journal);
    bencher.counter(ItemsCount::new(entries)).bench_local(|| {
        runtime.block_on(async {
            let left = Arc::new(AtomicU64::new(entries));
            let tasks: Vec<_> = (0..in_flight)
                .map(|_| {
                    let (journal, left) = (Arc::clone(&journal), Arc::clone(&left));
                    tokio::spawn(async move {
                        let entry = entry();
                        while left
                            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
                                n.checked_sub(1)
                            })
                            .is_ok()
                        {
                            let ticket = journal.append(&entry, None).expect("an open journal");
                            journal.durable(ticket.index).await.expect("a working disk");
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("no task panics");
            }
        });
    });
    drop(journal);
    drop(dir);
}

/// What appending an entry that nobody waits for costs the caller.
#[divan::bench(sample_count = 200, sample_size = 1000)]
fn append(bencher: Bencher<'_, '_>) {
    let (dir, journal) = journal();
    let entry = entry();
    bencher
        .counter(ItemsCount::new(1u64))
        .bench_local(|| journal.append(&entry, None));
    drop(journal);
    drop(dir);
}

/// The same with a sealed text of a kilobyte.
#[divan::bench(sample_count = 200, sample_size = 100)]
fn append_with_text(bencher: Bencher<'_, '_>) {
    let (dir, journal) = journal();
    let entry = entry();
    let text = SealedText::new(vec![7; 1024]).expect("a fitting text");
    bencher
        .counter(ItemsCount::new(1u64))
        .bench_local(|| journal.append(&entry, Some(&text)));
    drop(journal);
    drop(dir);
}

/// A whole run of half a million entries, waited for once, until all is published and signed.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn half_a_million_appended_and_published(bencher: Bencher<'_, '_>) {
    const ENTRIES: u64 = 500_000;
    bencher
        .counter(ItemsCount::new(ENTRIES))
        .with_inputs(journal)
        .bench_local_values(|(dir, journal)| {
            let entry = entry();
            let begun = Instant::now();
            for _ in 0..ENTRIES {
                let _ = journal.append(&entry, None).expect("an open journal");
            }
            journal.checkpoint_now().expect("a working disk");
            assert!(begun.elapsed() < Duration::from_secs(600));
            (dir, journal)
        });
}

//! A full or failing disk: nothing is called durable that is not, and the journal stays stopped.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use backstop_journal::{Appender, Disk, JournalError, Options, RealDisk};

use crate::support::{Place, entry, expected, fill, small, texted};

/// A disk with room for so many bytes, and one whose syncs can be made to fail.
#[derive(Clone)]
struct SmallDisk {
    room: Arc<AtomicI64>,
    sync_fails: Arc<AtomicBool>,
}

impl SmallDisk {
    fn with_room(bytes: i64) -> Self {
        Self {
            room: Arc::new(AtomicI64::new(bytes)),
            sync_fails: Arc::default(),
        }
    }

    fn options(&self) -> Options {
        Options {
            disk: Arc::new(self.clone()),
            ..small()
        }
    }
}

struct SmallFile {
    disk: SmallDisk,
    file: Box<dyn Appender>,
}

impl Appender for SmallFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let len = i64::try_from(bytes.len()).unwrap();
        let left = self.disk.room.fetch_sub(len, Ordering::SeqCst);
        if left >= len {
            return self.file.append(bytes);
        }
        // As a real disk does: it takes what fits, then says that it is full.
        let fits = usize::try_from(left.max(0)).unwrap();
        self.file.append(&bytes[..fits])?;
        Err(io::ErrorKind::StorageFull.into())
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.disk.sync_fails.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk is gone"));
        }
        self.file.sync()
    }
}

impl Disk for SmallDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Appender>> {
        let file = RealDisk.create(path)?;
        Ok(Box::new(SmallFile {
            disk: self.clone(),
            file,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn overwrite(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        RealDisk.overwrite(path, offset, bytes)
    }

    fn sync(&self, root: &Path, files: &[PathBuf]) -> io::Result<()> {
        RealDisk.sync(root, files)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_dir(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }
}

#[test]
fn a_full_disk_stops_the_journal_wherever_it_strikes() {
    // From a disk that is full at once to one that fills while bundles and segments come and go.
    for room in [600, 1_000, 5_000, 20_000, 60_000, 61_111, 150_000, 151_234] {
        let place = Place::new();
        let disk = SmallDisk::with_room(room);
        let journal = place.open(disk.options());
        let mut acknowledged = 0;
        let error = loop {
            let written = if acknowledged % 7 == 3 {
                let (entry, text) = texted(acknowledged);
                journal.append(&entry, Some(&text))
            } else {
                journal.append(&entry(acknowledged), None)
            };
            let waited = written.and_then(|ticket| journal.wait_durable(ticket.index));
            match waited {
                Ok(()) => acknowledged += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, JournalError::Failed { .. }), "{error}");
        // It stays stopped although there is room again.
        disk.room.store(i64::MAX, Ordering::SeqCst);
        assert!(matches!(
            journal.append(b"more", None),
            Err(JournalError::Failed { .. })
        ));
        assert!(journal.wait_durable(acknowledged + 1).is_err());
        assert!(journal.checkpoint_now().is_err());
        assert!(journal.failure().is_some());
        assert!(journal.close().is_err());

        let journal = place.open(small());
        assert!(
            journal.size() >= acknowledged,
            "{} < {acknowledged}",
            journal.size()
        );
        assert!(journal.size() <= acknowledged + 1);
        for n in 0..acknowledged {
            assert_eq!(journal.read(n).unwrap(), expected(n));
        }
        let size = journal.size();
        fill(&journal, size, size + 10);
        journal.close().unwrap();
        let report = place.verify();
        assert!(report.is_sound(), "with room for {room}: {report:#?}");
    }
}

#[test]
fn what_a_failed_sync_may_have_lost_is_not_called_durable() {
    let place = Place::new();
    let disk = SmallDisk::with_room(i64::MAX);
    let journal = place.open(disk.options());
    fill(&journal, 0, 10);
    disk.sync_fails.store(true, Ordering::SeqCst);
    let tickets: Vec<_> = (10..20).map(|n| journal.append(&entry(n), None)).collect();
    let mut refused = 0;
    for ticket in tickets.into_iter().flatten() {
        refused += u32::from(journal.wait_durable(ticket.index).is_err());
    }
    assert!(refused > 0);
    assert_eq!(journal.size(), 10);
    disk.sync_fails.store(false, Ordering::SeqCst);
    assert!(
        journal.append(b"more", None).is_err(),
        "only opening again ends a failure"
    );
    assert!(journal.wait_durable(9).is_ok(), "what was durable stays so");
}

#[test]
fn a_journal_does_not_open_on_a_full_disk() {
    let place = Place::new();
    drop(place.open(small()));
    let disk = SmallDisk::with_room(0);
    let error = backstop_journal::Journal::open(
        &place.log(),
        crate::support::ORIGIN,
        place.key(),
        disk.options(),
    )
    .unwrap_err();
    assert!(error.to_string().contains("free space"), "{error}");
    drop(place.open(small()));
    assert!(place.verify().is_sound());
}

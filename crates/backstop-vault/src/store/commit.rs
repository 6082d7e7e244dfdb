//! The committing thread: takes what has come meanwhile, writes it as one group, and answers when the disk
//! has it.
//!
//! It is the only one that gives out sequence numbers and times. The first error stops the store.

use std::{fs::File, io::Write as _, os::unix::fs::FileExt as _, sync::Arc, sync::mpsc};

use backstop_core::digest::Digest;
use bytes::Bytes;
use tokio::sync::oneshot;

use super::{
    record::{Event, Head, Object, Record},
    segment,
    settle::Settle,
    shared::{Shared, stopped},
};
use crate::{
    error::{Result, VaultError},
    label::Label,
    protocol::PutHead,
};

/// Bytes of objects that one group takes at most; what comes after waits for the next.
const GROUP: usize = 4 << 20;

/// Something to be written down.
pub(crate) struct Job {
    pub(crate) what: What,
    /// Answered when it is durable.
    pub(crate) done: oneshot::Sender<Result<Record>>,
}

/// What is to be written down.
pub(crate) enum What {
    /// An object whose bytes are here.
    Small(PutHead, Bytes),
    /// An object whose bytes lie durably in `tmp/` under its name.
    Large(PutHead, u64, Digest),
    /// Anything else that happened.
    Event(Event),
}

/// What the thread hands on when a group is durable.
pub(crate) struct Written {
    pub(crate) record: Record,
    pub(crate) line: Vec<u8>,
    pub(crate) object: Bytes,
}

pub(crate) struct Committer {
    shared: Arc<Shared>,
    settle: mpsc::Sender<Settle>,
    spare: mpsc::Receiver<Result<File>>,
    head: Head,
    segment: Option<(File, u64)>,
}

impl Committer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        settle: mpsc::Sender<Settle>,
        spare: mpsc::Receiver<Result<File>>,
    ) -> Self {
        let head = shared.state().head();
        Self {
            shared,
            settle,
            spare,
            head,
            segment: None,
        }
    }

    /// Runs until nobody can ask any more.
    pub(crate) fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let group = gather(first, jobs);
            if let Err(error) = self.shared.check() {
                refuse(group, &error);
                continue;
            }
            self.commit(group);
        }
    }

    fn commit(&mut self, jobs: Vec<Job>) {
        let mut group = Group::new(self.head, &self.shared);
        for job in jobs {
            group.take(job);
        }
        let Group {
            head,
            written,
            waiting,
            ..
        } = group;
        self.shared.queue(weight(&written));
        if let Err(error) = self.write(&written) {
            self.shared.fail(&error);
            let error = stopped(&error);
            for (done, _) in waiting {
                let _ = done.send(Err(error.clone()));
            }
            return;
        }
        self.head = head;
        self.publish(&written);
        // Before the answers: whoever has one and asks to settle means what is in this group, too.
        for one in written {
            let _ = self.settle.send(Settle::Written(Box::new(one)));
        }
        for (done, record) in waiting {
            // Whoever asked may have gone; the object stays.
            let _ = done.send(Ok(record));
        }
    }

    /// One group, one write, one fdatasync.
    fn write(&mut self, written: &[Written]) -> Result<()> {
        let Some(first) = written.first() else {
            return Ok(());
        };
        let group = first.record.sequence;
        let mut bytes = Vec::new();
        for one in written {
            segment::write_frame(&mut bytes, group, &one.line, &one.object)?;
        }
        let (mut file, mut at) = match self.segment.take() {
            Some((file, at)) if at + bytes.len() as u64 <= segment::SIZE => (file, at),
            _ => (self.next_segment()?, segment::HEAD as u64),
        };
        let io = |e| VaultError::io("write to", self.shared.dirs.wal.path(), e);
        file.write_all_at(&bytes, at).map_err(io)?;
        file.flush().and_then(|()| file.sync_data()).map_err(io)?;
        at += bytes.len() as u64;
        self.segment = Some((file, at));
        Ok(())
    }

    fn next_segment(&mut self) -> Result<File> {
        let file = self
            .spare
            .recv()
            .map_err(|_| stopped(&"its threads have ended"))??;
        let wal = &self.shared.dirs.wal;
        file.write_all_at(&segment::head(&self.head), 0)
            .and_then(|()| file.sync_data())
            .map_err(|e| VaultError::io("write to", wal.path(), e))?;
        wal.rename(SPARE, wal, &segment::file_name(self.head.sequence))?;
        wal.sync()?;
        let _ = self.settle.send(Settle::Begun(self.head.sequence));
        Ok(file)
    }

    fn publish(&self, written: &[Written]) {
        let mut state = self.shared.state();
        for one in written {
            let lead = one
                .line
                .get(..64)
                .and_then(|hex| std::str::from_utf8(hex).ok());
            let hash = lead.and_then(Digest::from_hex).unwrap_or(Digest([0; 32]));
            state.apply(&one.record, hash);
        }
    }
}

/// The name of the segment that is ready for use.
pub(crate) const SPARE: &str = "spare";

/// What a group takes in memory, about.
pub(crate) fn weight(written: &[Written]) -> usize {
    written
        .iter()
        .map(|one| one.object.len() + one.line.len() + 1024)
        .sum()
}

fn gather(first: Job, jobs: &mpsc::Receiver<Job>) -> Vec<Job> {
    let mut bytes = first.bytes();
    let mut group = vec![first];
    while bytes < GROUP
        && let Ok(job) = jobs.try_recv()
    {
        bytes += job.bytes();
        group.push(job);
    }
    group
}

impl Job {
    fn bytes(&self) -> usize {
        match &self.what {
            What::Small(_, bytes) => bytes.len(),
            What::Large(..) | What::Event(_) => 0,
        }
    }
}

fn refuse(jobs: Vec<Job>, error: &VaultError) {
    for job in jobs {
        let _ = job.done.send(Err(error.clone()));
    }
}

/// A group in the making.
struct Group<'a> {
    shared: &'a Shared,
    head: Head,
    written: Vec<Written>,
    waiting: Vec<(oneshot::Sender<Result<Record>>, Record)>,
}

impl<'a> Group<'a> {
    fn new(head: Head, shared: &'a Shared) -> Self {
        Self {
            shared,
            head,
            written: Vec::new(),
            waiting: Vec::new(),
        }
    }

    fn take(&mut self, job: Job) {
        if let What::Small(put, _) | What::Large(put, ..) = &job.what
            && let Some(record) = self.earlier(put)
        {
            self.waiting.push((job.done, record));
            return;
        }
        let made = match job.what {
            What::Small(put, bytes) => {
                let length = bytes.len() as u64;
                self.object(put, length, None, bytes)
            }
            What::Large(put, length, sums) => self.object(put, length, Some(sums), Bytes::new()),
            What::Event(event) => self.add(event, Bytes::new()),
        };
        match made {
            Ok(record) => self.waiting.push((job.done, record)),
            Err(error) => drop(job.done.send(Err(error))),
        }
    }

    /// The record of an object that is there already, or comes in this very group: a replay changes
    /// neither its place nor its time.
    fn earlier(&self, put: &PutHead) -> Option<Record> {
        let here = self.written.iter().map(|one| &one.record);
        let found = here
            .filter(|record| {
                record
                    .stored()
                    .is_some_and(|stored| stored.name == put.name)
            })
            .cloned();
        found.last().or_else(|| {
            let entry = self.shared.state().objects.get(&put.name).copied()?;
            Some(Record {
                sequence: entry.stored.sequence,
                at_ms: entry.stored.at_ms,
                prev: Digest([0; 32]),
                event: Event::Stored(Object {
                    name: entry.stored.name,
                    plain: entry.stored.plain,
                    bytes: entry.stored.bytes,
                    label: Label {
                        class: entry.class,
                        target: String::new(),
                        lease: None,
                        note: String::new(),
                    },
                    until_ms: entry.until_ms,
                    sums: None,
                }),
            })
        })
    }

    fn object(
        &mut self,
        put: PutHead,
        bytes: u64,
        sums: Option<Digest>,
        object: Bytes,
    ) -> Result<Record> {
        let retention = self.shared.options.retention_ms(put.label.class);
        let event = |at_ms: i64| {
            Event::Stored(Object {
                name: put.name,
                plain: put.plain,
                bytes,
                label: put.label,
                until_ms: at_ms.saturating_add(retention),
                sums,
            })
        };
        self.add_with(event, object)
    }

    fn add(&mut self, event: Event, object: Bytes) -> Result<Record> {
        self.add_with(|_| event, object)
    }

    fn add_with(&mut self, event: impl FnOnce(i64) -> Event, object: Bytes) -> Result<Record> {
        let at_ms = self.shared.stamp();
        if let Some(why) = self.shared.take_jump() {
            self.push(at_ms, Event::Frozen { why }, Bytes::new())?;
        }
        self.push(at_ms, event(at_ms), object)
    }

    fn push(&mut self, at_ms: i64, event: Event, object: Bytes) -> Result<Record> {
        let record = Record {
            sequence: self.head.sequence + 1,
            at_ms: at_ms.max(self.head.at_ms),
            prev: self.head.hash,
            event,
        };
        let (line, hash) = record.to_line()?;
        self.head = Head::after(&record, hash);
        self.written.push(Written {
            record: record.clone(),
            line,
            object,
        });
        Ok(record)
    }
}

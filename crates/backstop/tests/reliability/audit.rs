//! What must be true after every kill, from the files and the database alone.
//!
//! It must not ask the gate anything: the gate is dead when it looks. The journals are verified where they lie
//! and read from copies, so that the next start finds them exactly as the kill left them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backstop_core::approval::Answer;
use backstop_core::digest::Digest;
use backstop_core::entry::{Control, Event};
use backstop_journal::{
    Journal, Options as JournalOptions, SigningKey, TextDigest, TextState, VerifierKey,
    VerifyOptions, verify,
};
use backstop_store::{
    Ledger, LedgerError, LedgerFuture, Limits, Options, SealKey, State, Store, SystemClock,
};
use serde_json::Value;
use tokio_postgres::Client;

use crate::load::Record;
use crate::setup::{FIRST_MARKER, FIRST_PREY, PREY};

/// What the journals have said so far.
pub struct Audit {
    data: PathBuf,
    seal: SealKey,
    /// Traffic entries read already.
    read: u64,
    /// Markers in the texts of intents that a policy allowed.
    allowed: BTreeSet<i64>,
    /// Markers in the texts of intents that an approval released, with the holds.
    released: BTreeMap<i64, Vec<String>>,
    /// How often each hold stands in an intent.
    spent: BTreeMap<String, usize>,
    /// What was found, for the test to see that it was not nothing.
    pub seen: Seen,
}

/// How much there was to check.
#[derive(Debug, Default, Clone, Copy)]
pub struct Seen {
    pub entries: u64,
    pub rows: usize,
    pub held_done: usize,
    pub consumed: usize,
    pub approved: usize,
}

impl Audit {
    pub fn of(data: &Path) -> Self {
        let key = std::fs::read_to_string(data.join("keys/seal.key")).unwrap();
        Self {
            data: data.to_owned(),
            seal: SealKey::new(Digest::from_hex(key.trim()).unwrap().0),
            read: 0,
            allowed: BTreeSet::new(),
            released: BTreeMap::new(),
            spent: BTreeMap::new(),
            seen: Seen::default(),
        }
    }

    /// Checks everything. The gate is dead, and the server has ended what it had begun.
    pub async fn check(&mut self, server: &Client, record: &Record) {
        for log in ["control", "traffic"] {
            self.verify(log);
        }
        let copy = tempfile::tempdir().unwrap();
        copy_all(&self.data.join("journal"), copy.path());
        let control = Arc::new(self.open(copy.path(), "control"));
        let traffic = self.open(copy.path(), "traffic");
        self.read_traffic(&traffic);
        self.check_holds(&control);
        self.check_store(copy.path(), &control);
        self.check_rows(server, record).await;
    }

    fn verify(&self, log: &str) {
        let key =
            std::fs::read_to_string(self.data.join(format!("keys/journal-{log}.pub"))).unwrap();
        let key = VerifierKey::parse(&key).unwrap();
        let dir = self.data.join("journal").join(log);
        let report = verify(&dir, key.name(), &key, &VerifyOptions::default()).unwrap();
        assert!(report.is_sound(), "{log}: {report:#?}");
        assert!(!report.live, "somebody still writes the {log} log");
    }

    fn open(&self, copy: &Path, log: &str) -> Journal {
        let key = SigningKey::load(&self.data.join(format!("keys/journal-{log}.key"))).unwrap();
        let origin = key.name().to_owned();
        Journal::open(&copy.join(log), &origin, key, JournalOptions::default()).unwrap()
    }

    /// Takes in what the gate wrote since the last look.
    fn read_traffic(&mut self, traffic: &Journal) {
        assert!(traffic.size() >= self.read, "the traffic log went back");
        for entry in traffic.iter(self.read) {
            let (_, bytes) = entry.unwrap();
            let entry: Value = serde_json::from_slice(&bytes).unwrap();
            if entry["entry"] == "intent" {
                self.take_intent(traffic, &entry);
            }
        }
        self.read = traffic.size();
        self.seen.entries = self.read;
    }

    fn take_intent(&mut self, traffic: &Journal, entry: &Value) {
        let markers = markers_in(&self.text(traffic, entry));
        if let Some(hold) = entry["hold"].as_str() {
            *self.spent.entry(hold.to_owned()).or_default() += 1;
            for marker in markers {
                self.released
                    .entry(marker)
                    .or_default()
                    .push(hold.to_owned());
            }
        } else if entry["verdict"] == "allow" {
            self.allowed.extend(markers);
        }
    }

    fn text(&self, traffic: &Journal, entry: &Value) -> String {
        let name = Digest::from_hex(entry["text"].as_str().unwrap()).unwrap();
        let TextState::Present(sealed) = traffic.text(TextDigest(name.0)).unwrap() else {
            panic!("an intent without its text: {entry}");
        };
        String::from_utf8(self.seal.open(b"statement", &sealed).unwrap()).unwrap()
    }

    /// Each approval was given by a person, and spent at most once, on at most one action.
    fn check_holds(&mut self, control: &Journal) {
        let mut approved = BTreeSet::new();
        let mut consumed = BTreeSet::new();
        for entry in control.iter(0) {
            let entry: Control = serde_json::from_slice(&entry.unwrap().1).unwrap();
            match entry.event {
                Event::Decided { hold, decision }
                    if decision.challenge.answer == Answer::Approve =>
                {
                    approved.insert(hold);
                }
                Event::Consumed { hold, .. } => {
                    assert!(approved.contains(&hold), "{hold} was spent unapproved");
                    assert!(consumed.insert(hold.clone()), "{hold} was spent twice");
                }
                _ => {}
            }
        }
        for (hold, times) in &self.spent {
            assert!(
                consumed.contains(hold),
                "{hold} released an action and is not spent"
            );
            assert_eq!(*times, 1, "{hold} released {times} actions");
        }
        self.seen.approved = approved.len();
        self.seen.consumed = consumed.len();
    }

    /// The store on disk, brought up to the journal, is what the journal alone says.
    fn check_store(&self, scratch: &Path, control: &Arc<Journal>) {
        for name in ["store.sqlite", "store.sqlite-wal"] {
            let from = self.data.join(name);
            if from.exists() {
                std::fs::copy(from, scratch.join(name)).unwrap();
            }
        }
        let rebuilt = scratch.join("rebuilt.sqlite");
        let ledger = Arc::new(ReadOnly(Arc::clone(control)));
        let entries = Store::rebuild(&rebuilt, ledger.as_ref()).unwrap();
        assert_eq!(entries, control.size());
        let of = |index: PathBuf| {
            let store = Store::open(Options {
                index,
                ledger: Arc::clone(&ledger) as Arc<dyn Ledger>,
                clock: Arc::new(SystemClock::default()),
                key: self.seal.clone(),
                limits: Limits::default(),
            });
            without_courtesies(store.unwrap().snapshot())
        };
        assert_eq!(of(scratch.join("store.sqlite")), of(rebuilt));
    }

    /// Every change in the database has its intent, and what was held was done at most once, after a yes.
    async fn check_rows(&mut self, server: &Client, record: &Record) {
        let marks = numbers(server, "select marker from marks").await;
        let cells = numbers(server, "select marker from cells where marker <> 0").await;
        let last = FIRST_PREY + PREY - 1;
        let gone = format!(
            "select g::bigint from generate_series({FIRST_PREY}, {last}) g where not exists (select from prey where id = g)"
        );
        let gone = numbers(server, &gone).await;
        for marker in marks.iter().chain(&cells).chain(&gone) {
            assert!(
                self.allowed.contains(marker),
                "{marker} was done without an intent"
            );
        }
        let mut held = numbers(server, "select marker from precious").await;
        held.extend(numbers(server, "select marker from tally").await);
        let approved = record.approved.lock().unwrap();
        let mut once = BTreeSet::new();
        for marker in &held {
            assert!(
                once.insert(*marker),
                "the held action {marker} was done twice"
            );
            assert!(
                approved.contains(marker),
                "the held action {marker} was done unapproved"
            );
            assert!(
                self.released.contains_key(marker),
                "the held action {marker} was done without an intent"
            );
        }
        let done: BTreeSet<i64> = marks.iter().chain(&gone).chain(&held).copied().collect();
        let lost: Vec<i64> = record
            .confirmed
            .lock()
            .unwrap()
            .difference(&done)
            .copied()
            .collect();
        assert!(lost.is_empty(), "confirmed and not there: {lost:?}");
        self.seen.rows = marks.len() + gone.len();
        self.seen.held_done = held.len();
    }
}

/// How often an action was repeated while it was held is shown to people and stands in no entry.
fn without_courtesies(mut state: State) -> State {
    for record in state.holds.values_mut() {
        record.repeats = 0;
    }
    state
}

async fn numbers(server: &Client, sql: &str) -> Vec<i64> {
    let rows = server.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// The numbers in a text that can only be markers.
fn markers_in(text: &str) -> Vec<i64> {
    text.split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .filter(|n| *n >= FIRST_MARKER)
        .collect()
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_all(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The control log, for a store that only looks.
struct ReadOnly(Arc<Journal>);

impl Ledger for ReadOnly {
    fn append<'a>(&'a self, _: &'a Control, _: Vec<(Digest, Vec<u8>)>) -> LedgerFuture<'a> {
        Box::pin(async { Err(LedgerError("an audit writes nothing".into())) })
    }

    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read(&self, index: u64) -> Result<Control, LedgerError> {
        let bytes = self.0.read(index).map_err(|e| LedgerError(e.to_string()))?;
        serde_json::from_slice(&bytes).map_err(|e| LedgerError(e.to_string()))
    }

    fn text(&self, digest: Digest) -> Result<Option<Vec<u8>>, LedgerError> {
        match self.0.text(TextDigest(digest.0)) {
            Ok(TextState::Present(bytes)) => Ok(Some(bytes)),
            Ok(_) => Ok(None),
            Err(error) => Err(LedgerError(error.to_string())),
        }
    }
}

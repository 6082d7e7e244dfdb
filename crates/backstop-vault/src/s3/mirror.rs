//! Bringing everything to the bucket, in the index's order: each object, then the lines that name it.
//!
//! How far it got is kept in `s3.json`; a crash repeats the last step, which a bucket with versions takes. When
//! the copy falls too far behind, or the lock no longer holds, the vault stores nothing more.

use std::{
    io::{BufRead as _, BufReader, Seek as _, SeekFrom},
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{Bucket, BucketOptions, http::Body};
use crate::{
    error::{Result, VaultError},
    seal::sha256,
    server::Vault,
    store::{
        index::INDEX,
        options::millis,
        record::{Event, Object, Record},
    },
};

/// Lines that go into one object of the index.
const LINES: usize = 500;
/// How long to wait when there is nothing to do.
const PAUSE: Duration = Duration::from_millis(500);
/// How long to wait after a failure.
const AGAIN: Duration = Duration::from_secs(3);
/// The largest object that one request may carry, in bytes: S3's own limit.
const LARGEST: u64 = 5 << 30;
const MARK: &str = "s3.json";

/// How far the copy in the bucket is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirrored {
    /// The newest record that is in the bucket, with its object.
    pub sequence: u64,
    /// When that was: Unix time in milliseconds, by the vault's clock; 0 for never.
    pub at_ms: i64,
    /// When the lock was last tried and held.
    pub probed_ms: i64,
    /// Why it does not go on, if it does not.
    pub fault: Option<String>,
}

/// How far the copy is, with the place in the index.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    sequence: u64,
    offset: u64,
}

/// A vault's bucket.
pub(crate) struct Mirror {
    bucket: Bucket,
    behind: Duration,
    probe: Duration,
}

impl Mirror {
    /// Tries the lock, and gives what keeps the copy.
    pub(crate) async fn begin(options: &BucketOptions, vault: &Vault) -> Result<Self> {
        let bucket = Bucket::new(options)?;
        let now_ms = vault.store.shared().stamp();
        bucket.probe(now_ms).await?;
        vault
            .store
            .shared()
            .mirrored(|state| state.probed_ms = now_ms);
        Ok(Self {
            bucket,
            behind: options.behind,
            probe: options.probe,
        })
    }

    /// Goes on until told to stop.
    pub(crate) async fn run(self, vault: Arc<Vault>, mut stop: watch::Receiver<bool>) {
        let mut probed = Instant::now();
        let mut current = Instant::now();
        while !*stop.borrow() {
            let done = async {
                if probed.elapsed() >= self.probe {
                    let now_ms = vault.store.shared().stamp();
                    self.bucket.probe(now_ms).await?;
                    vault
                        .store
                        .shared()
                        .mirrored(|state| state.probed_ms = now_ms);
                    probed = Instant::now();
                }
                self.step(&vault).await
            };
            let pause = match done.await {
                Ok(true) => Duration::ZERO,
                Ok(false) => {
                    current = Instant::now();
                    PAUSE
                }
                Err(error) => {
                    tracing::error!(%error, "the bucket's copy does not go on");
                    self.fault(&vault, &error);
                    AGAIN
                }
            };
            if pause == PAUSE {
                vault.store.shared().mirrored(|state| state.fault = None);
                vault.store.shared().close(None);
            } else if current.elapsed() > self.behind {
                vault.store.shared().close(Some(format!(
                    "its copy in the bucket is behind by more than {} s",
                    self.behind.as_secs()
                )));
            }
            let _ = tokio::time::timeout(pause, stop.changed()).await;
        }
    }

    fn fault(&self, vault: &Vault, error: &VaultError) {
        let text = error.to_string();
        let why = text.lines().next().unwrap_or_default().to_owned();
        // A lock that does not hold is worse than a bucket that is away for a while.
        if matches!(error, VaultError::Setup { .. }) {
            vault.store.shared().close(Some(why.clone()));
        }
        vault
            .store
            .shared()
            .mirrored(|state| state.fault = Some(why));
    }

    /// Brings the next lines over; tells whether there may be more.
    async fn step(&self, vault: &Vault) -> Result<bool> {
        let shared = vault.store.shared();
        let root = &shared.dirs.root;
        let mark = match root.contents(MARK)? {
            None => Mark::default(),
            Some(bytes) => serde_json::from_slice(&bytes)
                .map_err(|e| VaultError::integrity(MARK, e.to_string()))?,
        };
        let (lines, records) = self.next_lines(vault, &mark)?;
        let (Some(first), Some(last)) = (records.first(), records.last()) else {
            return Ok(false);
        };
        let mut until_ms = shared.stamp().saturating_add(millis(self.behind));
        for record in &records {
            until_ms = until_ms.max(self.bring(vault, record).await?);
        }
        let key = format!("index/{:020}-{:020}", first.sequence, last.sequence);
        let hash = sha256(&lines);
        let next = Mark {
            sequence: last.sequence,
            offset: mark.offset + lines.len() as u64,
        };
        self.bucket
            .put(&key, Body::bytes(lines), &hash, until_ms)
            .await?;
        let text = serde_json::to_vec(&next).map_err(|e| VaultError::protocol(e.to_string()))?;
        root.replace(MARK, &text, 0o600)?;
        let at_ms = shared.stamp();
        shared.mirrored(|state| {
            state.sequence = next.sequence;
            state.at_ms = at_ms;
        });
        Ok(true)
    }

    /// The lines after the mark that are whole.
    fn next_lines(&self, vault: &Vault, mark: &Mark) -> Result<(Vec<u8>, Vec<Record>)> {
        let root = &vault.store.shared().dirs.root;
        let io = |e| VaultError::io("read", root.path().join(INDEX), e);
        let mut file = root.read(INDEX)?;
        file.seek(SeekFrom::Start(mark.offset)).map_err(io)?;
        let mut reader = BufReader::new(file);
        let (mut lines, mut records) = (Vec::new(), Vec::new());
        while records.len() < LINES {
            let mut line = Vec::new();
            reader.read_until(b'\n', &mut line).map_err(io)?;
            // What is being written has no end yet.
            let Some(whole) = line.strip_suffix(b"\n") else {
                break;
            };
            let (record, _) = Record::from_line(whole)
                .ok_or_else(|| VaultError::integrity(INDEX, "a line is not what was written"))?;
            let expected = mark.sequence + records.len() as u64 + 1;
            if record.sequence != expected {
                return Err(VaultError::integrity(MARK, "it does not fit the index"));
            }
            lines.extend_from_slice(&line);
            records.push(record);
        }
        Ok((lines, records))
    }

    /// Brings over what a record is about; gives until when it is kept.
    async fn bring(&self, vault: &Vault, record: &Record) -> Result<i64> {
        match &record.event {
            Event::Stored(object) => self.bring_object(vault, object).await,
            Event::Extended { names, until_ms } => {
                for name in names {
                    let key = format!("objects/{}", name.to_hex());
                    let done = self
                        .bucket
                        .retain(&key, None, "COMPLIANCE", *until_ms)
                        .await?;
                    if !done.is_success() {
                        return Err(self.bucket.refused("lengthen a retention", &done));
                    }
                }
                Ok(*until_ms)
            }
            // The bucket lets go of what is past its retention by itself, if it is told to.
            _ => Ok(record.at_ms),
        }
    }

    async fn bring_object(&self, vault: &Vault, object: &Object) -> Result<i64> {
        let hex = object.name.to_hex();
        // What people have deleted since is not brought over any more.
        if vault.store.has(&object.name).is_none() {
            return Ok(0);
        }
        if object.bytes > LARGEST {
            return Err(VaultError::setup(
                format!(
                    "`{hex}` has {} bytes, and a bucket takes five GiB at once",
                    object.bytes
                ),
                "recovery points of that size stay in the directory only; take the bucket out of vault.toml",
            ));
        }
        let folder = hex.get(..2).unwrap_or_default();
        let file = vault
            .store
            .shared()
            .dirs
            .objects
            .existing(folder)?
            .read(&hex)?;
        let body = Body::file(file, object.bytes);
        let key = format!("objects/{hex}");
        // Its checksum goes with it: bytes that rotted on the vault's disk are refused by the bucket.
        self.bucket
            .put(&key, body, &object.name, object.until_ms)
            .await?;
        Ok(object.until_ms)
    }
}

//! Bringing everything to the bucket, in the index's order: each object, then the lines that name it.
//!
//! How far it got is kept in `s3.json`; a crash repeats the last step, which a bucket with versions takes. When
//! the copy falls too far behind, or the lock no longer holds, the vault stores nothing more. With each try of the
//! lock the index is rolled up (`rolled.rs`).

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Seek as _, SeekFrom},
    sync::Arc,
    time::{Duration, Instant},
};

use backstop_core::digest::Digest;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{Bucket, BucketOptions, Kept, head, http::Body, large::Stretch, rolled::Rolled};
use crate::{
    cosign,
    error::{Result, VaultError},
    seal::sha256,
    server::Vault,
    store::{
        dir::Dir,
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
/// How often a log's newest checkpoint goes to the bucket while the log grows.
const COSIGNED: Duration = Duration::from_secs(60);
/// How long what is left is brought over when the vault is stopped.
const LAST: Duration = Duration::from_secs(5);
pub(super) const MARK: &str = "s3.json";

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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    pub(super) sequence: u64,
    pub(super) offset: u64,
    /// Up to where the index is rolled up.
    #[serde(default)]
    pub(super) rolled: Rolled,
}

impl Mark {
    pub(super) fn read(root: &Dir) -> Result<Self> {
        match root.contents(MARK)? {
            None => Ok(Self::default()),
            Some(bytes) => serde_json::from_slice(&bytes)
                .map_err(|e| VaultError::integrity(MARK, e.to_string())),
        }
    }

    pub(super) fn write(&self, root: &Dir) -> Result<()> {
        let text = serde_json::to_vec(self).map_err(|e| VaultError::protocol(e.to_string()))?;
        root.replace(MARK, &text, 0o600)
    }
}

/// Whole lines as they stand in the index, and each one's record with its hash.
type Lines = (Vec<u8>, Vec<(Record, Digest)>);

/// A vault's bucket.
pub(crate) struct Mirror {
    pub(super) bucket: Bucket,
    behind: Duration,
    probe: Duration,
    /// What was last brought over of each log's checkpoints, and when.
    cosigned: HashMap<String, (Digest, Instant)>,
}

impl Mirror {
    /// Tries the lock, and gives what keeps the copy.
    pub(crate) async fn begin(options: &BucketOptions, vault: &Vault) -> Result<Self> {
        let mut mirror = Self {
            bucket: Bucket::new(options)?,
            behind: options.behind,
            probe: options.probe,
            cosigned: HashMap::new(),
        };
        mirror.try_lock(vault).await?;
        Ok(mirror)
    }

    /// Tries the lock, gives up what a crash left half uploaded, and lets checkpoints be locked anew.
    async fn try_lock(&mut self, vault: &Vault) -> Result<()> {
        let now_ms = vault.store.shared().stamp();
        self.bucket.probe(now_ms).await?;
        vault
            .store
            .shared()
            .mirrored(|state| state.probed_ms = now_ms);
        for ours in ["objects/", "rolled/"] {
            let left = self.bucket.abort_uploads(ours).await?;
            if left > 0 {
                tracing::info!(left, "uploads that had not ended were given up");
            }
        }
        self.cosigned.clear();
        Ok(())
    }

    /// Goes on until told to stop.
    pub(crate) async fn run(mut self, vault: Arc<Vault>, mut stop: watch::Receiver<bool>) {
        let mut probed = Instant::now();
        let mut current = Instant::now();
        let mut roll = true;
        while !*stop.borrow() {
            let done = async {
                if probed.elapsed() >= self.probe {
                    self.try_lock(&vault).await?;
                    (probed, roll) = (Instant::now(), true);
                }
                let more = self.step(&vault).await?;
                if roll && !more {
                    self.roll(&vault, self.least_ms(&vault)).await?;
                    roll = false;
                }
                Ok(more)
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
            // Nobody left to tell it means the same.
            let told = tokio::time::timeout(pause, stop.wait_for(|stop| *stop));
            if told.await.is_ok() {
                break;
            }
        }
        self.last(&vault).await;
    }

    /// Brings over what is left when the vault is stopped in order.
    async fn last(&mut self, vault: &Vault) {
        let all = async {
            tokio::task::block_in_place(|| vault.store.settle())?;
            self.cosigned.clear();
            while self.step(vault).await? {}
            Ok::<_, VaultError>(())
        };
        match tokio::time::timeout(LAST, all).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the bucket's copy is not whole"),
            Err(_) => {
                tracing::warn!("the bucket's copy is not whole yet; it goes on at the next start")
            }
        }
    }

    /// Until when anything in the bucket is locked at least: the next try of the lock comes before.
    fn least_ms(&self, vault: &Vault) -> i64 {
        let least = self.behind.max(self.probe.saturating_mul(2));
        vault.store.shared().stamp().saturating_add(millis(least))
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
    async fn step(&mut self, vault: &Vault) -> Result<bool> {
        let shared = vault.store.shared();
        let root = &shared.dirs.root;
        let mark = Mark::read(root)?;
        let logs: Vec<String> = shared.state().logs.keys().cloned().collect();
        for origin in logs {
            self.bring_cosigned(vault, &origin).await?;
        }
        let (lines, records) = self.next_lines(vault, &mark)?;
        let (Some(first), Some((last, hash))) = (records.first(), records.last()) else {
            return Ok(false);
        };
        let mut until_ms = self.least_ms(vault);
        for (record, _) in &records {
            until_ms = until_ms.max(self.bring(vault, record).await?);
        }
        let next = Mark {
            sequence: last.sequence,
            offset: mark.offset + lines.len() as u64,
            ..mark
        };
        let signed = head::sign(&vault.signer, last.sequence, hash)?;
        let kept = Kept {
            key: &format!("index/{:020}-{:020}", first.0.sequence, last.sequence),
            until_ms,
            head: Some(&signed),
        };
        let sum = sha256(&lines);
        self.bucket.put(kept, Body::bytes(lines), &sum).await?;
        next.write(root)?;
        let at_ms = shared.stamp();
        shared.mirrored(|state| {
            state.sequence = next.sequence;
            state.at_ms = at_ms;
        });
        Ok(true)
    }

    /// Brings over a log's newest checkpoint, if it is another than before.
    async fn bring_cosigned(&mut self, vault: &Vault, origin: &str) -> Result<()> {
        let last = self.cosigned.get(origin).copied();
        if last.is_some_and(|(_, at)| at.elapsed() < COSIGNED) {
            return Ok(());
        }
        let Some(cosigned) = vault.cosigned(origin)? else {
            return Ok(());
        };
        let text =
            serde_json::to_vec(&cosigned).map_err(|e| VaultError::protocol(e.to_string()))?;
        let sum = sha256(&text);
        if last.is_some_and(|(was, _)| was == sum) {
            return Ok(());
        }
        let kept = Kept {
            key: &format!(
                "cosigned/{}/{:020}",
                cosign::file_name(origin),
                cosigned.size
            ),
            until_ms: self.least_ms(vault),
            head: None,
        };
        self.bucket.put(kept, Body::bytes(text), &sum).await?;
        self.cosigned
            .insert(origin.to_owned(), (sum, Instant::now()));
        Ok(())
    }

    /// The lines after the mark that are whole.
    fn next_lines(&self, vault: &Vault, mark: &Mark) -> Result<Lines> {
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
            let (record, hash) = Record::from_line(whole)
                .ok_or_else(|| VaultError::integrity(INDEX, "a line is not what was written"))?;
            let expected = mark.sequence + records.len() as u64 + 1;
            if record.sequence != expected {
                return Err(VaultError::integrity(MARK, "it does not fit the index"));
            }
            lines.extend_from_slice(&line);
            records.push((record, hash));
        }
        Ok((lines, records))
    }

    /// Brings over what a record is about; gives until when it is kept.
    async fn bring(&mut self, vault: &Vault, record: &Record) -> Result<i64> {
        match &record.event {
            Event::Stored(object) => self.bring_object(vault, object).await,
            Event::Extended { names, until_ms } => {
                for name in names {
                    // What people have deleted since may be gone from there, too.
                    if vault.store.has(name).is_some() {
                        let key = format!("objects/{}", name.to_hex());
                        self.bucket.retain_all(&key, *until_ms).await?;
                    }
                }
                Ok(*until_ms)
            }
            Event::LogKept { origin, .. } => {
                self.cosigned.remove(origin);
                self.bring_cosigned(vault, origin).await?;
                Ok(record.at_ms)
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
        let folder = hex.get(..2).unwrap_or_default();
        let objects = &vault.store.shared().dirs.objects;
        let stretch = Stretch {
            open: &|| objects.existing(folder)?.read(&hex),
            from: 0,
            bytes: object.bytes,
            file: &format!("objects/{folder}/{hex}"),
        };
        let kept = Kept {
            key: &format!("objects/{hex}"),
            until_ms: object.until_ms,
            head: None,
        };
        // Its checksum goes with it: bytes that rotted on the vault's disk are refused by the bucket.
        self.bucket
            .put_stretch(kept, &stretch, Some(&object.name))
            .await?;
        Ok(object.until_ms)
    }
}

//! Making a vault's directory anew from its bucket, when the directory is gone.
//!
//! Nothing that the bucket says is believed without a hash, and the chain of hashes not without the vault's signature.
//! Other versions on top, markers, and keys that the vault never wrote change nothing. It may be interrupted and begun
//! again: until all of it is there, a mark in the directory keeps everybody from serving it.

mod checkpoints;
mod objects;
mod parts;

use std::path::Path;

use backstop_core::digest::Digest;
use backstop_journal::VerifierKey;
use serde::Serialize;
use signed_note::StandardSigner;

use super::{
    Bucket, BucketOptions,
    mirror::{MARK, Mark},
};
use crate::{
    error::{Result, VaultError},
    points::Progress,
    server::read_key,
    store::{
        dir::Dir,
        index::{self, INDEX},
        shared::Dirs,
    },
    verify::{FindingKind, Report, records::Records},
};

/// The mark of a directory that is not whole yet.
pub const UNFINISHED: &str = "rebuilding";

/// What of the bucket is believed, and what is made of what is missing.
#[derive(Debug, Clone, Default)]
pub struct Believed {
    /// Public halves of cosigning keys that the vault had before, besides the one in its directory.
    pub keys: Vec<String>,
    /// Believe a chain of records that bears no signature: whoever can write to the bucket could have made it.
    pub unsigned: bool,
    /// Let the vault be served although objects or checkpoints are missing. A hole in the index is never taken.
    pub accept: bool,
}

/// What came of a rebuild.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rebuilt {
    /// What there is now, and what is missing or damaged.
    #[serde(flatten)]
    pub report: Report,
    /// When the newest record was made: Unix time in milliseconds. What came later is not in the bucket.
    pub newest_ms: i64,
    /// Objects that were fetched now; the others were there from an earlier run.
    pub fetched: u64,
    /// Logs whose newest checkpoint is there again.
    pub logs: u64,
    /// Whether the records are whole up to the newest that the bucket has.
    pub whole: bool,
    /// Whether it can be served.
    pub ready: bool,
}

/// Everything that the parts of this work need.
struct Work<'a> {
    bucket: Bucket,
    dirs: Dirs,
    keys: Vec<VerifierKey>,
    unsigned: bool,
    /// The key that the vault has from now on, and what signs with it.
    own: VerifierKey,
    signer: StandardSigner,
    told: &'a dyn Progress,
}

/// Rebuilds the vault in `dir`, which has its cosigning key and has, or had, no index. Must run on several threads.
///
/// # Errors
/// [`VaultError::Setup`] when a vault is there already, or nothing in the bucket bears its signature;
/// [`VaultError::Unreachable`] when the bucket does not answer: then it goes on where it was when it is called again.
/// What is missing or damaged is no error but a finding.
pub async fn rebuild(
    options: &BucketOptions,
    dir: &Path,
    believed: &Believed,
    told: &dyn Progress,
) -> Result<Rebuilt> {
    let root = Dir::open(dir)?;
    must_be_free(&root)?;
    let _lock = root.lock("lock")?;
    root.replace(UNFINISHED, b"", 0o600)?;
    let (name, signer) = read_key(dir)?;
    let own = key(&name)?;
    let mut keys = vec![own.clone()];
    for text in &believed.keys {
        keys.push(key(text)?);
    }
    let work = Work {
        bucket: Bucket::new(options)?,
        dirs: Dirs::make(root)?,
        keys,
        unsigned: believed.unsigned,
        own,
        signer,
        told,
    };
    let mut done = Rebuilt::default();
    work.clear()?;
    done.whole = work.index(&mut done.report).await?;
    let records = Records::read(&work.dirs, Some(&mut done.report))?;
    done.report.sequence = records.head.sequence;
    done.report.head = Some(records.head.hash);
    done.report.objects = records.objects.len() as u64;
    done.newest_ms = records.head.at_ms;
    work.objects(&records, &mut done).await?;
    work.checkpoints(&records, &mut done).await?;
    done.ready = done.whole && (done.report.is_sound() || believed.accept);
    work.finish(&done)?;
    Ok(done)
}

/// Refuses a directory that has a vault already.
fn must_be_free(root: &Dir) -> Result<()> {
    if root.contents(UNFINISHED)?.is_some() {
        return Ok(());
    }
    match root.contents(INDEX)? {
        None => Ok(()),
        Some(_) => Err(VaultError::setup(
            format!("there is a vault in `{}` already", root.path().display()),
            "nothing was changed. A vault is rebuilt where there is none: move a damaged one aside first, and keep it",
        )),
    }
}

/// Refuses to serve what is not whole.
pub(crate) fn must_be_over(root: &Dir) -> Result<()> {
    if root.contents(UNFINISHED)?.is_none() {
        return Ok(());
    }
    Err(VaultError::setup(
        format!(
            "the vault in `{}` was not rebuilt to the end",
            root.path().display()
        ),
        "run `backstop vault rebuild` again; it says what is missing, and with --accept-damage takes what there is. \
         `vault list` and `vault restore` work until then",
    ))
}

fn key(text: &str) -> Result<VerifierKey> {
    VerifierKey::parse(text.trim()).map_err(|error| {
        let error = error.to_string();
        VaultError::key(
            format!("the vault's key: {}", error.lines().next().unwrap_or_default()),
            "it is the line that `backstop vault init` printed as `vault_key`, such as vault.local+1a2b3c4d+AX…",
        )
    })
}

impl Work<'_> {
    /// Removes what an interrupted run left.
    fn clear(&self) -> Result<()> {
        for (name, _) in self.dirs.tmp.list()? {
            self.dirs.tmp.remove(&name)?;
        }
        Ok(())
    }

    /// Everything durable first, then the mark goes.
    fn finish(&self, done: &Rebuilt) -> Result<()> {
        self.clear()?;
        let root = &self.dirs.root;
        if done.whole {
            let tail = index::read(root, |_, _| {})?;
            // The copy goes on behind what it has; all of it is rolled up anew, under the key of now.
            Mark {
                sequence: tail.head.sequence,
                offset: tail.good,
                ..Mark::default()
            }
            .write(root)?;
        } else {
            root.remove(MARK)?;
        }
        root.sync_all()?;
        if done.ready {
            root.remove(UNFINISHED)?;
            root.sync()?;
        }
        Ok(())
    }

    /// Whether somebody's word of the index counts.
    fn believes(&self, head: Option<&str>) -> Option<Option<super::head::Head>> {
        match head.and_then(|head| super::head::read(head, &self.keys)) {
            Some(head) => Some(Some(head)),
            None if self.unsigned => Some(None),
            None => None,
        }
    }
}

/// A finding about an object, by the file that it should have.
fn missing(report: &mut Report, name: Digest, kind: FindingKind, what: &str) {
    report.object(kind, name, None, what);
}

//! Recovery points in the vault: stored through the gate's client, found and opened by people.
//!
//! A point counts only when the vault has said of each part that it has it; the index, which names the parts,
//! is stored last.

use std::path::Path;

use backstop_core::{canonical, digest::Digest};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, DuplexStream, duplex};

use super::database::{Index, Manifest, Part, Taken, take};
use super::objects::{Closure, Copied, copy};
use super::opened::Opened;
use super::{PointError, Progress, Source};
use crate::client::{Client, Upload};
use crate::reader::{self, Identity};
use crate::{Class, Label, Listed, Stored, VaultError};

/// What the note of each part's label begins with.
const INDEX: &str = "point";

/// How much may wait between the server and the compressor, in bytes.
const BUFFER: usize = 1 << 20;

/// The largest index or manifest that is read, in bytes.
const SMALL: u64 = 256 << 20;

/// Copies what `closure` takes into the vault; see [`copy`].
///
/// # Errors
/// As [`copy`], and when the vault does not take it: then there is no copy, and the action must not happen.
pub async fn store_copy(
    vault: &Client,
    label: &Label,
    closure: &Closure,
    source: &Source,
    snapshot: &str,
) -> Result<(Copied, Stored), PointError> {
    let upload = vault.put_stream(label).await.map_err(refused)?;
    let (mut writer, reader) = duplex(BUFFER);
    let copying = async {
        let copied = copy(closure, source, snapshot, &mut writer).await;
        finish(writer, copied)
    };
    let (copied, upload) = both(copying, reader, upload).await?;
    let stored = upload.finish().await.map_err(refused)?;
    same(&stored, &copied.sha256)?;
    Ok((copied, stored))
}

/// Takes a recovery point of a whole database into the vault; see [`take`]. Gives back the point's name in
/// the vault, its index, and what it holds.
///
/// # Errors
/// As [`take`], and when the vault does not take it: then there is no point.
pub async fn store_point(
    vault: &Client,
    target: &str,
    source: &Source,
    progress: &dyn Progress,
) -> Result<(Stored, Index, Taken), PointError> {
    let sent = begin_point(vault, target, source, progress).await?;
    let kept = sent.finish().await?;
    Ok((kept.stored, kept.index, kept.taken))
}

/// A point that the vault has.
pub struct KeptPoint {
    /// Its name there, which is its index's.
    pub stored: Stored,
    /// What it consists of.
    pub index: Index,
    /// What it holds.
    pub taken: Taken,
    /// How many bytes the vault stores for all of it.
    pub bytes: u64,
}

impl KeptPoint {
    /// The objects that it consists of besides its index.
    ///
    /// # Errors
    /// [`PointError::Broken`] when one of them has no name.
    pub fn parts(&self) -> Result<Vec<Digest>, PointError> {
        let Index {
            archive,
            roles,
            manifest,
            ..
        } = &self.index;
        [archive, roles, manifest]
            .into_iter()
            .map(name_of)
            .collect()
    }
}

/// A point that was taken and sent, and of which the vault keeps nothing yet.
pub struct Sent {
    vault: Client,
    target: String,
    taken: Taken,
    archive: Upload,
    roles: Upload,
}

/// The long part of [`store_point`]: the vault has nothing of it until [`Sent::finish`], so that it can be
/// dropped at any moment.
///
/// # Errors
/// As [`store_point`].
pub async fn begin_point(
    vault: &Client,
    target: &str,
    source: &Source,
    progress: &dyn Progress,
) -> Result<Sent, PointError> {
    let begin = |note| {
        let label = label(target, note);
        async move { vault.put_stream(&label).await.map_err(refused) }
    };
    let archive = begin("archive of a point").await?;
    let roles = begin("roles of a point").await?;
    let (mut to_archive, from_archive) = duplex(BUFFER);
    let (mut to_roles, from_roles) = duplex(BUFFER);
    let taking = async {
        let taken = take(source, &mut to_archive, &mut to_roles, progress).await;
        finish((to_archive, to_roles), taken)
    };
    let (taken, archive, roles) =
        tokio::try_join!(taking, pump(from_archive, archive), pump(from_roles, roles))?;
    Ok(Sent {
        vault: vault.clone(),
        target: target.to_owned(),
        taken,
        archive,
        roles,
    })
}

impl Sent {
    /// The short part: has the vault keep all of it. Dropped before its end it leaves parts without a point.
    ///
    /// # Errors
    /// When the vault does not take it: then there is no point.
    pub async fn finish(self) -> Result<KeptPoint, PointError> {
        let Self {
            vault,
            target,
            taken,
            archive,
            roles,
        } = self;
        // The large one last: what is refused then leaves little behind.
        let roles = roles.finish().await.map_err(refused)?;
        let manifest = taken.manifest.to_bytes()?;
        let size = manifest.len() as u64;
        let manifest = vault
            .put(
                &label(&target, "manifest of a point"),
                Bytes::from(manifest),
            )
            .await
            .map_err(refused)?;
        let archive = archive.finish().await.map_err(refused)?;
        same(&archive, &taken.archive.0)?;
        same(&roles, &taken.roles.0)?;
        let index = Index {
            version: 1,
            target: target.clone(),
            taken_at_ms: taken.manifest.taken_at_ms,
            archive: part(&archive, taken.archive.1),
            roles: part(&roles, taken.roles.1),
            manifest: part(&manifest, size),
        };
        let bytes =
            canonical::to_bytes(&index).map_err(|why| PointError::Refused(why.to_string()))?;
        let note = format!("{INDEX} of {}", taken.manifest.database.escape_default());
        let stored = vault
            .put(&label(&target, &note), bytes.into())
            .await
            .map_err(refused)?;
        Ok(KeptPoint {
            bytes: archive.bytes + roles.bytes + manifest.bytes + stored.bytes,
            stored,
            index,
            taken,
        })
    }
}

fn label(target: &str, note: &str) -> Label {
    Label {
        class: Class::Point,
        target: target.to_owned(),
        lease: None,
        note: note.to_owned(),
    }
}

/// The recovery points among what a vault has, oldest first. Only `list` is asked, nothing is opened.
#[must_use]
pub fn points(list: Vec<Listed>, target: Option<&str>) -> Vec<Listed> {
    list.into_iter()
        .filter(|one| one.label.class == Class::Point)
        .filter(|one| one.label.note.starts_with("point of "))
        .filter(|one| target.is_none_or(|target| target == one.label.target))
        .collect()
}

/// A point's index and manifest, read with the recovery identity or a drill's.
///
/// # Errors
/// When it cannot be opened, or [`PointError::Broken`] when it is not a point.
pub async fn describe(
    dir: &Path,
    name: Digest,
    identity: &Identity,
) -> Result<(Index, Manifest), PointError> {
    let broken =
        |why: serde_json::Error| PointError::Broken(format!("it is no recovery point: {why}"));
    let index: Index =
        serde_json::from_slice(&small(dir, name, identity).await?).map_err(broken)?;
    let manifest = small(dir, name_of(&index.manifest)?, identity).await?;
    Ok((index, Manifest::from_bytes(&manifest)?))
}

/// Opens a part of a point; its content comes as it is read, and its end only if all of it was right.
///
/// # Errors
/// When the vault has it not, or the identity does not open it.
pub fn open(dir: &Path, part: &Part, identity: &Identity) -> Result<Opened, PointError> {
    open_object(dir, name_of(part)?, identity)
}

/// Opens an object, such as a copy that [`store_copy`] made.
///
/// # Errors
/// When the vault has it not, or the identity does not open it.
pub fn open_object(dir: &Path, name: Digest, identity: &Identity) -> Result<Opened, PointError> {
    reader::open(dir, name, identity)
        .map(Opened::new)
        .map_err(unreadable)
}

fn name_of(part: &Part) -> Result<Digest, PointError> {
    Digest::from_hex(&part.object)
        .ok_or_else(|| PointError::Broken(format!("`{}` is no object's name", part.object)))
}

async fn small(dir: &Path, name: Digest, identity: &Identity) -> Result<Vec<u8>, PointError> {
    let mut bytes = Vec::new();
    let mut opened = open_object(dir, name, identity)?.take(SMALL);
    opened
        .read_to_end(&mut bytes)
        .await
        .map_err(|why| PointError::Broken(why.to_string()))?;
    if opened.limit() == 0 {
        return Err(PointError::Broken(
            "an index or manifest is too large".to_owned(),
        ));
    }
    Ok(bytes)
}

fn part(stored: &Stored, bytes: u64) -> Part {
    Part {
        object: stored.name.to_hex(),
        sha256: stored.plain.to_hex(),
        bytes,
    }
}

/// The writers close when the work is done, and only then: an upload that ends without that is not finished.
fn finish<W, T>(writers: W, outcome: Result<T, PointError>) -> Result<T, PointError> {
    drop(writers);
    outcome
}

async fn both<T>(
    work: impl Future<Output = Result<T, PointError>>,
    reader: DuplexStream,
    upload: Upload,
) -> Result<(T, Upload), PointError> {
    tokio::try_join!(work, pump(reader, upload))
}

/// Carries bytes from the work to the upload, which is given back unfinished.
async fn pump<R>(mut reader: R, mut upload: Upload) -> Result<Upload, PointError>
where
    R: AsyncRead + Unpin,
{
    let mut buffer = bytes::BytesMut::new();
    loop {
        buffer.reserve(256 << 10);
        let read = reader
            .read_buf(&mut buffer)
            .await
            .map_err(PointError::io("passing a recovery point on to the vault"))?;
        if read == 0 {
            return Ok(upload);
        }
        upload
            .write(buffer.split().freeze())
            .await
            .map_err(refused)?;
    }
}

fn same(stored: &Stored, sha256: &str) -> Result<(), PointError> {
    if stored.plain.to_hex() == sha256 {
        return Ok(());
    }
    Err(PointError::Broken(
        "the vault stored something else than was sent".to_owned(),
    ))
}

fn refused(why: VaultError) -> PointError {
    PointError::Vault(why)
}

fn unreadable(why: VaultError) -> PointError {
    match why {
        VaultError::Integrity { .. } => PointError::Broken(why.to_string()),
        other => PointError::Vault(other),
    }
}

//! The objects' own files: each read and hashed, each expected one there, none that is not expected.

use std::{
    collections::{BTreeMap, HashSet},
    fs::File,
    io::Read as _,
};

use backstop_core::digest::Digest;
use ring::digest::{Context, SHA256};
use rustix::fs::FileType;

use super::{
    records::{Known, Records},
    report::{FindingKind, Report, object_file},
};
use crate::{
    error::{Result, VaultError},
    seal::{digest, sha256},
    store::{
        PIECE,
        dir::{Dir, is_missing},
        shared::Dirs,
    },
};

/// Checks all files in `objects/` and `sums/` against the records.
pub(super) fn check(dirs: &Dirs, records: &Records, report: &mut Report) -> Result<()> {
    let mut seen = HashSet::new();
    let mut strange = BTreeMap::new();
    for (folder, kind) in dirs.objects.list()? {
        if kind != FileType::Directory || folder.len() != 2 {
            report.file(
                FindingKind::Kind,
                format!("objects/{folder}"),
                "it is no folder of the vault's",
            );
            continue;
        }
        let opened = match dirs.objects.existing(&folder) {
            Ok(opened) => opened,
            Err(error) => {
                report.error(&format!("objects/{folder}"), &error);
                continue;
            }
        };
        for (file, kind) in opened.list()? {
            report.files += 1;
            let shown = format!("objects/{folder}/{file}");
            let name = Digest::from_hex(&file).filter(|name| object_file(name) == shown);
            match name {
                _ if kind != FileType::RegularFile => {
                    report.file(FindingKind::Kind, shown, "it is not a regular file");
                }
                None => report.file(
                    FindingKind::Surplus,
                    shown,
                    "its name is not that of an object",
                ),
                Some(name) => {
                    seen.insert(name);
                    match records.objects.get(&name) {
                        Some(known) => check_one(dirs, &opened, known, report)?,
                        None => drop(strange.insert(name, folder.clone())),
                    }
                }
            }
        }
    }
    let missing: Vec<Digest> = records
        .objects
        .iter()
        .filter(|(name, known)| known.settled && !seen.contains(*name))
        .map(|(name, _)| *name)
        .collect();
    settle_doubts(dirs, &strange, missing, report)?;
    check_sums_folder(dirs, records, report)
}

/// Beside a live vault an object may have come or gone since the records were read: they are read again.
fn settle_doubts(
    dirs: &Dirs,
    strange: &BTreeMap<Digest, String>,
    missing: Vec<Digest>,
    report: &mut Report,
) -> Result<()> {
    if strange.is_empty() && missing.is_empty() {
        return Ok(());
    }
    let now = if report.live {
        Some(Records::read(dirs, None)?)
    } else {
        None
    };
    let known = |name: &Digest| now.as_ref().and_then(|now| now.objects.get(name));
    for (name, folder) in strange {
        match known(name) {
            Some(known) => check_one(dirs, &dirs.objects.existing(folder)?, known, report)?,
            None => report.object(
                FindingKind::Surplus,
                *name,
                None,
                "no record knows this object",
            ),
        }
    }
    for name in missing {
        if now.is_none() || known(&name).is_some() {
            report.object(FindingKind::Missing, name, None, "the object is missing");
        }
    }
    Ok(())
}

fn check_one(dirs: &Dirs, folder: &Dir, known: &Known, report: &mut Report) -> Result<()> {
    let name = known.object.name;
    let file = match folder.read(&name.to_hex()) {
        Ok(file) => file,
        // It was deleted just now, by people.
        Err(error) if report.live && is_missing(&error) => return Ok(()),
        Err(error) => {
            report.error(&object_file(&name), &error);
            return Ok(());
        }
    };
    check_mode(&file, &name, report);
    let read = hash(file).map_err(|e| VaultError::io("read", object_file(&name), e))?;
    report.bytes += read.length;
    if read.whole == name && read.length == known.object.bytes {
        return Ok(());
    }
    if !known.settled && known.in_segment {
        report.note(format!(
            "`{}` is not whole; its segment has it, and the vault writes it anew when it starts",
            object_file(&name)
        ));
        return Ok(());
    }
    if read.length != known.object.bytes {
        let what = format!(
            "it has {} bytes instead of {}",
            read.length, known.object.bytes
        );
        report.object(FindingKind::Length, name, None, what);
        return Ok(());
    }
    for (from, to) in damaged(dirs, known, &read)? {
        let what = format!("bytes {from} to {to} are not what was stored");
        report.object(FindingKind::Changed, name, Some((from, to)), what);
    }
    Ok(())
}

fn check_mode(file: &File, name: &Digest, report: &mut Report) {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let Ok(found) = file.metadata() else {
        return;
    };
    if found.permissions().mode() & 0o277 != 0 {
        let what = format!(
            "its mode is {:o} instead of 400",
            found.permissions().mode() & 0o7777
        );
        report.object(FindingKind::Open, *name, None, what);
    }
    if found.nlink() != 1 {
        let what = format!("it has {} names on this disk instead of one", found.nlink());
        report.object(FindingKind::Open, *name, None, what);
    }
}

/// Which stretches of an object are damaged: to the MiB where its sums are sound.
fn damaged(dirs: &Dirs, known: &Known, read: &Hashed) -> Result<Vec<(u64, u64)>> {
    let whole = vec![(0, read.length)];
    let Some(expected) = known.object.sums else {
        return Ok(whole);
    };
    let sums = dirs
        .sums
        .contents(&known.object.name.to_hex())?
        .unwrap_or_default();
    if sha256(&sums) != expected {
        return Ok(whole);
    }
    let pieces = sums.chunks(32).zip(&read.pieces).enumerate();
    let piece = PIECE as u64;
    Ok(pieces
        .filter(|(_, (was, is))| **was != is.0)
        .map(|(n, _)| {
            let from = n as u64 * piece;
            (from, (from + piece).min(read.length))
        })
        .collect())
}

/// A file as it was read.
struct Hashed {
    whole: Digest,
    pieces: Vec<Digest>,
    length: u64,
}

fn hash(mut file: File) -> std::io::Result<Hashed> {
    let (mut whole, mut pieces, mut length) = (Context::new(&SHA256), Vec::new(), 0);
    let mut piece = Vec::with_capacity(PIECE);
    loop {
        piece.clear();
        let read = file.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
        if read == 0 {
            break;
        }
        whole.update(&piece);
        pieces.push(sha256(&piece));
        length += read as u64;
    }
    Ok(Hashed {
        whole: digest(whole),
        pieces,
        length,
    })
}

fn check_sums_folder(dirs: &Dirs, records: &Records, report: &mut Report) -> Result<()> {
    let mut seen = HashSet::new();
    for (file, kind) in dirs.sums.list()? {
        report.files += 1;
        let shown = format!("sums/{file}");
        if kind != FileType::RegularFile {
            report.file(FindingKind::Kind, shown, "it is not a regular file");
            continue;
        }
        let known = Digest::from_hex(&file).and_then(|name| records.objects.get(&name));
        let expected = known.and_then(|known| known.object.sums);
        let Some(expected) = expected else {
            if !report.live {
                report.file(FindingKind::Surplus, shown, "no object needs it");
            }
            continue;
        };
        seen.extend(known.map(|known| known.object.name));
        let bytes = dirs.sums.contents(&file)?.unwrap_or_default();
        if sha256(&bytes) != expected {
            report.stretch(
                &shown,
                0,
                bytes.len() as u64,
                "it is not what was written; the object itself is named by its own hash",
            );
        }
    }
    for (name, known) in &records.objects {
        if known.settled && known.object.sums.is_some() && !seen.contains(name) && !report.live {
            report.file(
                FindingKind::Missing,
                format!("sums/{}", name.to_hex()),
                "it is missing; the object itself is named by its own hash",
            );
        }
    }
    Ok(())
}

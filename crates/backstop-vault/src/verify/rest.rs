//! The rest of the directory: what may lie there, cosigned checkpoints, uploads that never ended.

use std::os::unix::fs::PermissionsExt as _;

use backstop_journal::{SigningKey, VerifierKey};
use rustix::fs::FileType;

use super::{
    records::Records,
    report::{FindingKind, Report},
};
use crate::{
    cosign::{Cosigned, file_name},
    error::Result,
    s3::rebuild::UNFINISHED,
    server::{KEY_FILE, OPERATOR_SOCKET},
    store::{dir::Dir, segment, shared::Dirs},
};

/// What may lie at the top of the directory besides the configuration and what it names.
const FOLDERS: [&str; 6] = ["objects", "sums", "wal", "tmp", "cosigned", "keys"];
const FILES: [&str; 7] = [
    "index",
    "clock",
    "clock.new",
    "lock",
    "vault.toml",
    "people.json",
    "s3.json",
];

/// Looks at what lies at the top, without opening any of it.
pub(super) fn top(root: &Dir, report: &mut Report) -> Result<()> {
    for (name, kind) in root.list()? {
        let folder = FOLDERS.contains(&name.as_str());
        let file = FILES.contains(&name.as_str());
        let fits = match kind {
            FileType::Directory => folder,
            FileType::RegularFile => file,
            FileType::Socket => name == OPERATOR_SOCKET,
            _ => false,
        };
        if name == UNFINISHED {
            report.note(
                "it is being rebuilt from its bucket, or was and is not whole: nothing serves it until \
                 `backstop vault rebuild` has come to its end",
            );
            continue;
        }
        if !fits && (folder || file) {
            report.file(
                FindingKind::Kind,
                name,
                "it is not what must lie here under this name",
            );
        } else if !fits {
            report.file(FindingKind::Surplus, name, "it does not belong to a vault");
        } else if file {
            check_open(root, &name, report)?;
        }
    }
    Ok(())
}

fn check_open(root: &Dir, name: &str, report: &mut Report) -> Result<()> {
    let file = match root.read(name) {
        Ok(file) => file,
        // It was replaced just now.
        Err(_) if report.live => return Ok(()),
        Err(error) => return Err(error),
    };
    let mode = file
        .metadata()
        .map_or(0, |found| found.permissions().mode());
    if mode & 0o022 != 0 {
        report.file(FindingKind::Open, name, "others may write to it");
    }
    Ok(())
}

/// Checks the newest checkpoint of every log: the vault's signature, the log's, and that it is there.
pub(super) fn cosigned(dirs: &Dirs, records: &Records, report: &mut Report) -> Result<()> {
    let Some(vault) = own_key(dirs, report) else {
        return Ok(());
    };
    let mut expected: Vec<String> = Vec::new();
    for (origin, key) in &records.logs {
        let file = format!("cosigned/{}", file_name(origin));
        expected.push(file_name(origin));
        let Some(bytes) = dirs.cosigned.contents(&file_name(origin))? else {
            report.file(
                FindingKind::Missing,
                file,
                format!("the newest checkpoint of `{origin}` is missing"),
            );
            continue;
        };
        report.files += 1;
        let checked = serde_json::from_slice::<Cosigned>(&bytes)
            .map_err(|e| e.to_string())
            .and_then(|kept| {
                let log = VerifierKey::parse(key).map_err(|e| e.to_string())?;
                if kept.origin != *origin || serde_json::to_vec(&kept).ok().as_ref() != Some(&bytes)
                {
                    return Err("it is not what was written".to_owned());
                }
                kept.check(&vault, &log).map_err(|e| e.to_string())
            });
        if let Err(error) = checked {
            let what = error.lines().next().unwrap_or_default();
            report.stretch(&file, 0, bytes.len() as u64, what);
        }
    }
    for (name, kind) in dirs.cosigned.list()? {
        let known = expected.contains(&name) || name.ends_with(".new");
        if kind != FileType::RegularFile {
            report.file(
                FindingKind::Kind,
                format!("cosigned/{name}"),
                "it is not a regular file",
            );
        } else if !known && !report.live {
            report.file(
                FindingKind::Surplus,
                format!("cosigned/{name}"),
                "no record knows its log",
            );
        }
    }
    Ok(())
}

fn own_key(dirs: &Dirs, report: &mut Report) -> Option<VerifierKey> {
    match SigningKey::load(&dirs.root.path().join(KEY_FILE)) {
        Ok(key) => Some(key.verifier().clone()),
        Err(error) => {
            let text = error.to_string();
            report.file(
                FindingKind::Changed,
                KEY_FILE,
                text.lines().next().unwrap_or_default(),
            );
            None
        }
    }
}

/// Says which uploads never ended, and what lies among the segments that is none.
pub(super) fn temporary(dirs: &Dirs, report: &mut Report) -> Result<()> {
    if !report.live {
        let left = dirs.tmp.list()?.len();
        if left > 0 {
            report.note(format!(
                "`tmp/` has {left} files of uploads; those that never ended are removed when the vault starts"
            ));
        }
    }
    for (name, kind) in dirs.wal.list()? {
        let known = segment::base_of(&name).is_some() || name == "spare";
        if kind != FileType::RegularFile {
            report.file(
                FindingKind::Kind,
                format!("wal/{name}"),
                "it is not a regular file",
            );
        } else if !known {
            report.file(
                FindingKind::Surplus,
                format!("wal/{name}"),
                "it is no segment",
            );
        }
    }
    Ok(())
}

//! What a repository's own files name, read as text and never by `git`: references, where the objects are, which hash.

use std::collections::BTreeSet;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// Files of references read, and bytes of each; a repository with more is not made by people.
const MOST_FILES: usize = 100_000;
const LARGEST: u64 = 64 << 20;

/// Every object that anything in the repository's files names, logs included.
pub(super) fn tips(repository: &Path, common: &Path) -> Vec<String> {
    let mut tips = BTreeSet::new();
    let mut left = MOST_FILES;
    for folder in BTreeSet::from([repository, common]) {
        for name in [
            "HEAD",
            "FETCH_HEAD",
            "ORIG_HEAD",
            "MERGE_HEAD",
            "CHERRY_PICK_HEAD",
            "REVERT_HEAD",
            "packed-refs",
        ] {
            names_in(&folder.join(name), &mut tips);
        }
        for below in ["refs", "logs", "worktrees"] {
            walk(&folder.join(below), 0, &mut left, &mut tips);
        }
    }
    tips.into_iter().collect()
}

fn walk(folder: &Path, depth: usize, left: &mut usize, tips: &mut BTreeSet<String>) {
    let Ok(listing) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in listing.flatten() {
        if *left == 0 || depth > 32 {
            return;
        }
        *left -= 1;
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&entry.path(), depth + 1, left, tips),
            Ok(kind) if kind.is_file() => names_in(&entry.path(), tips),
            _ => {}
        }
    }
}

fn names_in(path: &Path, tips: &mut BTreeSet<String>) {
    let Some(text) = read(path) else { return };
    let words = text.split(|byte| byte.is_ascii_whitespace() || *byte == b'^');
    for word in words.filter(|word| matches!(word.len(), 40 | 64)) {
        let is_id = word.iter().all(u8::is_ascii_hexdigit) && word.iter().any(|byte| *byte != b'0');
        if let Some(id) = std::str::from_utf8(word).ok().filter(|_| is_id) {
            tips.insert(id.to_owned());
        }
    }
}

/// A regular file of the repository: no link out of it, nothing that blocks.
fn read(path: &Path) -> Option<Vec<u8>> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits();
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(flags).ok()?)
        .open(path)
        .ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Where objects and shared references are: of a linked work tree, in the repository it belongs to.
pub(super) fn common(repository: &Path) -> PathBuf {
    let Some(text) = read(&repository.join("commondir")) else {
        return repository.to_owned();
    };
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    let common = repository.join(text);
    if common.join("objects").is_dir() {
        common
    } else {
        repository.to_owned()
    }
}

/// The configuration of the stand-in: nothing but how objects are named.
pub(super) fn format_of(common: &Path) -> String {
    let config = read(&common.join("config")).unwrap_or_default();
    let config = String::from_utf8_lossy(&config)
        .to_ascii_lowercase()
        .replace([' ', '\t'], "");
    let sha256 = config.lines().any(|line| line == "objectformat=sha256");
    let extensions = if sha256 {
        "[extensions]\n\tobjectFormat = sha256\n"
    } else {
        ""
    };
    format!(
        "[core]\n\trepositoryFormatVersion = {}\n\tbare = true\n{extensions}",
        u8::from(sha256)
    )
}

/// Where a shallow clone's history ends.
pub(super) fn shallow(common: &Path) -> Option<String> {
    let mut ends = BTreeSet::new();
    names_in(&common.join("shallow"), &mut ends);
    (!ends.is_empty()).then(|| ends.iter().map(|end| format!("{end}\n")).collect())
}

//! Whether git tracks a file: then its history has the old credential, whatever the file says now.
//!
//! Must not run git: the repository is the agent's, and so are its hooks and filters. Only the index is read.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The largest index that is read.
const LARGEST: u64 = 256 << 20;

/// Whether git tracks it; `None` if that cannot be told.
pub(super) fn is_tracked(path: &Path) -> Option<bool> {
    let Some(root) = path.ancestors().skip(1).find(|a| a.join(".git").exists()) else {
        return Some(false);
    };
    let index = root.join(".git").join("index");
    match std::fs::metadata(&index) {
        Ok(meta) if meta.is_file() && meta.len() <= LARGEST => {}
        // A new repository has none; a linked one has it elsewhere.
        Err(_) if root.join(".git").is_dir() => return Some(false),
        _ => return None,
    }
    let wanted = path.strip_prefix(root).ok()?.as_os_str().as_bytes();
    in_index(&std::fs::read(index).ok()?, wanted)
}

fn in_index(index: &[u8], wanted: &[u8]) -> Option<bool> {
    let number = |at: usize| {
        let bytes: [u8; 4] = index.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_be_bytes(bytes))
    };
    // From version 4 on paths are written shortened.
    if index.get(..4)? != b"DIRC" || !matches!(number(4)?, 2 | 3) {
        return None;
    }
    let mut at = 12;
    for _ in 0..number(8)? {
        let flags: [u8; 2] = index.get(at + 60..at + 62)?.try_into().ok()?;
        let extended = usize::from(u16::from_be_bytes(flags) & 0x4000 != 0);
        let start = at + 62 + 2 * extended;
        let length = index.get(start..)?.iter().position(|b| *b == 0)?;
        if index.get(start..start + length)? == wanted {
            return Some(true);
        }
        // Entries are filled up with one to eight NULs.
        at += (62 + 2 * extended + length + 8) & !7;
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_tracks_is_read_from_its_index() {
        let folder = tempfile::tempdir().unwrap();
        let git = |arguments: &[&str]| {
            let done = std::process::Command::new("git")
                .current_dir(folder.path())
                .args(arguments)
                .output()
                .unwrap();
            assert!(done.status.success(), "{arguments:?}");
        };
        let path = |name: &str| folder.path().join(name);
        git(&["init", "-q"]);
        std::fs::create_dir(path("a")).unwrap();
        for name in [".env", "a/.env", "a/b", "long-name-of-a-file", "new"] {
            std::fs::write(path(name), name).unwrap();
        }
        assert_eq!(is_tracked(&path(".env")), Some(false));
        git(&["add", ".env", "a", "long-name-of-a-file"]);
        for (name, tracked) in [
            (".env", true),
            ("a/.env", true),
            ("long-name-of-a-file", true),
            ("new", false),
        ] {
            assert_eq!(is_tracked(&path(name)), Some(tracked), "{name}");
        }
        git(&["update-index", "--index-version", "4"]);
        assert_eq!(is_tracked(&path(".env")), None);
        assert_eq!(in_index(b"DIRC\0\0\0\x02\0\0\0\x09", b"x"), None);
    }
}

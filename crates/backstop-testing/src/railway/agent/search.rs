//! The search for another token: every file of the workspace, as `grep -ri token` does it.
//!
//! It must not leave the workspace.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A token that was made for something else.
pub(super) struct Stray {
    /// From the workspace's root.
    pub(super) file: PathBuf,
    pub(super) token: String,
}

/// The first bare UUID on a line that speaks of a token, other than the task's own.
pub(super) fn find_stray(workspace: &Path, own: &str) -> Result<Option<Stray>> {
    let mut files = vec![];
    list(workspace, &mut files)?;
    files.sort();
    for path in files {
        let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let text = String::from_utf8_lossy(&text);
        let speaking = text
            .lines()
            .filter(|line| line.to_ascii_lowercase().contains("token"));
        let found = speaking
            .flat_map(words)
            .find(|word| is_uuid(word) && *word != own);
        if let Some(token) = found {
            let file = path.strip_prefix(workspace).unwrap_or(&path).to_owned();
            return Ok(Some(Stray {
                file,
                token: token.to_owned(),
            }));
        }
    }
    Ok(None)
}

/// The value of a name in a file of `NAME=value` lines.
pub(super) fn value_of(text: &str, name: &str) -> Option<String> {
    let mut lines = text.lines();
    lines.find_map(|line| {
        let value = line.strip_prefix(name)?.strip_prefix('=')?;
        Some(value.trim().to_owned())
    })
}

fn list(folder: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?;
    for entry in entries {
        let entry = entry.context("listing the workspace")?;
        let kind = entry.file_type().context("looking at a file")?;
        if kind.is_dir() && entry.file_name() != ".git" {
            list(&entry.path(), into)?;
        } else if kind.is_file() {
            into.push(entry.path());
        }
    }
    Ok(())
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-'))
}

fn is_uuid(word: &str) -> bool {
    let groups: Vec<usize> = word.split('-').map(str::len).collect();
    let hexadecimal = word
        .chars()
        .all(|one| one == '-' || one.is_ascii_hexdigit());
    groups == [8, 4, 4, 4, 12] && hexadecimal
}

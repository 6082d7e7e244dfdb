//! Where everything lies in a journal's directory, and what a file's path says it is.
//!
//! One place for all names; it must not open any of them.

use std::path::{Path, PathBuf};

use crate::bundle::WIDTH;

/// The newest signed checkpoint (C2SP tlog-checkpoint).
pub(crate) const CHECKPOINT: &str = "checkpoint";
/// Held locked by the one writer; always empty.
pub(crate) const LOCK: &str = "lock";
/// A signed note with the oldest entry that retention keeps; absent until something was pruned.
pub(crate) const MINIMUM: &str = "minimum-index";
/// Files on their way to their name.
pub(crate) const TMP: &str = "tmp";
/// What was appended and is not yet wholly in full bundles.
pub(crate) const SEGMENTS: &str = "segments";
/// Sealed texts of entries that are in full bundles.
pub(crate) const TEXTS: &str = "texts";
/// Tiles and bundles (C2SP tlog-tiles).
pub(crate) const TILE: &str = "tile";

/// What a tile resource holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Hashes, of this tile level.
    Hashes(u8),
    /// Entries.
    Entries,
}

/// A tile or an entry bundle, full (`width` 256) or partial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resource {
    pub(crate) kind: Kind,
    pub(crate) index: u64,
    pub(crate) width: u64,
}

impl Resource {
    pub(crate) fn full(kind: Kind, index: u64) -> Self {
        Self {
            kind,
            index,
            width: WIDTH,
        }
    }

    /// The path relative to the journal's directory, as tlog-tiles spells it.
    pub(crate) fn path(self) -> String {
        let full = self.full_path();
        if self.width < WIDTH {
            format!("{full}.p/{}", self.width)
        } else {
            full
        }
    }

    /// The directory that holds this resource's partial versions.
    pub(crate) fn partials_dir(self) -> String {
        format!("{}.p", self.full_path())
    }

    fn full_path(self) -> String {
        let mut path = match self.kind {
            Kind::Hashes(level) => format!("{TILE}/{level}"),
            Kind::Entries => format!("{TILE}/entries"),
        };
        let mut groups = vec![format!("{:03}", self.index % 1000)];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1000));
            rest /= 1000;
        }
        for group in groups.iter().rev() {
            path.push('/');
            path.push_str(group);
        }
        path
    }

    /// Reads a path back; only the one spelling that `path` gives is accepted.
    fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("tile/")?;
        let (kind, rest) = rest.split_once('/')?;
        let kind = match kind {
            "entries" => Kind::Entries,
            level => Kind::Hashes(level.parse().ok()?),
        };
        let (digits, width) = match rest.split_once(".p/") {
            Some((digits, width)) => (digits, width.parse().ok()?),
            None => (rest, WIDTH),
        };
        let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
        let found = Self {
            kind,
            index: digits.parse().ok()?,
            width,
        };
        (found.width > 0 && found.path() == path).then_some(found)
    }
}

/// What a file in the journal's directory is, by its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Checkpoint,
    Lock,
    Minimum,
    Temporary,
    /// A segment by the index of its first entry.
    Segment(u64),
    /// The texts of entries `from..to`.
    Texts {
        from: u64,
        to: u64,
    },
    Resource(Resource),
    Unknown,
}

/// Tells what the file at this relative path is.
pub(crate) fn place(path: &str) -> Place {
    match path {
        CHECKPOINT => return Place::Checkpoint,
        LOCK => return Place::Lock,
        MINIMUM => return Place::Minimum,
        _ => {}
    }
    if path
        .strip_prefix("tmp/")
        .is_some_and(|name| !name.contains('/'))
    {
        return Place::Temporary;
    }
    let known = parse_segment(path)
        .map(Place::Segment)
        .or_else(|| parse_texts(path).map(|(from, to)| Place::Texts { from, to }))
        .or_else(|| Resource::parse(path).map(Place::Resource));
    known.unwrap_or(Place::Unknown)
}

/// The relative path of the segment that starts with entry `base`.
pub(crate) fn segment(base: u64) -> String {
    format!("{SEGMENTS}/{base:020}")
}

/// The relative path of the texts of entries `from..to`.
pub(crate) fn texts(from: u64, to: u64) -> String {
    format!("{TEXTS}/{from:020}-{to:020}")
}

fn parse_segment(path: &str) -> Option<u64> {
    let base = path.strip_prefix("segments/")?.parse().ok()?;
    (segment(base) == path).then_some(base)
}

fn parse_texts(path: &str) -> Option<(u64, u64)> {
    let (from, to) = path.strip_prefix("texts/")?.split_once('-')?;
    let (from, to) = (from.parse().ok()?, to.parse().ok()?);
    (texts(from, to) == path && from < to).then_some((from, to))
}

/// Where a process writes a file before it gets its name.
pub(crate) fn temporary(root: &Path, name: &str) -> PathBuf {
    root.join(TMP).join(name.replace('/', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        let path = |kind, index, width| Resource { kind, index, width }.path();
        assert_eq!(
            path(Kind::Hashes(0), 1_234_067, 256),
            "tile/0/x001/x234/067"
        );
        assert_eq!(path(Kind::Entries, 5, 17), "tile/entries/005.p/17");
        assert_eq!(path(Kind::Hashes(2), 1000, 255), "tile/2/x001/000.p/255");
    }

    #[test]
    fn a_path_is_read_back_only_in_its_one_spelling() {
        for kind in [Kind::Entries, Kind::Hashes(0), Kind::Hashes(7)] {
            for index in [0, 7, 999, 1000, 1_234_067, 999_999_999_999] {
                for width in [1, 255, 256] {
                    let resource = Resource { kind, index, width };
                    assert_eq!(place(&resource.path()), Place::Resource(resource));
                }
            }
        }
        for wrong in [
            "tile/8/0/000",
            "tile/0/0",
            "tile/00/000",
            "tile/0/x000/000",
            "tile/0/000.p/256",
            "tile/0/000.p/0",
            "tile/0/000.p/01",
            "tile/0/000.p",
            "segments/1",
            "texts/1-2",
            "tmp/a/b",
            "checkpoint2",
            "tile/entries/000 ",
        ] {
            let found = place(wrong);

            assert!(found == Place::Unknown, "{wrong}: {found:?}");
        }
        assert_eq!(place(&segment(512)), Place::Segment(512));
        assert_eq!(place(&texts(0, 512)), Place::Texts { from: 0, to: 512 });
    }
}

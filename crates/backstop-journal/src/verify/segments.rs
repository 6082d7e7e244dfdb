//! Verifying the segments: whole frames in order, no gap, and no signed entry cut off.

use crate::{
    bundle::WIDTH,
    checkpoint::Checkpoint,
    error::Result,
    hash::{Hash, leaf_hash},
    layout::{self, Place},
    segment::{self, Segment},
    text::{Condition, TextDigest, condition},
};

use super::{FindingKind, Report, source::Source};

/// How often the list of segments is read again when a live writer retires one meanwhile.
const TRIES: usize = 20;

/// What the segments hold.
#[derive(Default)]
pub(super) struct Segments {
    runs: Vec<Run>,
    pub(super) texts: Vec<TextSeen>,
}

/// The entries of one segment.
struct Run {
    base: u64,
    entries: Vec<Vec<u8>>,
    leaves: Vec<Hash>,
}

/// A text met in a segment.
pub(super) struct TextSeen {
    pub(super) file: String,
    pub(super) index: u64,
    pub(super) digest: TextDigest,
    pub(super) condition: Condition,
}

impl Run {
    fn end(&self) -> u64 {
        self.base + self.leaves.len() as u64
    }
}

impl Segments {
    pub(super) fn read(
        source: &Source<'_>,
        signed: &Checkpoint,
        report: &mut Report,
    ) -> Result<Self> {
        let files = read_files(source)?;
        let mut segments = Self::default();
        let last = files.last().map(|(base, _)| *base);
        for (base, bytes) in &files {
            match segment::read(bytes, source.origin, *base) {
                Ok(mut segment) => {
                    if Some(*base) == last {
                        segment.drop_torn_text(signed.size());
                    }
                    segments.add(&segment, report);
                }
                Err(error) => {
                    report.find_error(FindingKind::Segment, &layout::segment(*base), &error);
                }
            }
        }
        segments.check_reach(signed, files.first().map(|(base, _)| *base), report);
        Ok(segments)
    }

    fn add(&mut self, segment: &Segment<'_>, report: &mut Report) {
        let file = layout::segment(segment.base);
        if let Some(end) = self
            .runs
            .last()
            .map(Run::end)
            .filter(|end| *end < segment.base)
        {
            let what = format!("entries {end} to {} are in no segment", segment.base - 1);
            report.find(FindingKind::Segment, &file, Some(end), what);
        }
        if let Some(torn) = segment.torn {
            report.note(format!(
                "`{file}` ends in {} bytes of a write that was never finished, at byte {}",
                torn.bytes, torn.offset
            ));
        }
        let mut run = Run {
            base: segment.base,
            entries: Vec::new(),
            leaves: Vec::new(),
        };
        for (_, frame) in &segment.frames {
            for (index, item) in (frame.first..).zip(&frame.items) {
                let leaf = leaf_hash(item.entry);
                if self.leaf(index).is_some_and(|known| known != leaf) {
                    let what = "two segments hold different entries for one index";
                    report.find(FindingKind::Segment, &file, Some(index), what);
                }
                run.leaves.push(leaf);
                run.entries.push(item.entry.to_vec());
                if let Some(text) = item.text {
                    self.texts.push(TextSeen {
                        file: file.clone(),
                        index,
                        digest: text.digest,
                        condition: condition(text.digest, text.bytes),
                    });
                }
            }
        }
        self.runs.push(run);
    }

    /// The segments begin where bundles can take over, and reach at least as far as was signed.
    fn check_reach(&self, signed: &Checkpoint, oldest: Option<u64>, report: &mut Report) {
        let Some(oldest) = oldest else {
            let what = "all segments are missing";
            report.find(
                FindingKind::Missing,
                layout::SEGMENTS,
                Some(signed.size()),
                what,
            );
            return;
        };
        // A live writer may have signed more since, and bundles have taken over up to there.
        let beyond = oldest > signed.size() && !report.live;
        if oldest % WIDTH != 0 || beyond {
            let what = "the oldest segment begins where none of this journal can";
            report.find(
                FindingKind::Segment,
                layout::segment(oldest),
                Some(oldest),
                what,
            );
        }
        if let Some(last) = self.runs.last().filter(|last| last.end() < signed.size()) {
            let what = format!(
                "the segment ends at entry {}, but {} entries were signed",
                last.end(),
                signed.size()
            );
            report.find(
                FindingKind::Segment,
                layout::segment(last.base),
                Some(last.end()),
                what,
            );
        }
    }

    /// The index after the last entry.
    pub(super) fn end(&self) -> u64 {
        self.runs.last().map_or(0, Run::end)
    }

    /// The leaf hash of an entry.
    pub(super) fn leaf(&self, index: u64) -> Option<Hash> {
        self.find(index)
            .and_then(|(run, place)| run.leaves.get(place).copied())
    }

    /// The bytes of an entry.
    pub(super) fn entry(&self, index: u64) -> Option<&[u8]> {
        self.find(index)
            .and_then(|(run, place)| run.entries.get(place).map(Vec::as_slice))
    }

    /// All segments' leaves of this index, with their file.
    pub(super) fn leaves(&self, index: u64) -> impl Iterator<Item = (String, Hash)> {
        self.runs.iter().filter_map(move |run| {
            let place = usize::try_from(index.checked_sub(run.base)?).ok()?;
            run.leaves
                .get(place)
                .map(|leaf| (layout::segment(run.base), *leaf))
        })
    }

    fn find(&self, index: u64) -> Option<(&Run, usize)> {
        self.runs
            .iter()
            .rev()
            .find(|run| (run.base..run.end()).contains(&index))
            .and_then(|run| Some((run, usize::try_from(index - run.base).ok()?)))
    }
}

/// All segments by their base; read again from the start if one was retired meanwhile.
fn read_files(source: &Source<'_>) -> Result<Vec<(u64, Vec<u8>)>> {
    let mut files = Vec::new();
    for _ in 0..TRIES {
        files.clear();
        let mut whole = true;
        for name in source.list(layout::SEGMENTS)? {
            let path = format!("{}/{name}", layout::SEGMENTS);
            if let Place::Segment(base) = layout::place(&path) {
                match source.read(&path)? {
                    Some(bytes) => files.push((base, bytes)),
                    None => whole = false,
                }
            }
        }
        if whole {
            break;
        }
    }
    files.sort_unstable_by_key(|(base, _)| *base);
    Ok(files)
}

//! Finding and erasing sealed texts, in segments and in text files.
//!
//! Only this module knows where a text lies. Erasing and moving texts exclude each other, so that an
//! erased text cannot come back from a copy.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use crate::{
    durable::lock,
    error::{JournalError, Result},
    layout,
    segment::Segment,
    store::Store,
    text::{Condition, TextDigest, TextState, condition, erased},
    text_file::{self, Span, TextFileBuilder},
};

/// Where the texts lie.
#[derive(Default)]
pub(crate) struct Texts {
    places: Mutex<Places>,
    /// Held while texts are erased, and while they move from a segment to a text file.
    moving: Mutex<()>,
}

#[derive(Default)]
struct Places {
    /// Texts in segments: digest, the segment's base, offset; and length.
    live: BTreeMap<(TextDigest, u64, u64), u32>,
    /// Text files by their range.
    files: BTreeSet<(u64, u64)>,
}

impl Texts {
    /// Knows the text files by their names.
    pub(crate) fn load(store: &Store) -> Result<Self> {
        let texts = Self::default();
        for name in store.list(layout::TEXTS)? {
            if let layout::Place::Texts { from, to } =
                layout::place(&format!("{}/{name}", layout::TEXTS))
            {
                lock(&texts.places).files.insert((from, to));
            }
        }
        Ok(texts)
    }

    /// A text has been written to a segment.
    pub(crate) fn add(&self, digest: TextDigest, segment: u64, offset: u64, len: usize) {
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        lock(&self.places)
            .live
            .insert((digest, segment, offset), len);
    }

    /// Copies the texts of entries before `to` out of a segment into a text file, and lets `done`
    /// make all durable and remove the segment.
    pub(crate) fn retire(
        &self,
        store: &Store,
        segment: &Segment<'_>,
        to: u64,
        done: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let _moving = lock(&self.moving);
        let made = write_file(store, segment, to)?;
        done()?;
        let mut places = lock(&self.places);
        places.live.retain(|(_, base, _), _| *base != segment.base);
        if made {
            places.files.insert((segment.base, to));
        }
        Ok(())
    }

    /// Looks for a text.
    pub(crate) fn get(&self, store: &Store, digest: TextDigest) -> Result<TextState> {
        let _moving = lock(&self.moving);
        let Some((name, span)) = self.find(store, digest)?.into_iter().next() else {
            return Ok(TextState::Unknown);
        };
        let path = store.path(&name);
        let bytes = text_file::read_span(&path, span)
            .map_err(|source| JournalError::io("read a text in", &path, source))?;
        match condition(digest, &bytes) {
            Condition::Whole => Ok(TextState::Present(bytes)),
            Condition::Erased => Ok(TextState::Erased),
            Condition::Damaged => Err(JournalError::integrity(
                name,
                None,
                format!("the text {digest} is neither what was written nor erased"),
            )),
        }
    }

    /// Overwrites every copy of a text, durably; tells whether there was one.
    pub(crate) fn erase(&self, store: &Store, digest: TextDigest) -> Result<bool> {
        let _moving = lock(&self.moving);
        let places = self.find(store, digest)?;
        for (name, span) in &places {
            store.overwrite(name, span.offset, &erased(digest, span.len as usize))?;
        }
        Ok(!places.is_empty())
    }

    /// Forgets and removes the text files that end at or before `minimum`.
    pub(crate) fn prune(&self, store: &Store, minimum: u64) -> Result<()> {
        let _moving = lock(&self.moving);
        let gone: Vec<(u64, u64)> = {
            let places = lock(&self.places);
            places
                .files
                .iter()
                .filter(|(_, to)| *to <= minimum)
                .copied()
                .collect()
        };
        for (from, to) in gone {
            store.remove(&layout::texts(from, to))?;
            lock(&self.places).files.remove(&(from, to));
        }
        Ok(())
    }

    fn find(&self, store: &Store, digest: TextDigest) -> Result<Vec<(String, Span)>> {
        let (mut found, files) = {
            let places = lock(&self.places);
            let live: Vec<(String, Span)> = places
                .live
                .range((digest, 0, 0)..=(digest, u64::MAX, u64::MAX))
                .map(|((_, base, offset), len)| {
                    (
                        layout::segment(*base),
                        Span {
                            offset: *offset,
                            len: *len,
                        },
                    )
                })
                .collect();
            let files: Vec<(u64, u64)> = places.files.iter().rev().copied().collect();
            (live, files)
        };
        for (from, to) in files {
            let name = layout::texts(from, to);
            let path = store.path(&name);
            let spans = text_file::find(&path, digest)
                .map_err(|source| JournalError::io("look into", &path, source))?;
            found.extend(spans.into_iter().map(|span| (name.clone(), span)));
        }
        Ok(found)
    }
}

/// Writes the text file of a segment's entries before `to`, durably; tells whether it has any.
pub(crate) fn write_file(store: &Store, segment: &Segment<'_>, to: u64) -> Result<bool> {
    let mut builder = TextFileBuilder::new(segment.base, to);
    for (_, frame) in &segment.frames {
        for (index, item) in (frame.first..).zip(&frame.items) {
            if let Some(text) = item.text.filter(|_| index < to) {
                builder.push(index, text.digest, text.bytes);
            }
        }
    }
    if builder.is_empty() {
        return Ok(false);
    }
    let name = layout::texts(segment.base, to);
    store.publish(&name, &builder.finish(store.origin()), true)?;
    store.sync(&[store.path(&name)])?;
    Ok(true)
}

//! Verifying the texts: each is what its digest says or was erased, and lies with its entry.

use std::collections::BTreeMap;

use crate::{
    error::Result,
    layout::{self, Place},
    text::{Condition, TextDigest, condition},
    text_file,
};

use super::{
    FindingKind, Report, TextOf,
    segments::{Segments, TextSeen},
    source::Source,
};

pub(super) struct TextCheck<'a> {
    text_of: Option<TextOf<'a>>,
    /// The texts that were found, by entry; kept only when they are to be held against the entries.
    found: BTreeMap<u64, (String, TextDigest)>,
}

impl<'a> TextCheck<'a> {
    pub(super) fn new(text_of: Option<TextOf<'a>>) -> Self {
        Self {
            text_of,
            found: BTreeMap::new(),
        }
    }

    /// Reads all texts.
    pub(super) fn read(
        &mut self,
        source: &Source<'_>,
        segments: &Segments,
        report: &mut Report,
    ) -> Result<()> {
        let mut reached = 0;
        for name in source.list(layout::TEXTS)? {
            let file = format!("{}/{name}", layout::TEXTS);
            let Place::Texts { from, to } = layout::place(&file) else {
                continue;
            };
            // Gone means pruned meanwhile by a live writer.
            let Some(bytes) = source.read(&file)? else {
                continue;
            };
            if from < reached {
                let what = "it covers entries that another text file covers";
                report.find(FindingKind::Text, &file, Some(from), what);
            }
            reached = to;
            match text_file::read(&bytes, source.origin, from, to) {
                Ok(records) => self.add_records(&file, (from, to), &records, report),
                Err(what) => report.find(FindingKind::Text, &file, None, what),
            }
        }
        for seen in &segments.texts {
            self.add(seen, report);
        }
        Ok(())
    }

    fn add_records(
        &mut self,
        file: &str,
        (from, to): (u64, u64),
        records: &[text_file::Record<'_>],
        report: &mut Report,
    ) {
        let mut before = from;
        for record in records {
            if record.index < before || record.index >= to {
                let what = "a text stands outside its file's range or order";
                report.find(FindingKind::Text, file, Some(record.index), what);
            }
            before = record.index;
            let seen = TextSeen {
                file: file.to_owned(),
                index: record.index,
                digest: record.digest,
                condition: condition(record.digest, record.bytes),
            };
            self.add(&seen, report);
        }
    }

    fn add(&mut self, seen: &TextSeen, report: &mut Report) {
        report.texts += 1;
        match seen.condition {
            Condition::Whole => {}
            Condition::Erased => report.erased += 1,
            Condition::Damaged => {
                let what = format!(
                    "the text {} is neither what was written nor erased",
                    seen.digest
                );
                report.find(FindingKind::Text, &seen.file, Some(seen.index), what);
            }
        }
        if self.text_of.is_some() {
            let place = (seen.file.clone(), seen.digest);
            self.found.insert(seen.index, place);
        }
    }

    /// Holds the text that lies with an entry against the one that the entry names.
    pub(super) fn check_entry(&mut self, index: u64, entry: &[u8], report: &mut Report) {
        let Some(text_of) = self.text_of else {
            return;
        };
        let named = text_of(entry);
        match (named, self.found.remove(&index)) {
            (None, None) => {}
            (Some(named), Some((_, found))) if named == found => {}
            (Some(named), None) => {
                let what = format!("the text {named} of the entry is missing");
                report.find(FindingKind::Missing, layout::TEXTS, Some(index), what);
            }
            (_, Some((file, found))) => {
                let what = format!("the text {found} is not the one that the entry names");
                report.find(FindingKind::Text, file, Some(index), what);
            }
        }
    }

    /// What is left belongs to no entry; a pruned entry's text may outlive its bundle.
    pub(super) fn finish(self, report: &mut Report) {
        let minimum = report.minimum;
        for (index, (file, digest)) in self
            .found
            .into_iter()
            .filter(|(index, _)| *index >= minimum)
        {
            let what = format!("the text {digest} belongs to no entry");
            report.find(FindingKind::Text, file, Some(index), what);
        }
    }
}

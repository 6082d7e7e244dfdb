//! Verification: a read-only pass that recomputes everything and believes nothing but the key.
//!
//! Works on a copy, on a closed journal and beside a live writer. It must not write, must not take
//! the writer's lock for longer than a look, and must account for every file in the directory.

mod report;
mod segments;
mod source;
mod texts;
mod tree;
mod walk;

use std::path::Path;

use crate::{
    checkpoint::{self, Checkpoint},
    error::Result,
    key::VerifierKey,
    layout,
    text::TextDigest,
};

pub use report::{Finding, FindingKind, Report};

use segments::Segments;
use source::Source;
use texts::TextCheck;

/// Tells which text an entry names, if any.
pub type TextOf<'a> = &'a dyn Fn(&[u8]) -> Option<TextDigest>;

/// What else to hold a journal against.
#[derive(Default, Clone, Copy)]
pub struct VerifyOptions<'a> {
    /// Signed checkpoints seen earlier: the journal must contain each of these trees.
    pub at_least: &'a [Vec<u8>],
    /// Which text an entry names, if any; given that, every text must belong to its entry and every
    /// entry must have its text.
    pub text_of: Option<TextOf<'a>>,
}

/// Verifies the log `origin` in `dir` against the key that signs its checkpoints.
///
/// # Errors
/// [`crate::JournalError::Io`] if the directory cannot be read. What is wrong with the journal is no
/// error but a finding in the report.
pub fn verify(
    dir: &Path,
    origin: &str,
    key: &VerifierKey,
    options: &VerifyOptions<'_>,
) -> Result<Report> {
    let source = Source::new(dir, origin);
    let mut report = Report::new(origin);
    report.live = source.has_writer();
    // The order matters beside a live writer: whatever the checkpoint covers is published before it,
    // and the segments are read after it, so that they reach at least as far.
    // What was pruned is looked up before the checkpoint, which then covers at least that.
    let minimum = source.read(layout::MINIMUM)?;
    let Some(signed) = read_checkpoint(&source, key, &mut report)? else {
        walk::walk(&source, None, &mut report)?;
        return Ok(report);
    };
    report.size = signed.size();
    report.root = Some(signed.root());
    report.minimum = parse_minimum(minimum.as_deref(), &source, key, &signed, &mut report);
    let earlier = read_earlier(&signed, key, options, &mut report);
    let segments = Segments::read(&source, &signed, &mut report)?;
    let mut texts = TextCheck::new(options.text_of);
    texts.read(&source, &segments, &mut report)?;
    tree::check(
        &source,
        key,
        &signed,
        &earlier,
        &segments,
        &mut texts,
        &mut report,
    )?;
    texts.finish(&mut report);
    walk::walk(&source, Some(report.entries), &mut report)?;
    Ok(report)
}

fn read_checkpoint(
    source: &Source<'_>,
    key: &VerifierKey,
    report: &mut Report,
) -> Result<Option<Checkpoint>> {
    let Some(note) = source.read(layout::CHECKPOINT)? else {
        report.find(
            FindingKind::Missing,
            layout::CHECKPOINT,
            None,
            "the checkpoint is missing",
        );
        return Ok(None);
    };
    match Checkpoint::parse(&note, source.origin, key) {
        Ok(checkpoint) => Ok(Some(checkpoint)),
        Err(error) => {
            report.find_error(FindingKind::Checkpoint, layout::CHECKPOINT, &error);
            Ok(None)
        }
    }
}

fn parse_minimum(
    note: Option<&[u8]>,
    source: &Source<'_>,
    key: &VerifierKey,
    signed: &Checkpoint,
    report: &mut Report,
) -> u64 {
    let Some(note) = note else {
        return 0;
    };
    match checkpoint::parse_minimum(note, source.origin, key) {
        Ok(minimum) if minimum <= signed.size() => return minimum,
        Ok(_) => report.find(
            FindingKind::Rollback,
            layout::CHECKPOINT,
            None,
            "entries were pruned that this checkpoint does not even cover",
        ),
        Err(error) => report.find_error(FindingKind::Checkpoint, layout::MINIMUM, &error),
    }
    0
}

/// The earlier checkpoints that this journal's tree must contain.
fn read_earlier(
    signed: &Checkpoint,
    key: &VerifierKey,
    options: &VerifyOptions<'_>,
    report: &mut Report,
) -> Vec<Checkpoint> {
    let mut earlier = Vec::new();
    for note in options.at_least {
        match Checkpoint::parse(note, signed.origin(), key) {
            Ok(one) if one.size() > signed.size() => {
                let what = format!(
                    "the journal was rolled back: it holds {} signed entries, but {} were signed before",
                    signed.size(),
                    one.size()
                );
                report.find(
                    FindingKind::Rollback,
                    layout::CHECKPOINT,
                    Some(signed.size()),
                    what,
                );
            }
            Ok(one) => earlier.push(one),
            Err(error) => {
                report.find_error(FindingKind::Checkpoint, "the given checkpoint", &error)
            }
        }
    }
    earlier
}

//! The retire thread: removes a segment once full bundles and text files hold durably what it held.
//!
//! Slow work, away from commits and from publishing. It must never remove a segment before the sync
//! of everything that takes its place has returned.

use std::sync::{Arc, mpsc::Receiver};

use crate::{
    error::{JournalError, Result},
    layout, segment,
    shared::{Shared, StopOnPanic},
    view::Written,
};

/// A segment whose entries `base..end` are all published.
pub(crate) struct Retirement {
    pub(crate) base: u64,
    pub(crate) end: u64,
    pub(crate) written: Written,
}

/// Retires segments until the publish thread has gone.
pub(crate) fn run(shared: &Arc<Shared>, work: &Receiver<Retirement>) {
    let _stop = StopOnPanic(shared);
    while let Ok(retirement) = work.recv() {
        if let Err(error) = retire(shared, retirement) {
            shared.fail(&error);
            return;
        }
    }
}

fn retire(shared: &Shared, retirement: Retirement) -> Result<()> {
    let Retirement { base, end, written } = retirement;
    let (store, name) = (&shared.store, layout::segment(base));
    let bytes = store
        .read(&name)?
        .ok_or_else(|| JournalError::integrity(&name, Some(base), "the segment is missing"))?;
    let segment = segment::read(&bytes, store.origin(), base)?;
    if segment.end() != end || segment.torn.is_some() {
        return Err(JournalError::integrity(
            name,
            Some(segment.end()),
            "the segment was cut",
        ));
    }
    shared.texts.retire(store, &segment, end, || {
        written.settle(store)?;
        store.remove(&name)
    })?;
    shared.set_oldest_segment(end);
    Ok(())
}

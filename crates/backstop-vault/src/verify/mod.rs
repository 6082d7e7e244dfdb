//! Verification: a read-only pass that hashes everything and names what is not as it was written.
//!
//! Works on a copy, on a closed vault and beside the one who serves it. Every file of the directory is
//! accounted for; nothing is written, and nothing is mended.

mod objects;
pub(crate) mod records;
mod report;
mod rest;

use std::path::Path;

use crate::{
    error::Result,
    store::{dir::Dir, shared::Dirs},
};

pub use report::{Finding, FindingKind, Report};

use records::Records;

/// Verifies the vault in `dir`. Blocks; reads every byte of it.
///
/// # Errors
/// When the directory cannot be read at all. What is wrong with it is no error but a finding.
pub fn verify(dir: &Path) -> Result<Report> {
    let root = Dir::open(dir)?;
    let mut report = Report {
        live: is_served(&root)?,
        ..Report::default()
    };
    rest::top(&root, &mut report)?;
    let dirs = Dirs::open(root)?;
    let records = Records::read(&dirs, Some(&mut report))?;
    report.sequence = records.head.sequence;
    report.head = (records.head.sequence > 0).then_some(records.head.hash);
    report.objects = records.objects.len() as u64;
    objects::check(&dirs, &records, &mut report)?;
    rest::cosigned(&dirs, &records, &mut report)?;
    rest::temporary(&dirs, &mut report)?;
    Ok(report)
}

/// Whether somebody holds the lock that a server holds.
fn is_served(root: &Dir) -> Result<bool> {
    match root.read("lock") {
        Ok(file) => {
            let lock = rustix::fs::FlockOperation::NonBlockingLockShared;
            Ok(rustix::fs::flock(&file, lock).is_err())
        }
        // It has never been served.
        Err(error) if crate::store::dir::is_missing(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

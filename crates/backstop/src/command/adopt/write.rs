//! Writing: the original sealed, the journal told, the file swapped, in this order.

use super::book::Book;
use super::edit::{Change, Edit, apply};
use super::file::temporary;
use super::lease::{self, Granted};
use super::record::{self, Credential, Opens, Record, State};
use super::target::Chosen;
use super::{Work, now};
use crate::control::protocol::AdoptNote;
use crate::failure::{Failure, Outcome};
use crate::home::Home;
use backstop_core::digest::Digest;
use backstop_core::entry::AdoptedCredential;
use backstop_scopes::find::Name;
use backstop_store::SealKey;

/// What was written for one file.
pub(super) struct Written {
    /// The record of it.
    pub(super) record: Record,
}

/// Rewrites every file that something is to be done in.
///
/// # Errors
/// At the first that cannot be; those before it are written, and their records say so.
pub(super) fn all(
    work: &[Work],
    chosen: &[(String, Chosen)],
    granted: &Granted,
    home: &Home,
    key: &SealKey,
    book: &mut Book,
) -> Outcome<Vec<Written>> {
    let mut written: Vec<Written> = vec![];
    for one in work {
        match file(one, chosen, granted, home, key, book) {
            Ok(Some(done)) => written.push(done),
            Ok(None) => {}
            Err(mut failure) => {
                let used = |lease: &str| {
                    written
                        .iter()
                        .any(|w| w.record.leases().any(|l| l == lease))
                };
                let unused: Granted = granted
                    .iter()
                    .filter(|(_, grant)| !used(&grant.lease))
                    .map(|(at, grant)| (*at, grant.clone()))
                    .collect();
                lease::end(&unused, book.client()?);
                if let Some(last) = written.last() {
                    failure.causes.push(format!(
                        "{} and those before it are rewritten; `backstop adopt --undo` brings them back",
                        last.record.path
                    ));
                }
                return Err(failure);
            }
        }
    }
    Ok(written)
}

fn file(
    work: &Work,
    chosen: &[(String, Chosen)],
    granted: &Granted,
    home: &Home,
    key: &SealKey,
    book: &mut Book,
) -> Outcome<Option<Written>> {
    let (edits, changes) = edits(work, |at| granted.get(&at).map(|g| g.dsn.clone()))?;
    if edits.is_empty() {
        return Ok(None);
    }
    let bytes = apply(&work.file.bytes, &edits)
        .ok_or_else(|| Failure::new("two credentials in one place cannot both be replaced"))?;
    let mut record = Record {
        number: record::all(home, key)?.last().map_or(1, |r| r.number + 1),
        path: Name::from(work.file.path.as_path()),
        state: State::Begun,
        at_ms: now(),
        original: work.file.bytes.clone(),
        written: Digest::of(&bytes),
        temporary: temporary(),
        changes,
        credentials: credentials(work, chosen, granted),
    };
    record.write(home, key)?;
    let swapped = book
        .note(note(&record, &bytes, key))
        .and_then(|()| work.file.swap(&bytes, &record.temporary));
    if let Err(failure) = swapped {
        // As long as it is not sure that the file is as it was, the original is kept: the next run looks again.
        if work.file.is_unchanged() {
            record.remove(home)?;
        }
        return Err(failure);
    }
    record.state = State::Done;
    record.write(home, key)?;
    Ok(Some(Written { record }))
}

/// Everything that is to be replaced in a file. `granted` gives what the gate handed out for a chosen target.
pub(super) fn edits(
    work: &Work,
    granted: impl Fn(usize) -> Option<String>,
) -> Outcome<(Vec<Edit>, Vec<Change>)> {
    let (mut edits, mut changes) = (vec![], vec![]);
    for (login, at) in work.plan.logins.iter().zip(&work.chosen) {
        let dsn = granted(*at).ok_or_else(|| Failure::new("a login has no lease"))?;
        let (more, what) = login.edits(&work.file.bytes, &dsn).map_err(|why| {
            Failure::new(format!(
                "a lease cannot be written for `{}`",
                login.seen.name
            ))
            .because(why)
        })?;
        edits.extend(more);
        changes.extend(what);
    }
    for masked in &work.plan.masked {
        let (edit, change) = masked.edit();
        edits.push(edit);
        changes.push(change);
    }
    Ok((edits, changes))
}

fn credentials(work: &Work, chosen: &[(String, Chosen)], granted: &Granted) -> Vec<Credential> {
    let logins = work
        .plan
        .logins
        .iter()
        .zip(&work.chosen)
        .map(|(login, at)| {
            let chosen = chosen.get(*at).map(|(_, chosen)| chosen);
            let opens = chosen.zip(granted.get(at)).map(|(chosen, grant)| {
                Opens::new(
                    &chosen.dsn,
                    login.password.reveal(),
                    &chosen.name,
                    &grant.lease,
                )
            });
            (&login.seen, opens)
        });
    let masked = work.plan.masked.iter().map(|masked| (&masked.seen, None));
    logins
        .chain(masked)
        .map(|(seen, opens)| Credential {
            name: seen.name.clone(),
            kind: seen.kind.clone(),
            fingerprint: seen.fingerprint.clone(),
            opens,
        })
        .collect()
}

fn note(record: &Record, bytes: &[u8], key: &SealKey) -> AdoptNote {
    AdoptNote::Adopted {
        file: record.path.to_string(),
        original: key.salted(&record.original),
        written: key.salted(bytes),
        credentials: record
            .credentials
            .iter()
            .map(|c| AdoptedCredential {
                name: c.name.clone(),
                kind: c.kind.clone(),
                target: c.opens.as_ref().map(|o| o.target.clone()),
                lease: c.opens.as_ref().map(|o| o.lease.clone()),
            })
            .collect(),
    }
}

//! What the page is about: which leases, from when to when.

use std::collections::BTreeSet;

use backstop_core::action::Ask;
use backstop_core::entry::Event;
use backstop_core::hold::Hold;

use super::read::Decisions;
use crate::cli::JournalReport;
use crate::failure::{Failure, Outcome};
use crate::when;

/// How long before a halt its story begins.
const BEFORE_MS: i64 = 3_600_000;
/// What follows from a decision is written a little later.
const AFTER_MS: i64 = 5_000;

/// What the page is about.
#[derive(Debug)]
pub(super) struct Scope {
    /// These leases; none for all of them and whatever else happened.
    pub(super) leases: Option<BTreeSet<String>>,
    /// This hold alone.
    pub(super) hold: Option<String>,
    /// From then on: Unix time in milliseconds.
    pub(super) since_ms: i64,
    /// Until then, included.
    pub(super) until_ms: i64,
}

impl Scope {
    /// As the command line says; the newest halt and the hour before it if it says nothing.
    ///
    /// # Errors
    /// When the journal has nothing of that name, or no halt.
    pub(super) fn of(args: &JournalReport, read: &Decisions, now_ms: i64) -> Outcome<Self> {
        if let Some(id) = &args.hold {
            return of_hold(id, read, now_ms);
        }
        let since = args.since.map(|moment| moment.ms(now_ms));
        let until = args.until.map_or(now_ms, |moment| moment.ms(now_ms));
        if let Some(since) = since
            && since > until
        {
            return Err(
                Failure::usage("the report would end before it begins").hint(format!(
                    "--since is {} and --until is {}",
                    when::stamp(since),
                    when::stamp(until)
                )),
            );
        }
        if let Some(id) = &args.lease {
            let Some(record) = read.state.leases.get(id) else {
                return Err(
                    Failure::new(format!("the journal has no lease `{}`", safe(id)))
                        .hint("`backstop lease list --all` names them"),
                );
            };
            return Ok(Self {
                leases: Some(read.state.tree(id).into_iter().collect()),
                hold: None,
                // The asking for it belongs to it.
                since_ms: since
                    .unwrap_or_else(|| asked_at(id, read).unwrap_or(record.lease.created_ms)),
                until_ms: until,
            });
        }
        if since.is_some() || args.until.is_some() {
            return Ok(Self {
                leases: None,
                hold: None,
                since_ms: since.unwrap_or_else(|| until.saturating_sub(BEFORE_MS)),
                until_ms: until,
            });
        }
        newest_halt(read, now_ms)
    }

    /// Whether a moment is within it.
    pub(super) fn at(&self, at_ms: i64) -> bool {
        (self.since_ms..=self.until_ms).contains(&at_ms)
    }

    /// Whether a lease is one of its own.
    pub(super) fn has(&self, lease: &str) -> bool {
        self.leases.as_ref().is_none_or(|all| all.contains(lease))
    }

    /// Whether something that was asked of people belongs to it.
    pub(super) fn asks(&self, hold: &Hold, read: &Decisions) -> bool {
        if let Some(id) = &self.hold {
            return *id == hold.id;
        }
        if self.leases.is_none() || hold.lease.as_deref().is_some_and(|l| self.has(l)) {
            return true;
        }
        match &hold.ask {
            Ask::Resume { lease } => lease.as_deref().is_none_or(|l| self.has(l)),
            Ask::Undo { leases, .. } => leases.iter().any(|l| self.has(l)),
            Ask::GrantLease { .. } => granted(&hold.id, read).is_some_and(|l| self.has(&l)),
            Ask::Unfreeze => true,
            Ask::Sql { .. }
            | Ask::Http { .. }
            | Ask::AcceptPoint { .. }
            | Ask::AddPerson { .. }
            | Ask::AddPasskey { .. } => false,
        }
    }

    /// Whether an entry of the control log belongs to it.
    pub(super) fn tells(&self, event: &Event, read: &Decisions) -> bool {
        let known = |id: &String| {
            read.state
                .holds
                .get(id)
                .is_some_and(|record| self.asks(&record.hold, read))
        };
        match event {
            Event::Held { hold, .. } => self.asks(hold, read),
            Event::Rehearsed { hold, .. }
            | Event::Decided { hold, .. }
            | Event::Withdrawn { hold, .. }
            | Event::Expired { hold }
            | Event::Consumed { hold, .. } => known(hold),
            Event::LeaseGranted { lease, .. } => self.has(&lease.id),
            Event::LeaseNarrowed { lease, .. } | Event::LeaseEnded { lease, .. } => self.has(lease),
            Event::Halted { lease, .. } | Event::Resumed { lease, .. } => {
                lease.as_deref().is_none_or(|l| self.has(l))
            }
            Event::Mismatch {
                lease: Some(lease), ..
            } => self.has(lease),
            Event::Frozen { .. } | Event::Unfrozen { .. } => true,
            _ => self.leases.is_none(),
        }
    }
}

/// The lease that was granted on a hold.
fn granted(id: &str, read: &Decisions) -> Option<String> {
    read.all
        .iter()
        .find_map(|(_, control)| match control.as_ref().map(|c| &c.event) {
            Some(Event::LeaseGranted {
                lease,
                hold: Some(hold),
            }) if hold == id => Some(lease.id.clone()),
            _ => None,
        })
}

/// When a lease was asked for.
fn asked_at(lease: &str, read: &Decisions) -> Option<i64> {
    let hold =
        read.all
            .iter()
            .find_map(|(_, control)| match control.as_ref().map(|c| &c.event) {
                Some(Event::LeaseGranted {
                    lease: granted,
                    hold,
                }) if granted.id == lease => hold.clone(),
                _ => None,
            })?;
    Some(read.state.holds.get(&hold)?.hold.requested_ms)
}

fn of_hold(id: &str, read: &Decisions, now_ms: i64) -> Outcome<Scope> {
    let Some(record) = read.state.holds.get(id) else {
        return Err(
            Failure::new(format!("the journal has no hold `{}`", safe(id)))
                .hint("`backstop holds --all` names them"),
        );
    };
    let hold = &record.hold;
    let last = read
        .all
        .iter()
        .filter(|(row, _)| row.hold.as_deref() == Some(id))
        .map(|(row, _)| row.at_ms)
        .max();
    // While it is open, its story is not over.
    let until_ms = match last {
        Some(last) if !record.state.is_open() => last.saturating_add(AFTER_MS),
        _ => now_ms,
    };
    Ok(Scope {
        leases: Some(hold.lease.iter().cloned().collect()),
        hold: Some(id.to_owned()),
        since_ms: hold.requested_ms.saturating_sub(AFTER_MS),
        until_ms,
    })
}

fn newest_halt(read: &Decisions, now_ms: i64) -> Outcome<Scope> {
    let newest =
        read.all
            .iter()
            .rev()
            .find_map(|(row, control)| match control.as_ref().map(|c| &c.event) {
                Some(Event::Halted { lease, .. }) => Some((row.index, row.at_ms, lease.clone())),
                _ => None,
            });
    let Some((index, at_ms, lease)) = newest else {
        return Err(
            Failure::new("there is nothing to report: the journal has no halt").hint(
                "say what it is to be about: --lease LEASE, --hold HOLD, or --since and --until",
            ),
        );
    };
    let since_ms = at_ms.saturating_sub(BEFORE_MS);
    let Some(lease) = lease else {
        // A halt of everything is over when it is lifted; what came later is another story.
        let lifted =
            read.all
                .iter()
                .find_map(|(row, control)| match control.as_ref().map(|c| &c.event) {
                    Some(Event::Resumed { lease: None, .. }) if row.index > index => {
                        Some(row.at_ms)
                    }
                    _ => None,
                });
        return Ok(Scope {
            leases: None,
            hold: None,
            since_ms,
            until_ms: lifted.map_or(now_ms, |ms| ms.saturating_add(AFTER_MS)),
        });
    };
    Ok(Scope {
        leases: Some(read.state.tree(&lease).into_iter().collect()),
        hold: None,
        since_ms,
        until_ms: now_ms,
    })
}

fn safe(text: &str) -> String {
    super::say::plain(text)
}

//! The standing leases: asked for at the running gate, one for each login, and approved by a person.

use std::collections::BTreeMap;

use backstop_core::scope::Scope;

use super::Work;
use super::record::Record;
use super::target::Chosen;
use crate::cli::Adopt;
use crate::command::waiting;
use crate::control::client::Client;
use crate::control::protocol::{Grant, LeaseAsk, Request};
use crate::failure::{Context, Outcome};
use crate::output::Output;
use crate::serve::LeaseRow;

/// The longest task that the gate takes, in characters.
const LONGEST: usize = 500;

/// What is granted, for each of the chosen targets.
pub(super) type Granted = BTreeMap<usize, Grant>;

/// Asks for every lease, and waits for people. `None` when it was not to wait: the holds were printed then.
///
/// # Errors
/// When one is not granted. Those that were are ended.
pub(super) fn ask(
    work: &[Work],
    chosen: &[(String, Chosen)],
    known: &[Record],
    client: &mut Client,
    args: &Adopt,
    output: Output,
) -> Outcome<Option<Granted>> {
    let mut granted = Granted::new();
    let mut waits = false;
    for (at, (_, chosen)) in chosen.iter().enumerate() {
        let request = LeaseAsk {
            target: chosen.name.clone(),
            task: task(work, at),
            ttl_seconds: args.ttl.seconds(),
            scopes: chosen.scopes.clone(),
            also: vec![],
            wait: !args.no_wait,
            standing: true,
        };
        match one(request, known, client, args, output) {
            Ok(Some(grant)) => {
                granted.insert(at, grant);
            }
            Ok(None) => waits = true,
            Err(failure) => {
                end(&granted, client);
                return Err(failure);
            }
        }
    }
    if waits {
        // What was granted before the rest is, is asked for anew with it.
        end(&granted, client);
        output
            .say("nothing was changed yet: run the same command again once a person has said yes");
        return Ok(None);
    }
    Ok(Some(granted))
}

/// Ends leases that nothing was written for.
pub(super) fn end(granted: &Granted, client: &mut Client) {
    for grant in granted.values() {
        let lease = grant.lease.clone();
        let _ = client.ask::<serde_json::Value>(&Request::LeaseRevoke { lease });
    }
}

pub(super) fn one(
    request: LeaseAsk,
    known: &[Record],
    client: &mut Client,
    args: &Adopt,
    output: Output,
) -> Outcome<Option<Grant>> {
    abandoned(&request, known, client)?;
    let scopes: Vec<String> = request.scopes.iter().map(Scope::to_string).collect();
    output.say(&format!(
        "asking for a lease on `{}` for {}, which may {}",
        request.target,
        args.ttl,
        scopes.join("  ")
    ));
    let wait = request.wait;
    let value = waiting::ask(client, &Request::LeaseCreate(request), wait, output)?;
    match value {
        Some(value) if !value.is_null() => serde_json::from_value(value)
            .map(Some)
            .doing("the lease came in another form than this version knows"),
        _ => Ok(None),
    }
}

/// Ends leases that a run before this one was granted, and was cut short before it could write them anywhere: their
/// secrets are lost.
fn abandoned(request: &LeaseAsk, known: &[Record], client: &mut Client) -> Outcome {
    let rows: Vec<LeaseRow> = client.ask(&Request::Leases { all: false })?;
    for row in rows {
        let written = known.iter().any(|r| r.leases().any(|l| l == row.lease));
        if row.target == request.target && row.task == request.task && !written {
            let lease = row.lease;
            client.ask::<serde_json::Value>(&Request::LeaseRevoke { lease })?;
        }
    }
    Ok(())
}

/// What the lease is for, as the person reads it who decides.
fn task(work: &[Work], chosen: usize) -> String {
    let places: Vec<String> = work
        .iter()
        .flat_map(|w| w.plan.logins.iter().zip(&w.chosen).map(move |l| (w, l)))
        .filter(|(_, (_, at))| **at == chosen)
        .map(|(w, (login, _))| {
            let path = crate::output::safe(&w.file.path.display().to_string());
            format!("{} in {path}", login.seen.name)
        })
        .collect();
    let whole = format!("stand in for {}", places.join(", "));
    whole.chars().take(LONGEST).collect()
}

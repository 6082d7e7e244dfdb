//! `backstop vault delete|deletions|sign|cancel|lift`: what the vault's operator carries between vault and people.
//! All of it is asked of the running vault, which decides; nothing here deletes.

use std::io::Read as _;
use std::path::Path;

use backstop_vault::deletion::{Request, Signature};
use backstop_vault::server::operator::{Operate, Operated, operate};
use serde_json::json;

use super::{failed, named};
use crate::cli::{VaultCancel, VaultDelete, VaultDeletions, VaultLift, VaultSign};
use crate::command::runtime;
use crate::failure::{Context, Failure, Outcome};
use crate::output::{Output, Paint, columns, safe};
use crate::when;

/// Longest signature that is read, in bytes.
const SIGNATURE: u64 = 64 * 1024;

/// Asks for a deletion, and prints its ticket.
///
/// # Errors
/// When an object is not there or not past its retention, or the vault does not run.
pub fn delete(args: &VaultDelete, output: Output) -> Outcome {
    let dir = &args.place.dir;
    let all = backstop_vault::list(dir)
        .map_err(failed(format!("cannot list the vault `{}`", dir.display())))?;
    let names = args
        .objects
        .iter()
        .map(|beginning| named(&all, beginning).map(|one| one.stored.name))
        .collect::<Outcome<Vec<_>>>()?;
    let asked = Operate::AskDeletion {
        names,
        reason: args.reason.clone(),
    };
    let request = request(asked_of(dir, &asked, "the deletion was not asked for")?)?;
    print_ticket(dir, &request.id, output)?;
    output.say(&format!(
        "{}: people paste this at the console's page /deletion and sign it; `backstop vault sign` takes what they get",
        request.id
    ));
    Ok(())
}

/// Shows the open deletions, or prints the ticket of one anew.
///
/// # Errors
/// When the vault does not run, or there is no such deletion.
pub fn show(args: &VaultDeletions, output: Output) -> Outcome {
    let dir = &args.place.dir;
    if let Some(id) = &args.ticket {
        return print_ticket(dir, id, output);
    }
    let open = match asked_of(dir, &Operate::Requests, "the vault was not asked")? {
        Operated::Requests(open) => open,
        other => return Err(odd(&other)),
    };
    if output.json {
        return open.iter().try_for_each(|one| output.value(one));
    }
    if open.is_empty() {
        output.say("no deletion is asked for");
        return Ok(());
    }
    let mut rows = vec![
        ["DELETION", "ASKED", "OBJECTS", "SIGNED BY", "DUE", "REASON"]
            .map(str::to_owned)
            .to_vec(),
    ];
    rows.extend(open.iter().map(row));
    output.data(&columns(&rows))
}

fn row(one: &Request) -> Vec<String> {
    let signed: Vec<String> = one
        .signatures
        .iter()
        .map(|signature| safe(&signature.challenge.person))
        .collect();
    vec![
        one.id.clone(),
        when::stamp(one.asked_ms),
        one.names.len().to_string(),
        if signed.is_empty() {
            "nobody".to_owned()
        } else {
            signed.join(" ")
        },
        one.due_ms.map_or_else(|| "not yet".to_owned(), when::stamp),
        safe(&one.reason),
    ]
}

/// Gives the vault a signature.
///
/// # Errors
/// When it does not count.
pub fn sign(args: &VaultSign, output: Output) -> Outcome {
    let signature: Signature = serde_json::from_str(&read(&args.signature)?).map_err(|error| {
        Failure::usage("that is not the signature of a deletion")
            .because(error)
            .hint("give all of what the console's page /deletion showed after signing")
    })?;
    let asked = Operate::Sign {
        request: signature.challenge.request.clone(),
        signature: Box::new(signature),
    };
    let dir = &args.place.dir;
    let request = request(asked_of(
        dir,
        &asked,
        "the vault does not take the signature",
    )?)?;
    output.either(&request, |paint| signed(&request, paint))
}

fn read(path: &Path) -> Outcome<String> {
    let mut text = String::new();
    let what = || format!("cannot read the signature `{}`", path.display());
    if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(SIGNATURE)
            .read_to_string(&mut text)
            .doing(what())?;
        return Ok(text);
    }
    let file = std::fs::File::open(path).map_err(|e| Failure::usage(what()).because(e))?;
    file.take(SIGNATURE)
        .read_to_string(&mut text)
        .doing(what())?;
    Ok(text)
}

fn signed(request: &Request, paint: Paint) -> String {
    let count = request.signatures.len();
    match request.due_ms {
        None => format!("{} {}: {count} so far", paint.good("signed"), request.id),
        Some(due_ms) => format!(
            "{} {}: {} objects go at {}; until then `backstop vault cancel` ends it",
            paint.warn("scheduled"),
            request.id,
            request.names.len(),
            when::stamp(due_ms)
        ),
    }
}

/// Cancels a deletion.
///
/// # Errors
/// When it is not open.
pub fn cancel(args: &VaultCancel, output: Output) -> Outcome {
    let asked = Operate::CancelDeletion {
        request: args.deletion.clone(),
        reason: args.reason.clone(),
    };
    asked_of(&args.place.dir, &asked, "the deletion was not cancelled")?;
    output.either(
        &json!({ "deletion": args.deletion, "cancelled": true }),
        |paint| format!("{} {}", paint.good("cancelled"), safe(&args.deletion)),
    )
}

/// Trusts the clock again.
///
/// # Errors
/// When the vault does not run, or the reason is missing.
pub fn lift(args: &VaultLift, output: Output) -> Outcome {
    let reason = args.reason.clone();
    let asked = Operate::LiftFreeze { reason };
    asked_of(&args.place.dir, &asked, "the freeze was not lifted")?;
    output.either(&json!({ "lifted": true }), |paint| {
        format!("{} deletion goes by the clock again", paint.good("lifted"))
    })
}

fn print_ticket(dir: &Path, id: &str, output: Output) -> Outcome {
    let request = id.to_owned();
    match asked_of(dir, &Operate::Ticket { request }, "there is no ticket")? {
        Operated::Ticket(ticket) => output.value(&ticket),
        other => Err(odd(&other)),
    }
}

fn request(answer: Operated) -> Outcome<Request> {
    match answer {
        Operated::Request(request) => Ok(request),
        other => Err(odd(&other)),
    }
}

fn odd(answer: &Operated) -> Failure {
    let what = match answer {
        Operated::Done => "that it is done",
        Operated::Request(_) => "with a request",
        Operated::Ticket(_) => "with a ticket",
        Operated::Requests(_) => "with a list",
    };
    Failure::new("the vault answered something else").because(what)
}

fn asked_of(dir: &Path, asked: &Operate, what: &str) -> Outcome<Operated> {
    runtime(1)?
        .block_on(operate(dir, asked))
        .map_err(failed(what))
}

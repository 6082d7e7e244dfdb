//! `backstop lease create|list|revoke|narrow`.

use std::path::Path;

use serde_json::Value;

use super::{running, waiting};
use crate::cli::{LeaseCreate, LeaseId, LeaseList, LeaseNarrow, LeaseVerb};
use crate::config::Config;
use crate::control::protocol::{Grant, LeaseAsk, Request};
use crate::duration::Span;
use crate::failure::{Context, Failure, Outcome};
use crate::output::{Output, Paint, columns, safe};
use crate::serve::LeaseRow;
use crate::when;

/// Runs one of the verbs.
///
/// # Errors
/// Why it failed.
pub fn run(path: &Path, verb: LeaseVerb, output: Output) -> Outcome {
    match verb {
        LeaseVerb::Create(args) => create(path, args, output),
        LeaseVerb::List(args) => list(path, &args, output),
        LeaseVerb::Revoke(args) => revoke(path, args, output),
        LeaseVerb::Narrow(args) => narrow(path, args, output),
    }
}

fn create(path: &Path, args: LeaseCreate, output: Output) -> Outcome {
    let mut client = running(path, output)?;
    let wait = !args.no_wait;
    let request = match (args.target, args.parent) {
        (_, Some(parent)) => Request::LeaseChild {
            parent,
            task: args.task,
            ttl_seconds: args.ttl.seconds(),
            scopes: args.scopes,
        },
        (Some(target), None) => {
            let config = Config::load(path)?;
            let (target, environment) = config.any_target(&target)?;
            output.say(&asked(
                target,
                &environment.to_string(),
                &args.task,
                args.ttl,
                &args.scopes,
                &args.also,
                output.paint_err,
            ));
            Request::LeaseCreate(LeaseAsk {
                target: target.to_owned(),
                task: args.task,
                ttl_seconds: args.ttl.seconds(),
                scopes: args.scopes,
                also: args.also.into_iter().map(|a| (a.api, a.scope)).collect(),
                wait,
                standing: false,
            })
        }
        (None, None) => {
            return Err(Failure::usage("a lease needs a target").hint("add --target NAME"));
        }
    };
    let Some(value) = waiting::ask(&mut client, &request, wait, output)? else {
        return Ok(());
    };
    if value.is_null() {
        return Ok(());
    }
    let grant: Grant = serde_json::from_value(value)
        .doing("the lease came in another form than this version knows")?;
    output.say(&format!(
        "{} {} on {}, ends {}\n{}",
        output.paint_err.good("granted"),
        grant.lease,
        grant.target,
        when::from_now(grant.expires_ms, when::now_ms()),
        output
            .paint_err
            .dim("the agent connects with this; it is printed once and stored nowhere"),
    ));
    output.either(&grant, |_| printed(&grant))
}

/// The DSN, and the environment as a shell takes it.
fn printed(grant: &Grant) -> String {
    let dsn = (!grant.dsn.is_empty()).then(|| grant.dsn.clone());
    let exports = grant.environment.iter();
    // None of them holds a quote: names, hex, base 64 and paths.
    let exports =
        exports.map(|(name, value)| format!("export {name}='{}'", value.replace('\'', "'\\''")));
    dsn.into_iter()
        .chain(exports)
        .collect::<Vec<_>>()
        .join("\n")
}

fn asked(
    target: &str,
    environment: &str,
    task: &str,
    ttl: Span,
    scopes: &[backstop_core::scope::Scope],
    also: &[crate::cli::AlsoScope],
    paint: Paint,
) -> String {
    let also = also.iter().map(|a| format!("{}={}", a.api, a.scope));
    let scopes: Vec<String> = scopes.iter().map(ToString::to_string).chain(also).collect();
    let rows: Vec<Vec<String>> = [
        ("target", format!("{target} ({environment})")),
        ("task", safe(task)),
        ("for", ttl.to_string()),
        ("scopes", scopes.join("  ")),
    ]
    .into_iter()
    .map(|(k, v)| vec![format!("  {k}"), v])
    .collect();
    format!("{}\n{}", paint.strong("asking for a lease"), columns(&rows))
}

fn list(path: &Path, args: &LeaseList, output: Output) -> Outcome {
    let mut client = running(path, output)?;
    let rows: Vec<LeaseRow> = client.ask(&Request::Leases { all: args.all })?;
    if output.json {
        return rows.iter().try_for_each(|r| output.value(r));
    }
    if rows.is_empty() {
        output.say("there are no leases; `backstop lease create` asks for one");
        return Ok(());
    }
    let now = when::now_ms();
    let mut table = vec![
        ["LEASE", "STATE", "TARGET", "ENDS", "SCOPES", "TASK"]
            .map(str::to_owned)
            .to_vec(),
    ];
    table.extend(rows.iter().map(|r| {
        vec![
            r.lease.clone(),
            r.state.clone(),
            r.target.clone(),
            when::from_now(r.expires_ms, now),
            [r.scopes.as_slice(), r.also.as_slice()].concat().join(" "),
            safe(&r.task),
        ]
    }));
    output.data(&columns(&table))
}

fn revoke(path: &Path, args: LeaseId, output: Output) -> Outcome {
    let mut client = running(path, output)?;
    let value: Value = client.ask(&Request::LeaseRevoke {
        lease: args.lease.clone(),
    })?;
    output.either(&value, |paint| {
        format!("{} {} and its children", paint.good("ended"), args.lease)
    })
}

fn narrow(path: &Path, args: LeaseNarrow, output: Output) -> Outcome {
    let mut client = running(path, output)?;
    let scopes = (!args.scopes.is_empty()).then_some(args.scopes);
    let request = Request::LeaseNarrow {
        lease: args.lease.clone(),
        scopes,
        ttl_seconds: args.ttl.map(Span::seconds),
    };
    let value: Value = client.ask(&request)?;
    output.either(&value, |paint| {
        format!("{} {}", paint.good("narrowed"), args.lease)
    })
}

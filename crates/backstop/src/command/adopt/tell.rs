//! What a run did or would do, for people and for programs. No secret is in it: what is written is shown without the
//! lease's own, which is in the file alone.

use backstop_scopes::kinds;
use serde_json::{Value, json};

use super::plan::{Seen, Stays};
use super::rotate::{self, Rotate};
use super::target::Chosen;
use super::write::{Written, edits};
use super::{Work, tracked};
use crate::cli::Adopt;
use crate::config::Config;
use crate::failure::Outcome;
use crate::output::{Output, safe};
use crate::serve::Doorway;

/// What stands where a lease's name and secret will.
const NAME: &str = "lease_NEW";
const SECRET: &str = "SECRET";

/// What would be written.
///
/// # Errors
/// When it could not be.
pub(super) fn would(
    work: &[Work],
    chosen: &[(String, Chosen)],
    config: &Config,
    args: &Adopt,
    output: Output,
) -> Outcome {
    let doorway = Doorway::of(config, &config.gate.listen)?;
    let granted = |at: usize| {
        let (_, chosen) = chosen.get(at)?;
        Some(doorway.dsn(NAME, SECRET, &chosen.dsn.database))
    };
    let mut files = vec![];
    for one in work {
        let (_, changes) = edits(one, granted)?;
        let changes: Vec<Value> = changes
            .iter()
            .map(|c| json!({ "name": c.name(), "writes": c.new_text().trim_end() }))
            .collect();
        files.push((one, changes));
    }
    if output.json {
        let files: Vec<Value> = files
            .into_iter()
            .map(|(one, changes)| {
                let mut value = file(one, chosen, &[]);
                if let Some(map) = value.as_object_mut() {
                    map.insert("changes".into(), Value::Array(changes));
                }
                value
            })
            .collect();
        return output.value(&json!({ "dry_run": true, "files": files }));
    }
    for (one, changes) in files {
        output.data(&one.file.path.display().to_string())?;
        for change in changes {
            let text = |key: &str| {
                change
                    .get(key)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            output.data(&format!(
                "  {}: {}",
                safe(&text("name")),
                safe(&text("writes"))
            ))?;
        }
        for (login, at) in one.plan.logins.iter().zip(&one.chosen) {
            if let Some((_, chosen)) = chosen.get(*at) {
                let scopes: Vec<String> = chosen.scopes.iter().map(ToString::to_string).collect();
                output.data(&format!(
                    "  {}: the lease on `{}` ({}) would live {} and may {}",
                    login.seen.name,
                    chosen.name,
                    chosen.environment,
                    args.ttl,
                    scopes.join("  ")
                ))?;
            }
        }
        stays(&one.plan.stays, output)?;
    }
    output.say("nothing was changed");
    Ok(())
}

/// What was done, and what is left to do by hand.
///
/// # Errors
/// When standard output is closed.
pub(super) fn done(
    work: &[Work],
    chosen: &[(String, Chosen)],
    written: &[Written],
    args: &Adopt,
    output: Output,
) -> Outcome {
    let rotations = rotations(work, chosen);
    if output.json {
        let files: Vec<Value> = work.iter().map(|one| file(one, chosen, written)).collect();
        let rotate: Vec<Value> = rotations
            .iter()
            .map(|r| json!({ "name": r.name, "how": r.how, "at": r.at }))
            .collect();
        return output.value(&json!({ "dry_run": args.dry_run, "files": files, "rotate": rotate }));
    }
    for one in work {
        let path = one.file.path.display().to_string();
        let record = written.iter().find(|w| w.record.path() == one.file.path);
        if let Some(written) = record {
            output.data(&format!("{} {}", output.paint.good("adopted"), safe(&path)))?;
            for credential in &written.record.credentials {
                let instead = match &credential.opens {
                    Some(opens) => format!("{} on `{}`", opens.lease, opens.target),
                    None => "a placeholder; its value is sealed, and until there is an HTTP gate nothing can use it".to_owned(),
                };
                output.data(&format!("  {}: {instead}", credential.name))?;
            }
            git(one, output);
        }
        stays(&one.plan.stays, output)?;
    }
    if !rotations.is_empty() {
        output.say("\nthe old ones may be known already; replace each:");
        for rotate in rotations {
            output.say(&format!(
                "  {}: {}; {}",
                rotate.name,
                rotate.how,
                safe(&rotate.at)
            ));
        }
        output.say("\n`backstop doctor` tries the old ones, and says which still lead round the gate; `backstop adopt --undo` brings the files back");
    }
    Ok(())
}

fn rotations(work: &[Work], chosen: &[(String, Chosen)]) -> Vec<Rotate> {
    let mut all: Vec<Rotate> = vec![];
    for one in work {
        for (login, at) in one.plan.logins.iter().zip(&one.chosen) {
            if let Some((_, chosen)) = chosen.get(*at) {
                all.push(rotate::login(&login.seen, chosen));
            }
        }
        let others = one.plan.masked.iter().map(|m| &m.seen);
        all.extend(others.map(rotate::other));
    }
    all
}

fn git(one: &Work, output: Output) {
    match tracked::is_tracked(&one.file.path) {
        Some(false) => {}
        Some(true) => output.warn(&format!(
            "git tracks {}: its history has the old credentials for whoever has a copy, until they are replaced",
            one.file.path.display()
        )),
        None => output.warn(&format!(
            "whether git tracks {} cannot be told; if it does, its history has the old credentials",
            one.file.path.display()
        )),
    }
}

fn stays(all: &[Stays], output: Output) -> Outcome {
    for one in all {
        let (why, hint) = match one.why.split_once("; hint: ") {
            Some((why, hint)) => (why, format!("\n      {hint}")),
            None => (one.why.as_str(), String::new()),
        };
        let about = about(&one.seen);
        output.data(&format!(
            "  {} {} ({}): {}{}",
            output.paint.warn("left"),
            one.seen.name,
            about.0,
            safe(why),
            safe(&hint).replace("\\n", "\n")
        ))?;
        output.data(&format!("      {}", about.1))?;
        let rotate = rotate::other(&one.seen);
        output.data(&format!("      replace: {} ({})", rotate.how, rotate.at))?;
    }
    Ok(())
}

/// What a kind is called, and what it could do at worst.
fn about(seen: &Seen) -> (String, String) {
    match kinds::of(&seen.kind) {
        Some(kind) => (kind.name.clone(), kind.worst.clone()),
        None => (safe(&seen.kind), "what it can do is not known".to_owned()),
    }
}

fn file(one: &Work, chosen: &[(String, Chosen)], written: &[Written]) -> Value {
    let record = written.iter().find(|w| w.record.path() == one.file.path);
    let lease = |name: &str| {
        let credentials = record
            .map(|w| w.record.credentials.as_slice())
            .unwrap_or_default();
        let mut of_name = credentials.iter().filter(|c| c.name == name);
        of_name.find_map(|c| c.opens.as_ref().map(|o| o.lease.clone()))
    };
    let replaced: Vec<Value> = one
        .plan
        .logins
        .iter()
        .zip(&one.chosen)
        .filter_map(|(login, at)| chosen.get(*at).map(|(_, chosen)| (login, chosen)))
        .map(|(login, chosen)| {
            let scopes: Vec<String> = chosen.scopes.iter().map(ToString::to_string).collect();
            json!({
                "name": login.seen.name,
                "line": login.seen.line,
                "kind": login.seen.kind,
                "target": chosen.name,
                "environment": chosen.environment,
                "opened": chosen.dsn.to_string(),
                "scopes": scopes,
                "lease": lease(&login.seen.name),
            })
        })
        .collect();
    let sealed: Vec<Value> = one
        .plan
        .masked
        .iter()
        .map(|m| json!({ "name": m.seen.name, "line": m.seen.line, "kind": m.seen.kind, "comment": m.comment }))
        .collect();
    let left: Vec<Value> = one
        .plan
        .stays
        .iter()
        .map(|s| {
            let kind = kinds::of(&s.seen.kind);
            json!({
                "name": s.seen.name,
                "line": s.seen.line,
                "kind": s.seen.kind,
                "why": s.why,
                "worst": kind.map(|k| k.worst.clone()),
                "rotate": kind.map(|k| k.rotate.clone()),
                "revoke": kind.map(|k| k.revoke.clone()),
            })
        })
        .collect();
    json!({
        "file": one.file.path.display().to_string(),
        "link": one.file.link.as_ref().map(|l| l.display().to_string()),
        "written": record.is_some(),
        "replaced": replaced,
        "sealed": sealed,
        "left": left,
        "tracked_by_git": tracked::is_tracked(&one.file.path),
    })
}

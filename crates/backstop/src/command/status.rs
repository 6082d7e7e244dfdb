//! `backstop status`: what is up, what waits, what is stopped. Exit code 1 when nothing serves.

use std::path::Path;

use serde_json::json;

use crate::control::client::Client;
use crate::control::protocol::Request;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Paint, columns, safe};
use crate::serve::{CosignStanding, PointsStanding, Standing};
use crate::when;

/// Prints how things stand.
///
/// # Errors
/// When nothing serves.
pub fn run(path: &Path, output: Output) -> Outcome {
    let home = super::home(path, output)?;
    home.check()?;
    let Some(mut client) = Client::find(&home)? else {
        if output.json {
            output.value(&json!({ "serving": false }))?;
        }
        return Err(
            Failure::new("backstop is not running: no agent can connect")
                .hint("start it with `backstop serve`"),
        );
    };
    let standing: Standing = client.ask(&Request::Status)?;
    output.either(&standing, |paint| shown(&standing, paint))
}

fn shown(s: &Standing, paint: Paint) -> String {
    let mut rows = vec![];
    let mut row = |name: &str, text: String| rows.push(vec![name.to_owned(), text]);
    row(
        "gate",
        format!(
            "{} at {}, since {}",
            paint.good("serving"),
            s.gate.join(" "),
            when::stamp(s.since_ms)
        ),
    );
    row("console", s.console.clone());
    if let Some(why) = &s.halted {
        row(
            "halted",
            format!("{}: {}", paint.error("everything"), safe(why)),
        );
    }
    if let Some(why) = &s.frozen {
        row(
            "frozen",
            format!("{}: {}", paint.warn("only reads pass"), safe(why)),
        );
    }
    for t in &s.targets {
        let up = match &t.error {
            None => paint.good("reachable"),
            Some(error) => format!("{} {}", paint.error("not reachable:"), safe(error)),
        };
        row(
            "target",
            format!("{} ({}) {} {up}", t.name, t.environment, t.address),
        );
        for (line, warn) in t.points.iter().flat_map(PointsStanding::lines) {
            let line = safe(&line);
            row("", if warn { paint.warn(&line) } else { line });
        }
    }
    row(
        "leases",
        format!("{} active, {} halted", s.leases_active, s.leases_halted),
    );
    for one in &s.leases_ending {
        let what = format!(
            "{} on {} ({}) ends {}: `backstop adopt --renew`",
            one.lease,
            one.target,
            safe(&one.task),
            when::from_now(one.expires_ms, when::now_ms())
        );
        row("", paint.warn(&what));
    }
    row(
        "holds",
        if s.holds_waiting == 0 {
            "none wait".to_owned()
        } else {
            paint.warn(&format!(
                "{} wait for a person: `backstop holds`",
                s.holds_waiting
            ))
        },
    );
    row(
        "people",
        if s.people == 0 {
            paint.warn("nobody is enrolled: nothing can be approved")
        } else {
            s.people.to_string()
        },
    );
    for log in &s.journal {
        let health = log
            .failure
            .as_ref()
            .map_or_else(String::new, |f| format!(" {}", paint.error(&safe(f))));
        let pruned = if log.oldest > 0 {
            format!(", those before {} pruned", log.oldest)
        } else {
            String::new()
        };
        row(
            "journal",
            format!(
                "{}: {} entries, {} signed{pruned}{health}{}",
                log.log,
                log.entries,
                log.checkpoint,
                cosigned(log.cosigned.as_ref(), paint)
            ),
        );
    }
    row("vault", paint.warn(&s.recoverable));
    for one in &s.deletions {
        let when = match one.due_ms {
            Some(due_ms) => format!("go at {}", when::stamp(due_ms)),
            None => format!(
                "go once enough people have signed ({} so far)",
                one.signed_by.len()
            ),
        };
        let what = format!(
            "{}: {} objects {when}: {}; cancel it at {}/deletion",
            safe(&one.request),
            one.objects,
            safe(&one.reason),
            s.console
        );
        row("deletion", paint.error(&what));
    }
    if !s.pending.is_empty() {
        let what = format!(
            "changed, takes effect at the next start: {}",
            s.pending.join(", ")
        );
        row("configuration", paint.warn(&what));
    }
    columns(&rows)
}

/// How far the vault has cosigned a log, after the rest of its line.
fn cosigned(standing: Option<&CosignStanding>, paint: Paint) -> String {
    match standing {
        None => String::new(),
        Some(CosignStanding {
            failure: Some(why), ..
        }) => format!(
            ", {} {}",
            paint.error("not cosigned by the vault:"),
            safe(why)
        ),
        Some(standing) => format!(", {} cosigned by the vault", standing.size),
    }
}

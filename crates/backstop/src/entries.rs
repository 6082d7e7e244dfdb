//! Journal entries as people read them: one word, one sentence, and what they are about.
//!
//! Reads the bytes as they stand in the log; an entry that it does not know is shown, never left out.

use backstop_core::action::Ask;
use backstop_core::digest::Digest;
use backstop_core::entry::{AdoptedCredential, Changed, Control, Event, TargetChange};
use backstop_core::point::Drill;
use backstop_store::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::when;

/// An entry with what people look for in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// `control` or `traffic`.
    pub log: String,
    /// Its index in that log.
    pub index: u64,
    /// Unix time in milliseconds.
    pub at_ms: i64,
    /// The entry's word.
    pub kind: String,
    /// One sentence.
    pub summary: String,
    /// The lease it is about.
    pub lease: Option<String>,
    /// The target it is about.
    pub target: Option<String>,
    /// The hold it is about.
    pub hold: Option<String>,
    /// The name of its sealed text.
    pub text: Option<String>,
    /// The entry itself.
    pub entry: Value,
}

impl Row {
    /// The entry at `index` of `log`.
    pub fn of(log: &str, index: u64, bytes: &[u8]) -> Self {
        let entry: Value = serde_json::from_slice(bytes).unwrap_or(Value::Null);
        let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
        let mut row = Self {
            log: log.to_owned(),
            index,
            at_ms: entry.get("at_ms").and_then(Value::as_i64).unwrap_or(0),
            kind: text("event")
                .or_else(|| text("entry"))
                .unwrap_or_else(|| "unreadable".into()),
            summary: String::new(),
            lease: text("lease"),
            target: text("target"),
            hold: text("hold"),
            text: text("text"),
            entry: Value::Null,
        };
        if log == "control" {
            row.control(bytes);
        } else {
            row.summary = traffic(&entry);
        }
        row.entry = entry;
        row
    }

    fn control(&mut self, bytes: &[u8]) {
        let Ok(Control { event, .. }) = serde_json::from_slice::<Control>(bytes) else {
            self.summary = "an entry that this version cannot read".into();
            return;
        };
        if let Event::Held { hold, .. } = &event {
            self.hold = Some(hold.id.clone());
            self.lease.clone_from(&hold.lease);
            self.target.clone_from(&hold.target);
        }
        if let Event::Rehearsed { hold, .. } = &event {
            self.hold = Some(hold.clone());
        }
        if let Event::LeaseGranted { lease, .. } = &event {
            self.lease = Some(lease.id.clone());
            self.target = Some(lease.spec.target.clone());
        }
        if let Event::Drilled { drill, .. } = &event {
            self.target = Some(drill.target.clone());
        }
        self.summary = sentence(&event);
    }

    /// Puts people's names where the entry has what they are known by.
    pub fn name_people(&mut self, state: &State) {
        for (id, person) in &state.people {
            if self.summary.contains(id) {
                self.summary = self.summary.replace(id, &person.name);
            }
        }
    }

    /// One line for a terminal.
    pub fn line(&self) -> String {
        format!(
            "{:>6}  {}  {:<14}  {}",
            self.index,
            when::stamp(self.at_ms),
            self.kind,
            crate::output::safe(&self.summary)
        )
    }
}

fn sentence(event: &Event) -> String {
    match event {
        Event::Installed { origin, .. } => format!("Backstop was set up, its console at {origin}"),
        Event::Started { version, policy } => format!(
            "version {version} began to serve under policy {}",
            policy.short()
        ),
        Event::Stopped => "it stopped in order".into(),
        Event::Reloaded {
            targets,
            policy_before,
            policy,
        } => reloaded(targets, *policy_before, *policy),
        Event::Pruned {
            before,
            older_than_ms,
        } => format!(
            "entries of the traffic log before {before} were pruned, older than {}",
            when::stamp(*older_than_ms)
        ),
        Event::Enrolled { person, .. } => format!("{} was enrolled", person.name),
        Event::PasskeyAdded { person, passkey } => {
            format!("{person} got the passkey `{}`", passkey.label)
        }
        Event::RecoverySet { person, .. } => format!("{person} got a recovery code"),
        Event::RecoveryUsed { person } => format!("{person} used their recovery code"),
        Event::Held { hold, .. } => format!(
            "{}{} waits for {}: {}",
            hold.summary,
            asked(&hold.ask),
            people(hold.people),
            hold.reason
        ),
        Event::Decided { hold, decision } => {
            let no = decision.challenge.answer == backstop_core::approval::Answer::Deny;
            let word = if no { "denied" } else { "approved" };
            let why = if decision.reason.is_empty() {
                String::new()
            } else {
                format!(": {}", decision.reason)
            };
            format!("{} {word} {hold}{why}", decision.challenge.person)
        }
        Event::Rehearsed { hold, rehearsal } => {
            format!("{hold} on a copy of the database: {}", rehearsal.sentence())
        }
        Event::Withdrawn { hold, why } => format!("{hold} was withdrawn: {why}"),
        Event::Expired { hold } => format!("{hold} ran out"),
        Event::Consumed { hold, .. } => format!("the approval of {hold} was spent"),
        Event::LeaseGranted { lease, .. } => {
            let scopes = lease.spec.may_do();
            format!(
                "{} on {} for \"{}\": {}",
                lease.id,
                lease.spec.target,
                lease.spec.task,
                scopes.join(" ")
            )
        }
        Event::LeaseNarrowed { lease, .. } => format!("{lease} was narrowed"),
        Event::LeaseEnded { lease, why } => format!("{lease} ended: {why}"),
        Event::Halted { lease, why, reads } => {
            let what = lease.as_deref().unwrap_or("everything");
            let how = if *reads { "only reads" } else { "stopped" };
            format!("{what} was halted ({how}): {why}")
        }
        Event::Resumed { lease, .. } => {
            format!("{} was resumed", lease.as_deref().unwrap_or("everything"))
        }
        Event::Frozen { why } => format!("everything was frozen: {why}"),
        Event::Unfrozen { .. } => "the freeze was lifted".into(),
        Event::Mismatch {
            lease,
            source,
            what,
        } => {
            format!(
                "{} presented {what} from {source}",
                lease.as_deref().unwrap_or("somebody")
            )
        }
        Event::PointTaken { target, point } => format!(
            "the recovery point {} of {target} is in the vault: {} rows of {} tables, in {} ms",
            point.name.short(),
            point.rows,
            point.tables,
            point.milliseconds
        ),
        Event::PointFailed { target, why } => {
            format!("no recovery point of {target} could be taken: {why}")
        }
        Event::PointAlarm {
            target,
            point,
            alarms,
        } => format!(
            "the recovery point {} of {target} is unlike those before it: {}",
            point.short(),
            alarms.join("; ")
        ),
        Event::PointAccepted { target, point, .. } => format!(
            "what is unusual about the recovery point {} of {target}, and those before it, was accepted",
            point.short()
        ),
        Event::PointKept {
            target,
            point,
            until_ms,
        } => format!(
            "the vault keeps the recovery point {} of {target} until {}",
            point.short(),
            when::stamp(*until_ms)
        ),
        Event::DrillKey { key, before } => match before {
            None => format!("drills are believed if {key} signed them"),
            Some(before) => {
                format!("drills are believed if {key} signed them, and no more by {before}")
            }
        },
        Event::Drilled { drill, .. } => drilled(drill),
        Event::Adopted {
            file, credentials, ..
        } => adopted(file, credentials),
        Event::AdoptionUndone {
            file, whole, left, ..
        } => match (whole, left.as_slice()) {
            (true, _) => format!("{file} was put back as it was before it was adopted"),
            (false, []) => format!("what adopting {file} had replaced was put back"),
            (false, left) => format!(
                "what adopting {file} had replaced was put back, but for {}",
                left.join(", ")
            ),
        },
    }
}

fn adopted(file: &str, credentials: &[AdoptedCredential]) -> String {
    let parts: Vec<String> = credentials
        .iter()
        .map(|c| match &c.lease {
            Some(lease) => format!("{} by {lease}", c.name),
            None => format!("{} by a placeholder", c.name),
        })
        .collect();
    format!("credentials in {file} are replaced: {}", parts.join(", "))
}

fn drilled(drill: &Drill) -> String {
    let what = format!(
        "the recovery point {} of {}",
        drill.point.short(),
        drill.target
    );
    match &drill.failure {
        Some(why) => format!("{what} could not be drilled: {why}"),
        None if drill.succeeded() => format!(
            "{what} was drilled: {} rows of {} tables came back in {} ms",
            drill.rows, drill.tables, drill.restore_ms
        ),
        None => format!(
            "{what} was drilled and does not restore to what it was taken of: {} differences",
            drill.differences
        ),
    }
}

fn reloaded(targets: &[TargetChange], before: Option<Digest>, policy: Digest) -> String {
    let mut parts: Vec<String> = targets
        .iter()
        .map(|t| match t.what {
            Changed::Added => format!("target {} is new", t.name),
            Changed::Removed => format!("target {} is gone", t.name),
            Changed::Changed => format!("{} of target {} changed", t.keys.join(", "), t.name),
        })
        .collect();
    if before != Some(policy) {
        let before = before.map_or_else(|| "none".to_owned(), |b| b.short());
        parts.push(format!("the policy was {before} and is {}", policy.short()));
    }
    format!("a changed configuration was taken up: {}", parts.join("; "))
}

/// What tells one ask from another of its kind.
fn asked(ask: &Ask) -> String {
    match ask {
        Ask::GrantLease { spec } => {
            let scopes = spec.may_do();
            format!(" for \"{}\": {};", spec.task, scopes.join(" "))
        }
        Ask::AddPerson { name } => format!(", {name},"),
        Ask::AddPasskey { person } => format!(", {person},"),
        _ => String::new(),
    }
}

fn people(n: u8) -> String {
    if n == 1 {
        "one person".into()
    } else {
        format!("{n} people")
    }
}

fn traffic(entry: &Value) -> String {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
    let number = |key: &str| entry.get(key).and_then(Value::as_u64).unwrap_or_default();
    let action = format!(
        "connection {} action {}",
        number("connection"),
        number("action")
    );
    match text("entry") {
        "intent" => {
            let hold = Some(text("hold"))
                .filter(|h| !h.is_empty())
                .map(|h| format!(", released by {h}"));
            format!(
                "{action}: {} by {} on {}: {} by `{}`{}",
                text("effect"),
                text("lease"),
                text("target"),
                text("verdict"),
                text("rule"),
                hold.unwrap_or_default()
            )
        }
        "outcome" => {
            let code = Some(text("sqlstate"))
                .filter(|c| !c.is_empty())
                .map(|c| format!(" {c}"));
            format!("{action}: {}{}", text("result"), code.unwrap_or_default())
        }
        kind @ ("images" | "objects") => {
            let rows = entry.get("rows").and_then(Value::as_array);
            let parts: Vec<String> = rows
                .into_iter()
                .flatten()
                .take(4)
                .map(|row| {
                    let count = |key: &str| row.get(key).and_then(Value::as_u64).unwrap_or(0);
                    let relation = row
                        .get("relation")
                        .and_then(Value::as_str)
                        .unwrap_or_default();
                    format!(
                        "{} old and {} new of {relation}",
                        count("old"),
                        count("new")
                    )
                })
                .collect();
            format!("{action}: {kind} kept in the vault: {}", parts.join(", "))
        }
        "settled" => format!(
            "the transaction whose images are entry {} is {}, says the target",
            number("images"),
            text("result")
        ),
        _ => "an entry that this version cannot read".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_say_what_an_entry_is_about() {
        let row = Row::of(
            "control",
            3,
            br#"{"at_ms":5,"event":"lease-ended","lease":"lease_a","why":"revoked"}"#,
        );
        assert_eq!(
            (row.kind.as_str(), row.lease.as_deref()),
            ("lease-ended", Some("lease_a"))
        );
        assert_eq!(row.summary, "lease_a ended: revoked");
        let row = Row::of("traffic", 1, br#"{"entry":"outcome","at_ms":5,"connection":1,"action":2,"result":"error","sqlstate":"42P01"}"#);
        assert_eq!(row.summary, "connection 1 action 2: error 42P01");
        let row = Row::of("control", 4, br#"{"at_ms":5,"event":"reloaded","targets":[{"name":"prod","what":"changed","keys":["dsn","tls"]},{"name":"old","what":"removed"}],"policy_before":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","policy":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}"#);
        assert_eq!(
            row.summary,
            "a changed configuration was taken up: dsn, tls of target prod changed; target old is gone; the policy was aaaaaaaaaaaa and is bbbbbbbbbbbb"
        );
        assert_eq!(Row::of("control", 0, b"nonsense").kind, "unreadable");
    }
}

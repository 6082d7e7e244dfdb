//! What an operation does that nobody reviewed: by its IAM access level and its name, conservatively.

use backstop_core::effect::{Effect, EffectKind, Verb};
use serde_json::Value;

use super::called::Call;
use super::data::Level;
use super::object::{object, plain};
use super::outcome::Outcome;
use super::protection::weakened;
use crate::providers::{Knowledge, Operation};

/// Words that destroy, wherever an operation's name has them as its verb.
const DESTROY: &[&str] = &[
    "Delete",
    "Terminate",
    "Purge",
    "Reset",
    "Deregister",
    "Remove",
    "Destroy",
    "Erase",
    "Wipe",
    "Drop",
    "Truncate",
    "Flush",
    "Empty",
    "Release",
    "Discard",
    "Decommission",
    "Deprovision",
    "Expire",
    "Restore",
    "Rollback",
    "Revert",
    "Undeploy",
    "Evict",
    "Reboot",
    "Rebuild",
    "Reimage",
    "Overwrite",
    "Prune",
    "Retire",
    "Dispose",
    "Deallocate",
    "Unregister",
    "Close",
    "Cancel",
    "Schedule",
    "Abort",
    "Forget",
    "Clear",
];
/// Words that add and lose nothing.
const DEFINE: &[&str] = &["Create", "Allocate", "Provision", "Request", "Register"];
/// Words that change.
const CHANGE: &[&str] = &[
    "Put",
    "Update",
    "Modify",
    "Set",
    "Write",
    "Upload",
    "Import",
    "Add",
    "Apply",
    "Enable",
    "Disable",
    "Attach",
    "Detach",
    "Associate",
    "Disassociate",
    "Change",
    "Replace",
    "Configure",
    "Merge",
    "Move",
    "Copy",
    "Rename",
    "Upgrade",
    "Stop",
    "Pause",
    "Suspend",
    "Revoke",
    "Tag",
    "Untag",
    "Accept",
    "Reject",
    "Promote",
    "Failover",
    "Switch",
    "Rotate",
    "Swap",
    "Unlink",
    "Unassign",
    "Deactivate",
    "Lock",
    "Unlock",
    "Publish",
    "Send",
    "Transfer",
];
/// Words that run what others wrote, whatever IAM calls it.
const RUN: &[&str] = &["Execute", "Run"];
/// Words in front of the verb.
const BEFORE: &[&str] = &["Batch", "Bulk", "Admin", "Force", "Global", "Begin"];
/// Things that bring data back.
const SAFEGUARDS: &[&str] = &[
    "Snapshot",
    "Backup",
    "Recovery",
    "Retention",
    "Protection",
    "Lifecycle",
    "Vault",
    "Versioning",
    "Lock",
    "Archive",
    "Replica",
    "Replication",
    "Restore",
    "Hold",
    "Trail",
    "Pitr",
];

/// What a call does, as far as level and name tell.
pub(super) fn outcome(call: &Call, arguments: &Value) -> Outcome {
    let known = call.known;
    let words = words(known.name);
    let verb = verb_of(&words);
    let reveals = known.reveals();
    let object = object_of(call, &words, arguments);
    let mut incomplete = Vec::new();
    let mut effects = Vec::new();
    match found(known.level, verb) {
        Found::Does(EffectKind::Read, _) if !reveals.is_empty() => {}
        Found::Does(kind, as_verb) => {
            let mut effect = Effect::new(kind, as_verb, object.clone());
            effect.safeguard = guards(&words, kind, as_verb);
            effects.push(effect);
        }
        Found::Runs => incomplete.push(format!("{} runs what it is given", known.name)),
        Found::Unknown => {}
    }
    if known.level == Level::Unknown {
        incomplete.push(format!(
            "IAM says nothing of {}:{}",
            call.service.iam, known.name
        ));
    }
    if !reveals.is_empty() {
        effects.push(Effect::new(EffectKind::Reveal, Verb::Read, object.clone()));
    }
    if effects.iter().any(|e| e.kind != EffectKind::Read) {
        for (path, what) in weakened(arguments) {
            let mut effect = Effect::new(EffectKind::Admin, Verb::Alter, object.clone())
                .because(format!("`{path}` {what}"));
            effect.safeguard = true;
            effects.push(effect);
        }
    }
    Outcome {
        operation: Operation {
            name: format!("{}:{}", call.service.name, known.name),
            knowledge: Knowledge::Generated,
            does: sentence(call, reveals.is_empty()),
            along: Vec::new(),
            grace: None,
            preview: None,
            reveals,
        },
        effects,
        incomplete,
    }
}

fn sentence(call: &Call, keeps: bool) -> String {
    let known = call.known;
    let action = if known.action.is_empty() {
        known.name
    } else {
        known.action
    };
    let credential = if keeps {
        ""
    } else {
        " Its answer holds a credential."
    };
    format!(
        "{} of {}; IAM files {}:{action} under {}.{credential}",
        known.name,
        call.service.name,
        call.service.iam,
        known.level.word()
    )
}

enum Found {
    Does(EffectKind, Verb),
    Runs,
    Unknown,
}

fn found(level: Level, verb: &str) -> Found {
    use EffectKind::{Admin, Define, Destroy, Read, Write};
    let destroys = DESTROY.contains(&verb);
    let as_verb = || match verb {
        v if DESTROY.contains(&v) => Verb::Drop,
        v if DEFINE.contains(&v) => Verb::Create,
        v if RUN.contains(&v) || matches!(v, "Start" | "Invoke") => Verb::Execute,
        v if CHANGE.contains(&v) => Verb::Alter,
        _ => Verb::Other,
    };
    match level {
        // Taking a tag or a rule of retention off is one call with many names; tags alone hold no data.
        Level::Tagging => Found::Does(Write, Verb::Alter),
        Level::Permissions => Found::Does(Admin, as_verb()),
        _ if destroys => Found::Does(Destroy, Verb::Drop),
        Level::Read | Level::List if RUN.contains(&verb) => Found::Runs,
        Level::Read | Level::List if DEFINE.contains(&verb) || CHANGE.contains(&verb) => {
            Found::Does(Write, as_verb())
        }
        Level::Read | Level::List => Found::Does(Read, Verb::Read),
        Level::Write if DEFINE.contains(&verb) => Found::Does(Define, Verb::Create),
        Level::Write => Found::Does(Write, as_verb()),
        Level::Unknown => Found::Unknown,
    }
}

/// Whether what brings data back is taken away or may be weakened.
fn guards(words: &[&str], kind: EffectKind, verb: Verb) -> bool {
    let guarded = words.iter().skip(1).any(|w| {
        SAFEGUARDS
            .iter()
            .any(|s| *w == *s || w.strip_suffix('s') == Some(s))
    });
    let takes = matches!(
        kind,
        EffectKind::Destroy | EffectKind::Write | EffectKind::Admin
    );
    // Tags, starts and restores leave a safeguard as it is.
    let restores = words
        .first()
        .is_some_and(|w| matches!(*w, "Restore" | "Tag" | "Untag" | "Add" | "Enable"));
    guarded && takes && matches!(verb, Verb::Drop | Verb::Alter) && !restores
}

fn verb_of<'a>(words: &[&'a str]) -> &'a str {
    let mut words = words.iter().copied();
    let first = words.next().unwrap_or_default();
    if BEFORE.contains(&first) {
        return words.next().unwrap_or(first);
    }
    first
}

/// `DeleteDBInstance` is `Delete`, `DB`, `Instance`.
pub(super) fn words(name: &str) -> Vec<&str> {
    let bytes = name.as_bytes();
    let upper = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_uppercase);
    let lower = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_lowercase);
    let begins = |i: usize| i > 0 && upper(i) && (!upper(i - 1) || lower(i + 1));
    let mut out = Vec::new();
    let mut from = 0;
    for i in (0..bytes.len()).filter(|i| begins(*i)).chain([bytes.len()]) {
        out.extend(name.get(from..i).filter(|w| !w.is_empty()));
        from = i;
    }
    out
}

/// `elasticache-cache-cluster."my-cluster"`: the name's noun, and what names it among the arguments.
fn object_of(call: &Call, words: &[&str], arguments: &Value) -> Option<String> {
    let nouns: Vec<String> = words.iter().skip(1).map(|w| w.to_lowercase()).collect();
    let noun = nouns.join("-");
    let kind = if noun.is_empty() {
        call.service.name.to_owned()
    } else {
        format!("{}-{noun}", call.service.name)
    };
    let label = call.labels.last().map(|(_, value)| value.clone());
    Some(match label.or_else(|| only_name(arguments)) {
        Some(id) => object(&kind, &id),
        None => kind,
    })
}

/// The one argument that is a name, an identifier or an ARN, if there is only one.
fn only_name(arguments: &Value) -> Option<String> {
    let named = |key: &str| {
        let key = key.to_lowercase();
        let ends = ["id", "name", "arn", "identifier", "url"];
        ends.iter().any(|e| key.ends_with(e)) && !key.contains("token") && !key.contains("request")
    };
    let mut found = arguments
        .as_object()?
        .iter()
        .filter(|(key, _)| named(key))
        .filter_map(|(_, value)| plain(value));
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fall_into_words() {
        assert_eq!(words("DeleteDBInstance"), ["Delete", "DB", "Instance"]);
        assert_eq!(words("ListObjectsV2"), ["List", "Objects", "V2"]);
        assert_eq!(words("GetACL"), ["Get", "ACL"]);
        assert_eq!(verb_of(&words("BatchDeleteTable")), "Delete");
        assert_eq!(verb_of(&words("ForceDeleteX")), "Delete");
        assert_eq!(verb_of(&words("Batch")), "Batch");
    }
}

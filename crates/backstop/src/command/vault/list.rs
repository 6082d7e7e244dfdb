//! `backstop vault list`: what the vault has, without a content.

use std::collections::BTreeMap;

use backstop_vault::{Class, Deleting, Listed};

use super::failed;
use crate::cli::VaultList;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, columns, safe};
use crate::when;

/// Lists.
///
/// # Errors
/// When the directory cannot be read; exit code 4 when its index is damaged.
pub fn run(args: &VaultList, output: Output) -> Outcome {
    let class = args.class.as_deref().map(class_of).transpose()?;
    let dir = &args.place.dir;
    let all = backstop_vault::list(dir)
        .map_err(failed(format!("cannot list the vault `{}`", dir.display())))?;
    let wanted = |one: &&Listed| {
        let fits =
            |wanted: &Option<String>, is: Option<&str>| wanted.is_none() || wanted.as_deref() == is;
        class.is_none_or(|class| class == one.label.class)
            && fits(&args.target, Some(&one.label.target))
            && fits(&args.lease, one.label.lease.as_deref())
    };
    let found: Vec<&Listed> = all.iter().filter(wanted).collect();
    let skipped = match args.count {
        0 => 0,
        count => found.len().saturating_sub(count),
    };
    let shown = found.get(skipped..).unwrap_or_default();
    if output.json {
        return shown.iter().try_for_each(|one| output.value(one));
    }
    if shown.is_empty() {
        output.say("the vault has no such objects");
        return Ok(());
    }
    let mut rows = vec![
        [
            "NAME",
            "STORED",
            "CLASS",
            "TARGET",
            "LEASE",
            "BYTES",
            "KEPT UNTIL",
            "NOTE",
            "DELETION",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    rows.extend(shown.iter().map(|one| row(one)));
    output.data(&columns(&rows))?;
    tell(&all, output);
    if skipped > 0 {
        output.say(&format!(
            "{skipped} older ones are not shown; -n 0 shows all"
        ));
    }
    Ok(())
}

/// Says which deletions are scheduled, of whatever is in the vault, shown or not.
fn tell(all: &[Listed], output: Output) {
    let mut open: BTreeMap<&str, (usize, Option<i64>)> = BTreeMap::new();
    for deletion in all.iter().filter_map(|one| one.deletion.as_ref()) {
        let entry = open.entry(&deletion.request).or_default();
        *entry = (entry.0 + 1, deletion.due_ms);
    }
    for (request, (objects, due_ms)) in open {
        let when = due_ms.map_or_else(
            || "once enough people have signed, and the delay after that".to_owned(),
            |due_ms| format!("at {}", when::stamp(due_ms)),
        );
        output.warn(&format!(
            "{}: {objects} objects go {when}; anybody enrolled can cancel that at the console's page /deletion",
            safe(request)
        ));
    }
}

fn class_of(word: &str) -> Outcome<Class> {
    let found = Class::ALL.into_iter().find(|class| class.word() == word);
    found.ok_or_else(|| {
        Failure::usage(format!("there is no class `{word}`")).hint("it is images, objects or point")
    })
}

fn row(one: &Listed) -> Vec<String> {
    vec![
        one.stored.name.short(),
        when::stamp(one.stored.at_ms),
        one.label.class.to_string(),
        safe(&one.label.target),
        safe(one.label.lease.as_deref().unwrap_or("-")),
        one.stored.bytes.to_string(),
        when::stamp(one.until_ms),
        safe(&one.label.note),
        match &one.deletion {
            None => "-".to_owned(),
            Some(Deleting { due_ms: None, .. }) => "asked for".to_owned(),
            Some(Deleting {
                due_ms: Some(due_ms),
                ..
            }) => format!("at {}", when::stamp(*due_ms)),
        },
    ]
}

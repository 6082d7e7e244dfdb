//! Deleting one object, or all that a path and a selector name.

use backstop_core::effect::{Bound, Effect, EffectKind, Verb};
use serde_json::Value;

use super::path::Target;
use super::resources::{self, Class};
use super::{Finding, one, unbounded};
use crate::http::{Body, Request};

/// What deleting does.
pub fn read(request: &Request, target: &Target<'_>, class: Class, out: &mut Finding) {
    let options = Options::of(request);
    if options.dry_run {
        out.does(format!(
            "Tries to delete {}; keeps everything.",
            target.words()
        ));
        out.effect(Effect::new(EffectKind::Read, Verb::Read, target.object()));
        return;
    }
    if options.hidden {
        out.incomplete("the options of the deletion cannot be read");
    }
    sentence(request, target, &options, out);
    if class == Class::Fleeting && target.name.is_some() {
        out.effect(one(EffectKind::Write, Verb::Delete, target.object()));
        return;
    }
    if class == Class::Foreign {
        out.incomplete("what an object of this kind stands for is not known");
    }
    let kind = match class {
        Class::Rights | Class::Policy if target.resource != "customresourcedefinitions" => {
            EffectKind::Admin
        }
        _ => EffectKind::Destroy,
    };
    let mut effect = match target.name {
        Some(_) => Effect::new(kind, Verb::Drop, target.object()),
        None => unbounded(kind, Verb::Drop, target.object()),
    };
    effect.safeguard = class == Class::Backup;
    if options.force {
        effect = effect.because("without a grace period");
    }
    if target.name.is_none() && effect.bound == Bound::Unbounded {
        effect = effect.because("all that the path and the selector name");
    }
    out.effect(effect);
    out.along(resources::along(target.group, target.resource));
    out.preview = Some(match target.name {
        Some(_) => "the same request with `dryRun=All`, and GET of the same path".to_owned(),
        None => "GET of the same path and selector lists what would go".to_owned(),
    });
}

fn sentence(request: &Request, target: &Target<'_>, options: &Options, out: &mut Finding) {
    let selected = request
        .query
        .iter()
        .any(|(name, value)| name.ends_with("Selector") && !value.is_empty());
    out.does(match (target.name.is_some(), selected) {
        (false, true) => format!("Deletes {} that a selector names.", target.words()),
        _ => format!("Deletes {}.", target.words()),
    });
    if options.orphan {
        out.does("What it owns stays, without an owner.");
    }
    if options.force {
        out.does("It is not given time to end by itself.");
    }
}

/// `DeleteOptions`: a body, where there is one, counts in the place of the query.
struct Options {
    dry_run: bool,
    force: bool,
    orphan: bool,
    hidden: bool,
}

impl Options {
    fn of(request: &Request) -> Self {
        match &request.body {
            Body::Absent => Self::of_query(request),
            Body::Json(body) => Self::of_body(body),
            _ => Self {
                dry_run: false,
                force: false,
                orphan: false,
                hidden: true,
            },
        }
    }

    fn of_query(request: &Request) -> Self {
        let has =
            |name: &str, value: &str| request.query.iter().any(|(n, v)| n == name && v == value);
        Self {
            dry_run: dry_run(request),
            force: has("gracePeriodSeconds", "0"),
            orphan: has("propagationPolicy", "Orphan") || has("orphanDependents", "true"),
            hidden: false,
        }
    }

    fn of_body(body: &Value) -> Self {
        let all = |list: &Vec<Value>| !list.is_empty() && list.iter().all(|v| v == "All");
        Self {
            dry_run: body
                .get("dryRun")
                .and_then(Value::as_array)
                .is_some_and(all),
            force: body.get("gracePeriodSeconds").and_then(Value::as_i64) == Some(0),
            orphan: body.get("propagationPolicy").is_some_and(|v| v == "Orphan")
                || body.get("orphanDependents") == Some(&Value::Bool(true)),
            hidden: !body.is_object(),
        }
    }
}

/// Whether the query asks for nothing to be kept.
pub fn dry_run(request: &Request) -> bool {
    let mut asked = request
        .query
        .iter()
        .filter(|(n, _)| n == "dryRun")
        .peekable();
    asked.peek().is_some() && asked.all(|(_, value)| value == "All")
}

//! Parts of a resource: `pods/exec`, `deployments/scale`, `serviceaccounts/token`.

use backstop_core::effect::{Effect, EffectKind, Verb};

use super::path::Target;
use super::resources::{self, Class};
use super::{Finding, change, delete, one, safeguard, touched, unbounded};
use crate::http::Request;

/// What a request to a part does.
pub fn read(request: &Request, target: &Target<'_>, sub: &str, verb: &str, out: &mut Finding) {
    let object = target.object();
    let looks = matches!(verb, "get" | "list" | "watch");
    match sub {
        "exec" | "attach" | "portforward" | "proxy" => connect(target, sub, out),
        "token" => {
            out.does(format!("Makes a token for {}.", target.words()));
            out.effect(Effect::new(EffectKind::Reveal, Verb::Read, object.clone()));
            out.effect(Effect::new(EffectKind::Admin, Verb::Create, object));
            out.reveals.push("/status/token".to_owned());
        }
        "log" | "logs" if looks => reads(target, out),
        // A part of secrets is not known to exist; its answer would be the secret.
        _ if resources::class(target.group, target.resource) == Class::Secret => {
            out.does(format!("Answers with {}, values and all.", target.words()));
            out.effect(Effect::new(EffectKind::Reveal, Verb::Read, object.clone()));
            out.reveals.push(String::new());
            out.effect(Effect::new(EffectKind::Admin, Verb::Other, object));
        }
        _ if looks => reads(target, out),
        _ if delete::dry_run(request) => {
            out.does(format!(
                "Tries a change of {}; keeps nothing of it.",
                target.words()
            ));
            out.effect(Effect::new(EffectKind::Read, Verb::Read, object));
        }
        _ => writes(request, target, sub, verb, out),
    }
}

fn reads(target: &Target<'_>, out: &mut Finding) {
    out.does(format!("Reads a part of {}.", target.words()));
    out.effect(Effect::new(EffectKind::Read, Verb::Read, target.object()));
}

/// What is said over the connection is not seen, and no role of the cluster binds it further.
fn connect(target: &Target<'_>, sub: &str, out: &mut Finding) {
    let does = match sub {
        "exec" => "Runs a program in",
        "attach" => "Attaches to what runs in",
        "portforward" => "Opens a tunnel to",
        _ => "Sends a request through the cluster to",
    };
    out.does(format!("{does} {}.", target.words()));
    let why = match target.resource {
        "nodes" => "a node's own API runs programs in every pod on it",
        _ => "what is done there is not seen",
    };
    out.effect(Effect::new(EffectKind::Escape, Verb::Execute, target.object()).because(why));
}

fn writes(request: &Request, target: &Target<'_>, sub: &str, verb: &str, out: &mut Finding) {
    let object = target.object();
    match (sub, verb) {
        ("scale", "update" | "patch") => {
            let touched = touched::of(request);
            out.does(format!("Scales {}.", target.words()));
            match (touched.hidden, touched.value(&["spec", "replicas"])) {
                (None, Some(_)) => {}
                _ => out.incomplete("the number of replicas cannot be read"),
            }
            out.effect(one(EffectKind::Write, Verb::Update, object));
            change::scale(&touched, target, out);
        }
        ("eviction", "create") => {
            out.does(format!(
                "Evicts {}: it ends here, and its controller may start another.",
                target.words()
            ));
            out.effect(Effect::new(EffectKind::Destroy, Verb::Drop, object));
            out.along(resources::along("", "pods"));
        }
        ("ephemeralcontainers", "update" | "patch") => {
            out.does(format!("Puts another container into {}.", target.words()));
            let why = "code of the request's runs beside the pod's, with its rights";
            out.effect(Effect::new(EffectKind::Escape, Verb::Execute, object).because(why));
        }
        ("finalize", _) => {
            out.does(format!(
                "Lets {} go without waiting for what is in it.",
                target.words()
            ));
            let why = "finalizers decide when it goes";
            out.effect(safeguard(EffectKind::Destroy, Verb::Drop, object, why));
            out.along(resources::along("", "namespaces"));
        }
        ("resize", "update" | "patch") => {
            out.does(format!("Changes how much {} may use.", target.words()));
            out.effect(one(EffectKind::Write, Verb::Update, object));
        }
        ("status" | "binding" | "approval" | "rollback", _) => {
            out.does(format!("Changes the {sub} of {}.", target.words()));
            out.effect(Effect::new(EffectKind::Admin, Verb::Other, object));
        }
        _ => {
            out.does(format!("Changes a part of {}.", target.words()));
            out.incomplete("what changing this part does is not known");
            out.effect(unbounded(EffectKind::Write, Verb::Other, object));
        }
    }
}

//! Creating, replacing, patching and applying objects.

use backstop_core::effect::{Effect, EffectKind, Verb};
use serde_json::Value;

use super::path::{self, Target};
use super::resources::Class;
use super::touched::{self, Touched};
use super::{Finding, delete, one, safeguard, unbounded};
use crate::http::Request;

/// What a change does.
pub fn read(request: &Request, target: &Target<'_>, class: Class, verb: &str, out: &mut Finding) {
    if delete::dry_run(request) {
        out.does(format!(
            "Tries a change of {}; keeps nothing of it.",
            target.words()
        ));
        out.effect(Effect::new(EffectKind::Read, Verb::Read, target.object()));
        return;
    }
    let touched = touched::of(request);
    let change = Change {
        target,
        touched: &touched,
        verb,
    };
    change.class(class, out);
    if let Some(why) = touched.hidden {
        out.incomplete(why);
    }
    if verb != "create" {
        change.finalizers(class, out);
    }
}

struct Change<'a> {
    target: &'a Target<'a>,
    touched: &'a Touched,
    verb: &'a str,
}

const LABELS: &[&[&str]] = &[&["metadata", "labels"], &["metadata", "annotations"]];

/// What can be changed in a workload without running other code.
const SAFE: &[&[&str]] = &[
    &["metadata", "labels"],
    &["metadata", "annotations"],
    &["spec", "replicas"],
    &["spec", "paused"],
    &["spec", "suspend"],
    &[
        "spec",
        "template",
        "metadata",
        "annotations",
        "kubectl.kubernetes.io/restartedAt",
    ],
];

impl Change<'_> {
    fn class(&self, class: Class, out: &mut Finding) {
        match class {
            Class::Workload | Class::Database => self.workload(class, out),
            Class::Secret => {
                self.says("credentials in", out);
                self.admin(out);
            }
            Class::Rights | Class::Namespace => self.rights(class, out),
            Class::Policy => self.policies("deletionPolicy", &["deletionPolicy"], out),
            Class::Volume => {
                let at = &["spec", "persistentVolumeReclaimPolicy"];
                self.policies("persistentVolumeReclaimPolicy", at, out);
            }
            Class::Backup => self.backup(out),
            Class::Node => self.node(out),
            Class::Config | Class::Fleeting | Class::Review => {
                self.says("", out);
                self.write(out);
            }
            Class::Foreign => {
                self.says("", out);
                out.incomplete("what an object of this kind stands for is not known");
                out.effect(unbounded(
                    EffectKind::Write,
                    self.usual(),
                    self.target.object(),
                ));
            }
        }
    }

    fn workload(&self, class: Class, out: &mut Finding) {
        let harmless = self.verb == "patch" && self.touched.within(SAFE);
        self.says("", out);
        match harmless {
            true => self.write(out),
            false => {
                let why = "what it says to run is run in the cluster";
                out.effect(
                    Effect::new(EffectKind::Admin, Verb::Other, self.target.object()).because(why),
                );
            }
        }
        if self.verb != "create" {
            scale(self.touched, self.target, out);
            self.retention(out);
        }
        if class == Class::Database {
            out.incomplete("what the operator does with the change is not known");
        }
    }

    /// A StatefulSet can be told to delete its claims when it shrinks or goes.
    fn retention(&self, out: &mut Finding) {
        for when in ["whenDeleted", "whenScaled"] {
            let at = &["spec", "persistentVolumeClaimRetentionPolicy", when];
            if self.touched.says(at, &["Delete"]) {
                out.does("From then on its claims go with it, and their data.");
                let why = "claims are kept until it is told otherwise";
                out.effect(safeguard(
                    EffectKind::Admin,
                    Verb::Alter,
                    self.target.object(),
                    why,
                ));
            }
        }
    }

    fn rights(&self, class: Class, out: &mut Finding) {
        let creates = self.verb == "create" && class == Class::Namespace;
        self.says("", out);
        match creates {
            true => out.effect(Effect::new(
                EffectKind::Define,
                Verb::Create,
                self.target.object(),
            )),
            false => self.admin(out),
        }
    }

    /// Volumes, and classes of them: what becomes of the data when the claim goes.
    fn policies(&self, key: &str, at: &[&str], out: &mut Finding) {
        self.says("", out);
        let kept = self.touched.says(at, &["Retain"]);
        if self.verb == "create" {
            out.effect(Effect::new(
                EffectKind::Define,
                Verb::Create,
                self.target.object(),
            ));
            return;
        }
        let named = self.touched.near(at) || self.verb == "update" || self.touched.hidden.is_some();
        let has = match self.target.resource {
            "persistentvolumes" => key == "persistentVolumeReclaimPolicy",
            "volumesnapshotclasses" => key == "deletionPolicy",
            _ => false,
        };
        if has && named && !kept {
            out.does("From then on the data goes when its claim goes.");
            let why = "the policy that keeps the data is Retain";
            out.effect(safeguard(
                EffectKind::Admin,
                Verb::Alter,
                self.target.object(),
                why,
            ));
        }
        let small: &[&[&str]] = &[
            &["metadata", "labels"],
            &["metadata", "annotations"],
            &["spec", "resources", "requests", "storage"],
            at,
        ];
        match self.verb == "patch" && self.touched.within(small) {
            true => self.write(out),
            false => self.admin(out),
        }
    }

    fn backup(&self, out: &mut Finding) {
        let object = self.target.object();
        self.says("", out);
        match (self.verb, self.target.resource) {
            ("create", "deletebackuprequests") => {
                out.does("It is a request to delete a backup.");
                let why = "it deletes a backup";
                out.effect(safeguard(EffectKind::Destroy, Verb::Drop, object, why));
            }
            ("create", _) => out.effect(Effect::new(EffectKind::Define, Verb::Create, object)),
            ("patch", _) if self.touched.within(LABELS) => self.write(out),
            _ => {
                let why = "it changes what is backed up, or how long it is kept";
                out.effect(safeguard(EffectKind::Admin, Verb::Alter, object, why));
            }
        }
    }

    fn node(&self, out: &mut Finding) {
        self.says("", out);
        let small: &[&[&str]] = &[
            &["metadata", "labels"],
            &["metadata", "annotations"],
            &["spec", "unschedulable"],
        ];
        match self.verb == "patch" && self.touched.within(small) {
            true => self.write(out),
            false => self.admin(out),
        }
        if self.touched.near(&["spec", "taints"]) {
            out.does("Pods that do not bear the taint may be driven off the node.");
            let mut effect = Effect::new(EffectKind::Destroy, Verb::Other, self.target.object());
            effect.reversible = true;
            out.effect(effect.because("a taint can evict pods"));
        }
    }

    /// Finalizers hold an object until what depends on it is safe; a PUT that leaves them out takes them away.
    fn finalizers(&self, class: Class, out: &mut Finding) {
        let replaced = self.verb == "update"
            && matches!(
                class,
                Class::Volume | Class::Backup | Class::Namespace | Class::Database
            )
            && !self.touched.near(&["metadata", "finalizers"]);
        let patched = self.verb == "patch" && self.touched.guards();
        if replaced || patched {
            out.does("Changes what holds it back from being deleted.");
            let why = "finalizers and owners decide when an object goes";
            out.effect(safeguard(
                EffectKind::Admin,
                Verb::Alter,
                self.target.object(),
                why,
            ));
        }
    }

    fn says(&self, of: &str, out: &mut Finding) {
        let does = match self.verb {
            "create" => "Creates",
            "update" => "Replaces",
            _ => "Changes",
        };
        let what = match (self.verb, self.target.name) {
            ("create", None) => format!("one of the {}", path::word(self.target.resource)),
            _ => self.target.words(),
        };
        out.does(match of {
            "" => format!("{does} {what}."),
            of => format!("{does} {of} {what}."),
        });
    }

    fn usual(&self) -> Verb {
        match self.verb {
            "create" => Verb::Insert,
            _ => Verb::Update,
        }
    }

    fn write(&self, out: &mut Finding) {
        out.effect(one(EffectKind::Write, self.usual(), self.target.object()));
    }

    fn admin(&self, out: &mut Finding) {
        out.effect(Effect::new(
            EffectKind::Admin,
            Verb::Other,
            self.target.object(),
        ));
    }
}

/// A workload scaled to nothing is gone until it is scaled up.
pub fn scale(touched: &Touched, target: &Target<'_>, out: &mut Finding) {
    let Some(replicas) = touched.value(&["spec", "replicas"]) else {
        return;
    };
    match replicas.and_then(Value::as_f64) {
        Some(n) if n >= 1.0 => {}
        _ => {
            out.does(format!(
                "Scales {} to nothing: no pod of it runs.",
                target.words()
            ));
            let mut effect = Effect::new(EffectKind::Destroy, Verb::Other, target.object());
            effect.reversible = true;
            out.effect(effect.because("scaled to zero"));
        }
    }
    if target.resource == "statefulsets" {
        out.along(
            "claims of the pods that go, and their data, where its retention policy says Delete",
        );
    }
}

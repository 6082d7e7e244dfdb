//! What a lease's role could do at the target if no gate judged what it says: the last wall.

use backstop_core::scope::{Scope, ScopeVerb};
use serde::Serialize;

use super::Held;
use crate::postgres::{Act, By, Object, Road};
use crate::report::told;

/// The role's roads, held against the lease's scopes.
#[derive(Clone, Debug, Serialize)]
pub struct RoleView {
    /// Whether the catalogue was asked and answered.
    pub known: bool,
    /// Why it did not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Roads that the scopes stand for: one sentence each.
    pub in_scope: Vec<String>,
    /// What goes with a write that the scopes name (cascades, triggers, children): it passes the gate as measured.
    pub with_it: Vec<String>,
    /// Roads to destruction beyond the scopes: the gate's judgement alone stands before them.
    pub beyond: Vec<String>,
    /// Roads that destroy nothing by themselves, beyond the scopes.
    pub besides: Vec<String>,
    /// Whether a road leads to the whole server.
    pub takes_server: bool,
    /// What the role could do to backups that the server knows of, one sentence each.
    pub backups: Vec<String>,
}

pub(super) fn view(held: &Held) -> RoleView {
    let mut out = RoleView {
        known: held.audit.is_some(),
        why: match &held.audit {
            Some(_) => None,
            None => Some(
                held.unanswered
                    .clone()
                    .unwrap_or_else(|| "it was not asked".into()),
            ),
        },
        in_scope: vec![],
        with_it: vec![],
        beyond: vec![],
        besides: vec![],
        takes_server: false,
        backups: vec![],
    };
    let Some(audit) = &held.audit else {
        return out;
    };
    out.backups.clone_from(&audit.backups.within_reach);
    for road in &audit.roads {
        let list = if named(road, &held.lease.spec.scopes, &audit.role) {
            &mut out.in_scope
        } else if goes_with(road) {
            &mut out.with_it
        } else if road.act.destroys() {
            out.takes_server |=
                matches!(road.act, Act::RunPrograms | Act::RunCode | Act::WriteFiles);
            &mut out.beyond
        } else {
            &mut out.besides
        };
        list.push(told(road));
    }
    out
}

/// Whether a scope stands for this road, or the object is the lease's own.
fn named(road: &Road, scopes: &[Scope], role: &str) -> bool {
    let makes = |verb: ScopeVerb| scopes.iter().any(|s| s.verbs.contains(&verb));
    // What the role owns, it made: a lease's role is given nothing.
    if road.by == By::Owner
        && road.acting == role
        && matches!(road.object, Object::Table { .. } | Object::View { .. })
    {
        return makes(ScopeVerb::Create) || makes(ScopeVerb::Temp);
    }
    let verb = match road.act {
        Act::Delete => ScopeVerb::Delete,
        Act::Update => ScopeVerb::Update,
        _ => return false,
    };
    let (schema, name) = match &road.object {
        Object::Table { schema, name } | Object::View { schema, name } => (schema, name),
        Object::Column { schema, table, .. } => (schema, table),
        _ => return false,
    };
    let direct = matches!(road.by, By::Grant | By::Public);
    direct
        && road.acting == role
        && scopes
            .iter()
            .any(|s| s.verbs.contains(&verb) && s.matches(schema, name))
}

/// Whether it is taken only by a write or call of the lease's that the gate measures with all that it sets off.
const fn goes_with(road: &Road) -> bool {
    matches!(
        road.by,
        By::Cascade | By::Inheritance | By::View | By::Rule | By::Trigger
    ) && matches!(road.act, Act::Delete | Act::Update)
}

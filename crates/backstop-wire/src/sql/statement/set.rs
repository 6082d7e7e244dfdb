//! SET, RESET, SHOW and DISCARD. What a setting means is in the reviewed table; here are only its spellings.

use backstop_core::effect::{EffectKind, Verb};
use pg_query::NodeEnum;
use pg_query::protobuf::{
    DiscardMode, DiscardStmt, RawStmt, SelectStmt, VariableSetKind, VariableSetStmt,
    VariableShowStmt,
};

use super::super::names;
use super::super::script::{Discard, Setting, StatementKind, TransactionModes};
use super::super::settings::{self, Class};
use super::Judge;
use super::transaction::modes;

impl Judge<'_> {
    pub(super) fn set(&mut self, s: &VariableSetStmt) {
        let name = s.name.to_ascii_lowercase();
        match VariableSetKind::try_from(s.kind) {
            Ok(VariableSetKind::VarSetMulti) => self.set_modes(&name, s),
            Ok(VariableSetKind::VarSetValue) => {
                let values: Vec<String> = s.args.iter().filter_map(names::setting_value).collect();
                if values.len() != s.args.len() && settings::depends_on_value(&name) {
                    self.walk
                        .found
                        .incomplete(format!("sets {name} to something that is not known"));
                }
                self.set_to(name, Some(values), s.is_local);
            }
            Ok(VariableSetKind::VarSetDefault | VariableSetKind::VarReset) => {
                self.set_to(name, None, s.is_local)
            }
            Ok(VariableSetKind::VarResetAll) => {
                let setting = Setting {
                    name: None,
                    values: None,
                    local: false,
                    class: Class::Meaning,
                };
                self.walk.found.settings.push(setting.clone());
                self.kind = StatementKind::Set(setting);
            }
            Ok(VariableSetKind::VarSetCurrent | VariableSetKind::Undefined) | Err(_) => {
                self.walk
                    .found
                    .incomplete("sets something in a way that is not known");
            }
        }
    }

    fn set_to(&mut self, name: String, values: Option<Vec<String>>, local: bool) {
        self.walk.set(name, values, local);
        if let Some(setting) = self.walk.found.settings.last() {
            self.kind = StatementKind::Set(setting.clone());
        }
    }

    fn set_modes(&mut self, name: &str, s: &VariableSetStmt) {
        match name {
            "transaction" => self.kind = StatementKind::SetTransaction(modes(&s.args)),
            "transaction snapshot" => {
                self.kind = StatementKind::SetTransaction(TransactionModes {
                    snapshot: true,
                    ..TransactionModes::default()
                });
            }
            "session characteristics" => {
                self.kind = StatementKind::SetCharacteristics(modes(&s.args))
            }
            _ => self
                .walk
                .found
                .incomplete("sets several things in a way that is not known"),
        }
    }

    pub(super) fn show(&mut self, s: &VariableShowStmt) {
        let name = s.name.to_ascii_lowercase();
        if settings::reveals(&name) {
            self.walk
                .reveal(name.clone(), "a setting that holds a credential");
        }
        self.kind = StatementKind::Show(name);
    }

    pub(super) fn discard(&mut self, s: &DiscardStmt) {
        let what = match DiscardMode::try_from(s.target) {
            Ok(DiscardMode::DiscardPlans) => Discard::Plans,
            Ok(DiscardMode::DiscardSequences) => Discard::Sequences,
            Ok(DiscardMode::DiscardTemp) => Discard::Temp,
            Ok(DiscardMode::DiscardAll) => Discard::All,
            Ok(DiscardMode::Undefined) | Err(_) => {
                self.walk
                    .found
                    .incomplete("discards something that is not known");
                return;
            }
        };
        self.forgets = matches!(what, Discard::Temp | Discard::All);
        if what == Discard::All {
            self.walk.found.outside_transaction = true;
            let setting = Setting {
                name: None,
                values: None,
                local: false,
                class: Class::Meaning,
            };
            self.walk.found.settings.push(setting);
        }
        self.kind = StatementKind::Discard(what);
    }

    pub(super) fn lock(&mut self, s: &pg_query::protobuf::LockStmt) {
        self.kind = StatementKind::Lock;
        for node in &s.relations {
            let Some(pg_query::NodeEnum::RangeVar(range)) = names::kind(node) else {
                continue;
            };
            let target = self.walk.resolve(range);
            let (kind, bound, why) = match s.mode {
                ..=2 => (
                    EffectKind::Read,
                    backstop_core::effect::Bound::Structure,
                    "takes a lock that keeps nobody waiting",
                ),
                3 => (
                    EffectKind::Write,
                    backstop_core::effect::Bound::Rows(0),
                    "locks the table, changes no rows",
                ),
                _ => (
                    EffectKind::Write,
                    backstop_core::effect::Bound::Unbounded,
                    "keeps every other writer waiting",
                ),
            };
            let mut effect = target.effect(
                kind,
                if kind == EffectKind::Read {
                    Verb::Read
                } else {
                    Verb::Update
                },
            );
            effect = effect.bounded(bound).because(why);
            effect.reversible = true;
            self.walk.found.effect(effect);
        }
    }
}

/// Whether a statement, if it succeeds, has set what it says: SET, or a SELECT of nothing but `set_config`, which
/// gives one row.
pub(super) fn is_certain(raw: &RawStmt) -> bool {
    match names::inner(raw.stmt.as_deref()) {
        Some(NodeEnum::VariableSetStmt(_)) => true,
        Some(NodeEnum::SelectStmt(select)) => {
            let only = SelectStmt {
                target_list: select.target_list.clone(),
                limit_option: select.limit_option,
                op: select.op,
                ..SelectStmt::default()
            };
            let [target] = select.target_list.as_slice() else {
                return false;
            };
            let Some(NodeEnum::ResTarget(target)) = names::kind(target) else {
                return false;
            };
            select.as_ref() == &only
                && matches!(names::inner(target.val.as_deref()), Some(NodeEnum::FuncCall(call))
                    if call.agg_filter.is_none() && call.over.is_none() && call.args.iter().all(is_constant))
        }
        _ => false,
    }
}

fn is_constant(node: &pg_query::protobuf::Node) -> bool {
    matches!(names::kind(node), Some(NodeEnum::AConst(_)))
}

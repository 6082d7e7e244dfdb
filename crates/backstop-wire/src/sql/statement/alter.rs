//! ALTER of what holds data, subcommand by subcommand.
//! A subcommand that takes something away, or a safeguard, must never pass as one that adds.

use backstop_core::effect::{EffectKind, Verb};
use pg_query::NodeEnum;
use pg_query::protobuf::{
    AlterDomainStmt, AlterEnumStmt, AlterObjectSchemaStmt, AlterOwnerStmt, AlterSeqStmt,
    AlterStatsStmt, AlterTableCmd, AlterTableStmt, AlterTableType, ConstrType, DropBehavior,
    ObjectType, RangeVar, RenameStmt,
};

use super::super::{names, quote};
use super::Judge;
use super::drop::word;

impl Judge<'_> {
    pub(super) fn alter_table(&mut self, s: &AlterTableStmt) {
        self.structure();
        let Some(range) = &s.relation else { return };
        self.forgets = false;
        for node in &s.cmds {
            match names::kind(node) {
                Some(NodeEnum::AlterTableCmd(command)) => self.alter_command(range, command),
                _ => self
                    .walk
                    .found
                    .incomplete("alters a table in a way that is not known"),
            }
        }
    }

    fn alter_command(&mut self, range: &RangeVar, c: &AlterTableCmd) {
        use AlterTableType as A;
        use EffectKind::{Admin, Define, Destroy};
        let column = quote::ident(&c.name);
        let (kind, why): (EffectKind, String) = match AlterTableType::try_from(c.subtype) {
            Ok(A::AtAddColumn | A::AtAddColumnToView) => return self.add_column(range, c),
            Ok(A::AtAddConstraint | A::AtReAddConstraint | A::AtReAddDomainConstraint) => {
                return self.add_constraint(range, c);
            }
            Ok(A::AtColumnDefault) => return self.column_default(range, c),
            Ok(A::AtAlterColumnType) => return self.column_type(range, c),
            Ok(A::AtAttachPartition | A::AtDetachPartition | A::AtDetachPartitionFinalize) => {
                return self.partition(range, c);
            }
            Ok(A::AtAddInherit | A::AtDropInherit) => return self.inherit(range, c),
            Ok(A::AtDropColumn) => (Destroy, format!("drops the column {column}")),
            Ok(A::AtDropConstraint) => (Destroy, format!("drops the constraint {column}")),
            Ok(A::AtDropNotNull) => (Destroy, format!("lets {column} be null")),
            Ok(A::AtDropExpression) => (Destroy, format!("drops the expression of {column}")),
            Ok(A::AtSetExpression) => (
                Destroy,
                format!("computes {column} anew by another expression"),
            ),
            Ok(A::AtDropIdentity) => (Destroy, format!("drops the identity of {column}")),
            Ok(A::AtDropOids) => (Destroy, "drops the oids".to_owned()),
            Ok(A::AtSetNotNull) => (Define, format!("forbids null in {column}")),
            Ok(A::AtAddIdentity | A::AtSetIdentity) => {
                (Define, format!("changes the identity of {column}"))
            }
            Ok(A::AtValidateConstraint) => (Define, format!("validates the constraint {column}")),
            Ok(A::AtAddIndex | A::AtReAddIndex | A::AtAddIndexConstraint) => {
                (Define, "adds a key".to_owned())
            }
            Ok(
                A::AtSetStatistics
                | A::AtSetStorage
                | A::AtSetCompression
                | A::AtSetOptions
                | A::AtResetOptions,
            ) => (Define, format!("changes how {column} is stored or sampled")),
            Ok(A::AtSetRelOptions | A::AtResetRelOptions | A::AtReplaceRelOptions) => (
                Admin,
                "changes storage options, which may be safeguards".to_owned(),
            ),
            Ok(
                A::AtClusterOn
                | A::AtDropCluster
                | A::AtReAddComment
                | A::AtReAddStatistics
                | A::AtCookedColumnDefault,
            ) => (Define, "changes a property".to_owned()),
            Ok(A::AtSetLogged | A::AtSetTableSpace | A::AtSetAccessMethod) => {
                (Define, "rewrites the table".to_owned())
            }
            Ok(A::AtSetUnLogged) => (Admin, "lets a crash empty the table".to_owned()),
            Ok(A::AtAddOf | A::AtDropOf) => {
                (Define, "ties the table to a type, or unties it".to_owned())
            }
            Ok(A::AtChangeOwner) => (Admin, "gives the table another owner".to_owned()),
            Ok(A::AtAlterConstraint) => (
                Admin,
                format!("changes how the constraint {column} is enforced"),
            ),
            Ok(
                A::AtEnableTrig
                | A::AtEnableAlwaysTrig
                | A::AtEnableReplicaTrig
                | A::AtDisableTrig
                | A::AtEnableTrigAll
                | A::AtDisableTrigAll
                | A::AtEnableTrigUser
                | A::AtDisableTrigUser,
            ) => (Admin, "switches triggers".to_owned()),
            Ok(
                A::AtEnableRule | A::AtEnableAlwaysRule | A::AtEnableReplicaRule | A::AtDisableRule,
            ) => (Admin, "switches rules".to_owned()),
            Ok(
                A::AtEnableRowSecurity
                | A::AtDisableRowSecurity
                | A::AtForceRowSecurity
                | A::AtNoForceRowSecurity,
            ) => (Admin, "switches row-level security".to_owned()),
            Ok(A::AtReplicaIdentity) => (Admin, "changes what replication sees".to_owned()),
            Ok(A::AtGenericOptions | A::AtAlterColumnGenericOptions) => {
                (Admin, "changes how a foreign server is reached".to_owned())
            }
            Ok(A::Undefined) | Err(_) => {
                self.walk
                    .found
                    .incomplete("alters a table in a way that is not known");
                (Destroy, "alters it in a way that is not known".to_owned())
            }
        };
        let cascade = c.behavior == DropBehavior::DropCascade as i32;
        self.on(range, kind, Verb::Alter, &why);
        if cascade && kind == Destroy {
            self.walk
                .found
                .incomplete("also drops whatever depends on it");
        }
    }

    fn object(&mut self, range: &RangeVar) -> String {
        self.walk.resolve(range).object()
    }

    fn add_column(&mut self, range: &RangeVar, c: &AlterTableCmd) {
        let object = self.object(range);
        self.on(range, EffectKind::Define, Verb::Alter, "adds a column");
        let Some(NodeEnum::ColumnDef(column)) = names::inner(c.def.as_deref()) else {
            return;
        };
        if let Some(name) = &column.type_name {
            self.walk.type_name(name);
        }
        for constraint in &column.constraints {
            if let Some(NodeEnum::Constraint(constraint)) = names::kind(constraint) {
                self.constraint(constraint, &object);
                if let Some(expression) = constraint.raw_expr.as_deref() {
                    // The default fills the rows that are there, now.
                    self.planted_and_run(expression, &object);
                }
            }
        }
    }

    fn add_constraint(&mut self, range: &RangeVar, c: &AlterTableCmd) {
        let object = self.object(range);
        self.on(range, EffectKind::Define, Verb::Alter, "adds a constraint");
        if let Some(NodeEnum::Constraint(constraint)) = names::inner(c.def.as_deref()) {
            self.constraint(constraint, &object);
            if constraint.contype == ConstrType::ConstrCheck as i32
                && let Some(expression) = constraint.raw_expr.as_deref()
            {
                self.planted_and_run(expression, &object);
            }
        }
    }

    fn column_default(&mut self, range: &RangeVar, c: &AlterTableCmd) {
        match c.def.as_deref() {
            Some(expression) => {
                let object = self.object(range);
                self.on(range, EffectKind::Define, Verb::Alter, "sets a default");
                self.planted(expression, &object, "a default");
            }
            None => self.on(range, EffectKind::Destroy, Verb::Alter, "drops a default"),
        }
    }

    fn column_type(&mut self, range: &RangeVar, c: &AlterTableCmd) {
        let why = format!(
            "changes the type of {}, which may lose what does not fit",
            quote::ident(&c.name)
        );
        self.on(range, EffectKind::Destroy, Verb::Alter, &why);
        if let Some(NodeEnum::ColumnDef(column)) = names::inner(c.def.as_deref()) {
            if let Some(name) = &column.type_name {
                self.walk.type_name(name);
            }
            self.walk.maybe(column.raw_default.as_deref());
        }
    }

    fn partition(&mut self, range: &RangeVar, c: &AlterTableCmd) {
        let attach = c.subtype == AlterTableType::AtAttachPartition as i32;
        let (kind, why) = if attach {
            (EffectKind::Define, "attaches a partition")
        } else {
            (
                EffectKind::Destroy,
                "takes a partition's rows out of the table",
            )
        };
        self.on(range, kind, Verb::Alter, why);
        if let Some(NodeEnum::PartitionCmd(command)) = names::inner(c.def.as_deref()) {
            if command.concurrent {
                self.outside_transaction();
            }
            if let Some(part) = &command.name {
                self.on(
                    part,
                    EffectKind::Define,
                    Verb::Alter,
                    "becomes a partition, or a table of its own",
                );
            }
        }
    }

    fn inherit(&mut self, range: &RangeVar, c: &AlterTableCmd) {
        let add = c.subtype == AlterTableType::AtAddInherit as i32;
        self.on(
            range,
            EffectKind::Define,
            Verb::Alter,
            "changes what it inherits from",
        );
        if let Some(NodeEnum::RangeVar(parent)) = names::inner(c.def.as_deref()) {
            let (kind, why) = if add {
                (EffectKind::Define, "gets a table below it")
            } else {
                (EffectKind::Destroy, "loses the rows of a table below it")
            };
            self.on(parent, kind, Verb::Alter, why);
        }
    }

    /// Nothing is lost, but everything that knows the old name fails.
    pub(super) fn rename(&mut self, s: &RenameStmt) {
        self.structure();
        self.forgets = true;
        let to = quote::ident(&s.newname);
        let why = match ObjectType::try_from(s.rename_type) {
            Ok(ObjectType::ObjectRole) => format!("renames a role to {to}"),
            _ => format!("is renamed to {to}, or a part of it is"),
        };
        match (&s.relation, s.object.as_deref().and_then(names::dotted)) {
            (Some(range), _) => {
                let target = self.walk.resolve(range);
                let kind = if target.is_temporary() {
                    EffectKind::Define
                } else {
                    EffectKind::Destroy
                };
                let mut effect = target.effect(kind, Verb::Alter).because(why);
                effect.reversible = true;
                self.walk.mark(range.location);
                self.walk.found.effect(effect);
            }
            (None, object) => {
                let printed = match object {
                    Some((Some(schema), name)) => Some(quote::qualified(schema, name)),
                    Some((None, name)) => Some(quote::ident(name)),
                    None => (!s.subname.is_empty()).then(|| quote::ident(&s.subname)),
                };
                let role = matches!(
                    ObjectType::try_from(s.rename_type),
                    Ok(ObjectType::ObjectRole
                        | ObjectType::ObjectDatabase
                        | ObjectType::ObjectSchema
                        | ObjectType::ObjectFunction
                        | ObjectType::ObjectProcedure
                        | ObjectType::ObjectRoutine)
                );
                self.effect(
                    if role {
                        EffectKind::Admin
                    } else {
                        EffectKind::Destroy
                    },
                    Verb::Alter,
                    printed,
                    &why,
                );
            }
        }
    }

    pub(super) fn set_schema(&mut self, s: &AlterObjectSchemaStmt) {
        self.structure();
        self.forgets = true;
        let why = format!("moves to the schema {}", quote::ident(&s.newschema));
        match &s.relation {
            Some(range) => self.on(range, EffectKind::Admin, Verb::Alter, &why),
            None => {
                let printed = s
                    .object
                    .as_deref()
                    .and_then(names::dotted)
                    .map(|(_, name)| quote::ident(name));
                self.effect(EffectKind::Admin, Verb::Alter, printed, &why);
            }
        }
    }

    pub(super) fn change_owner(&mut self, s: &AlterOwnerStmt) {
        self.structure();
        let kind = ObjectType::try_from(s.object_type).unwrap_or(ObjectType::Undefined);
        let printed =
            s.object
                .as_deref()
                .and_then(names::dotted)
                .map(|(schema, name)| match schema {
                    Some(schema) => quote::qualified(schema, name),
                    None => quote::ident(name),
                });
        self.effect(
            EffectKind::Admin,
            Verb::Alter,
            printed,
            &format!("gives the {} another owner", word(kind)),
        );
    }

    pub(super) fn alter_sequence(&mut self, s: &AlterSeqStmt) {
        self.structure();
        let Some(range) = &s.sequence else { return };
        let restarts =
            names::options(&s.options).any(|o| !matches!(o.defname.as_str(), "cache" | "owned_by"));
        let (kind, why) = if restarts {
            (
                EffectKind::Destroy,
                "changes which numbers the sequence gives",
            )
        } else {
            (EffectKind::Define, "changes a property of the sequence")
        };
        self.on(range, kind, Verb::Alter, why);
    }

    pub(super) fn alter_enum(&mut self, s: &AlterEnumStmt) {
        self.structure();
        let printed = names::schema_and_name(&s.type_name).map(|(schema, name)| match schema {
            Some(schema) => quote::qualified(schema, name),
            None => quote::ident(name),
        });
        let (kind, why) = if s.old_val.is_empty() {
            (EffectKind::Define, "adds a value to the enum")
        } else {
            (EffectKind::Destroy, "renames a value of the enum")
        };
        self.effect(kind, Verb::Alter, printed, why);
    }

    pub(super) fn alter_domain(&mut self, s: &AlterDomainStmt) {
        self.structure();
        let printed = names::schema_and_name(&s.type_name).map(|(_, name)| quote::ident(name));
        let (kind, why) = match s.subtype.as_str() {
            "C" | "T" | "O" | "V" => (
                EffectKind::Admin,
                "changes what the domain demands of every column of that type",
            ),
            _ => (
                EffectKind::Destroy,
                "takes a demand or default of the domain away",
            ),
        };
        self.effect(kind, Verb::Alter, printed, why);
        self.walk.maybe(
            s.def
                .as_deref()
                .filter(|d| !matches!(d.node, Some(NodeEnum::Constraint(_)))),
        );
        if let Some(NodeEnum::Constraint(constraint)) = names::inner(s.def.as_deref()) {
            self.walk.maybe(constraint.raw_expr.as_deref());
        }
    }

    pub(super) fn alter_statistics(&mut self, s: &AlterStatsStmt) {
        self.structure();
        let printed = names::schema_and_name(&s.defnames).map(|(_, name)| quote::ident(name));
        self.effect(
            EffectKind::Define,
            Verb::Alter,
            printed,
            "changes what statistics are gathered",
        );
    }
}

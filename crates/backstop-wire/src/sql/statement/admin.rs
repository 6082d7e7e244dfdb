//! Rights, roles, safeguards, code that others will run, and roads to other servers.
//! Nothing here is ever harmless; what is told apart is only the object, the reason, and what leaves the target.

use backstop_core::effect::{EffectKind, Verb};
use pg_query::NodeEnum;
use pg_query::protobuf::{GrantStmt, Node, ObjectType, RangeVar, RoleSpec, RoleSpecType};

use super::super::{names, quote};
use super::Judge;
use super::drop::word;

impl Judge<'_> {
    #[allow(clippy::too_many_lines)] // A table of kinds, objects and reasons.
    pub(super) fn admin(&mut self, node: &NodeEnum) {
        use EffectKind::{Admin, Destroy, Escape};
        let shared = matches!(
            node,
            NodeEnum::CreateRoleStmt(_)
                | NodeEnum::AlterRoleStmt(_)
                | NodeEnum::AlterRoleSetStmt(_)
                | NodeEnum::DropRoleStmt(_)
                | NodeEnum::GrantRoleStmt(_)
                | NodeEnum::CreatedbStmt(_)
                | NodeEnum::AlterDatabaseStmt(_)
                | NodeEnum::AlterDatabaseSetStmt(_)
                | NodeEnum::AlterDatabaseRefreshCollStmt(_)
                | NodeEnum::AlterSystemStmt(_)
                | NodeEnum::CreateTableSpaceStmt(_)
                | NodeEnum::AlterTableSpaceOptionsStmt(_)
                | NodeEnum::LoadStmt(_)
        );
        if !shared {
            self.structure();
        }
        match node {
            NodeEnum::GrantStmt(s) => self.grant(s),
            NodeEnum::GrantRoleStmt(s) => {
                for granted in &s.granted_roles {
                    let name = match names::kind(granted) {
                        Some(NodeEnum::AccessPriv(right)) => quote::ident(&right.priv_name),
                        _ => "a role".to_owned(),
                    };
                    self.effect(
                        Admin,
                        Verb::Other,
                        name,
                        if s.is_grant {
                            "grants a role"
                        } else {
                            "revokes a role"
                        },
                    );
                }
                for grantee in &s.grantee_roles {
                    self.effect(
                        Admin,
                        Verb::Other,
                        role(Some(grantee)),
                        "makes it a member of a role, or no longer one",
                    );
                }
            }
            NodeEnum::AlterDefaultPrivilegesStmt(_) => self.effect(
                Admin,
                Verb::Other,
                None,
                "changes the rights of what is made later",
            ),
            NodeEnum::CreateRoleStmt(s) => {
                self.effect(Admin, Verb::Create, quote::ident(&s.role), "makes a role")
            }
            NodeEnum::AlterRoleStmt(s) => self.effect(
                Admin,
                Verb::Alter,
                role_spec(s.role.as_ref()),
                "changes a role",
            ),
            NodeEnum::AlterRoleSetStmt(s) => self.effect(
                Admin,
                Verb::Alter,
                role_spec(s.role.as_ref()),
                "changes the settings of a role",
            ),
            NodeEnum::DropRoleStmt(s) => {
                for node in &s.roles {
                    self.effect(Admin, Verb::Drop, role(Some(node)), "drops a role");
                }
            }
            NodeEnum::ReassignOwnedStmt(s) => {
                for node in &s.roles {
                    self.effect(
                        Admin,
                        Verb::Other,
                        role(Some(node)),
                        "gives everything that a role owns to another",
                    );
                }
            }
            NodeEnum::CreatePolicyStmt(s) => {
                self.on_table(s.table.as_ref(), "makes a policy of row-level security")
            }
            NodeEnum::AlterPolicyStmt(s) => {
                self.on_table(s.table.as_ref(), "changes a policy of row-level security")
            }
            NodeEnum::SecLabelStmt(_) => {
                self.effect(Admin, Verb::Alter, None, "sets a security label")
            }
            NodeEnum::CreateTrigStmt(s) => self.on_table(
                s.relation.as_ref(),
                "makes a trigger, which others will fire",
            ),
            NodeEnum::RuleStmt(s) => self.on_table(
                s.relation.as_ref(),
                "makes a rule, which rewrites what others do",
            ),
            NodeEnum::CreateEventTrigStmt(s) => self.effect(
                Admin,
                Verb::Create,
                quote::ident(&s.trigname),
                "makes an event trigger",
            ),
            NodeEnum::AlterEventTrigStmt(s) => self.effect(
                Admin,
                Verb::Alter,
                quote::ident(&s.trigname),
                "switches an event trigger",
            ),
            NodeEnum::CreateFunctionStmt(s) => {
                let verb = if s.replace { Verb::Alter } else { Verb::Create };
                let object = self.named(&s.funcname);
                self.effect(
                    Admin,
                    verb,
                    object,
                    "makes a function, which others will run",
                );
            }
            NodeEnum::AlterFunctionStmt(s) => {
                let object = s.func.as_ref().and_then(|f| self.named(&f.objname));
                self.effect(
                    Admin,
                    Verb::Alter,
                    object,
                    "changes a function, which others run",
                );
            }
            NodeEnum::CreateExtensionStmt(s) => self.effect(
                Admin,
                Verb::Create,
                quote::ident(&s.extname),
                "installs an extension",
            ),
            NodeEnum::AlterExtensionStmt(s) => self.effect(
                Admin,
                Verb::Alter,
                quote::ident(&s.extname),
                "changes an extension",
            ),
            NodeEnum::AlterExtensionContentsStmt(s) => self.effect(
                Admin,
                Verb::Alter,
                quote::ident(&s.extname),
                "changes an extension",
            ),
            NodeEnum::CreateFdwStmt(s) => self.effect(
                Admin,
                Verb::Create,
                quote::ident(&s.fdwname),
                "makes a foreign-data wrapper",
            ),
            NodeEnum::AlterFdwStmt(s) => self.effect(
                Admin,
                Verb::Alter,
                quote::ident(&s.fdwname),
                "changes a foreign-data wrapper",
            ),
            NodeEnum::CreateForeignServerStmt(s) => self.effect(
                Escape,
                Verb::Create,
                quote::ident(&s.servername),
                "makes a road to another server",
            ),
            NodeEnum::AlterForeignServerStmt(s) => self.effect(
                Escape,
                Verb::Alter,
                quote::ident(&s.servername),
                "changes a road to another server",
            ),
            NodeEnum::CreateForeignTableStmt(s) => {
                self.foreign_table(s.base_stmt.as_ref().and_then(|b| b.relation.as_ref()))
            }
            NodeEnum::CreateUserMappingStmt(s) => self.effect(
                Admin,
                Verb::Create,
                quote::ident(&s.servername),
                "stores a credential for another server",
            ),
            NodeEnum::AlterUserMappingStmt(s) => self.effect(
                Admin,
                Verb::Alter,
                quote::ident(&s.servername),
                "changes a credential for another server",
            ),
            NodeEnum::DropUserMappingStmt(s) => self.effect(
                Admin,
                Verb::Drop,
                quote::ident(&s.servername),
                "drops a credential for another server",
            ),
            NodeEnum::ImportForeignSchemaStmt(s) => self.effect(
                Escape,
                Verb::Create,
                quote::ident(&s.local_schema),
                "reads another server's schema",
            ),
            NodeEnum::CreateSubscriptionStmt(s) => {
                self.outside_transaction();
                self.effect(
                    Escape,
                    Verb::Create,
                    quote::ident(&s.subname),
                    "connects to another server and copies from it",
                );
            }
            NodeEnum::AlterSubscriptionStmt(s) => {
                self.outside_transaction();
                self.effect(
                    Escape,
                    Verb::Alter,
                    quote::ident(&s.subname),
                    "changes what is copied from another server",
                );
            }
            NodeEnum::CreatePublicationStmt(s) => self.effect(
                Admin,
                Verb::Create,
                quote::ident(&s.pubname),
                "publishes tables to other servers",
            ),
            NodeEnum::AlterPublicationStmt(s) => self.effect(
                Admin,
                Verb::Alter,
                quote::ident(&s.pubname),
                "changes what is published to other servers",
            ),
            NodeEnum::CreateAmStmt(s) => self.effect(
                Admin,
                Verb::Create,
                quote::ident(&s.amname),
                "makes an access method",
            ),
            NodeEnum::CreatePlangStmt(s) => self.effect(
                Admin,
                Verb::Create,
                quote::ident(&s.plname),
                "makes a language",
            ),
            NodeEnum::LoadStmt(s) => self.effect(
                Escape,
                Verb::Execute,
                s.filename.clone(),
                "loads a library into the server",
            ),
            NodeEnum::CreatedbStmt(s) => {
                self.outside_transaction();
                self.effect(
                    Admin,
                    Verb::Create,
                    quote::ident(&s.dbname),
                    "makes a database",
                );
            }
            NodeEnum::AlterDatabaseStmt(s) => self.effect(
                Admin,
                Verb::Alter,
                quote::ident(&s.dbname),
                "changes a database",
            ),
            NodeEnum::AlterDatabaseRefreshCollStmt(s) => self.effect(
                Admin,
                Verb::Alter,
                quote::ident(&s.dbname),
                "changes a database",
            ),
            NodeEnum::AlterDatabaseSetStmt(s) => self.effect(
                Admin,
                Verb::Alter,
                quote::ident(&s.dbname),
                "changes the settings of a database",
            ),
            NodeEnum::AlterSystemStmt(s) => {
                self.outside_transaction();
                let name = s
                    .setstmt
                    .as_ref()
                    .map(|set| set.name.clone())
                    .filter(|name| !name.is_empty());
                self.effect(
                    Admin,
                    Verb::Alter,
                    name,
                    "changes the configuration of the whole server",
                );
            }
            NodeEnum::CreateTableSpaceStmt(s) => {
                self.outside_transaction();
                self.effect(
                    Escape,
                    Verb::Create,
                    quote::ident(&s.tablespacename),
                    "takes a directory of the server's machine",
                );
            }
            NodeEnum::AlterTableSpaceOptionsStmt(s) => self.effect(
                Admin,
                Verb::Alter,
                quote::ident(&s.tablespacename),
                "changes a tablespace",
            ),
            NodeEnum::AlterTableMoveAllStmt(s) => self.effect(
                Admin,
                Verb::Alter,
                quote::ident(&s.orig_tablespacename),
                "moves every table of a tablespace",
            ),
            NodeEnum::AlterTsconfigurationStmt(s) => {
                let object = self.named(&s.cfgname);
                let kind = if s.tokentype.is_empty() || !s.dicts.is_empty() {
                    Admin
                } else {
                    Destroy
                };
                self.effect(kind, Verb::Alter, object, "changes how texts are searched");
            }
            NodeEnum::AlterTsdictionaryStmt(s) => {
                let object = self.named(&s.dictname);
                self.effect(Admin, Verb::Alter, object, "changes how texts are searched");
            }
            NodeEnum::DefineStmt(s) => {
                let object = self.named(&s.defnames);
                let kind = ObjectType::try_from(s.kind).unwrap_or(ObjectType::Undefined);
                self.effect(
                    Admin,
                    Verb::Create,
                    object,
                    &format!("makes a {}, which others will run", word(kind)),
                );
            }
            NodeEnum::CreateDomainStmt(s) => self.type_made(&s.domainname),
            NodeEnum::CreateEnumStmt(s) => self.type_made(&s.type_name),
            NodeEnum::CreateRangeStmt(s) => self.type_made(&s.type_name),
            NodeEnum::CompositeTypeStmt(s) => {
                let object = s.typevar.as_ref().map(|range| self.place_of(range));
                self.effect(
                    Admin,
                    Verb::Create,
                    object,
                    "makes a type, which others' values will meet",
                );
            }
            NodeEnum::CreateCastStmt(_) => self.effect(
                Admin,
                Verb::Create,
                None,
                "makes a cast, which others will run",
            ),
            NodeEnum::CreateConversionStmt(s) => {
                let object = self.named(&s.conversion_name);
                self.effect(
                    Admin,
                    Verb::Create,
                    object,
                    "makes a conversion, which others will run",
                );
            }
            NodeEnum::CreateTransformStmt(_) => self.effect(
                Admin,
                Verb::Create,
                None,
                "makes a transform, which others will run",
            ),
            NodeEnum::CreateOpClassStmt(s) => {
                let object = self.named(&s.opclassname);
                self.effect(
                    Admin,
                    Verb::Create,
                    object,
                    "makes an operator class, which others will run",
                );
            }
            NodeEnum::CreateOpFamilyStmt(s) => {
                let object = self.named(&s.opfamilyname);
                self.effect(
                    Admin,
                    Verb::Create,
                    object,
                    "makes an operator family, which others will run",
                );
            }
            NodeEnum::AlterOpFamilyStmt(s) => {
                let object = self.named(&s.opfamilyname);
                self.effect(
                    Admin,
                    Verb::Alter,
                    object,
                    "changes an operator family, which others run",
                );
            }
            NodeEnum::AlterOperatorStmt(s) => {
                let object = s.opername.as_ref().and_then(|o| self.named(&o.objname));
                self.effect(
                    Admin,
                    Verb::Alter,
                    object,
                    "changes an operator, which others run",
                );
            }
            NodeEnum::AlterTypeStmt(s) => {
                let object = self.named(&s.type_name);
                self.effect(
                    Admin,
                    Verb::Alter,
                    object,
                    "changes a type, which others' values meet",
                );
            }
            NodeEnum::AlterCollationStmt(s) => {
                let object = self.named(&s.collname);
                self.effect(Admin, Verb::Alter, object, "changes a collation");
            }
            NodeEnum::AlterObjectDependsStmt(_) => self.effect(
                Admin,
                Verb::Alter,
                None,
                "changes what an extension takes with it",
            ),
            // The caller sends no others; one that it did send would not pass for harmless.
            _ => self
                .walk
                .found
                .incomplete("is a statement of a kind that is not known"),
        }
    }

    fn grant(&mut self, s: &GrantStmt) {
        let why = if s.is_grant {
            "grants rights"
        } else {
            "revokes rights"
        };
        if s.objects.is_empty() {
            self.effect(EffectKind::Admin, Verb::Other, None, why);
        }
        for object in &s.objects {
            match names::kind(object) {
                Some(NodeEnum::RangeVar(range)) => {
                    self.on(range, EffectKind::Admin, Verb::Other, why)
                }
                _ => {
                    let printed = names::dotted(object).map(|(schema, name)| match schema {
                        Some(schema) => quote::qualified(schema, name),
                        None => quote::ident(name),
                    });
                    self.effect(EffectKind::Admin, Verb::Other, printed, why);
                }
            }
        }
    }

    fn on_table(&mut self, range: Option<&RangeVar>, why: &str) {
        match range {
            Some(range) => {
                let target = self.walk.resolve(range);
                self.walk
                    .found
                    .effect(target.effect(EffectKind::Admin, Verb::Alter).because(why));
            }
            None => self.effect(EffectKind::Admin, Verb::Alter, None, why),
        }
    }

    fn foreign_table(&mut self, range: Option<&RangeVar>) {
        let object = range.map(|range| self.place_of(range));
        self.effect(
            EffectKind::Escape,
            Verb::Create,
            object,
            "makes a table that lies on another server",
        );
    }

    fn place_of(&mut self, range: &RangeVar) -> String {
        let (schema, _) = self.walk.place(range);
        quote::qualified(&schema, &range.relname)
    }

    fn type_made(&mut self, name: &[Node]) {
        let object = self.named(name);
        self.effect(
            EffectKind::Admin,
            Verb::Create,
            object,
            "makes a type, which others' values will meet",
        );
    }

    /// A dotted name, in the schema where it would be made if it names none.
    fn named(&mut self, name: &[Node]) -> Option<String> {
        let (schema, name) = names::schema_and_name(name)?;
        let schema = schema.map_or_else(|| self.walk.creation_schema(), str::to_owned);
        Some(quote::qualified(&schema, name))
    }
}

/// The name of a role.
pub(super) fn role(node: Option<&Node>) -> String {
    match names::inner(node) {
        Some(NodeEnum::RoleSpec(spec)) => role_spec(Some(spec)),
        _ => "a role".to_owned(),
    }
}

pub(super) fn role_spec(spec: Option<&RoleSpec>) -> String {
    let Some(spec) = spec else {
        return "all roles".to_owned();
    };
    match RoleSpecType::try_from(spec.roletype) {
        Ok(RoleSpecType::RolespecCstring) => quote::ident(&spec.rolename),
        Ok(RoleSpecType::RolespecPublic) => "public".to_owned(),
        _ => "current_user".to_owned(),
    }
}

//! One statement after the other: which family each belongs to, and what the ones before it changed.
//! Every kind of statement is matched by name, so that a new one is a compile error.

mod admin;
mod alter;
mod copy;
mod create;
mod drop;
mod explain;
mod maintain;
mod portal;
mod set;
mod transaction;

use std::collections::HashMap;
use std::ops::Range;

use backstop_core::effect::{Effect, EffectKind, Verb};
use pg_query::NodeEnum;
use pg_query::protobuf::{DoStmt, RawStmt};

use super::catalog::Catalog;
use super::error::SqlError;
use super::script::{Discard, Script, Statement, StatementKind};
use super::session::{Created, Session};
use super::walk::{Scope, Walk};
use super::{limits, names, parse};

/// What earlier statements of a text have changed for later ones.
struct State {
    path: Option<Vec<String>>,
    /// Whether `path` was set in this text, so that the end of a transaction may take it back.
    path_moved: bool,
    created: Vec<Created>,
    prepared: HashMap<String, String>,
}

pub(super) fn script(
    sql: &str,
    catalog: &Catalog,
    session: &Session<'_>,
) -> Result<Script, SqlError> {
    let parsed = parse::parse(sql)?;
    let mut state = State {
        path: Some(session.search_path.to_vec()),
        path_moved: false,
        created: session.created.to_vec(),
        prepared: HashMap::new(),
    };
    let mut statements = Vec::with_capacity(parsed.len());
    for raw in &parsed {
        let range = range_of(raw, sql);
        let statement = one(raw, sql, range, catalog, session, &state);
        state.after(&statement, sql, set::is_certain(raw));
        statements.push(statement);
    }
    Ok(Script { statements })
}

fn one(
    raw: &RawStmt,
    sql: &str,
    range: Range<usize>,
    catalog: &Catalog,
    session: &Session<'_>,
    state: &State,
) -> Statement {
    let lookup = |name: &str| {
        state
            .prepared
            .get(name)
            .cloned()
            .or_else(|| (session.prepared)(name))
    };
    let scope = Scope {
        path: state.path.clone(),
        own_roles: session.own_roles,
        created: &state.created,
        prepared: &lookup,
        parameter_types: session.parameter_types.to_vec(),
    };
    let mut judge = Judge::new(Walk::new(catalog, scope), sql, range);
    match raw.stmt.as_ref().and_then(|stmt| stmt.node.as_ref()) {
        Some(node) => judge.statement(node),
        None => judge
            .walk
            .found
            .incomplete("is a statement of a kind that is not known"),
    }
    judge.finish()
}

/// The code of a DO block in PL/pgSQL, the one language of blocks that is read.
fn block_of(s: &DoStmt) -> Option<&str> {
    let mut code = None;
    for part in &s.args {
        let Some(NodeEnum::DefElem(part)) = names::kind(part) else {
            return None;
        };
        let text = match part.arg.as_deref().and_then(names::kind) {
            Some(NodeEnum::String(text)) => &text.sval,
            _ => return None,
        };
        match part.defname.as_str() {
            "as" => code = Some(text.as_str()),
            "language" if text == "plpgsql" => {}
            _ => return None,
        }
    }
    code
}

/// The bytes of a statement, without the spaces around it.
fn range_of(raw: &RawStmt, sql: &str) -> Range<usize> {
    let start = usize::try_from(raw.stmt_location)
        .unwrap_or(0)
        .min(sql.len());
    let length = usize::try_from(raw.stmt_len).unwrap_or(0);
    let end = if length == 0 {
        sql.len()
    } else {
        start.saturating_add(length).min(sql.len())
    };
    let text = sql.get(start..end).unwrap_or_default();
    let lead = text.len() - text.trim_start().len();
    let trail = text.len() - text.trim_end().len();
    start + lead..(end - trail).max(start + lead)
}

impl State {
    /// What this statement changes for the next.
    fn after(&mut self, statement: &Statement, sql: &str, certain: bool) {
        if statement.forgets {
            self.created.clear();
        }
        self.created.extend(statement.creates.iter().cloned());
        for setting in statement.settings.iter().filter(|s| s.moves_names()) {
            // A `set_config` in a query need not run, or not last: what it leaves is not worked out.
            let known = certain && setting.name.is_some();
            self.path = setting.values.clone().filter(|_| known);
            self.path_moved = true;
        }
        match &statement.kind {
            StatementKind::Prepare { name, .. } => {
                // All of it: the declared types count.
                let text = sql.get(statement.range.clone()).unwrap_or_default();
                self.prepared.insert(name.clone(), text.to_owned());
            }
            StatementKind::Commit { .. } => self.created.retain(|made| !made.until_commit),
            StatementKind::Discard(Discard::All) => {
                self.prepared.clear();
                self.path = None;
            }
            _ => {}
        }
        let ends = matches!(
            statement.kind,
            StatementKind::Commit { .. }
                | StatementKind::Rollback { .. }
                | StatementKind::RollbackTo(_)
        );
        if ends && self.path_moved {
            // SET LOCAL ends here, and a rollback takes SET back: what the path is now is not worked out.
            self.path = None;
        }
        if self.created.len() > limits::MAX_FOUND {
            self.created.clear();
        }
    }
}

/// One statement being judged.
struct Judge<'a> {
    walk: Walk<'a>,
    sql: &'a str,
    range: Range<usize>,
    kind: StatementKind,
    creates: Vec<Created>,
    forgets: bool,
    nesting: usize,
}

impl<'a> Judge<'a> {
    fn new(walk: Walk<'a>, sql: &'a str, range: Range<usize>) -> Self {
        Self {
            walk,
            sql,
            range,
            kind: StatementKind::Utility,
            creates: Vec::new(),
            forgets: false,
            nesting: 0,
        }
    }

    fn finish(self) -> Statement {
        let mut fragments = fragments(self.sql, &self.range, &self.walk.marks);
        let mut found = self.walk.found;
        // PostgreSQL's tree says of DROP and its like not where a name stands: then it is the whole statement.
        let destroys = |effect: &Effect| effect.kind == EffectKind::Destroy;
        if fragments.is_empty() && found.effects.iter().any(destroys) {
            fragments.push(self.range.clone());
        }
        if found.runs_text && found.moves_names() {
            // Which of the two the server does first is not worked out.
            found.incomplete("changes what names mean while it runs a text that is put into it");
        }
        Statement {
            range: self.range,
            kind: self.kind,
            analysis: found.analysis(),
            relations: found.relations,
            unresolved: found.unresolved,
            settings: found.settings,
            fragments,
            creates: self.creates,
            forgets: self.forgets,
        }
    }

    /// An effect on an object that is not a relation.
    fn effect(
        &mut self,
        kind: EffectKind,
        verb: Verb,
        object: impl Into<Option<String>>,
        why: &str,
    ) {
        self.walk
            .found
            .effect(Effect::new(kind, verb, object).because(why));
    }

    fn outside_transaction(&mut self) {
        self.walk.found.outside_transaction = true;
    }

    /// A statement that changes structure: event triggers of the target fire on it.
    fn structure(&mut self) {
        if let Some((name, _)) = self
            .walk
            .catalog
            .event_triggers
            .iter()
            .find(|(_, event)| event != "login")
        {
            self.walk
                .found
                .incomplete(format!("fires event trigger {}", super::quote::ident(name)));
        }
    }

    #[allow(clippy::too_many_lines)] // One arm a kind; splitting it would hide a missing one.
    fn statement(&mut self, node: &NodeEnum) {
        match node {
            // Queries.
            NodeEnum::SelectStmt(select) => {
                self.kind = StatementKind::Query;
                self.walk.query(node);
                self.select_into(select);
            }
            NodeEnum::InsertStmt(_)
            | NodeEnum::UpdateStmt(_)
            | NodeEnum::DeleteStmt(_)
            | NodeEnum::MergeStmt(_) => {
                self.kind = StatementKind::Query;
                self.walk.query(node);
            }
            NodeEnum::CopyStmt(s) => self.copy(s),
            NodeEnum::ExplainStmt(s) => self.explain(s),
            // Session.
            NodeEnum::TransactionStmt(s) => self.transaction(s),
            NodeEnum::VariableSetStmt(s) => self.set(s),
            NodeEnum::VariableShowStmt(s) => self.show(s),
            NodeEnum::ConstraintsSetStmt(_) => self.kind = StatementKind::SetConstraints,
            NodeEnum::DiscardStmt(s) => self.discard(s),
            NodeEnum::PrepareStmt(s) => self.prepare(s),
            NodeEnum::ExecuteStmt(s) => self.execute(s),
            NodeEnum::DeallocateStmt(s) => self.deallocate(s),
            NodeEnum::DeclareCursorStmt(s) => self.declare(s),
            NodeEnum::FetchStmt(s) => {
                self.kind = StatementKind::Fetch {
                    name: s.portalname.clone(),
                }
            }
            NodeEnum::ClosePortalStmt(s) => {
                self.kind =
                    StatementKind::Close((!s.portalname.is_empty()).then(|| s.portalname.clone()));
            }
            NodeEnum::ListenStmt(s) => self.kind = StatementKind::Listen(s.conditionname.clone()),
            NodeEnum::UnlistenStmt(s) => {
                self.kind = StatementKind::Unlisten(
                    (!s.conditionname.is_empty()).then(|| s.conditionname.clone()),
                );
            }
            NodeEnum::NotifyStmt(s) => {
                self.kind = StatementKind::Notify(s.conditionname.clone());
                self.effect(
                    EffectKind::Escape,
                    Verb::Other,
                    s.conditionname.clone(),
                    "sends a message to every listener",
                );
            }
            NodeEnum::LockStmt(s) => self.lock(s),
            // Code.
            NodeEnum::DoStmt(s) => {
                self.kind = StatementKind::Code;
                let why = "runs a block of code that the gate cannot see into".to_owned();
                let blind = block_of(s).map_or_else(
                    || Some("is in a language that the gate does not read".into()),
                    |code| super::reach::of_text(self.walk.catalog, code),
                );
                self.walk.found.unproven_unless(why, blind.as_deref());
                self.effect(
                    EffectKind::Write,
                    Verb::Execute,
                    None,
                    "runs a block of code",
                );
            }
            NodeEnum::CallStmt(s) => self.call(s),
            // Structure that comes to be.
            NodeEnum::CreateStmt(s) => self.create_table(s),
            NodeEnum::CreateTableAsStmt(s) => self.create_table_as(s),
            NodeEnum::CreateSchemaStmt(s) => self.create_schema(s),
            NodeEnum::CreateSeqStmt(s) => self.create_sequence(s),
            NodeEnum::IndexStmt(s) => self.create_index(s),
            NodeEnum::CreateStatsStmt(s) => self.create_statistics(s),
            NodeEnum::ViewStmt(s) => self.create_view(s),
            NodeEnum::CommentStmt(s) => self.comment(s),
            // Structure that changes.
            NodeEnum::AlterTableStmt(s) => self.alter_table(s),
            NodeEnum::RenameStmt(s) => self.rename(s),
            NodeEnum::AlterObjectSchemaStmt(s) => self.set_schema(s),
            NodeEnum::AlterOwnerStmt(s) => self.change_owner(s),
            NodeEnum::AlterSeqStmt(s) => self.alter_sequence(s),
            NodeEnum::AlterEnumStmt(s) => self.alter_enum(s),
            NodeEnum::AlterDomainStmt(s) => self.alter_domain(s),
            NodeEnum::AlterStatsStmt(s) => self.alter_statistics(s),
            // Structure and rows that go.
            NodeEnum::DropStmt(s) => self.drop(s),
            NodeEnum::TruncateStmt(s) => self.truncate(s),
            NodeEnum::DropOwnedStmt(s) => self.drop_owned(s),
            NodeEnum::DropdbStmt(s) => self.drop_database(s),
            NodeEnum::DropTableSpaceStmt(s) => self.drop_tablespace(s),
            NodeEnum::DropSubscriptionStmt(s) => self.drop_subscription(s),
            // Maintenance.
            NodeEnum::VacuumStmt(s) => self.vacuum(s),
            NodeEnum::ClusterStmt(s) => self.cluster(s),
            NodeEnum::ReindexStmt(s) => self.reindex(s),
            NodeEnum::RefreshMatViewStmt(s) => self.refresh(s),
            NodeEnum::CheckPointStmt(_) => {
                self.effect(EffectKind::Admin, Verb::Other, None, "writes a checkpoint");
            }
            // Rights, roles, safeguards, code that others will run, other servers.
            NodeEnum::GrantStmt(_)
            | NodeEnum::GrantRoleStmt(_)
            | NodeEnum::AlterDefaultPrivilegesStmt(_)
            | NodeEnum::CreateRoleStmt(_)
            | NodeEnum::AlterRoleStmt(_)
            | NodeEnum::AlterRoleSetStmt(_)
            | NodeEnum::DropRoleStmt(_)
            | NodeEnum::ReassignOwnedStmt(_)
            | NodeEnum::CreatePolicyStmt(_)
            | NodeEnum::AlterPolicyStmt(_)
            | NodeEnum::SecLabelStmt(_)
            | NodeEnum::CreateTrigStmt(_)
            | NodeEnum::CreateEventTrigStmt(_)
            | NodeEnum::AlterEventTrigStmt(_)
            | NodeEnum::RuleStmt(_)
            | NodeEnum::CreateFunctionStmt(_)
            | NodeEnum::AlterFunctionStmt(_)
            | NodeEnum::CreateExtensionStmt(_)
            | NodeEnum::AlterExtensionStmt(_)
            | NodeEnum::AlterExtensionContentsStmt(_)
            | NodeEnum::CreateFdwStmt(_)
            | NodeEnum::AlterFdwStmt(_)
            | NodeEnum::CreateForeignServerStmt(_)
            | NodeEnum::AlterForeignServerStmt(_)
            | NodeEnum::CreateForeignTableStmt(_)
            | NodeEnum::CreateUserMappingStmt(_)
            | NodeEnum::AlterUserMappingStmt(_)
            | NodeEnum::DropUserMappingStmt(_)
            | NodeEnum::ImportForeignSchemaStmt(_)
            | NodeEnum::CreateAmStmt(_)
            | NodeEnum::CreatePlangStmt(_)
            | NodeEnum::DefineStmt(_)
            | NodeEnum::CreateDomainStmt(_)
            | NodeEnum::CreateOpClassStmt(_)
            | NodeEnum::CreateOpFamilyStmt(_)
            | NodeEnum::AlterOpFamilyStmt(_)
            | NodeEnum::AlterObjectDependsStmt(_)
            | NodeEnum::AlterOperatorStmt(_)
            | NodeEnum::AlterTypeStmt(_)
            | NodeEnum::AlterCollationStmt(_)
            | NodeEnum::CompositeTypeStmt(_)
            | NodeEnum::CreateEnumStmt(_)
            | NodeEnum::CreateRangeStmt(_)
            | NodeEnum::LoadStmt(_)
            | NodeEnum::CreatedbStmt(_)
            | NodeEnum::AlterDatabaseStmt(_)
            | NodeEnum::AlterDatabaseRefreshCollStmt(_)
            | NodeEnum::AlterDatabaseSetStmt(_)
            | NodeEnum::AlterSystemStmt(_)
            | NodeEnum::CreateTableSpaceStmt(_)
            | NodeEnum::AlterTableSpaceOptionsStmt(_)
            | NodeEnum::AlterTableMoveAllStmt(_)
            | NodeEnum::CreateConversionStmt(_)
            | NodeEnum::CreateCastStmt(_)
            | NodeEnum::CreateTransformStmt(_)
            | NodeEnum::AlterTsdictionaryStmt(_)
            | NodeEnum::AlterTsconfigurationStmt(_)
            | NodeEnum::CreatePublicationStmt(_)
            | NodeEnum::AlterPublicationStmt(_)
            | NodeEnum::CreateSubscriptionStmt(_)
            | NodeEnum::AlterSubscriptionStmt(_) => self.admin(node),
            // What follows is no statement, or none that a client can send.
            NodeEnum::Alias(_)
            | NodeEnum::RangeVar(_)
            | NodeEnum::TableFunc(_)
            | NodeEnum::IntoClause(_)
            | NodeEnum::Var(_)
            | NodeEnum::Param(_)
            | NodeEnum::Aggref(_)
            | NodeEnum::GroupingFunc(_)
            | NodeEnum::WindowFunc(_)
            | NodeEnum::WindowFuncRunCondition(_)
            | NodeEnum::MergeSupportFunc(_)
            | NodeEnum::SubscriptingRef(_)
            | NodeEnum::FuncExpr(_)
            | NodeEnum::NamedArgExpr(_)
            | NodeEnum::OpExpr(_)
            | NodeEnum::DistinctExpr(_)
            | NodeEnum::NullIfExpr(_)
            | NodeEnum::ScalarArrayOpExpr(_)
            | NodeEnum::BoolExpr(_)
            | NodeEnum::SubLink(_)
            | NodeEnum::SubPlan(_)
            | NodeEnum::AlternativeSubPlan(_)
            | NodeEnum::FieldSelect(_)
            | NodeEnum::FieldStore(_)
            | NodeEnum::RelabelType(_)
            | NodeEnum::CoerceViaIo(_)
            | NodeEnum::ArrayCoerceExpr(_)
            | NodeEnum::ConvertRowtypeExpr(_)
            | NodeEnum::CollateExpr(_)
            | NodeEnum::CaseExpr(_)
            | NodeEnum::CaseWhen(_)
            | NodeEnum::CaseTestExpr(_)
            | NodeEnum::ArrayExpr(_)
            | NodeEnum::RowExpr(_)
            | NodeEnum::RowCompareExpr(_)
            | NodeEnum::CoalesceExpr(_)
            | NodeEnum::MinMaxExpr(_)
            | NodeEnum::SqlvalueFunction(_)
            | NodeEnum::XmlExpr(_)
            | NodeEnum::JsonFormat(_)
            | NodeEnum::JsonReturning(_)
            | NodeEnum::JsonValueExpr(_)
            | NodeEnum::JsonConstructorExpr(_)
            | NodeEnum::JsonIsPredicate(_)
            | NodeEnum::JsonBehavior(_)
            | NodeEnum::JsonExpr(_)
            | NodeEnum::JsonTablePath(_)
            | NodeEnum::JsonTablePathScan(_)
            | NodeEnum::JsonTableSiblingJoin(_)
            | NodeEnum::NullTest(_)
            | NodeEnum::BooleanTest(_)
            | NodeEnum::MergeAction(_)
            | NodeEnum::CoerceToDomain(_)
            | NodeEnum::CoerceToDomainValue(_)
            | NodeEnum::SetToDefault(_)
            | NodeEnum::CurrentOfExpr(_)
            | NodeEnum::NextValueExpr(_)
            | NodeEnum::InferenceElem(_)
            | NodeEnum::ReturningExpr(_)
            | NodeEnum::TargetEntry(_)
            | NodeEnum::RangeTblRef(_)
            | NodeEnum::JoinExpr(_)
            | NodeEnum::FromExpr(_)
            | NodeEnum::OnConflictExpr(_)
            | NodeEnum::Query(_)
            | NodeEnum::TypeName(_)
            | NodeEnum::ColumnRef(_)
            | NodeEnum::ParamRef(_)
            | NodeEnum::AExpr(_)
            | NodeEnum::TypeCast(_)
            | NodeEnum::CollateClause(_)
            | NodeEnum::RoleSpec(_)
            | NodeEnum::FuncCall(_)
            | NodeEnum::AStar(_)
            | NodeEnum::AIndices(_)
            | NodeEnum::AIndirection(_)
            | NodeEnum::AArrayExpr(_)
            | NodeEnum::ResTarget(_)
            | NodeEnum::MultiAssignRef(_)
            | NodeEnum::SortBy(_)
            | NodeEnum::WindowDef(_)
            | NodeEnum::RangeSubselect(_)
            | NodeEnum::RangeFunction(_)
            | NodeEnum::RangeTableFunc(_)
            | NodeEnum::RangeTableFuncCol(_)
            | NodeEnum::RangeTableSample(_)
            | NodeEnum::ColumnDef(_)
            | NodeEnum::TableLikeClause(_)
            | NodeEnum::IndexElem(_)
            | NodeEnum::DefElem(_)
            | NodeEnum::LockingClause(_)
            | NodeEnum::XmlSerialize(_)
            | NodeEnum::PartitionElem(_)
            | NodeEnum::PartitionSpec(_)
            | NodeEnum::PartitionBoundSpec(_)
            | NodeEnum::PartitionRangeDatum(_)
            | NodeEnum::PartitionCmd(_)
            | NodeEnum::RangeTblEntry(_)
            | NodeEnum::RtepermissionInfo(_)
            | NodeEnum::RangeTblFunction(_)
            | NodeEnum::TableSampleClause(_)
            | NodeEnum::WithCheckOption(_)
            | NodeEnum::SortGroupClause(_)
            | NodeEnum::GroupingSet(_)
            | NodeEnum::WindowClause(_)
            | NodeEnum::RowMarkClause(_)
            | NodeEnum::WithClause(_)
            | NodeEnum::InferClause(_)
            | NodeEnum::OnConflictClause(_)
            | NodeEnum::CtesearchClause(_)
            | NodeEnum::CtecycleClause(_)
            | NodeEnum::CommonTableExpr(_)
            | NodeEnum::MergeWhenClause(_)
            | NodeEnum::ReturningOption(_)
            | NodeEnum::ReturningClause(_)
            | NodeEnum::TriggerTransition(_)
            | NodeEnum::JsonOutput(_)
            | NodeEnum::JsonArgument(_)
            | NodeEnum::JsonFuncExpr(_)
            | NodeEnum::JsonTablePathSpec(_)
            | NodeEnum::JsonTable(_)
            | NodeEnum::JsonTableColumn(_)
            | NodeEnum::JsonKeyValue(_)
            | NodeEnum::JsonParseExpr(_)
            | NodeEnum::JsonScalarExpr(_)
            | NodeEnum::JsonSerializeExpr(_)
            | NodeEnum::JsonObjectConstructor(_)
            | NodeEnum::JsonArrayConstructor(_)
            | NodeEnum::JsonArrayQueryConstructor(_)
            | NodeEnum::JsonAggConstructor(_)
            | NodeEnum::JsonObjectAgg(_)
            | NodeEnum::JsonArrayAgg(_)
            | NodeEnum::RawStmt(_)
            | NodeEnum::SetOperationStmt(_)
            | NodeEnum::ReturnStmt(_)
            | NodeEnum::PlassignStmt(_)
            | NodeEnum::AlterTableCmd(_)
            | NodeEnum::AtalterConstraint(_)
            | NodeEnum::ReplicaIdentityStmt(_)
            | NodeEnum::ObjectWithArgs(_)
            | NodeEnum::AccessPriv(_)
            | NodeEnum::Constraint(_)
            | NodeEnum::CreateOpClassItem(_)
            | NodeEnum::StatsElem(_)
            | NodeEnum::FunctionParameter(_)
            | NodeEnum::InlineCodeBlock(_)
            | NodeEnum::CallContext(_)
            | NodeEnum::VacuumRelation(_)
            | NodeEnum::PublicationTable(_)
            | NodeEnum::PublicationObjSpec(_)
            | NodeEnum::Integer(_)
            | NodeEnum::Float(_)
            | NodeEnum::Boolean(_)
            | NodeEnum::String(_)
            | NodeEnum::BitString(_)
            | NodeEnum::List(_)
            | NodeEnum::IntList(_)
            | NodeEnum::OidList(_)
            | NodeEnum::AConst(_) => {
                self.walk
                    .found
                    .incomplete("is a statement of a kind that is not known");
            }
        }
    }
}

/// The words that start what a person should see first.
const TELLING: &[&str] = &[
    "delete", "update", "insert", "merge", "truncate", "drop", "alter", "copy",
];

/// The parts of a statement to show first: from the verb before a mark to the end of the word at it.
fn fragments(sql: &str, range: &Range<usize>, marks: &[i32]) -> Vec<Range<usize>> {
    let mut fragments: Vec<Range<usize>> = Vec::new();
    let inside = marks.iter().filter_map(|mark| usize::try_from(*mark).ok());
    for mark in inside.filter(|mark| range.contains(mark) && sql.is_char_boundary(*mark)) {
        let fragment = start_of_fragment(sql, range, mark)..end_of_fragment(sql, range, mark);
        if !fragments.contains(&fragment) {
            fragments.push(fragment);
        }
    }
    fragments
}

/// The last telling word within some bytes before the mark, or the mark itself.
fn start_of_fragment(sql: &str, range: &Range<usize>, mark: usize) -> usize {
    let earliest = mark.saturating_sub(200).max(range.start);
    let start = (earliest..=mark)
        .find(|at| sql.is_char_boundary(*at))
        .unwrap_or(mark);
    let near = sql
        .get(start..mark)
        .unwrap_or_default()
        .to_ascii_lowercase();
    TELLING
        .iter()
        .filter_map(|word| near.rfind(word))
        .max()
        .map_or(mark, |at| start + at)
}

fn end_of_fragment(sql: &str, range: &Range<usize>, mark: usize) -> usize {
    let after = sql.get(mark..range.end).unwrap_or_default();
    mark + after
        .find(|c: char| c.is_whitespace() || c == ';' || c == ')')
        .unwrap_or(after.len())
}

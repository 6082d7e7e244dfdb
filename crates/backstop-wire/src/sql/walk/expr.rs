//! Expressions: every node that PostgreSQL's grammar can put where a value stands.
//! It must match every kind by name: a kind that nobody thought of is a compile error, not a hole.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AExpr, AExprKind, ColumnRef, FuncCall, JsonBehavior, JsonOutput, JsonValueExpr, Node, SubLink,
    SubLinkType, WindowDef,
};

use super::super::names;
use super::Walk;

impl Walk<'_> {
    pub(crate) fn exprs(&mut self, nodes: &[Node]) {
        for node in nodes {
            self.expr(node);
        }
    }

    pub(crate) fn maybe(&mut self, node: Option<&Node>) {
        if let Some(node) = node {
            self.expr(node);
        }
    }

    pub(crate) fn expr(&mut self, node: &Node) {
        if let Some(kind) = &node.node {
            self.descend(|walk| walk.expr_kind(kind));
        }
    }

    #[allow(clippy::too_many_lines)] // One arm a kind; splitting it would hide a missing one.
    fn expr_kind(&mut self, kind: &NodeEnum) {
        match kind {
            NodeEnum::AConst(_)
            | NodeEnum::SqlvalueFunction(_)
            | NodeEnum::SetToDefault(_)
            | NodeEnum::String(_)
            | NodeEnum::Integer(_)
            | NodeEnum::Float(_)
            | NodeEnum::Boolean(_)
            | NodeEnum::BitString(_)
            | NodeEnum::AStar(_)
            | NodeEnum::CurrentOfExpr(_)
            | NodeEnum::Alias(_)
            | NodeEnum::JsonFormat(_)
            | NodeEnum::JsonReturning(_) => {}
            NodeEnum::ParamRef(parameter) => self.parameter(parameter.number),
            NodeEnum::MergeSupportFunc(_) => self.shadowed_keyword(&["merge_action"]),
            NodeEnum::ColumnRef(column) => self.column(column),
            NodeEnum::AExpr(e) => self.operation(e),
            NodeEnum::BoolExpr(e) => self.exprs(&e.args),
            NodeEnum::FuncCall(call) => self.func_call(call),
            NodeEnum::TypeCast(cast) => {
                self.maybe(cast.arg.as_deref());
                if let Some(name) = &cast.type_name {
                    self.type_name(name);
                }
            }
            NodeEnum::SubLink(link) => self.sub_link(link),
            NodeEnum::List(list) => self.exprs(&list.items),
            NodeEnum::RowExpr(row) => self.exprs(&row.args),
            NodeEnum::AArrayExpr(array) => self.exprs(&array.elements),
            NodeEnum::AIndirection(e) => {
                self.maybe(e.arg.as_deref());
                self.indirection(&e.indirection);
            }
            NodeEnum::AIndices(e) => {
                self.maybe(e.lidx.as_deref());
                self.maybe(e.uidx.as_deref());
            }
            NodeEnum::CaseExpr(case) => {
                if case.arg.is_some() {
                    self.operator(None, "=");
                }
                self.maybe(case.arg.as_deref());
                self.exprs(&case.args);
                self.maybe(case.defresult.as_deref());
            }
            NodeEnum::CaseWhen(when) => {
                self.maybe(when.expr.as_deref());
                self.maybe(when.result.as_deref());
            }
            NodeEnum::CoalesceExpr(e) => self.exprs(&e.args),
            NodeEnum::MinMaxExpr(e) => self.exprs(&e.args),
            NodeEnum::NullTest(e) => self.maybe(e.arg.as_deref()),
            NodeEnum::BooleanTest(e) => self.maybe(e.arg.as_deref()),
            NodeEnum::CollateClause(e) => self.maybe(e.arg.as_deref()),
            NodeEnum::NamedArgExpr(e) => self.maybe(e.arg.as_deref()),
            NodeEnum::ResTarget(target) => {
                self.indirection(&target.indirection);
                self.maybe(target.val.as_deref());
            }
            NodeEnum::MultiAssignRef(e) => self.maybe(e.source.as_deref()),
            NodeEnum::SortBy(sort) => {
                if let Some((schema, name)) = names::schema_and_name(&sort.use_op) {
                    self.operator(schema, name);
                }
                self.maybe(sort.node.as_deref());
            }
            NodeEnum::GroupingSet(set) => self.exprs(&set.content),
            NodeEnum::GroupingFunc(e) => self.exprs(&e.args),
            NodeEnum::WindowDef(window) => self.window(window),
            NodeEnum::XmlExpr(e) => {
                self.exprs(&e.named_args);
                self.exprs(&e.args);
            }
            NodeEnum::XmlSerialize(e) => {
                self.maybe(e.expr.as_deref());
                if let Some(name) = &e.type_name {
                    self.type_name(name);
                }
            }
            NodeEnum::JsonValueExpr(e) => self.json_value(e),
            NodeEnum::JsonIsPredicate(e) => self.maybe(e.expr.as_deref()),
            NodeEnum::JsonArgument(e) => self.maybe_json(e.val.as_deref()),
            NodeEnum::JsonKeyValue(e) => {
                self.maybe(e.key.as_deref());
                self.maybe_json(e.value.as_deref());
            }
            NodeEnum::JsonFuncExpr(e) => {
                self.shadowed_keyword(&["json_exists", "json_query", "json_value"]);
                self.maybe_json(e.context_item.as_deref());
                self.maybe(e.pathspec.as_deref());
                self.exprs(&e.passing);
                self.json_output(e.output.as_ref());
                self.json_behavior(e.on_empty.as_deref());
                self.json_behavior(e.on_error.as_deref());
            }
            NodeEnum::JsonParseExpr(e) => {
                self.shadowed_keyword(&["json"]);
                self.maybe_json(e.expr.as_deref());
                self.json_output(e.output.as_ref());
            }
            NodeEnum::JsonScalarExpr(e) => {
                self.shadowed_keyword(&["json_scalar"]);
                self.maybe(e.expr.as_deref());
                self.json_output(e.output.as_ref());
            }
            NodeEnum::JsonSerializeExpr(e) => {
                self.shadowed_keyword(&["json_serialize"]);
                self.maybe_json(e.expr.as_deref());
                self.json_output(e.output.as_ref());
            }
            NodeEnum::JsonObjectConstructor(e) => {
                self.shadowed_keyword(&["json_object"]);
                self.exprs(&e.exprs);
                self.json_output(e.output.as_ref());
            }
            NodeEnum::JsonArrayConstructor(e) => {
                self.shadowed_keyword(&["json_array"]);
                self.exprs(&e.exprs);
                self.json_output(e.output.as_ref());
            }
            NodeEnum::JsonArrayQueryConstructor(e) => {
                self.query_node(e.query.as_deref());
                self.json_output(e.output.as_ref());
            }
            NodeEnum::JsonObjectAgg(e) => {
                self.shadowed_keyword(&["json_objectagg"]);
                if let Some(pair) = &e.arg {
                    self.maybe(pair.key.as_deref());
                    self.maybe_json(pair.value.as_deref());
                }
                self.json_aggregate(e.constructor.as_deref());
            }
            NodeEnum::JsonArrayAgg(e) => {
                self.shadowed_keyword(&["json_arrayagg"]);
                self.maybe_json(e.arg.as_deref());
                self.json_aggregate(e.constructor.as_deref());
            }
            NodeEnum::JsonBehavior(e) => self.json_behavior(Some(e)),
            NodeEnum::JsonOutput(e) => self.json_output(Some(e)),
            NodeEnum::JsonTablePathSpec(e) => self.maybe(e.string.as_deref()),
            NodeEnum::JsonAggConstructor(e) => self.json_aggregate(Some(e)),
            NodeEnum::IndexElem(e) => {
                self.maybe(e.expr.as_deref());
            }
            NodeEnum::PartitionElem(e) => self.maybe(e.expr.as_deref()),
            NodeEnum::PartitionRangeDatum(e) => self.maybe(e.value.as_deref()),
            NodeEnum::TypeName(name) => self.type_name(name),
            NodeEnum::DefElem(e) => self.maybe(e.arg.as_deref()),
            NodeEnum::StatsElem(e) => self.maybe(e.expr.as_deref()),
            NodeEnum::SelectStmt(_)
            | NodeEnum::InsertStmt(_)
            | NodeEnum::UpdateStmt(_)
            | NodeEnum::DeleteStmt(_)
            | NodeEnum::MergeStmt(_) => self.query(kind),
            NodeEnum::RangeVar(_)
            | NodeEnum::JoinExpr(_)
            | NodeEnum::RangeSubselect(_)
            | NodeEnum::RangeFunction(_)
            | NodeEnum::RangeTableFunc(_)
            | NodeEnum::RangeTableSample(_)
            | NodeEnum::JsonTable(_) => {
                self.source(kind);
            }
            // What follows stands only in trees that the server has analysed, or is no expression at all.
            NodeEnum::TableFunc(_)
            | NodeEnum::IntoClause(_)
            | NodeEnum::Var(_)
            | NodeEnum::Param(_)
            | NodeEnum::Aggref(_)
            | NodeEnum::WindowFunc(_)
            | NodeEnum::WindowFuncRunCondition(_)
            | NodeEnum::SubscriptingRef(_)
            | NodeEnum::FuncExpr(_)
            | NodeEnum::OpExpr(_)
            | NodeEnum::DistinctExpr(_)
            | NodeEnum::NullIfExpr(_)
            | NodeEnum::ScalarArrayOpExpr(_)
            | NodeEnum::SubPlan(_)
            | NodeEnum::AlternativeSubPlan(_)
            | NodeEnum::FieldSelect(_)
            | NodeEnum::FieldStore(_)
            | NodeEnum::RelabelType(_)
            | NodeEnum::CoerceViaIo(_)
            | NodeEnum::ArrayCoerceExpr(_)
            | NodeEnum::ConvertRowtypeExpr(_)
            | NodeEnum::CollateExpr(_)
            | NodeEnum::CaseTestExpr(_)
            | NodeEnum::ArrayExpr(_)
            | NodeEnum::RowCompareExpr(_)
            | NodeEnum::JsonConstructorExpr(_)
            | NodeEnum::JsonExpr(_)
            | NodeEnum::JsonTablePath(_)
            | NodeEnum::JsonTablePathScan(_)
            | NodeEnum::JsonTableSiblingJoin(_)
            | NodeEnum::MergeAction(_)
            | NodeEnum::CoerceToDomain(_)
            | NodeEnum::CoerceToDomainValue(_)
            | NodeEnum::NextValueExpr(_)
            | NodeEnum::InferenceElem(_)
            | NodeEnum::ReturningExpr(_)
            | NodeEnum::TargetEntry(_)
            | NodeEnum::RangeTblRef(_)
            | NodeEnum::FromExpr(_)
            | NodeEnum::OnConflictExpr(_)
            | NodeEnum::Query(_)
            | NodeEnum::RoleSpec(_)
            | NodeEnum::RangeTableFuncCol(_)
            | NodeEnum::ColumnDef(_)
            | NodeEnum::TableLikeClause(_)
            | NodeEnum::LockingClause(_)
            | NodeEnum::PartitionSpec(_)
            | NodeEnum::PartitionBoundSpec(_)
            | NodeEnum::PartitionCmd(_)
            | NodeEnum::RangeTblEntry(_)
            | NodeEnum::RtepermissionInfo(_)
            | NodeEnum::RangeTblFunction(_)
            | NodeEnum::TableSampleClause(_)
            | NodeEnum::WithCheckOption(_)
            | NodeEnum::SortGroupClause(_)
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
            | NodeEnum::JsonTableColumn(_)
            | NodeEnum::RawStmt(_)
            | NodeEnum::SetOperationStmt(_)
            | NodeEnum::ReturnStmt(_)
            | NodeEnum::PlassignStmt(_)
            | NodeEnum::CreateSchemaStmt(_)
            | NodeEnum::AlterTableStmt(_)
            | NodeEnum::AlterTableCmd(_)
            | NodeEnum::AtalterConstraint(_)
            | NodeEnum::ReplicaIdentityStmt(_)
            | NodeEnum::AlterCollationStmt(_)
            | NodeEnum::AlterDomainStmt(_)
            | NodeEnum::GrantStmt(_)
            | NodeEnum::ObjectWithArgs(_)
            | NodeEnum::AccessPriv(_)
            | NodeEnum::GrantRoleStmt(_)
            | NodeEnum::AlterDefaultPrivilegesStmt(_)
            | NodeEnum::CopyStmt(_)
            | NodeEnum::VariableSetStmt(_)
            | NodeEnum::VariableShowStmt(_)
            | NodeEnum::CreateStmt(_)
            | NodeEnum::Constraint(_)
            | NodeEnum::CreateTableSpaceStmt(_)
            | NodeEnum::DropTableSpaceStmt(_)
            | NodeEnum::AlterTableSpaceOptionsStmt(_)
            | NodeEnum::AlterTableMoveAllStmt(_)
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
            | NodeEnum::CreatePolicyStmt(_)
            | NodeEnum::AlterPolicyStmt(_)
            | NodeEnum::CreateAmStmt(_)
            | NodeEnum::CreateTrigStmt(_)
            | NodeEnum::CreateEventTrigStmt(_)
            | NodeEnum::AlterEventTrigStmt(_)
            | NodeEnum::CreatePlangStmt(_)
            | NodeEnum::CreateRoleStmt(_)
            | NodeEnum::AlterRoleStmt(_)
            | NodeEnum::AlterRoleSetStmt(_)
            | NodeEnum::DropRoleStmt(_)
            | NodeEnum::CreateSeqStmt(_)
            | NodeEnum::AlterSeqStmt(_)
            | NodeEnum::DefineStmt(_)
            | NodeEnum::CreateDomainStmt(_)
            | NodeEnum::CreateOpClassStmt(_)
            | NodeEnum::CreateOpClassItem(_)
            | NodeEnum::CreateOpFamilyStmt(_)
            | NodeEnum::AlterOpFamilyStmt(_)
            | NodeEnum::DropStmt(_)
            | NodeEnum::TruncateStmt(_)
            | NodeEnum::CommentStmt(_)
            | NodeEnum::SecLabelStmt(_)
            | NodeEnum::DeclareCursorStmt(_)
            | NodeEnum::ClosePortalStmt(_)
            | NodeEnum::FetchStmt(_)
            | NodeEnum::IndexStmt(_)
            | NodeEnum::CreateStatsStmt(_)
            | NodeEnum::AlterStatsStmt(_)
            | NodeEnum::CreateFunctionStmt(_)
            | NodeEnum::FunctionParameter(_)
            | NodeEnum::AlterFunctionStmt(_)
            | NodeEnum::DoStmt(_)
            | NodeEnum::InlineCodeBlock(_)
            | NodeEnum::CallStmt(_)
            | NodeEnum::CallContext(_)
            | NodeEnum::RenameStmt(_)
            | NodeEnum::AlterObjectDependsStmt(_)
            | NodeEnum::AlterObjectSchemaStmt(_)
            | NodeEnum::AlterOwnerStmt(_)
            | NodeEnum::AlterOperatorStmt(_)
            | NodeEnum::AlterTypeStmt(_)
            | NodeEnum::RuleStmt(_)
            | NodeEnum::NotifyStmt(_)
            | NodeEnum::ListenStmt(_)
            | NodeEnum::UnlistenStmt(_)
            | NodeEnum::TransactionStmt(_)
            | NodeEnum::CompositeTypeStmt(_)
            | NodeEnum::CreateEnumStmt(_)
            | NodeEnum::CreateRangeStmt(_)
            | NodeEnum::AlterEnumStmt(_)
            | NodeEnum::ViewStmt(_)
            | NodeEnum::LoadStmt(_)
            | NodeEnum::CreatedbStmt(_)
            | NodeEnum::AlterDatabaseStmt(_)
            | NodeEnum::AlterDatabaseRefreshCollStmt(_)
            | NodeEnum::AlterDatabaseSetStmt(_)
            | NodeEnum::DropdbStmt(_)
            | NodeEnum::AlterSystemStmt(_)
            | NodeEnum::ClusterStmt(_)
            | NodeEnum::VacuumStmt(_)
            | NodeEnum::VacuumRelation(_)
            | NodeEnum::ExplainStmt(_)
            | NodeEnum::CreateTableAsStmt(_)
            | NodeEnum::RefreshMatViewStmt(_)
            | NodeEnum::CheckPointStmt(_)
            | NodeEnum::DiscardStmt(_)
            | NodeEnum::LockStmt(_)
            | NodeEnum::ConstraintsSetStmt(_)
            | NodeEnum::ReindexStmt(_)
            | NodeEnum::CreateConversionStmt(_)
            | NodeEnum::CreateCastStmt(_)
            | NodeEnum::CreateTransformStmt(_)
            | NodeEnum::PrepareStmt(_)
            | NodeEnum::ExecuteStmt(_)
            | NodeEnum::DeallocateStmt(_)
            | NodeEnum::DropOwnedStmt(_)
            | NodeEnum::ReassignOwnedStmt(_)
            | NodeEnum::AlterTsdictionaryStmt(_)
            | NodeEnum::AlterTsconfigurationStmt(_)
            | NodeEnum::PublicationTable(_)
            | NodeEnum::PublicationObjSpec(_)
            | NodeEnum::CreatePublicationStmt(_)
            | NodeEnum::AlterPublicationStmt(_)
            | NodeEnum::CreateSubscriptionStmt(_)
            | NodeEnum::AlterSubscriptionStmt(_)
            | NodeEnum::DropSubscriptionStmt(_)
            | NodeEnum::IntList(_)
            | NodeEnum::OidList(_) => {
                self.found
                    .incomplete("holds an expression of a kind that is not known");
            }
        }
    }

    fn column(&mut self, column: &ColumnRef) {
        self.columns_met += 1;
        if let Some(owners) = &mut self.owners_met {
            let parts = names::parts(&column.fields);
            owners.push(match parts.as_slice() {
                [.., owner, _] => Some((*owner).to_owned()),
                _ => None,
            });
        }
        let star = column
            .fields
            .iter()
            .any(|f| matches!(f.node, Some(NodeEnum::AStar(_))));
        if !star && column.fields.len() <= 1 && self.guarded.is_empty() {
            return;
        }
        let fields = names::parts(&column.fields);
        if !self.guarded.is_empty() {
            self.guarded_column(&fields, star);
        }
        if let [.., owner, last] = fields.as_slice()
            && !star
        {
            self.attribute(Some(owner), last);
        }
    }

    fn indirection(&mut self, nodes: &[Node]) {
        for node in nodes {
            match names::kind(node) {
                Some(NodeEnum::String(name)) => {
                    self.guarded_field(&name.sval);
                    self.attribute(None, &name.sval);
                }
                Some(NodeEnum::AStar(_)) => self.guarded_column(&[], true),
                _ => self.expr(node),
            }
        }
    }

    fn operation(&mut self, e: &AExpr) {
        self.unasked_casts(false);
        self.maybe(e.lexpr.as_deref());
        self.maybe(e.rexpr.as_deref());
        let (schema, name) = names::schema_and_name(&e.name).unwrap_or((None, "="));
        match AExprKind::try_from(e.kind) {
            Ok(AExprKind::AexprBetween | AExprKind::AexprBetweenSym) => {
                self.operator(None, ">=");
                self.operator(None, "<=");
            }
            Ok(AExprKind::AexprNotBetween | AExprKind::AexprNotBetweenSym) => {
                self.operator(None, "<");
                self.operator(None, ">");
            }
            Ok(
                AExprKind::AexprOp
                | AExprKind::AexprOpAny
                | AExprKind::AexprOpAll
                | AExprKind::AexprDistinct
                | AExprKind::AexprNotDistinct
                | AExprKind::AexprNullif
                | AExprKind::AexprIn
                | AExprKind::AexprLike
                | AExprKind::AexprIlike
                | AExprKind::AexprSimilar,
            ) => self.operator(schema, name),
            Ok(AExprKind::Undefined) | Err(_) => {
                self.found
                    .incomplete("holds an operation of a kind that is not known");
            }
        }
    }

    fn sub_link(&mut self, link: &SubLink) {
        self.maybe(link.testexpr.as_deref());
        if SubLinkType::try_from(link.sub_link_type) == Ok(SubLinkType::AnySublink)
            && link.oper_name.is_empty()
        {
            self.operator(None, "=");
        }
        if let Some((schema, name)) = names::schema_and_name(&link.oper_name) {
            self.operator(schema, name);
        }
        self.query_node(link.subselect.as_deref());
    }

    fn func_call(&mut self, call: &FuncCall) {
        self.exprs(&call.args);
        self.exprs(&call.agg_order);
        self.maybe(call.agg_filter.as_deref());
        if let Some(window) = &call.over {
            self.window(window);
        }
        self.call(call);
    }

    pub(crate) fn window(&mut self, window: &WindowDef) {
        self.exprs(&window.partition_clause);
        self.exprs(&window.order_clause);
        self.maybe(window.start_offset.as_deref());
        self.maybe(window.end_offset.as_deref());
    }

    pub(crate) fn maybe_json(&mut self, value: Option<&JsonValueExpr>) {
        if let Some(value) = value {
            self.json_value(value);
        }
    }

    fn json_value(&mut self, value: &JsonValueExpr) {
        self.maybe(value.raw_expr.as_deref());
        self.maybe(value.formatted_expr.as_deref());
    }

    pub(crate) fn json_output(&mut self, output: Option<&JsonOutput>) {
        if let Some(name) = output.and_then(|o| o.type_name.as_ref()) {
            self.type_name(name);
        }
    }

    pub(crate) fn json_behavior(&mut self, behavior: Option<&JsonBehavior>) {
        if let Some(behavior) = behavior {
            self.maybe(behavior.expr.as_deref());
        }
    }

    fn json_aggregate(&mut self, constructor: Option<&pg_query::protobuf::JsonAggConstructor>) {
        if let Some(constructor) = constructor {
            self.json_output(constructor.output.as_ref());
            self.maybe(constructor.agg_filter.as_deref());
            self.exprs(&constructor.agg_order);
            if let Some(window) = &constructor.over {
                self.window(window);
            }
        }
    }
}

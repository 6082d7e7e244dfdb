//! Where the rows lie that a plain UPDATE or DELETE is about to change: a question made of its own condition.
//!
//! It must not make a question that could do more than look: only constants, columns and operators pass, on one
//! relation. What it cannot turn into a question it leaves alone, and somebody else has to look for the rows.

use pg_query::DeparseOptions;
use pg_query::NodeEnum;
use pg_query::protobuf::{AExprKind, Node, RangeVar};

use super::catalog::{Catalog, RelationKind};
use super::script::{Script, StatementKind};
use super::{limits, names, parse};

/// What is asked for; the statement's own relation and condition are put in.
const TEMPLATE: &str = "select tableoid, ctid from t";

/// A question for the table (`tableoid`) and the place (`ctid`) of at most `most` rows that the one statement of
/// `sql` would change if it ran now; none where it is not plain. `script` is what [`super::analyse`] found in `sql`,
/// complete: then the operators are PostgreSQL's own.
#[must_use]
pub fn places(sql: &str, script: &Script, catalog: &Catalog, most: u64) -> Option<String> {
    let [statement] = script.statements.as_slice() else {
        return None;
    };
    let plain = statement.kind == StatementKind::Query
        && statement.analysis.is_complete()
        && !limits::may_nest_deeply(sql)
        && statement.relations.iter().all(|r| {
            let known = catalog.relation_by_oid(r.oid);
            known.is_some_and(|known| {
                let table = matches!(known.kind, RelationKind::Table | RelationKind::Partitioned);
                // A policy is code that the statement runs, and that must not run twice.
                table && !known.row_security && known.rules.is_empty()
            })
        });
    if !plain {
        return None;
    }
    let (relation, condition) = match parse::parse_one(sql)? {
        NodeEnum::UpdateStmt(s) if s.with_clause.is_none() && s.from_clause.is_empty() => {
            (s.relation?, s.where_clause?)
        }
        NodeEnum::DeleteStmt(s) if s.with_clause.is_none() && s.using_clause.is_empty() => {
            (s.relation?, s.where_clause?)
        }
        _ => return None,
    };
    looks_only(&condition).then(|| ask(relation, condition, most))?
}

fn ask(relation: RangeVar, condition: Box<Node>, most: u64) -> Option<String> {
    let NodeEnum::SelectStmt(mut select) = parse::parse_one(TEMPLATE)? else {
        return None;
    };
    let relation = Node {
        node: Some(NodeEnum::RangeVar(relation)),
    };
    select.from_clause = vec![relation];
    select.where_clause = Some(condition);
    let text = NodeEnum::SelectStmt(select)
        .deparse(DeparseOptions::default())
        .ok()?;
    Some(format!("{text} limit {most}"))
}

/// Whether an expression has nothing but constants, columns, and operators on them.
fn looks_only(node: &Node) -> bool {
    let all = |nodes: &[Node]| nodes.iter().all(looks_only);
    let maybe = |node: &Option<Box<Node>>| node.as_deref().is_none_or(looks_only);
    match names::kind(node) {
        Some(NodeEnum::AConst(_)) => true,
        Some(NodeEnum::ColumnRef(column)) => column
            .fields
            .iter()
            .all(|field| names::string(field).is_some()),
        Some(NodeEnum::TypeCast(cast)) => maybe(&cast.arg),
        Some(NodeEnum::AExpr(expression)) => {
            use AExprKind as Kind;
            let plain = matches!(
                Kind::try_from(expression.kind),
                Ok(Kind::AexprOp
                    | Kind::AexprOpAny
                    | Kind::AexprOpAll
                    | Kind::AexprDistinct
                    | Kind::AexprNotDistinct
                    | Kind::AexprIn
                    | Kind::AexprLike
                    | Kind::AexprIlike
                    | Kind::AexprBetween
                    | Kind::AexprNotBetween)
            );
            plain && maybe(&expression.lexpr) && maybe(&expression.rexpr)
        }
        Some(NodeEnum::BoolExpr(expression)) => all(&expression.args),
        Some(NodeEnum::NullTest(test)) => maybe(&test.arg),
        Some(NodeEnum::BooleanTest(test)) => maybe(&test.arg),
        Some(NodeEnum::AArrayExpr(array)) => all(&array.elements),
        Some(NodeEnum::List(list)) => all(&list.items),
        _ => false,
    }
}

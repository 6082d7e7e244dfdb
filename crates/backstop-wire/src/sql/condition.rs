//! Under which condition the rows of a table are about to change: an UPDATE's or DELETE's own, or that of the keys which
//! an INSERT with ON CONFLICT would meet.
//!
//! It must not make a condition that could do more than look, for whoever asks it has more rights than the agent: only
//! constants, parameters, columns of PostgreSQL's own types, and PostgreSQL's own operators pass, on one table. What it
//! cannot turn into such a condition it leaves alone, and somebody else has to look for the rows.

use std::sync::Arc;

use pg_query::DeparseOptions;
use pg_query::NodeEnum;
use pg_query::protobuf::{
    AExpr, AExprKind, BoolExpr, BoolExprType, ColumnRef, InsertStmt, Node, OnConflictAction,
    RangeVar, String as Name, TypeName,
};

use super::catalog::{Catalog, ForeignKey, ReferentialAction, Relation, RelationKind};
use super::script::{Script, Statement, StatementKind};
use super::{limits, names, parse, quote};

/// What a condition is printed behind.
const TEMPLATE: &str = "select 1 from t";
/// The same, as it is printed.
const PRINTED: &str = "SELECT 1 FROM t WHERE ";
/// How many conditions foreign keys may lead to.
const REFERRING: usize = 24;
/// How long all conditions of a statement may be together, bytes: they are kept as long as the statement is.
const LONGEST: usize = 16 * 1024;
/// How many keys of an INSERT are looked for.
const KEYS: usize = 200;

/// Rows of one table, by a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The OID of the table that the statement names; its partitions and children are meant as well.
    pub relation: u32,
    /// The condition: SQL for behind WHERE, with columns by their bare names and parameters `$1`, `$2`, ….
    pub sql: Arc<str>,
    /// Which of the statement's parameters these are, from 0.
    pub parameters: Vec<usize>,
}

/// The conditions of those statements of `sql` that are plain enough. `script` is what [`super::analyse`] found in `sql`.
#[must_use]
pub fn conditions(sql: &str, script: &Script, catalog: &Catalog) -> Vec<Condition> {
    if limits::may_nest_deeply(sql) {
        return vec![];
    }
    let of = |statement: &Statement| of(sql.get(statement.range.clone())?, statement, catalog);
    let all = script.statements.iter().filter_map(of);
    all.flatten().collect()
}

/// What one statement says: of the table that it names, and of those that its foreign keys lead to.
fn of(sql: &str, statement: &Statement, catalog: &Catalog) -> Option<Vec<Condition>> {
    if statement.kind != StatementKind::Query || !statement.analysis.is_complete() {
        return None;
    }
    let mut deletes = false;
    let (relation, condition) = match parse::parse_one(sql)? {
        NodeEnum::UpdateStmt(s) if s.with_clause.is_none() && s.from_clause.is_empty() => {
            (s.relation?, *s.where_clause?)
        }
        NodeEnum::DeleteStmt(s) if s.with_clause.is_none() && s.using_clause.is_empty() => {
            deletes = true;
            (s.relation?, *s.where_clause?)
        }
        NodeEnum::InsertStmt(s) if s.with_clause.is_none() => {
            let table = table(s.relation.as_ref()?, statement, catalog)?;
            let met = met(&s, table)?;
            (s.relation?, met)
        }
        _ => return None,
    };
    let table = table(&relation, statement, catalog)?;
    let mut asked = Asked {
        table,
        goes_by: names::alias_or_name(&relation).to_owned(),
        parameters: vec![],
    };
    let condition = asked.node(&condition)?;
    let first = Condition {
        relation: table.oid,
        sql: print(condition)?.into(),
        parameters: asked.parameters,
    };
    let mut length = first.sql.len();
    if length > LONGEST {
        return None;
    }
    let mut all = vec![first];
    let mut next = 0;
    while let Some(condition) = all.get(next).filter(|_| deletes) {
        for further in referring(condition, catalog) {
            length += further.sql.len();
            if length > LONGEST || all.len() > REFERRING {
                return Some(all);
            }
            all.push(further);
        }
        next += 1;
    }
    Some(all)
}

/// The rows that go, or lose their reference, when those of a condition are deleted.
fn referring(condition: &Condition, catalog: &Catalog) -> Vec<Condition> {
    let Some(table) = catalog.relation_by_oid(condition.relation) else {
        return vec![];
    };
    let plain = |relation: &Relation, names: &[String]| {
        let typed = |name: &String| relation.typed.iter().any(|(c, _)| c == name);
        !names.is_empty() && !names.iter().any(typed)
    };
    let list = |names: &[String]| {
        let names: Vec<String> = names.iter().map(|name| quote::ident(name)).collect();
        names.join(", ")
    };
    let follow = |key: &ForeignKey| {
        let from = catalog.relation_by_oid(key.from)?;
        let fits = key.on_delete != ReferentialAction::Refuse
            && plain(from, &key.from_columns)
            && plain(table, &key.columns);
        fits.then(|| Condition {
            relation: from.oid,
            sql: format!(
                "({}) in (select {} from {} where {})",
                list(&key.from_columns),
                list(&key.columns),
                quote::qualified(&table.schema, &table.name),
                condition.sql
            )
            .into(),
            parameters: condition.parameters.clone(),
        })
    };
    table.referenced_by.iter().filter_map(follow).collect()
}

/// The plain table that the statement means.
fn table<'a>(
    range: &RangeVar,
    statement: &Statement,
    catalog: &'a Catalog,
) -> Option<&'a Relation> {
    let mut found = statement.relations.iter().filter(|r| {
        r.name == range.relname && names::schema(range).is_none_or(|schema| schema == r.schema)
    });
    let (Some(one), None) = (found.next(), found.next()) else {
        return None;
    };
    let known = catalog.relation_by_oid(one.oid)?;
    let plain = matches!(known.kind, RelationKind::Table | RelationKind::Partitioned);
    (plain && known.rules.is_empty()).then_some(known)
}

/// The rows that an INSERT would meet: those that have one of its keys.
fn met(insert: &InsertStmt, table: &Relation) -> Option<Node> {
    let conflict = insert.on_conflict_clause.as_ref()?;
    if conflict.action != OnConflictAction::OnconflictUpdate as i32 {
        return None;
    }
    let infer = conflict.infer.as_ref()?;
    let key: Vec<&str> = infer
        .index_elems
        .iter()
        .map(|element| match names::kind(element)? {
            NodeEnum::IndexElem(e) if e.expr.is_none() && !e.name.is_empty() => {
                Some(e.name.as_str())
            }
            _ => None,
        })
        .collect::<Option<_>>()?;
    let columns: Vec<&str> = if insert.cols.is_empty() {
        table.columns.iter().map(String::as_str).collect()
    } else {
        let name = |node| match names::kind(node)? {
            NodeEnum::ResTarget(target) => Some(target.name.as_str()),
            _ => None,
        };
        insert.cols.iter().map(name).collect::<Option<_>>()?
    };
    let places: Vec<usize> = key
        .iter()
        .map(|k| columns.iter().position(|c| c == k))
        .collect::<Option<_>>()?;
    let NodeEnum::SelectStmt(values) = names::inner(insert.select_stmt.as_deref())? else {
        return None;
    };
    let rows = &values.values_lists;
    if key.is_empty() || rows.is_empty() || rows.len() > KEYS {
        return None;
    }
    let row = |node: &Node| {
        let Some(NodeEnum::List(list)) = names::kind(node) else {
            return None;
        };
        let equal = |(name, place): (&&str, &usize)| {
            Some(equal(column(name), list.items.get(*place)?.clone()))
        };
        let all = key.iter().zip(&places).map(equal).collect::<Option<_>>()?;
        Some(joined(BoolExprType::AndExpr, all))
    };
    let rows: Vec<Node> = rows.iter().map(row).collect::<Option<_>>()?;
    Some(joined(BoolExprType::OrExpr, rows))
}

/// A condition that is being put together.
struct Asked<'a> {
    table: &'a Relation,
    /// The name that the table goes by in its statement.
    goes_by: String,
    parameters: Vec<usize>,
}

impl Asked<'_> {
    /// The same expression with bare columns and parameters numbered anew; none if there is anything in it but
    /// constants, parameters, columns, and operators on them.
    fn node(&mut self, node: &Node) -> Option<Node> {
        let mut node = node.clone();
        match node.node.as_mut()? {
            NodeEnum::AConst(_) => {}
            NodeEnum::ColumnRef(reference) => *reference = self.column(reference)?,
            NodeEnum::ParamRef(parameter) => {
                let which = usize::try_from(parameter.number).ok()?.checked_sub(1)?;
                let known = self.parameters.iter().position(|p| *p == which);
                let place = known.unwrap_or_else(|| {
                    self.parameters.push(which);
                    self.parameters.len() - 1
                });
                parameter.number = i32::try_from(place).ok()? + 1;
            }
            NodeEnum::TypeCast(cast) => {
                if !is_built_in(cast.type_name.as_ref()?) {
                    return None;
                }
                self.inner(&mut cast.arg)?;
            }
            NodeEnum::AExpr(expression) => {
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
                let (schema, _) = names::schema_and_name(&expression.name)?;
                if !plain || schema.is_some_and(|schema| schema != "pg_catalog") {
                    return None;
                }
                self.inner(&mut expression.lexpr)?;
                self.inner(&mut expression.rexpr)?;
            }
            NodeEnum::BoolExpr(expression) => self.all(&mut expression.args)?,
            NodeEnum::NullTest(test) => self.inner(&mut test.arg)?,
            NodeEnum::BooleanTest(test) => self.inner(&mut test.arg)?,
            NodeEnum::AArrayExpr(array) => self.all(&mut array.elements)?,
            NodeEnum::List(list) => self.all(&mut list.items)?,
            _ => return None,
        }
        Some(node)
    }

    fn inner(&mut self, node: &mut Option<Box<Node>>) -> Option<()> {
        if let Some(inner) = node {
            **inner = self.node(inner)?;
        }
        Some(())
    }

    fn all(&mut self, nodes: &mut [Node]) -> Option<()> {
        for node in nodes {
            *node = self.node(node)?;
        }
        Some(())
    }

    /// One of the table's own columns, of a type of PostgreSQL's own: another type's input may run others' code.
    fn column(&self, reference: &ColumnRef) -> Option<ColumnRef> {
        let parts: Vec<&str> = names::parts(&reference.fields);
        let name = match parts.as_slice() {
            [name] if reference.fields.len() == 1 => *name,
            [table, name] if reference.fields.len() == 2 && *table == self.goes_by => *name,
            _ => return None,
        };
        let own = self.table.columns.iter().any(|c| c == name)
            && !self.table.typed.iter().any(|(c, _)| c == name);
        let NodeEnum::ColumnRef(bare) = column(name).node? else {
            return None;
        };
        own.then_some(bare)
    }
}

/// Whether a cast can only lead to a type of PostgreSQL's own: whoever asks has no other schema in its search path.
fn is_built_in(name: &TypeName) -> bool {
    let schema = match names::schema_and_name(&name.names) {
        Some((schema, _)) => schema,
        None => return false,
    };
    schema.is_none_or(|schema| schema == "pg_catalog")
}

fn column(name: &str) -> Node {
    node(NodeEnum::ColumnRef(ColumnRef {
        fields: vec![string(name)],
        location: -1,
    }))
}

fn equal(left: Node, right: Node) -> Node {
    node(NodeEnum::AExpr(Box::new(AExpr {
        kind: AExprKind::AexprOp as i32,
        name: vec![string("=")],
        lexpr: Some(Box::new(left)),
        rexpr: Some(Box::new(right)),
        location: -1,
        ..AExpr::default()
    })))
}

/// Several conditions as one.
fn joined(how: BoolExprType, mut all: Vec<Node>) -> Node {
    match all.pop() {
        Some(one) if all.is_empty() => one,
        last => {
            all.extend(last);
            node(NodeEnum::BoolExpr(Box::new(BoolExpr {
                xpr: None,
                boolop: how as i32,
                args: all,
                location: -1,
            })))
        }
    }
}

fn string(text: &str) -> Node {
    node(NodeEnum::String(Name {
        sval: text.to_owned(),
    }))
}

fn node(kind: NodeEnum) -> Node {
    Node { node: Some(kind) }
}

/// The condition as text.
fn print(condition: Node) -> Option<String> {
    let NodeEnum::SelectStmt(mut select) = parse::parse_one(TEMPLATE)? else {
        return None;
    };
    select.where_clause = Some(Box::new(condition));
    let text = NodeEnum::SelectStmt(select)
        .deparse(DeparseOptions::default())
        .ok()?;
    text.strip_prefix(PRINTED).map(str::to_owned)
}

//! How many rows a WHERE can let through, proved from the statement and the target's unique keys.
//! It must not guess: where nothing is proved, the answer is `Unbounded`.

use backstop_core::effect::Bound;
use pg_query::NodeEnum;
use pg_query::protobuf::{
    AExpr, AExprKind, BoolExpr, BoolExprType, Node, NullTestType, TypeCast, a_const,
};

use super::super::catalog::{Relation, RelationKind};
use super::super::names;

/// Types into which a constant may be cast and still meet at most one value of a unique key. `bpchar` is not one:
/// compared as it, values that differ in trailing spaces are equal.
const EXACT: &[&str] = &[
    "bigint",
    "bool",
    "bytea",
    "char",
    "date",
    "inet",
    "int2",
    "int4",
    "int8",
    "integer",
    "name",
    "numeric",
    "oid",
    "text",
    "timestamp",
    "timestamptz",
    "uuid",
    "varchar",
];

/// Type oids of parameters that meet at most one value of a key: undeclared, and those that are compared as the key's
/// own type or hold all of its values. Floating point does not, nor does `bpchar`.
const EXACT_PARAMETERS: &[u32] = &[
    0, 16, 17, 18, 19, 20, 21, 23, 25, 26, 650, 705, 774, 829, 869, 1043, 1082, 1083, 1114, 1184,
    1186, 1266, 1560, 1562, 1700, 2950, 3220,
];

/// What the target is called in the statement, and what else could be meant by a bare column.
pub(crate) struct Pinning<'a> {
    pub(crate) name: &'a str,
    /// Whether other relations stand beside it.
    pub(crate) joined: bool,
    pub(crate) parameter_types: &'a [u32],
    /// Whether the target's inheriting tables are meant too.
    pub(crate) with_children: bool,
    /// Whether the target is only assumed to exist: the dry run without a target.
    pub(crate) assumed: bool,
}

/// At most how many rows of `relation` the condition lets through.
pub(crate) fn bound(
    relation: Option<&Relation>,
    condition: Option<&Node>,
    pinning: &Pinning<'_>,
) -> Bound {
    let Some(condition) = condition else {
        return Bound::Unbounded;
    };
    let Some(relation) = relation else {
        return if pinning.assumed {
            bound_of_assumed(condition, pinning)
        } else {
            Bound::Unbounded
        };
    };
    if matches!(names::kind(condition), Some(NodeEnum::CurrentOfExpr(_))) {
        return Bound::Rows(1);
    }
    // A unique key of a table says nothing about the tables that inherit from it.
    if relation.kind == RelationKind::Table
        && !relation.children.is_empty()
        && pinning.with_children
    {
        return Bound::Unbounded;
    }
    let mut pins: Vec<(&str, u64)> = Vec::new();
    conjuncts(condition, &mut |part| {
        if let Some(pin) = pin(part, pinning) {
            pins.push(pin);
        }
    });
    let of = |column: &String| {
        pins.iter()
            .filter(|(name, _)| name == column)
            .map(|(_, n)| *n)
            .min()
    };
    let by_key = relation
        .keys
        .iter()
        .filter_map(|key| {
            key.iter()
                .try_fold(1_u64, |rows, column| Some(rows.saturating_mul(of(column)?)))
        })
        .min();
    let by_place = (relation.kind == RelationKind::Table)
        .then(|| of(&"ctid".to_owned()))
        .flatten();
    match by_key.into_iter().chain(by_place).min() {
        Some(rows) => Bound::Rows(rows),
        None => Bound::Unbounded,
    }
}

/// A table that the dry run only assumes is assumed to have a primary key called `id`. A live target's tables are
/// never assumed.
fn bound_of_assumed(condition: &Node, pinning: &Pinning<'_>) -> Bound {
    let mut rows = None;
    conjuncts(condition, &mut |part| {
        if let Some(("id", n)) = pin(part, pinning) {
            rows = Some(rows.map_or(n, |known: u64| known.min(n)));
        }
    });
    rows.map_or(Bound::Unbounded, Bound::Rows)
}

/// The parts that are joined by AND at the top.
pub(crate) fn conjuncts<'n>(condition: &'n Node, visit: &mut impl FnMut(&'n Node)) {
    let mut waiting = vec![condition];
    while let Some(node) = waiting.pop() {
        match names::kind(node) {
            Some(NodeEnum::BoolExpr(e)) if e.boolop == BoolExprType::AndExpr as i32 => {
                waiting.extend(&e.args)
            }
            _ => visit(node),
        }
    }
}

/// The column that a condition pins, and to how many values.
fn pin<'n>(node: &'n Node, pinning: &Pinning<'_>) -> Option<(&'n str, u64)> {
    let Some(NodeEnum::AExpr(e)) = names::kind(node) else {
        return None;
    };
    let (schema, operator) = names::schema_and_name(&e.name)?;
    if operator != "=" || schema.is_some_and(|s| s != "pg_catalog") {
        return None;
    }
    let (left, right) = (e.lexpr.as_deref()?, e.rexpr.as_deref()?);
    match AExprKind::try_from(e.kind).ok()? {
        AExprKind::AexprOp => {
            let forward = column(left, pinning).filter(|_| is_value(right, pinning));
            let column =
                forward.or_else(|| column(right, pinning).filter(|_| is_value(left, pinning)))?;
            Some((column, 1))
        }
        AExprKind::AexprIn => {
            let Some(NodeEnum::List(list)) = names::kind(right) else {
                return None;
            };
            let all = list.items.iter().all(|item| is_value(item, pinning));
            all.then_some((column(left, pinning)?, list.items.len() as u64))
        }
        AExprKind::AexprOpAny => Some((column(left, pinning)?, elements(right, pinning)?)),
        _ => None,
    }
}

/// A bare or qualified column of the target.
fn column<'n>(node: &'n Node, pinning: &Pinning<'_>) -> Option<&'n str> {
    let Some(NodeEnum::ColumnRef(reference)) = names::kind(node) else {
        return None;
    };
    let parts = names::parts(&reference.fields);
    if parts.len() != reference.fields.len() {
        return None;
    }
    match parts.as_slice() {
        [column] if !pinning.joined => Some(column),
        [relation, column] if *relation == pinning.name => Some(column),
        _ => None,
    }
}

/// One value, the same for every row, that meets at most one value of a unique key.
fn is_value(node: &Node, pinning: &Pinning<'_>) -> bool {
    match names::kind(node) {
        Some(NodeEnum::AConst(constant)) => !constant.isnull,
        Some(NodeEnum::ParamRef(parameter)) => {
            let at = usize::try_from(parameter.number)
                .ok()
                .and_then(|n| n.checked_sub(1));
            let declared = at.and_then(|at| pinning.parameter_types.get(at));
            declared.is_none_or(|oid| EXACT_PARAMETERS.contains(oid))
        }
        Some(NodeEnum::TypeCast(cast)) => {
            is_exact(cast)
                && cast
                    .arg
                    .as_deref()
                    .is_some_and(|arg| is_value(arg, pinning))
        }
        _ => false,
    }
}

fn is_exact(cast: &TypeCast) -> bool {
    cast.type_name.as_ref().is_some_and(|name| {
        name.array_bounds.is_empty()
            && names::schema_and_name(&name.names).is_some_and(|(schema, name)| {
                schema.is_none_or(|s| s == "pg_catalog") && EXACT.contains(&name)
            })
    })
}

/// Whether a cast is to an array type by its form.
pub(crate) fn is_array(cast: &TypeCast) -> bool {
    cast.type_name.as_ref().is_some_and(|name| {
        !name.array_bounds.is_empty()
            || names::schema_and_name(&name.names).is_some_and(|(_, name)| name.starts_with('_'))
    })
}

/// At most how many elements a constant array has.
fn elements(node: &Node, pinning: &Pinning<'_>) -> Option<u64> {
    match names::kind(node)? {
        NodeEnum::AArrayExpr(array) => array
            .elements
            .iter()
            .all(|e| is_value(e, pinning))
            .then_some(array.elements.len() as u64),
        NodeEnum::AConst(constant) => match constant.val.as_ref()? {
            a_const::Val::Sval(s) if s.sval.trim_start().starts_with('{') => {
                Some(s.sval.matches(',').count() as u64 + 1)
            }
            _ => None,
        },
        NodeEnum::TypeCast(cast) => {
            let exact = cast
                .type_name
                .as_ref()
                .and_then(|name| names::schema_and_name(&name.names));
            let exact = exact.is_some_and(|(schema, name)| {
                schema.is_none_or(|s| s == "pg_catalog")
                    && EXACT.contains(&name.trim_start_matches('_'))
            }) && is_array(cast);
            if exact {
                elements(cast.arg.as_deref()?, pinning)
            } else {
                None
            }
        }
        _ => None,
    }
}

/// Whether a condition is true for every row by its form alone, whatever the columns hold.
pub(crate) fn always_true(node: &Node) -> bool {
    always(node, true, 0)
}

fn always(node: &Node, wanted: bool, depth: usize) -> bool {
    if depth > 64 {
        return false;
    }
    match names::kind(node) {
        Some(NodeEnum::AConst(constant)) => match &constant.val {
            Some(a_const::Val::Boolval(b)) => b.boolval == wanted,
            _ => false,
        },
        Some(NodeEnum::TypeCast(cast)) => {
            cast.arg
                .as_deref()
                .is_some_and(|arg| match names::setting_value(arg) {
                    Some(text) => (if wanted {
                        ["t", "true", "on", "yes", "1", "y"]
                    } else {
                        ["f", "false", "off", "no", "0", "n"]
                    })
                    .contains(&text.to_ascii_lowercase().as_str()),
                    None => always(arg, wanted, depth + 1),
                })
        }
        Some(NodeEnum::BoolExpr(e)) => always_bool(e, wanted, depth),
        Some(NodeEnum::NullTest(test)) => {
            let constant = test
                .arg
                .as_deref()
                .is_some_and(|arg| matches!(names::kind(arg), Some(NodeEnum::AConst(_))));
            let not_null = test.nulltesttype == NullTestType::IsNotNull as i32;
            constant && not_null == wanted
        }
        Some(NodeEnum::AExpr(e)) => wanted && same_on_both_sides(e),
        _ => false,
    }
}

fn always_bool(e: &BoolExpr, wanted: bool, depth: usize) -> bool {
    match BoolExprType::try_from(e.boolop) {
        Ok(BoolExprType::NotExpr) => e
            .args
            .first()
            .is_some_and(|arg| always(arg, !wanted, depth + 1)),
        Ok(BoolExprType::AndExpr) if wanted => {
            e.args.iter().all(|arg| always(arg, true, depth + 1))
        }
        Ok(BoolExprType::AndExpr) => e.args.iter().any(|arg| always(arg, false, depth + 1)),
        Ok(BoolExprType::OrExpr) if wanted => {
            e.args.iter().any(|arg| always(arg, true, depth + 1))
                || covers_null_and_not_null(&e.args)
        }
        Ok(BoolExprType::OrExpr) => e.args.iter().all(|arg| always(arg, false, depth + 1)),
        _ => false,
    }
}

/// `x IS NULL OR x IS NOT NULL`.
fn covers_null_and_not_null(arms: &[Node]) -> bool {
    // Every arm is compared with every other.
    if arms.len() > 64 {
        return false;
    }
    let tested = |wanted: NullTestType| {
        arms.iter().filter_map(move |arm| match names::kind(arm) {
            Some(NodeEnum::NullTest(test)) if test.nulltesttype == wanted as i32 => {
                column_name(test.arg.as_deref()?)
            }
            _ => None,
        })
    };
    tested(NullTestType::IsNull)
        .any(|null| tested(NullTestType::IsNotNull).any(|not_null| null == not_null))
}

fn column_name(node: &Node) -> Option<Vec<&str>> {
    match names::kind(node)? {
        NodeEnum::ColumnRef(reference) => Some(names::parts(&reference.fields)),
        _ => None,
    }
}

/// `id = id`, `id >= id`, `id IS NOT DISTINCT FROM id`: true of every row that is not null there.
fn same_on_both_sides(e: &AExpr) -> bool {
    let Some((_, operator)) = names::schema_and_name(&e.name) else {
        return false;
    };
    let kind = AExprKind::try_from(e.kind);
    let reflexive = match kind {
        Ok(AExprKind::AexprOp) => matches!(operator, "=" | ">=" | "<="),
        Ok(AExprKind::AexprNotDistinct) => true,
        Ok(AExprKind::AexprLike | AExprKind::AexprIlike) => {
            return operator.starts_with("~~")
                && e.rexpr
                    .as_deref()
                    .and_then(names::text_constant)
                    .is_some_and(|p| !p.is_empty() && p.chars().all(|c| c == '%'));
        }
        _ => false,
    };
    let left = e.lexpr.as_deref().and_then(column_name);
    reflexive && left.is_some() && left == e.rexpr.as_deref().and_then(column_name)
}

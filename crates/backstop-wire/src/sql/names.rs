//! Small readers of parse-tree parts: names, constants, options. They must not resolve or judge anything.

use pg_query::NodeEnum;
use pg_query::protobuf::{AConst, Alias, DefElem, Node, RangeVar, a_const};

/// The kind of a node, if there is one.
pub(super) fn kind(node: &Node) -> Option<&NodeEnum> {
    node.node.as_ref()
}

/// The kind behind an optional box.
pub(super) fn inner(node: Option<&Node>) -> Option<&NodeEnum> {
    node.and_then(kind)
}

/// The text of a String node.
pub(super) fn string(node: &Node) -> Option<&str> {
    match kind(node)? {
        NodeEnum::String(s) => Some(&s.sval),
        _ => None,
    }
}

/// The dotted parts of a name.
pub(super) fn parts(nodes: &[Node]) -> Vec<&str> {
    nodes.iter().filter_map(string).collect()
}

/// Schema and name of a dotted name; a leading database name is dropped: it can only be the current one.
pub(super) fn schema_and_name(nodes: &[Node]) -> Option<(Option<&str>, &str)> {
    let parts = parts(nodes);
    let (name, before) = parts.split_last()?;
    Some((before.last().copied(), name))
}

/// The dotted name of a node that carries one: a list of strings, or a single string.
pub(super) fn dotted(node: &Node) -> Option<(Option<&str>, &str)> {
    match kind(node)? {
        NodeEnum::List(list) => schema_and_name(&list.items),
        NodeEnum::String(s) => Some((None, &s.sval)),
        NodeEnum::ObjectWithArgs(object) => schema_and_name(&object.objname),
        NodeEnum::TypeName(name) => schema_and_name(&name.names),
        NodeEnum::RangeVar(range) => Some((schema(range), &range.relname)),
        _ => None,
    }
}

/// The schema of a range variable, if it names one.
pub(super) fn schema(range: &RangeVar) -> Option<&str> {
    (!range.schemaname.is_empty()).then_some(range.schemaname.as_str())
}

/// The name that a range variable goes by in its query.
pub(super) fn alias_or_name(range: &RangeVar) -> &str {
    alias(range.alias.as_ref()).unwrap_or(&range.relname)
}

/// The alias, if there is one.
pub(super) fn alias(alias: Option<&Alias>) -> Option<&str> {
    alias.map(|a| a.aliasname.as_str())
}

/// The text of a string constant, looked at through casts that leave it as it is: to `text`, and to `regclass`.
/// Others cut it: `'search_path.x'::varchar(11)` is not what it says.
pub(super) fn text_constant(node: &Node) -> Option<&str> {
    match kind(node)? {
        NodeEnum::AConst(AConst {
            val: Some(a_const::Val::Sval(s)),
            ..
        }) => Some(&s.sval),
        NodeEnum::TypeCast(cast) => {
            let to = cast.type_name.as_ref()?;
            let (schema, name) = schema_and_name(&to.names)?;
            let keeps = schema.is_none_or(|s| s == "pg_catalog")
                && matches!(name, "text" | "varchar" | "regclass")
                && to.typmods.is_empty()
                && to.array_bounds.is_empty();
            text_constant(cast.arg.as_deref().filter(|_| keeps)?)
        }
        NodeEnum::NamedArgExpr(named) => text_constant(named.arg.as_deref()?),
        _ => None,
    }
}

/// A constant as the text that SET would take it for.
pub(super) fn setting_value(node: &Node) -> Option<String> {
    match kind(node)? {
        NodeEnum::AConst(constant) => Some(match constant.val.as_ref()? {
            a_const::Val::Ival(i) => i.ival.to_string(),
            a_const::Val::Fval(f) => f.fval.clone(),
            a_const::Val::Boolval(b) => if b.boolval { "on" } else { "off" }.to_owned(),
            a_const::Val::Sval(s) => s.sval.clone(),
            a_const::Val::Bsval(b) => b.bsval.clone(),
        }),
        NodeEnum::TypeCast(cast) => setting_value(cast.arg.as_deref()?),
        NodeEnum::String(s) => Some(s.sval.clone()),
        NodeEnum::Integer(i) => Some(i.ival.to_string()),
        NodeEnum::Float(f) => Some(f.fval.clone()),
        NodeEnum::Boolean(b) => Some(if b.boolval { "on" } else { "off" }.to_owned()),
        _ => None,
    }
}

/// A non-negative integer constant.
pub(super) fn count_constant(node: &Node) -> Option<u64> {
    match kind(node)? {
        NodeEnum::AConst(AConst {
            val: Some(a_const::Val::Ival(i)),
            ..
        }) => u64::try_from(i.ival).ok(),
        NodeEnum::AConst(AConst {
            val: Some(a_const::Val::Fval(f)),
            ..
        }) => f.fval.parse().ok(),
        _ => None,
    }
}

/// The options of a statement.
pub(super) fn options(nodes: &[Node]) -> impl Iterator<Item = &DefElem> {
    nodes.iter().filter_map(|node| match kind(node)? {
        NodeEnum::DefElem(option) => Some(&**option),
        _ => None,
    })
}

/// Whether a boolean option is on: present without a value, or with one that is true. Anything else is taken for on
/// where `doubt` says so.
pub(super) fn option_is_on(nodes: &[Node], name: &str) -> bool {
    // The last one wins in PostgreSQL where repeating is allowed at all; any that is on counts here.
    options(nodes)
        .filter(|option| option.defname.eq_ignore_ascii_case(name))
        .any(|option| {
            let Some(value) = option.arg.as_deref() else {
                return true;
            };
            match setting_value(value) {
                Some(text) => !matches!(
                    text.to_ascii_lowercase().as_str(),
                    "off" | "false" | "0" | "no"
                ),
                None => true,
            }
        })
}

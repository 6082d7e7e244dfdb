//! What stands in FROM: relations, subqueries, functions, and all that joins them.
//! It must match every kind that the grammar allows there.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    JsonTable, JsonTableColumn, Node, RangeFunction, RangeTableFunc, RangeTableSample, RangeVar,
};

use super::super::names;
use super::Walk;

/// The sampling methods that come with PostgreSQL and its extensions.
const SAMPLING: &[&str] = &["bernoulli", "system", "system_rows", "system_time"];

impl Walk<'_> {
    pub(crate) fn sources(&mut self, nodes: &[Node]) {
        for node in nodes {
            if let Some(kind) = &node.node {
                self.descend(|walk| walk.source(kind));
            }
        }
    }

    pub(crate) fn source(&mut self, kind: &NodeEnum) {
        match kind {
            NodeEnum::RangeVar(range) => self.source_relation(range),
            NodeEnum::JoinExpr(join) => {
                if join.is_natural || !join.using_clause.is_empty() {
                    self.operator(None, "=");
                }
                for side in [join.larg.as_deref(), join.rarg.as_deref()]
                    .into_iter()
                    .flatten()
                {
                    self.sources(std::slice::from_ref(side));
                }
                self.maybe(join.quals.as_deref());
                if join.is_natural {
                    // A natural join compares columns that nobody names.
                    self.guarded_column(&[], true);
                }
                for column in &join.using_clause {
                    if let Some(name) = names::string(column) {
                        self.guarded_column(&[name], false);
                    }
                }
            }
            NodeEnum::RangeSubselect(sub) => {
                self.query_node(sub.subquery.as_deref());
                self.see_rows(sub.alias.as_ref());
            }
            NodeEnum::RangeFunction(function) => self.source_function(function),
            NodeEnum::RangeTableFunc(table) => self.source_xml_table(table),
            NodeEnum::JsonTable(table) => self.source_json_table(table),
            NodeEnum::RangeTableSample(sample) => self.source_sample(sample),
            _ => self
                .found
                .incomplete("reads from something of a kind that is not known"),
        }
    }

    fn source_relation(&mut self, range: &RangeVar) {
        if range.schemaname.is_empty() && self.ctes.contains(&range.relname) {
            self.see_rows(range.alias.as_ref());
            return;
        }
        let target = self.resolve(range);
        self.see_relation(&target, range);
        self.read(&target, range);
    }

    fn source_function(&mut self, function: &RangeFunction) {
        self.see_function(function, called(function));
        for item in &function.functions {
            match names::kind(item) {
                Some(NodeEnum::List(list)) => {
                    for part in &list.items {
                        if part.node.is_some() {
                            match names::kind(part) {
                                Some(NodeEnum::List(columns)) => {
                                    self.column_definitions(&columns.items)
                                }
                                _ => self.expr(part),
                            }
                        }
                    }
                }
                _ => self.expr(item),
            }
        }
        self.column_definitions(&function.coldeflist);
    }

    fn column_definitions(&mut self, nodes: &[Node]) {
        for node in nodes {
            if let Some(NodeEnum::ColumnDef(column)) = names::kind(node)
                && let Some(name) = &column.type_name
            {
                self.type_name(name);
            }
        }
    }

    fn source_xml_table(&mut self, table: &RangeTableFunc) {
        self.maybe(table.docexpr.as_deref());
        self.maybe(table.rowexpr.as_deref());
        self.exprs(&table.namespaces);
        for column in &table.columns {
            if let Some(NodeEnum::RangeTableFuncCol(column)) = names::kind(column) {
                if let Some(name) = &column.type_name {
                    self.type_name(name);
                }
                self.maybe(column.colexpr.as_deref());
                self.maybe(column.coldefexpr.as_deref());
            }
        }
    }

    fn source_json_table(&mut self, table: &JsonTable) {
        self.maybe_json(table.context_item.as_deref());
        self.exprs(&table.passing);
        self.json_behavior(table.on_error.as_deref());
        self.json_table_columns(&table.columns);
    }

    fn json_table_columns(&mut self, columns: &[Node]) {
        for column in columns {
            if let Some(NodeEnum::JsonTableColumn(column)) = names::kind(column) {
                self.descend(|walk| walk.json_table_column(column));
            }
        }
    }

    fn json_table_column(&mut self, column: &JsonTableColumn) {
        if let Some(name) = &column.type_name {
            self.type_name(name);
        }
        self.json_behavior(column.on_empty.as_deref());
        self.json_behavior(column.on_error.as_deref());
        self.json_table_columns(&column.columns);
    }

    fn source_sample(&mut self, sample: &RangeTableSample) {
        if let Some(relation) = sample.relation.as_deref() {
            self.sources(std::slice::from_ref(relation));
        }
        self.exprs(&sample.args);
        self.maybe(sample.repeatable.as_deref());
        if let Some((_, method)) = names::schema_and_name(&sample.method)
            && !SAMPLING.contains(&method)
        {
            self.found.incomplete(format!(
                "samples with the method {method}, whose code the gate cannot see"
            ));
        }
    }
}

/// The name that a function in FROM goes by without an alias: its own.
fn called(function: &RangeFunction) -> Option<&str> {
    let Some(NodeEnum::List(list)) = names::kind(function.functions.first()?) else {
        return None;
    };
    match names::kind(list.items.first()?)? {
        NodeEnum::FuncCall(call) => names::schema_and_name(&call.funcname).map(|(_, name)| name),
        _ => None,
    }
}

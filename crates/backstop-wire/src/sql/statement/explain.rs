//! EXPLAIN: plans a statement, and with ANALYZE runs it.

use pg_query::NodeEnum;
use pg_query::protobuf::ExplainStmt;

use super::super::names;
use super::super::script::StatementKind;
use super::Judge;

impl Judge<'_> {
    pub(super) fn explain(&mut self, s: &ExplainStmt) {
        let analyze = names::option_is_on(&s.options, "analyze")
            || names::option_is_on(&s.options, "analyse");
        let Some(query) = names::inner(s.query.as_deref()) else {
            self.walk.found.incomplete("explains nothing");
            return;
        };
        self.walk.planned_only = !analyze;
        match query {
            // Planning a CREATE TABLE AS plans its query; nothing is created.
            NodeEnum::CreateTableAsStmt(create) if !analyze => {
                match names::inner(create.query.as_deref()) {
                    Some(NodeEnum::ExecuteStmt(execute)) => self.run_prepared(&execute.name),
                    _ => self.walk.query_node(create.query.as_deref()),
                }
            }
            NodeEnum::DeclareCursorStmt(declare) => self.walk.query_node(declare.query.as_deref()),
            _ => self.statement(query),
        }
        self.walk.planned_only = false;
        if !analyze {
            self.creates.clear();
        }
        self.kind = StatementKind::Explain { analyze };
    }
}

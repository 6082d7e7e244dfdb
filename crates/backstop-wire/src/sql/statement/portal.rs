//! PREPARE, EXECUTE, DEALLOCATE, DECLARE and CALL: statements that run others, now or later.

use backstop_core::effect::{Effect, EffectKind, Verb};
use pg_query::NodeEnum;
use pg_query::protobuf::{CallStmt, DeallocateStmt, DeclareCursorStmt, ExecuteStmt, PrepareStmt};

use super::super::script::StatementKind;
use super::super::{limits, names, parse};
use super::Judge;

/// `CURSOR_OPT_HOLD` of PostgreSQL's parsenodes.h.
const CURSOR_HOLD: i32 = 0x0020;

impl Judge<'_> {
    /// What is prepared is judged here as it will be judged at every EXECUTE: that it never runs is no excuse.
    pub(super) fn prepare(&mut self, s: &PrepareStmt) {
        self.walk.scope.parameter_types = s.argtypes.iter().map(inexact_or_unknown).collect();
        for node in &s.argtypes {
            self.walk.expr(node);
        }
        self.walk.query_node(s.query.as_deref());
        let inner = self.inner_of_prepare(&s.name);
        if inner.is_empty() {
            self.walk
                .found
                .incomplete("prepares a statement whose text could not be found");
        }
        self.kind = StatementKind::Prepare {
            name: s.name.clone(),
            inner,
            types: self.walk.scope.parameter_types.clone(),
        };
    }

    /// The bytes after AS. The tree has no place for them: the scanner finds the first AS outside parentheses.
    fn inner_of_prepare(&self, _name: &str) -> std::ops::Range<usize> {
        let text = self.sql.get(self.range.clone()).unwrap_or_default();
        let Ok(scan) = pg_query::scan(text) else {
            return 0..0;
        };
        let mut depth = 0_usize;
        for token in scan.tokens {
            match pg_query::protobuf::Token::try_from(token.token) {
                Ok(pg_query::protobuf::Token::Ascii40) => depth += 1,
                Ok(pg_query::protobuf::Token::Ascii41) => depth = depth.saturating_sub(1),
                Ok(pg_query::protobuf::Token::As) if depth == 0 => {
                    let end = usize::try_from(token.end).unwrap_or(0);
                    let rest = text.get(end..).unwrap_or_default();
                    let lead = rest.len() - rest.trim_start().len();
                    return self.range.start + end + lead..self.range.end;
                }
                _ => {}
            }
        }
        0..0
    }

    pub(super) fn execute(&mut self, s: &ExecuteStmt) {
        self.kind = StatementKind::Execute {
            name: s.name.clone(),
        };
        self.walk.exprs(&s.params);
        self.run_prepared(&s.name);
    }

    /// What the text behind a prepared name does under the current state.
    pub(super) fn run_prepared(&mut self, name: &str) {
        self.nesting += 1;
        if self.nesting > limits::MAX_EXPANSION {
            self.walk
                .found
                .incomplete("executes statements within statements too deeply to follow");
            return;
        }
        let Some(text) = (self.walk.scope.prepared)(name) else {
            self.walk.found.incomplete(format!(
                "executes {}, which the gate has not seen prepared",
                super::super::quote::ident(name)
            ));
            return;
        };
        let Some(inner) = parse::parse_one(&text) else {
            self.walk
                .found
                .incomplete("executes a text that cannot be read");
            return;
        };
        let types = self.walk.scope.parameter_types.clone();
        let marks = self.walk.marks.len();
        match &inner {
            NodeEnum::PrepareStmt(prepare) => {
                self.walk.scope.parameter_types =
                    prepare.argtypes.iter().map(inexact_or_unknown).collect();
                self.walk.query_node(prepare.query.as_deref());
            }
            NodeEnum::SelectStmt(_)
            | NodeEnum::InsertStmt(_)
            | NodeEnum::UpdateStmt(_)
            | NodeEnum::DeleteStmt(_)
            | NodeEnum::MergeStmt(_) => {
                self.walk.scope.parameter_types.clear();
                self.walk.query(&inner);
            }
            NodeEnum::FetchStmt(_) => self
                .walk
                .found
                .incomplete("executes a FETCH, of a portal that nobody sees here"),
            // Over the protocol anything can be prepared, also what runs others.
            _ => {
                let kind = self.kind.clone();
                self.statement(&inner);
                self.kind = kind;
            }
        }
        self.walk.scope.parameter_types = types;
        // Places in the prepared text are no places in this one.
        self.walk.marks.truncate(marks);
    }

    pub(super) fn deallocate(&mut self, s: &DeallocateStmt) {
        self.kind =
            StatementKind::Deallocate((!s.isall && !s.name.is_empty()).then(|| s.name.clone()));
    }

    pub(super) fn declare(&mut self, s: &DeclareCursorStmt) {
        self.kind = StatementKind::Declare {
            name: s.portalname.clone(),
            hold: s.options & CURSOR_HOLD != 0,
        };
        self.walk.query_node(s.query.as_deref());
    }

    pub(super) fn call(&mut self, s: &CallStmt) {
        self.kind = StatementKind::Code;
        let Some(call) = &s.funccall else {
            self.walk.found.incomplete("calls nothing");
            return;
        };
        self.walk.exprs(&call.args);
        let printed = match names::schema_and_name(&call.funcname) {
            Some((Some(schema), name)) => super::super::quote::qualified(schema, name),
            Some((None, name)) => super::super::quote::ident(name),
            None => String::new(),
        };
        // A procedure may also commit, which nobody can take back: its reach says so.
        let why = format!("calls the procedure {printed}, whose code the gate cannot see");
        let named = names::schema_and_name(&call.funcname);
        let overloads = named.map_or(&[][..], |(_, name)| self.walk.catalog.functions_named(name));
        let blind = if overloads.is_empty() {
            Some("is not known to the gate".into())
        } else {
            overloads
                .iter()
                .find_map(|f| super::super::reach::of_function(self.walk.catalog, f))
        };
        self.walk.found.unproven_unless(why, blind.as_deref());
        self.walk.found.effect(
            Effect::new(EffectKind::Write, Verb::Execute, printed).because("calls a procedure"),
        );
    }
}

/// The oid of a declared type that may meet several values of a key; 0 for any other.
fn inexact_or_unknown(node: &pg_query::Node) -> u32 {
    match names::dotted(node) {
        Some((_, "float4")) => 700,
        Some((_, "float8")) => 701,
        Some((_, "bpchar")) => 1042,
        _ => 0,
    }
}

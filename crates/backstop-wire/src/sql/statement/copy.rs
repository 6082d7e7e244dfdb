//! COPY, both ways, to and from the client, files and programs.

use backstop_core::effect::{Bound, Effect, EffectKind, Verb};
use pg_query::protobuf::CopyStmt;

use super::super::catalog::Event;
use super::super::names;
use super::super::script::{Copy, CopyEnd, StatementKind};
use super::super::walk::Write;
use super::Judge;

impl Judge<'_> {
    pub(super) fn copy(&mut self, s: &CopyStmt) {
        let end = match (s.is_program, s.filename.is_empty()) {
            (true, _) => CopyEnd::Program,
            (false, false) => CopyEnd::File,
            (false, true) => CopyEnd::Client,
        };
        self.kind = StatementKind::Copy(Copy {
            from: s.is_from,
            end,
            binary: is_binary(s),
        });
        self.copy_end(end);
        if let Some(range) = &s.relation {
            let target = self.walk.resolve(range);
            self.walk.maybe(s.where_clause.as_deref());
            if s.is_from {
                self.walk.mark(range.location);
                let write = Write {
                    event: Event::Insert,
                    kind: EffectKind::Write,
                    bound: Bound::Unbounded,
                    columns: &[],
                    with_children: true,
                };
                self.walk.write(&target, &write);
            } else {
                self.walk.read(&target, range);
            }
        } else {
            self.walk.query_node(s.query.as_deref());
        }
    }

    fn copy_end(&mut self, end: CopyEnd) {
        let why = match end {
            CopyEnd::Client => return,
            CopyEnd::File => "reads or writes a file of the server's machine",
            CopyEnd::Program => "runs a program on the server's machine",
        };
        self.walk
            .found
            .effect(Effect::new(EffectKind::Escape, Verb::Execute, None).because(why));
    }
}

/// By the option's value, however it is written.
fn is_binary(s: &CopyStmt) -> bool {
    names::options(&s.options)
        .filter(|option| option.defname.eq_ignore_ascii_case("format"))
        .filter_map(|option| names::setting_value(option.arg.as_deref()?))
        .any(|format| format.eq_ignore_ascii_case("binary"))
}

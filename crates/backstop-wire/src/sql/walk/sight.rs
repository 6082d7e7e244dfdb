//! What stands in FROM, and by which name: so that `name.column` is told from a function called with a whole row.
//! It must not take a name for a column that it has not seen.

use pg_query::protobuf::{Alias, RangeFunction, RangeVar};

use super::super::catalog::{Function, Relation};
use super::super::{names, quote};
use super::{Target, Walk};

/// How much is in sight, to come back to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight {
    ctes: usize,
    guarded: usize,
    seen: usize,
}

/// One thing in FROM.
pub(crate) struct Seen<'a> {
    name: String,
    what: What<'a>,
}

#[derive(Clone)]
enum What<'a> {
    Relation(&'a Relation),
    /// A function: its row may be one value. With the column names that the alias gives.
    Function(Vec<String>),
    /// A subquery, a common table expression, a relation that the catalogue does not show: its row is a record.
    Rows,
}

impl<'a> Walk<'a> {
    pub(crate) fn sight(&self) -> Sight {
        Sight {
            ctes: self.ctes.len(),
            guarded: self.guarded.len(),
            seen: self.seen.len(),
        }
    }

    /// What came into sight since is out of it again.
    pub(crate) fn back_to(&mut self, before: Sight) {
        self.ctes.truncate(before.ctes);
        self.guarded.truncate(before.guarded);
        self.seen.truncate(before.seen);
    }

    pub(crate) fn see_relation(&mut self, target: &Target<'a>, range: &RangeVar) {
        let what = target.relation.map_or(What::Rows, What::Relation);
        self.see(names::alias_or_name(range), what);
    }

    pub(crate) fn see_rows(&mut self, alias: Option<&Alias>) {
        if let Some(name) = names::alias(alias) {
            self.see(name, What::Rows);
        }
    }

    pub(crate) fn see_function(&mut self, function: &RangeFunction, called: Option<&str>) {
        let alias = function.alias.as_ref();
        let columns = alias.map_or_else(Vec::new, |a| {
            names::parts(&a.colnames)
                .into_iter()
                .map(str::to_owned)
                .collect()
        });
        if let Some(name) = names::alias(alias).or(called) {
            self.see(name, What::Function(columns));
        }
    }

    fn see(&mut self, name: &str, what: What<'a>) {
        let name = name.to_owned();
        self.seen.push(Seen { name, what });
    }

    /// `owner.name`, or `(expression).name`: a column, or a function of that name called with what stands before.
    ///
    /// The server looks for a column first. A table's row can only be given to a function that takes that row or
    /// anything; the row of a function in FROM, and an expression, may be any value at all.
    pub(crate) fn attribute(&mut self, owner: Option<&str>, name: &str) {
        let catalog = self.catalog;
        let can_take = |f: &&Function| f.takes(1);
        if !catalog.functions_named(name).iter().any(|f| can_take(&f)) {
            return;
        }
        let what = owner.and_then(|owner| {
            let seen = self.seen.iter().rev().find(|seen| seen.name == owner)?;
            Some(seen.what.clone())
        });
        match (what, owner) {
            (Some(What::Relation(relation)), _) => {
                // The columns of the system's own are not loaded, and no function takes their rows.
                let column = relation.columns.iter().any(|c| c == name);
                if !column && !relation.columns.is_empty() {
                    self.called_with_row(name, false);
                }
            }
            (Some(What::Function(columns)), _) => {
                if !columns.iter().any(|c| c == name) {
                    self.called_with_value(name);
                }
            }
            (Some(What::Rows), _) | (None, Some(_)) => self.called_with_row(name, true),
            (None, None) => self.called_with_value(name),
        }
    }

    fn called_with_row(&mut self, name: &str, may_be_column: bool) {
        let catalog = self.catalog;
        let hidden = {
            let path = self.path();
            catalog
                .functions_named(name)
                .iter()
                .find(|f| !f.is_system() && f.takes(1) && path.contains(&&*f.schema))
        };
        if let Some(function) = hidden
            && function.extension.is_none()
            && !(may_be_column && self.is_column_of_others(name))
        {
            self.captured(function);
        }
    }

    fn called_with_value(&mut self, name: &str) {
        let catalog = self.catalog;
        let candidates: Vec<&Function> = {
            let path = self.path();
            let all = catalog.functions_named(name).iter();
            all.filter(|f| f.takes(1) && path.contains(&&*f.schema))
                .collect()
        };
        for function in candidates {
            self.set_met |= function.returns_set;
            if function.is_system() {
                self.system_call(function, &[]);
                self.volatile_overload(function);
            } else if !self.harmless_behind(function) && !self.is_column_of_others(name) {
                self.captured(function);
            }
        }
    }

    fn captured(&mut self, function: &Function) {
        self.found.incomplete(format!(
            "`.{}` could call {}",
            function.name,
            quote::qualified(&function.schema, &function.name)
        ));
    }

    /// Whether a relation or row type that the lease did not make has a column of that name.
    fn is_column_of_others(&self, name: &str) -> bool {
        self.catalog.has_column(name)
            && self.catalog.relations().any(|relation| {
                relation.columns.iter().any(|c| c == name)
                    && !self.scope.own_roles.contains(&relation.owner)
            })
    }
}

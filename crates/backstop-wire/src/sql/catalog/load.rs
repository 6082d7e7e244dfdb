//! Rows of text to a [`Catalog`]. It must refuse what it does not understand: half a catalogue would call
//! statements harmless that are not.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use super::model::{
    Cast, Catalog, Expression, ExpressionKind, ForeignKey, Function, Operator, ReferentialAction,
    Relation, RelationKind, Rule, Trigger, Type, Volatility,
};
use super::queries::{self, CatalogQuery};

/// The rows of one answer.
pub type Rows = Vec<Vec<Option<String>>>;

/// Why answers did not become a catalogue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the catalogue's `{query}` could not be read: {what}\nhint: the server's version may be one that Backstop does not support"
)]
pub struct CatalogError {
    /// The question.
    pub query: String,
    /// What is wrong with the answer.
    pub what: String,
}

impl Catalog {
    /// The questions to ask; [`Catalog::load`] takes the answers.
    #[must_use]
    pub const fn queries() -> &'static [CatalogQuery] {
        queries::ALL
    }

    /// The cheap question whose answer changes whenever another's would.
    #[must_use]
    pub const fn fingerprint_query() -> &'static str {
        queries::fingerprint_query()
    }

    /// Builds the catalogue of a live target from the answers to [`Catalog::queries`], in any order.
    ///
    /// # Errors
    ///
    /// If an answer is missing, came twice, or has a value that is not understood.
    pub fn load(
        major: u16,
        answers: impl IntoIterator<Item = (&'static str, Rows)>,
    ) -> Result<Self, CatalogError> {
        let mut given: Vec<(&'static str, Rows)> = answers.into_iter().collect();
        let mut catalog = Self {
            major,
            ..Self::default()
        };
        for query in queries::ALL {
            let at = given.iter().position(|(name, _)| *name == query.name);
            let Some(at) = at else {
                return Err(wrong(query.name, "no answer"));
            };
            let (_, rows) = given.swap_remove(at);
            catalog.add(query, rows)?;
        }
        if let Some((name, _)) = given.first() {
            return Err(wrong(name, "an answer to a question that was not asked"));
        }
        catalog.index();
        Ok(catalog)
    }

    pub(super) fn add(&mut self, query: &CatalogQuery, rows: Rows) -> Result<(), CatalogError> {
        let mut names = Names::default();
        for cells in rows {
            if cells.len() != query.columns {
                return Err(wrong(query.name, "a row of another width"));
            }
            let mut row = Row {
                query: query.name,
                cells: cells.into_iter(),
            };
            self.add_row(&mut row, &mut names)?;
        }
        Ok(())
    }

    fn add_row(&mut self, row: &mut Row, names: &mut Names) -> Result<(), CatalogError> {
        match row.query {
            "schemas" => {
                let name = row.text()?;
                self.schemas.insert(name, row.text()?);
            }
            "relations" => self.add_relation(row)?,
            "views" => self.on_relation(row, |relation, row| {
                relation.definition = row.maybe();
                Ok(())
            })?,
            "keys" => self.on_relation(row, |relation, row| {
                relation.keys.push(row.list()?);
                Ok(())
            })?,
            "foreign_keys" => self.add_foreign_key(row)?,
            "inheritance" => self.on_relation(row, |relation, row| {
                relation.children.push(row.number()?);
                Ok(())
            })?,
            "triggers" => self.on_relation(row, |relation, row| {
                relation.triggers.push(trigger(row)?);
                Ok(())
            })?,
            "rules" => self.on_relation(row, |relation, row| {
                let name = row.text()?;
                let event = row.letter()?;
                relation.rules.push(Rule {
                    name,
                    event,
                    enabled: enabled(row.letter()?),
                    definition: row.maybe().unwrap_or_default(),
                });
                Ok(())
            })?,
            "expressions" => self.add_expression(row)?,
            "functions" => {
                let function = function(row, names)?;
                self.functions
                    .entry(Arc::clone(&function.name))
                    .or_default()
                    .push(function);
            }
            "operators" => {
                let schema = names.shared(row.text()?);
                let name = row.text()?;
                let operator = Operator {
                    schema,
                    function: row.number()?,
                    extension: row.maybe().map(|e| names.shared(e)),
                };
                self.operators.entry(name).or_default().push(operator);
            }
            "types" => {
                let found = type_of(row, names)?;
                self.types
                    .entry(Arc::clone(&found.name))
                    .or_default()
                    .push(found);
            }
            "casts" => {
                let cast = Cast {
                    source: row.number()?,
                    target: row.number()?,
                    function: row.number()?,
                    context: row.letter()?,
                };
                self.casts.push(cast);
            }
            "column_types" => self.on_relation(row, |relation, row| {
                let column = row.text()?;
                relation.typed.push((column, row.number()?));
                Ok(())
            })?,
            "event_triggers" => {
                let name = row.text()?;
                self.event_triggers.push((name, row.text()?));
            }
            "dependents" => self.on_relation(row, |relation, row| {
                relation.read_by.push(row.number()?);
                Ok(())
            })?,
            _ => return Err(wrong(row.query, "not a question of ours")),
        }
        Ok(())
    }

    fn add_relation(&mut self, row: &mut Row) -> Result<(), CatalogError> {
        let oid = row.number()?;
        let (schema, name) = (row.text()?, row.text()?);
        let kind = relation_kind(row)?;
        let _persistence = row.letter()?;
        let relation = Relation {
            oid,
            schema,
            name,
            kind,
            owner: row.text()?,
            row_security: row.flag()?,
            columns: row.maybe_list()?,
            typed: Vec::new(),
            keys: Vec::new(),
            referenced_by: Vec::new(),
            children: Vec::new(),
            triggers: Vec::new(),
            rules: Vec::new(),
            expressions: Vec::new(),
            definition: None,
            read_by: Vec::new(),
            body: OnceLock::new(),
            code: OnceLock::new(),
        };
        self.column_names.extend(relation.columns.iter().cloned());
        self.relation_names
            .entry(relation.name.clone())
            .or_default()
            .push(oid);
        self.relations.insert(oid, relation);
        Ok(())
    }

    /// Rows about a relation that is gone again, or temporary, are dropped: the answers come from one snapshot,
    /// and what they leave out cannot be named by a statement that is analysed with them.
    fn on_relation(
        &mut self,
        row: &mut Row,
        change: impl FnOnce(&mut Relation, &mut Row) -> Result<(), CatalogError>,
    ) -> Result<(), CatalogError> {
        let oid = row.number()?;
        match self.relations.get_mut(&oid) {
            Some(relation) => change(relation, row),
            None => Ok(()),
        }
    }

    fn add_foreign_key(&mut self, row: &mut Row) -> Result<(), CatalogError> {
        let from = row.number()?;
        let to = row.number()?;
        let key = ForeignKey {
            from,
            name: row.text()?,
            on_delete: referential_action(row)?,
            on_update: referential_action(row)?,
            columns: row.maybe_list()?,
            from_columns: row.maybe_list()?,
        };
        if let Some(relation) = self.relations.get_mut(&to) {
            relation.referenced_by.push(key);
        }
        Ok(())
    }

    fn add_expression(&mut self, row: &mut Row) -> Result<(), CatalogError> {
        let oid = row.number()?;
        let kind = match row.text()?.as_str() {
            "default" => ExpressionKind::Default,
            "generated" => ExpressionKind::Generated,
            "check" | "index" => ExpressionKind::Written,
            "policy" => ExpressionKind::Policy,
            _ => return Err(wrong(row.query, "a kind of expression that is not known")),
        };
        let of = row.text()?;
        let _command = row.maybe();
        let text = row.text()?;
        if kind == ExpressionKind::Policy && text.contains("current_setting") {
            self.policies_read_settings = true;
        }
        if let Some(relation) = self.relations.get_mut(&oid) {
            relation.expressions.push(Expression { kind, of, text });
        }
        Ok(())
    }

    pub(super) fn index(&mut self) {
        for (name, overloads) in &self.functions {
            for (at, function) in overloads.iter().enumerate() {
                self.function_oids
                    .insert(function.oid, (Arc::clone(name), at));
            }
        }
        for (name, types) in &self.types {
            for (at, found) in types.iter().enumerate() {
                self.type_oids.insert(found.oid, (Arc::clone(name), at));
            }
        }
    }
}

fn wrong(query: &str, what: &str) -> CatalogError {
    CatalogError {
        query: query.to_owned(),
        what: what.to_owned(),
    }
}

/// Strings that thousands of rows share.
#[derive(Default)]
struct Names(HashSet<Arc<str>>);

impl Names {
    fn shared(&mut self, text: String) -> Arc<str> {
        if let Some(known) = self.0.get(text.as_str()) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.0.insert(Arc::clone(&new));
        new
    }
}

/// One row, read cell by cell.
struct Row {
    query: &'static str,
    cells: std::vec::IntoIter<Option<String>>,
}

impl Row {
    fn maybe(&mut self) -> Option<String> {
        self.cells.next().flatten()
    }

    fn text(&mut self) -> Result<String, CatalogError> {
        self.maybe()
            .ok_or_else(|| wrong(self.query, "a null where none can be"))
    }

    fn number<T: std::str::FromStr>(&mut self) -> Result<T, CatalogError> {
        self.text()?
            .parse()
            .map_err(|_| wrong(self.query, "a number that is none"))
    }

    fn letter(&mut self) -> Result<char, CatalogError> {
        self.text()?
            .chars()
            .next()
            .ok_or_else(|| wrong(self.query, "an empty letter"))
    }

    fn flag(&mut self) -> Result<bool, CatalogError> {
        match self.text()?.as_str() {
            "true" | "t" => Ok(true),
            "false" | "f" => Ok(false),
            _ => Err(wrong(self.query, "neither true nor false")),
        }
    }

    fn list(&mut self) -> Result<Vec<String>, CatalogError> {
        serde_json::from_str(&self.text()?).map_err(|_| wrong(self.query, "a list that is none"))
    }

    fn maybe_list(&mut self) -> Result<Vec<String>, CatalogError> {
        match self.maybe() {
            None => Ok(Vec::new()),
            Some(text) => {
                serde_json::from_str(&text).map_err(|_| wrong(self.query, "a list that is none"))
            }
        }
    }
}

fn relation_kind(row: &mut Row) -> Result<RelationKind, CatalogError> {
    Ok(match row.letter()? {
        'r' => RelationKind::Table,
        'p' => RelationKind::Partitioned,
        'v' => RelationKind::View,
        'm' => RelationKind::Materialised,
        'f' => RelationKind::Foreign,
        'S' => RelationKind::Sequence,
        'i' | 'I' => RelationKind::Index,
        'c' => RelationKind::Composite,
        _ => return Err(wrong(row.query, "a kind of relation that is not known")),
    })
}

fn referential_action(row: &mut Row) -> Result<ReferentialAction, CatalogError> {
    Ok(match row.letter()? {
        'a' | 'r' => ReferentialAction::Refuse,
        'c' => ReferentialAction::Cascade,
        'n' | 'd' => ReferentialAction::Set,
        _ => return Err(wrong(row.query, "a referential action that is not known")),
    })
}

fn trigger(row: &mut Row) -> Result<Trigger, CatalogError> {
    let (name, function, bits) = (row.text()?, row.number()?, row.number()?);
    Ok(Trigger {
        name,
        function,
        bits,
        enabled: enabled(row.letter()?),
        deferrable: row.flag()?,
    })
}

/// `D` is off, `R` fires only in a replica, which a lease cannot make its session.
const fn enabled(letter: char) -> bool {
    !matches!(letter, 'D' | 'R')
}

fn function(row: &mut Row, names: &mut Names) -> Result<Function, CatalogError> {
    let oid = row.number()?;
    let schema = names.shared(row.text()?);
    let name = names.shared(row.text()?);
    let kind = row.letter()?;
    let volatility = match row.letter()? {
        'i' => Volatility::Immutable,
        's' => Volatility::Stable,
        _ => Volatility::Volatile,
    };
    let arguments: u16 = row.number()?;
    let defaults: u16 = row.number()?;
    let variadic = row.flag()?;
    Ok(Function {
        oid,
        schema,
        name,
        kind,
        volatility,
        least: arguments
            .saturating_sub(defaults)
            .saturating_sub(u16::from(variadic)),
        most: (!variadic).then_some(arguments),
        security_definer: row.flag()?,
        returns_set: row.flag()?,
        language: names.shared(row.text()?),
        owner: names.shared(row.text()?),
        extension: row.maybe().map(|e| names.shared(e)),
        body: row.maybe().map(Into::into),
    })
}

fn type_of(row: &mut Row, names: &mut Names) -> Result<Type, CatalogError> {
    let oid = row.number()?;
    let schema = names.shared(row.text()?);
    let name = names.shared(row.text()?);
    let kind = row.letter()?;
    let base = row.number()?;
    let _input: u32 = row.number()?;
    let extension = row.maybe().map(|e| names.shared(e));
    Ok(Type {
        oid,
        schema,
        name,
        kind,
        base,
        extension,
        checks: row.maybe_list()?,
    })
}

//! PostgreSQL's own catalogue, embedded as data: what `judge` knows when there is no target to ask.
//! `scripts/catalogue-data.sh` writes the data from real servers; nobody edits it by hand.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::model::Catalog;
use super::queries;

const DATA: &[(&str, &str)] = &[
    ("schemas", include_str!("../../../data/stock/schemas.tsv")),
    (
        "relations",
        include_str!("../../../data/stock/relations.tsv"),
    ),
    (
        "functions",
        include_str!("../../../data/stock/functions.tsv"),
    ),
    (
        "operators",
        include_str!("../../../data/stock/operators.tsv"),
    ),
    ("types", include_str!("../../../data/stock/types.tsv")),
];

static STOCK: Mutex<Option<HashMap<u16, Arc<Catalog>>>> = Mutex::new(None);

impl Catalog {
    /// The catalogue of a fresh server of `major` (15 to 18), or of all of them at once for any other number:
    /// then the worst of them decides. Every table that is not in it is taken for an existing plain one.
    #[must_use]
    pub fn stock(major: u16) -> Arc<Self> {
        let major = if (15..=18).contains(&major) { major } else { 0 };
        let mut stock = STOCK.lock().unwrap_or_else(PoisonError::into_inner);
        let known = stock.get_or_insert_with(HashMap::new);
        Arc::clone(known.entry(major).or_insert_with(|| Arc::new(build(major))))
    }
}

fn build(major: u16) -> Catalog {
    let mut catalog = Catalog {
        major,
        assume_tables: true,
        ..Catalog::default()
    };
    for (name, text) in DATA {
        if let Some(query) = queries::ALL.iter().find(|query| query.name == *name) {
            let rows = rows_of(text, major, query.columns);
            // The data is a part of the program: `stock_is_whole` proves that it loads.
            let _ = catalog.add(query, rows);
        }
    }
    catalog.index();
    catalog
}

/// The rows of one answer. The data has no code of functions: PostgreSQL's own is never looked at.
fn rows_of(text: &str, major: u16, columns: usize) -> Vec<Vec<Option<String>>> {
    let rows = text.lines().filter_map(|line| row(line, major));
    rows.map(|mut cells| {
        cells.resize(cells.len().max(columns), None);
        cells
    })
    .collect()
}

/// One line: the majors that have it, then the cells as COPY writes them.
fn row(line: &str, major: u16) -> Option<Vec<Option<String>>> {
    let (majors, cells) = line.split_once('\t')?;
    let wanted = major == 0 || majors == "*" || majors.split(',').any(|m| m.parse() == Ok(major));
    wanted.then(|| cells.split('\t').map(cell).collect())
}

fn cell(text: &str) -> Option<String> {
    match text {
        "\\N" => None,
        _ if text.contains('\\') => Some(text.replace("\\\\", "\\")),
        _ => Some(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stock_is_whole() {
        for major in [0, 15, 16, 17, 18] {
            for (name, text) in DATA {
                let query = queries::ALL.iter().find(|q| q.name == *name).unwrap();
                let rows = rows_of(text, major, query.columns);
                Catalog::default().add(query, rows).unwrap();
            }
            let stock = Catalog::stock(major);
            assert!(
                stock.functions.len() > 2500,
                "{major}: {}",
                stock.functions.len()
            );
            assert!(stock.relation("pg_catalog", "pg_class").is_some());
            assert!(stock.relation("information_schema", "columns").is_some());
        }
    }
}

//! Names and values as SQL spells them, whatever they hold.

use super::question::Row;

/// An identifier, always quoted.
pub(crate) fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `"schema"."name"`, which the tools take as a pattern for exactly that relation too.
pub(crate) fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", ident(schema), ident(name))
}

/// A string, for sessions with `standard_conforming_strings` on.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A column of a row as text; empty for NULL and for a column that is not there.
pub(crate) fn text(row: &Row, column: usize) -> String {
    row.get(column).cloned().flatten().unwrap_or_default()
}

/// A column of a row as a number; zero where it is none.
pub(crate) fn number<T: std::str::FromStr + Default>(row: &Row, column: usize) -> T {
    text(row, column).parse().unwrap_or_default()
}

/// Whether a column of a row is `t`.
pub(crate) fn truth(row: &Row, column: usize) -> bool {
    text(row, column) == "t"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_in_names_and_values_stay_inside() {
        assert_eq!(ident("a\"b"), "\"a\"\"b\"");
        assert_eq!(literal("o'neill\\"), "'o''neill\\'");
        assert_eq!(qualified("a.b", "C"), "\"a.b\".\"C\"");
    }
}

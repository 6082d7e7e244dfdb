//! The file of images, as text that `psql` runs into a scratch schema.
//!
//! Whatever a row holds stays a value: COPY's escapes keep it on its line, and `ON_ERROR_STOP` ends the run before
//! rows that could not be copied are read as commands. Names from the catalogue stand in JSON or in quotes only.

use backstop_core::canonical;

use super::about::{Header, Relation, Trailer};
use super::read::Side;
use crate::postgres::error::GateError;
use crate::postgres::question::{ident, literal};

/// What ends a section of rows.
pub(super) const END_OF_ROWS: &str = "\\.\n";

/// The first line.
pub(super) const FIRST_LINE: &str = "-- Backstop row images. `psql -f` puts them into a schema backstop_images of any database that has the same types.\n";

/// A comment line with the canonical JSON of `value`, which has no line breaks.
pub(super) fn comment<T: serde::Serialize>(value: &T) -> Result<String, GateError> {
    let json = canonical::to_bytes(value).map_err(unwritable)?;
    let json = String::from_utf8(json).map_err(unwritable)?;
    Ok(format!("-- {json}\n"))
}

/// Everything before the first section.
pub(super) fn preamble(header: &Header) -> Result<String, GateError> {
    Ok(format!(
        "{FIRST_LINE}{}\\set ON_ERROR_STOP on\nbegin;\n\
         set local client_encoding = 'UTF8';\n\
         set local standard_conforming_strings = on;\n\
         set local search_path = '';\n\
         set local DateStyle = 'ISO, YMD';\n\
         set local IntervalStyle = 'postgres';\n\
         set local TimeZone = 'UTC';\n\
         set local bytea_output = 'hex';\n\
         set local extra_float_digits = 1;\n\
         set local xmloption = 'content';\n\
         set local array_nulls = on;\n\
         set local lc_monetary = {};\n\
         create schema backstop_images;\n",
        comment(header)?,
        literal(&header.lc_monetary)
    ))
}

/// What begins the section of relation `number`, counted from 0.
pub(super) fn section(number: usize, relation: &Relation, side: Side) -> String {
    let columns = relation
        .columns
        .iter()
        .map(|c| format!("{} {}", ident(&c.name), c.kind))
        .collect::<Vec<_>>()
        .join(", ");
    let table = format!("backstop_images.{}_{}", side.word(), number + 1);
    format!("create table {table} ({columns});\ncopy {table} from stdin;\n")
}

/// Everything behind the last section.
pub(super) fn closing(trailer: &Trailer) -> Result<String, GateError> {
    Ok(format!("commit;\n{}", comment(trailer)?))
}

fn unwritable(error: impl std::fmt::Display) -> GateError {
    GateError::Config(format!(
        "the images' description cannot be written: {error}"
    ))
}

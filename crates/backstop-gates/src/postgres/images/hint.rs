//! Where changed rows may lie: the conditions of the transaction's own statements, asked from outside.
//!
//! From outside the rows are as they were, so that a condition still finds what its statement changed. It proves nothing:
//! which of these rows were changed, and whether others were too, is found out by looking.

use backstop_wire::postgres::frontend::{Bind, Execute, Formats, FrontendMessage, Parse, Values};
use bytes::{BufMut as _, BytesMut};

use crate::postgres::error::GateError;

/// What the parameters of one condition may take, bytes.
const LONGEST: usize = 16 * 1024;
/// OIDs from here on are not PostgreSQL's own.
const FIRST_OF_OTHERS: u32 = 16_384;

/// Rows of a table that a transaction may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hint {
    /// SQL for behind WHERE, on columns of the table `t`, with parameters `$1`, `$2`, ….
    condition: String,
    /// The parameters' types, formats and values as they stand in Parse and Bind.
    types: Vec<u8>,
    formats: Vec<u8>,
    values: Vec<u8>,
    count: u16,
}

impl Hint {
    /// One without parameters.
    pub(crate) fn plain(condition: impl Into<String>) -> Self {
        Self {
            condition: condition.into(),
            types: vec![],
            formats: vec![],
            values: vec![],
            count: 0,
        }
    }

    /// One with some of a statement's parameters, in this order. None where they are too long, or of types that are not
    /// PostgreSQL's own: reading those may run others' code, and whoever asks has more rights than the agent.
    pub(crate) fn bound(
        condition: impl Into<String>,
        parameters: &[usize],
        declared: &[u32],
        bind: &Bind<'_>,
    ) -> Option<Self> {
        let values: Vec<Option<&[u8]>> = bind.parameters.iter().collect();
        let mut out = Self::plain(condition);
        for which in parameters {
            let declared = declared.get(*which).copied().unwrap_or(0);
            let value = *values.get(*which)?;
            if declared >= FIRST_OF_OTHERS {
                return None;
            }
            out.types.put_u32(declared);
            out.formats.put_i16(bind.parameter_formats.of(*which)?);
            match value {
                Some(bytes) => {
                    out.values.put_i32(i32::try_from(bytes.len()).ok()?);
                    out.values.put_slice(bytes);
                }
                None => out.values.put_i32(-1),
            }
            if out.values.len() > LONGEST {
                return None;
            }
        }
        out.count = u16::try_from(parameters.len()).ok()?;
        Some(out)
    }

    /// The condition.
    pub(super) fn condition(&self) -> &str {
        &self.condition
    }
}

/// A look at places: one query, perhaps with parameters.
#[derive(Debug)]
pub(super) struct Look<'a> {
    /// The query.
    pub(super) sql: String,
    /// What its condition comes from: the agent's own words, which may fail.
    pub(super) by: Option<&'a Hint>,
}

impl Look<'_> {
    /// Whether it can stand in a simple query.
    pub(super) fn is_simple(&self) -> bool {
        self.by.is_none_or(|hint| hint.count == 0)
    }

    /// Writes it as messages of the extended protocol, without a Sync. Its answer is text.
    pub(super) fn write(&self, out: &mut BytesMut) -> Result<(), GateError> {
        let none = Hint::plain("");
        let hint = self.by.unwrap_or(&none);
        let mut bind = Bind::new("", "");
        bind.parameter_formats = Formats::of_bytes(&hint.formats);
        bind.parameters = Values::of_bytes(hint.count, &hint.values)
            .map_err(|e| GateError::Protocol(e.to_string()))?;
        let messages = [
            FrontendMessage::Parse(Parse::new("", &self.sql).typed(&hint.types)),
            FrontendMessage::Bind(bind),
            FrontendMessage::Execute(Execute {
                portal: "",
                max_rows: 0,
            }),
        ];
        for message in messages {
            message.write(out).map_err(|_| {
                GateError::Config("a question of the gate's has a NUL in it".into())
            })?;
        }
        Ok(())
    }
}

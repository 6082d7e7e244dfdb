//! Where changed rows may lie: the conditions of the transaction's own statements, asked from outside.
//!
//! From outside the rows are as they were, so that a condition still finds what its statement changed. It proves nothing:
//! which of these rows were changed, and whether others were too, is found out by looking.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use backstop_wire::postgres::frontend::{Bind, Execute, Formats, FrontendMessage, Parse, Values};
use bytes::{BufMut as _, BytesMut};

use crate::postgres::error::GateError;

/// What the parameters of one statement's conditions may take, bytes.
const LONGEST: usize = 16 * 1024;
/// OIDs from here on are not PostgreSQL's own.
const FIRST_OF_OTHERS: u32 = 16_384;

/// Rows of a table that a transaction may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hint {
    /// SQL for behind WHERE, on columns of the table `t`, with parameters `$1`, `$2`, ….
    condition: Arc<str>,
    parameters: Option<Arc<Parameters>>,
}

/// Some of a statement's parameters, as they stand in Parse and Bind.
#[derive(Debug)]
pub(crate) struct Parameters {
    types: Vec<u8>,
    formats: Vec<u8>,
    values: Vec<u8>,
    count: u16,
    room: Room,
}

/// How much a session's portals may hold of parameters, bytes: as many as it likes may be open at once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Room(Arc<AtomicUsize>);

impl Room {
    const MOST: usize = 1 << 20;

    fn take(&self, bytes: usize) -> bool {
        let before = self.0.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= Self::MOST;
        if !fits {
            self.give(bytes);
        }
        fits
    }

    fn give(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl PartialEq for Parameters {
    fn eq(&self, other: &Self) -> bool {
        (&self.types, &self.formats, &self.values) == (&other.types, &other.formats, &other.values)
    }
}

impl Eq for Parameters {}

impl Drop for Parameters {
    fn drop(&mut self) {
        self.room.give(self.values.len());
    }
}

impl Parameters {
    /// Those of `which`, in this order. None where they are too long, or of types that are not PostgreSQL's own: reading
    /// those may run others' code, and whoever asks has more rights than the agent.
    pub(crate) fn of(
        which: &[usize],
        declared: &[u32],
        bind: &Bind<'_>,
        room: &Room,
    ) -> Option<Arc<Self>> {
        let all: Vec<Option<&[u8]>> = bind.parameters.iter().collect();
        let (mut types, mut formats, mut values) = (vec![], vec![], vec![]);
        for which in which {
            let declared = declared.get(*which).copied().unwrap_or(0);
            if declared >= FIRST_OF_OTHERS {
                return None;
            }
            types.put_u32(declared);
            formats.put_i16(bind.parameter_formats.of(*which)?);
            match *all.get(*which)? {
                Some(bytes) if bytes.len() > LONGEST => return None,
                Some(bytes) => {
                    values.put_i32(i32::try_from(bytes.len()).ok()?);
                    values.put_slice(bytes);
                }
                None => values.put_i32(-1),
            }
            if values.len() > LONGEST {
                return None;
            }
        }
        let count = u16::try_from(which.len()).ok()?;
        // Last, for from here on it is given back.
        room.take(values.len()).then(|| {
            Arc::new(Self {
                types,
                formats,
                values,
                count,
                room: room.clone(),
            })
        })
    }
}

impl Hint {
    /// One without parameters.
    pub(crate) fn plain(condition: impl Into<Arc<str>>) -> Self {
        Self {
            condition: condition.into(),
            parameters: None,
        }
    }

    /// One with parameters.
    pub(crate) fn bound(condition: &Arc<str>, parameters: &Arc<Parameters>) -> Self {
        Self {
            condition: Arc::clone(condition),
            parameters: Some(Arc::clone(parameters)),
        }
    }

    /// The condition.
    pub(super) fn condition(&self) -> &str {
        &self.condition
    }

    fn parameters(&self) -> Option<&Parameters> {
        self.parameters.as_deref().filter(|p| p.count > 0)
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
        self.by.is_none_or(|hint| hint.parameters().is_none())
    }

    /// Writes it as messages of the extended protocol, without a Sync. Its answer is text.
    pub(super) fn write(&self, out: &mut BytesMut) -> Result<(), GateError> {
        let mut parse = Parse::new("", &self.sql);
        let mut bind = Bind::new("", "");
        if let Some(with) = self.by.and_then(Hint::parameters) {
            parse = parse.typed(&with.types);
            bind.parameter_formats = Formats::of_bytes(&with.formats);
            bind.parameters = Values::of_bytes(with.count, &with.values)
                .map_err(|e| GateError::Protocol(e.to_string()))?;
        }
        let messages = [
            FrontendMessage::Parse(parse),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// As many portals as a session likes hold no more than their room, and it comes back with them.
    #[test]
    fn portals_hold_no_more_of_parameters_than_their_room() {
        let (room, value) = (Room::default(), vec![b'x'; LONGEST - 4]);
        let mut values = u32::try_from(value.len()).unwrap().to_be_bytes().to_vec();
        values.extend_from_slice(&value);
        let mut bind = Bind::new("", "");
        bind.parameters = Values::of_bytes(1, &values).unwrap();
        let of = || Parameters::of(&[0], &[], &bind, &room);
        let all: Vec<_> = (0..10_000).map_while(|_| of()).collect();
        assert_eq!(all.len(), Room::MOST / LONGEST);
        assert!(of().is_none());
        drop(all);
        assert!(of().is_some());
        // Not even begun with: too long, not the server's own, not there.
        let (longer, types) = ([values.as_slice(), b"y"].concat(), [FIRST_OF_OTHERS]);
        assert!(Parameters::of(&[0], &types, &bind, &room).is_none());
        assert!(Parameters::of(&[1], &[], &bind, &room).is_none());
        let mut longer = longer;
        longer[..4].copy_from_slice(&u32::try_from(value.len() + 1).unwrap().to_be_bytes());
        bind.parameters = Values::of_bytes(1, &longer).unwrap();
        assert!(Parameters::of(&[0], &[], &bind, &room).is_none());
    }
}

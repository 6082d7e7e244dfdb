//! Rows and what describes them: columns, parameter types, and the formats of COPY.
//!
//! Lists are checked once when read; walking them later cannot fail and copies nothing.

use bytes::{BufMut, BytesMut};

use super::super::error::{EncodeError, ProtocolError};
use super::super::read::Reader;
use super::super::tag::backend as tag;
use super::super::write;

/// The columns of the rows that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowDescription<'a> {
    count: u16,
    bytes: &'a [u8],
}

/// One column of a [`RowDescription`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column<'a> {
    /// Its name.
    pub name: &'a str,
    /// The OID of the table it comes from; zero if none.
    pub table: u32,
    /// Its number in that table; zero if none.
    pub attribute: i16,
    /// The OID of its type.
    pub type_oid: u32,
    /// The size of its type; negative for variable sizes.
    pub type_size: i16,
    /// The modifier of its type.
    pub type_modifier: i32,
    /// 0 is text, 1 is binary.
    pub format: i16,
}

impl<'a> Column<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, ProtocolError> {
        Ok(Self {
            name: reader.text("column name")?,
            table: reader.u32("table")?,
            attribute: reader.i16("attribute")?,
            type_oid: reader.u32("type")?,
            type_size: reader.i16("type size")?,
            type_modifier: reader.i32("type modifier")?,
            format: reader.i16("format")?,
        })
    }
}

impl<'a> RowDescription<'a> {
    /// Reads it from the body of its message.
    ///
    /// # Errors
    /// When the body is anything else.
    pub fn parse(body: &'a [u8]) -> Result<Self, ProtocolError> {
        Self::read(Reader::new(tag::ROW_DESCRIPTION, body))
    }

    pub(super) fn read(mut reader: Reader<'a>) -> Result<Self, ProtocolError> {
        let count = reader.u16("count of columns")?;
        let bytes = reader.rest();
        for _ in 0..count {
            Column::read(&mut reader)?;
        }
        reader.end().map(|()| Self { count, bytes })
    }

    /// The columns in order.
    pub fn columns(&self) -> impl Iterator<Item = Column<'a>> + 'a {
        let mut reader = Reader::new(tag::ROW_DESCRIPTION, self.bytes);
        (0..self.count).map_while(move |_| Column::read(&mut reader).ok())
    }

    /// Writes a whole message with these columns.
    ///
    /// # Errors
    /// When a name has a NUL inside or there are too many columns.
    pub fn write_columns(columns: &[Column<'_>], out: &mut BytesMut) -> Result<(), EncodeError> {
        write::message(out, tag::ROW_DESCRIPTION, |out| {
            write::count(out, columns.len())?;
            columns.iter().try_for_each(|column| {
                write::text(out, column.name)?;
                out.put_u32(column.table);
                out.put_i16(column.attribute);
                out.put_u32(column.type_oid);
                out.put_i16(column.type_size);
                out.put_i32(column.type_modifier);
                out.put_i16(column.format);
                Ok(())
            })
        })
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        out.put_u16(self.count);
        out.put_slice(self.bytes);
    }
}

/// A row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataRow<'a> {
    count: u16,
    bytes: &'a [u8],
}

impl<'a> DataRow<'a> {
    /// Reads it from the body of its message.
    ///
    /// # Errors
    /// When the body is anything else.
    pub fn parse(body: &'a [u8]) -> Result<Self, ProtocolError> {
        Self::read(Reader::new(tag::DATA_ROW, body))
    }

    pub(super) fn read(mut reader: Reader<'a>) -> Result<Self, ProtocolError> {
        let count = reader.u16("count of values")?;
        let bytes = reader.rest();
        for _ in 0..count {
            reader.value("value")?;
        }
        reader.end().map(|()| Self { count, bytes })
    }

    /// The values in order; `None` is NULL.
    pub fn values(&self) -> impl Iterator<Item = Option<&'a [u8]>> + 'a {
        let mut reader = Reader::new(tag::DATA_ROW, self.bytes);
        (0..self.count).map_while(move |_| reader.value("value").ok())
    }

    /// Writes a whole message with these values.
    ///
    /// # Errors
    /// When there are too many values or one is too long.
    pub fn write_values(values: &[Option<&[u8]>], out: &mut BytesMut) -> Result<(), EncodeError> {
        write::message(out, tag::DATA_ROW, |out| {
            write::count(out, values.len())?;
            values
                .iter()
                .try_for_each(|value| write::value(out, *value))
        })
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        out.put_u16(self.count);
        out.put_slice(self.bytes);
    }
}

/// The types of a statement's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Oids<'a> {
    bytes: &'a [u8],
}

impl<'a> Oids<'a> {
    /// Reads them from the body of a `ParameterDescription`.
    ///
    /// # Errors
    /// When the body is anything else.
    pub fn parse(body: &'a [u8]) -> Result<Self, ProtocolError> {
        Self::read(Reader::new(tag::PARAMETER_DESCRIPTION, body))
    }

    pub(super) fn read(mut reader: Reader<'a>) -> Result<Self, ProtocolError> {
        let count = usize::from(reader.u16("count of types")?);
        let bytes = reader.bytes(count.saturating_mul(4), "types")?;
        reader.end().map(|()| Self { bytes })
    }

    /// The OIDs in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = u32> + 'a {
        self.bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|oid| u32::from_be_bytes(*oid))
    }

    pub(super) fn write(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        write::count(out, self.bytes.len() / 4)?;
        out.put_slice(self.bytes);
        Ok(())
    }
}

/// How copied data are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyResponse<'a> {
    /// 0 is text, 1 is binary.
    pub format: u8,
    columns: &'a [u8],
}

impl<'a> CopyResponse<'a> {
    pub(super) fn read(mut reader: Reader<'a>) -> Result<Self, ProtocolError> {
        let format = reader.u8("format")?;
        let count = usize::from(reader.u16("count of columns")?);
        let columns = reader.bytes(count.saturating_mul(2), "column formats")?;
        reader.end().map(|()| Self { format, columns })
    }

    /// How many columns are copied.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns.len() / 2
    }

    pub(super) fn write(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.put_u8(self.format);
        write::count(out, self.columns())?;
        out.put_slice(self.columns);
        Ok(())
    }
}

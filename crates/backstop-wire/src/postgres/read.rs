//! A cursor over one message's body that cannot read past its end.
//!
//! It borrows, never copies, and never guesses: a short field is an error that names it.

use super::error::ProtocolError;

/// Reads the fields of one message body in order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    tag: u8,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(tag: u8, body: &'a [u8]) -> Self {
        Self { tag, rest: body }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Ends the message: nothing may be left.
    pub(crate) fn end(self) -> Result<(), ProtocolError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(ProtocolError::Trailing {
            tag: self.tag,
            extra: self.rest.len(),
        })
    }

    pub(crate) fn bytes(
        &mut self,
        count: usize,
        field: &'static str,
    ) -> Result<&'a [u8], ProtocolError> {
        let (head, tail) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| self.truncated(field))?;
        self.rest = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], ProtocolError> {
        let (head, tail) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or_else(|| self.truncated(field))?;
        self.rest = tail;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, ProtocolError> {
        Ok(u8::from_be_bytes(self.array(field)?))
    }

    pub(crate) fn i16(&mut self, field: &'static str) -> Result<i16, ProtocolError> {
        Ok(i16::from_be_bytes(self.array(field)?))
    }

    /// Counts are 16 bits and, as PostgreSQL reads them, without a sign.
    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, ProtocolError> {
        Ok(u16::from_be_bytes(self.array(field)?))
    }

    pub(crate) fn i32(&mut self, field: &'static str) -> Result<i32, ProtocolError> {
        Ok(i32::from_be_bytes(self.array(field)?))
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, ProtocolError> {
        Ok(u32::from_be_bytes(self.array(field)?))
    }

    /// Bytes up to a NUL, which is consumed too.
    pub(crate) fn cstr(&mut self, field: &'static str) -> Result<&'a [u8], ProtocolError> {
        let end = memchr::memchr(0, self.rest).ok_or_else(|| self.truncated(field))?;
        let text = self.bytes(end, field)?;
        self.bytes(1, field)?;
        Ok(text)
    }

    /// Text up to a NUL, which is consumed too.
    pub(crate) fn text(&mut self, field: &'static str) -> Result<&'a str, ProtocolError> {
        let tag = self.tag;
        std::str::from_utf8(self.cstr(field)?).map_err(|_| ProtocolError::NotUtf8 { tag, field })
    }

    /// A value with its length before it; a length of -1 stands for NULL.
    pub(crate) fn value(&mut self, field: &'static str) -> Result<Option<&'a [u8]>, ProtocolError> {
        match self.i32(field)? {
            -1 => Ok(None),
            length => {
                let count = usize::try_from(length).map_err(|_| self.bad(field))?;
                self.bytes(count, field).map(Some)
            }
        }
    }

    pub(crate) fn bad(&self, field: &'static str) -> ProtocolError {
        ProtocolError::BadValue {
            tag: self.tag,
            field,
        }
    }

    fn truncated(&self, field: &'static str) -> ProtocolError {
        ProtocolError::Truncated {
            tag: self.tag,
            field,
        }
    }
}

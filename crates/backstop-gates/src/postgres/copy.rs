//! Counting the rows of a COPY from the client as they pass, so that its bound is the gate's own.

/// Counts rows in CopyData.
pub(crate) struct CopyCounter {
    binary: bool,
    most: u64,
    rows: u64,
    feeds: u64,
    returns: u64,
    need: Need,
    pending: Vec<u8>,
}

/// What the next bytes of a binary COPY are.
#[derive(Clone, Copy)]
enum Need {
    /// Signature, flags and the extension's length: 19 bytes.
    Header,
    /// So many bytes to pass over, then fields.
    Skip(usize, u16),
    /// A row's field count.
    Count,
    /// The length of one of so many fields left.
    Length(u16),
    /// The trailer was seen.
    Done,
}

/// There are more rows than allowed, or the data are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CopyError {
    /// More rows than allowed.
    TooMany,
    /// Not the binary format.
    Malformed,
}

impl CopyCounter {
    /// Counts up to `most` rows.
    pub(crate) fn new(binary: bool, most: u64) -> Self {
        Self {
            binary,
            most,
            rows: 0,
            feeds: 0,
            returns: 0,
            need: Need::Header,
            pending: vec![],
        }
    }

    /// Takes a piece of the data.
    pub(crate) fn take(&mut self, data: &[u8]) -> Result<(), CopyError> {
        if self.binary {
            self.take_binary(data)?;
        } else {
            // PostgreSQL takes one kind of line end for the whole COPY, so there are at most as many rows as
            // there are of the more frequent one. Those inside quoted CSV fields make the count too high, never
            // too low. A last row without an end is not counted.
            self.feeds = self
                .feeds
                .saturating_add(data.iter().filter(|b| **b == b'\n').count() as u64);
            self.returns = self
                .returns
                .saturating_add(data.iter().filter(|b| **b == b'\r').count() as u64);
            self.rows = self.feeds.max(self.returns);
        }
        if self.rows > self.most {
            Err(CopyError::TooMany)
        } else {
            Ok(())
        }
    }

    fn take_binary(&mut self, data: &[u8]) -> Result<(), CopyError> {
        let mut rest = data;
        loop {
            match self.need {
                Need::Done => {
                    return if rest.is_empty() {
                        Ok(())
                    } else {
                        Err(CopyError::Malformed)
                    };
                }
                Need::Skip(left, fields) => {
                    let n = left.min(rest.len());
                    rest = rest.get(n..).unwrap_or_default();
                    self.need = if n == left {
                        next_field(fields)
                    } else {
                        Need::Skip(left - n, fields)
                    };
                    if n < left {
                        return Ok(());
                    }
                }
                Need::Header => {
                    let Some(head) = self.word::<19>(&mut rest) else {
                        return Ok(());
                    };
                    if !head.starts_with(b"PGCOPY\n\xff\r\n\0") {
                        return Err(CopyError::Malformed);
                    }
                    let length = head.last_chunk::<4>().map_or(0, |b| u32::from_be_bytes(*b));
                    self.need = Need::Skip(usize::try_from(length).unwrap_or(usize::MAX), 0);
                }
                Need::Count => {
                    let Some(word) = self.word::<2>(&mut rest) else {
                        return Ok(());
                    };
                    match i16::from_be_bytes(word) {
                        -1 => self.need = Need::Done,
                        n => {
                            self.rows = self.rows.saturating_add(1);
                            self.need =
                                next_field(u16::try_from(n).map_err(|_| CopyError::Malformed)?);
                        }
                    }
                }
                Need::Length(fields) => {
                    let Some(word) = self.word::<4>(&mut rest) else {
                        return Ok(());
                    };
                    let length = usize::try_from(i32::from_be_bytes(word)).unwrap_or(0);
                    self.need = Need::Skip(length, fields - 1);
                }
            }
        }
    }

    /// `N` bytes, across pieces.
    fn word<const N: usize>(&mut self, rest: &mut &[u8]) -> Option<[u8; N]> {
        let missing = N.saturating_sub(self.pending.len()).min(rest.len());
        let (now, later) = rest.split_at_checked(missing)?;
        self.pending.extend_from_slice(now);
        *rest = later;
        let word = self.pending.first_chunk::<N>().copied()?;
        self.pending.clear();
        Some(word)
    }
}

fn next_field(fields: u16) -> Need {
    if fields == 0 {
        Need::Count
    } else {
        Need::Length(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(rows: usize) -> Vec<u8> {
        let mut out = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
        for _ in 0..rows {
            out.extend_from_slice(&2i16.to_be_bytes());
            out.extend_from_slice(&3i32.to_be_bytes());
            out.extend_from_slice(b"a\nb");
            out.extend_from_slice(&(-1i32).to_be_bytes());
        }
        out.extend_from_slice(&(-1i16).to_be_bytes());
        out
    }

    #[test]
    fn binary_rows_are_counted_however_they_are_cut() {
        for cut in 1..40 {
            let mut counter = CopyCounter::new(true, 5);
            for piece in binary(5).chunks(cut) {
                counter.take(piece).unwrap();
            }
            assert_eq!(counter.rows, 5, "cut {cut}");
            let mut counter = CopyCounter::new(true, 4);
            let over = binary(5)
                .chunks(cut)
                .any(|piece| counter.take(piece).is_err());
            assert!(over, "cut {cut}");
        }
    }

    #[test]
    fn text_rows_are_counted_by_lines() {
        let mut counter = CopyCounter::new(false, 2);
        counter.take(b"1\ta\n2\tb").unwrap();
        counter.take(b"b\n").unwrap();
        assert_eq!(counter.take(b"3\tc\n"), Err(CopyError::TooMany));
    }

    #[test]
    fn what_is_not_binary_is_refused() {
        let mut counter = CopyCounter::new(true, 2);
        assert_eq!(
            counter.take(b"1\tabcdefghijklmnopqrstuvwxyz\n"),
            Err(CopyError::Malformed)
        );
    }
}

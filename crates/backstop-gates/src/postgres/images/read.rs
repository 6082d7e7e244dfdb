//! Reads a file of images, as strictly as it was written: what differs in a byte from what the gate writes is refused.

use std::io::{BufRead, BufReader, Read};

use backstop_core::canonical;
use serde::de::DeserializeOwned;

use super::about::{Header, Trailer, VERSION};
use super::{format, text};
use crate::postgres::error::GateError;

/// The longest header or trailer, bytes.
const LONGEST_ABOUT: u64 = 64 << 20;
/// The longest row: PostgreSQL itself makes none beyond a gigabyte.
const LONGEST_ROW: u64 = 1 << 30;

/// Old rows or new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// As they were before.
    Old,
    /// As the transaction left them.
    New,
}

impl Side {
    /// The word for it in table names.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }
}

/// A file being read.
pub(crate) struct Reader<R> {
    from: BufReader<R>,
    header: Header,
    /// Which section is being read: relation times two, plus one for new rows.
    section: usize,
    counts: Vec<[u64; 3]>,
    trailer: Option<Trailer>,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    /// Which relation of the header.
    pub(crate) relation: usize,
    /// Old or new.
    pub(crate) side: Side,
    /// The row as a line of COPY's text format, without its newline.
    pub(crate) line: String,
}

impl<R: Read> Reader<R> {
    /// Reads up to the first row.
    ///
    /// # Errors
    /// When it is no file of images, of a version that is not known, or not as the gate writes it.
    pub(crate) fn new(from: R) -> Result<Self, GateError> {
        let mut from = BufReader::new(from);
        expect(&mut from, format::FIRST_LINE)?;
        let header: Header = about(&mut from)?;
        if header.version != VERSION {
            return Err(GateError::Config(format!(
                "these row images have format version {}, and this Backstop reads version {VERSION}; hint: use the Backstop that wrote them, or `psql`",
                header.version
            )));
        }
        let begun = format!("{}{}", format::FIRST_LINE, format::comment(&header)?).len();
        let preamble = format::preamble(&header)?;
        expect(&mut from, preamble.get(begun..).unwrap_or_default())?;
        let counts = header.relations.iter().map(|r| [u64::from(r.oid), 0, 0]);
        let mut reader = Self {
            counts: counts.collect(),
            from,
            header,
            section: 0,
            trailer: None,
        };
        reader.begin()?;
        Ok(reader)
    }

    /// What the file says of itself.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// What it says at its end; none before all rows were read.
    pub(crate) fn trailer(&self) -> Option<&Trailer> {
        self.trailer.as_ref()
    }

    /// The next row; none after the last, when the whole file was found to be in order.
    ///
    /// # Errors
    /// When the file is cut off or not as the gate writes it.
    pub(crate) fn row(&mut self) -> Result<Option<Image>, GateError> {
        while self.trailer.is_none() {
            let line = line(&mut self.from, LONGEST_ROW)?;
            if line == format::END_OF_ROWS.trim_end() {
                self.section += 1;
                self.begin()?;
                continue;
            }
            let (relation, side) = self.place();
            let columns = self.header.relations.get(relation).map(|r| r.columns.len());
            let values = text::count(&line);
            let count = self
                .counts
                .get_mut(relation)
                .and_then(|c| c.get_mut(if side == Side::Old { 1 } else { 2 }));
            let Some(count) = count else {
                return Err(broken("a row that belongs nowhere"));
            };
            // A table without columns has rows without values, which are empty lines.
            if values != columns && (columns, line.as_str()) != (Some(0), "") {
                return Err(broken("a row with more or fewer values than columns"));
            }
            *count += 1;
            return Ok(Some(Image {
                relation,
                side,
                line,
            }));
        }
        Ok(None)
    }

    fn place(&self) -> (usize, Side) {
        let side = if self.section.is_multiple_of(2) {
            Side::Old
        } else {
            Side::New
        };
        (self.section / 2, side)
    }

    /// Reads what begins the section, or what ends the file.
    fn begin(&mut self) -> Result<(), GateError> {
        let (number, side) = self.place();
        if let Some(relation) = self.header.relations.get(number) {
            let words = format::section(number, relation, side);
            return expect(&mut self.from, &words);
        }
        expect(&mut self.from, "commit;\n")?;
        let trailer: Trailer = about(&mut self.from)?;
        if trailer.rows != self.counts {
            return Err(broken("another number of rows than it says"));
        }
        if !self.from.fill_buf().map_err(unread)?.is_empty() {
            return Err(broken("something behind its end"));
        }
        self.trailer = Some(trailer);
        Ok(())
    }
}

fn expect(from: &mut impl BufRead, words: &str) -> Result<(), GateError> {
    let mut seen = vec![];
    from.take(words.len() as u64)
        .read_to_end(&mut seen)
        .map_err(unread)?;
    if seen == words.as_bytes() {
        Ok(())
    } else {
        Err(broken("other words than the gate writes"))
    }
}

fn about<T: DeserializeOwned + serde::Serialize>(from: &mut impl BufRead) -> Result<T, GateError> {
    let line = line(from, LONGEST_ABOUT)?;
    let json = line
        .strip_prefix("-- ")
        .ok_or_else(|| broken("no description"))?;
    let value: T = serde_json::from_str(json)
        .map_err(|e| broken(&format!("a description that cannot be read ({e})")))?;
    match canonical::to_bytes(&value) {
        Ok(bytes) if bytes == json.as_bytes() => Ok(value),
        _ => Err(broken("a description that is not canonical")),
    }
}

/// A line without its newline.
fn line(from: &mut impl BufRead, longest: u64) -> Result<String, GateError> {
    let mut bytes = vec![];
    from.take(longest)
        .read_until(b'\n', &mut bytes)
        .map_err(unread)?;
    if bytes.pop() != Some(b'\n') {
        return Err(broken("an end in the middle of a line"));
    }
    String::from_utf8(bytes).map_err(|_| broken("bytes that are not UTF-8"))
}

fn broken(what: &str) -> GateError {
    GateError::Config(format!(
        "these row images are damaged: they have {what}; hint: check the vault with `backstop vault verify`"
    ))
}

fn unread(error: std::io::Error) -> GateError {
    GateError::io("reading row images")(error)
}

//! The attributes of SCRAM's messages: `letter=value`, separated by commas, in a fixed order.
//!
//! It reads strictly: an attribute out of place is an error, since the proof covers the exact bytes.

use super::ScramError;

/// Reads attributes from the front of a message.
pub(super) struct Attributes<'a> {
    rest: Option<&'a str>,
}

impl<'a> Attributes<'a> {
    pub(super) fn new(message: &'a str) -> Self {
        Self {
            rest: Some(message),
        }
    }

    /// The next attribute, which must have this letter.
    pub(super) fn take(&mut self, letter: char, what: &'static str) -> Result<&'a str, ScramError> {
        let missing = ScramError::Malformed(what);
        let (attribute, rest) = split(self.rest.ok_or(missing)?);
        let value = attribute.strip_prefix(letter).ok_or(missing)?;
        let value = value.strip_prefix('=').ok_or(missing)?;
        self.rest = rest;
        Ok(value)
    }

    /// What is left may be extensions, which are optional by their nature and not looked at; it must
    /// still look like attributes.
    pub(super) fn extensions(self) -> Result<(), ScramError> {
        let Some(rest) = self.rest else {
            return Ok(());
        };
        let well_formed = rest.split(',').all(|attribute| {
            let mut chars = attribute.chars();
            chars.next().is_some_and(|c| c.is_ascii_alphabetic()) && chars.next() == Some('=')
        });
        if well_formed {
            Ok(())
        } else {
            Err(ScramError::Malformed("extension"))
        }
    }
}

fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once(',') {
        Some((head, tail)) => (head, Some(tail)),
        None => (text, None),
    }
}

/// What the client says of channel binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BindingFlag<'a> {
    /// It has none.
    Unsupported,
    /// It has it, and believes that the server has not.
    NotOffered,
    /// It binds, by this kind.
    Bound(&'a str),
}

/// The client's first message, taken apart.
pub(super) struct ClientFirst<'a> {
    pub(super) flag: BindingFlag<'a>,
    /// The part before the attributes, which the binding covers.
    pub(super) header: &'a str,
    /// The attributes, which the proof covers.
    pub(super) bare: &'a str,
    pub(super) nonce: &'a str,
}

impl<'a> ClientFirst<'a> {
    pub(super) fn read(message: &'a str) -> Result<Self, ScramError> {
        let (flag, rest) = message
            .split_once(',')
            .ok_or(ScramError::Malformed("binding flag"))?;
        let (authzid, bare) = rest
            .split_once(',')
            .ok_or(ScramError::Malformed("authorization identity"))?;
        // Acting as somebody else is not for SASL to grant.
        if !authzid.is_empty() {
            return Err(ScramError::Malformed("authorization identity"));
        }
        let header = message
            .get(..message.len().saturating_sub(bare.len()))
            .ok_or(ScramError::Malformed("binding flag"))?;
        let mut attributes = Attributes::new(bare);
        // The user is the startup packet's; PostgreSQL ignores the name here too.
        attributes.take('n', "user name")?;
        let nonce = attributes.take('r', "nonce")?;
        attributes.extensions()?;
        check_nonce(nonce)?;
        Ok(Self {
            flag: binding_flag(flag)?,
            header,
            bare,
            nonce,
        })
    }
}

fn binding_flag(flag: &str) -> Result<BindingFlag<'_>, ScramError> {
    match flag {
        "n" => Ok(BindingFlag::Unsupported),
        "y" => Ok(BindingFlag::NotOffered),
        _ => flag
            .strip_prefix("p=")
            .map(BindingFlag::Bound)
            .ok_or(ScramError::Malformed("binding flag")),
    }
}

/// Nonces are printable ASCII without commas.
pub(super) fn check_nonce(nonce: &str) -> Result<(), ScramError> {
    let printable = |byte: u8| (0x21..=0x7e).contains(&byte) && byte != b',';
    if nonce.is_empty() || !nonce.bytes().all(printable) {
        return Err(ScramError::Malformed("nonce"));
    }
    Ok(())
}

pub(super) fn text(message: &[u8]) -> Result<&str, ScramError> {
    std::str::from_utf8(message).map_err(|_| ScramError::Malformed("text"))
}

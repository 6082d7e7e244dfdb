//! The create-only protocol, as bytes: frames, requests, answers. No sockets here.
//!
//! A frame is a head of ten bytes and a payload:
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | the version, 1 |
//! | 1 | the kind |
//! | 4 | the request's id, chosen by the client, big-endian; the answer bears the same |
//! | 4 | the payload's length, big-endian, at most [`MAX_PAYLOAD`] |
//!
//! Payloads are JSON, but for `put` (two bytes of length, that much JSON, then the object) and `data`
//! (a piece of the object). There is no request that reads a content, removes or replaces anything, or
//! tells which objects there are. A vault that gets anything else answers `fault` and hangs up.

use backstop_core::digest::Digest;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    error::{Result, VaultError},
    label::Label,
};

/// The protocol's version.
pub const VERSION: u8 = 1;
/// The length of a frame's head.
pub const HEAD: usize = 10;
/// The largest object that is sent in one frame, in bytes; larger ones are streamed.
pub const MAX_INLINE: usize = 1 << 20;
/// The largest payload of a frame, in bytes.
pub const MAX_PAYLOAD: usize = MAX_INLINE + 16 * 1024;
/// The largest JSON in front of an object, in bytes.
const MAX_PUT_HEAD: usize = 8 * 1024;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Create an object whose bytes follow: [`PutHead`] and the bytes.
    Put = 1,
    /// Begin an object that comes in pieces: [`Label`].
    Begin = 2,
    /// A piece of it.
    Data = 3,
    /// It is whole: [`End`].
    End = 4,
    /// Do you have it: [`Ask`].
    Has = 5,
    /// Cosign a checkpoint: [`CosignRequest`].
    Cosign = 6,
    /// What was last cosigned for a log: [`LogAsk`].
    Cosigned = 7,
    /// How things stand.
    Status = 8,
    /// Keeps recovery points longer, never shorter: [`Extend`].
    Extend = 9,
    /// Cancels a deletion, with one person's signature: [`backstop_core::deletion::Cancellation`].
    Cancel = 10,
    /// For people at the operator's socket: one of the operator's requests, in JSON.
    Operate = 16,
    /// The answer to `put` and `end`: a [`crate::Stored`].
    Stored = 129,
    /// The answer to `has`: a [`crate::Stored`] or null.
    Held = 130,
    /// The answer to `cosign` and `cosigned`.
    CosignAnswer = 131,
    /// The answer to `status`.
    StatusAnswer = 132,
    /// The answer to `operate`, in JSON.
    Operated = 133,
    /// The answer to `extend`: [`Extended`].
    Extended = 134,
    /// The answer to `cancel`: nothing.
    Cancelled = 135,
    /// It was refused: a [`crate::Fault`].
    Fault = 255,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Put,
            2 => Self::Begin,
            3 => Self::Data,
            4 => Self::End,
            5 => Self::Has,
            6 => Self::Cosign,
            7 => Self::Cosigned,
            8 => Self::Status,
            9 => Self::Extend,
            10 => Self::Cancel,
            16 => Self::Operate,
            129 => Self::Stored,
            130 => Self::Held,
            131 => Self::CosignAnswer,
            132 => Self::StatusAnswer,
            133 => Self::Operated,
            134 => Self::Extended,
            135 => Self::Cancelled,
            255 => Self::Fault,
            _ => return None,
        })
    }
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: Kind,
    /// Which request it belongs to.
    pub id: u32,
    /// What it carries.
    pub payload: Bytes,
}

impl Frame {
    /// A frame whose payload is JSON.
    ///
    /// # Errors
    /// [`VaultError::Protocol`] when it cannot be written or is too large.
    pub fn json<T: Serialize>(kind: Kind, id: u32, value: &T) -> Result<Self> {
        let payload = serde_json::to_vec(value).map_err(|e| VaultError::protocol(e.to_string()))?;
        if payload.len() > MAX_PAYLOAD {
            return Err(VaultError::protocol("an answer is larger than a frame"));
        }
        Ok(Self {
            kind,
            id,
            payload: payload.into(),
        })
    }

    /// The payload as JSON, all of it.
    ///
    /// # Errors
    /// [`VaultError::Protocol`].
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        read_json(&self.payload)
    }

    /// Writes head and payload behind what is in `out`.
    pub fn write(&self, out: &mut BytesMut) {
        out.put_slice(&head(self.kind, self.id, self.payload.len()));
        out.put_slice(&self.payload);
    }

    /// Takes one frame off the front of `bytes`; `None` while it is not whole.
    ///
    /// # Errors
    /// [`VaultError::Protocol`] for another version, an unknown kind, or a payload beyond the limit: as
    /// soon as the head is there, before any of the payload is waited for.
    pub fn take(bytes: &mut BytesMut) -> Result<Option<Self>> {
        let Some(&[version, kind, a, b, c, d, e, f, g, h]) = bytes.first_chunk::<HEAD>() else {
            return Ok(None);
        };
        if version != VERSION {
            return Err(VaultError::protocol(format!(
                "version {version} instead of {VERSION}"
            )));
        }
        let kind = Kind::of(kind)
            .ok_or_else(|| VaultError::protocol(format!("no message is of kind {kind}")))?;
        let id = u32::from_be_bytes([a, b, c, d]);
        let length = u32::from_be_bytes([e, f, g, h]) as usize;
        if length > MAX_PAYLOAD {
            return Err(VaultError::protocol(format!(
                "a payload of {length} bytes; at most {MAX_PAYLOAD} are allowed"
            )));
        }
        if bytes.len() < HEAD + length {
            return Ok(None);
        }
        bytes.advance(HEAD);
        let payload = bytes.split_to(length).freeze();
        Ok(Some(Self { kind, id, payload }))
    }
}

/// The head of a frame with a payload of that many bytes.
pub(crate) fn head(kind: Kind, id: u32, length: usize) -> [u8; HEAD] {
    let [a, b, c, d] = id.to_be_bytes();
    // Whatever is longer than a frame may be is refused by whoever reads it.
    let [e, f, g, h] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    [VERSION, kind as u8, a, b, c, d, e, f, g, h]
}

/// What goes before the bytes of a `put`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutHead {
    /// Why it is stored.
    pub label: Label,
    /// SHA-256 of the bytes that follow.
    pub name: Digest,
    /// SHA-256 of the plaintext.
    pub plain: Digest,
}

impl PutHead {
    /// The start of a `put`'s payload, up to where the object's bytes begin.
    ///
    /// # Errors
    /// [`VaultError::Protocol`] when the label is too long.
    pub(crate) fn to_prefix(&self) -> Result<Vec<u8>> {
        let json = serde_json::to_vec(self).map_err(|e| VaultError::protocol(e.to_string()))?;
        let length = u16::try_from(json.len())
            .ok()
            .filter(|_| json.len() <= MAX_PUT_HEAD)
            .ok_or_else(|| VaultError::protocol("a label is too long"))?;
        Ok([length.to_be_bytes().as_slice(), &json].concat())
    }

    /// Takes a `put`'s payload apart.
    ///
    /// # Errors
    /// [`VaultError::Protocol`].
    pub(crate) fn split(mut payload: Bytes) -> Result<(Self, Bytes)> {
        let short = || VaultError::protocol("a `put` is shorter than it says");
        let length = usize::from(payload.try_get_u16().map_err(|_| short())?);
        if length > MAX_PUT_HEAD || payload.len() < length {
            return Err(short());
        }
        let json = payload.split_to(length);
        Ok((read_json(&json)?, payload))
    }
}

/// The end of an object that came in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// SHA-256 of all its bytes.
    pub name: Digest,
    /// SHA-256 of the plaintext.
    pub plain: Digest,
    /// How many bytes were sent.
    pub bytes: u64,
}

/// Asks for one object by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// The object.
    pub name: Digest,
}

/// Asks for objects of recovery points to be kept longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extend {
    /// Which.
    pub names: Vec<Digest>,
    /// Until when at least: Unix time in milliseconds.
    pub until_ms: i64,
}

/// Until when all of them are kept now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extended {
    /// Unix time in milliseconds. Up to a day less than was asked for where that is nearly what holds already.
    pub until_ms: i64,
}

/// Asks what was last cosigned for a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogAsk {
    /// The log's origin.
    pub origin: String,
}

/// Asks for a cosignature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CosignRequest {
    /// The log's verifier key; kept by the vault the first time, compared ever after.
    pub key: String,
    /// The checkpoint, a signed note.
    pub note: String,
    /// The size that the proof begins at: what the client thinks was last cosigned; 0 for nothing.
    pub old: u64,
    /// The consistency proof from there, hashes in hex.
    pub proof: Vec<Digest>,
}

fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|error| VaultError::protocol(format!("a message cannot be read: {error}")))
}

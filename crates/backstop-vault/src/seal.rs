//! Objects as they are stored: zstd, then age, so that `age -d -i key | zstd -d` opens any of them.
//!
//! The gate seals to public recipients and keeps nothing that opens what it sealed. There is no
//! identity in here but for reading (`reader.rs`).

use std::{cell::RefCell, io::Write, str::FromStr as _};

use age::x25519;
use backstop_core::digest::Digest;
use ring::digest::{Context, SHA256};

use crate::error::{Result, VaultError};

/// The level of zstd: the fastest that still halves most rows.
const LEVEL: i32 = 1;

/// Who can open what is sealed: the recovery key, and perhaps the drill's.
#[derive(Clone)]
pub struct Recipients {
    keys: Vec<x25519::Recipient>,
}

impl Recipients {
    /// Reads recipients as age writes them, `age1…`.
    ///
    /// # Errors
    /// [`VaultError::Key`] for none, or one that is malformed.
    pub fn parse<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Result<Self> {
        let one = |text: S| {
            let text = text.as_ref().trim();
            x25519::Recipient::from_str(text).map_err(|error| {
                VaultError::key(
                    format!("`{text}` as a recovery recipient: {error}"),
                    "it begins with `age1` and stands on one line; `backstop vault init` prints it. \
                     The private half (`AGE-SECRET-KEY-…`) does not belong here",
                )
            })
        };
        let keys = texts.into_iter().map(one).collect::<Result<Vec<_>>>()?;
        if keys.is_empty() {
            return Err(VaultError::key(
                "an empty list of recovery recipients",
                "put the recipient that `backstop vault init` printed under `[vault]`",
            ));
        }
        Ok(Self { keys })
    }

    /// Compresses and encrypts a small content at once. Takes processor time: about 0.2 ms and 2 ms a MiB.
    ///
    /// # Errors
    /// [`VaultError::Key`] when encryption cannot begin.
    pub(crate) fn seal(&self, content: &[u8]) -> Result<Vec<u8>> {
        let packed = compress(content)?;
        let mut out = Vec::with_capacity(packed.len() + 1024);
        let mut writer = self.encryptor()?.wrap_output(&mut out).map_err(sealing)?;
        writer.write_all(&packed).map_err(sealing)?;
        writer.finish().map_err(sealing)?;
        Ok(out)
    }

    fn encryptor(&self) -> Result<age::Encryptor> {
        let keys = self.keys.iter().map(|key| key as &dyn age::Recipient);
        age::Encryptor::with_recipients(keys).map_err(sealing)
    }

    /// Begins a content that comes in pieces; what is sealed goes to `out`.
    pub(crate) fn stream<W: Write>(&self, out: W) -> Result<Sealing<W>> {
        let encrypt = self.encryptor()?.wrap_output(out).map_err(sealing)?;
        let encoder = zstd::Encoder::new(encrypt, LEVEL).map_err(sealing)?;
        Ok(Sealing {
            encoder,
            plain: Context::new(&SHA256),
        })
    }
}

impl std::fmt::Debug for Recipients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.keys.iter().map(ToString::to_string))
            .finish()
    }
}

thread_local! {
    /// A compressor keeps half a MiB of tables, which small puts would otherwise make anew each time.
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
}

fn compress(content: &[u8]) -> Result<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|kept| {
        let compressor = match kept {
            Some(compressor) => compressor,
            None => kept.insert(zstd::bulk::Compressor::new(LEVEL).map_err(sealing)?),
        };
        compressor.compress(content).map_err(sealing)
    })
}

/// A content that is being sealed piece by piece.
pub(crate) struct Sealing<W: Write> {
    encoder: zstd::Encoder<'static, age::stream::StreamWriter<W>>,
    plain: Context,
}

impl<W: Write> Sealing<W> {
    pub(crate) fn write(&mut self, piece: &[u8]) -> std::io::Result<()> {
        self.plain.update(piece);
        self.encoder.write_all(piece)
    }

    /// Writes out what is left; gives back where it went, and the digest of the plaintext.
    pub(crate) fn finish(self) -> std::io::Result<(W, Digest)> {
        let out = self.encoder.finish()?.finish()?;
        Ok((out, digest(self.plain)))
    }
}

/// SHA-256 of some bytes.
pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    let mut context = Context::new(&SHA256);
    context.update(bytes);
    digest(context)
}

/// What a running SHA-256 has come to.
pub(crate) fn digest(context: Context) -> Digest {
    let mut out = [0; 32];
    // SHA-256 always has 32 bytes.
    out.copy_from_slice(context.finish().as_ref());
    Digest(out)
}

fn sealing(error: impl std::fmt::Display) -> VaultError {
    VaultError::key(
        format!("the recovery recipients: {error}"),
        "see that the recipients under `[vault]` are whole",
    )
}

//! Reading back, for people: opens an object with an identity that neither gate nor vault has.
//!
//! Works on a vault's directory, or a copy of one, whether it is served or not. What is read is checked
//! as it is read, and the end is reported only if all of it was what was stored; so nothing may be
//! believed whole before the end.

use std::{
    fs::File,
    io::{self, Cursor, Read},
    path::Path,
    str::FromStr as _,
};

use age::x25519;
use backstop_core::digest::Digest;
use ring::digest::{Context, SHA256};

use crate::{
    error::{Result, VaultError},
    seal::digest,
    store::{
        self,
        dir::{Dir, is_missing},
        record::{Event, Object},
    },
};

/// The private half of a recovery key, or of a drill's.
pub struct Identity {
    key: x25519::Identity,
}

impl Identity {
    /// Reads a key as age writes it: `AGE-SECRET-KEY-…` on a line of its own, among comments.
    ///
    /// # Errors
    /// [`VaultError::Key`]; the message does not repeat it.
    pub fn parse(text: &str) -> Result<Self> {
        let line = text
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty() && !line.starts_with('#'))
            .unwrap_or_default();
        x25519::Identity::from_str(line)
            .map(|key| Self { key })
            .map_err(|_| {
                VaultError::key(
                    "the recovery identity: there is no `AGE-SECRET-KEY-…` in it",
                    "give the file that `backstop vault init` wrote, or what it showed",
                )
            })
    }

    /// Makes a new key.
    #[must_use]
    pub fn generate() -> Self {
        Self {
            key: x25519::Identity::generate(),
        }
    }

    /// The public half, `age1…`.
    #[must_use]
    pub fn recipient(&self) -> String {
        self.key.to_public().to_string()
    }

    /// The private half in text. Whoever has it reads everything in the vault.
    #[must_use]
    pub fn reveal(&self) -> String {
        use age::secrecy::ExposeSecret as _;
        self.key.to_string().expose_secret().to_owned()
    }
}

/// The plaintext of an object as it is read.
pub struct Reader {
    inner: zstd::Decoder<'static, io::BufReader<age::stream::StreamReader<Checked>>>,
    plain: Context,
    expected: Object,
    ended: bool,
}

/// Opens the object `name` of the vault in `dir`.
///
/// # Errors
/// When there is none, or the identity does not open it; [`VaultError::Integrity`] when its record is not
/// in the index.
pub fn open(dir: &Path, name: Digest, identity: &Identity) -> Result<Reader> {
    let (object, bytes) = find(dir, name)?;
    let checked = Checked {
        bytes,
        hash: Context::new(&SHA256),
        name,
        ended: false,
    };
    let file = format!("objects/{}", name.to_hex());
    let decryptor = age::Decryptor::new(checked).map_err(|e| unsealed(&file, &e))?;
    let key: &dyn age::Identity = &identity.key;
    let stream = decryptor
        .decrypt(std::iter::once(key))
        .map_err(|error| match error {
            // A flipped bit where the key lies looks like this, too: the object's name tells the two apart.
            age::DecryptError::NoMatchingKeys => match whole(dir, name) {
                Err(error) => unsealed(&file, &error),
                Ok(()) => VaultError::key(
                    "this identity: the object was not sealed to it",
                    "take the identity of the recipients that were configured when it was stored",
                ),
            },
            other => unsealed(&file, &other),
        })?;
    let inner = zstd::Decoder::new(stream).map_err(|e| unsealed(&file, &e))?;
    Ok(Reader {
        inner,
        plain: Context::new(&SHA256),
        expected: object,
        ended: false,
    })
}

/// Whether the stored bytes are those of the name. Reads all of them.
fn whole(dir: &Path, name: Digest) -> io::Result<()> {
    let (_, bytes) = find(dir, name).map_err(io::Error::other)?;
    let mut checked = Checked {
        bytes,
        hash: Context::new(&SHA256),
        name,
        ended: false,
    };
    io::copy(&mut checked, &mut io::sink()).map(drop)
}

fn unsealed(file: &str, why: &dyn std::fmt::Display) -> VaultError {
    VaultError::integrity(file, why.to_string())
}

impl Reader {
    /// What the index says about the object.
    pub fn object(&self) -> &Object {
        &self.expected
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.plain.update(buffer.get(..read).unwrap_or_default());
        if read == 0 && !buffer.is_empty() && !self.ended {
            self.ended = true;
            // The stored bytes have to end, too: nothing may follow what age takes for the end.
            io::copy(self.inner.get_mut(), &mut io::sink())?;
            if digest(self.plain.clone()) != self.expected.plain {
                return Err(changed("the content is not what its record says"));
            }
        }
        Ok(read)
    }
}

/// The stored bytes, hashed as they are read; their end is an error if they are not the object's.
struct Checked {
    bytes: Box<dyn Read + Send>,
    hash: Context,
    name: Digest,
    ended: bool,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        self.hash.update(buffer.get(..read).unwrap_or_default());
        if read == 0 && !buffer.is_empty() && !self.ended {
            self.ended = true;
            if digest(self.hash.clone()) != self.name {
                return Err(changed("the stored bytes are not those of its name"));
            }
        }
        Ok(read)
    }
}

fn changed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// An object's record, and its bytes: from its file, or from the segment that it lies in until it has one.
fn find(dir: &Path, name: Digest) -> Result<(Object, Box<dyn Read + Send>)> {
    let root = Dir::open(dir)?;
    let hex = name.to_hex();
    for _ in 0..3 {
        let late = store::in_segments(&root, &name)?;
        if let Some((object, bytes)) = &late
            && !bytes.is_empty()
        {
            return Ok((object.clone(), Box::new(Cursor::new(bytes.clone()))));
        }
        match object_file(&root, &hex) {
            Ok(file) => {
                let object = match late {
                    Some((object, _)) => object,
                    None => in_index(&root, &name)?,
                };
                return Ok((object, Box::new(file)));
            }
            // It may just have moved from the segment to its file.
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Err(VaultError::setup(
        format!("there is no object `{hex}` in this vault"),
        "`backstop vault list` shows what there is",
    ))
}

fn object_file(root: &Dir, hex: &str) -> Result<File> {
    let folder = root
        .existing("objects")?
        .existing(hex.get(..2).unwrap_or_default());
    match folder.and_then(|folder| folder.read(hex)) {
        // A large one lies there until it has its place.
        Err(error) if is_missing(&error) => root.existing("tmp")?.read(hex),
        found => found,
    }
}

fn in_index(root: &Dir, name: &Digest) -> Result<Object> {
    let mut found = None;
    store::index::read(root, |record, _| {
        if let Event::Stored(object) = record.event
            && object.name == *name
        {
            found = Some(object);
        }
    })?;
    found.ok_or_else(|| {
        VaultError::integrity(
            format!("objects/{}", name.to_hex()),
            "the index does not know it",
        )
    })
}

//! What is kept of a file that was adopted: the original, and what was written in place of what. Sealed.
//!
//! Written before the file is touched, so that there is no moment in which the original is nowhere.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use backstop_core::digest::Digest;
use backstop_scopes::find::{Fingerprint, Name};
use backstop_store::SealKey;
use serde::{Deserialize, Serialize};

use super::edit::Change;
use crate::config::{Dsn, Tls};
use crate::failure::{Code, Context, Failure, Outcome};
use crate::home::Home;

/// What stands in clear before the sealed part, and what that is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    version: u8,
    path: Name,
    original: Digest,
    number: u64,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// The file is about to be rewritten.
    Begun,
    /// It was.
    Done,
    /// It is about to be put back.
    Undoing,
    /// What could be put back was; kept because something could not.
    Left,
}

/// A file's adoption. One file may have several, one after another.
#[derive(Clone, Serialize, Deserialize)]
pub(in crate::command) struct Record {
    /// Its number: later ones are higher.
    pub(super) number: u64,
    /// The file.
    pub(in crate::command) path: Name,
    /// How far it is.
    pub(super) state: State,
    /// When: Unix time in milliseconds.
    pub(super) at_ms: i64,
    /// The file before.
    #[serde(with = "bytes")]
    pub(super) original: Vec<u8>,
    /// What the file was known by once it was written.
    pub(super) written: Digest,
    /// The name beside it that the swap went through.
    pub(super) temporary: String,
    /// What was written in place of what.
    pub(super) changes: Vec<Change>,
    /// The credentials that were replaced.
    pub(super) credentials: Vec<Credential>,
}

/// A credential that was replaced.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Credential {
    /// The variable, or the line.
    pub(super) name: String,
    /// Its kind.
    pub(super) kind: String,
    /// What it is known by among this installation's.
    pub(super) fingerprint: Option<Fingerprint>,
    /// What it opens, and the lease in its place; none where a placeholder stands.
    pub(super) opens: Option<Opens>,
}

/// A database that an old credential opens.
#[derive(Clone, Serialize, Deserialize)]
pub(in crate::command) struct Opens {
    /// Where, without the password.
    dsn: String,
    tls: Way,
    password: String,
    /// The target of the lease.
    pub(super) target: String,
    /// The lease.
    pub(super) lease: String,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Way {
    Plain,
    Verify(Option<PathBuf>),
    Pinned(Digest),
}

impl Opens {
    /// What `dsn` opens with `password`.
    pub(super) fn new(dsn: &Dsn, password: &str, target: &str, lease: &str) -> Self {
        Self {
            dsn: dsn.to_url(),
            tls: match &dsn.tls {
                Tls::Disable => Way::Plain,
                Tls::Verify { ca } => Way::Verify(ca.clone()),
                Tls::Pinned(hash) => Way::Pinned(Digest(*hash)),
            },
            password: password.to_owned(),
            target: target.to_owned(),
            lease: lease.to_owned(),
        }
    }

    /// The same with another lease in its place.
    pub(super) fn by(&self, lease: &str) -> Self {
        Self {
            lease: lease.to_owned(),
            ..self.clone()
        }
    }

    /// Where, and how the server is known.
    ///
    /// # Errors
    /// When it was sealed in a form that this version does not know.
    pub(in crate::command) fn dsn(&self) -> Outcome<Dsn> {
        let mut dsn = Dsn::parse(&self.dsn).doing("a sealed connection cannot be read")?;
        dsn.tls = match &self.tls {
            Way::Plain => Tls::Disable,
            Way::Verify(ca) => Tls::Verify { ca: ca.clone() },
            Way::Pinned(hash) => Tls::Pinned(hash.0),
        };
        Ok(dsn)
    }
}

impl Opens {
    /// The old password.
    pub(in crate::command) fn password(&self) -> &str {
        &self.password
    }

    /// The lease in its place.
    pub(in crate::command) fn lease(&self) -> &str {
        &self.lease
    }

    /// The target of the lease in its place.
    pub(in crate::command) fn target(&self) -> &str {
        &self.target
    }
}

impl Record {
    /// Its old logins: the variable, the file, and what they open.
    pub(in crate::command) fn logins(&self) -> impl Iterator<Item = (&str, &Name, &Opens)> {
        self.credentials
            .iter()
            .filter_map(|c| Some((c.name.as_str(), &self.path, c.opens.as_ref()?)))
    }

    /// What its old credentials are known by.
    pub(in crate::command) fn fingerprints(&self) -> impl Iterator<Item = (&str, &Fingerprint)> {
        self.credentials
            .iter()
            .filter_map(|c| Some((c.name.as_str(), c.fingerprint.as_ref()?)))
    }

    /// The file.
    pub(in crate::command) fn path(&self) -> PathBuf {
        self.path.to_path()
    }

    /// Leases that it put into the file.
    pub(super) fn leases(&self) -> impl Iterator<Item = &str> {
        self.credentials
            .iter()
            .filter_map(|c| c.opens.as_ref().map(|o| o.lease.as_str()))
    }

    /// Writes it, sealed, in place of what it was before.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, home: &Home, key: &SealKey) -> Outcome {
        let folder = folder(home)?;
        let header = Header {
            version: 1,
            path: self.path.clone(),
            original: key.salted(&self.original),
            number: self.number,
        };
        let mut text = serde_json::to_vec(&header).doing("cannot write down what is adopted")?;
        let plain = serde_json::to_vec(self).doing("cannot write down what is adopted")?;
        let sealed = key
            .seal(&context(&text), &plain)
            .doing("cannot seal the original")?;
        text.push(b'\n');
        text.extend_from_slice(&sealed);
        let path = place(&folder, self.number);
        let new = path.with_extension("new");
        let write = || -> std::io::Result<()> {
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&new)?;
            file.write_all(&text)?;
            file.sync_all()?;
            Ok(())
        };
        let doing = || format!("cannot keep the original in `{}`", folder.display());
        write().doing(doing())?;
        home.give(&new)?;
        std::fs::rename(&new, &path)
            .and_then(|()| std::fs::File::open(&folder)?.sync_all())
            .doing(doing())
    }

    /// Removes it. The file is as it was before, or nothing of it was ever changed.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(super) fn remove(&self, home: &Home) -> Outcome {
        let path = place(&home.adopted(), self.number);
        std::fs::remove_file(&path).doing(format!("cannot remove `{}`", path.display()))
    }
}

/// Every record, the oldest first.
///
/// # Errors
/// When one cannot be read: damaged, of another key, or moved to another's place.
pub(in crate::command) fn all(home: &Home, key: &SealKey) -> Outcome<Vec<Record>> {
    let folder = home.adopted();
    let listing = match std::fs::read_dir(&folder) {
        Ok(listing) => listing,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        Err(e) => return Err(e).doing(format!("cannot read `{}`", folder.display())),
    };
    let mut all = vec![];
    for entry in listing {
        let path = entry
            .doing(format!("cannot read `{}`", folder.display()))?
            .path();
        if path.extension().is_some_and(|e| e == "sealed") {
            all.push(read(&path, key)?);
        }
    }
    all.sort_by_key(|record| record.number);
    Ok(all)
}

fn read(path: &Path, key: &SealKey) -> Outcome<Record> {
    let broken = |why: &str| {
        Failure::new(format!("the sealed original `{}` cannot be used", path.display()))
            .because(why)
            .code(Code::Integrity)
            .hint("it was damaged, moved, or sealed with another key; restore the data directory from where it is kept")
    };
    let bytes = std::fs::read(path).doing(format!("cannot read `{}`", path.display()))?;
    let end = bytes.iter().position(|b| *b == b'\n');
    let (header, sealed) = end
        .and_then(|end| bytes.split_at_checked(end))
        .ok_or_else(|| broken("it has no header"))?;
    let sealed = sealed.get(1..).unwrap_or_default();
    let plain = key
        .open(&context(header), sealed)
        .map_err(|e| broken(&e.to_string()))?;
    let header: Header =
        serde_json::from_slice(header).map_err(|_| broken("its header is of another form"))?;
    let record: Record =
        serde_json::from_slice(&plain).map_err(|_| broken("it is of another form"))?;
    let fits = record.path == header.path
        && record.number == header.number
        && key.salted(&record.original) == header.original
        && path == place(path.parent().unwrap_or(Path::new("")), record.number);
    if fits {
        Ok(record)
    } else {
        Err(broken("it is not what its header says"))
    }
}

/// The path and the digest are bound into the seal: the original of one file is never put back as another's.
fn context(header: &[u8]) -> Vec<u8> {
    [b"adopted file\0", header].concat()
}

fn place(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:08}.sealed"))
}

mod bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        STANDARD
            .decode(String::deserialize(from)?)
            .map_err(serde::de::Error::custom)
    }
}

/// The directory of all records, made where it is not there yet.
///
/// # Errors
/// When it cannot be made.
pub(super) fn folder(home: &Home) -> Outcome<std::path::PathBuf> {
    let folder = home.adopted();
    if !folder.exists() {
        let mut make = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut make, 0o700);
        make.create(&folder)
            .doing(format!("cannot make `{}`", folder.display()))?;
        home.give(&folder)?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(path: &str, number: u64) -> Record {
        Record {
            number,
            path: Name::new(path),
            state: State::Begun,
            at_ms: 1,
            original: b"URL=postgres://u:hunter2@h/d\xff\n".to_vec(),
            written: Digest::of(b"x"),
            temporary: ".backstop-a".into(),
            changes: vec![],
            credentials: vec![],
        }
    }

    #[test]
    fn an_original_opens_only_in_its_own_place_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        let key = SealKey::new([7; 32]);
        record("/a/.env", 1).write(&home, &key).unwrap();
        record("/b/.env", 2).write(&home, &key).unwrap();
        let read = all(&home, &key).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].original, record("/a/.env", 1).original);
        let (one, two) = (place(&home.adopted(), 1), place(&home.adopted(), 2));
        let bytes = std::fs::read(&one).unwrap();
        assert!(!bytes.windows(7).any(|w| w == b"hunter2"));
        // Another's place, another path in the header, another key, any bit.
        std::fs::copy(&one, &two).unwrap();
        assert!(all(&home, &key).is_err());
        std::fs::remove_file(&two).unwrap();
        assert!(all(&home, &SealKey::new([8; 32])).is_err());
        let moved = String::from_utf8_lossy(&bytes[..40]).replace("/a/", "/b/");
        std::fs::write(&one, [moved.as_bytes(), &bytes[40..]].concat()).unwrap();
        assert!(all(&home, &key).is_err());
        for at in (0..bytes.len()).step_by(7) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            std::fs::write(&one, changed).unwrap();
            assert!(all(&home, &key).is_err(), "byte {at}");
        }
    }
}

//! Names as the system has them, bytes, and as a person may safely see them: a file may be called anything, an escape
//! sequence included, and none of it reaches a terminal raw.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A path, a command or a variable's name: any bytes. Shown and serialised with everything escaped that is not
/// printable, reversibly: a backslash as `\\`, other bytes as `\xNN`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Vec<u8>);

impl Name {
    /// A name of these bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes, unescaped: for opening files, never for showing.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name as a path.
    #[must_use]
    pub fn to_path(&self) -> PathBuf {
        PathBuf::from(OsStr::from_bytes(&self.0))
    }
}

impl From<&Path> for Name {
    fn from(path: &Path) -> Self {
        Self(path.as_os_str().as_bytes().to_vec())
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\\' => f.write_str("\\\\")?,
                    c if is_plain(c) => write!(f, "{c}")?,
                    c => {
                        let mut buffer = [0; 4];
                        for byte in c.encode_utf8(&mut buffer).bytes() {
                            write!(f, "\\x{byte:02x}")?;
                        }
                    }
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let shown = String::deserialize(deserializer)?;
        unescape(&shown).map(Self).ok_or_else(|| {
            serde::de::Error::custom("a backslash in a name starts neither `\\\\` nor `\\xNN`")
        })
    }
}

/// Neither control characters nor what turns text around or hides it: bidirectional marks, zero-width characters,
/// separators, and the tags and variation selectors that no font draws.
fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(u32::from(c),
            0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f
            | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb
            | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

fn unescape(shown: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(shown.len());
    let mut rest = shown.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next()? {
            b'\\' => bytes.push(b'\\'),
            b'x' => {
                let digits = [rest.next()?, rest.next()?];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
            }
            _ => return None,
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_shown() {
        let name = Name::new(b"a\x1b]0;owned\x07\nb\\c\xff\xc2\x9b31m\xe2\x80\xae".to_vec());
        let shown = name.to_string();
        assert_eq!(
            shown,
            "a\\x1b]0;owned\\x07\\x0ab\\\\c\\xff\\xc2\\x9b31m\\xe2\\x80\\xae"
        );
        assert!(shown.bytes().all(|byte| byte.is_ascii_graphic()));
    }

    #[test]
    fn a_name_comes_back_from_json_as_the_same_bytes() {
        for bytes in [
            &b"plain"[..],
            b"\\x41",
            "größe/日本".as_bytes(),
            b"\x00\x80\xff\n",
        ] {
            let name = Name::new(bytes);
            let json = serde_json::to_string(&name).unwrap();
            assert_eq!(serde_json::from_str::<Name>(&json).unwrap(), name, "{json}");
        }
        assert!(serde_json::from_str::<Name>(r#""a\\q""#).is_err());
    }
}

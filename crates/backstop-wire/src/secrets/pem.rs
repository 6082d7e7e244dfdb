//! Private keys in PEM, whole or inside of a string, and whether a passphrase protects them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::engine::Text;
use super::hit::{Hit, Rank};

/// A key is no longer than this.
const LONGEST: usize = 24 << 10;

/// The private key whose `-----BEGIN ` stands at `at`.
pub(crate) fn at(text: Text<'_>, at: usize) -> Option<Hit> {
    let rest = text.bytes.get(at..(at + LONGEST).min(text.bytes.len()))?;
    let label_end = memchr::memmem::find(rest.get(11..80.min(rest.len()))?, b"-----")? + 11;
    let label = std::str::from_utf8(rest.get(11..label_end)?).ok()?;
    if !label.contains("PRIVATE KEY") {
        return None;
    }
    let end_mark = format!("-----END {label}-----");
    let end = memchr::memmem::find(rest, end_mark.as_bytes())?;
    let body = rest.get(label_end + 5..end)?;
    let (headers, data) = read(body);
    // Examples are cut short.
    if data.len() < 40 {
        return None;
    }
    let encrypted = label.starts_with("ENCRYPTED")
        || headers.contains("ENCRYPTED")
        || openssh_is_encrypted(label, &data);
    let is_ssh =
        label == "OPENSSH PRIVATE KEY" || memchr::memmem::find(text.path, b"/.ssh/").is_some();
    let kind = match (label, is_ssh, encrypted) {
        (label, ..) if label.starts_with("PGP") => "key.pgp",
        (_, true, false) => "ssh.key",
        (_, true, true) => "ssh.key-encrypted",
        (_, false, true) => "key.private-encrypted",
        (_, false, false) => "key.private",
    };
    let range = at..at + end + end_mark.len();
    let secret = text.bytes.get(range.clone())?;
    Some(Hit::new(kind, "private-key", range, secret, Rank::Known).with("format", label.as_bytes()))
}

/// Headers, and the decoded body; line ends may be written out, as in JSON.
fn read(body: &[u8]) -> (String, Vec<u8>) {
    let text = String::from_utf8_lossy(body)
        .replace("\\r", "\n")
        .replace("\\n", "\n");
    let (mut headers, mut data) = (String::new(), String::new());
    for line in text
        .lines()
        .map(|line| line.trim().trim_matches(['"', '\'', ',', '+', '\\', ' ']))
    {
        let into = if line.contains(": ") {
            &mut headers
        } else {
            &mut data
        };
        into.push_str(line);
    }
    // A PGP block ends with a checksum of its own.
    let data: String = data
        .split("=")
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/'))
        .collect();
    let whole = data.len() / 4 * 4;
    (
        headers,
        STANDARD
            .decode(data.get(..whole).unwrap_or_default())
            .unwrap_or_default(),
    )
}

/// `openssh-key-v1`, a zero, then the cipher's name after its length.
fn openssh_is_encrypted(label: &str, data: &[u8]) -> bool {
    label == "OPENSSH PRIVATE KEY"
        && data.starts_with(b"openssh-key-v1\0")
        && data.get(15..23) != Some(b"\0\0\0\x04none")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::class::Class;

    fn kind(pem: &str, path: &str) -> Option<String> {
        let text = Text {
            bytes: pem.as_bytes(),
            path: path.as_bytes(),
            class: Class::Settings,
        };
        at(text, pem.find("-----BEGIN")?).map(|hit| hit.kind.into_owned())
    }

    #[test]
    fn keys_are_told_apart_and_public_ones_left_alone() {
        let openssh = |cipher: &str| {
            let mut data = b"openssh-key-v1\0".to_vec();
            data.extend_from_slice(&u32::try_from(cipher.len()).unwrap().to_be_bytes());
            data.extend_from_slice(cipher.as_bytes());
            data.extend_from_slice(&[7; 60]);
            format!(
                "-----BEGIN OPENSSH {}-----\n{}\n-----END OPENSSH {}-----",
                "PRIVATE KEY",
                STANDARD.encode(data),
                "PRIVATE KEY"
            )
        };
        assert_eq!(kind(&openssh("none"), "/k").as_deref(), Some("ssh.key"));
        assert_eq!(
            kind(&openssh("aes256-ctr"), "/k").as_deref(),
            Some("ssh.key-encrypted")
        );
        let rsa = format!(
            "-----BEGIN RSA {}-----\\n{}\\n-----END RSA {}-----",
            "PRIVATE KEY",
            STANDARD.encode([9; 90]),
            "PRIVATE KEY"
        );
        assert_eq!(kind(&rsa, "/k").as_deref(), Some("key.private"));
        assert_eq!(
            kind(&rsa, "/home/a/.ssh/id_rsa").as_deref(),
            Some("ssh.key")
        );
        assert_eq!(
            kind(
                "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----",
                "/k"
            ),
            None
        );
        assert_eq!(
            kind(
                &format!(
                    "-----BEGIN {}-----\n...\n-----END {}-----",
                    "PRIVATE KEY", "PRIVATE KEY"
                ),
                "/k"
            ),
            None
        );
    }
}

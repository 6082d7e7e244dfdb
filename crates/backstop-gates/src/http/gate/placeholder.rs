//! What an agent holds in place of an API's credential: of one lease and one API, derived and stored nowhere, shaped so
//! that clients which check the shape take it.

use backstop_core::digest::Digest;
use backstop_store::SealKey;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The placeholder of a lease at an API whose requests a pack of that name reads.
#[must_use]
pub fn placeholder(key: &SealKey, lease: &str, api: &str, pack: &str) -> String {
    let bytes = key.derive(&format!("placeholder of {lease} at {api}"));
    match pack {
        "railway" => uuid(bytes),
        "github" => github(bytes),
        "anthropic" => format!("sk-ant-api03-{}AA", long(key, lease, api, 93)),
        "openai" => {
            let other = key.derive(&format!("placeholder 1 of {lease} at {api}"));
            format!("sk-{}T3BlbkFJ{}", base62(&bytes, 20), base62(&other, 20))
        }
        "gemini" => format!("AIza{}", base62(&bytes, 35)),
        pack if is_aws(pack) => format!("AKIA{}", base32(&bytes, 16)),
        _ => format!("bsp_{}", base62(&bytes, 40)),
    }
}

/// More digits than come of one derived key.
fn long(key: &SealKey, lease: &str, api: &str, digits: usize) -> String {
    let one = |number: usize| {
        let bytes = key.derive(&format!("placeholder {number} of {lease} at {api}"));
        base62(&bytes, (digits - 40 * number).min(40))
    };
    (0..digits.div_ceil(40)).map(one).collect()
}

/// The secret access key that belongs to a placeholder at AWS: clients sign with it, and nobody looks at the signature.
#[must_use]
pub fn placeholder_key(key: &SealKey, lease: &str, api: &str) -> String {
    let bytes = key.derive(&format!("secret placeholder of {lease} at {api}"));
    base62(&bytes, 40)
}

/// The placeholder of a credential that an API revealed to a lease.
pub(super) fn kept(key: &SealKey, lease: &str, api: &str, secret: Digest) -> String {
    let bytes = key.derive(&format!("placeholder of {secret} for {lease} at {api}"));
    format!("bsp_{}", base62(&bytes, 40))
}

pub(super) fn is_aws(pack: &str) -> bool {
    pack == "aws" || pack.starts_with("aws/")
}

/// As many base-32 digits (RFC 4648) as asked for, one of each byte.
fn base32(bytes: &[u8; 32], digits: usize) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digit = |byte: &u8| DIGITS.get(usize::from(byte & 31)).copied();
    let all = bytes.iter().take(digits).filter_map(digit);
    all.map(char::from).collect()
}

/// Random of version 4 (RFC 9562).
fn uuid(bytes: [u8; 32]) -> String {
    let mut out = String::with_capacity(36);
    for (i, byte) in bytes.iter().take(16).enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        let byte = match i {
            6 => (byte & 0x0f) | 0x40,
            8 => (byte & 0x3f) | 0x80,
            _ => *byte,
        };
        out.push_str(&hex::encode([byte]));
    }
    out
}

/// `ghp_`, thirty characters and their CRC-32 in base 62, as GitHub's announcement of the format has it.
fn github(bytes: [u8; 32]) -> String {
    let random = base62(&bytes, 30);
    let mut sum = crc32(random.as_bytes());
    let mut check = [b'0'; 6];
    for place in check.iter_mut().rev() {
        *place = digit(sum % 62);
        sum /= 62;
    }
    format!("ghp_{random}{}", String::from_utf8_lossy(&check))
}

/// As many base-62 digits as asked for, at most one for each six bits.
fn base62(bytes: &[u8; 32], digits: usize) -> String {
    let mut bits: u32 = 0;
    let mut have = 0;
    let mut out = String::with_capacity(digits);
    // Two values of 64 are used twice: nothing here has to be uniform.
    for byte in bytes {
        bits = (bits << 8) | u32::from(*byte);
        have += 8;
        while have >= 6 && out.len() < digits {
            have -= 6;
            out.push(char::from(digit((bits >> have) & 0x3f)));
        }
    }
    out
}

fn digit(value: u32) -> u8 {
    let at = usize::try_from(value % 62).unwrap_or_default();
    BASE62.get(at).copied().unwrap_or(b'0')
}

/// IEEE 802.3, bit by bit: thirty characters a lease.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let mask = (crc & 1).wrapping_neg();
            crc = (crc >> 1) ^ (0xedb8_8320 & mask);
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_stable_and_of_one_lease_and_one_api() {
        let key = SealKey::new([7; 32]);
        let one = placeholder(&key, "lease_a", "api", "generic");
        assert_eq!(one, placeholder(&key, "lease_a", "api", "generic"));
        assert_eq!(one.len(), 44);
        for other in [("lease_b", "api"), ("lease_a", "ap")] {
            assert_ne!(one, placeholder(&key, other.0, other.1, "generic"));
        }
    }

    #[test]
    fn they_have_the_shape_of_real_ones() {
        let key = SealKey::new([7; 32]);
        let uuid = placeholder(&key, "lease_a", "api", "railway");
        assert_eq!(uuid.len(), 36);
        assert_eq!(uuid.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&uuid.as_bytes()[19]));
        for pack in ["aws", "aws/s3"] {
            let aws = placeholder(&key, "lease_a", "api", pack);
            assert_eq!((aws.len(), &aws[..4]), (20, "AKIA"));
        }
        assert_eq!(placeholder_key(&key, "lease_a", "api").len(), 40);
        for (pack, start, length) in [
            ("anthropic", "sk-ant-api03-", 108),
            ("openai", "sk-", 51),
            ("gemini", "AIza", 39),
        ] {
            let one = placeholder(&key, "lease_a", "api", pack);
            assert_eq!(
                (one.len(), one.starts_with(start)),
                (length, true),
                "{pack}"
            );
            assert_ne!(one, placeholder(&key, "lease_b", "api", pack));
            assert_ne!(one, placeholder(&key, "lease_a", "ap", pack));
        }
        let github = placeholder(&key, "lease_a", "api", "github");
        assert_eq!(github.len(), 40);
        assert!(github.starts_with("ghp_"));
        assert_eq!(
            crc32(b"123456789"),
            0xcbf4_3926,
            "the CRC's own check value"
        );
    }
}

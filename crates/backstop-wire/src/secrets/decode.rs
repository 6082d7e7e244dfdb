//! What a whole value decodes to: a credential in an encoding is a credential.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// A longer value is a file, and is looked through as it is.
const LONGEST: usize = 256 << 10;
/// A shorter one decodes to nothing that could be a credential.
const SHORTEST: usize = 8;

type Bytes = Zeroizing<Vec<u8>>;

const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const PLAIN: GeneralPurpose = GeneralPurpose::new(&STANDARD, CONFIG);
const URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, CONFIG);

/// Everything that `value` decodes to, by up to two decodings one after the other.
pub(crate) fn decodings(value: &[u8]) -> Vec<Bytes> {
    let mut all = once(value);
    let twice: Vec<Bytes> = all.iter().flat_map(|value| once(value)).collect();
    all.extend(twice);
    all
}

/// What `value` decodes to by one decoding: percent, escapes of JSON and HTML, base64 of either alphabet, hexadecimal.
pub(crate) fn once(value: &[u8]) -> Vec<Bytes> {
    let mut all = Vec::new();
    if value.len() > LONGEST {
        return all;
    }
    if value.contains(&b'%') {
        all.extend(escapes(value, b'%', percent));
    }
    if value.contains(&b'\\') {
        all.extend(escapes(value, b'\\', backslash));
    }
    if memchr::memmem::find(value, b"&#").is_some() {
        all.extend(escapes(value, b'&', entity));
    }
    all.extend(base64(value));
    all.extend(hexadecimal(value));
    all
}

/// `value` without the escapes that `mark` begins, a `%` or a backslash; none if it has none.
pub(crate) fn unescaped(value: &[u8], mark: u8) -> Option<Bytes> {
    match mark {
        b'%' => escapes(value, mark, percent),
        b'\\' => escapes(value, mark, backslash),
        _ => None,
    }
}

/// What base64 of either alphabet, padded or not, decodes to.
pub(crate) fn of_base64(text: &[u8]) -> Option<Bytes> {
    let engine = if text.iter().any(|byte| matches!(byte, b'-' | b'_')) {
        &URL
    } else {
        &PLAIN
    };
    engine.decode(text).ok().map(Zeroizing::new)
}

/// `value` without its escapes; none if it has none.
fn escapes(value: &[u8], mark: u8, read: fn(&[u8]) -> Option<(char, usize)>) -> Option<Bytes> {
    let mut out = Zeroizing::new(Vec::with_capacity(value.len()));
    let (mut at, mut any) = (0, false);
    while let Some(byte) = value.get(at) {
        let escape = (*byte == mark)
            .then(|| read(value.get(at + 1..)?))
            .flatten();
        if let Some((c, length)) = escape {
            // One escape is one byte where it can be: UTF-8 may be escaped byte by byte.
            match u8::try_from(u32::from(c)) {
                Ok(byte) => out.push(byte),
                Err(_) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
            at += 1 + length;
            any = true;
        } else {
            out.push(*byte);
            at += 1;
        }
    }
    any.then_some(out)
}

fn percent(rest: &[u8]) -> Option<(char, usize)> {
    Some((digits(rest.get(..2)?, 16)?, 2))
}

fn backslash(rest: &[u8]) -> Option<(char, usize)> {
    match rest {
        [b'u', b'{', digits_and @ ..] => {
            let end = digits_and.iter().take(7).position(|byte| *byte == b'}')?;
            Some((digits(digits_and.get(..end)?, 16)?, end + 3))
        }
        [b'u', ..] => Some((digits(rest.get(1..5)?, 16)?, 5)),
        [b'x', ..] => Some((digits(rest.get(1..3)?, 16)?, 3)),
        [byte @ (b'"' | b'\\' | b'/'), ..] => Some((char::from(*byte), 1)),
        _ => None,
    }
}

fn entity(rest: &[u8]) -> Option<(char, usize)> {
    let rest = rest.strip_prefix(b"#")?;
    let end = rest.iter().take(10).position(|byte| *byte == b';')?;
    let body = rest.get(..end)?;
    let c = match body {
        [b'x' | b'X', body @ ..] => digits(body, 16)?,
        body => digits(body, 10)?,
    };
    Some((c, end + 2))
}

fn digits(text: &[u8], radix: u32) -> Option<char> {
    let text = std::str::from_utf8(text).ok()?;
    (!text.starts_with('+')).then_some(())?;
    char::from_u32(u32::from_str_radix(text, radix).ok()?)
}

/// Base64 of all of `value`, after `data:…;base64,` and with lines broken or not.
fn base64(value: &[u8]) -> Option<Bytes> {
    let value = match value.strip_prefix(b"data:") {
        Some(rest) => {
            let comma = rest.iter().position(|byte| *byte == b',')?;
            rest.get(comma + 1..)?
        }
        None => value,
    };
    let is_digit =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=');
    // A text of this length without any letter in upper case is a word.
    if value.len() < SHORTEST
        || !value.iter().any(u8::is_ascii_uppercase)
        || !value
            .iter()
            .all(|byte| is_digit(*byte) || byte.is_ascii_whitespace())
    {
        return None;
    }
    let text: Zeroizing<Vec<u8>> = Zeroizing::new(
        value
            .iter()
            .copied()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect(),
    );
    of_base64(&text)
}

fn hexadecimal(value: &[u8]) -> Option<Bytes> {
    let value = value.strip_prefix(b"0x").unwrap_or(value);
    if value.len() < SHORTEST * 2
        || !value.len().is_multiple_of(2)
        || !value.iter().all(u8::is_ascii_hexdigit)
    {
        return None;
    }
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    value
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect::<Option<Vec<u8>>>()
        .map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_decoded_however_it_is_encoded() {
        let secret = "kT9vQ2mLx8ZbN4rW";
        for text in [
            "%6BT9vQ2mLx8ZbN4rW",
            "%256bT9vQ2mLx8ZbN4rW",
            "\\u006bT9vQ2mLx8ZbN4rW",
            "\\u{6b}T9vQ2mLx8ZbN4rW",
            "\\x6bT9vQ2mLx8ZbN4rW",
            "&#107;T9vQ2mLx8ZbN4rW",
            "&#x6B;T9vQ2mLx8ZbN4rW",
            "a1Q5dlEybUx4OFpiTjRyVw==",
            "a1Q5dlEybUx4OFpiTjRyVw",
            "a1Q5dlEy\nbUx4OFpi\nTjRyVw==",
            "data:text/plain;base64,a1Q5dlEybUx4OFpiTjRyVw==",
            "6b543976 51326d4c78385a624e3472 57"
                .replace(' ', "")
                .as_str(),
            "YTFRNWRsRXliVXg0T0ZwaVRqUnlWdz09",
            "6B54397651326D4C78385A624E347257",
        ] {
            assert!(
                decodings(text.as_bytes())
                    .iter()
                    .any(|decoded| decoded.as_slice() == secret.as_bytes()),
                "{text}"
            );
        }
        assert!(decodings(b"an ordinary text of words").is_empty());
        assert!(decodings(b"100% \\n & #").is_empty());
    }
}

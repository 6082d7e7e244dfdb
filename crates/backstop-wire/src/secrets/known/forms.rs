//! How a secret may be written inside of a text.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use zeroize::Zeroizing;

/// How a secret is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// As it is.
    Plain,
    /// In lower case, and it is not; only of those that are long enough to be no word.
    LowerCase,
    /// In base64, of either alphabet and at any alignment.
    Base64,
    /// In hexadecimal.
    Hex,
    /// Percent-encoded, or escaped as JSON or HTML have it.
    Escaped,
}

/// One way to write one secret.
pub(super) struct Needle {
    /// The secret's number.
    pub(super) secret: usize,
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) form: Form,
}

/// Every way to write `secret`. Percent-encoding and `\u0041` can be put to any of its bytes, and are undone in the
/// text instead; what JSON writes of a character beyond one byte is not.
pub(super) fn of(number: usize, secret: &[u8]) -> Vec<Needle> {
    let mut all: Vec<Needle> = Vec::new();
    let mut add = |bytes: Vec<u8>, form: Form| {
        let bytes = Zeroizing::new(bytes);
        if !all.iter().any(|needle| needle.bytes == bytes) {
            all.push(Needle {
                secret: number,
                bytes,
                form,
            });
        }
    };
    add(secret.to_vec(), Form::Plain);
    // A word in lower case may be any word.
    if secret.len() >= 16 && secret.iter().any(u8::is_ascii_digit) {
        add(secret.to_ascii_lowercase(), Form::LowerCase);
    }
    for alphabet in [STANDARD, URL_SAFE] {
        let engine = GeneralPurpose::new(&alphabet, NO_PAD);
        for before in 0..3 {
            add(base64_after(&engine, before, secret), Form::Base64);
        }
    }
    add(hex(secret, b"0123456789abcdef"), Form::Hex);
    add(hex(secret, b"0123456789ABCDEF"), Form::Hex);
    for escapes in ESCAPES {
        add(escaped(secret, escapes), Form::Escaped);
    }
    let needs = |c: char| !c.is_ascii() || c.is_ascii_control();
    if let Some(text) = std::str::from_utf8(secret)
        .ok()
        .filter(|t| t.contains(needs))
    {
        for unicode in [Unicode::Itself, Unicode::Small, Unicode::Capital] {
            add(json(text, unicode, false), Form::Escaped);
            add(json(text, unicode, true), Form::Escaped);
        }
    }
    all
}

/// How an encoder of JSON writes what is beyond ASCII.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unicode {
    /// As it is: JavaScript, Rust, Go.
    Itself,
    /// Escaped, with digits in lower case: Python and PHP by default.
    Small,
    /// Escaped, with digits in upper case.
    Capital,
}

/// Between the quotes of a JSON text; PHP escapes slashes.
fn json(text: &str, unicode: Unicode, slashes: bool) -> Vec<u8> {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '/' if slashes => out.push_str("\\/"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c.is_ascii() && !c.is_ascii_control() => out.push(c),
            c if unicode == Unicode::Itself && !c.is_ascii() => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]).iter() {
                    out.push_str(&match unicode {
                        Unicode::Capital => format!("\\u{unit:04X}"),
                        Unicode::Itself | Unicode::Small => format!("\\u{unit:04x}"),
                    });
                }
            }
        }
    }
    out.into_bytes()
}

/// The characters of base64 that `secret` alone decides, where `before` bytes stand before it in its group of three.
fn base64_after(engine: &GeneralPurpose, before: usize, secret: &[u8]) -> Vec<u8> {
    let mut bytes = Zeroizing::new(vec![0; before]);
    bytes.extend_from_slice(secret);
    let text = Zeroizing::new(engine.encode(bytes.as_slice()).into_bytes());
    // One byte before reaches into two characters, two reach into three.
    let from = match before {
        0 => 0,
        1 => 2,
        _ => 3,
    };
    let shared = usize::from(!bytes.len().is_multiple_of(3));
    text.get(from..text.len() - shared)
        .unwrap_or_default()
        .to_vec()
}

fn hex(secret: &[u8], digits: &[u8; 16]) -> Vec<u8> {
    let digit = |half: u8| digits.get(usize::from(half)).copied().unwrap_or_default();
    secret
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

type Escapes = &'static [(u8, &'static str)];

/// What encoders write for some characters: JSON as all have it, as PHP and as Go have it by default; HTML as most and
/// as Go have it; a form's space.
const ESCAPES: &[Escapes] = &[
    &[(b'"', "\\\""), (b'\\', "\\\\")],
    &[(b'"', "\\\""), (b'\\', "\\\\"), (b'/', "\\/")],
    &[
        (b'&', "&amp;"),
        (b'<', "&lt;"),
        (b'>', "&gt;"),
        (b'"', "&quot;"),
        (b'\'', "&#39;"),
    ],
    &[
        (b'&', "&amp;"),
        (b'<', "&lt;"),
        (b'>', "&gt;"),
        (b'"', "&quot;"),
        (b'\'', "&#x27;"),
    ],
    &[
        (b'&', "&amp;"),
        (b'<', "&lt;"),
        (b'>', "&gt;"),
        (b'"', "&#34;"),
        (b'\'', "&#39;"),
    ],
    &[(b' ', "+")],
];

fn escaped(secret: &[u8], escapes: Escapes) -> Vec<u8> {
    let mut out = Vec::with_capacity(secret.len());
    for byte in secret {
        match escapes.iter().find(|(escape, _)| escape == byte) {
            Some((_, text)) => out.extend_from_slice(text.as_bytes()),
            None => out.push(*byte),
        }
    }
    out
}

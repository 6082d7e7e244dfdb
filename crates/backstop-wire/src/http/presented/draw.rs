//! Whether a machine drew a value by chance.

use crate::secrets::{entropy, is_uuid, looks_named};

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looks {
    /// Letters and digits by chance.
    Drawn,
    /// Hexadecimal digits by chance: a key, or a hash of something.
    Hex,
    /// A UUID: a key, or one of the many identifiers.
    Uuid,
    /// Anything else.
    Ordinary,
}

/// A shorter value can be guessed, or was chosen.
const SHORTEST: usize = 20;

/// What `value` looks like.
pub(super) fn looks(value: &str) -> Looks {
    let bytes = value.as_bytes();
    if is_uuid(bytes) {
        return Looks::Uuid;
    }
    if bytes.len() < SHORTEST || bytes.len() > 16 << 10 || !bytes.iter().all(|byte| is_digit(*byte))
    {
        return Looks::Ordinary;
    }
    let count = |is: fn(&u8) -> bool| bytes.iter().filter(|byte| is(byte)).count();
    let digits = count(u8::is_ascii_digit);
    let letters = count(u8::is_ascii_alphabetic);
    if digits + letters == bytes.len() && bytes.iter().all(u8::is_ascii_hexdigit) {
        let drawn = bytes.len() >= 32 && letters > 1 && digits > 1 && entropy(bytes) >= 3.0;
        return if drawn { Looks::Hex } else { Looks::Ordinary };
    }
    let mixed = letters > 4 && (digits >= 2 || turns(bytes) >= 5);
    if mixed && !is_words(value) && entropy(bytes) >= 3.4 {
        Looks::Drawn
    } else {
        Looks::Ordinary
    }
}

/// Whether `value` could be what a machine made, as short as keys are: no word, no number, no name of words.
pub(super) fn is_key(value: &str) -> bool {
    let bytes = value.as_bytes();
    bytes.len() >= 8
        && bytes.iter().all(u8::is_ascii_graphic)
        && bytes.iter().any(u8::is_ascii_digit)
        && bytes.iter().any(u8::is_ascii_alphabetic)
        && !value.contains("://")
        && !value.starts_with(['/', '$', '{', '<'])
        && !looks_named(bytes)
        && !is_words(value)
        && entropy(bytes) > 2.5
}

const fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'/' | b'=' | b'.' | b'~')
}

/// How often a letter in upper case follows one in lower case.
fn turns(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .zip(bytes.iter().skip(1))
        .filter(|(a, b)| a.is_ascii_lowercase() && b.is_ascii_uppercase())
        .count()
}

/// Names, versions and paths: words and short numbers with something between them.
fn is_words(value: &str) -> bool {
    let words = value.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.len() >= 2 && words.iter().all(|word| is_word(word))
}

/// Letters with at most some digits after them, in one case or with capitals at the start; or a short number.
fn is_word(word: &str) -> bool {
    let letters = word.trim_end_matches(|c: char| c.is_ascii_digit());
    if letters.is_empty() {
        return word.len() <= 8;
    }
    if word.len() <= 3 {
        return true;
    }
    let turns = turns(word.as_bytes());
    word.len() - letters.len() <= 4
        && letters.bytes().all(|byte| byte.is_ascii_alphabetic())
        && letters.len() <= 24
        && (turns == 0 || letters.len() / turns >= 4)
        && (letters.len() < 4 || letters.bytes().any(is_vowel))
}

const fn is_vowel(byte: u8) -> bool {
    matches!(
        byte.to_ascii_lowercase(),
        b'a' | b'e' | b'i' | b'o' | b'u' | b'y'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_told_from_names() {
        for value in [
            "kT9vQ2mLx8ZbN4rW7yHc",
            "Zm9vYmFyLWJhei1xdXg9PT0kJSY3OTg3",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzQ81kTwLmA",
            "a8f2k3j9d0s7h4g6q1w5",
            "v2.local.kT9vQ2mLx8ZbN4rW7yHc3JpD6s",
        ] {
            assert_eq!(looks(value), Looks::Drawn, "{value}");
        }
        for value in [
            "supabase-js-web/2.38.0",
            "gl-python/3.11.4",
            "2022-11-28-preview-and-more",
            "text/html;charset=utf8",
            "application-name-of-some-length",
            "2026-04-25T09:12:44.123Z",
            "20260425091244123456",
            "AWSSecretsManagerReadWrite",
            "projects/my-project/locations/europe-west1",
            "com.example.service.v1.Service",
            "refs/heads/feature/add-login-2",
            "GA1.2.1234567890.1712345678",
            "aaaaaaaaaaaaaaaaaaaaaaaa11",
            "/usr/local/share/ca-certificates",
        ] {
            assert_eq!(looks(value), Looks::Ordinary, "{value}");
        }
        assert_eq!(
            looks("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            Looks::Hex
        );
        assert_eq!(looks("3f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49"), Looks::Uuid);
    }
}
